from __future__ import annotations

import hashlib

import pytest

from governance.encoding import encode, wire
from governance.envelope import PREFIX, Envelope, open_signed, sign
from governance.errors import DecodeError, IntegrityError, PeerError
from governance.keys import SigningKey, VerifyKey

KEY = SigningKey("north", bytes(range(32)))
OTHER = SigningKey("south", bytes(range(1, 33)))
PINNED = (
    "82726b65796f6e672f656e76656c6f70652f7631a464626f647958258270746573742f6772656574696e672f7631a264746578746568656c6c6f6563"
    "6f756e740365686f6c647370746573742f6772656574696e672f76316673656e646572656e6f727468697369676e61747572655840cd499089c0897d"
    "33fab8f26be1ed88341806814064ec3097b5b1c8908d35091d1a77d2d74fb6e3e92d3a83a36c6425a3f23efc7f9659e556860fcd45cc71d800"
)
KEYS = {"north": KEY.public, "south": OTHER.public}


@wire("test/greeting/v1")
class Greeting:
    text: str
    count: int


@wire("test/farewell/v1")
class Farewell:
    text: str
    count: int


def test_what_was_signed_comes_back():
    assert open_signed(sign(KEY, Greeting("hello", 3)), KEYS, Farewell, Greeting) == ("north", Greeting("hello", 3))


def test_signed_bytes_are_pinned():
    """Ed25519 draws no coins: same key and message, same bytes."""
    raw = sign(KEY, Greeting("hello", 3))
    assert raw == sign(KEY, Greeting("hello", 3))
    assert PREFIX == b"keyong message v1\n"
    assert raw.hex() == PINNED


def test_every_flipped_bit_is_caught():
    raw = sign(KEY, Greeting("hello", 3))
    for i in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[i // 8] ^= 1 << i % 8
        with pytest.raises((DecodeError, IntegrityError, PeerError)):
            open_signed(bytes(flipped), KEYS, Greeting, Farewell)


def test_every_cut_is_caught():
    raw = sign(KEY, Greeting("hello", 3))
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            open_signed(raw[:end], KEYS, Greeting)
    with pytest.raises(DecodeError):
        open_signed(raw + b"\x00", KEYS, Greeting)


def test_a_stranger_is_named():
    with pytest.raises(PeerError, match="not a party") as error:
        open_signed(sign(KEY, Greeting("hello", 3)), {"south": OTHER.public}, Greeting)
    assert error.value.facts == {"party": "north"}


def test_nobody_signs_for_another():
    forged = sign(SigningKey("south", KEY.private), Greeting("hello", 3))
    with pytest.raises(IntegrityError, match="south"):
        open_signed(forged, KEYS, Greeting)


def test_a_message_of_another_class_is_refused():
    with pytest.raises(DecodeError, match="farewell"):
        open_signed(sign(KEY, Greeting("hello", 3)), KEYS, Farewell)


def test_the_kind_outside_is_the_kind_inside():
    """A signer who names one kind and sends another, both of which would be accepted."""
    body = encode(Greeting("hello", 3))
    signed = PREFIX + hashlib.sha256(b"test/farewell/v1\x00" + body).digest()
    raw = encode(Envelope("north", "test/farewell/v1", body, KEY.sign(signed)))
    with pytest.raises(DecodeError, match="another kind"):
        open_signed(raw, KEYS, Greeting, Farewell)


def test_signature_is_over_kind_and_body():
    raw = sign(KEY, Greeting("hello", 3))
    with pytest.raises(IntegrityError):
        open_signed(raw, {"north": VerifyKey("north", OTHER.public.public)}, Greeting)
