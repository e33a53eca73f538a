"""What an analysis is: a local step that turns rows into named arrays, and a combine step on their total (summation form).

Source: Chu et al., "Map-Reduce for Machine Learning on Multicore", NeurIPS 2006.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from governance.catalogue import Column, Schema
from governance.errors import UsageError
from sandbox.predicate import Comparison, Predicate
from sandbox.rows import Floats, Mask, Rows

COHORT = "cohort"
MOST_CELLS = 1024
State = dict[str, Any]  # JSON without floats: other numbers are decimal strings, so that every node signs the same bytes


@dataclass(frozen=True, slots=True)
class Statistic:
    """A declared array of the local step.

    *bound* is the most that one holder's value can be in absolute value, public and safe for any rows. *cells* names the cell whose
    persons each entry is about, one name for each entry or one for all: an entry is opened only if its cell has support.
    *holders* marks entries that count the holders with enough persons in their cell, once more, for a cohort that the method narrowed
    down after round 0; they need no support. *weighed* marks entries in which a person's part depends on the state: before they are
    opened, the cohort, and each cell that `Analysis.weighs` names, needs support in that very state.
    """

    name: str
    bound: float
    cells: tuple[str, ...]
    holders: bool = False
    weighed: bool = False

    @property
    def length(self) -> int:
        return len(self.cells)


@dataclass(frozen=True, slots=True)
class Finding:
    """A cell's support: how many holders have enough distinct persons in it, and whether that is enough to open it."""

    holders: int
    supported: bool


class Analysis(Protocol):
    """A method, one frozen dataclass of parameters. ``name@version`` is what licences and policies speak of."""

    name: ClassVar[str]
    version: ClassVar[int]
    discloses: ClassVar[str]

    def reads(self, schema: Schema) -> tuple[str, ...]:
        """The columns it reads. Raises `UsageError` where a parameter does not fit the schema."""

    def cells(self, schema: Schema) -> tuple[str, ...]:
        """Names of the cells it opens, besides the cohort."""

    def members(self, rows: Rows, schema: Schema, state: State | None = None) -> Mapping[str, Mask | Floats]:
        """For each cell and for the cohort, which of *rows* are in it; in *state*, where the method narrows the cohort down.

        In a state whose statistics are weighed: how much of a person each of *rows* is in them, from 0 to 1; for the cohort and each
        cell that `weighs` names.
        """

    def inside(self, schema: Schema) -> Mapping[str, Predicate]:
        """Conditions that all persons of a cell fulfil, where its levels say so."""

    def opens(self, schema: Schema) -> tuple[int, ...]:
        """How many numbers the rounds after the support round open, at most in all their sum; its length is the round cap."""

    def depth(self, schema: Schema) -> Mapping[str, int]:
        """How many numbers all rounds together open over the persons of the cohort and of each cell, at most (PRIVACY 14)."""

    def over(self, schema: Schema, state: State) -> Mapping[str, int]:
        """How many of the numbers that a round opens are, beside the cell that their entry names, about the persons of other cells.

        The cohort, which all are about, is left out; numbers that follow from others by subtraction are counted.
        """

    def weighs(self, schema: Schema) -> tuple[str, ...]:
        """Cells, beside the cohort, over which weighed sums are taken: they need weight as well."""

    def start(self, schema: Schema, support: Mapping[str, Finding], state: State | None = None) -> State:
        """First state after support is known (again, in *state*); ``{"outcome": …}`` if there is nothing to compute."""

    def statistics(self, schema: Schema, state: State, rows: int) -> tuple[Statistic, ...]:
        """What the local step returns in *state*, where a holder has at most *rows* rows."""

    def local(self, rows: Rows, schema: Schema, state: State) -> Mapping[str, Floats]:
        """Arrays by name, additive over batches. Entries of cells without support are zeroed by the caller."""

    def combine(self, total: Mapping[str, Sequence[float]], schema: Schema, state: State) -> State:
        """Next state, or ``{"outcome": …}``; plain IEEE arithmetic, so that every node gets the same bits."""


def at_levels(levels: Iterable[tuple[str, int]]) -> Predicate:
    """Of each named column the level of that number."""
    return Predicate(tuple(Comparison(name, "in", (level,)) for name, level in levels))


def text(value: float) -> str:
    """The shortest decimal string that reads back as *value*."""
    return repr(float(value))


def texts(values: Sequence[float]) -> list[str]:
    return [text(v) for v in values]


def floats(strings: Sequence[str]) -> list[float]:
    return [float(s) for s in strings]


def failed(reason: str) -> State:
    """The outcome of a method that cannot give numbers, for a reason that is a fact of opened totals."""
    return {"outcome": {"failed": reason}}


def need(schema: Schema, name: str, kinds: Sequence[str]) -> Column:
    """The column *name*, which must be of one of *kinds*."""
    column = schema[name]
    if column.kind not in kinds:
        raise UsageError(f"{name} is a {column.kind} column; a {' or '.join(kinds)} column is needed here")
    return column


def distinct(what: str, names: Sequence[str], *, most: int) -> tuple[str, ...]:
    """*names* as a tuple; between one and *most* of them, none twice."""
    if isinstance(names, str) or not 1 <= len(names) <= most or len(set(names)) != len(names):
        raise UsageError(f"{what} must be 1 to {most} different column names")
    return tuple(names)


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    """Sum of products, left to right."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


def solve(matrix: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """Solve ``matrix @ x = column`` for each column in *right*; None if the symmetric *matrix* is not positive definite.

    Cholesky in plain floats (Golub & Van Loan, 4th ed., 4.2): IEEE operations in a fixed order give every node the same bits, which
    neither a BLAS nor `sum` promises (Python 3.12 compensates, 3.11 does not).
    """
    size = len(matrix)
    low = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i][j] - dot(low[i][:j], low[j][:j])
            if i != j:
                low[i][j] = rest / low[j][j]
            elif rest <= 1e-11 * matrix[i][i] or not math.isfinite(rest):
                return None
            else:
                low[i][i] = math.sqrt(rest)
    return [_substitute(low, column) for column in right]


def _substitute(low: list[list[float]], column: Sequence[float]) -> list[float]:
    size, x = len(low), list(column)
    for i in range(size):
        x[i] = (x[i] - dot(low[i][:i], x[:i])) / low[i][i]
    for i in reversed(range(size)):
        x[i] = (x[i] - dot([row[i] for row in low[i + 1 :]], x[i + 1 :])) / low[i][i]
    return x
