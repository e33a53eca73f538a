"""What the coordinator decides and remembers, with real nodes' machines and a real journal, and no network."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import coordinators
import licensing
import numpy as np
import pytest
from coordinators import KEYS, ROSTER
from offices import Floor, Nodes
from trails import Trail

from federated.coordinator.web import access
from federated.verify import Bundle, verify
from governance import chains, licences, notes
from governance.errors import (
    BudgetExhausted,
    IntegrityError,
    KeyongError,
    OutOfTurn,
    PeerError,
    QuorumLost,
    Refused,
    Unavailable,
    UsageError,
)
from governance.journal import Journal
from governance.keys import SigningKey
from sandbox import machine
from sandbox.machine import Finished
from sandbox.messages import Admission, Ended, Relay, Release


@pytest.fixture
def floor(tmp_path):
    made = Floor(tmp_path)
    yield made
    made.office.journal.close()


def test_a_job_runs_to_a_bundle_that_verifies(floor):
    job = floor.submit()
    nodes = Nodes(floor, job)
    nodes.run()
    status = floor.office.status(job)
    assert (status.phase, status.code, status.waiting_for) == ("released", "", ())
    nodes.turn()
    assert all(isinstance(s, Finished) and s.release for s in nodes.states.values())
    verified = verify(Bundle.of(floor.bundle(job)), coordinators.PINNED)
    assert verified.result.provenance.survivors == ROSTER


def test_a_hundred_jobs_on_ten_uses_are_exactly_ten_and_the_same_ten_at_every_node(tmp_path):
    """Submitted and accepted by eight threads at once; each node hears of the admissions in an order of its own."""
    floor = Floor(tmp_path, uses=10)
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: floor.submit(), range(100)))
        ended = dict(pool.map(lambda job: (job, accepted_by_all(floor, job)), jobs))
    admissions = {job: notes.read(e.admission).document(Admission) for job, e in ended.items() if isinstance(e, Relay)}
    assert sorted(a.uses for a in admissions.values()) == [(number,) for number in range(1, 11)]
    assert {e.code for e in ended.values() if isinstance(e, Ended)} == {"licence.used"} and len(ended) == 100
    granted, order = licences.read((str(floor.licence),), coordinators.TRUST), np.random.default_rng(1)
    for name in ROSTER:
        journal = Journal.create(tmp_path / f"{name}.db", KEYS[name])
        for job in order.permutation(sorted(admissions)):
            with journal.transaction() as t:
                licences.take(t, granted, admissions[job].uses, str(job))
        with journal.transaction() as t:
            assert t.next_use(floor.licence.id) == 11
            with pytest.raises(BudgetExhausted):
                licences.take(t, granted, (11,), next(job for job in jobs if job not in admissions))
        journal.close()
    floor.office.journal.close()


def accepted_by_all(floor, job):
    """What a node hears once all have accepted."""
    nodes = Nodes(floor, job)
    for name in ROSTER:
        floor.office.post(job, nodes.posts[name], wait=0)
    return floor.office.post(job, nodes.posts[ROSTER[0]], wait=0)


def test_the_office_can_be_restarted_between_any_two_posts(floor):
    job = floor.submit()
    nodes = Nodes(floor, job)
    for _ in range(80):
        if floor.office.status(job).ended:
            break
        for name in ROSTER:
            if isinstance(nodes.states[name], Finished):
                continue
            nodes.post(name)
            if not floor.office.status(job).ended:
                floor.restart()
                for again in ROSTER:  # posts of an open step are not durable: nodes repeat them
                    nodes.post(again)
    assert floor.office.status(job).phase == "released"


def test_a_step_waits_for_all_until_its_patience_is_over(floor):
    job = floor.submit()
    nodes = Nodes(floor, job)
    nodes.run(until="0.0.upload")
    nodes.turn(absent=["west"])
    nodes.turn(absent=["west"])
    floor.wait(floor.office.patience - 0.1)
    assert floor.office.status(job).waiting_for == ("west",)
    floor.wait(0.2)
    assert floor.office.status(job).step == "0.0.consent"
    nodes.run(absent=["west"])
    release = notes.read(floor.bundle(job)["release"]).document(Release)
    assert release.survivors == ("east", "north", "south")


def test_a_node_that_is_slow_gets_the_relays_of_closed_steps(floor):
    """It missed consent and reveal of the first opening; its old posts are answered one after the other, and the job goes on with it."""
    job = floor.submit()
    nodes = Nodes(floor, job)
    nodes.run(until="0.0.consent")
    for _ in range(8):
        nodes.turn(absent=["west"])
        floor.wait(1.0)
    assert floor.office.status(job).step == "1.0.upload"
    assert floor.office.status(job).waiting_for == ("west",)
    nodes.run()
    assert notes.read(floor.bundle(job)["release"]).document(Release).survivors == ROSTER


def test_an_attempt_that_stalls_is_given_up_and_run_again_by_all(floor):
    """Two of four consent in time. A third comes in between, the fourth after the promises were collected (PRIVACY 5)."""
    job = floor.submit()
    nodes = Nodes(floor, job)
    nodes.run(until="0.0.consent")
    nodes.turn(absent=["south", "west"])
    nodes.turn(absent=["south", "west"])
    floor.wait(floor.office.patience + 1)
    assert floor.office.status(job).step == "0.0.abstain"
    for _ in range(4):
        nodes.turn(absent=["west"])
    floor.wait(1.0)
    assert floor.office.status(job).step == "0.1.upload"
    nodes.run()
    assert notes.read(floor.bundle(job)["release"]).document(Release).survivors == ROSTER


def test_a_first_opening_that_never_gets_its_consents_ends_with_the_deadline(floor):
    job = floor.submit(deadline=300)
    nodes = Nodes(floor, job)
    nodes.run(until="0.0.consent")
    floor.wait(301)
    assert floor.office.status(job).phase == "expired"
    answer = nodes.post("north")
    assert isinstance(answer, Ended) and answer.code == "job.deadline" and answer.chinese


def test_one_refusal_ends_the_job_with_the_holders_reason(floor):
    job = floor.submit()
    nodes = Nodes(floor, job)
    nodes.post("north")
    reason = UsageError(code="policy.method", method="describe@1")
    floor.office.post(job, machine.refuse(nodes.states["south"].plan.job, KEYS["south"], reason), wait=0)
    status = floor.office.status(job)
    assert (status.phase, status.code) == ("refused", "policy.method")
    assert status.english.startswith("south: ") and status.chinese.startswith("south：")


def stop(nodes, name, reason):
    return nodes.floor.office.post(nodes.job, machine.stop(nodes.text, KEYS[name], reason), wait=0)


def test_a_holder_that_cannot_go_on_ends_the_job_once_its_part_is_needed(floor):
    """Before the set is fixed the others go on without it; what went wrong beside the rows is not told apart (PRIVACY 3)."""
    job = floor.submit()
    nodes = Nodes(floor, job)
    nodes.run(until="0.0.upload")
    assert stop(nodes, "west", PeerError("x", party="east")) is None
    nodes.run(until="1.0.upload")
    ended = stop(nodes, "west", IntegrityError(code="jail.time"))
    assert (ended.phase, ended.code) == ("failed", "job.local")
    assert ended.english.startswith("west: the local step failed") and ended.chinese.startswith("west：")
    assert stop(nodes, "west", IntegrityError(code="jail.died")) == ended
    assert floor.office.status(job).phase == "failed"


def test_who_is_not_in_the_set_stops_nobody(floor):
    job = floor.submit()
    nodes = Nodes(floor, job)
    nodes.run(until="0.0.upload")
    nodes.turn(absent=["west"])
    floor.wait(floor.office.patience + 1)
    nodes.run(until="1.0.upload", absent=["west"])
    assert stop(nodes, "west", QuorumLost("x")) is None
    nodes.run(absent=["west"])
    assert floor.office.status(job).phase == "released"


def test_a_word_to_stop_is_a_holders_own_signed_refusal_of_this_job(floor):
    job, other = floor.submit(), floor.submit()
    nodes, elsewhere = Nodes(floor, job), Nodes(floor, other)
    nodes.run(until="1.0.upload")
    good = machine.stop(nodes.text, KEYS["west"], UsageError("x"))
    acceptance = machine.accept(nodes.plans["west"], KEYS["west"])[1]
    lies = [
        replace(good, sender="east"),
        replace(good, sender="other"),
        replace(good, payloads=(b"x",)),
        replace(acceptance, step="stop"),
        machine.stop(elsewhere.text, KEYS["west"], UsageError("x")),
        machine.stop(nodes.text, SigningKey("west", KEYS["east"].private), UsageError("x")),
    ]
    for lie in lies:
        with pytest.raises(KeyongError):
            floor.office.post(job, lie, wait=0)
    assert floor.office.status(job).phase == "running"


def test_a_post_may_be_repeated_and_not_changed(floor):
    job = floor.submit()
    nodes = Nodes(floor, job)
    assert nodes.post("north") is None
    assert nodes.post("north") is None
    other = machine.accept(nodes.states["north"].plan, KEYS["north"])[1]
    with pytest.raises(OutOfTurn, match="something else"):
        floor.office.post(job, other, wait=0)
    with pytest.raises(PeerError, match="among those who may post"):
        floor.office.post(job, machine.refuse(nodes.states["north"].plan.job, KEYS["other"], UsageError("x")), wait=0)


def test_a_job_that_is_sent_again_runs_once_and_costs_once(floor):
    """While it waits, while it runs and after its end; by its operator, by another one, and with more lines under it."""
    job = floor.submit()
    nodes = Nodes(floor, job)
    senders, texts = ("operator", "rival"), (nodes.text, str(notes.read(nodes.text).signed_by(KEYS["rival"])))
    again = lambda: {floor.office.submit(text, floor.office.parties()[name]) for name in senders for text in texts}  # noqa: E731
    assert again() == {job}
    nodes.run(until="upload 1 0")
    assert again() == {job}
    nodes.run()
    with floor.office.journal.view() as t:
        before = t.size(), t.next_use(floor.licence.id)
    assert again() == {job}
    floor.restart()
    assert again() == {job}
    with floor.office.journal.view() as t:
        assert (t.size(), t.next_use(floor.licence.id)) == before
        assert [entry.event for entry in t.entries() if entry.subject == job].count("job.offered") == 1
    assert floor.office.offers("north", wait=0) == [] and floor.office.status(job).phase == "released"


def test_an_operator_has_so_many_jobs_at_once_and_no_more(floor, monkeypatch):
    monkeypatch.setattr("federated.coordinator.office.MOST_OPEN", 2)
    jobs = [floor.submit(), floor.submit()]
    with pytest.raises(Unavailable) as refusal:
        floor.submit()
    assert (refusal.value.code, refusal.value.facts["most"]) == ("job.queue", 2)
    floor.restart()
    with pytest.raises(Unavailable):
        floor.submit()
    floor.office.cancel(jobs[0], floor.office.parties()["operator"])
    assert floor.office.status(floor.submit()).phase == "offered"


def test_six_jobs_on_three_uses_are_three_jobs(floor):
    floor.licence = coordinators.licence(use_count=3)
    floor.office.publish(str(floor.licence))
    jobs = [floor.submit() for _ in range(6)]
    for nodes in [Nodes(floor, job) for job in jobs]:
        nodes.turn()
    ends = [floor.office.status(job) for job in jobs]
    assert [s.phase for s in ends] == ["running"] * 3 + ["refused"] * 3
    assert {s.code for s in ends[3:]} == {"licence.used"}


def test_later_jobs_keep_to_the_set_that_was_opened(floor):
    """After a total over three of four, the four together would tell the fourth's part (PRIVACY 4): the three go on."""
    first = floor.submit()
    nodes = Nodes(floor, first)
    nodes.run(until="0.0.upload")
    nodes.turn(absent=["west"])
    floor.wait(floor.office.patience + 1)
    nodes.run(absent=["west"])
    second = floor.submit()
    nodes = Nodes(floor, second)
    nodes.run(until="0.0.upload")
    nodes.turn()
    with pytest.raises(QuorumLost, match="without this node"):
        nodes.turn()  # west, the last to upload, is answered with a set that it is not in
    nodes.run(absent=["west"])
    assert notes.read(floor.bundle(second)["release"]).document(Release).survivors == ("east", "north", "south")


