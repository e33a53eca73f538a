"""A node's judgement of an offer: every signature up to the pinned authority, then licence, policy and history. No row is looked at."""

from __future__ import annotations

import functools

from federated.node import consents, history, spending
from federated.node.home import Home, read_snapshot
from governance import licences, notes
from governance.catalogue import Dataset
from governance.encoding import build, parse
from governance.errors import IntegrityError, Refused
from governance.journal import Transaction, View
from governance.keys import Trust
from governance.licences import Licence
from governance.parties import Party, read_enrolment, roster
from sandbox import case as cases
from sandbox.case import Case
from sandbox.disclosure import check_min_cell, check_roster
from sandbox.job import Job
from sandbox.messages import Offer
from sandbox.policy import Docket, check_licence, check_policy

__all__ = ["Docket", "Job", "check_history", "judge", "learn_revocations", "min_cell_of", "read_offer"]


def min_cell_of(dataset: str, snapshot: str) -> str:
    """Name of the journal's setting that fixes a snapshot's min_cell."""
    return f"min_cell {dataset} {snapshot}"


def read_offer(text: str) -> Offer:
    return build(Offer, parse(text))


@functools.lru_cache(maxsize=256)
def _party(enrolment: str, trust: Trust) -> Party:
    """A chain of signatures is verified once."""
    return read_enrolment(enrolment, trust)


def judge(offer: Offer, home: Home, t: Transaction, *, now: int) -> tuple[Docket, Licence]:
    """The verified docket and licence, or the error that says who must act and why."""
    coordinator = _party(offer.coordinator, home.trust)
    if coordinator.key != home.coordinator:
        raise IntegrityError("the offer names another coordinator than the one that this node joined")
    dataset = notes.opened(offer.dataset, Dataset, home.trust)
    holders = roster([_party(text, home.trust) for text in offer.holders], dataset.holders)
    if holders.get(home.key.name) is None or holders[home.key.name].key != home.key.public:
        raise Refused(code="policy.dataset", dataset=dataset.name)
    operator = _party(offer.operator, home.trust)
    case = cases.read(offer.job, offer.dataset)
    revocations = t.note("revocations", "current")
    docket = Docket(case, offer.job, offer.licence, revocations, operator, coordinator, tuple(holders.values()))
    licence = check_licence(docket, home.trust, now=now)
    check_policy(docket, home.policy(), holder=home.key.name)
    _check_snapshot(docket, home, t)
    _check_peers(docket, t)
    return docket, licence


def _check_peers(docket: Docket, t: Transaction) -> None:
    """A holder keeps the key it was first seen with: whoever got hold of a used token cannot come in its place."""
    for party in docket.holders:
        if t.note("peer", party.name) not in (None, str(party.key)):
            raise IntegrityError(f"{party.name} comes with another key than it was first seen with")
        t.put_note("peer", party.name, str(party.key))


def learn_revocations(offered: str, home: Home, t: Transaction) -> None:
    """Keep the newest list this node ever saw, whatever becomes of the offer; an older one does not bring a revoked licence back."""
    kept = t.note("revocations", "current")
    if not offered:
        return
    try:
        newest = licences.newer(kept, offered, home.trust)
    except IntegrityError:
        if kept is None:
            raise
        newest = kept
    t.put_note("revocations", "current", newest, replace=True)


def _check_snapshot(docket: Docket, home: Home, t: Transaction) -> None:
    case = docket.case
    kept = read_snapshot(t.get(f"snapshot {case.dataset.name}"), home.snapshots)
    registered = t.get(f"catalogue {case.dataset.name}")
    if kept is None or registered != case.job.catalogue:
        raise Refused(code="policy.dataset", dataset=case.dataset.name)
    check_history(t, case, kept.id, frozenset(p.name for p in docket.holders))
    keys, consent = tuple(str(p.key) for p in docket.holders), consents.named(t, home, case, kept.id)
    spending.check(spending.exact(t, case, kept.id, keys, home.policy(), consent=consent), t)


def check_history(t: View, case: Case, snapshot: str, holders: frozenset[str]) -> None:
    """One roster and one min_cell, for all snapshots of the same rows."""
    dataset = case.dataset.name
    check_roster(holders, t.cohorts(dataset, snapshot, "roster"))
    for each in history.family(t, dataset, snapshot):
        check_min_cell(case.job.min_cell, t.get(min_cell_of(dataset, each)))
