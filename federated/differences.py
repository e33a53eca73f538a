"""Which two questions differ by one level, so that one answer less the other is about few persons.

A condition is read as a set of elementary cells of each column that it names: the levels of a category, or the intervals of a number
between all cut points that are registered for it and for its bands. So conditions are compared by what they select, not by their spelling.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from governance.catalogue import Column, Schema
from sandbox.case import Case
from sandbox.predicate import COMPARE, Comparison

MISSING = -1
Cells = Mapping[str, frozenset[int]]


def near(a: Case, b: Case) -> bool:
    """Whether both are over the same columns of one dataset, and select the same but in one column, there as `apart` says."""
    mine = dict(views(a))
    return any(view in mine and apart(selected, mine[view]) for view, selected in views(b))


def views(case: Case) -> Iterator[tuple[Hashable, frozenset[int]]]:
    """For each column what the condition selects in it, under a name that says all else: near questions have such a name in common."""
    schema, found = case.dataset.schema, cells(case)
    for column in (c.name for c in schema.columns if c.of is None):
        rest = frozenset((name, selected) for name, selected in found.items() if name != column)
        yield (case.dataset.name, schema, column, rest), found.get(column, _all(schema, column))


def apart(one: frozenset[int], other: frozenset[int]) -> bool:
    """Whether two selections differ, and in at most one level or interval; those who have no value may come on top."""
    return one != other and len((one ^ other) - {MISSING}) <= 1


def cells(case: Case) -> Cells:
    """By column, the cells that the condition selects; a band is counted to the column that it is of."""
    schema, found = case.dataset.schema, dict[str, frozenset[int]]()
    for comparison in case.where.comparisons:
        column = schema[comparison.column]
        name = column.of or column.name
        found[name] = found.get(name, _all(schema, name)) & _selected(schema, column, comparison)
    return found


def _edges(schema: Schema, name: str) -> tuple[float, ...]:
    """Lower edges of the intervals of a number column, the first without end."""
    cuts = {float(cut) for column in schema.columns if name in (column.name, column.of) for cut in column.cuts}
    return (float("-inf"), *sorted(cuts))


def _all(schema: Schema, name: str) -> frozenset[int]:
    column = schema[name]
    return frozenset(range(MISSING, len(_edges(schema, name)) if column.kind == "number" else len(column.levels)))


def _selected(schema: Schema, column: Column, comparison: Comparison) -> frozenset[int]:
    everything = _all(schema, column.of or column.name) - {MISSING}  # whoever has no value is never selected
    if column.kind == "category":
        return frozenset(level for level in everything if _holds(comparison, level))
    edges = _edges(schema, column.of or column.name)
    if column.kind == "number":  # registered cut points are edges, so an interval lies on one side of each
        return frozenset(i for i in everything if (edges[i] >= comparison.values[0]) == (comparison.op == ">="))
    return frozenset(i for i in everything if _holds(comparison, column.interval(edges[i])))


def _holds(comparison: Comparison, level: int) -> bool:
    if comparison.op == "in":
        return level in comparison.values
    return bool(COMPARE[comparison.op](level, comparison.values[0]))
