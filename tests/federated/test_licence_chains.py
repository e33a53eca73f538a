"""Chains of licences at coordinator and nodes: uses of every link, approvals by persons, plans, and who is shown what."""

from __future__ import annotations

import time

import coordinators
import licensing
import pytest
from coordinators import AUTHORITY, KEYS, ROSTER
from offices import Floor, Nodes
from test_verify import readmitted

from federated.coordinator.web import access
from federated.verify import Bundle, verify
from governance import licences, notes
from governance.encoding import canonical, parse
from governance.errors import BudgetExhausted, DecodeError, IntegrityError, LicenceRefused, UsageError
from governance.licences import key_id
from governance.rights import Rights
from sandbox import machine
from sandbox.job import Job
from sandbox.messages import Admission, approvals


@pytest.fixture
def floor(tmp_path):
    made = Floor(tmp_path)
    yield made
    made.office.journal.close()


def narrowed(floor, *delegates, by=("operator",), parent=None, **allow):
    """A link below the floor's licence."""
    keys = tuple(KEYS[name] for name in (delegates or ("operator",)))
    return licensing.link(Rights(**allow), *keys, by=tuple(KEYS[n] for n in by), parent=parent or floor.licence)


def submitted(floor, link, *more, chain=(), **changes):
    """A job under *link*, signed by the operator and *more*."""
    dataset = dict(floor.office.documents("dataset"))["cohort"]
    job = notes.write(coordinators.job(link.id, dataset, **changes).document(Job)).signed_by(KEYS["operator"], *(KEYS[n] for n in more))
    return floor.office.submit(str(job), floor.office.parties()["operator"], [*map(str, chain), str(link)])


def accepted(floor, job):
    """All holders accept; how the job stands then."""
    Nodes(floor, job).turn()
    return floor.office.status(job)


# --- uses


def test_siblings_have_their_own_uses_and_no_more_than_their_parents_together(floor):
    floor.licence = coordinators.licence(use_count=3)
    floor.office.publish(str(floor.licence))
    one, other = narrowed(floor, use_count=2), narrowed(floor, use_count=2, purposes=("research",))
    found = [accepted(floor, submitted(floor, link)) for link in (one, one, one, other, other)]
    assert [s.code for s in found] == ["", "", "licence.used", "", "licence.used"]
    assert [s.phase for s in found] == ["running", "running", "refused", "running", "refused"]
    with floor.office.journal.view() as t:
        assert [t.next_use(link.id) - 1 for link in (floor.licence, one, other)] == [3, 2, 1]


def test_an_admission_numbers_a_use_of_every_link(floor):
    accepted(floor, floor.submit())
    below = narrowed(floor, "rival", use_count=5)
    last = narrowed(floor, "rival", by=("rival",), parent=below)
    job = submitted(floor, last, "rival", chain=[below])
    accepted(floor, job)
    with floor.office.journal.view() as t:
        admission = notes.read(t.note("admission", job)).document(Admission)
    assert (admission.licence, admission.uses) == (last.id, (2, 1, 1))


def test_a_refused_job_takes_no_use_of_any_link(floor):
    link = narrowed(floor, use_count=1)
    assert [accepted(floor, submitted(floor, link)).code for _ in range(2)] == ["", "licence.used"]
    with floor.office.journal.view() as t:
        assert t.next_use(floor.licence.id) == 2


def test_what_the_admission_numbers_is_spent_and_nothing_twice(floor):
    link = narrowed(floor, use_count=2)
    job = submitted(floor, link)
    accepted(floor, job)
    granted = licences.read((str(floor.licence), str(link)), coordinators.TRUST)
    with floor.office.journal.transaction() as t:
        licences.take(t, granted, (1, 1), job)  # the same again
    for uses, error in (((2, 1), IntegrityError), ((2, 3), BudgetExhausted), ((1,), IntegrityError)):
        with pytest.raises(error), floor.office.journal.transaction() as t:
            licences.take(t, granted, uses, "f" * 64)
    with floor.office.journal.view() as t:
        assert [t.next_use(name) for name in granted.ids] == [2, 2]


# --- what comes with a job


def test_a_link_comes_with_a_job_and_is_kept_once_the_job_passes(floor):
    link = narrowed(floor)
    with pytest.raises(UsageError, match="not known here"):
        job = coordinators.job(link.id, dict(floor.office.documents("dataset"))["cohort"])
        floor.office.submit(str(job), floor.office.parties()["operator"])
    with pytest.raises(LicenceRefused):
        submitted(floor, narrowed(floor, methods=("crosstab@1",)))
    assert len(floor.office.documents("licence")) == 1
    submitted(floor, link)
    submitted(floor, link)
    assert {name for name, _ in floor.office.documents("licence")} == {floor.licence.id, link.id}
    again = coordinators.job(link.id, dict(floor.office.documents("dataset"))["cohort"])
    floor.office.submit(str(again), floor.office.parties()["operator"])  # now it is known


def test_only_a_first_link_is_published(floor):
    with pytest.raises(IntegrityError):
        floor.office.publish(str(narrowed(floor)))
    with pytest.raises(LicenceRefused):
        floor.office.publish(str(licensing.link(Rights(), KEYS["operator"], by=(AUTHORITY,), parent=floor.licence)))


def test_more_links_than_a_licence_has_are_refused(floor):
    chain = [narrowed(floor)]
    for _ in range(6):
        chain.append(narrowed(floor, parent=chain[-1]))
    with pytest.raises((LicenceRefused, UsageError)):
        submitted(floor, chain[-1], chain=chain[:-1])


