"""The audit between jobs: which sets of persons an answer about one more condition would set apart, from answers that were given before.

An exact answer is a sum over the persons whom a condition selects. Sums can be added and subtracted, and what is left may be about few:
a disease, less the disease without one person. So before a new condition is opened, each set that combinations of it with earlier ones
leave over must have support by itself, as a cell has (PRIVACY 1 and 3). Which sets these are follows from the conditions and the catalogue
alone; every node finds the same.

Combinations that are looked at: all sums and differences of three answers, and whatever number of answers together leave over one block,
persons whom no condition tells apart. Who lacks a value is in a block of its own: men and women less everybody are those.
Source: Chin & Ozsoyoglu, IEEE Trans. Software Engineering 8(6), 1982 (a reduced basis has every block that can be left over in a row of
its own); Kenthapadi, Mishra & Nissim, PODS 2005 (what is refused must follow from what the asker knows).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from governance.catalogue import Schema
from governance.errors import DisclosureRefused, UsageError
from sandbox import predicate, selection
from sandbox.predicate import Predicate
from sandbox.rows import Mask

PRIME = 2**521 - 1  # larger than every minor of a matrix of 129 rows of zeros and ones: what is zero modulo it is zero (Hadamard's bound)
MOST_EARLIER, MOST_BLOCKS, MOST_SETS, MOST_PAIRS = 128, 1024, 128, 4096
MOST_WORK = 2**20  # steps of an elimination that are made before sets are counted
Coefficients = tuple[int, ...]  # one for the new condition, then one for each earlier one; modulo PRIME
Table = npt.NDArray[np.bool_]


def left_over(new: Predicate, earlier: tuple[Predicate, ...], schema: Schema) -> tuple[Coefficients, ...]:
    """The combinations of which the persons that are left over need support, the fewest blocks first; none where nothing new is told.

    A set that holds another of them, or all whom *new* selects, has support where that has, and is not named.

    Raises
    ------
    DisclosureRefused
        Conditions over the same rows are too many to be held against each other.
    """
    found = _left_over(new, earlier, schema)
    if found is None:
        raise DisclosureRefused(code="policy.conditions", most=MOST_EARLIER)
    return found


def within(new: Predicate, earlier: tuple[Predicate, ...], schema: Schema, cells: tuple[Predicate, ...]) -> tuple[tuple[bool, ...], ...]:
    """For each of *cells*, which of the sets that are left over may have persons in it, by the catalogue alone.

    Raises
    ------
    DisclosureRefused
        Conditions over the same rows are too many to be held against each other.
    """
    found = left_over(new, earlier, schema)
    if len(found) * len(cells) > MOST_PAIRS:
        raise DisclosureRefused(code="policy.conditions", most=MOST_EARLIER)
    return _within(new, earlier, schema, cells) if found else ((),) * len(cells)


@functools.lru_cache(maxsize=64)
def _within(new: Predicate, earlier: tuple[Predicate, ...], schema: Schema, cells: tuple[Predicate, ...]) -> tuple[tuple[bool, ...], ...]:
    selections = [selection.cells(schema, where) for where in (new, *earlier)]
    blocks, found = _blocks(selections, schema), left_over(new, earlier, schema)
    told = {block.tobytes(): left for block, left in zip(blocks.T, told_apart(found, blocks).T, strict=True)}
    met = []
    for cell in cells:
        here = _blocks([*selections, selection.cells(schema, cell)], schema)
        inside = [told[block.tobytes()] for block in here[:-1, here[-1]].T if block.any()]
        met.append(tuple(bool(any(left[i] for left in inside)) for i in range(len(found))))
    return tuple(met)


@functools.lru_cache(maxsize=64)
def _left_over(new: Predicate, earlier: tuple[Predicate, ...], schema: Schema) -> tuple[Coefficients, ...] | None:
    """As `left_over`; None where it refuses, so that a refusal is remembered as well."""
    if len(earlier) > MOST_EARLIER:
        return None
    try:
        blocks = _blocks([selection.cells(schema, where) for where in (new, *earlier)], schema)
    except DisclosureRefused:
        return None
    if any(np.array_equal(blocks[0], other) for other in blocks[1:]):
        return ()
    of_three = {_number(left): coefficients for left, coefficients in _of_three(blocks)}
    if len(blocks) ** 2 * sum(blocks.shape) > MOST_WORK and _smallest(blocks[0], of_three) is None:
        return None  # before the larger work: a long list of whatever conditions costs a second, not a minute
    reduced = _reduced(blocks)
    if not any(coefficients[0] for _, coefficients in reduced):
        return ()  # the new sums follow from those before
    return _smallest(blocks[0], of_three | {_number(left): coefficients for left, coefficients in reduced if coefficients[0]})


def _smallest(new: Table, sets: Mapping[int, Coefficients]) -> tuple[Coefficients, ...] | None:
    """Those that hold no other one, and not all whom *new* selects; None where they are too many."""
    kept, found = [_number(new)], list[Coefficients]()
    for left in sorted(sets, key=lambda left: (left.bit_count(), left)):
        if left and not any(other & left == other for other in kept):
            kept.append(left)
            found.append(sets[left])
        if len(found) > MOST_SETS:
            return None
    return tuple(found)


def told_apart(combinations: Sequence[Coefficients], selected: Table) -> Table:
    """Which persons each combination leaves over; *selected* says which condition selects them, shape (conditions, persons)."""
    patterns, inverse = np.unique(selected, axis=1, return_inverse=True)
    left = [[sum(c for c, here in zip(each, pattern, strict=True) if here) % PRIME != 0 for pattern in patterns.T] for each in combinations]
    told: Mask = np.array(left, np.bool_).reshape(len(combinations), -1)[:, inverse.reshape(-1)]
    return told


def distinct(conditions: Sequence[str], schema: Schema) -> tuple[str, ...]:
    """One text for each of *conditions*, in order; those that the catalogue does not know any more are left out."""
    found = dict[tuple[str, ...], str]()
    for text in sorted(set(conditions)):
        try:
            found.setdefault(tuple(predicate.parse(text, schema).normal), text)
        except UsageError:
            continue
    return tuple(sorted(found.values()))


def _blocks(selections: Sequence[selection.Cells], schema: Schema) -> Table:
    """Which condition selects which block, shape (conditions, blocks); blocks that none selects are left out."""
    held = np.ones((len(selections), 1), np.bool_)
    for name in sorted({name for selected in selections for name in selected}):
        known = sorted(selection.everything(schema, name))
        whole = frozenset(known)
        table = np.unique([[cell in selected.get(name, whole) for cell in known] for selected in selections], axis=1)
        if held.shape[1] * table.shape[1] > 16 * MOST_BLOCKS:
            raise DisclosureRefused(code="policy.conditions", most=MOST_EARLIER)
        held = np.unique((held[:, :, None] & table[:, None, :]).reshape(len(selections), -1), axis=1)
    held = held[:, held.any(axis=0)]
    if held.shape[1] > MOST_BLOCKS:
        raise DisclosureRefused(code="policy.conditions", most=MOST_EARLIER)
    return held


def _of_three(blocks: Table) -> Iterator[tuple[Table, Coefficients]]:
    """What the new answer leaves over with one or two earlier ones; a sum with one holds all of the new, and is left out."""
    size = len(blocks)
    signed = blocks.astype(np.int8)
    for i in range(1, size):
        yield signed[0] != signed[i], _coefficients(size, {i: -1})
        for j in range(i + 1, size):
            for a, b in ((-1, -1), (-1, 1), (1, -1)):
                yield signed[0] + a * signed[i] + b * signed[j] != 0, _coefficients(size, {i: a, j: b})


def _coefficients(size: int, signs: dict[int, int]) -> Coefficients:
    return tuple(1 if i == 0 else signs.get(i, 0) % PRIME for i in range(size))


def _reduced(blocks: Table) -> list[tuple[Table, Coefficients]]:
    """Rows of the reduced echelon form of *blocks*, where they are not zero, and the combination that each is."""
    size, width = blocks.shape
    rows = np.concatenate([blocks.astype(np.int64).astype(object), np.eye(size, dtype=np.int64).astype(object)], axis=1)
    rows = np.concatenate([rows[1:], rows[:1]])  # the new one last: what follows from the others is found to be zero
    rank = 0
    for column in range(width):
        pivots = [r for r in range(rank, size) if rows[r, column]]
        if not pivots:
            continue
        rows[[rank, pivots[0]]] = rows[[pivots[0], rank]]
        rows[rank] = rows[rank] * pow(int(rows[rank, column]), -1, PRIME) % PRIME
        for other in range(size):
            if other != rank and rows[other, column]:
                rows[other] = (rows[other] - rows[other, column] * rows[rank]) % PRIME
        rank += 1
    return [(row[:width] != 0, tuple(int(c) for c in row[width:])) for row in rows[:rank]]


def _number(left: Table) -> int:
    """The set of blocks as bits of a number."""
    return int.from_bytes(np.packbits(np.asarray(left, np.bool_)).tobytes(), "big")
