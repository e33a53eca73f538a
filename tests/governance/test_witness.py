"""Witnesses against logs that fork, roll back, race and lie, and against a journal that is an older copy of itself."""

import base64
import shutil
import threading
from contextlib import closing

import pytest

from governance import checkpoint, encoding, merkle, notes, quorum, witness
from governance.checkpoint import Checkpoint
from governance.cosignatures import gathered, times
from governance.errors import DecodeError, IntegrityError, PeerError, QuorumLost, UsageError
from governance.journal import Journal
from governance.keys import SigningKey
from governance.quorum import Policy
from governance.witness import Consistency, Cosignature, Refusal, Request, Witness

pytest_plugins = ("tests.postgres",)

A, B, C, D = (SigningKey(f"hospital-{letter}", bytes([number]) * 32) for number, letter in enumerate("abcd", 1))
NOW = 1_700_000_000
POLICY = Policy.of(A.public, [key.public for key in (B, C, D)], 3)
JOB = "ab" * 32


class Node:
    """A journal and the witness in it."""

    def __init__(self, folder, key, *, path=None):
        self.key = key
        self.path = path or folder / f"{key.name}.db"
        self.journal = Journal.open(self.path, key) if self.path.exists() else Journal.create(self.path, key)
        self.witness = Witness(key, {log.name: log.public for log in (A, B, C, D) if log is not key})

    def cosign(self, request, at=NOW):
        with self.journal.transaction() as t:
            return self.witness.cosign(t, request, at)

    def append(self, *subjects):
        with self.journal.transaction() as t:
            for subject in subjects:
                t.append("job.offered", f"{subject:064x}")

    def request(self, *peers):
        with self.journal.view() as v:
            return witness.request(v, peers)

    def round(self, *peers, policy=POLICY):
        """Ask *peers*, write down what they say; the checkpoint with the cosignatures, and the answers."""
        made = self.request(*(p.key.name for p in peers))
        answers = {p.key.name: p.cosign(encoding.decode(encoding.encode(made), Request)) for p in peers}
        with self.journal.transaction() as t:
            return str(witness.collect(t, made, answers, policy)), answers


@pytest.fixture
def nodes(tmp_path):
    made = [Node(tmp_path, key) for key in (A, B, C, D)]
    yield made
    for node in made:
        node.journal.close()


@pytest.fixture
def a(nodes):
    nodes[0].append(1, 2, 3)
    return nodes[0]


def statuses(answers):
    return [getattr(answer, "status", 200) for answer in answers.values()]


# --- the way it goes


def test_a_quorum_grows_with_the_ledger(nodes, a):
    peers = nodes[1:]
    for size in (3, 4, 9):
        with a.journal.view() as v:
            missing = size - v.size()
        a.append(*range(missing))
        note, answers = a.round(*peers)
        assert statuses(answers) == [200] * 3
        assert quorum.quorum_of(note, POLICY, index=size - 1).size == size
        with a.journal.view() as v:
            assert v.cosigned() == {p.key.name: (size, NOW) for p in peers} and v.note("cosigned", A.name) == note


def test_the_request_is_made_where_the_ledger_is_closed(nodes, a):
    """In the transaction of a spend: the request stands in the journal with it, and nothing more can be appended."""
    with a.journal.transaction() as t:
        index = t.append("job.spent", JOB)
        with pytest.raises(UsageError, match="when the transaction ends"):
            witness.request(t, ["hospital-b"])
        t.close_ledger()
        made = witness.request(t, ["hospital-b"])
        t.put_sealed(JOB, "request", encoding.encode(made))
        with pytest.raises(UsageError, match="closed for this transaction"):
            t.append("job.ended", JOB)
    with a.journal.view() as v:
        assert v.checkpoint() == made.checkpoint and index == v.size() - 1
    assert isinstance(nodes[1].cosign(made), Cosignature)


