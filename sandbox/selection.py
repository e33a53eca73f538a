"""What a condition selects: elementary cells of each column that it names, so that conditions are compared by it and not by their spelling.

The cells of a category are its levels; those of a number are the intervals between all cut points that are registered for it and for its
bands. A band is counted to the column that it is of.
"""

from __future__ import annotations

from collections.abc import Mapping

from governance.catalogue import Column, Schema
from sandbox.predicate import COMPARE, Comparison, Predicate

MISSING = -1
Cells = Mapping[str, frozenset[int]]


def cells(schema: Schema, where: Predicate) -> Cells:
    """By column, the cells that *where* selects."""
    found = dict[str, frozenset[int]]()
    for comparison in where.comparisons:
        column = schema[comparison.column]
        name = column.of or column.name
        found[name] = found.get(name, everything(schema, name)) & _selected(schema, column, comparison)
    return found


def everything(schema: Schema, name: str) -> frozenset[int]:
    """All cells of a column; in one of them are those who have no value."""
    column = schema[name]
    return frozenset(range(MISSING, len(_edges(schema, name)) if column.kind == "number" else len(column.levels)))


def _edges(schema: Schema, name: str) -> tuple[float, ...]:
    """Lower edges of the intervals of a number column, the first without end."""
    cuts = {float(cut) for column in schema.columns if name in (column.name, column.of) for cut in column.cuts}
    return (float("-inf"), *sorted(cuts))


def _selected(schema: Schema, column: Column, comparison: Comparison) -> frozenset[int]:
    known = everything(schema, column.of or column.name) - {MISSING}  # whoever has no value is never selected
    if column.kind == "category":
        return frozenset(level for level in known if _holds(comparison, level))
    edges = _edges(schema, column.of or column.name)
    if column.kind == "number":  # registered cut points are edges, so an interval lies on one side of each
        return frozenset(i for i in known if (edges[i] >= comparison.values[0]) == (comparison.op == ">="))
    return frozenset(i for i in known if _holds(comparison, column.interval(edges[i])))


def _holds(comparison: Comparison, level: int) -> bool:
    if comparison.op == "in":
        return level in comparison.values
    return bool(COMPARE[comparison.op](level, comparison.values[0]))
