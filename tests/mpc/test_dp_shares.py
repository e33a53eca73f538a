"""Noise that nodes make together: exact Skellam variables, enough of it whoever is lost or colludes, and the whole way through a secure sum."""

from __future__ import annotations

import json
import math
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ive

from governance.errors import UsageError
from mpc import dp, secagg
from mpc.dp import sampling
from mpc.encoding import FixedPoint
from mpc.rings import ring
from tests.mpc.dp_checks import SIGMAS, fits, respects
from tests.mpc.secure_sum import coins, federation, one_round, open_first

VECTORS = Path(__file__).parents[1] / "vectors" / "dp" / "skellam.json"
MANY = 200_000
SHARED = {"survivors": 8, "colluding": 1}


def skellam_pmf(variance):
    return lambda k: ive(np.abs(k), float(variance))


def in_turn(*words: int):
    """A source of coins that gives these words, one at each call."""
    left = iter(words)
    return lambda n: next(left).to_bytes(n, "little")


# --- the sampler


@pytest.mark.parametrize("variance", [Fraction(1, 7), Fraction(3), Fraction(130, 3), Fraction(5000)])
def test_draws_have_the_distribution(variance):
    draws = sampling.skellam(variance, MANY)
    assert fits(draws, skellam_pmf(variance))
    assert not fits(draws, skellam_pmf(variance * Fraction(11, 10)))
    assert abs(draws.mean()) < SIGMAS * math.sqrt(variance / MANY)


@given(st.fractions("0.001", 500))
@settings(max_examples=25)
def test_probabilities_lie_in_their_intervals(variance):
    table = sampling._table(variance, 64)
    k = np.arange(-table.reach, table.reach + 1)
    low, high = (np.array([float(x) for x in bounds]) / 2.0**64 for bounds in (table.low, table.high))
    assert np.allclose(np.diff(low), skellam_pmf(variance)(k), atol=1e-12)
    assert all(0 < above - below <= 2 for below, above in zip(table.low, table.high, strict=True))
    assert list(table.low) == sorted(table.low)
    assert table.low[0] == 0
    assert table.high[-1] >= 2**64 - 1
    assert np.allclose(low + high[::-1], 1, atol=1e-12)


@pytest.mark.parametrize("variance", [Fraction(1, 5), Fraction(9), Fraction(700)])
def test_finer_tables_lie_within_coarser_ones(variance):
    coarse, fine = sampling._table(variance, 64), sampling._table(variance, 128)
    assert fine.reach > coarse.reach
    for k in range(2 * coarse.reach + 2):
        inner = k + fine.reach - coarse.reach
        assert coarse.low[k] << 64 <= fine.low[inner] <= fine.high[inner] <= coarse.high[k] << 64


@pytest.mark.parametrize("place", ["first", "middle", "last", "lowest word", "highest word"])
def test_a_word_that_does_not_decide_is_drawn_further(place):
    """Coins are chosen so that the first 64 bits lie on a probability; what follows decides, as in a table of 128 bits."""
    variance = Fraction(9)
    table, fine = sampling._table(variance, 64), sampling._table(variance, 128)
    word = {"first": table.low[1], "middle": table.low[table.reach], "last": table.low[-2], "lowest word": 0, "highest word": 2**64 - 1}[
        place
    ]
    assert table.find(word) is None
    found = set()
    for more in (1, 2**63, 2**64 - 2):
        (value,) = sampling.skellam(variance, 1, in_turn(word, more))
        assert value == fine.find(word << 64 | more)
        found.add(int(value))
    assert place in ("lowest word", "highest word") or len(found) == 2


def test_bits_are_drawn_until_they_decide():
    sizes = []

    def zeros_then_some(n):
        sizes.append(n)
        return bytes(n) if len(sizes) < 4 else b"\x77" * n

    (value,) = sampling.skellam(Fraction(2), 1, zeros_then_some)
    assert sizes == [8] * 4
    assert value < -30


def test_whole_vectors_agree_with_one_at_a_time():
    variance, draws = Fraction(50), coins("vector")(8 * 2000)
    vector = sampling.skellam(variance, 2000, lambda n: draws)
    table = sampling._table(variance, 64)
    assert vector.tolist() == [table.find(int.from_bytes(draws[i : i + 8], "little")) for i in range(0, len(draws), 8)]


@pytest.mark.parametrize("name", ["variance 1/2", "variance 21/7", "variance 1000"])
def test_vector(name):
    vector = json.loads(VECTORS.read_text())[name]
    variance = Fraction(vector["variance"])
    draws = sampling.skellam(variance, len(vector["values"]), lambda n: bytes.fromhex(vector["coins"])[:n])
    assert draws.tolist() == vector["values"]


@given(st.fractions("0.01", 1000), st.integers(1, 200))
def test_reach_is_far_enough(variance, rarity):
    x = sampling.reach(variance, rarity)
    assert x * x / (2 * (float(variance) + x / 3)) >= rarity * (1 - 1e-12)


def test_the_largest_table_serves_a_hundred_thousand_entries():
    noise = dp.SharedNoise("1.0", "1e-6", l1=4000, **SHARED)
    assert 2**24 < noise.variance < 2**30
    started = time.process_time()
    draws = noise.draw(100_000)
    assert time.process_time() - started < 20  # about a second; a sampler of one at a time would take minutes
    assert draws.var() == pytest.approx(float(noise.variance), rel=SIGMAS * math.sqrt(2 / 100_000))


# --- enough noise


