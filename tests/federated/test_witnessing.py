"""Nodes that witness each other through a real coordinator: quorums, copies that were restored, liars, clocks, and revocations."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import pytest

from federated.coordinator.office import Office
from federated.coordinator.web.api import Desk
from federated.coordinator.web.waiting import Waiting
from federated.node import judge
from federated.node.home import Home
from federated.node.timekeeping import time_of
from federated.node.witnessing import Witnessing
from federated.witnessing import Ask, Turn
from governance import checkpoint, cosignatures, notes, witness
from governance.checkpoint import Checkpoint
from governance.errors import IntegrityError, LicenceRefused, QuorumLost, Unavailable
from governance.journal import Journal
from governance.licences import Licence
from governance.quorum import quorum_of
from governance.witness import Cosignature, Witness
from sandbox import spends
from tests.federated import coordinators
from tests.federated.coordinators import KEYS, ROSTER, TLS, coordinator

JOB = "ab" * 32
KEYS_OF_ROSTER = tuple(str(KEYS[name].public) for name in ROSTER)


class Node:
    """A node's journal and its part in witnessing; `serve` lets it answer."""

    def __init__(self, place, path, name):
        self.place, self.path, self.name, self.skew = place, path / name, name, 0.0
        self.path.mkdir()
        Journal.create(self.path / "journal.db", KEYS[name]).close()
        self.link, self.stopping, self.open = place.link(name), threading.Event(), False
        self.restart()
        with self.journal.transaction() as t:
            for other in ROSTER:
                t.put_note("peer", other, str(KEYS[other].public))

    def restart(self):
        if self.open:
            self.journal.close()
        self.home = Home(self.path, KEYS[self.name], self.place.server.url, TLS.certificate, coordinators.ROOTS, KEYS["coordinator"].public)
        self.journal, self.open = self.home.journal(), True
        self.witnessing = Witnessing(
            self.home, self.journal, self.link, clock=lambda: self.place.office.clock() + self.skew, stopping=self.stopping
        )

    def spend(self, job=JOB):
        with self.journal.transaction() as t:
            return t.append("job.spent", job)

    def proof(self, index, *, wait=20.0, colluding=1):
        """Turns until the proof is there, as a job's thread takes them."""
        policy = spends.policy_of(KEYS_OF_ROSTER, self.name, colluding)
        for _ in range(12):
            found = self.witnessing.proof(index, policy, wait=wait)
            if found is not None or wait == 0:
                return found
        return None

    def work(self):
        while not self.stopping.is_set():
            self.witnessing.answer(wait=0.5)

    @contextmanager
    def serving(self):
        self.stopping.clear()
        thread = threading.Thread(target=self.work)
        thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            thread.join(timeout=20)
            assert not thread.is_alive()

    def copied(self, to):
        with self.journal.view():
            shutil.copytree(self.path, to)

    def restored(self, copy):
        self.journal.close()
        shutil.rmtree(self.path)
        shutil.copytree(copy, self.path)
        self.open = False
        self.restart()


@pytest.fixture
def nodes(tmp_path):
    with coordinator(tmp_path) as place:
        made = {name: Node(place, tmp_path, name) for name in ROSTER}
        yield made
        for node in made.values():
            node.link.close()
            node.journal.close()


@pytest.fixture
def serving(nodes):
    """All but west answer."""
    with ExitStack() as stack:
        for name in ("east", "north", "south"):
            stack.enter_context(nodes[name].serving())
        yield nodes


# --- the way it goes


def test_a_spend_is_proved_as_soon_as_a_quorum_cosigned(serving):
    for number in range(3):
        index = serving["west"].spend(f"{number:064x}")
        proof = serving["west"].proof(index)
        assert spends.require(str(proof), f"{number:064x}", spends.policy_of(KEYS_OF_ROSTER, "west", 1)) == proof
    with serving["west"].journal.view() as t:
        seen = t.cosigned()
    assert seen.keys() >= {"west"} and len(seen) >= 3 and all(size <= index + 1 for size, _ in seen.values())


