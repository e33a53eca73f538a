"""Proofs as text for a QR code: RFC 9285's examples, round trips, and everything that is none."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registered import AUTHORITY, BANK, BUYER, HOLDER, TRUST, issued, moved, signed

from governance import certificates, notes, printed
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import SigningKey


@pytest.mark.parametrize(
    "raw, text", [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0"), (b"", "")]
)
def test_examples_of_rfc_9285(raw, text):
    assert (printed.encode45(raw), printed.decode45(text)) == (text, raw)


@given(st.binary(max_size=60))
def test_round_trip(raw):
    assert printed.decode45(printed.encode45(raw)) == raw


@pytest.mark.parametrize("text", ["GGW", "::", ":::", "A", "ABCD", "ab8", "BB8é0"])
def test_what_is_no_base45(text):
    with pytest.raises(DecodeError):
        printed.decode45(text)


def test_a_certificate_fits_on_a_code_and_is_verified_from_it_alone():
    chain = moved(moved(issued(), "transfer", HOLDER, BUYER, holder=str(BUYER.public)), "pledge", BUYER, BANK, creditor=str(BANK.public))
    whole = certificates.opened(chain, TRUST)
    text = printed.pack(whole.links[-1])
    assert len(text) <= printed.MOST and set(text) <= set(printed.ALPHABET)
    document = certificates.standing(printed.unpack(text), TRUST)
    assert certificates.shown(text, TRUST) == (whole.head, document) == (whole.head, whole.now)
    with pytest.raises(IntegrityError):
        certificates.standing(notes.write(document).signed_by(AUTHORITY[0]), TRUST)


def test_a_proof_that_is_too_long():
    with pytest.raises(UsageError, match="a code holds 1400"):
        printed.pack(signed(certificates.opened(issued(), TRUST).now, *(SigningKey(f"city-{i}", bytes([i] * 32)) for i in range(3, 11))))


@pytest.mark.parametrize("text", [
    "x", printed.PREFIX + printed.encode45(b"no zlib"), printed.PREFIX + printed.encode45(zlib.compress(b"a note") + b"more"),
    printed.PREFIX + printed.encode45(zlib.compress(b"a" * 100)[:-3]), printed.PREFIX + printed.encode45(zlib.compress(b"a" * 10**5)),
    printed.PREFIX + printed.encode45(zlib.compress(b"no note")), printed.PREFIX + "0" * 1500,
])  # fmt: skip
def test_proofs_that_are_none(text):
    with pytest.raises(DecodeError):
        printed.unpack(text)
