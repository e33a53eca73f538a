"""CKKS: near enough within the printed error, and never a release."""

from __future__ import annotations

import json
import pickle
import struct
from decimal import Decimal

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.encoding import canonical, encode
from governance.errors import DecodeError, UsageError
from mpc import he
from mpc.encoding import FixedPoint
from mpc.he.ckks import HEADER, KEY, Approximate, ApproximateVector, CkksPrivateKey, CkksPublicKey, Declared
from mpc.he.vector import EncryptedVector
from sandbox.messages import Release

RNG = np.random.default_rng(5)
KEY_HERE = he.ckks.generate(bound=1e4, error=1e-2, terms=16)
FACTORS = he.ckks.generate(bound=100, error=1e-1, terms=16, factor=10)


def opened(key, box):
    y = key.decrypt(box)
    assert y.error == box.error
    return y.for_computation(), y.error


# --- near enough


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([1, 2047, 2049]))
def test_sums_and_differences_are_within_the_printed_error(seed, length):
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(-1e4, 1e4, (3, length))
    box = sum([KEY_HERE.public.encrypt(a), KEY_HERE.public.encrypt(b)]) - c
    box = KEY_HERE.public.load((c - -box).to_bytes())
    got, error = opened(KEY_HERE, box)
    assert len(box) == length
    assert np.abs(got - (a + b)).max() <= error < 1e-3


def test_totals_at_their_limits_do_not_run_over():
    x = np.array([1e4, -1e4] * 1024)
    got, error = opened(KEY_HERE, sum([KEY_HERE.public.encrypt(x)] * 16))
    assert np.abs(got - 16 * x).max() <= error
    with pytest.raises(UsageError, match="17 terms would be added, 16 were declared"):
        sum([KEY_HERE.public.encrypt(x)] * 17)


def test_one_product_entry_by_entry():
    x, f = RNG.uniform(-100, 100, 5000), RNG.uniform(-10, 10, 5000)
    box = FACTORS.public.encrypt(x) + FACTORS.public.encrypt(x)
    for product, expected in [(box * f, 2 * x * f), (-3 * box, -6 * x), (box * 0, 0 * x), (box * f + np.ones(5000), 2 * x * f + 1)]:
        got, error = opened(FACTORS, FACTORS.public.load(product.to_bytes()))
        assert np.abs(got - expected).max() <= error
    for refused in (lambda: KEY_HERE.public.encrypt([1.0]) * 2, lambda: box * f * 2):
        with pytest.raises(UsageError, match="generate the key with a factor"):
            refused()
    with pytest.raises(UsageError, match="out of the declared bound, 10"):
        box * 11
    with pytest.raises(UsageError, match="or in whether they were multiplied"):
        box * f + box


def test_what_an_operator_made_leaves_blinded_and_hides_something():
    box = KEY_HERE.public.encrypt(np.arange(3.0))
    assert box.to_bytes() == KEY_HERE.public.load(box.to_bytes()).to_bytes()
    for made in (-box, box + box, box - box, box + np.ones(3)):
        assert made.words[:, 1].any()
        assert made.to_bytes() != made.to_bytes()
    with pytest.raises(UsageError, match="error would be larger than declared"):
        for _ in range(10**5):
            box = replaced(-box).blind()


def replaced(box):
    """As after many trips."""
    return ApproximateVector(box.key, box.length, box.weight, 1.9 * box.error, False, box.words)


# --- never a release


APPROXIMATE = KEY_HERE.decrypt(KEY_HERE.public.encrypt([1.0, 2.0, 3.0]))


REFUSALS = (UsageError, TypeError, ValueError, struct.error, cbor2.CBOREncodeError)


