"""BFV bytes from outside: one lie at a time, and none of them reaches SEAL's own reading."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import DecodeError, UsageError
from mpc import he
from mpc.he.bfv import BfvPrivateKey, BfvPublicKey, arrays
from mpc.he.bfv.public import BODY, KEY
from mpc.he.vector import HEADER
from mpc.he.words import pack, unpack
from tests.mpc.bfv_keys import HEAD, bfv_key

KEY_HERE = bfv_key()
PRIME = KEY_HERE.public.parameters.primes[0]
PUBLIC, SEEDED = (encrypt([1, 2, 3]).to_bytes() for encrypt in (KEY_HERE.public.encrypt, KEY_HERE.encrypt))
SUM = KEY_HERE.public.encrypt([1, 2, 3]).sum().to_bytes()
WHOLE = bfv_key("matrices").public.encrypt([1, 2, 3]).to_bytes()
SLOTS = bfv_key("entries").public.encrypt([1, 2, 3]).to_bytes()


def changed(raw, at, new):
    return raw[:at] + new + raw[at + len(new) :]


ARRANGEMENT, LIMIT, TERMS, LENGTH, FORM = 5, 38, 54, 70, HEADER.size
NOISE = FORM + 1
assert struct.unpack_from("<Q", PUBLIC, LIMIT)[0] == 100
assert struct.unpack_from("<Q", PUBLIC, TERMS)[0] == 16
assert struct.unpack_from("<I", PUBLIC, LENGTH)[0] == 3


@pytest.mark.parametrize("raw, says", [
    (changed(PUBLIC, LIMIT, struct.pack("<Q", 99)), "limit 99, the key declares 100"), (changed(PUBLIC, TERMS, struct.pack("<Q", 17)), "terms 17, the key declares 16"),
    (changed(PUBLIC, ARRANGEMENT, b"\x80"), "no such arrangement under a key for sums: 0x80"), (changed(PUBLIC, ARRANGEMENT, b"\x40"), "no such arrangement"),
    (changed(PUBLIC, ARRANGEMENT, b"\x0c"), "no such arrangement"), (changed(PUBLIC, ARRANGEMENT, b"\x3f"), "no such arrangement"),
    (changed(PUBLIC, ARRANGEMENT, b"\xc0"), "no such arrangement"), (changed(SEEDED, ARRANGEMENT, b"\x01"), "no such form"),
    (PUBLIC[:HEAD - 1], "length is not that of its layout: 32 bytes of at least 33"), (PUBLIC[:-1], "length is not that of its layout: 8240 bytes, not 8241"), (PUBLIC + b"\0", "length is not that"), (SEEDED + bytes(64), "length is not that"),
    (changed(PUBLIC, LENGTH, struct.pack("<I", 5)), "length is not that"), (changed(PUBLIC, LENGTH, struct.pack("<I", 2**31 - 1)), "length is not that"),
    (changed(PUBLIC, FORM, b"\x02"), "no such form"), (changed(PUBLIC, FORM, b"\x01"), "length is not that"),
    (changed(PUBLIC, NOISE, bytes(32)), "too much noise"), (changed(PUBLIC, NOISE, b"\xff" * 32), "too much noise"),
    (changed(PUBLIC, HEAD, b"\xff" * 8), "not below its modulus"), (changed(PUBLIC, len(PUBLIC) - 7, b"\xff" * 7), "not below its modulus"),
    (changed(PUBLIC, HEAD + 13, b"\x10"), "not below its modulus"),  # the half pair after the third number
    (PUBLIC[:HEAD + 16] + bytes(len(PUBLIC) - HEAD - 16), "hides nothing"),
    (b"", "at least"), (changed(PUBLIC, 4, b"\x01"), "not an encrypted vector of this scheme"),
])  # fmt: skip
def test_vectors_with_one_lie(raw, says):
    with pytest.raises(DecodeError, match=says):
        he.load(raw, KEY_HERE.public)


@pytest.mark.parametrize("use, raw, arrangement", [
    ("matrices", WHOLE, b"\x81"), ("matrices", WHOLE, b"\x40"), ("matrices", WHOLE, b"\xc0"), ("entries", SLOTS, b"\x40"), ("entries", SLOTS, b"\x80"), ("entries", SLOTS, b"\x00"),
])  # fmt: skip
def test_arrangements_of_other_keys(use, raw, arrangement):
    key = bfv_key(use)
    assert key.decrypt(he.load(raw, key.public)).tolist() == [1, 2, 3]
    with pytest.raises(DecodeError, match="no such arrangement"):
        he.load(changed(raw, ARRANGEMENT, arrangement), key.public)


@given(st.data())
def test_any_bytes_are_a_vector_or_a_decode_error(data):
    raw = bytearray(data.draw(st.sampled_from([PUBLIC, SEEDED, SUM])))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, min(len(raw), 400) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(raw[: data.draw(st.sampled_from([len(raw), len(raw), 100, 130]))])
    try:
        box = he.load(raw, KEY_HERE.public)
    except DecodeError:
        return
    assert box.to_bytes() == raw
    try:
        KEY_HERE.decrypt(box + box if 2 * box.weight <= 16 else box)
    except (DecodeError, UsageError) as error:
        assert "outside its declared range" in str(error) or "leave no margin" in str(error)


def test_what_is_read_is_what_was_written():
    for raw in (PUBLIC, SEEDED, SUM):
        assert he.load(raw, KEY_HERE.public).to_bytes() == raw
    assert KEY_HERE.decrypt(he.load(SUM, KEY_HERE.public)).tolist() == [6]


@given(st.lists(st.integers(0, PRIME - 1), min_size=1, max_size=9), st.sampled_from([1, 2]))
def test_coefficients_survive_the_wire(numbers, rows):
    primes = (PRIME, PRIME)[:rows]
    words = np.array([numbers] * rows, dtype=np.uint64)
    assert (unpack(memoryview(pack(words, [p.bit_length() for p in primes])), words.shape, primes) == words).all()


KEY_RAW = KEY_HERE.public.to_bytes()
PRIVATE_RAW = KEY_HERE.export_private()


@pytest.mark.parametrize("raw, says", [
    (b"", "of this kind"), (KEY_RAW[: KEY.size - 1], "of this kind"), (PRIVATE_RAW, "of this kind"), (changed(KEY_RAW, 4, b"\x03"), "of this kind"),
    (KEY_RAW[:-1], f"length is not that of its parameters: {len(KEY_RAW) - 1} bytes, not {len(KEY_RAW)}"), (KEY_RAW + b"\0", "length is not that"), (changed(KEY_RAW, 5, bytes(8)), "bound must be"), (changed(KEY_RAW, 5, b"\xff" * 8), "bound must be"),
    (changed(KEY_RAW, 13, struct.pack("<d", float("nan"))), "step must be"), (changed(KEY_RAW, 21, b"\xff" * 7), "there is room for 60"),
    (changed(KEY_RAW, KEY.size, b"\xff" * 8), "not below its modulus"), (KEY_RAW[: KEY.size] + bytes(len(KEY_RAW) - KEY.size), "hide nothing"),
])  # fmt: skip
def test_public_keys_with_one_lie(raw, says):
    with pytest.raises(DecodeError, match=says):
        BfvPublicKey.from_bytes(raw)


@pytest.mark.parametrize("use", ["sums", "matrices", "entries"])
def test_keys_survive_the_wire(use):
    key = bfv_key(use)
    public, private = BfvPublicKey.from_bytes(key.public.to_bytes()), BfvPrivateKey.import_private(key.export_private())
    assert public.id == key.public.id == private.public.id
    assert private.decrypt(public.encrypt([7, 8])).tolist() == [7, 8]


def test_private_keys_with_one_lie():
    other = he.bfv.generate(bound=100, step=1, terms=16).export_private()
    half = len(PRIVATE_RAW) - (len(PRIVATE_RAW) - KEY.size) // 3
    for raw in (PRIVATE_RAW[:half] + other[half:], PRIVATE_RAW[:half] + bytes(len(other) - half)):
        with pytest.raises(DecodeError, match="halves do not fit"):
            BfvPrivateKey.import_private(raw)
    with pytest.raises(DecodeError, match="of this kind"):
        BfvPrivateKey.import_private(KEY_RAW)


def test_a_ciphertext_that_was_made_to_vanish_is_refused():
    box = KEY_HERE.public.encrypt([1])
    nothing, one = np.zeros_like(box.polynomials()), np.zeros((1, 1, 2048), np.uint64)
    one[..., 0] = 1
    with pytest.raises(DecodeError, match="SEAL refuses"):
        arrays.multiply(KEY_HERE.public.parameters, nothing, one)


def test_body_is_what_the_format_says():
    assert BODY.size == 33
    assert HEADER.size + 33 == HEAD
    assert len(PUBLIC) == HEAD + 16 + 2048 * 4
    assert len(SEEDED) == HEAD + 16 + 64