def test_one_request_covers_all_spends_that_wait(serving, monkeypatch):
    west, asked = serving["west"], []
    ask = west.link.cosignatures
    monkeypatch.setattr(west.link, "cosignatures", lambda *given, **how: asked.append(given) or ask(*given, **how))
    found = {west.spend(f"{number:064x}"): None for number in range(6)}
    threads = [threading.Thread(target=lambda i=i: found.update({i: west.proof(i)})) for i in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found.values()) and len({proof.checkpoint for proof in found.values()}) == 1
    assert len({request.request.checkpoint for (request,) in asked}) == 1


def test_a_witness_that_is_away_is_not_missed_and_two_are(serving):
    west = serving["west"]
    serving["east"].stopping.set()
    until(lambda: west.place.server._waiting.kept <= 2)
    assert west.proof(west.spend()) is not None
    serving["north"].stopping.set()
    until(lambda: west.place.server._waiting.kept <= 1)
    later = west.spend("cd" * 32)
    assert west.witnessing.proof(later, spends.policy_of(KEYS_OF_ROSTER, "west", 1), wait=0.3) is None
    with serving["north"].serving():
        assert west.proof(later) is not None  # nothing was lost by waiting


def test_an_answer_that_was_lost_is_asked_again(serving, monkeypatch):
    """As when a node is killed after the others cosigned and before it has written that down."""
    west = serving["west"]
    index = west.spend()
    with monkeypatch.context() as cut:
        cut.setattr(west.witnessing, "_write", lambda *_: None)
        assert west.witnessing.proof(index, spends.policy_of(KEYS_OF_ROSTER, "west", 1), wait=20) is None
    west.restart()
    assert west.proof(index) is not None
    again = west.spend("cd" * 32)
    assert west.proof(again) is not None


def test_a_coordinator_that_starts_anew_has_lost_nothing(serving):
    west = serving["west"]
    index = west.spend()
    assert west.proof(index)
    west.place.office.mailbox.__init__()
    assert west.proof(west.spend("cd" * 32))


# --- older copies, other histories


@pytest.fixture
def copied(serving, tmp_path):
    """West as it was before its last job, of which the others have seen."""
    west = serving["west"]
    assert west.proof(west.spend("cd" * 32))
    west.copied(tmp_path / "copy")
    assert west.proof(west.spend())
    west.restored(tmp_path / "copy")
    return west


def test_a_restored_copy_is_noticed_when_it_starts(copied):
    with pytest.raises(IntegrityError) as alarm:
        copied.witnessing.check(wait=20)
    assert alarm.value.code == "integrity.rollback"


@pytest.mark.parametrize("more", [-1, 0, 5])
def test_a_restored_copy_that_spends_again_gets_no_quorum(copied, more):
    """Behind what the others saw, at its size, and beyond it (`budget-snapshot`)."""
    for number in range(more):
        copied.spend(f"{number:064x}")
    index = copied.spend("ef" * 32) if more >= 0 else 1
    with pytest.raises(IntegrityError) as alarm:
        copied.proof(index)
    assert alarm.value.code == ("integrity.rollback" if more < 0 else "integrity.fork")
    with copied.journal.view() as t:
        made = witness.request(t, ROSTER)
        note = notes.read(t.checkpoint(), limit=checkpoint.LIMIT)
    answers = copied.link.cosignatures(Ask(tuple(n for n in ROSTER if n != "west"), made), want=3, wait=20)
    assert not any(isinstance(answer, Cosignature) for answer in answers.values())
    note = replace(note, signatures=(*note.signatures, cosignatures.cosign(note.text, KEYS["west"], 1)))
    with pytest.raises(QuorumLost):
        quorum_of(str(note), spends.policy_of(KEYS_OF_ROSTER, "west", 1))


