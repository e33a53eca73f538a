"""The filter: what it admits against dp_accounting, what it refuses, and why delta is shared among the orders."""

from __future__ import annotations

import functools
import math
from decimal import Decimal
from fractions import Fraction

import dp_accounting
import pytest
from dp_accounting.rdp import RdpAccountant
from hypothesis import given
from hypothesis import strategies as st

from governance import budget
from governance.budget import MOST, NANO, NOTHING, ORDERS, Cost, added, converted, cost, limits, shares, spent
from governance.errors import DecodeError, UsageError
from mpc import dp
from mpc.dp.loss import of_laplace, of_skellam
from sandbox.charge import cost_of as cost_of_loss

BLOCKS = [("3", "0.000001"), ("1", "0.000000001"), ("0.3", "0.00001"), ("10", "0.0001")]
ONE = (Decimal(1),) * len(ORDERS)


def of_event(event: dp_accounting.DpEvent) -> Cost:
    made = RdpAccountant(list(ORDERS)).compose(event)
    return cost([math.ceil(NANO * at) for at in made._rdp])


EVENTS = {
    "a little Laplace": dp_accounting.LaplaceDpEvent(20.0),
    "Laplace": dp_accounting.LaplaceDpEvent(2.0),
    "a little Gaussian": dp_accounting.GaussianDpEvent(20.0),
    "Gaussian": dp_accounting.GaussianDpEvent(3.0),
    "sampled": dp_accounting.PoissonSampledDpEvent(0.01, dp_accounting.GaussianDpEvent(1.0)),
}
cost_of = functools.cache(lambda name: of_event(EVENTS[name]))


def run(names, epsilon, delta):
    """The costs that are admitted one after another, and their sum."""
    total, admitted = NOTHING, []
    for name in names:
        following = added(total, cost_of(name))
        if limits(epsilon, delta).admit(following):
            total, admitted = following, [*admitted, name]
    return total, admitted


# --- against dp_accounting


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=60), st.sampled_from(BLOCKS))
def test_what_is_admitted_never_exceeds_the_cap(names, block):
    """Any sequence, dp_accounting as the judge."""
    epsilon, delta = block
    total, admitted = run(names, epsilon, delta)
    judge = RdpAccountant(list(ORDERS))
    for name in admitted:
        judge.compose(EVENTS[name])
    assert judge.get_epsilon(float(delta)) <= float(epsilon) * (1 + 1e-9)
    assert spent(total, epsilon, delta) <= float(epsilon)


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("times", [1, 10, 150])
def test_figures_are_those_of_dp_accounting(name, times):
    total = functools.reduce(added, [cost_of(name)] * times, NOTHING)
    judge = RdpAccountant(list(ORDERS)).compose(EVENTS[name], times)
    for delta in ("0.000001", "0.00000000001"):
        assert converted(total, Decimal(delta), ONE) == pytest.approx(judge.get_epsilon(float(delta)), abs=1e-6)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_first_refusal_is_where_dp_accounting_passes_the_limits(block):
    """At each order with its share of delta, one order at a time."""
    epsilon, delta = block
    for name in ("Laplace", "Gaussian"):
        _, admitted = run([name] * 400, epsilon, delta)
        for k, within in ((len(admitted), True), (len(admitted) + 1, False)):
            each = [
                RdpAccountant([a]).compose(EVENTS[name], k).get_epsilon(float(delta) * float(w)) if k else 0.0
                for a, w in zip(ORDERS, shares(epsilon, delta), strict=True)
            ]
            assert (min(each) <= float(epsilon) + 1e-7) == within


def test_more_is_admitted_than_by_adding_epsilons():
    assert len(run(["a little Laplace"] * 400, "3", "0.000001")[1]) == 147  # 60 if their epsilons of 0.05 were added


# --- adaptive choice


def divergence(p, q, order):
    return max(math.log(sum(a**order * b ** (1 - order) for a, b in zip(x, y, strict=True))) / (order - 1) for x, y in ((p, q), (q, p)))


