"""Counts of persons by the levels of one or two columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from governance.catalogue import Schema
from governance.errors import UsageError
from sandbox.analyses.contract import COHORT, MOST_CELLS, Finding, State, Statistic, at_levels, need
from sandbox.predicate import Predicate
from sandbox.rows import Floats, Mask, Rows


@dataclass(frozen=True, slots=True)
class Crosstab:
    """Cross-tabulate two category or band columns, or count the levels of one.

    Parameters
    ----------
    index, columns
        Column names, as in ``pandas.crosstab``; *columns* may be left out.

    Notes
    -----
    One round after that of support. A cell with too little support is not opened and shows as suppressed, an empty one too. Margins are
    sums of opened cells, never opened by themselves, so that they give no suppressed cell away.
    """

    index: str
    columns: str | None = None

    name: ClassVar[str] = "crosstab"
    version: ClassVar[int] = 1
    discloses: ClassVar[str] = (
        "the number of persons in each cell that at least c + 1 holders support with min_cell persons; one number a cell"
    )

    def reads(self, schema: Schema) -> tuple[str, ...]:
        names = [self.index] if self.columns is None else [self.index, self.columns]
        if len(set(names)) < len(names):
            raise UsageError("index and columns must be two different columns")
        size = 1
        for name in names:
            size *= len(need(schema, name, ["category", "band"]).levels)
        if size > MOST_CELLS:
            raise UsageError(f"the table would have {size} cells; at most {MOST_CELLS} are allowed")
        return tuple(names)

    def cells(self, schema: Schema) -> tuple[str, ...]:
        first = [f"{self.index}={level}" for level in schema[self.index].levels]
        if self.columns is None:
            return tuple(first)
        return tuple(f"{a} & {self.columns}={level}" for a in first for level in schema[self.columns].levels)

    def members(self, rows: Rows, schema: Schema, state: State | None = None) -> Mapping[str, Mask]:
        at = self._positions(rows, schema)
        return {COHORT: at >= 0} | {cell: at == i for i, cell in enumerate(self.cells(schema))}

    def inside(self, schema: Schema) -> Mapping[str, Predicate]:
        names = [self.index] if self.columns is None else [self.index, self.columns]
        levels = product(*(range(len(schema[name].levels)) for name in names))
        return {cell: at_levels(zip(names, at, strict=True)) for cell, at in zip(self.cells(schema), levels, strict=True)}

    def opens(self, schema: Schema) -> tuple[int, ...]:
        return (len(self.cells(schema)),)

    def depth(self, schema: Schema) -> Mapping[str, int]:
        cells = self.cells(schema)
        return {COHORT: len(cells), **dict.fromkeys(cells, 1)}

    def over(self, schema: Schema, state: State) -> Mapping[str, int]:
        return {}

    def weighs(self, schema: Schema) -> tuple[str, ...]:
        return ()

    def start(self, schema: Schema, support: Mapping[str, Finding], state: State | None = None) -> State:
        shown = [support[cell].supported for cell in self.cells(schema)]
        return {"shown": shown} if any(shown) else self._outcome(schema, [None] * len(shown))

    def statistics(self, schema: Schema, state: State, rows: int) -> tuple[Statistic, ...]:
        return (Statistic("counts", rows, self.cells(schema)),)

    def local(self, rows: Rows, schema: Schema, state: State) -> Mapping[str, Floats]:
        at = self._positions(rows, schema)
        return {"counts": np.bincount(at[at >= 0], minlength=len(self.cells(schema))).astype(np.float64)}

    def combine(self, total: Mapping[str, Sequence[float]], schema: Schema, state: State) -> State:
        return self._outcome(schema, [round(n) if shown else None for n, shown in zip(total["counts"], state["shown"], strict=True)])

    def _positions(self, rows: Rows, schema: Schema) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Index of each row's cell, -1 where a value is missing."""
        at = rows.codes(self.index).astype(np.int64)
        if self.columns is None:
            return at
        other = rows.codes(self.columns).astype(np.int64)
        return np.where((at >= 0) & (other >= 0), at * len(schema[self.columns].levels) + other, -1)

    def _outcome(self, schema: Schema, counts: list[int | None]) -> State:
        across = [""] if self.columns is None else list(schema[self.columns].levels)
        down = list(schema[self.index].levels)
        table = [counts[i * len(across) : (i + 1) * len(across)] for i in range(len(down))]
        return {"outcome": {"index": self.index, "columns": self.columns, "down": down, "across": across, "counts": table}}