def test_an_operator_cancels_its_own_job_only(floor):
    job = floor.submit()
    parties = floor.office.parties()
    with pytest.raises(KeyongError, match="only the operator"):
        floor.office.cancel(job, parties["rival"])
    floor.office.cancel(job, parties["operator"])
    assert floor.office.status(job).phase == "cancelled"


# --- a job keeps to the entry of its dataset that it was made for


def test_a_new_version_of_the_entry_changes_no_job_that_was_made_before(floor):
    old = dict(floor.office.documents("dataset"))["cohort"]
    done, begun = floor.submit(), floor.submit()
    Nodes(floor, done).run()
    before = {**floor.bundle(done), "ledger": None}  # its proof grows with the ledger
    floor.office.publish(coordinators.dataset(version=2, holders=("east", "north", "other", "south")))
    assert {**floor.bundle(done), "ledger": None} == before
    verify(Bundle.of(floor.bundle(done)), coordinators.PINNED)
    floor.restart()
    assert [o.dataset for o in floor.office.offers("west", wait=0)] == [old]
    assert floor.office.offers("other", wait=0) == []
    Nodes(floor, begun).run()
    verify(Bundle.of(floor.bundle(begun)), coordinators.PINNED)
    with pytest.raises(UsageError, match="made for another entry of the dataset cohort"):
        floor.office.submit(str(coordinators.job(floor.licence.id, old)), floor.office.parties()["operator"])