def test_a_fresh_journal_under_an_old_key_gets_no_quorum(serving):
    """The node's administrator throws the journal away and makes a new one; the others remember."""
    west = serving["west"]
    assert west.proof(west.spend("cd" * 32))
    west.journal.close()
    for file in west.path.glob("journal.db*"):
        file.unlink()
    Journal.create(west.path / "journal.db", KEYS["west"]).close()
    west.open = False
    west.restart()
    with pytest.raises(IntegrityError) as alarm:
        west.proof(west.spend())
    assert alarm.value.code == "integrity.fork"


def test_two_witnesses_that_cosign_everything_make_no_quorum_with_a_fork(serving):
    """Four holders, c = 1: a ledger and one colluding witness are two of the three that are needed (`byz-witness`)."""
    west = serving["west"]
    assert west.proof(west.spend())
    fork = Checkpoint("west", 2, b"\x01" * 32).signed_by(KEYS["west"])
    lines = [cosignatures.cosign(fork.text, KEYS[name], 2_000_000_000) for name in ("west", "east")]
    with pytest.raises(QuorumLost) as few:
        quorum_of(str(replace(fork, signatures=(*fork.signatures, *lines))), spends.policy_of(KEYS_OF_ROSTER, "west", 1))
    assert few.value.facts["count"] == 2
    request = witness.Request(str(fork), (witness.Consistency(0, ()), witness.Consistency(1, ())))
    answers = west.link.cosignatures(Ask(("north", "south"), request), want=2, wait=20)
    assert answers.keys() == {"north", "south"}
    assert not any(isinstance(answer, Cosignature) for answer in answers.values())


def test_a_line_that_does_not_verify_is_no_cosignature(serving, monkeypatch):
    """A witness that sends rubbish delays nobody; two of three do."""
    west = serving["west"]
    ask = west.link.cosignatures
    rubbish = str(cosignatures.cosign("other\n1\nx\n", KEYS["east"], 1))

    def lied(*given, **how):
        return {n: Cosignature(rubbish) if n in liars else a for n, a in ask(*given, **how).items()}

    monkeypatch.setattr(west.link, "cosignatures", lied)
    liars = ("east",)
    assert west.proof(west.spend())
    liars = ("east", "north")
    assert west.witnessing.proof(west.spend("cd" * 32), spends.policy_of(KEYS_OF_ROSTER, "west", 1), wait=1.0) is None


def test_a_node_without_peers_or_entries_has_nothing_to_be_held_against(nodes):
    assert nodes["west"].witnessing.check(wait=20) == 0


def test_a_check_waits_no_longer_than_it_is_told(nodes):
    nodes["west"].spend()
    assert nodes["west"].witnessing.check(wait=0.2) == 0


# --- the coordinator's ledger


def until(look):
    for _ in range(400):
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def test_the_coordinators_ledger_is_cosigned_and_served(serving, monkeypatch):
    """Five holders are enrolled, of whom one may collude, so four must cosign."""
    monkeypatch.setattr("federated.coordinator.witnessed.PACE", 0.1)
    place, west = serving["west"].place, serving["west"]

    def cosigned():
        text = west.link.cosigned()
        return checkpoint.read(notes.read(text, limit=checkpoint.LIMIT)).size if text else 0

    until(lambda: len(place.office.mailbox.waiting("west", wait=0)) == 1)
    assert cosigned() == 0
    with west.serving():
        before = until(cosigned)
        keys = [KEYS[name].public for name in (*ROSTER, "other")]
        assert cosignatures.times(notes.read(west.link.cosigned(), limit=checkpoint.LIMIT), keys).keys() == set(ROSTER)
        place.submitted()
        until(lambda: cosigned() > before)


