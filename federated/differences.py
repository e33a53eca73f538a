"""Which two questions differ by one level, so that one answer less the other is about few persons.

A condition is read as a set of elementary cells of each column that it names: the levels of a category, or the intervals of a number
between all cut points that are registered for it and for its bands. So conditions are compared by what they select, not by their spelling.
"""

from __future__ import annotations

from collections.abc import Mapping

from governance.catalogue import Column, Schema
from sandbox.case import Case
from sandbox.predicate import COMPARE, Comparison

MISSING = -1
Cells = Mapping[str, frozenset[int]]


def near(a: Case, b: Case) -> bool:
    """Whether both are over one dataset and the conditions select the same but for one cell of one column, or who has no value in it."""
    if a.dataset.name != b.dataset.name or a.dataset.schema != b.dataset.schema:
        return False
    one, other, schema = cells(a), cells(b), a.dataset.schema
    differ = [one.get(name, _all(schema, name)) ^ other.get(name, _all(schema, name)) for name in one.keys() | other.keys()]
    found = [cells for cells in differ if cells]
    return len(found) == 1 and len(found[0] - {MISSING}) <= 1


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