def test_one_proof_for_each_size_that_a_peer_has_seen(nodes, a):
    a.round(nodes[1])
    a.append(4, 5)
    a.round(nodes[2])
    a.append(6)
    assert [p.old for p in a.request("hospital-b", "hospital-c", "hospital-d").proofs] == [0, 3, 5]
    assert [p.old for p in a.request("hospital-b").proofs] == [3]
    note, answers = a.round(*nodes[1:])
    assert statuses(answers) == [200] * 3 and quorum.quorum_of(note, POLICY).size == 6


def test_the_same_checkpoint_is_cosigned_again_with_a_later_time(nodes, a):
    made = a.request("hospital-b")
    first = nodes[1].cosign(made)
    a.round(nodes[1])
    second = nodes[1].cosign(a.request("hospital-b"), at=NOW + 60)
    lines = [witness._line(answer.line) for answer in (first, second)]
    assert [times(notes.Note(notes.read(made.checkpoint).text, line), [B.public]) for line in lines] == [{B.name: NOW}, {B.name: NOW + 60}]


def test_a_witness_keeps_no_entry(nodes, a):
    a.round(*nodes[1:])
    nodes[1].journal.close()
    raw = b"".join(p.read_bytes() for p in nodes[1].path.parent.glob("hospital-b*"))
    with a.journal.view() as v:
        leaves = [entry.leaf for entry in v.entries()]
        assert notes.read(v.checkpoint()).text.encode() in raw
    assert leaves and not any(leaf in raw or merkle.leaf_hash(leaf) in raw for leaf in leaves)


def test_both_databases_witness(postgres, tmp_path):
    a = Node(tmp_path, A)
    a.append(1)
    journal = Journal.create(postgres.fresh(), B)
    judge = Witness(B, {A.name: A.public})
    with journal.transaction() as t:
        assert isinstance(judge.cosign(t, a.request(B.name), NOW), Cosignature)
    with journal.transaction() as t:
        assert judge.cosign(t, a.request(B.name), NOW).status == 409
        t.put_cosigned("x", 1, NOW)
        t.put_cosigned("x", 2, 0)
    with journal.view() as v:
        assert v.seen(A.name) == a.request().checkpoint and v.cosigned() == {"x": (2, NOW)}
    journal.close()


def test_a_witness_whose_clock_was_ahead_is_believed_again(a):
    """By what it cosigns later; an older line of its brings the time of then not back, and one without a time none."""
    with a.journal.transaction() as t:
        for size, at, kept in (
            (3, NOW + 10**9, NOW + 10**9),
            (3, NOW, NOW + 10**9),
            (4, 0, NOW + 10**9),
            (5, NOW, NOW),
            (5, NOW + 1, NOW + 1),
        ):
            t.put_cosigned(B.name, size, at)
            assert t.cosigned()[B.name] == (size, kept)


# --- what a witness refuses


def copied(node, folder, name):
    """An older copy of a node: its file as a backup holds it."""
    node.journal._database.emptied()
    shutil.copy(node.path, folder / name)
    return Node(folder, node.key, path=folder / name)


def test_a_forked_history_gets_no_cosignature(nodes, a, tmp_path):
    a.round(*nodes[1:])
    fork = Node(tmp_path, A, path=tmp_path / "fork.db")
    fork.append(1, 9, 3, 4)
    with fork.journal.transaction() as t:
        for peer in nodes[1:]:
            t.put_cosigned(peer.key.name, 3, NOW)
    made = fork.request(B.name)
    assert [p.old for p in made.proofs] == [3]
    answers = [peer.cosign(made) for peer in nodes[1:]]
    assert [r.status for r in answers] == [422] * 3 and {r.size for r in answers} == {3}
    assert all(checkpoint.opened(r.checkpoint, A.public).size == 3 for r in answers)


