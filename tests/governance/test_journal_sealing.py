"""What seals values in a journal: the standards' vectors, every bit of a box, and a cipher that is chosen once."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from governance.errors import IntegrityError, Unavailable
from governance.journal import Journal, schema, sealing
from governance.keys import SigningKey

LOG = SigningKey("hospital-a/node", bytes(range(32)))
JOB = "ab" * 32
CIPHERS = ["aes-256-gcm", "sm4-gcm"]


def test_the_vector_of_rfc_8998():
    """RFC 8998, A.1."""
    key, nonce = bytes.fromhex("0123456789abcdeffedcba9876543210"), bytes.fromhex("00001234567800000000abcd")
    context = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plain = bytes.fromhex("".join(2 * c * 8 for c in "abcdefea"))
    box = bytes.fromhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    assert sealing._encrypted(key, nonce, plain, context) == box
    assert sealing._decrypted(key, nonce, box, context) == plain


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_box_opens_where_it_was_put_and_no_bit_of_it_can_be_changed(cipher):
    key = sealing.fresh_key(cipher)
    box = sealing.seal(key, b"the total", job=JOB, slot="state")
    assert sealing.unseal(key, box, job=JOB, slot="state") == b"the total"
    damaged = [box[:i] + bytes([box[i] ^ 1]) + box[i + 1 :] for i in range(len(box))] + [box[:-1], box[:20], b""]
    for each in damaged:
        with pytest.raises(IntegrityError):
            sealing.unseal(key, each, job=JOB, slot="state")
    for job, slot in (("cd" * 32, "state"), (JOB, "other")):
        with pytest.raises(IntegrityError):
            sealing.unseal(key, box, job=job, slot=slot)
    with pytest.raises(IntegrityError):
        sealing.unseal(sealing.fresh_key(cipher), box, job=JOB, slot="state")


@pytest.mark.parametrize(("cipher", "size"), [("aes-256-gcm", 32), ("sm4-gcm", 16)], ids=CIPHERS)
def test_a_journal_seals_as_it_was_made_and_wipes_the_key(tmp_path, cipher, size):
    path = tmp_path / "node.db"
    Journal.create(path, LOG, cipher=cipher).close()
    journal = Journal.open(path, LOG)
    assert journal.cipher == cipher
    with journal.transaction() as t:
        t.put_sealed(JOB, "state", b"a secret of the machine" * 50)
    with journal._database.engine.connect() as connection:
        key = connection.execute(sa.select(schema.job_key.c.key)).scalar_one()
    there = lambda: b"".join(file.read_bytes() for file in sorted(tmp_path.iterdir()))  # noqa: E731
    assert len(key) == size and key in there() and b"a secret of the machine" not in there()
    with journal.view() as v:
        assert v.sealed(JOB, "state") == b"a secret of the machine" * 50
    with journal.transaction() as t:
        t.wipe(JOB)
    assert key not in there()
    journal.close()


def test_a_journal_that_does_not_say_what_seals_it_is_refused(tmp_path):
    path = tmp_path / "node.db"
    journal = Journal.create(path, LOG)
    with journal._database.engine.begin() as connection:
        connection.execute(sa.update(schema.meta).where(schema.meta.c.name == "cipher").values(value="rot13"))
    journal.close()
    with pytest.raises(IntegrityError, match="what seals"):
        Journal.open(path, LOG)


def test_where_the_library_lacks_sm4_no_journal_is_made(tmp_path, monkeypatch):
    def lacking(*_):
        raise sealing.UnsupportedAlgorithm("SM4")

    monkeypatch.setattr(sealing, "Cipher", lacking)
    with pytest.raises(Unavailable, match="lacks SM4-GCM"):
        Journal.create(tmp_path / "node.db", LOG, cipher="sm4-gcm")
    assert not (tmp_path / "node.db").exists()
