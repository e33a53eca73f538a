"""A node's judgement of an offer: every signature up to the pinned authority, then licence, policy and history. No row is looked at."""

from __future__ import annotations

from dataclasses import replace

from federated import offers
from federated.node import consents, history, spending
from federated.node.home import Home, read_snapshot
from federated.node.timekeeping import time_of
from governance import licences
from governance.errors import IntegrityError, Refused, Unavailable
from governance.journal import Transaction, View
from governance.licences import Granted
from sandbox import case as cases
from sandbox import predicate
from sandbox.case import Case
from sandbox.disclosure import check_min_cell, check_roster
from sandbox.job import Job
from sandbox.messages import Offer
from sandbox.policy import Docket, check_licence, check_policy, check_standing

__all__ = ["Docket", "Job", "check_history", "check_in_force", "judge", "learn_revocations", "min_cell_of", "read_offer"]

read_offer = offers.read


def min_cell_of(dataset: str, snapshot: str) -> str:
    """Name of the journal's setting that fixes a snapshot's min_cell."""
    return f"min_cell {dataset} {snapshot}"


def judge(offer: Offer, home: Home, t: Transaction, *, now: int) -> tuple[Docket, Granted]:
    """The verified docket and licence, or the error that says who must act and why."""
    home.roots.check(now)
    docket = offers.docket(offer, home.trust, revocations=t.note("revocations", "current"))
    if docket.coordinator.key != home.coordinator:
        raise IntegrityError("the offer names another coordinator than the one that this node joined")
    if (home.key.name, home.key.public) not in {(p.name, p.key) for p in docket.holders}:
        raise Refused(code="policy.dataset", dataset=docket.case.dataset.name)
    today = time_of(t, docket.case.dataset, home.key.name, now)
    home.roots.check(today)  # and not by this clock alone
    licence = check_licence(docket, home.trust, now=today)
    check_policy(docket, home.policy(), holder=home.key.name)
    _check_snapshot(docket, home, t, licence)
    _check_peers(docket, t)
    return docket, licence


def check_in_force(offer: Offer, home: Home, t: View, *, now: float) -> None:
    """Raise unless key root, licence and registration still hold, by the newest list at hand and the witnesses' time (PRIVACY 7 and 20)."""
    case, roots = cases.read(offer.job, offer.dataset), home.current(t).roots
    today, trust = time_of(t, case.dataset, home.key.name, now), roots.trust
    roots.check(today)
    listed = t.note("revocations", "current")
    check_standing(offer.chain, offer.asset, case.dataset, trust, plan=offer.plan, revocations=listed, now=today)
    licences.check_keys(offers.parties(offer, trust), listed)
    if today >= case.job.deadline:
        raise Unavailable(code="job.deadline")


def _check_peers(docket: Docket, t: Transaction) -> None:
    """A holder keeps the key it was first seen with, until the authority puts another in its place: a used token brings in nobody else."""
    for party in docket.holders:
        seen = t.note("peer", party.name)
        if seen not in (None, str(party.key), *(each.key for each in party.withdrawn)):
            raise IntegrityError(f"{party.name} comes with another key than it was first seen with")
        if seen not in (None, str(party.key)):
            t.append("key.replaced", licences.key_id(str(party.key)))
        t.put_note("peer", party.name, str(party.key), replace=True)


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


def _check_snapshot(docket: Docket, home: Home, t: Transaction, licence: Granted) -> None:
    case = docket.case
    kept = read_snapshot(t.get(f"snapshot {case.dataset.name}"), home.snapshots)
    registered = t.get(f"catalogue {case.dataset.name}")
    if kept is None or registered != case.job.catalogue:
        raise Refused(code="policy.dataset", dataset=case.dataset.name)
    check_history(t, case, kept.id, frozenset(p.name for p in docket.holders))
    keys, consent = tuple(str(p.key) for p in docket.holders), consents.named(t, home, case, kept.id)
    spending.check(spending.exact(t, case, kept.id, keys, home.policy(), licence=licence, consent=consent), t)


def check_history(t: View, case: Case, snapshot: str, holders: frozenset[str]) -> tuple[str, ...]:
    """One roster and one min_cell, for all snapshots of the same rows; and no more conditions than can be held against each other, which
    are returned: those of other jobs, earlier than this one."""
    dataset = case.dataset.name
    check_roster(holders, t.cohorts(dataset, snapshot, "roster"))
    for each in history.family(t, dataset, snapshot):
        check_min_cell(case.job.min_cell, t.get(min_cell_of(dataset, each)))
    schema, earlier = case.dataset.schema, spending.conditions(t, case, snapshot)
    replace(case, earlier=tuple(predicate.parse(text, schema) for text in earlier)).within()
    return earlier