def worst(room, order, epsilon):
    """The most that a release within *room* at *order* can exceed *epsilon*: one rare outcome, the tight case of the conversion."""
    best = 0.0
    for loss in (epsilon + 0.005 * i for i in range(1, 200)):
        low, high = -80.0, -1e-3
        for _ in range(60):
            middle = (low + high) / 2
            p = math.exp(middle)
            fits = divergence((p, 1 - p), (p * math.exp(-loss), 1 - p * math.exp(-loss)), order) <= room
            low, high = (middle, high) if fits else (low, middle)
        best = max(best, math.exp(low) * (1 - math.exp(epsilon - loss)))
    return best


def failure(limit):
    """Delta of an adversary who makes one release and then, by what it showed, chooses the order under which to make the second."""
    p, q = (math.exp(-10), 1 - math.exp(-10)), (math.exp(-11), 1 - math.exp(-11))
    return sum(p[i] * worst(limit(order) - divergence(p, q, order), order, 3 - math.log(p[i] / q[i])) for i, order in ((0, 16), (1, 8)))


def test_an_order_that_is_chosen_by_what_was_seen_breaks_limits_that_each_take_all_of_delta():
    """The attack for which delta is shared: nearly twice delta, with two orders."""
    delta = 1e-6
    everything = failure(lambda a: 3 - math.log(1 - 1 / a) + math.log(delta * a) / (a - 1))
    shared = failure(lambda a: limits("3", "0.000001").curve[ORDERS.index(a)] / NANO)
    assert everything > 1.9 * delta
    assert shared < delta


@pytest.mark.parametrize("block", BLOCKS)
def test_shares_of_delta_are_one_together_and_half_of_it_goes_to_the_best_order(block):
    found = shares(*block)
    assert sum(found) == 1 and max(found) == Decimal("0.5") and min(found) > 0
    best = 1 + 2 * math.log(1 / float(block[1])) / float(block[0])
    assert abs(math.log(ORDERS[found.index(max(found))] / best)) == min(abs(math.log(a / best)) for a in ORDERS)


# --- sums


@given(st.permutations(sorted(EVENTS) * 3))
def test_the_order_of_releases_does_not_matter(names):
    forwards = functools.reduce(added, map(cost_of, names), NOTHING)
    assert forwards == functools.reduce(added, map(cost_of, reversed(names)), NOTHING)


@given(st.lists(st.integers(0, MOST), min_size=2, max_size=5))
def test_sums_stop_where_no_order_has_a_limit(entries):
    made = [cost([at] * len(ORDERS)) for at in entries]
    total = functools.reduce(added, made, NOTHING)
    assert total == functools.reduce(added, reversed(made), NOTHING)
    assert total[0] == min(sum(entries), MOST) and max(total) <= MOST
    assert all(at < MOST for at in limits("1000", "0.5").curve)
    nowhere = (*[MOST] * len(ORDERS), 0)
    assert not limits("1000", "0.5").admit(nowhere) and spent(nowhere, "1000", "0.5") == math.inf


def test_one_order_within_its_limit_is_enough_and_one_unit_more_is_too_much():
    made = limits("1", "0.000001")
    for i, most in enumerate(made.curve):
        total = tuple(max(most, 0) if j == i else MOST for j in range(len(ORDERS)))
        assert made.admit((*total, 0)) == (most >= 0)
        assert not made.admit((*(at + (j == i) for j, at in enumerate(total)), 0))


@pytest.mark.parametrize("block", BLOCKS)
def test_limits_are_never_above_their_definition(block):
    """In exact arithmetic around a float: within two units, and below."""
    epsilon, delta = map(float, block)
    for a, w, most in zip(ORDERS, shares(*block), limits(*block).curve, strict=True):
        exact = epsilon - math.log1p(-1 / a) + math.log(delta * float(w) * a) / (a - 1)
        assert most == -1 if exact < 0 else -2 <= most - NANO * exact <= 1e-3


def test_a_chance_is_part_of_delta():
    """What holds but for a chance: it has a limit of its own, and the divergences have the rest of delta."""
    small = cost([0] * len(ORDERS), chance=10**9)
    made = limits("1", "0.00001", "0.000000002")
    assert made.admit(added(added(NOTHING, small), small)) and not made.admit(added(added(added(NOTHING, small), small), small))
    assert not limits("1", "0.00001").admit(added(NOTHING, small))
    assert all(a <= b for a, b in zip(made.curve, limits("1", "0.00001").curve, strict=True))


