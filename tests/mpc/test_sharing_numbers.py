"""Arithmetic on shared numbers, against Python's integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import DecodeError, UsageError
from mpc.sharing.numbers import DEPTH, F61, PRIME, Z32, Z64, Z128, Share
from tests.mpc.secure_sum import coins

ALL = (Z32, Z64, Z128, F61)


def write(numbers, values, shape=None):
    raw = b"".join((v % numbers.modulus).to_bytes(4 if numbers is Z32 else 16 if numbers is Z128 else 8, "little") for v in values)
    return np.asarray(numbers.from_bytes(raw, (len(values),) if shape is None else shape))


def read(numbers, words):
    flat = np.ascontiguousarray(words).reshape(-1, *numbers.words)
    return [low | high << 64 for low, high in flat.tolist()] if numbers is Z128 else flat.tolist()


def some(numbers, **kwargs):
    edges = [0, 1, 2, numbers.modulus - 1, numbers.modulus - 2, numbers.modulus // 2, 2**31, 2**32 - 1, 2**60, 2**64 - 1]
    return st.lists(st.one_of(st.integers(0, numbers.modulus - 1), st.sampled_from(edges)), **kwargs)


@pytest.mark.parametrize("numbers", ALL, ids=repr)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_arithmetic_is_that_of_integers(numbers, data):
    a = data.draw(some(numbers, min_size=1, max_size=6))
    b = data.draw(some(numbers, min_size=len(a), max_size=len(a)))
    m, x, y = numbers.modulus, write(numbers, a), write(numbers, b)
    a, b = [v % m for v in a], [v % m for v in b]
    assert read(numbers, numbers.add(x, y)) == [(p + q) % m for p, q in zip(a, b, strict=True)]
    assert read(numbers, numbers.sub(x, y)) == [(p - q) % m for p, q in zip(a, b, strict=True)]
    assert read(numbers, numbers.mul(x, y)) == [p * q % m for p, q in zip(a, b, strict=True)]
    assert read(numbers, numbers.mul(x, numbers.integer(-3))) == [-3 * p % m for p in a]
    assert read(numbers, numbers.dot(x, y)) == [sum(p * q for p, q in zip(a, b, strict=True)) % m]
    assert numbers.shape(numbers.dot(x, y)) == ()
    assert read(numbers, numbers.sum(x, y, y)) == [(p + 2 * q) % m for p, q in zip(a, b, strict=True)]
    digits = data.draw(st.integers(1, numbers.bits - 1))
    assert read(numbers, numbers.shift(x, digits)) == [p >> digits for p in a]


@pytest.mark.parametrize("numbers", ALL, ids=repr)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_matrix_products_are_exact(numbers, data):
    n, k, m = (data.draw(st.integers(1, 4)) for _ in range(3))
    a = data.draw(some(numbers, min_size=n * k, max_size=n * k))
    b = data.draw(some(numbers, min_size=k * m, max_size=k * m))
    product = numbers.matmul(write(numbers, a, (n, k)), write(numbers, b, (k, m)))
    exact = np.array(a, object).reshape(n, k) @ np.array(b, object).reshape(k, m) % numbers.modulus
    assert numbers.shape(product) == (n, m)
    assert read(numbers, product) == exact.ravel().tolist()


@pytest.mark.parametrize("numbers", ALL, ids=repr)
def test_python_integers_and_back(numbers):
    values = [0, 1, -1, 2**200 + 7, numbers.modulus - 2, 5]
    assert numbers.to_integers(numbers.from_integers(values, (2, 3))) == [v % numbers.modulus for v in values]


def test_long_inner_products_of_largest_elements_are_exact():
    """All limbs full, and more products than one float64 bears."""
    length = 2 * DEPTH + 5
    largest = np.full((1, length), PRIME - 1, np.uint64)
    assert F61.matmul(largest, largest.T).item() == length
    full = np.full((1, length), 2**60 - 1, np.uint64)
    assert F61.matmul(full, full.T).item() == length * (2**60 - 1) ** 2 % PRIME


@pytest.mark.parametrize("numbers", ALL, ids=repr)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_fixed_point_is_within_half_a_step(numbers, data):
    digits = data.draw(st.integers(1, numbers.bits - 2))
    most = 2.0 ** (numbers.bits - 2 - digits)
    values = np.array(data.draw(st.lists(st.floats(-most, most), min_size=1, max_size=6)))
    back = numbers.decode(numbers.encode(values, digits), digits)
    assert (np.abs(back - values) <= np.maximum(2.0**-digits / 2, np.abs(values) * 2.0**-53)).all()


@pytest.mark.parametrize("numbers", ALL, ids=repr)
def test_what_is_too_large_is_clipped_and_nan_is_zero(numbers):
    most = 2.0 ** (numbers.bits - 2 - 8)
    values = [[np.nan, np.inf, -np.inf], [1e300, -1e300, -0.5]]
    assert numbers.decode(numbers.encode(values, 8), 8).tolist() == [[0, most, -most], [most, -most, -0.5]]


def test_the_prime_is_prime():
    """Lucas-Lehmer for 2^61 - 1."""
    s = 4
    for _ in range(59):
        s = (s * s - 2) % PRIME
    assert s == 0


def test_what_is_no_element_is_drawn_again():
    draws = iter([b"\xff" * 8 + (9 << 3).to_bytes(8, "little"), (5 << 3).to_bytes(8, "little")])
    assert F61.uniform((2,), lambda n: next(draws)).tolist() == [5, 9]


@pytest.mark.parametrize("numbers", ALL, ids=repr)
def test_bytes_are_elements_in_little_endian_order(numbers):
    words = numbers.uniform((3, 2), coins("bytes"))
    back = numbers.from_bytes(numbers.to_bytes(words), (3, 2))
    assert isinstance(back, Share) and (np.asarray(back) == words).all() and not back.flags.writeable


@pytest.mark.parametrize(
    "raw, says", [(bytes(15), "take 16 bytes, got 15"), (PRIME.to_bytes(8, "little") * 2, "no numbers"), (b"\xff" * 16, "no numbers")]
)
def test_bytes_that_are_no_numbers_are_refused(raw, says):
    with pytest.raises(DecodeError, match=says):
        F61.from_bytes(raw, (2,))


@pytest.mark.parametrize("numbers", ALL, ids=repr)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_share_computes_as_its_words_do_and_stays_one(numbers, data):
    a, b = (write(numbers, data.draw(some(numbers, min_size=3, max_size=3))) for _ in "ab")
    share = a.view(Share)
    for compute in (numbers.add, numbers.sub, numbers.mul, numbers.dot, numbers.sum):
        for result in (compute(share, b), compute(a, b.view(Share))):
            assert isinstance(result, Share) and (np.asarray(result) == compute(a, b)).all()
        assert not isinstance(compute(a, b), Share)


@pytest.mark.parametrize("numbers", ALL, ids=repr)
def test_two_shares_are_not_multiplied_and_none_is_read_as_a_number(numbers):
    share = numbers.zeros((2,)).view(Share)
    for call in (
        lambda: share * share,
        lambda: share + share,
        lambda: 2 * share,
        lambda: share == share.copy(),
        share.sum,
        lambda: np.add(share, 1),
    ):
        with pytest.raises(UsageError, match=r"numbers\.add, sub and sum.*sharing\.multiply"):
            call()
    for call in (lambda: numbers.mul(share, share), lambda: numbers.dot(share, share), lambda: numbers.matmul(share[None], share[:, None])):
        with pytest.raises(UsageError, match=r"no share of the product: sharing\.multiply\(x, y, triple\).*Beaver"):
            call()
    with pytest.raises(UsageError, match=r"decode what sharing\.reveal opens"):
        numbers.decode(share, 8)
    assert repr(share) == str(share) == f"<share, shape {share.shape}>"


@pytest.mark.parametrize("call, says", [
    (lambda: Z64.check([1, 2]), "an array of uint64"), (lambda: Z64.check(np.zeros(2)), "an array of uint64"), (lambda: Z32.check(Z64.zeros((2,))), "an array of uint32"),
    (lambda: Z128.check(Z64.zeros((3,))), "two words each"), (lambda: Z128.check(np.zeros((), np.uint64)), "two words each"),
    (lambda: F61.check(np.array([PRIME], np.uint64)), "modulo 2\\^61"), (lambda: Z64.encode([1.0], 0), "digits must be in 1..62"),
    (lambda: Z64.encode("a", 20), "real numbers are needed, in rows of one length; got str"), (lambda: F61.encode([[1.0], [2.0, 3.0]], 20), "in rows of one length; got list"),
    (lambda: F61.encode([1.0], 60), "digits must be in 1..59"), (lambda: F61.decode(F61.zeros((1,)), 60), "digits must be in"),
])  # fmt: skip
def test_wrong_calls(call, says):
    with pytest.raises(UsageError, match=says):
        call()
