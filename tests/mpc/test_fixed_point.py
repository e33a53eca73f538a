from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import UsageError
from mpc.encoding import CHUNK, FixedPoint
from mpc.rings import ring
from tests.mpc.secure_sum import elements, integers

BITS = st.sampled_from([32, 64, 128])
MAGNITUDES = st.floats(-12, 15).map(lambda e: 10.0**e)


def signed(words, bits):
    return [v - 2**bits if v >> bits - 1 else v for v in integers(words, bits)]


def pooled(code, parties):
    total = ring(code.bits).zeros(len(parties[0]))
    for values in parties:
        ring(code.bits).add(total, code.encode(values))
    return code.decode(total)


@st.composite
def statistics(draw):
    """Parties' vectors of very different magnitudes, each entry within a bound of its own and not tiny against it."""
    bounds = draw(st.lists(MAGNITUDES, min_size=1, max_size=8))
    entries = [st.floats(1e-9, 1).map(lambda u, b=b: u * b) for b in bounds]
    signs = [draw(st.sampled_from([-1.0, 1.0])) for _ in bounds]
    count = draw(st.integers(2, 50))
    return np.array(bounds), [np.array([draw(e) for e in entries]) * signs for _ in range(count)]


@settings(max_examples=100, deadline=None)
@given(statistics())
def test_sum_is_the_pooled_sum(case):
    """Sum over parties against math.fsum of the pooled numbers, 1e-12 relative, magnitudes 1e-12 to 1e15 side by side."""
    bounds, parties = case
    got = pooled(FixedPoint(bounds, len(parties), 128), parties)
    for value, entry in zip(got, np.transpose(parties), strict=True):
        assert value == pytest.approx(math.fsum(entry), rel=1e-12, abs=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(-(10**9), 10**9), min_size=4, max_size=4), min_size=1, max_size=20), st.sampled_from([64, 128]))
def test_whole_numbers_are_summed_exactly(parties, bits):
    got = pooled(FixedPoint(1e9, len(parties), bits), [np.array(p) for p in parties])
    assert got.tolist() == [math.fsum(entry) for entry in zip(*parties, strict=True)]


def test_cancelling_magnitudes():
    """What fits the step is exact, even where the total is 27 orders of magnitude below its terms."""
    parties = [np.array([1e15]), np.array([2.0**-40]), np.array([-1e15])]
    assert pooled(FixedPoint(1e15, 3, 128), parties) == [2.0**-40]


@settings(deadline=None)
@given(BITS, st.integers(1, 1000), MAGNITUDES, st.floats(allow_nan=True, allow_infinity=True))
def test_code_is_the_nearest_whole_number_of_steps(bits, terms, bound, value):
    code = FixedPoint(bound, terms, bits)
    clipped = 0.0 if math.isnan(value) else min(max(value, -bound), bound)
    assert signed(code.encode([value]), bits) == [round(Fraction(clipped) / Fraction(float(code.step)))]


@settings(deadline=None)
@given(BITS, st.integers(1, 1000), st.floats(2.0**-850, 2.0**900), st.sampled_from([0.0, 0.5, 3.0, 1e6]))
def test_overflow_is_excluded_and_no_bit_is_wasted(bits, terms, bound, ratio):
    tail = ratio * bound
    try:
        code = FixedPoint(bound, terms, bits, tail=tail)
    except UsageError as error:
        assert "no precision" in str(error)
        assert terms + ratio > 2 ** (bits - 3)
        return
    largest = signed(code.encode([math.inf]), bits)[0]
    room = terms * largest + Fraction(tail) / Fraction(float(code.step))
    assert room < 2 ** (bits - 1)
    assert 4 * (room + terms) >= 2 ** (bits - 1)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("terms", [1, 3, 5])
def test_rounding_up_does_not_overflow(bits, terms):
    """Bounds so near below a power of two that a term at its bound rounds up to it."""
    bound = (1 - 2.0**-49 if bits == 64 else 1 - 2.0**-33) / terms
    code = FixedPoint(bound, terms, bits)
    assert pooled(code, [[bound]] * terms)[0] == pytest.approx(terms * bound)
    assert terms * signed(code.encode([bound]), bits)[0] < 2 ** (bits - 1)


