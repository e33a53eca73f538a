"""Time stamps over checkpoints, by OpenSSL as the authority, and what does not hold."""

import time

import pytest
from stamps import Authority

from governance import anchors
from governance.checkpoint import Checkpoint
from governance.errors import DecodeError, IntegrityError
from governance.keys import SigningKey

LOG = SigningKey("hospital-a", bytes(range(32)))
NOTE = str(Checkpoint(LOG.name, 7, bytes(range(32))).signed_by(LOG))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa") / "tsa")


def test_the_time_of_an_authority(authority):
    before = int(time.time())
    assert before <= anchors.require(NOTE, authority.reply(anchors.query(NOTE)), authority.roots) <= time.time() + 1


def test_the_question_is_a_digest_and_always_the_same(authority):
    assert anchors.query(NOTE) == anchors.query(NOTE) and b"hospital" not in anchors.query(NOTE)


def test_replies_that_do_not_hold(authority, tmp_path):
    good = authority.reply(anchors.query(NOTE))
    with pytest.raises(IntegrityError, match="does not hold"):
        anchors.require(NOTE.replace("\n7\n", "\n8\n"), good, authority.roots)
    stranger = Authority(tmp_path / "tsa")
    with pytest.raises(IntegrityError, match="does not hold"):
        anchors.require(NOTE, good, stranger.roots)
    for at in range(len(good) - 200, len(good), 13):  # in the signature
        changed = bytearray(good)
        changed[at] ^= 1
        with pytest.raises((IntegrityError, DecodeError)):
            anchors.require(NOTE, bytes(changed), authority.roots)


@pytest.mark.parametrize("reply", [b"", b"no reply", b"0" * 70_000], ids=["empty", "text", "long"])
def test_what_is_no_reply(authority, reply):
    with pytest.raises(DecodeError, match="time-stamp authority"):
        anchors.require(NOTE, reply, authority.roots)


def test_a_file_without_certificates():
    with pytest.raises(DecodeError, match="no certificate"):
        anchors.roots(b"no certificate")