@pytest.mark.filterwarnings("ignore:Pydantic")
@pytest.mark.parametrize("taken", [
    lambda y: canonical({"value": y}), lambda y: canonical([y[0]]), cbor2.dumps, lambda y: encode(Release("0" * 64, "0" * 64, ("a",), ("a",), y)),
    FixedPoint(4.0, 3, 64).encode, he.Layout.declare(3, bound=4, step=1, terms=1).encode, KEY_HERE.public.encrypt, lambda y: he.Factor.declare(y, bound=4, step=1),
    np.asarray, np.sum, np.array, list, tuple, lambda y: [*y], lambda y: np.zeros(3).__setitem__(0, y[0]), lambda y: struct.pack("<d", y[0]), lambda y: f"{y[0]:.3f}",
    lambda y: float(y[0]), lambda y: int(y[0]), lambda y: round(y[0]), bool, complex, lambda y: Decimal(y[0]), lambda y: range(y[0]), lambda y: json.dumps({"value": y}),
    pickle.dumps, hash, lambda y: y == 1, lambda y: y != 1, lambda y: y[0] < 1, lambda y: y > 1, lambda y: y <= 1, lambda y: y >= 1, lambda y: y * y,
])  # fmt: skip
def test_nothing_that_a_release_passes_takes_an_approximate(taken):
    with pytest.raises(REFUSALS):
        taken(APPROXIMATE)


def test_a_computation_may_go_on():
    y = APPROXIMATE
    more = 2 * (y + y - [1, 1, 1]) + np.ones(3) - y * [1, 0, 0] - (1 - y)
    assert isinstance(more, Approximate)
    assert more.error == pytest.approx(6 * y.error)
    assert np.abs(more.for_computation() - [2, 8, 13]).max() < 1e-3
    assert (y - y).for_computation().tolist() == [0, 0, 0]
    assert len(y) == 3
    assert repr(y).startswith("<approximate, not releasable: [")
    y.for_computation()[0] = 9  # a copy
    assert y[0].for_computation() < 2


def test_an_approximate_vector_is_no_encrypted_vector():
    box = KEY_HERE.public.encrypt([1.0])
    assert not isinstance(box, EncryptedVector)
    with pytest.raises(DecodeError, match="not an encrypted vector"):
        he.load(box.to_bytes(), he.bfv.generate(bound=1, step=1, terms=2).public)
    with pytest.raises(UsageError, match="another key"):
        he.bfv.generate(bound=1, step=1, terms=2).decrypt(box)
    with pytest.raises(UsageError, match="not pickled"):
        pickle.dumps(box)
    assert "approximate, not releasable: 1 numbers" in repr(box)


# --- what is refused


@pytest.mark.parametrize("declared, says", [
    ({"bound": 0}, "finite"), ({"bound": np.inf}, "finite"), ({"error": 0}, "finite"), ({"error": np.nan}, "finite"), ({"factor": -1}, "finite"),
    ({"terms": 0}, "terms must be"), ({"terms": 2**31}, "terms must be"), ({"terms": 1.5}, "terms must be"), ({"terms": True}, "terms must be"),
    ({"error": 1e-9}, "cannot keep this error"), ({"bound": 1e30}, "cannot keep this error"), ({"bound": 1e18, "error": 1e18}, "cannot keep this error"),
    ({"factor": 1e9}, "cannot keep this error"),
])  # fmt: skip
def test_parameters_that_could_overflow_are_refused(declared, says):
    with pytest.raises(UsageError, match=says):
        he.ckks.generate(**{"bound": 1e4, "error": 1e-2, "terms": 16, **declared})


@pytest.mark.parametrize("values, says", [
    ([], "numbers, got 0"), (1.0, "vector of real numbers, got a single number"), ([[1.0]], r"vector of real numbers, got an array of shape \(1, 1\)"), (["a"], "real numbers are needed"),
    ([0, np.nan], r"entry \[1\] is out of the declared bound.* or no number"), ([1e5], "out of the declared bound"),
])  # fmt: skip
def test_values_that_cannot_be_encrypted(values, says):
    with pytest.raises(UsageError, match=says):
        KEY_HERE.public.encrypt(values)