# --- a person in several hospitals


@pytest.mark.parametrize("hospitals", [1, 2, 5, 20])
def test_a_person_in_several_hospitals_costs_the_square(hospitals):
    """M^2 is exact for a Gaussian, and for every other noise without a chance at least what the shift by M costs."""
    gauss = cost_of_loss(dp.of_zcdp("0.001")).across(hospitals)
    exact = cost_of_loss(dp.of_zcdp(Fraction(hospitals**2, 1000)))
    assert all(0 <= a - b <= hospitals**2 for a, b in zip(gauss.curve, exact.curve, strict=True))
    for scale in map(Fraction, ("0.5", "1", "7", "40")):
        raised, shifted = cost_of_loss(of_laplace(1, scale)).across(hospitals), cost_of_loss(of_laplace(hospitals, scale))
        assert all(a >= b for a, b in zip(raised.curve, shifted.curve, strict=True))
        pure, wide = cost_of_loss(dp.of_pure(scale / 10)).across(hospitals), cost_of_loss(dp.of_pure(hospitals * scale / 10))
        assert all(a >= b for a, b in zip(pure.curve, wide.curve, strict=True))
    for variance in map(Fraction, (2, 50)):
        one = cost_of_loss(of_skellam(variance, l1=2, l2_squared=3)).across(hospitals)
        many = cost_of_loss(of_skellam(variance, l1=2 * hospitals, l2_squared=3 * hospitals**2))
        assert all(a >= b for a, b in zip(one.curve, many.curve, strict=True))


@pytest.mark.parametrize("hospitals", [0, -1, 2**16 + 1, 1.5, True, "2"])
def test_how_many_hospitals_a_person_may_be_in(hospitals):
    with pytest.raises(UsageError, match="a person is in 1 to 65536 hospitals"):
        cost_of("Gaussian").across(hospitals)


def test_a_chance_does_not_grow_by_the_square():
    risky = cost([5] * len(ORDERS), chance=1)
    assert risky.across(1) == risky
    with pytest.raises(UsageError, match="make the noise for as many"):
        risky.across(2)
    assert max(cost([MOST] * len(ORDERS)).across(2).curve) == MOST


# --- hostile costs and limits


@pytest.mark.parametrize("curve", [
    [0] * 15, [0] * 17, [0] * 10_000, [-1] * 16, [1.0] * 16, [math.nan] * 16, [math.inf] * 16, [True] * 16, ["1"] * 16, [None] * 16,
    [MOST + 1] * 16, [2**63] * 16, [10**400] * 16,
])  # fmt: skip
def test_a_curve_is_sixteen_whole_numbers(curve):
    with pytest.raises(DecodeError):
        cost(curve)


@pytest.mark.parametrize("chance", [-1, 10**15 + 1, 1.0, math.nan, True, "1"])
def test_a_chance_is_a_small_whole_number(chance):
    with pytest.raises(DecodeError):
        cost([0] * 16, chance)


@pytest.mark.parametrize("block", [("1000.1", "0.1"), ("1", "0"), ("1", "1"), ("1", "0.1", "0.1"), ("1", "0.1", "0.01")])
def test_limits_that_mean_nothing(block):
    with pytest.raises(UsageError, match=r"must be"):
        limits(*block)


def test_epsilon_nothing_admits_nothing():
    assert not limits("0", "0.000001").admit(NOTHING)


def test_delta_near_nothing_leaves_the_high_orders():
    found = limits("1", "0.0000000000000000000000000000000001").curve
    assert found[0] == -1 and 0 < found[-1] < NANO
    assert limits("0.01", "0.0000000000000000000000000000000001").curve == (-1,) * len(ORDERS)


def test_the_filter_knows_no_other_orders_than_the_noise():
    assert set(ORDERS) <= set(dp.ORDERS) and tuple(sorted(ORDERS)) == budget.ORDERS