def test_two_histories_of_one_size_are_refused_and_kept_as_evidence(nodes, a, tmp_path):
    a.round(*nodes[1:])
    fork = Node(tmp_path, A, path=tmp_path / "fork.db")
    fork.append(1, 9, 3)
    with fork.journal.transaction() as t:
        t.put_cosigned(B.name, 3, NOW)
    answer = nodes[1].cosign(fork.request(B.name))
    assert (answer.status, answer.size) == (409, 3)
    with nodes[1].journal.view() as v:
        checkpoint.require_conflict(v.note("fork", A.name), v.seen(A.name), A.public)


def test_a_rolled_back_log_is_refused(nodes, a):
    older = a.request(B.name)
    a.append(4)
    a.round(*nodes[1:])
    answer = nodes[1].cosign(older)  # it says that nothing was seen yet
    assert (answer.status, answer.size) == (409, 4)
    answer = nodes[1].cosign(Request(older.checkpoint, (Consistency(4, ()),)))
    assert (answer.status, answer.size) == (400, 4)


def test_a_stale_size_is_told_the_right_one_and_the_next_request_fits(nodes, a, tmp_path):
    a.round(*nodes[1:])
    a.append(4)
    with a.journal.transaction() as t:  # this node has forgotten what it was told
        for name, size in ((B.name, 1), (C.name, 2), (D.name, 3)):
            t.put_cosigned(name, size, 0)
    note, answers = a.round(*nodes[1:])
    assert sorted(statuses(answers)) == [200] * 3  # three proofs, and each peer finds its own
    a.append(5)
    with a.journal.transaction() as t:
        t.put_cosigned(B.name, 1, 0)
    _, answers = a.round(nodes[1])
    assert statuses(answers) == [409] and answers[B.name].size == 4
    with a.journal.view() as v:
        assert v.cosigned()[B.name] == (4, NOW)
    note, answers = a.round(*nodes[1:])
    assert statuses(answers) == [200] * 3 and quorum.quorum_of(note, POLICY).size == 5


def test_a_peer_that_lost_its_memory_is_served_from_the_start(nodes, a, tmp_path):
    a.round(*nodes[1:])
    a.append(4)
    fresh = Node(tmp_path, B, path=tmp_path / "fresh.db")
    _, answers = a.round(fresh)
    assert (answers[B.name].status, answers[B.name].size, answers[B.name].checkpoint) == (409, 0, "")
    assert statuses(a.round(fresh)[1]) == [200]


def request_of(head, *proofs, key=A):
    return Request(str(head.signed_by(key)), proofs)


@pytest.mark.parametrize("request_, status", [
    (Request("nonsense", ()), 400), (Request(str(notes.Note("x\n").signed_by(A)), ()), 400),
    (request_of(Checkpoint("stranger", 1, bytes(32)), key=SigningKey("stranger", bytes(32))), 404),
    (request_of(Checkpoint(A.name, 1, bytes(32)), key=B), 403), (request_of(Checkpoint(A.name, 1, bytes(32)), key=SigningKey(A.name, bytes(32))), 403),
    (Request(str(Checkpoint(A.name, 1, bytes(32)).signed_by(A)).replace("— hospital-a ", "— hospital-a ", 1).replace("\n1\n", "\n2\n"), ()), 403),
    (request_of(Checkpoint(A.name, 1, bytes(32))), 409), (request_of(Checkpoint(A.name, 1, bytes(32)), Consistency(1, ())), 409),
    (request_of(Checkpoint(A.name, 1, bytes(32)), Consistency(2, ())), 400),
    (request_of(Checkpoint(A.name, 1, bytes(32)), Consistency(0, (bytes(32),))), 422), (request_of(Checkpoint(A.name, 0, bytes(32)), Consistency(0, ())), 409),
    (Request(f"{A.name}\n{2**63}\n{base64.b64encode(bytes(32)).decode()}\n\n— a AAAAAAA=\n", ()), 400),
])  # fmt: skip
def test_requests_that_are_refused(nodes, request_, status):
    assert nodes[1].cosign(request_).status == status
    with nodes[1].journal.view() as v:
        assert v.seen(A.name) is None


