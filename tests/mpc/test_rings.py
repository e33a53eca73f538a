from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import DecodeError, UsageError
from mpc.rings import RINGS, ring
from tests.mpc.secure_sum import elements, integers

BITS = st.sampled_from(sorted(RINGS))


@st.composite
def pairs(draw):
    bits = draw(BITS)
    edges = st.sampled_from([0, 1, 2**bits - 1, 2 ** (bits // 2), 2 ** (bits // 2) - 1, 2**64 % 2**bits, 2 ** (bits - 1)])
    numbers = st.one_of(edges, st.integers(0, 2**bits - 1))
    length = draw(st.integers(0, 6))
    return bits, *(draw(st.lists(numbers, min_size=length, max_size=length)) for _ in range(2))


@given(pairs())
def test_addition_and_subtraction_are_modular(case):
    bits, a, b = case
    words, other = elements(a, bits), elements(b, bits)
    ring(bits).add(words, other)
    assert integers(words, bits) == [(x + y) % 2**bits for x, y in zip(a, b, strict=True)]
    ring(bits).sub(words, other)
    ring(bits).sub(words, other)
    assert integers(words, bits) == [(x - y) % 2**bits for x, y in zip(a, b, strict=True)]
    assert integers(other, bits) == b


@given(pairs())
def test_bytes_are_little_endian_elements(case):
    bits, a, _ = case
    raw = b"".join(x.to_bytes(bits // 8, "little") for x in a)
    assert ring(bits).to_bytes(elements(a, bits)) == raw
    assert integers(ring(bits).from_bytes(memoryview(raw), len(a)), bits) == a


@given(BITS, st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_signed_integers_are_embedded(bits, values):
    assert integers(ring(bits).embed(np.array(values, np.int64)), bits) == [v % 2**bits for v in values]


@pytest.mark.parametrize("bits", RINGS)
def test_zeros(bits):
    assert integers(ring(bits).zeros(3), bits) == [0, 0, 0]
    assert ring(bits).name == f"Z/2^{bits}"


@pytest.mark.parametrize("bits", RINGS)
@pytest.mark.parametrize("change", [-1, 1])
def test_length_of_bytes_is_strict(bits, change):
    with pytest.raises(DecodeError, match="2 elements"):
        ring(bits).from_bytes(bytes(2 * bits // 8 + change), 2)


def test_views_of_bytes_cannot_be_written():
    for raw in (b"1234", bytearray(b"1234")):
        with pytest.raises(ValueError, match="read-only"):
            ring(32).add(ring(32).from_bytes(raw, 1), ring(32).zeros(1))


@pytest.mark.parametrize("words", [np.zeros(2, "<i4"), np.zeros(3, "<u4"), np.zeros((2, 2), "<u4"), [0, 0]])
def test_other_arrays_are_refused(words):
    with pytest.raises(UsageError, match="2 elements of Z/2\\^32"):
        ring(32).check(words, 2)


def test_there_are_three_rings():
    assert sorted(RINGS) == [32, 64, 128]
    with pytest.raises(UsageError, match="32, 64, 128"):
        ring(16)
