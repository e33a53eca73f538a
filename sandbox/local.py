"""The local step: the program that runs in the jail, over the licensed columns of one snapshot.

It answers one question a round, always with as many float64 as the round declares. What it answers depends on rows; that it answers does
not: no rows, no complete case or a class without persons give zeros (PRIVACY 3).
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from governance.catalogue import Dataset
from governance.encoding import canonical, parse, prepare
from sandbox import auditing
from sandbox import case as cases
from sandbox.analyses.contract import COHORT, State
from sandbox.case import Case
from sandbox.job import Job
from sandbox.rows import Floats, Rows, from_batch

SUPPORT = canonical({"ask": "support"}).encode()
Persons = np.ndarray[tuple[int], np.dtype[np.int32]]


def spec(job: str, dataset: str, earlier: tuple[str, ...] = ()) -> bytes:
    """What the program is told once: the texts of the job's and the dataset's note, and the conditions of earlier answers."""
    return canonical({"job": job, "dataset": dataset, "earlier": list(earlier)}).encode()


def ask(body: State) -> bytes:
    """The question of a round of statistics."""
    return canonical({"ask": "statistics", "body": body}).encode()


def weigh(body: State) -> bytes:
    """The question how much the persons weigh in the state of *body*."""
    return canonical({"ask": "weigh", "body": body}).encode()


def program(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Answer questions about *table*, a snapshot's licensed columns and person codes."""
    texts = parse(spec)
    case = cases.read(texts["job"], texts["dataset"], tuple(texts["earlier"]))
    counted = functools.cache(lambda: persons(case, table) if case.analysis.weighs(case.dataset.schema) else {})  # alike in every state

    def answer(question: bytes) -> bytes:
        asked = parse(question)
        if asked["ask"] == "support":
            values = support(case, table)
        elif asked["ask"] == "weigh":
            values = np.array([weight(case, table, asked["body"]["analysis"], counted())])
        else:
            values = statistics(case, table, asked["body"])
        return values.astype("<f8").tobytes()

    return answer


def support(case: Case, table: pa.Table, state: State | None = None) -> Floats:
    """1 for each of the case's cells that has min_cell distinct persons here, and as many in whatever earlier answers would leave over of
    it; each rung that its cell reaches; and each set of persons left over of the cohort that has as many; shape (asked,).
    """
    counts, least = persons(case, table, state), case.job.min_cell
    left, within = left_over(case, table, state), case.within()
    whole = [all(left[cell, i] >= least for i, asked in enumerate(within[cell]) if asked) for cell in case.cells[1:]]
    enough = [counts.get(cell, 0.0) >= least and all_left for cell, all_left in zip(case.cells, [True, *whole], strict=True)]
    reached = [counts.get(cell, 0.0) >= rung for cell, rung in case.rungs]
    return np.array([*enough, *reached, *(left[COHORT, i] >= least for i in range(len(case.left_over)))], np.float64)


def left_over(case: Case, table: pa.Table, state: State | None = None) -> dict[tuple[str, int], int]:
    """Of each cell and each combination with earlier answers, how many persons who contribute to the cell it would leave over."""
    seen: dict[tuple[str, int], list[Persons]] = {(cell, i): [] for cell in case.cells for i in range(len(case.left_over))}
    for batch in table.to_batches() if seen else []:
        rows = from_batch(batch)
        selected = np.stack([where.holds(rows) for where in (case.where, *case.earlier)])
        told, members = auditing.told_apart(case.left_over, selected), case.analysis.members(rows, case.dataset.schema, state)
        for (cell, i), codes in seen.items():
            codes.append(rows.persons[told[i] & (members[cell] > 0)])
    return {key: len(np.unique(np.concatenate(codes))) if codes else 0 for key, codes in seen.items()}


def weight(case: Case, table: pa.Table, state: State, counts: Mapping[str, float]) -> float:
    """How much the persons weigh in *state*, each at most 1; of the cohort, or of the lightest of the cells that have support here.

    A cell needs half as much as the cohort, and one with fewer than twice min_cell persons a fifth: so its weight counts twice or five
    times. *counts* are the `persons` in each. It stays at the node, which tells only whether it is enough.
    """
    cells, least = case.analysis.weighs(case.dataset.schema), case.job.min_cell
    weights = persons(case, table, state)
    supported = [cell for cell in cells if counts.get(cell, 0.0) >= least]
    needs = [(2 if counts[cell] >= 2 * least else 5) * weights.get(cell, 0.0) for cell in supported]
    return min([weights.get(COHORT, 0.0), *needs])


def persons(case: Case, table: pa.Table, state: State | None = None) -> dict[str, float]:
    """How many persons are in each cell, or how much of persons: of each, the largest of its rows counts."""
    seen: dict[str, list[tuple[Persons, Floats]]] = defaultdict(list)
    for rows in _batches(case, table):
        for cell, weights in case.analysis.members(rows, case.dataset.schema, state).items():
            here = weights > 0
            seen[cell].append((rows.persons[here], weights[here].astype(np.float64)))
    return {cell: _counted(parts) for cell, parts in seen.items()}


def _counted(parts: list[tuple[Persons, Floats]]) -> float:
    codes, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    heaviest = np.zeros(codes.max() + 1 if len(codes) else 0)
    np.maximum.at(heaviest, codes, weights)
    return float(heaviest.sum())


def statistics(case: Case, table: pa.Table, body: State) -> Floats:
    """The round's statistics, with zeros for entries without support; shape (entries,)."""
    if case.asks_support(body):
        return support(case, table, body["analysis"])
    total = np.zeros(len(case.bounds(body)))
    for rows in _batches(case, table):
        parts = case.analysis.local(rows, case.dataset.schema, body["analysis"])
        total += np.concatenate([np.ravel(parts[s.name]) for s in case.statistics(body)])
    return total * case.shown(body)


prepare(Job, Dataset)  # a jail is forked from a process that has imported this


def _batches(case: Case, table: pa.Table) -> Iterator[Rows]:
    for batch in table.to_batches():
        rows = from_batch(batch)
        yield rows.where(case.where.holds(rows))
