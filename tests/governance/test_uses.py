"""The proof that a record was used: it verifies, it cannot be moved to another, and it tells of nobody else."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from governance import consent, merkle, notes, uses
from governance.errors import DecodeError, IntegrityError, KeyongError
from governance.journal import Journal
from governance.journal.consents import slot
from governance.keys import SigningKey
from governance.uses import DEPTH, Logged, Proof, Use, plant

SECRET = bytes(range(32))
PEOPLE = [f"p{i}".encode() for i in range(11)]


def name(person: bytes) -> bytes:
    return consent.pseudonym(consent.key_of(SECRET, person), person)


NAMES = sorted(map(name, PEOPLE))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8, 11])
def test_everybody_in_a_tree_has_a_path_to_its_root(size):
    tree = plant(NAMES[:size])
    for at, one in enumerate(NAMES[:size]):
        salt, place, path = tree.opening(at)
        merkle.verify_inclusion(path, tree.root, leaf=merkle.leaf_hash(salt + one), index=place, size=1 << DEPTH)


def test_a_path_tells_nothing_of_how_many_there_are():
    """As long for one as for many; no hash stands twice; places spread over the whole width."""
    for size in (1, 11):
        tree = plant(NAMES[:size])
        _, place, path = tree.opening(0)
        assert len(path) == DEPTH == len(set(path)) and place < 1 << DEPTH
    high = Counter(plant(NAMES[:1]).opening(0)[1] >> (DEPTH - 1) for _ in range(400))
    assert abs(high[1] - 200) < 6.2 * 10  # 6.2 sigma


def test_the_same_persons_make_another_tree_each_time():
    assert plant(NAMES).root != plant(NAMES).root


def test_a_deleted_salt_leaves_the_tree_and_all_other_paths():
    tree = plant(NAMES)
    after = tree.without(3)
    assert after.root == tree.root and after.opening(3)[0] == bytes(32)
    assert [after.opening(i) for i in range(11) if i != 3] == [tree.opening(i) for i in range(11) if i != 3]
    assert tree.opening(3)[0] not in after.openings


@pytest.fixture
def journal(tmp_path):
    made = Journal.create(tmp_path / "node.db", SigningKey("north", bytes(range(32))))
    yield made
    made.close()


def job(title):
    return str(notes.write(Use("1" * 64, hashlib.sha256(title.encode()).hexdigest())).signed_by(SigningKey("op", bytes(range(32)))))


@pytest.fixture
def proof(journal):
    """Any signed document serves as the job's text here."""
    return proved(journal, job("a"))


def proved(journal, text):
    tree = plant(NAMES)
    with journal.transaction() as t:
        t.append("consent.used", notes.write(Use(notes.read(text).id, tree.root.hex())).id)
        t.append("job.released", "2" * 64)
    salt, place, path = tree.opening(NAMES.index(name(b"p4")))
    with journal.view() as t:
        first, second = (Logged(i, t.entries(i, 1)[0].leaf.decode(), tuple(h.hex() for h in t.inclusion(i))) for i in (0, 1))
        return Proof(str(SigningKey("north", bytes(range(32))).public), text, consent.key_of(SECRET, b"p4").hex(), salt.hex(), place,
                     tuple(h.hex() for h in path), first, (second,), t.checkpoint())  # fmt: skip


def test_a_proof_shows_the_use_and_the_result(proof):
    shown = uses.check(proof, b"p4")
    assert (shown.node.name, shown.released, shown.job) == ("north", 1, notes.read(proof.job).id)
    assert uses.check(replace(proof, release=()), b"p4").released is None


@pytest.mark.parametrize(
    "change",
    [
        {"job": job("b")}, {"opens": "0" * 64}, {"salt": "0" * 64}, {"place": 0}, {"path": ("0" * 64,) * DEPTH}, {"path": ()},
        {"checkpoint": ""}, {"key": "x"},
    ],
)  # fmt: skip
def test_nothing_in_a_proof_can_be_changed(proof, change):
    with pytest.raises(KeyongError):
        uses.check(replace(proof, **change), b"p4")


def test_a_job_is_a_document_with_fields(journal):
    with pytest.raises(DecodeError, match="text of a job"):
        uses.check(proved(journal, str(notes.Note("keyong/job/v1\n[]\n").signed_by(SigningKey("op", bytes(range(32)))))), b"p4")


def test_a_proof_is_about_one_person_and_the_right_events(proof):
    with pytest.raises(IntegrityError, match="another person"):
        uses.check(proof, b"p5")
    with pytest.raises(IntegrityError, match=r"no consent\.used"):
        uses.check(replace(proof, use=proof.release[0]), b"p4")
    with pytest.raises(IntegrityError, match=r"no job\.released"):
        uses.check(replace(proof, release=(proof.use,)), b"p4")


# --- in the journal


def put(journal, person, allows=True, dataset="heart"):
    record = consent.Consent(name(person).hex(), dataset, ("research",), allows, 5)
    with journal.transaction() as t:
        return record, t.put_consent(record)


def test_the_ledger_holds_a_commitment_that_the_opening_opens(journal):
    record, entry = put(journal, b"p1")
    with journal.view() as t:
        opening = t.sealed(slot(record.person), str(entry))
        assert opening[32:] == consent.payload(record)
        logged = t.entries(entry, 1)[0]
        assert (logged.event, logged.subject) == ("consent.set", consent.commitment(opening))
        assert [f.record for f in t.consents(dataset="heart")] == [f.record for f in t.consents(person=record.person)] == [record]
        assert t.consents(dataset="other") == []
    again = put(journal, b"p1")[1]
    with journal.view() as t:
        assert t.entries(again, 1)[0].subject != logged.subject  # the same words, hidden anew


def test_forgetting_destroys_what_opens_and_leaves_the_ledger_whole(journal, tmp_path):
    gone, entry = put(journal, b"p1")
    stays, _ = put(journal, b"p2")
    frozen = consent.Frozen(frozenset(NAMES), consent.Rule("opt_out", frozenset()))
    with journal.transaction() as t:
        tree = t.put_consent_set("heart", "5a" * 16, "set", frozen)
    at, other = NAMES.index(name(b"p1")), NAMES.index(name(b"p2"))
    with journal.view() as t:
        opening, clock = t.sealed(slot(gone.person), str(entry)), t.consent_clock()
    with journal.transaction() as t:
        t.forget(gone.person)
    with journal.transaction() as t:
        t.forget(gone.person)  # again, without an effect
    with journal.view() as t:
        assert t.consents(person=gone.person) == [] and t.sealed(slot(gone.person), str(entry)) is None
        assert [f.record for f in t.consents(dataset="heart")] == [stays]
        assert (t.forgotten(), t.consent_clock()) == ({name(b"p1")}, clock + 1)
        [kept] = t.consent_sets("heart")
        assert kept.tree.root == tree.root and kept.tree.opening(at)[0] == bytes(32)
        assert kept.tree.opening(other) == tree.opening(other)
        merkle.verify_inclusion(
            t.inclusion(entry), _root(t), leaf=merkle.leaf_hash(t.entries(entry, 1)[0].leaf), index=entry, size=t.size()
        )
    assert journal.fsck().size == 3
    raw = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert opening[:32] not in raw and consent.payload(gone) not in raw and tree.opening(at)[0] not in raw
    assert consent.payload(stays) in raw


def _root(t):
    from governance.checkpoint import opened

    return opened(t.checkpoint(), SigningKey("north", bytes(range(32))).public).root


def test_secrets_do_not_print():
    tree = plant(NAMES)
    assert NAMES[0].hex() not in repr(tree) and repr(NAMES[0]) not in repr(tree)
