"""Which two questions differ by one level, so that one answer less the other is about few persons."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from sandbox.case import Case
from sandbox.selection import MISSING, cells, everything


def near(a: Case, b: Case) -> bool:
    """Whether both are over the same columns of one dataset, and select the same but in one column, there as `apart` says."""
    mine = dict(views(a))
    return any(view in mine and apart(selected, mine[view]) for view, selected in views(b))


def views(case: Case) -> Iterator[tuple[Hashable, frozenset[int]]]:
    """For each column what the condition selects in it, under a name that says all else: near questions have such a name in common."""
    schema = case.dataset.schema
    found = cells(schema, case.where)
    for column in (c.name for c in schema.columns if c.of is None):
        rest = frozenset((name, selected) for name, selected in found.items() if name != column)
        yield (case.dataset.name, schema, column, rest), found.get(column, everything(schema, column))


def apart(one: frozenset[int], other: frozenset[int]) -> bool:
    """Whether two selections differ, and in at most one level or interval; those who have no value may come on top."""
    return one != other and len((one ^ other) - {MISSING}) <= 1
