"""Groups that may be shown, and quantiles: one person decides neither."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import UsageError
from mpc import dp
from mpc.dp import engine
from mpc.dp.quantile import _parts, _scores
from tests.mpc.dp_checks import RATE, SIGMAS, fits, respects

MANY = 40_000

# --- groups


def shown_share(selection, count):
    return len(selection.release({f"g{i}": count for i in range(MANY)}).values) / MANY


def chance(selection, count):
    """That a group of *count* persons is shown."""
    a = math.exp(-1 / selection._noise.scale)
    return a ** (selection.threshold - count) / (1 + a)


@pytest.mark.parametrize("delta", ["0.1", "0.03"])
def test_a_group_of_one_is_shown_as_rarely_as_delta_says(delta):
    selection = dp.GroupSelection("1.0", delta)
    assert chance(selection, 1) <= float(delta) < chance(selection, 2)
    assert abs(shown_share(selection, 1) - chance(selection, 1)) < SIGMAS * math.sqrt(chance(selection, 1) / MANY)


def test_the_threshold_itself_counts():
    """OpenDP 0.16 shows counts at its threshold and reports the delta of those above it; ours is the delta of what is shown."""
    import opendp.prelude as opendp

    opendp.enable_features("contrib")
    space = (
        opendp.map_domain(opendp.atom_domain(T=str), opendp.atom_domain(T="i64")),
        opendp.l01inf_distance(opendp.absolute_distance(T="i64")),
    )
    selection = dp.GroupSelection("1.0", "0.03")
    peer = opendp.m.make_laplace_threshold(*space, scale=selection._noise.scale, threshold=selection.threshold)
    share = len(peer({f"g{i}": 1 for i in range(MANY)})) / MANY
    assert share == pytest.approx(chance(selection, 1), rel=0.2)
    assert selection.loss.delta(1) == pytest.approx(0.03)
    if peer.map((1, 1, 1))[1] < share * 0.6:  # as of 0.16
        assert peer.map((1, 1, 1))[1] == pytest.approx(chance(selection, 1) / math.e)


@given(st.fractions("0.05", 8), st.sampled_from(["1e-12", "1e-6", "0.05", "0.9"]), st.integers(1, 20), st.integers(1, 12))
def test_whatever_one_person_adds_to_nothing(epsilon, delta, groups, hospitals):
    """Sums of chances over all ways in which groups * hospitals records make new groups: equal parts are among the worst."""
    selection = dp.GroupSelection(epsilon, delta, groups=groups, hospitals=hospitals)
    for each in range(1, hospitals + 1):
        new = groups * hospitals / each
        assert new * chance(selection, each) <= float(delta) * (1 + 1e-9)
    assert selection.threshold > hospitals
    assert selection.loss.epsilon(delta) <= epsilon


def test_neighbours_show_a_large_group_alike():
    selection = dp.GroupSelection("1.0", "1e-6", hospitals=2)
    near = selection.threshold
    ours, theirs = (_shown_or_not(selection, near + extra) for extra in (0, 2))
    assert respects(ours, theirs, 1.0)
    assert not respects(ours, theirs, 0.6)


def _shown_or_not(selection, count):
    noisy = engine.laplace(np.full(MANY, count), selection._noise.scale)
    return np.where(noisy >= selection.threshold, noisy, 0)


def test_groups_come_with_names_and_price():
    release = dp.GroupSelection("1.0", "1e-6").release({"流感": 1000, "flu": 2000, "rare": 1})
    assert release.names == ("flu", "流感")
    assert str(release) == f"flu {release.values[0]}, 流感 {release.values[1]} ± 1.4 persons  (ε 1, δ 1e-06)"
    assert str(dp.GroupSelection("1.0", "1e-6").release({})) == "nothing ± 1.4 persons  (ε 1, δ 1e-06)"


# --- quantiles


def test_a_choice_has_the_distribution_of_the_exponential_mechanism():
    scores = [-4, 0, -1, -9]
    draws = np.array([engine.choice(np.array(scores), 2.0) for _ in range(6000)])
    weights = np.exp(np.array([*scores, *[-math.inf] * 20]) / 2.0)
    assert fits(draws, lambda k: np.where(k >= 0, weights[np.maximum(k, 0)] / weights.sum(), 0))
    assert not fits(draws, lambda k: np.where(k >= 0, weights[np.maximum(k, 0)] ** 0.6 / (weights**0.6).sum(), 0))


def test_neighbours_choose_alike():
    """One person moves each of two scores by one, in opposite directions; with a third of the scale that is told apart."""
    scale = dp.Quantile("2.0").scale
    ours, theirs = (np.array([engine.choice(np.array(scores), scale) for _ in range(2000)]) for scores in ([0, 3], [1, 2]))
    assert respects(ours, theirs, 2.0)
    ours, theirs = (np.array([engine.choice(np.array(scores), scale / 3) for _ in range(2000)]) for scores in ([0, 1], [1, 0]))
    assert not respects(ours, theirs, 2.0)


@given(
    st.lists(st.integers(0, 50), min_size=3, max_size=8),
    st.integers(0, 7),
    st.sampled_from(["0.5", "0.25", "0.9", "0.025"]),
    st.integers(1, 4),
)
def test_one_person_changes_a_score_by_no_more_than_the_scale_allows(counts, where, at, hospitals):
    cuts = list(range(len(counts) - 1))
    more = list(counts)
    more[where % len(counts)] += hospitals
    change = np.abs(_scores(counts, cuts, _parts(at))[1] - _scores(more, cuts, _parts(at))[1]).max()
    quantile = dp.Quantile("1.0", at=at, hospitals=hospitals)
    assert 2 * change / quantile.scale <= 1


@given(st.lists(st.integers(0, 90), min_size=200, max_size=300), st.sampled_from(["0.1", "0.5", "0.75"]))
@settings(max_examples=20)
def test_a_quantile_is_within_what_it_says(ages, at):
    """Each choice fails with probability 0.05 at most; no test could fail by chance that asks for twice as much room with ln(10^9)."""
    cuts = list(range(5, 90, 5))
    counts = np.histogram(ages, [-1, *cuts, 100])[0]
    quantile = dp.Quantile("2.0", at=at)
    chosen = quantile.release(counts, cuts)
    best = dp.nearest(counts, cuts, at=at)
    below = [sum(age < cut for age in ages) for cut in cuts]
    room = chosen.within * (math.log(len(cuts)) - math.log(RATE)) / (math.log(len(cuts)) + math.log(20))
    assert abs(below[chosen.index] - float(at) * len(ages)) <= abs(below[best] - float(at) * len(ages)) + room
    assert chosen.cut == cuts[chosen.index]


def test_a_quantile_read_off_noisy_counts():
    assert dp.nearest([100, 100, 101, 100], ["1.5", "2.5", "3.5"]) == 1
    assert dp.nearest([10, -3, 5], [0, 1], at="0.75") == 0


def test_what_is_chosen_shows_itself():
    """Another cut point is 250 persons worse, and so e^-250 times as likely."""
    chosen = dp.Quantile("2.0", at="0.25").release([250, 0, 750], ["39.5", 60])
    assert chosen.cut in (Fraction("39.5"), 60)
    assert str(chosen).startswith(f"{float(chosen.cut):g}, within 3 persons of the best cut point  (ε 2)")
    assert chosen._repr_html_() == f"<p>{chosen}</p>"
    assert chosen.loss.epsilon() == 2
    assert chosen.loss.epsilon("1e-6") <= 2


@pytest.mark.parametrize("at", [0, 1, "-0.5", "1.5", math.nan])
def test_no_such_share(at):
    for call in (lambda: dp.Quantile(1, at=at), lambda: dp.nearest([1, 1], [0], at=at)):
        with pytest.raises(UsageError, match="at must be"):
            call()


@pytest.mark.parametrize("counts, cuts, says", [
    ([1], [], "must rise"), ([1, 1, 1], [2, 2], "must rise"), ([1, 1, 1], [3, 2], "must rise"), ([1, 1], [1, 2], "into 3 groups"),
    ([1, 1], [math.nan], "a cut point must be"), ([1.5, 1.0], [1], "counts must be"), ([2**61, 2**61], [1], "too many persons"),
])  # fmt: skip
def test_counts_that_do_not_fit_the_cut_points(counts, cuts, says):
    with pytest.raises(UsageError, match=says):
        dp.Quantile(1).release(counts, cuts)


def test_a_share_has_few_parts():
    with pytest.raises(UsageError, match="at most 10000 parts"):
        dp.Quantile(1, at="0.33333")