def test_the_empty_tree_has_one_root(nodes):
    head = Checkpoint(A.name, 0, merkle.EMPTY)
    assert isinstance(nodes[1].cosign(request_of(head, Consistency(0, ()))), Cosignature)


@pytest.mark.parametrize("make", [
    lambda: Consistency(-1, ()), lambda: Consistency(2**63, ()), lambda: Consistency(1, (b"short",)), lambda: Consistency(1, (bytes(32),) * 64),
])  # fmt: skip
def test_messages_that_are_no_requests(make):
    with pytest.raises(DecodeError):
        encoding.decode(encoding.encode(Request("", (make(),))), Request)


def test_nothing_is_cosigned_that_is_not_kept(nodes, a):
    """The answer stands in the transaction: where it is rolled back, there was none."""
    made = a.request(B.name)
    with pytest.raises(KeyboardInterrupt), nodes[1].journal.transaction() as t:
        nodes[1].witness.cosign(t, made, NOW)
        raise KeyboardInterrupt
    with nodes[1].journal.view() as v:
        assert v.seen(A.name) is None


def test_the_race_of_the_specification(nodes, a, tmp_path):
    """Two requests from one size at a time: one is cosigned, the other told the size it left. C2SP tlog-witness, "add-checkpoint"."""
    smaller = a.request(B.name)
    a.append(*range(50))
    larger = a.request(B.name)
    answers, start = [], threading.Barrier(2)

    def ask(made):
        other = Node(tmp_path, B)
        start.wait()
        answers.append(other.cosign(made))
        other.journal.close()

    threads = [threading.Thread(target=ask, args=(made,)) for made in (smaller, larger)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    with nodes[1].journal.view() as v:
        kept = checkpoint.opened(v.seen(A.name), A.public)
    assert len(refused) == 1 and (refused[0].status, refused[0].size) == (409, kept.size) and kept.size in (3, 53)


def test_what_was_seen_moves_from_where_it_was_alone(nodes):
    with nodes[1].journal.transaction() as t:
        t.put_seen("log", 0, 5, "note")
        for old in (0, 4, 6):
            with pytest.raises(IntegrityError, match="seen meanwhile"):
                t.put_seen("log", old, 7, "note")
        t.put_seen("log", 5, 7, "note")
        with pytest.raises(IntegrityError, match="seen meanwhile"):
            t.put_seen("new", 3, 7, "note")


# --- a node that is an older copy of itself


def test_a_restored_snapshot_gets_no_cosignature_and_is_told(nodes, a, tmp_path):
    """Its own ledger is clean; the peers remember (PRIVACY 7)."""
    a.round(*nodes[1:])
    old = copied(a, tmp_path, "snapshot.db")
    with a.journal.transaction() as t:
        t.append("job.spent", JOB)
    a.round(*nodes[1:])
    with old.journal.transaction() as t:
        again = t.append("job.spent", "cd" * 32)
    assert old.journal.fsck().size == 4
    made = old.request(B.name, C.name, D.name)
    answers = {p.key.name: p.cosign(made) for p in nodes[1:]}
    assert statuses(answers) == [409] * 3
    with pytest.raises(QuorumLost):
        quorum.quorum_of(made.checkpoint, POLICY, index=again)
    with pytest.raises(IntegrityError) as caught, old.journal.transaction() as t:
        witness.collect(t, made, answers, POLICY)
    assert caught.value.code == "integrity.fork" and "两种历史" in caught.value.text("zh")
    with old.journal.view() as v:
        assert v.cosigned()[B.name] == (3, NOW)


def test_a_restored_snapshot_sees_at_its_start_that_it_is_old(nodes, a, tmp_path):
    old = copied(a, tmp_path, "snapshot.db")
    a.append(4)
    a.round(*nodes[1:])
    with nodes[1].journal.view() as v:
        seen = v.seen(A.name)
    with old.journal.view() as v, pytest.raises(IntegrityError) as caught:
        witness.require_ours(v, seen, [A.public])
    assert caught.value.code == "integrity.rollback" and caught.value.facts == {"here": 3, "size": 4}
    with a.journal.view() as v:
        assert witness.require_ours(v, seen, [A.public]).size == 4


# --- a node with a new key


NEW = SigningKey(A.name, bytes([9]) * 32)


def rekeyed(node, others):
    """The journal of *node* under its new key, of which the *others* know."""
    node.journal.close()
    Journal.rekey(node.path, (A.public,), NEW)
    for other in others:
        other.witness = Witness(other.key, {**other.witness.logs, A.name: NEW.public})
    return Node(node.path.parent, NEW, path=node.path)


def test_a_new_key_goes_on_with_the_ledger_and_the_old_one_is_heard_no_more(nodes, a, tmp_path):
    a.round(*nodes[1:])
    stolen = copied(a, tmp_path, "stolen.db")
    new = rekeyed(a, nodes[1:])
    policy = Policy.of(NEW.public, [key.public for key in (B, C, D)], 3)
    new.append(7)
    note, answers = new.round(*nodes[1:], policy=policy)
    assert statuses(answers) == [200] * 3 and quorum.quorum_of(note, policy).size == 5, "three entries, the exchange, and one more"
    stolen.append(8, 9, 10)
    assert statuses({n.key.name: n.cosign(stolen.request(n.key.name)) for n in nodes[1:]}) == [403] * 3
    with pytest.raises(IntegrityError, match="another key"):
        Journal.open(new.path, A)
    assert new.journal.fsck().size == 5
    new.journal.close()
    Journal.rekey(new.path, (A.public,), NEW)
    with closing(Journal.open(new.path, NEW)) as again, again.view() as t:
        assert t.size() == 5, "the same again changes nothing"


@pytest.mark.parametrize("fresh", [False, True], ids=["an older copy", "a fresh journal"])
def test_a_new_key_makes_no_witness_forget_what_the_old_one_said(nodes, a, tmp_path, fresh):
    old = Node(tmp_path, A, path=tmp_path / "fresh.db") if fresh else copied(a, tmp_path, "old.db")
    a.append(4, 5)
    a.round(*nodes[1:])
    new = rekeyed(old, nodes[1:])
    new.append(6, 7, 8, 9)
    made = new.request(B.name, C.name, D.name)
    answers = {p.key.name: p.cosign(made) for p in nodes[1:]}
    assert statuses(answers) == [409] * 3
    with pytest.raises(IntegrityError) as caught, new.journal.transaction() as t:
        witness.collect(t, made, answers, Policy.of(NEW.public, [key.public for key in (B, C, D)], 3))
    assert caught.value.code in ("integrity.rollback", "integrity.fork")
    new.journal.close()


def test_a_journal_is_handed_on_by_its_owner_alone(a):
    with pytest.raises(IntegrityError, match="another key"):
        Journal.rekey(a.path, (B.public,), NEW)
    assert a.journal.fsck().size == 3


def test_cosignatures_of_a_withdrawn_key_count_no_more(nodes, a):
    note, _ = a.round(*nodes[1:])
    new = SigningKey(B.name, bytes([8]) * 32)
    with pytest.raises(QuorumLost):
        quorum.quorum_of(note, Policy.of(A.public, [new.public, C.public, D.public], 3))


def test_a_fresh_database_under_an_old_key_is_refused(nodes, a, tmp_path):
    a.round(*nodes[1:])
    fresh = Node(tmp_path, A, path=tmp_path / "fresh.db")
    made = fresh.request(B.name, C.name, D.name)
    answers = {p.key.name: p.cosign(made) for p in nodes[1:]}
    assert statuses(answers) == [409] * 3
    with pytest.raises(IntegrityError) as caught, fresh.journal.transaction() as t:
        witness.collect(t, made, answers, POLICY)
    assert caught.value.code == "integrity.rollback"


def test_a_witness_restored_from_a_snapshot_cosigns_no_second_history_alone(nodes, a, tmp_path):
    """It forgot; the quorum did not."""
    old = copied(nodes[1], tmp_path, "witness.db")
    a.round(*nodes[1:])
    fork = Node(tmp_path, A, path=tmp_path / "fork.db")
    fork.append(1, 9, 3)
    made = fork.request(B.name)
    answers = {p.key.name: p.cosign(made) for p in (old, *nodes[2:])}
    assert statuses(answers) == [200, 409, 409]
    note = gathered(notes.read(made.checkpoint), witness._line(answers[B.name].line), [B.public])
    assert quorum.quorum_of(str(note), Policy.of(A.public, [B.public], 1)).size == 3
    with pytest.raises(QuorumLost):
        quorum.quorum_of(str(note), POLICY)


def test_liars_hinder_nobody(nodes, a):
    theirs = str(Checkpoint(B.name, 9, bytes(32)).signed_by(B))
    mine = str(Checkpoint(A.name, 9, bytes(32)).signed_by(SigningKey(A.name, bytes(32))))
    made = a.request(B.name, C.name, D.name)
    good = nodes[3].cosign(made)
    for lie in (
        Refusal(409, 9, theirs),
        Refusal(409, 9, mine),
        Refusal(409, 9, "nonsense"),
        Refusal(422, 9, ""),
        Cosignature("nonsense"),
        Cosignature("a\n\nb"),
    ):
        with a.journal.transaction() as t:
            note = witness.collect(t, made, {B.name: lie, D.name: good, "stranger": good}, POLICY)
            assert times(note, [key.public for key in (B, C, D)]) == {D.name: NOW}
            assert t.cosigned() == {D.name: (3, NOW)}
    with a.journal.view() as v, pytest.raises(PeerError, match="never signed"):
        witness.require_ours(v, mine, [A.public])


def test_two_checkpoints_that_prove_nothing():
    one, other, forked = (
        str(Checkpoint(A.name, size, root).signed_by(A)) for size, root in ((1, bytes(32)), (2, b"\1" * 32), (1, b"\1" * 32))
    )
    for pair in ((one, one), (one, other), (other, forked)):
        with pytest.raises(UsageError, match="do not contradict"):
            checkpoint.require_conflict(*pair, A.public)
    assert [head.root for head in checkpoint.require_conflict(one, forked, A.public)] == [bytes(32), b"\1" * 32]
    with pytest.raises(IntegrityError):
        checkpoint.require_conflict(one, forked, B.public)


# --- the wire form of C2SP


def test_an_add_checkpoint_body(nodes, a):
    a.round(nodes[1])
    a.append(4, 5)
    made = a.request(B.name, C.name)
    text = witness.body(made, 3)
    lines = text.split("\n")
    assert lines[0] == "old 3" and [base64.b64decode(line) for line in lines[1 : lines.index("")]] == list(made.proofs[1].proof)
    assert witness.read_body(text) == Request(made.checkpoint, (made.proofs[1],))
    assert isinstance(nodes[1].cosign(witness.read_body(text)), Cosignature)
    assert isinstance(nodes[2].cosign(witness.read_body(witness.body(made, 0))), Cosignature)


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize("text", [
    "", "old 3", "old 3\n", "old 03\n\nx", "old\n\nx", "3\n\nx", "old -1\n\nx", f"old 3\n{HASH[:-1]}\n\nx", "old 3\nAAAA\n\nx", "old 3\n" + f"{HASH}\n" * 64 + "\nx",
])  # fmt: skip
def test_bodies_that_are_refused(text):
    with pytest.raises(DecodeError):
        witness.read_body(text)
