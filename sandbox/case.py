"""One job seen through its catalogue entry: which cells it opens, what a round returns, and how totals become the next state.

Everything here is public and deterministic. Every node of the roster computes it from the same signed texts and the same totals, and signs
what it got (PRIVACY 2).
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance import notes
from governance.catalogue import Dataset
from governance.errors import UsageError
from mpc import threshold
from sandbox import analyses, auditing, predicate
from sandbox.analyses.contract import COHORT, Analysis, State, Statistic
from sandbox.disclosure import findings
from sandbox.job import Job
from sandbox.predicate import Predicate
from sandbox.rows import Floats

SUPPRESSED = "suppressed: too few holders have enough persons in the cohort, or in what sets it apart from the cohorts of earlier results"
WEIGHTLESS = (
    "suppressed: before an estimate was reached, too few holders had enough persons whose outcome is open, in all or in some level of a "
    "feature. Where features separate the classes it is so; after three such jobs over the same rows it is always so"
)
OVERDRAWN = "limit: the next round would open more numbers than persons that honest holders are sure to have in"
MOST_ROUNDS = 128


@dataclass(frozen=True, slots=True)
class Case:
    """A job, its dataset and its method.

    The agreed state, the *body*, is JSON: ``round`` (of the state), ``support`` (holders with enough persons, by cell), ``persons`` (how
    many honest holders are sure to have in a cell), ``opened`` (numbers opened over a cell so far), ``analysis``, the method's own state,
    and once it is weighed ``weight`` (holders in which enough weighs).

    *rungs* are pairs of a cell and a number of persons: support also says how many holders have as many there. The numbers go from twice
    min_cell, each twice the one before, as far as the method's `depth` may need. That the steps are this wide, and the same in every job,
    keeps them from counting a holder's persons by one cell.

    *earlier* are conditions of which answers over the same rows were given before. Of what combinations with them would leave over, those
    who contribute need support as a cell does: of the cohort, or nothing is opened; of a cell, or the cell is not (`sandbox.auditing`,
    PRIVACY 3).
    """

    id: str
    job: Job
    dataset: Dataset
    analysis: Analysis
    where: Predicate
    rungs: tuple[tuple[str, int], ...]
    earlier: tuple[Predicate, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs, those of earlier conditions among them, and no other leaves the snapshot for the jail."""
        conditions = frozenset().union(*(where.columns for where in (self.where, *self.earlier)))
        return tuple(sorted(conditions | set(self.analysis.reads(self.dataset.schema))))

    @property
    def dealers(self) -> tuple[str, ...]:
        """The holders who make the keys of this job, where it encrypts: they are named wherever it is (PRIVACY 6)."""
        return threshold.chosen(self.dataset.holders, self.dataset.colluding) if self.job.protect == "threshold" else ()

    @property
    def cells(self) -> tuple[str, ...]:
        return (COHORT, *self.analysis.cells(self.dataset.schema))

    @property
    def left_over(self) -> tuple[auditing.Coefficients, ...]:
        """Combinations with earlier answers that would leave persons over."""
        return auditing.left_over(self.where, self.earlier, self.dataset.schema)

    def within(self) -> dict[str, tuple[bool, ...]]:
        """By cell, beside the cohort, which of `left_over` may have persons in it.

        Raises
        ------
        DisclosureRefused
            The earlier conditions are too many to hold this one, in all its cells, against them.
        """
        cells, inside = self.cells[1:], self.analysis.inside(self.dataset.schema)
        conditions = tuple(inside.get(cell, Predicate()) for cell in cells)
        return dict(zip(cells, auditing.within(self.where, self.earlier, self.dataset.schema, conditions), strict=True))

    @property
    def asked(self) -> int:
        """How many entries support has: one for each of `cells`, then one for each of `rungs`, then one for each of `left_over`."""
        return len(self.cells) + len(self.rungs) + len(self.left_over)

    def after_support(self, holders: Sequence[int], body: State | None = None) -> State:
        """The body after round 0, or after *body* asked again, from how many holders have enough persons for each entry of support."""
        body, state = body or {"round": 0, "opened": {}}, body["analysis"] if body else None
        ladders = {cell: [n] for cell, n in zip(self.cells, holders, strict=False)}
        edge = len(self.cells) + len(self.rungs)
        for (cell, _), n in zip(self.rungs, holders[len(self.cells) : edge], strict=True):
            ladders[cell].append(n)
        support = {cell: ladder[0] for cell, ladder in ladders.items()}
        persons = {cell: self._sure(ladder) for cell, ladder in ladders.items()}
        found = findings(support, self.dataset.colluding)
        opens = found[COHORT].supported and all(n > self.dataset.colluding for n in holders[edge:])
        following = self.analysis.start(self.dataset.schema, found, state) if opens else {"outcome": {"failed": SUPPRESSED}}
        made = {"round": body["round"] + 1, "support": support, "persons": persons, "opened": body["opened"], "analysis": following}
        return self._within_limits(made)

    def after_round(self, body: State, total: Mapping[str, Sequence[float]]) -> State:
        """The body after a round of statistics."""
        opened = self._opened(body)
        following = {name: body[name] for name in ("support", "persons")} | {"round": body["round"] + 1}
        if not self._heavy(body):  # what was opened are zeros
            return {**following, "opened": body["opened"], "analysis": {"outcome": {"failed": WEIGHTLESS}}}
        state = self.analysis.combine(total, self.dataset.schema, body["analysis"])
        return self._within_limits({**following, "opened": opened, "analysis": state})

    def _sure(self, holders: Sequence[int]) -> int:
        """Persons that honest holders have in a cell, at least, where so many *holders* have min_cell, twice as many, and so on."""
        honest = [max(n - self.dataset.colluding, 0) for n in holders]
        return self.job.min_cell * (honest[0] + sum(n << rung for rung, n in enumerate(honest[1:])))  # each rung is as far as the last

    def statistics(self, body: State) -> tuple[Statistic, ...]:
        """What the local step returns on *body*."""
        return self.analysis.statistics(self.dataset.schema, body["analysis"], self.dataset.rows)

    def asks_support(self, body: State) -> bool:
        """Whether the round counts holders with enough persons once more, in `cells` of a narrower cohort; it is all such a round does."""
        return any(s.holders for s in self.statistics(body))

    def weighs(self, body: State) -> bool:
        """Whether cohort and cells need support in this very state, since persons weigh differently in every one (PRIVACY 2)."""
        return "outcome" not in body["analysis"] and any(s.weighed for s in self.statistics(body))

    def after_weighing(self, holders: int, body: State) -> State:
        """The body once it is known in how many *holders* enough persons weigh in it; too few, and its round opens zeros."""
        return {**body, "weight": holders}

    def _heavy(self, body: State) -> bool:
        """Whether enough weighs, where it must: in c + 2 holders, and of those that support a weighed cell in one honest one.

        Who supports a cell, less c that may lie, less all that find too little weight somewhere: one is left for sure.
        """
        if not self.weighs(body):
            return True
        colluding, cells = self.dataset.colluding, self.analysis.weighs(self.dataset.schema)
        light = len(self.dataset.holders) - int(body["weight"])
        return body["weight"] >= colluding + 2 and all(body["support"][cell] - colluding - light >= 1 for cell in cells)

    def bounds(self, body: State) -> Floats:
        """Bound of each entry of the round's vector, one holder's part; shape (entries,)."""
        return np.concatenate([np.full(s.length, float(s.bound)) for s in self.statistics(body)])

    def supported(self, body: State, cell: str) -> bool:
        return findings({cell: body["support"][cell]}, self.dataset.colluding)[cell].supported

    def shown(self, body: State) -> Floats:
        """1 for an entry that may be opened, 0 for one that is uploaded as zero; shape (entries,)."""
        heavy = self._heavy(body)
        return np.array([float(s.holders or (heavy and self.supported(body, cell))) for s in self.statistics(body) for cell in s.cells])

    def named(self, body: State, vector: Floats) -> dict[str, list[float]]:
        """The round's vector as lists by statistic."""
        parts, at = {}, 0
        for statistic in self.statistics(body):
            parts[statistic.name] = vector[at : at + statistic.length].tolist()
            at += statistic.length
        return parts

    def release(self, body: State) -> dict[str, Any]:
        """What is released once ``outcome`` is in the method's state."""
        hidden = [cell for cell in self.cells if not self.supported(body, cell)]
        return {
            "analysis": self.job.method, "parameters": self.job.parameters, "where": self.job.where, "dataset": self.dataset.name,
            "title": self.job.title, "purpose": self.job.purpose, "min_cell": self.job.min_cell, "dealers": list(self.dealers),
            "rounds": body["round"], "suppressed": hidden, "outcome": body["analysis"]["outcome"],
        }  # fmt: skip

    def _opened(self, body: State) -> dict[str, int]:
        """Numbers opened over each cell when the round of *body* is over; all are about the cohort, and that it was weighed is one more."""
        opened: collections.Counter[str] = collections.Counter(body["opened"])
        cells = [cell for s in self.statistics(body) if not s.holders for cell in s.cells if self.supported(body, cell)]
        opened.update(cell for cell in cells if cell != COHORT)
        opened.update(self.analysis.over(self.dataset.schema, body["analysis"]))
        opened[COHORT] += len(cells) + self.weighs(body)
        return dict(opened)

    def _within_limits(self, body: State) -> State:
        """The body, or one that ends the job where the next round would open more numbers over a cell than persons are in it."""
        if "outcome" in body["analysis"]:
            return body
        opened = self._opened(body)
        over = [cell for cell, n in opened.items() if n > body["persons"][cell]]
        if not over and body["round"] < MOST_ROUNDS:
            return body
        why = f"{OVERDRAWN} {over[0]}" if over else "limit: too many rounds"
        return {**body, "analysis": {"outcome": {"failed": why}}}


