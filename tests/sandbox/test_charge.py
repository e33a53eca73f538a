"""Losses of the product's own noise, as a budget is charged for them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from governance.budget import ATTO, NANO, NOTHING, ORDERS, added, converted, limits, shares
from governance.errors import UsageError
from governance.spending import block_of, city
from mpc import dp
from sandbox.charge import charges, cost_of

HEART, CITY = block_of("heart", "2024"), city("2024")
NOISE = {
    "laplace": dp.Laplace("0.1"), "gaussian": dp.Gaussian("0.5", "0.000001"), "shared": dp.SharedNoise("1", "0.000001", survivors=3, colluding=1),
    "groups": dp.GroupSelection("0.5", "0.000000001"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOISE)
def test_a_cost_is_the_loss_rounded_up(name):
    loss = NOISE[name].loss
    for order, at in zip(ORDERS, cost_of(loss).curve, strict=True):
        exact = Fraction(loss.curve[dp.ORDERS.index(order)], dp.UNIT) * NANO
        assert exact <= at < exact + 1
    assert Fraction(loss.chance, 2**128) * ATTO <= cost_of(loss).chance < Fraction(loss.chance, 2**128) * ATTO + 1


@pytest.mark.parametrize("name", ["laplace", "gaussian", "shared"])
def test_what_the_noise_was_made_for_is_what_is_charged(name):
    """The filter's orders and its shares of delta cost a release that is alone in its block, but never make it cheaper than it is."""
    total = added(NOTHING, cost_of(NOISE[name].loss))
    delta = "0.000001"
    assert converted(total, Decimal(delta), shares("1", delta)) >= NOISE[name].loss.epsilon(delta)
    assert limits("3", delta).admit(total)


def test_the_city_is_charged_for_a_person_in_all_hospitals():
    """M^2 where the noise covers one hospital, no more where it was made for all of them (PRIVACY 11)."""
    here, everywhere = charges(NOISE["gaussian"].loss, block=HEART, city=CITY, hospitals=4)
    assert (here.block, here.hospitals, everywhere.block, everywhere.hospitals) == (HEART, 1, CITY, 4)
    assert everywhere.cost.across(everywhere.hospitals).curve == tuple(16 * at for at in here.cost.curve)
    wide = dp.Gaussian("0.5", "0.000001", hospitals=4).loss
    assert charges(wide, block=HEART, city=CITY, hospitals=4, covered=4)[1].hospitals == 1
    assert charges(wide, block=HEART, city=CITY, hospitals=5, covered=4)[1].hospitals == 2


@pytest.mark.parametrize("covered", [0, 5])
def test_noise_covers_no_more_hospitals_than_there_are(covered):
    with pytest.raises(UsageError, match="noise covers from 1 to 4"):
        charges(NOISE["laplace"].loss, block=HEART, city=CITY, hospitals=4, covered=covered)
