"""Privacy parameters are read exactly, a doubt is decided for the person, and what makes no sense is refused where it enters."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import UsageError
from mpc import dp
from mpc.dp import amounts

NO_NUMBERS = [
    math.nan,
    math.inf,
    -math.inf,
    "nan",
    "inf",
    "",
    "1/2",
    "1,0",
    " 1",
    "٣",
    "1e999",
    "9" * 41,
    None,
    True,
    [1],
    Decimal("NaN"),
    Decimal("1e999"),
]


def test_the_same_amount_however_it_is_written():
    for value in ("0.5", "5e-1", 0.5, Decimal("0.5"), Fraction(1, 2)):
        assert amounts.epsilon_of(value) == Fraction(1, 2)
    assert amounts.epsilon_of(1) == amounts.epsilon_of("1.0") == 1


def test_a_float_is_read_so_that_it_protects_more():
    assert Fraction(0.1) > Fraction("0.1")
    assert amounts.epsilon_of(0.1) == amounts.epsilon_of("0.1") <= Fraction("0.1")
    assert Fraction(0.3) < Fraction("0.3")
    assert amounts.delta_of(0.3) <= Fraction(0.3)
    assert amounts.positive(0.1, "rho") == Fraction(0.1)
    assert amounts.positive(0.3, "rho") == Fraction("0.3")


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, 0.0, "0", "-1", -0.5, Fraction(-1), "1e-7", "1000.1", 1e300, 2**70])
def test_no_such_epsilon(value):
    for make in (dp.Laplace, dp.Quantile, lambda e: dp.Gaussian(e, "1e-6"), lambda e: dp.GroupSelection(e, "1e-6"),
                 lambda e: dp.SharedNoise(e, "1e-6", survivors=3, colluding=1), lambda e: dp.noisy_counts([1], e), dp.NOTHING.delta):  # fmt: skip
        with pytest.raises(UsageError, match="epsilon must be"):
            make(value)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, "0.0", "-0.1", 1, "1.0", 1.5, "1e-31"])
def test_no_such_delta(value):
    for make in (lambda d: dp.Gaussian(1, d), lambda d: dp.GroupSelection(1, d), lambda d: dp.SharedNoise(1, d, survivors=3, colluding=1)):
        with pytest.raises(UsageError, match="delta must be"):
            make(value)


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None, math.nan, 2**63])
@pytest.mark.parametrize("make, name", [
    (lambda v: dp.Laplace(1, sensitivity=v), "sensitivity"), (lambda v: dp.Laplace(1, hospitals=v), "hospitals"),
    (lambda v: dp.Gaussian(1, "1e-6", l2_squared=v), "l2_squared"), (lambda v: dp.Gaussian(1, "1e-6", hospitals=v), "hospitals"),
    (lambda v: dp.GroupSelection(1, "1e-6", groups=v), "groups"), (lambda v: dp.GroupSelection(1, "1e-6", hospitals=v), "hospitals"),
    (lambda v: dp.GroupSelection(1, "1e-6").release({"a": v}), "a count"), (lambda v: dp.Quantile(1, hospitals=v), "hospitals"),
    (lambda v: dp.SharedNoise(1, "1e-6", survivors=v, colluding=1), "survivors"), (lambda v: dp.SharedNoise(1, "1e-6", survivors=3, colluding=1, l1=v), "l1"),
    (lambda v: dp.SharedNoise(1, "1e-6", survivors=3, colluding=1, hospitals=v), "hospitals"),
    (lambda v: dp.SharedNoise(1, "1e-6", survivors=3, colluding=1).draw(v), "length"), (lambda v: dp.SharedNoise(1, "1e-6", survivors=3, colluding=1).sd(v), "nodes"),
    (lambda v: dp.SharedNoise(1, "1e-6", survivors=3, colluding=1).tail("0.1", nodes=v), "nodes"), (lambda v: dp.Laplace(1).tail("0.1", entries=v), "entries"),
    (lambda v: dp.SharedNoise(1, "1e-6", survivors=3, colluding=1).release([1], nodes=v), "nodes"),
])  # fmt: skip
def test_whole_numbers_are_whole_and_above_zero(make, name, value):
    if name == "a count" and value == 2**63:
        value = 2**62 + 1
    with pytest.raises(UsageError, match=f"{name} must be a whole number in"):
        make(value)


@pytest.mark.parametrize(
    "values", [[1.0], ["1"], 5, [[1]], [2**63], [2**62 + 1], [-(2**62) - 1], [math.nan], [True], np.array([2**63], np.uint64)]
)
def test_only_vectors_of_whole_numbers_get_noise(values):
    for release in (dp.Laplace(1).release, dp.Gaussian(1, "1e-6").release):
        with pytest.raises(UsageError, match="values must be"):
            release(values)


def test_an_empty_vector_is_a_vector():
    assert len(dp.Laplace(1).release([]).values) == len(dp.Gaussian(1, "1e-6").release([]).values) == 0


@pytest.mark.parametrize("failure", [0, 1, "-1", math.nan])
def test_a_failure_is_a_probability(failure):
    for tail in (dp.Laplace(1).tail, dp.Gaussian(1, "1e-6").tail):
        with pytest.raises(UsageError, match="failure must be"):
            tail(failure)


@given(st.fractions(min_value=0, max_value=2**40))
def test_up_is_the_least_float_above(number):
    found = amounts.up(number)
    assert Fraction(math.nextafter(found, -math.inf)) < number <= Fraction(found)


@given(st.floats(1e-9, 0.99), st.integers(1, 10**6))
def test_rarity_covers_both_sides_of_each_event(failure, events):
    least = amounts.rarity(failure, events)
    assert 2 * events * math.exp(-least) <= failure * (1 + 1e-12) or least == 0
    assert 2 * events * math.exp(1 - least) > failure * (1 - 1e-12)
