"""Conditions over registered levels and cut points: `age_band >= '40-49' and sex == 'female'`.

A condition is a conjunction of comparisons, each a typed leaf; no arithmetic, no functions, no free constants (PRIVACY 3 and 8). A number
column may be compared only at its registered cut points, and only with < and >=, which are the edges of its intervals.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.catalogue import Column, Schema
from governance.errors import UsageError
from sandbox.rows import Mask, Rows

TOKEN = re.compile(r"\s*(?:(?P<text>'[^']*'|\"[^\"]*\")|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>\w+)|(?P<op>==|!=|<=|>=|<|>|=|\(|\)|,))", re.A)
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
MOST = 32


@dataclass(frozen=True, slots=True)
class Comparison:
    """One leaf: for a number column the value of a cut point, else indices of levels."""

    column: str
    op: str
    values: tuple[float, ...]

    def holds(self, rows: Rows) -> Mask:
        """Which rows satisfy it; a missing value never does."""
        column = rows.columns[self.column]
        mask = np.isin(column, self.values) if self.op == "in" else COMPARE[self.op](column, self.values[0])
        return mask & rows.present(self.column)


@dataclass(frozen=True, slots=True)
class Predicate:
    """All of the comparisons hold."""

    comparisons: tuple[Comparison, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(c.column for c in self.comparisons)

    @property
    def normal(self) -> list[str]:
        """The same for every order of its comparisons and levels."""
        return sorted({f"{c.column} {c.op} {sorted(set(c.values))}" for c in self.comparisons})

    def holds(self, rows: Rows) -> Mask:
        mask = np.ones(len(rows), np.bool_)
        for comparison in self.comparisons:
            mask &= comparison.holds(rows)
        return mask


def parse(text: str, schema: Schema) -> Predicate:
    """Read a condition; an empty text means all rows.

    Raises
    ------
    UsageError
        With code ``job.predicate``: a syntax error, an unknown column or level, or a value that is no registered cut point.
    """
    tokens = _tokens(text)
    if not tokens:
        return Predicate()
    found: list[Comparison] = []
    while True:
        comparison, tokens = _comparison(tokens, schema)
        found.append(comparison)
        if not tokens:
            return Predicate(tuple(found))
        if tokens[0] != ("word", "and"):
            raise _wrong("comparisons are joined by 'and'; 'or' is not possible, a list of levels is: in ('a', 'b')")
        if len(found) == MOST:
            raise _wrong(f"at most {MOST} comparisons joined by 'and' are allowed")
        tokens = tokens[1:]


def _wrong(detail: str) -> UsageError:
    return UsageError(code="job.predicate", detail=detail)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = TOKEN.match(text, at)
        if match is None:
            raise _wrong(f"cannot be read from position {at + 1}")
        tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return tokens


def _comparison(tokens: list[tuple[str, str]], schema: Schema) -> tuple[Comparison, list[tuple[str, str]]]:
    if len(tokens) < 3 or tokens[0][0] != "word":
        raise _wrong("a comparison reads: column operator value")
    try:
        column = schema[tokens[0][1]]
    except UsageError as error:
        raise _wrong(str(error)) from None
    if tokens[1] == ("word", "in"):
        values, rest = _list(tokens[2:])
        return _levels(column, "in", values), rest
    op = "==" if tokens[1][1] == "=" else tokens[1][1]
    if op not in COMPARE:
        raise _wrong(f"{tokens[1][1]!r} is not a comparison; use one of {' '.join(COMPARE)} or in")
    leaf = _cut(column, op, tokens[2]) if column.kind == "number" else _levels(column, op, [tokens[2]])
    return leaf, tokens[3:]


def _list(tokens: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    if tokens[:1] != [("op", "(")] or ("op", ")") not in tokens:
        raise _wrong("a list of levels reads: in ('a', 'b')")
    end = tokens.index(("op", ")"))
    inner = tokens[1:end]
    if not inner or len(inner) % 2 == 0 or any(t != ("op", ",") for t in inner[1::2]):
        raise _wrong("a list of levels reads: in ('a', 'b')")
    return inner[::2], tokens[end + 1 :]


def _cut(column: Column, op: str, token: tuple[str, str]) -> Comparison:
    cuts = [float(c) for c in column.cuts]
    if op not in ("<", ">="):
        raise _wrong(f"the number column {column.name} can be compared with < and >= only, at its cut points")
    if token[0] != "number" or float(token[1]) not in cuts:
        raise _wrong(f"{token[1]} is no registered cut point of {column.name}; those are {', '.join(column.cuts) or 'none'}")
    return Comparison(column.name, op, (float(token[1]),))


def _levels(column: Column, op: str, tokens: list[tuple[str, str]]) -> Comparison:
    if column.kind == "number":
        raise _wrong(f"the number column {column.name} has no levels")
    if column.kind == "category" and op not in ("==", "!=", "in"):
        raise _wrong(f"the levels of {column.name} have no order; use == or !=")
    names = [t[1][1:-1] if t[0] == "text" else t[1] for t in tokens]
    if unknown := [n for n in names if n not in column.levels]:
        raise _wrong(f"{unknown[0]!r} is no registered level of {column.name}; those are {', '.join(column.levels)}")
    return Comparison(column.name, op, tuple(float(column.levels.index(n)) for n in names))