def test_vectors_that_do_not_belong_together():
    box, other = KEY_HERE.public.encrypt([1.0, 2.0]), he.ckks.generate(bound=1e4, error=1e-2, terms=16)
    for refused in (
        lambda: box + other.public.encrypt([1.0, 2.0]),
        lambda: box + KEY_HERE.public.encrypt([1.0]),
        lambda: box + np.ones(1),
        lambda: other.decrypt(box),
    ):
        with pytest.raises(UsageError, match=r"differ in key|need 2 numbers|another key"):
            refused()
    with pytest.raises(UsageError, match="17 terms would be added, 16 were declared: declare terms=17"):
        sum([box] * 17)
    for refused, says in (
        (lambda: box == [1.0], "compare what decrypt"),
        (lambda: box / 2, "not divided"),
        (lambda: np.sum(box), "NumPy cannot read"),
    ):
        with pytest.raises(UsageError, match=says):
            refused()
    with pytest.raises(UsageError, match="expected bytes"):
        KEY_HERE.public.load("text")
    forged = ApproximateVector(other.public, 2, 1, box.error, True, box.words)
    with pytest.raises(DecodeError, match="outside its declared range"):
        other.decrypt(forged)


# --- bytes


RAW = KEY_HERE.public.encrypt([1.0, 2.0]).to_bytes()
KEY_RAW = KEY_HERE.public.to_bytes()
PRIVATE_RAW = KEY_HERE.export_private()


def changed(raw, at, new):
    return raw[:at] + new + raw[at + len(new) :]


@pytest.mark.parametrize("raw, says", [
    (b"", "not an approximate"), (changed(RAW, 0, b"kyE1"), "under this key"), (changed(RAW, 4, bytes(32)), "under this key"), (changed(RAW, 36, bytes(4)), "out of range"),
    (changed(RAW, 36, b"\xff" * 4), "out of range"), (changed(RAW, 40, bytes(8)), "out of range"), (changed(RAW, 40, b"\xff"), "out of range"), (changed(RAW, 48, b"\2"), "out of range"),
    (changed(RAW, 48, b"\0"), "out of range"), (changed(RAW, 49, struct.pack("<d", 1)), "error is out"), (changed(RAW, 49, struct.pack("<d", np.nan)), "error is out"),
    (changed(RAW, 49, struct.pack("<d", 0)), "error is out"), (RAW[:-1], "length is not"), (RAW + b"\0", "length is not"), (changed(RAW, 36, struct.pack("<I", 2049)), "length is not"),
    (changed(RAW, HEADER.size, b"\xff" * 8), "not below"), (RAW[: HEADER.size] + bytes(len(RAW) - HEADER.size), "hides nothing"),
])  # fmt: skip
def test_vectors_with_one_lie(raw, says):
    with pytest.raises(DecodeError, match=says):
        KEY_HERE.public.load(raw)


@pytest.mark.parametrize("raw, says", [
    (b"", "of this kind"), (PRIVATE_RAW, "of this kind"), (changed(KEY_RAW, 4, bytes(8)), "finite"), (changed(KEY_RAW, 20, bytes(8)), "terms must be"),
    (KEY_RAW[:-1], "length is not"), (changed(KEY_RAW, KEY.size, b"\xff" * 8), "not below"), (KEY_RAW[: KEY.size] + bytes(len(KEY_RAW) - KEY.size), "hide nothing"),
])  # fmt: skip
def test_keys_with_one_lie(raw, says):
    with pytest.raises(DecodeError, match=says):
        CkksPublicKey.from_bytes(raw)


@pytest.mark.parametrize("key", [KEY_HERE, FACTORS])
def test_keys_survive_the_wire(key):
    public, private = CkksPublicKey.from_bytes(key.public.to_bytes()), CkksPrivateKey.import_private(key.export_private())
    assert public.id == private.public.id == key.public.id
    assert abs(private.decrypt(public.encrypt([7.0])).for_computation()[0] - 7) < 1e-3
    assert repr(private) == f"<private part of {public!r}>"
    with pytest.raises(UsageError, match="not pickled"):
        pickle.dumps(key)


def test_private_keys_with_one_lie():
    other = he.ckks.generate(bound=1e4, error=1e-2, terms=16).export_private()
    half = len(PRIVATE_RAW) - (len(PRIVATE_RAW) - KEY.size) // 3
    with pytest.raises(DecodeError, match="halves do not fit"):
        CkksPrivateKey.import_private(PRIVATE_RAW[:half] + other[half:])


def test_what_is_declared_has_room_for_every_total():
    for declared in (Declared(1e4, 1e-2, 16, 0.0), Declared(2e5, 1.0, 4, 0.0), Declared(100.0, 0.1, 16, 10.0)):
        assert declared.most * declared.scale <= declared.primes[0] / 4