@pytest.mark.parametrize("bits", [32, 64, 128])
def test_what_is_no_number_or_out_of_bounds(bits):
    code = FixedPoint(2.0, 3, bits)
    assert code.decode(code.encode([math.nan, math.inf, -math.inf, 5, -5, True])).tolist() == [0, 2, -2, 2, -2, 1]


@given(BITS, st.data())
def test_numbers_come_back(bits, data):
    value = data.draw(st.one_of(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), st.integers(-(2**20), 2**20)))
    code = FixedPoint(1.0, 4, bits)
    assert code.decode(elements([value], bits)) == [float(value) * float(code.step)]


@given(st.integers(0, 74), st.integers(2**52, 2**53 - 1), st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 1]))
def test_rounding_is_right_at_ties(shift, top, nudge, sign):
    """Halfway between two float64s, and one off: to even, down or up, as for the number itself."""
    value = sign * min((2 * top + 1 << shift) + nudge, 2**127 - 1)
    code = FixedPoint(1.0, 1, 128)
    assert code.decode(elements([value], 128)) == [float(value) * float(code.step)]


def test_small_negative_numbers_in_two_words():
    code = FixedPoint(1.0, 2, 128)
    step = float(code.step)
    assert signed(code.encode([-step, step, -0.0]), 128) == [-1, 1, 0]
    assert code.decode(code.encode([-step])) == [-step]


def test_steps_stay_normal_numbers():
    """Below the finest step nothing is kept, rather than a step that is no float64."""
    code = FixedPoint(1e-300, 2, 128)
    assert code.exponent == 1000
    assert code.decode(code.encode([1e-300])) == pytest.approx(1e-300, rel=0.5)
    with pytest.raises(UsageError, match="no precision"):
        FixedPoint(1e-305, 2, 128)


def test_bounds_by_entry():
    code = FixedPoint(np.array([1.0, 1e6]), 3, 64)
    assert code.encode([5.0, 5.0]).tolist() == [code.encode([1.0, 5.0])[0], code.encode([1.0, 5.0])[1]]
    assert code.exponent[0] - code.exponent[1] == 20


@pytest.mark.parametrize("bits", [32, 64, 128])
def test_long_vectors_are_cut_without_a_seam(bits):
    values = np.linspace(-1, 1, 2 * CHUNK + 5)
    code = FixedPoint(np.full(len(values), 1.0), 2, bits)
    assert np.abs(code.decode(code.encode(values)) - values).max() <= code.step.max() / 2


def test_empty_vector():
    assert FixedPoint(1.0, 2, 64).decode(FixedPoint(1.0, 2, 64).encode([])).tolist() == []


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: FixedPoint(1.0, 0, 64), "terms must be"),
        (lambda: FixedPoint(1.0, 2**53, 64), "terms must be"),
        (lambda: FixedPoint(0.0, 2, 64), "above zero"),
        (lambda: FixedPoint(math.nan, 2, 64), "above zero"),
        (lambda: FixedPoint(np.array([1.0, math.inf]), 2, 64), "above zero"),
        (lambda: FixedPoint(1.0, 2, 64, tail=-1.0), "not below zero"),
        (lambda: FixedPoint(1e308, 4, 64), "not a float64"),
        (lambda: FixedPoint(1.0, 2**31, 32), "no precision is left"),
        (lambda: FixedPoint(1.0, 4, 32, tail=1e10), "no precision is left"),
        (lambda: FixedPoint(1.0, 2, 48), "rings have"),
        (lambda: FixedPoint(np.array([1.0, 2.0]), 2, 64).encode([1.0]), "bounds for 2 entries, not for 1"),
        (lambda: FixedPoint(np.array([1.0, 2.0]), 2, 64).decode(ring(64).zeros(3)), "bounds for 2 entries, not for 3"),
    ],
)
def test_wrong_calls(make, says):
    with pytest.raises(UsageError, match=says):
        make()