def test_a_coordinator_that_was_brought_back_from_a_copy_does_nothing_more(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr("federated.coordinator.witnessed.PACE", 0.0)
    office, north = nodes["north"].place.office, nodes["north"]
    with office.journal.view():
        for rest in ("", "-wal"):
            shutil.copy(tmp_path / f"journal.db{rest}", tmp_path / f"before.db{rest}")
    nodes["north"].place.submitted()
    told(office, north)
    assert office.alarm is None
    with closing(Journal.open(tmp_path / "before.db", KEYS["coordinator"])) as before:
        restored = Office(before, KEYS["coordinator"], coordinators.ROOTS)
        told(restored, north)
        assert restored.alarm.code == "integrity.rollback"
        with pytest.raises(IntegrityError):
            restored.submit(north.place.job(), restored.parties()["operator"])
        with pytest.raises(IntegrityError):
            restored.post("0" * 64, None, wait=0)
        with pytest.raises(Unavailable, match="nothing is done here"):
            Desk(restored, Waiting(most=1, each=1), lambda: True).health()
        restored.tick()


def told(office, node):
    """The coordinator asks about its ledger, and *node* alone answers."""
    office.tick()
    [request] = office.mailbox.waiting(node.name, wait=20)
    office.mailbox.answer(node.name, node.witnessing._cosigned((request,)))
    office.tick()
    office.tick()


def test_what_a_holder_has_seen_meanwhile_is_learnt_from_its_refusal(nodes, monkeypatch):
    """As when the coordinator is killed after a holder cosigned, and before that was written down."""
    monkeypatch.setattr("federated.coordinator.witnessed.PACE", 0.0)
    north, office = nodes["north"], nodes["north"].place.office
    office.tick()
    [request] = office.mailbox.waiting("north", wait=20)
    assert isinstance(north.witnessing._cosigned((request,))[0].answer, Cosignature)
    again = Office(office.journal, KEYS["coordinator"], coordinators.ROOTS)
    for status in (409, 200):
        again.tick()
        [request] = again.mailbox.waiting("north", wait=20)
        answers = north.witnessing._cosigned((request,))
        assert getattr(answers[0].answer, "status", 200) == status
        again.mailbox.answer("north", answers)
        again.tick()
    with office.journal.view() as t:
        assert t.cosigned()["north"][0] == t.size()


def test_a_request_that_is_none_is_refused_and_not_shown_again(nodes):
    north, box = nodes["north"], nodes["north"].place.office.mailbox
    asked = box.put("west", Ask(("north",), witness.Request("rubbish", ())))
    box.answer("north", north.witnessing._cosigned(box.waiting("north", wait=20)[-1:]))
    assert box.answers("west", asked, want=1, wait=0)["north"].status == 400


def test_a_node_that_stops_cosigns_nothing_more(nodes):
    north, box = nodes["north"], nodes["north"].place.office.mailbox
    index = nodes["west"].spend()
    with nodes["west"].journal.view() as t:
        box.put("west", Ask(("north",), witness.request(t, ("north",))))
    north.stopping.set()
    north.witnessing.answer(wait=5)
    with north.journal.view() as t:
        assert t.seen("west") is None and index == 0


def test_a_split_view_of_the_coordinator_finds_no_two_quorums(nodes):
    """One history for two nodes, another one for the other two (`split-view`): neither has three, and each node keeps to the first."""
    key, views = KEYS["coordinator"], {}
    for name, root in zip(ROSTER, (b"\x01", b"\x01", b"\x02", b"\x02"), strict=True):
        note = Checkpoint("coordinator", 5, root * 32).signed_by(key)
        request = witness.Request(str(note), (witness.Consistency(0, ()),))
        with nodes[name].journal.transaction() as t:
            views.setdefault(note.text, []).append((name, Witness(KEYS[name], {"coordinator": key.public}).cosign(t, request, 9)))
    policy = spends.Policy.of(key.public, [KEYS[n].public for n in ROSTER], 3)
    for text, answers in views.items():
        assert all(isinstance(answer, Cosignature) for _, answer in answers)
        note = notes.read(f"{text}\n" + "".join(f"{answer.line}\n" for _, answer in answers)).signed_by(key)
        with pytest.raises(QuorumLost):
            quorum_of(str(note), policy)
    other = witness.Request(str(Checkpoint("coordinator", 5, b"\x02" * 32).signed_by(key)), (witness.Consistency(0, ()),))
    with nodes["east"].journal.transaction() as t:
        assert Witness(KEYS["east"], {"coordinator": key.public}).cosign(t, other, 9).status == 409
        assert t.note("fork", "coordinator") is not None


# --- time


def test_a_clock_that_is_set_back_revives_nothing_and_one_ahead_expires_nothing(serving):
    dataset = notes.read(serving["west"].place.dataset).document(coordinators.Dataset)
    west, now, far = serving["west"], int(serving["west"].place.office.clock()), 10**7
    serving["east"].skew, west.skew = far, -far  # one witness is months ahead
    with west.journal.view() as t:
        assert time_of(t, dataset, "west", now - far) == now - far  # nobody has told anything yet
    for number in range(20):  # until all of them have
        assert west.proof(west.spend(f"{number:064x}"))
        with west.journal.view() as t:
            if t.cosigned().keys() >= set(ROSTER):
                break
        until(lambda: not west.place.office.mailbox.waiting("north", wait=0) and not west.place.office.mailbox.waiting("south", wait=0))
    with west.journal.view() as t:
        assert now <= time_of(t, dataset, "west", now - far) < now + far // 2
        assert time_of(t, dataset, "west", now + far // 2) == now + far // 2  # the local clock, if later


def test_a_licence_is_held_against_the_time_that_witnesses_keep(nodes):
    """A node whose clock was set back judges by what the others signed; one whose clock is right is not moved by one that is ahead."""
    west, place = nodes["west"], nodes["west"].place
    job = place.submitted()
    [offer] = [o for o in place.office.offers("west", wait=0) if notes.read(o.job).id == job]
    end, now = notes.read(offer.chain[0]).document(Licence).allow.not_after, int(place.office.clock())
    late = notes.read(offer.job).document(judge.Job).deadline
    with west.journal.transaction() as t:
        judge.learn_revocations(offer.revocations, west.home, t)
        judge.check_in_force(offer, west.home, t, now=now)
        t.put_cosigned("east", 1, end + 10)
        judge.check_in_force(offer, west.home, t, now=now)  # one that is ahead
        t.put_cosigned("north", 1, late)
        with pytest.raises(Unavailable):
            judge.check_in_force(offer, west.home, t, now=now)  # two: it is later than the job's deadline
        t.put_cosigned("north", 1, end + 10)
        for look in (judge.check_in_force, judge.judge):
            with pytest.raises(LicenceRefused) as refusal:
                look(offer, west.home, t, now=now)
            assert refusal.value.code == "licence.expired"


# --- revocations


def test_a_new_list_is_brought_to_the_nodes_at_once(nodes):
    west, place = nodes["west"], nodes["west"].place
    west.witnessing.answer(wait=0)
    licence = notes.read(str(place.licence)).id
    threading.Timer(0.2, lambda: place.office.publish(coordinators.revocations(2, licence))).start()
    for _ in range(2):  # publishing is an entry, too, which the coordinator may ask for first
        west.witnessing.answer(wait=60)
        with west.journal.view() as t:
            if notes.read(t.note("revocations", "current")).document(coordinators.Revocations).version == 2:
                break
    with west.journal.view() as t:
        assert licence in notes.read(t.note("revocations", "current")).document(coordinators.Revocations).revoked
    assert west.link.witness(Turn((), 2), wait=0.0).revocations == ""


def test_a_list_that_may_be_old_is_fetched_before_anything_leaves(nodes, monkeypatch):
    west, asked = nodes["west"], []
    monkeypatch.setattr(west.link, "documents", lambda kind: asked.append(kind) or west.place.office.documents(kind))
    west.witnessing.refresh()
    west.witnessing.refresh()
    assert asked == ["revocations"]
    monkeypatch.setattr("federated.node.witnessing.FRESH", 0.0)
    west.witnessing.refresh()
    assert len(asked) == 2


def test_the_coordinator_ends_the_jobs_of_a_licence_that_is_revoked(nodes):
    place = nodes["west"].place
    job = place.submitted()
    place.office.publish(coordinators.revocations(2, place.licence.id))
    status = place.office.status(job)
    assert (status.phase, status.code) == ("refused", "licence.revoked")