@given(st.fractions("0.1", 10), st.integers(1, 30), st.integers(0, 5), st.integers(1, 30), st.integers(1, 10))
@settings(max_examples=15)
def test_the_honest_survivors_alone_are_enough(epsilon, honest, colluding, l1, hospitals):
    noise = dp.SharedNoise(epsilon, "1e-6", survivors=honest + colluding, colluding=colluding, l1=l1, l2_squared=l1, hospitals=hospitals)
    assert noise.loss.epsilon("1e-6") <= epsilon <= noise.loss.epsilon("1e-6") * (1 + 1e-4)
    alone = dp.SharedNoise(epsilon, "1e-6", survivors=1, colluding=0, l1=l1, l2_squared=l1, hospitals=hospitals)
    assert honest * noise.variance == pytest.approx(alone.variance, rel=1e-5)


def test_hospitals_cost_their_square():
    one, three = (dp.SharedNoise("1.0", "1e-6", hospitals=m, **SHARED) for m in (1, 3))
    assert three.sd(8) == pytest.approx(3 * one.sd(8), rel=0.05)


def test_the_total_of_those_who_stay_has_the_noise_that_is_stated():
    noise = dp.SharedNoise("1.0", "1e-6", **SHARED)
    for nodes in (7, 8, 10):
        total = sum(noise.draw(MANY) for _ in range(nodes))
        assert fits(total, skellam_pmf(nodes * noise.variance))
        assert total.std() == pytest.approx(noise.sd(nodes), rel=0.02)


@pytest.mark.parametrize("epsilon, delta", [("0.3", "1e-9"), ("1.0", "1e-6"), ("4.0", "0.001")])
@pytest.mark.parametrize("hospitals", [1, 3])
def test_the_true_delta_is_below_what_was_asked(epsilon, delta, hospitals):
    """By its definition: the sum of p - e^epsilon q where that is above zero, for the variance of the honest alone."""
    noise = dp.SharedNoise(epsilon, delta, hospitals=hospitals, **SHARED)
    k = np.arange(-700, 701)
    p, q = skellam_pmf(7 * noise.variance)(k), skellam_pmf(7 * noise.variance)(k - hospitals)
    assert np.maximum(0, p - math.exp(float(epsilon)) * q).sum() <= float(delta)


def test_neighbours_look_alike_to_the_coordinator_and_a_colluder():
    """Eight of ten are left and one of them tells its part: seven parts hide one person."""
    noise = dp.SharedNoise("1.0", "1e-6", **SHARED)
    ours, theirs = (exact + sum(noise.draw(MANY) for _ in range(7)) for exact in (100, 101))
    assert respects(ours, theirs, 1.0)
    fewer = [exact + noise.draw(4 * MANY) for exact in (100, 101)]
    assert not respects(*fewer, 1.0)


def test_tails_hold():
    noise = dp.SharedNoise("1.0", "1e-6", **SHARED)
    far = noise.tail("0.001", nodes=10)
    beyond = (np.abs(sum(noise.draw(MANY) for _ in range(10))) > far).sum()
    assert beyond <= MANY * 0.001 + SIGMAS * math.sqrt(MANY * 0.001)
    assert far < noise.tail("0.001", nodes=11) < noise.tail("1e-9", nodes=11, entries=1000)


@pytest.mark.parametrize("survivors, colluding", [(1, 1), (3, 4)])
def test_somebody_must_be_honest(survivors, colluding):
    with pytest.raises(UsageError, match="nobody is left"):
        dp.SharedNoise("1.0", "1e-6", survivors=survivors, colluding=colluding)


def test_squares_are_no_more_than_the_square_of_the_sum():
    with pytest.raises(UsageError, match="l2_squared must be"):
        dp.SharedNoise("1.0", "1e-6", l1=3, l2_squared=10, **SHARED)


def test_steps_may_be_too_fine():
    with pytest.raises(UsageError, match="larger steps"):
        dp.SharedNoise("1.0", "1e-6", l1=2**20, **SHARED)


def test_a_total_of_too_few_is_not_called_private():
    noise = dp.SharedNoise("1.0", "1e-6", **SHARED)
    with pytest.raises(UsageError, match="too little noise"):
        noise.release([1, 2], nodes=7)
    release = noise.release([100, -3], nodes=9)
    assert str(release) == "100, -3 ± 5.3 persons  (ε 1, δ 1e-06)"


# --- through a secure sum


@pytest.mark.parametrize("bits", [32, 64, 128])
def test_ten_hospitals_two_of_which_are_lost(bits):
    fed = federation(10)
    noise = dp.SharedNoise("1.0", "1e-6", survivors=fed.terms.threshold, colluding=fed.terms.colluding, l1=2)
    round = one_round(vectors=(secagg.Vector("v", bits, 500),))
    rng = np.random.default_rng(1)
    counts = {name: rng.integers(0, 50, 500) for name in fed.names}
    words = {name: {"v": ring(bits).embed(counts[name] + noise.draw(500))} for name in fed.names}
    lost = {"h03": "upload", "h07": "upload"}
    run = open_first(fed, round, words, lost)
    opened = secagg.total(run.tally, run.reveals, run.payloads).totals["v"]
    code = FixedPoint(50.0, 10, bits, tail=float(noise.tail("1e-9", nodes=10, entries=500)))
    total = np.rint(code.decode(ring(bits).from_bytes(opened, 500)) / code.step).astype(np.int64)
    exact = sum(counts[name] for name in fed.names if name not in lost)
    assert (np.abs(total - exact) <= noise.tail("1e-9", nodes=8, entries=500)).all()
    assert (total - exact).std() == pytest.approx(noise.sd(8), rel=SIGMAS / math.sqrt(2 * 500))
    assert noise.release(total, nodes=8).loss.epsilon("1e-6") <= 1
