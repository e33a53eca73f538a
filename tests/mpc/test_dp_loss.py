"""What releases cost: each curve against the sum that defines it, and sums and conversions against dp_accounting and OpenDP."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import dp_accounting
import numpy as np
import opendp.prelude as opendp
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.rdp import RdpAccountant
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ive, logsumexp

from governance.errors import UsageError
from mpc import dp
from mpc.dp.loss import of_choice, of_laplace, of_skellam, shown

VECTORS = Path(__file__).parents[1] / "vectors" / "dp" / "losses.json"
TINY = 2 / dp.UNIT


def nats(loss: dp.Loss) -> np.ndarray:
    return np.array(loss.curve) / dp.UNIT


def divergence(log_p: np.ndarray, log_q: np.ndarray, order: int) -> float:
    return float(logsumexp(order * log_p + (1 - order) * log_q) / (order - 1))


def at(loss: dp.Loss, order: int) -> float:
    return loss.curve[dp.ORDERS.index(order)] / dp.UNIT


# --- curves against their definition


@pytest.mark.parametrize("scale", [Fraction(1, 3), Fraction(1), Fraction(7, 2), Fraction(40)])
@pytest.mark.parametrize("shift", [1, 2, 5])
def test_laplace_is_exact(scale, shift):
    k = np.arange(-60 * math.ceil(scale) - 20, 60 * math.ceil(scale) + 20)
    norm = math.log(math.tanh(1 / (2 * scale)))
    loss = of_laplace(shift, scale)
    for order in (2, 5, 32, 256):
        exact = divergence(norm - np.abs(k) / float(scale), norm - np.abs(k - shift) / float(scale), order)
        assert exact - 1e-9 <= at(loss, order) <= exact + 1e-9 + TINY
    assert loss.pure == math.ceil(shift / scale * dp.UNIT)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.fractions("0.2", 30))
@settings(max_examples=50)
def test_one_entry_is_the_worst_place_for_a_laplace_shift(shifts, scale):
    parts = [of_laplace(shift, scale) for shift in shifts]
    together = of_laplace(sum(shifts), scale)
    assert all(sum(p.curve[i] for p in parts) <= together.curve[i] + len(parts) for i in range(len(dp.ORDERS)))


@pytest.mark.parametrize("scale", [0.4, 1.0, 4.5])
@pytest.mark.parametrize("shift", [1, 3])
def test_the_discrete_gaussian_costs_what_the_continuous_does(scale, shift):
    k = np.arange(-400, 400)
    log_p, log_q = -(k**2) / (2 * scale**2), -((k - shift) ** 2) / (2 * scale**2)
    norm = logsumexp(log_p)
    loss = dp.of_zcdp(Fraction(shift**2) / (2 * Fraction(scale) ** 2))
    for order in (2, 5, 32):
        exact = divergence(log_p - norm, log_q - norm, order)
        assert exact - 1e-9 <= at(loss, order) <= exact + 1e-9 + TINY


@pytest.mark.parametrize("variance", [1, 4, 20, 300])
@pytest.mark.parametrize("shift", [1, 2, 4])
def test_skellam_never_costs_more_than_the_theorem_says(variance, shift):
    k = np.arange(-150, 151)
    k = k[ive(np.abs(k) + shift, variance) > 1e-300]
    log_p, log_q = np.log(ive(np.abs(k), variance)), np.log(ive(np.abs(k - shift), variance))
    loss = of_skellam(Fraction(variance), l1=shift, l2_squared=shift**2)
    for order in (2, 3, 8, 16):
        exact = divergence(log_p, log_q, order)
        assert exact <= at(loss, order) + 1e-9
        if variance == 300:
            assert at(loss, order) <= exact * 1.02


@pytest.mark.parametrize("epsilon", ["0.01", "0.5", "1", "4"])
def test_no_pure_release_and_no_choice_tells_more_than_its_bound(epsilon):
    e = float(epsilon)
    answer, other = np.log([math.e**e / (1 + math.e**e), 1 / (1 + math.e**e)]), np.log([1 / (1 + math.e**e), math.e**e / (1 + math.e**e)])
    pure, choice = dp.of_pure(epsilon), of_choice(Fraction(epsilon))
    for order in (2, 8, 64):
        assert divergence(answer, other, order) - 1e-9 <= at(pure, order) <= divergence(answer, other, order) + TINY + 1e-9
        assert at(choice, order) == pytest.approx(min(at(pure, order), order * e**2 / 8), abs=1e-8)
        for first in np.linspace(-e, e, 21):  # all answers of bounded range: the log ratio takes two values e apart (Dong et al. 2020)
            a, b = first, first - e
            if b < 0 < a:
                q = (1 - math.exp(b)) / (math.exp(a) - math.exp(b))
                p = q * math.exp(a)
                assert divergence(np.log([p, 1 - p]), np.log([q, 1 - q]), order) <= at(choice, order) + 1e-9


# --- sums


losses = st.one_of(
    st.integers(1, 10**6).map(lambda n: dp.of_pure(Fraction(n, 10**5))), st.integers(1, 10**6).map(lambda n: dp.of_zcdp(Fraction(n, 10**5))),
    st.just(dp.NOTHING), st.just(dp.GroupSelection("0.1", "1e-9").loss),
)  # fmt: skip


@given(losses, losses, st.integers(1, 5))
def test_losses_add_in_any_order_and_never_shrink(a, b, times):
    assert a + b == b + a
    assert a + dp.NOTHING == a
    assert a * times == sum([a] * times, dp.NOTHING) == sum([a] * times)
    assert (a + b).epsilon("1e-6") >= max(a.epsilon("1e-6"), b.epsilon("1e-6"))
    assert (a + b).epsilon("1e-6") >= (a + b).epsilon("1e-5")


@given(losses, st.sampled_from(["1e-9", "1e-6", "0.01"]))
def test_epsilon_and_delta_are_inverse(loss, delta):
    epsilon = loss.epsilon(delta)
    if 1e-6 <= epsilon <= 1000:
        assert loss.delta(Fraction(epsilon)) <= float(delta) * (1 + 1e-5)


def test_without_delta_only_pure_losses_have_an_epsilon():
    assert dp.Laplace("1.0").loss.epsilon() == dp.Laplace("1.0").loss.epsilon(0) == 1
    assert dp.Gaussian("1.0", "1e-6").loss.epsilon() == math.inf
    groups = dp.GroupSelection("1.0", "1e-6").loss
    assert groups.epsilon("1e-7") == math.inf
    assert groups.epsilon("1e-6") == 1
    assert groups.delta("1") == pytest.approx(1e-6, rel=1e-12)
    assert (groups + dp.of_zcdp("0.01")).epsilon("1e-6") == math.inf
    assert dp.of_zcdp(100).delta("1e-6") == 1


def test_nothing_costs_nothing():
    assert dp.NOTHING.epsilon() == dp.NOTHING.epsilon("1e-6") == dp.NOTHING.delta("1e-6") == 0


@pytest.mark.parametrize(
    "add", [lambda loss: loss + 1, lambda loss: 1 + loss, lambda loss: loss + 0, lambda loss: loss + dp.noisy_counts([1], "1")]
)
def test_only_losses_add_to_losses(add):
    with pytest.raises(UsageError, match=r"a loss is added to losses, got (int|Release): a release's is its \.loss"):
        add(dp.NOTHING)


@pytest.mark.parametrize("times", [0, -1, 1.5, True, 2**32])
def test_no_such_number_of_times(times):
    with pytest.raises(UsageError, match="times must be"):
        dp.NOTHING * times


@pytest.mark.parametrize("value", [0, -1, math.nan, "x"])
def test_no_such_rate(value):
    for make, name in ((dp.of_zcdp, "rho"), (dp.of_pure, "epsilon")):
        with pytest.raises(UsageError, match=f"{name} must be"):
            make(value)


def test_a_loss_shows_itself():
    assert str(dp.Laplace("0.1").loss) == "ε 0.1"
    assert str(dp.Laplace("0.1").loss * 3) == "ε 0.3"
    assert str(dp.Gaussian("1.0", "1e-6").loss) == "ε 1, δ 1e-06"
    assert str(dp.GroupSelection("1.0", "1e-5").loss + dp.of_zcdp("0.01")).endswith("δ 2e-05")
    assert dp.Gaussian("1.0", "1e-6").loss.at(0) == "ε inf"
    assert [shown(x) for x in (0.0, 0.12345, 2.001, 1234.5)] == ["0", "0.124", "2.01", "1240"]


# --- other libraries


@pytest.mark.parametrize("scale, times, delta", [(4.5, 1, "1e-6"), (1.0, 3, "1e-9"), (30.0, 500, "1e-5"), (200.0, 10, "1e-6")])
def test_gaussians_as_in_dp_accounting(scale, times, delta):
    loss = dp.of_zcdp(1 / (2 * Fraction(scale) ** 2)) * times
    peer = RdpAccountant(list(dp.ORDERS)).compose(dp_accounting.GaussianDpEvent(scale), times)
    assert peer.get_epsilon(float(delta)) - 1e-9 <= loss.epsilon(delta) <= peer.get_epsilon(float(delta)) + times * TINY + 1e-9
    finer = RdpAccountant().compose(dp_accounting.GaussianDpEvent(scale), times)
    assert loss.epsilon(delta) <= finer.get_epsilon(float(delta)) * 1.03
    assert loss.delta(str(round(loss.epsilon(delta), 6) + 1e-6)) == pytest.approx(float(delta), rel=0.01)


@pytest.mark.parametrize("epsilon, times", [("0.05", 100), ("0.05", 1000), ("1", 5)])
def test_laplaces_as_in_dp_accounting(epsilon, times):
    """Ours is the discrete one, which costs as much as randomised response; the continuous costs a little less."""
    loss = dp.Laplace(epsilon).loss * times
    peer = RdpAccountant(list(dp.ORDERS)).compose(dp_accounting.LaplaceDpEvent(1 / float(epsilon)), times)
    assert peer.get_epsilon(1e-6) <= loss.epsilon("1e-6") <= peer.get_epsilon(1e-6) * (1 + 0.5 * float(epsilon))


@pytest.mark.parametrize("times", [1, 10, 100])
def test_never_below_the_tight_value(times):
    """Of discrete noise dp_accounting composes the distribution of the loss itself, here from below."""
    laplace = pld.from_discrete_laplace_mechanism(0.1, pessimistic_estimate=False).self_compose(times)
    assert (
        laplace.get_epsilon_for_delta(1e-6) - 1e-9
        <= (dp.Laplace("0.1").loss * times).epsilon("1e-6")
        <= 1.15 * laplace.get_epsilon_for_delta(1e-6)
    )
    gaussian = pld.from_discrete_gaussian_mechanism(20.0, pessimistic_estimate=False).self_compose(times)
    ours = (dp.of_zcdp(Fraction(1, 800)) * times).epsilon("1e-6")
    assert gaussian.get_epsilon_for_delta(1e-6) <= ours <= 1.15 * gaussian.get_epsilon_for_delta(1e-6)


def test_opendp_agrees_about_its_own_noise():
    opendp.enable_features("contrib")
    counts = opendp.vector_domain(opendp.atom_domain(T="i64"))
    laplace, gaussian = dp.Laplace("0.7", sensitivity=3, hospitals=2), dp.Gaussian("0.7", "1e-6", l2_squared=9, hospitals=2)
    peer = opendp.m.make_laplace(counts, opendp.l1_distance(T="i64"), scale=laplace.scale)
    assert peer.map(6) <= laplace.loss.epsilon() <= 0.7
    concentrated = opendp.m.make_gaussian(counts, opendp.l2_distance(T="f64"), scale=gaussian.scale)
    assert concentrated.map(6.0) == pytest.approx(36 / (2 * gaussian.scale**2))
    theirs = opendp.c.make_zCDP_to_approxDP(concentrated).map(6.0).epsilon(delta=1e-6)
    assert theirs - 1e-9 <= gaussian.loss.epsilon("1e-6") <= 0.7
    assert gaussian.loss.epsilon("1e-6") <= theirs * 1.02


# --- vectors


def cases() -> dict[str, dp.Loss]:
    return {
        "laplace, shift 6, scale 20/7": of_laplace(6, Fraction(20, 7)), "any release of epsilon 1/4": dp.of_pure("0.25"),
        "rho 1/100": dp.of_zcdp("0.01"), "exponential mechanism, epsilon 1/2": of_choice(Fraction(1, 2)),
        "skellam, variance 50, l1 3, l2 squared 3": of_skellam(Fraction(50), l1=3, l2_squared=3),
    }  # fmt: skip


@pytest.mark.parametrize("name", cases())
def test_curves_are_the_same_to_the_last_bit_everywhere(name):
    found = json.loads(VECTORS.read_text())
    assert tuple(found["orders"]) == dp.ORDERS
    loss, vector = cases()[name], found["losses"][name]
    assert (list(loss.curve), loss.pure) == (vector["curve"], vector["pure"])
    assert loss.epsilon("1e-6").hex() == vector["epsilon at 1e-6"]