def test_who_may_see_a_job_goes_by_the_entry_it_was_made_for(floor):
    job, parties = floor.submit(), floor.office.parties()
    floor.office.publish(coordinators.dataset(version=2, holders=("east", "north", "other", "south")))
    assert access.job(floor.office, parties["west"], job).job == job
    with pytest.raises(UsageError):
        access.job(floor.office, parties["other"], job)


def test_versions_of_what_is_published_only_rise(floor):
    floor.office.publish(coordinators.dataset(version=2))
    floor.office.publish(coordinators.revocations(2))
    for text in (coordinators.dataset(version=1), coordinators.revocations(1), coordinators.revocations(2, "0" * 64)):
        with pytest.raises(UsageError, match="not newer"):
            floor.office.publish(text)


# --- what a bundle must not hold is not taken


def test_a_job_for_another_coordinator_is_refused(floor):
    dataset = dict(floor.office.documents("dataset"))["cohort"]
    job = coordinators.job(floor.licence.id, dataset, coordinator=coordinators.STRANGER)
    with pytest.raises(Refused) as refusal:
        floor.office.submit(str(job), floor.office.parties()["operator"])
    assert refusal.value.code == "job.coordinator" and "coordinator" in refusal.value.text("zh")


def test_a_job_with_a_strangers_line_is_refused(floor):
    dataset = dict(floor.office.documents("dataset"))["cohort"]
    job = coordinators.job(floor.licence.id, dataset)
    for key in (coordinators.STRANGER, KEYS["operator"]):
        with pytest.raises(Refused) as refusal:
            floor.office.submit(str(job.signed_by(key)), floor.office.parties()["operator"])
        assert refusal.value.code == "job.unsigned"