def test_a_plan_is_published_with_its_two_signatures_and_no_other(floor):
    note = licensing.plan(KEYS["rival"], AUTHORITY, now=int(time.time()))
    floor.office.publish(str(note.signed_by(coordinators.STRANGER)))
    assert dict(floor.office.documents("plan"))[note.id] == str(note)
    for bad in (licensing.plan(KEYS["rival"], now=0), note.only(AUTHORITY.public)):
        with pytest.raises(IntegrityError):
            floor.office.publish(str(bad))


def test_a_licence_whose_plan_was_not_published_is_refused(floor):
    plan = licensing.plan(KEYS["operator"], AUTHORITY, now=int(time.time()), notify_hours=1)
    floor.licence = coordinators.licence(plan=plan.id)
    floor.office.publish(str(floor.licence))
    with pytest.raises(LicenceRefused) as refusal:
        floor.submit()
    assert refusal.value.code == "licence.plan"
    floor.office.publish(str(plan))
    assert floor.submit()


def test_licences_and_plans_are_shown_to_those_whom_they_concern(floor):
    link = narrowed(floor, "rival")
    submitted(floor, link, "rival")
    parties = floor.office.parties()
    seen = {name: {n for n, _ in access.documents(floor.office, party, "licence")} for name, party in parties.items()}
    both = {floor.licence.id, link.id}
    assert seen == {**dict.fromkeys((*ROSTER, "operator"), both), "rival": {link.id}, "other": set(), "coordinator": set()}
    plans = {name: len(access.documents(floor.office, party, "plan")) for name, party in parties.items()}
    assert {name for name, count in plans.items() if count} == {"operator"}


@pytest.mark.parametrize("what", ["root", "link", "key"])
def test_what_is_revoked_meanwhile_is_not_admitted(floor, what):
    link = narrowed(floor, "rival")
    job = submitted(floor, link, "rival")
    revoked = {"root": floor.licence.id, "link": link.id, "key": key_id(str(KEYS["rival"].public))}[what]
    floor.office.publish(coordinators.revocations(2, revoked))
    assert floor.office.status(job).code == ("licence.key" if what == "key" else "licence.revoked")


# --- approvals


def accepting(floor, job, persons):
    """Nodes of which *persons* had the job approved by a person."""
    nodes = Nodes(floor, job)
    for name in persons:
        nodes.states[name], nodes.posts[name] = machine.accept(nodes.plans[name], KEYS[name], "person")
    return nodes


def test_a_job_runs_where_persons_at_enough_holders_approved(floor):
    floor.licence = coordinators.licence(approvals=2)
    floor.office.publish(str(floor.licence))
    few, enough = floor.submit(), floor.submit()
    accepting(floor, few, ["north"]).turn()
    status = floor.office.status(few)
    assert (status.phase, status.code) == ("refused", "licence.approvals")
    accepting(floor, enough, ["north", "south"]).run()
    assert floor.office.status(enough).phase == "released"
    bundle = parse(canonical(floor.bundle(enough)))
    assert verify(Bundle.of(bundle), coordinators.PINNED)
    assert approvals(bundle["acceptances"].values()) == 2


def test_an_acceptance_says_who_decided(floor):
    job = floor.submit()
    nodes = accepting(floor, job, ["north"])
    assert approvals(post.body for post in nodes.posts.values()) == 1


def test_a_bundle_without_the_approvals_does_not_verify(floor, monkeypatch):
    floor.licence = coordinators.licence(approvals=3)
    floor.office.publish(str(floor.licence))
    job = floor.submit()
    monkeypatch.setattr(licences, "check_approved", lambda granted, organisations: None)
    accepting(floor, job, ["north", "south"]).run()
    monkeypatch.undo()
    with pytest.raises(LicenceRefused, match="3 data holders"):
        verify(Bundle.of(parse(canonical(floor.bundle(job)))), coordinators.PINNED)


def test_a_bundle_with_a_chain_verifies_and_every_link_counts(floor):
    link = narrowed(floor, "rival", use_count=1)
    job = submitted(floor, link, "rival")
    Nodes(floor, job).run()
    bundle = parse(canonical(floor.bundle(job)))
    assert verify(Bundle.of(bundle), coordinators.PINNED).result.outcome["columns"][0]["n"] == 160
    assert [notes.read(text).id for text in bundle["chain"]] == [floor.licence.id, link.id]
    for chain in (bundle["chain"][:1], bundle["chain"][::-1], [], [*bundle["chain"], bundle["chain"][1]]):
        with pytest.raises(IntegrityError):
            verify(Bundle.of({**bundle, "chain": chain}), coordinators.PINNED)
    for uses, error, says in (
        ((1,), IntegrityError, "each link"),
        ((1, 1, 1), IntegrityError, "each link"),
        ((1, 2), LicenceRefused, "1 uses"),
    ):
        with pytest.raises(error, match=says):
            verify(Bundle.of(readmitted(bundle, KEYS["coordinator"], uses=uses)), coordinators.PINNED)


def test_a_link_that_cannot_be_read_is_bad_input(floor):
    with pytest.raises(DecodeError):
        floor.office.submit(str(coordinators.job("0" * 64, dict(floor.office.documents("dataset"))["cohort"])),
                            floor.office.parties()["operator"], ["nonsense"])  # fmt: skip