@functools.lru_cache(maxsize=64)
def read(job: str, dataset: str, earlier: tuple[str, ...] = ()) -> Case:
    """The case of two notes' texts (their signatures are checked elsewhere), after answers about the conditions *earlier*.

    Raises
    ------
    UsageError
        The job does not fit the catalogue: another version of the dataset, an unknown method, parameter, column or level.
    """
    job_note, dataset_note = notes.read(job), notes.read(dataset)
    asked, entry = job_note.document(Job), dataset_note.document(Dataset)
    if asked.catalogue != dataset_note.id or asked.dataset != entry.name:
        raise UsageError(f"the job was made for another entry of the dataset {asked.dataset} in the catalogue")
    if asked.min_cell > entry.rows:
        raise UsageError("min_cell is larger than the dataset may be")
    analysis = _analysis(asked, entry)
    before = tuple(predicate.parse(text, entry.schema) for text in earlier)
    where = predicate.parse(asked.where, entry.schema)
    return Case(job_note.id, asked, entry, analysis, where, _rungs(asked, entry, analysis), before)


def _rungs(asked: Job, entry: Dataset, analysis: Analysis) -> tuple[tuple[str, int], ...]:
    depth, rungs = analysis.depth(entry.schema), []
    for cell in (COHORT, *analysis.cells(entry.schema)):
        persons, honest = asked.min_cell, 2 if cell == COHORT else 1  # holders that are there wherever the cell is opened
        while persons * honest < depth[cell] and 2 * persons <= entry.rows:
            persons *= 2
            rungs.append((cell, persons))
    return tuple(rungs)


def _analysis(asked: Job, entry: Dataset) -> Analysis:
    analysis = analyses.make(asked.analysis, asked.version, asked.parameters)
    try:
        analysis.reads(entry.schema)
    except UsageError as error:
        raise UsageError(code="job.parameter", detail=str(error)) from None
    cells = analysis.cells(entry.schema)
    if len({COHORT, *cells}) <= len(cells):  # one would be opened on the other's support
        raise UsageError("two cells would have the same name; the levels must be renamed in the catalogue", code="job.parameter")
    return analysis
