"""What a job without noise spends at this node: one result and the most numbers that it may open, over the rows of one snapshot.

How many results and numbers are opened over the same rows, for all operators together, is limited by the data holder's policy, since exact
numbers add up to more than each of them tells (PRIVACY 14). All of it follows from the job, the catalogue, the snapshots' names and earlier
spends, so neither the charge nor a refusal says anything of the rows (PRIVACY 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from federated.node import history
from governance import notes
from governance.budget import MOST_EPSILON
from governance.encoding import parse, plain
from governance.journal import View
from governance.licences import Granted
from governance.spending import Cap, Exact, Spend, charged, query
from sandbox import auditing
from sandbox.case import SUPPRESSED, Case
from sandbox.messages import Release
from sandbox.policy import Policy


def query_of(case: Case, snapshot: str, keys: Sequence[str], consent: str = "") -> str:
    """Digest of all on which this node's part in the totals depends: the same question has the same one, whoever asks and in whatever
    order its conditions stand. Where another holder's rows changed, its own digest is a new one, and it is charged there.
    """
    job = case.job
    return query(
        catalogue=job.catalogue, snapshot=f"{snapshot} {consent}".strip(), method=job.method, parameters=plain(job)["parameters"],
        where=case.where.normal, rule=job.rule, min_cell=job.min_cell, roster=sorted(keys), protect=job.protect,
    )  # fmt: skip


def exact(t: View, case: Case, snapshot: str, keys: Sequence[str], policy: Policy, *, licence: Granted,
          consent: str = "") -> Spend:  # fmt: skip
    """What the job spends over the set of persons *consent* in *snapshot*, held to the limits of *policy*, and to those of every link of
    its *licence*.

    The same question again opens the same numbers again: it is charged to operator and licence, and not once more to the rows (PRIVACY 18).
    """
    job, dataset = case.job, case.dataset.name
    family = tuple(name for name in history.family(t, dataset, snapshot) if name != snapshot)
    numbers, asked = sum(case.analysis.opens(case.dataset.schema)), query_of(case, snapshot, keys, consent)
    counted = Exact(dataset, snapshot, family, job.method, job.where, numbers, policy.releases, policy.numbers)
    return Spend(case.id, job.operator, job.licence, asked, t.asked(asked, besides=case.id), (), counted, caps(licence))


def caps(licence: Granted) -> tuple[Cap, ...]:
    """The limits of each link of *licence*. Its epsilon a year is of a block, whose rows are of a year: the clock refills nothing."""
    rights = [link.allow for link in licence.links]
    return tuple(Cap(name, _epsilon(allow.epsilon_year), -1 if allow.releases is None else allow.releases)
                 for name, allow in zip(licence.ids, rights, strict=True))  # fmt: skip


def _epsilon(millionths: int | None) -> str:
    most = min(millionths or 0, MOST_EPSILON * 10**6)
    return "" if millionths is None else f"{most // 10**6}.{most % 10**6:06}".rstrip("0").rstrip(".")


def check(spend: Spend, t: View) -> None:
    """Raise what `Transaction.spend` would raise, and spend nothing: an offer that cannot be paid for is refused before it is accepted."""
    charged(spend, t.blocks(), t.total)


def conditions(t: View, case: Case, snapshot: str) -> tuple[str, ...]:
    """Conditions about which answers may have been opened over the rows of *snapshot*, whoever asked: of all jobs that were spent, but
    for those whose release says that their cohort was suppressed.
    """
    dataset, rows = case.dataset.name, set(history.family(t, case.dataset.name, snapshot))
    asked = [s for s in t.spends() if s.exact is not None and s.exact.dataset == dataset and s.exact.snapshot in rows]
    opened = [s.exact.where for s in asked if s.exact is not None and s.job != case.id and not _suppressed(t, s.job)]
    return auditing.distinct(opened, case.dataset.schema)


def _suppressed(t: View, job: str) -> bool:
    text = t.note("release", job)
    outcome = parse(notes.read(text).document(Release).result)["outcome"] if text else {}
    return outcome.get("failed") == SUPPRESSED


def releases(t: View) -> list[dict[str, Any]]:
    """Every job without noise that was started here, oldest first, and what became of it; enough for an audit of all numbers together."""
    rows = []
    for spend in t.spends():
        counted, text, row = spend.exact, t.note("release", spend.job), t.job(spend.job)
        if counted is not None:
            note = notes.read(text) if text else None
            rows.append({
                "job": spend.job, "operator": spend.party, "dataset": counted.dataset, "snapshot": counted.snapshot,
                "where": counted.where, "method": counted.method, "numbers": counted.numbers, "repeats": spend.repeats,
                "phase": row.phase if row else "", "release": note.id if note else "",
                "result": note.document(Release).result if note else "",
            })  # fmt: skip
    return rows