def test_an_enrolment_with_a_strangers_line_is_refused(floor):
    note = notes.read(coordinators.enrolment(SigningKey.generate("late"), "holder"))
    for key in (coordinators.STRANGER, coordinators.AUTHORITY):
        with pytest.raises(IntegrityError, match="nobody's"):
            floor.office.enrol(str(note.signed_by(key)))
    assert floor.office.enrol(str(note)).name == "late"


def test_a_licence_that_ran_out_while_holders_decided_admits_nothing(floor):
    floor.licence = coordinators.licence(not_after=int(floor.clock()) + 60)
    floor.office.publish(str(floor.licence))
    job = floor.submit(deadline=3600)
    floor.wait(61)
    Nodes(floor, job).turn()
    status = floor.office.status(job)
    assert (status.phase, status.code) == ("refused", "licence.expired")


def test_a_cancelled_asset_ends_its_jobs_and_gets_no_new_ones(floor):
    waiting, running = floor.submit(), floor.submit()
    Nodes(floor, running).run(until="0.0.upload")
    chain = coordinators.asset()
    cancelled = licensing.moved(chain, "cancel", coordinators.AUTHORITY, at=int(floor.clock()))
    coordinators.register(floor.office, cancelled)
    floor.office.publish(coordinators.revocations(2, chains.read(chain)[-1].id))
    assert [(s.phase, s.code) for s in map(floor.office.status, (waiting, running))] == [("refused", "asset.cancelled")] * 2
    with pytest.raises(Refused) as refusal:
        floor.submit()
    assert refusal.value.code == "asset.cancelled"


def test_a_dataset_that_nobody_registered_gets_no_job(tmp_path):
    made = Floor(tmp_path)
    made.office.publish(coordinators.dataset(version=2, holders=("north", "other", "south", "west")))  # not with the asset's holder
    with pytest.raises(Refused) as refusal:
        made.submit()
    assert refusal.value.code == "asset.unregistered"
    made.office.journal.close()


def test_nothing_is_admitted_between_the_deadline_and_the_next_tick(floor):
    job = floor.submit(deadline=300)
    nodes = Nodes(floor, job)
    floor.late = 300
    nodes.turn()
    assert floor.office.status(job).phase == "expired"


# --- offers


def test_an_offer_that_is_known_is_waited_over(floor):
    known = floor.submit()
    started = time.monotonic()
    assert floor.office.offers("north", known={known}, wait=0.3) == []
    assert time.monotonic() - started >= 0.3
    made = []
    threading.Timer(0.3, lambda: made.append(floor.submit())).start()
    offers = floor.office.offers("north", known={known}, wait=20)
    assert [notes.read(o.job).id for o in offers] == made
    assert time.monotonic() - started < 10


def test_what_serves_the_public_is_offered_first(tmp_path):
    trail = Trail(tmp_path)
    jobs = [trail.submit(purpose=purpose) for purpose in ("research", "public-interest", "research", "public-interest")]
    for again in (False, True):
        if again:
            trail.floor.restart()
        office = trail.floor.office
        offered = [notes.read(offer.job).id for offer in office.offers("north", wait=0)]
        assert offered == [jobs[1], jobs[3], jobs[0], jobs[2]]
        assert [notes.read(offer.job).id for offer in office.offers("north", known=jobs[1:2], wait=0)] == [jobs[3], jobs[0], jobs[2]]
    trail.floor.office.journal.close()
