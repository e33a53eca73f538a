"""Proofs that travel as one text: what they say, and that nothing in them can be altered."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import checkpoint, cosignatures, encoding, merkle, notes, proofs, witness
from governance.checkpoint import Checkpoint
from governance.errors import DecodeError, IntegrityError, QuorumLost
from governance.journal import Journal
from governance.keys import SigningKey
from governance.proofs import Proof
from governance.quorum import Policy
from governance.witness import Witness

LOG, WITNESSES = SigningKey("hospital-a", bytes(range(32))), [SigningKey(f"hospital-{x}", bytes([n]) * 32) for n, x in enumerate("bcd", 1)]
ALONE, POLICY = Policy((LOG.public,)), Policy.of(LOG.public, [key.public for key in WITNESSES], 3)
NOW = 1_700_000_000


@pytest.fixture
def journal(tmp_path):
    journal = Journal.create(tmp_path / "a.db", LOG, clock=lambda: NOW)
    grow(journal, 0, 5)
    yield journal
    journal.close()


def grow(journal, start, stop):
    with journal.transaction() as t:
        for number in range(start, stop):
            t.append("job.offered", f"{number:064x}")


def cosign(journal, tmp_path):
    with journal.view() as v:
        made = witness.request(v, [key.name for key in WITNESSES])
    answers = {}
    for key in WITNESSES:
        path = tmp_path / f"{key.name}.db"
        peer = Journal.open(path, key) if path.exists() else Journal.create(path, key)
        with peer.transaction() as t:
            answers[key.name] = Witness(key, {LOG.name: LOG.public}).cosign(t, encoding.decode(encoding.encode(made), witness.Request), NOW)
        peer.close()
    with journal.transaction() as t:
        witness.collect(t, made, answers, POLICY)


def proved(journal, index):
    with journal.view() as v:
        return proofs.read(str(proofs.prove(v, index)))


def test_the_layout_of_the_specification(journal):
    proof = proved(journal, 3)
    with journal.view() as v:
        leaf, path, note = v.entries(3, 1)[0].leaf, v.inclusion(3), v.checkpoint()
    encoded = [base64.b64encode(part).decode() for part in (leaf, *path)]
    assert str(proof) == "\n".join(["c2sp.org/tlog-proof@v1", f"extra {encoded[0]}", "index 3", *encoded[1:], "", note])
    assert str(Proof(b"", 3, tuple(path), note)).startswith("c2sp.org/tlog-proof@v1\nindex 3\n")


def test_a_proof_verifies_offline(journal):
    for index in range(5):
        entry, head = proofs.verify_entry(proved(journal, index), ALONE)
        assert (entry.subject, entry.at, head.size, head.origin) == (f"{index:064x}", NOW, 5, LOG.name)


def test_a_proof_goes_under_the_last_quorum_that_covers_it(journal, tmp_path):
    with pytest.raises(QuorumLost):
        proofs.verify(proved(journal, 1), POLICY)
    cosign(journal, tmp_path)
    grow(journal, 5, 9)
    assert proofs.verify(proved(journal, 4), POLICY).size == 5
    assert proofs.verify(proved(journal, 5), ALONE).size == 9
    with pytest.raises(QuorumLost):
        proofs.verify(proved(journal, 5), POLICY)
    cosign(journal, tmp_path)
    assert proofs.verify(proved(journal, 5), POLICY).size == 9


def test_every_byte_counts(journal, tmp_path):
    """With cosignatures: whatever bit is turned, the proof is refused, or says the same with a line less."""
    cosign(journal, tmp_path)
    good = str(proved(journal, 2)).encode()
    for at in range(len(good)):
        for bit in (0, 3):
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            with pytest.raises((DecodeError, IntegrityError, QuorumLost)):
                proofs.verify_entry(proofs.read(bytes(bad)), POLICY)


def test_other_data_at_the_same_place(journal):
    proof = proved(journal, 2)
    assert proofs.verify(proof, ALONE, proof.data).size == 5
    bare = Proof(b"", proof.index, proof.path, proof.checkpoint)
    assert proofs.verify(bare, ALONE, proof.data).size == 5
    for wrong, data in ((proof, b"other"), (bare, b"other"), (bare, b""), (Proof(b"other", 2, proof.path, proof.checkpoint), b"")):
        with pytest.raises(IntegrityError):
            proofs.verify(wrong, ALONE, data)


def test_a_proof_of_what_is_no_entry(journal):
    data = b"anything"
    note = str(Checkpoint(LOG.name, 1, merkle.leaf_hash(data)).signed_by(LOG))
    proof = Proof(data, 0, (), note)
    assert proofs.verify(proofs.read(str(proof)), ALONE).size == 1
    with pytest.raises(DecodeError):
        proofs.verify_entry(proof, ALONE)


HASH = base64.b64encode(bytes(32)).decode()
NOTE = str(Checkpoint(LOG.name, 5, bytes(32)).signed_by(LOG))


@pytest.mark.parametrize("text", [
    "", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v1\n\n", f"c2sp.org/tlog-proof@v2\nindex 1\n\n{NOTE}", f"c2sp.org/tlog-proof@v1\nindex 01\n\n{NOTE}",
    f"c2sp.org/tlog-proof@v1\nindex -1\n\n{NOTE}", f"c2sp.org/tlog-proof@v1\nindex\n\n{NOTE}", f"c2sp.org/tlog-proof@v1\nextra AA\nindex 1\n\n{NOTE}",
    f"c2sp.org/tlog-proof@v1\nindex 1\nextra AAAA\n\n{NOTE}", f"c2sp.org/tlog-proof@v1\nindex 1\n{HASH[:-1]}\n\n{NOTE}", "c2sp.org/tlog-proof@v1\nindex 1\n" + f"{HASH}\n" * 64 + f"\n{NOTE}",
    f"c2sp.org/tlog-proof@v1\nindex 1\n{NOTE}", b"\xff", "x" * 300_000,
])  # fmt: skip
def test_texts_that_are_no_proofs(text):
    with pytest.raises((DecodeError, IntegrityError)):
        proofs.verify(proofs.read(text), ALONE)


@given(st.binary(max_size=300))
def test_noise_is_no_proof(raw):
    with pytest.raises(DecodeError):
        proofs.read(b"c2sp.org/tlog-proof@v1\n" + raw)


def test_the_size_of_a_proof_with_five_cosignatures():
    """It fits on a page, and into a code that a camera reads."""
    path = (bytes(32),) * 20
    note = Checkpoint(LOG.name, 2**20, bytes(32)).signed_by(LOG)
    lines = tuple(cosignatures.cosign(note.text, SigningKey(f"hospital-{n}", bytes([n]) * 32), NOW) for n in range(5))
    proof = str(Proof(b"", 7, path, str(notes.Note(note.text, note.signatures + lines))))
    assert len(proof) < 1700 and checkpoint.read(notes.read(proofs.read(proof).checkpoint)).size == 2**20
