"""Discrete Laplace and Gaussian noise: what comes out has the stated distribution, hides one person, and shows its price."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import UsageError
from mpc import dp
from tests.mpc.dp_checks import SIGMAS, fits, respects

MANY = 60_000
ZEROS = np.zeros(MANY, np.int64)


def laplace_pmf(scale):
    return lambda k: np.exp(-np.abs(k) / scale) * math.tanh(1 / (2 * scale))


def gaussian_pmf(scale):
    far = np.arange(-40 * math.ceil(scale), 40 * math.ceil(scale) + 1)
    return lambda k: np.exp(-(k**2) / (2 * scale**2)) / np.exp(-(far**2) / (2 * scale**2)).sum()


@pytest.mark.parametrize("epsilon, sensitivity, hospitals", [("1.0", 1, 1), ("3", 1, 1), ("0.5", 2, 3)])
def test_laplace_noise_has_its_distribution(epsilon, sensitivity, hospitals):
    noise = dp.Laplace(epsilon, sensitivity=sensitivity, hospitals=hospitals)
    assert noise.scale == pytest.approx(sensitivity * hospitals / float(epsilon))
    values = noise.release(ZEROS).values
    assert fits(values, laplace_pmf(noise.scale))
    assert not fits(values, laplace_pmf(noise.scale * 1.1))
    assert values.var() == pytest.approx(noise.sd**2, rel=0.1)


@pytest.mark.parametrize("epsilon, l2_squared, hospitals", [("4", 1, 1), ("1.0", 3, 2)])
def test_gaussian_noise_has_its_distribution(epsilon, l2_squared, hospitals):
    noise = dp.Gaussian(epsilon, "1e-6", l2_squared=l2_squared, hospitals=hospitals)
    values = noise.release(ZEROS).values
    assert fits(values, gaussian_pmf(noise.scale))
    assert not fits(values, gaussian_pmf(noise.scale * 1.1))


def test_neighbours_look_alike():
    one, other = np.full(MANY, 10), np.full(MANY, 11)
    noise = dp.Laplace("1.0")
    ours, theirs = noise.release(one).values, noise.release(other).values
    assert respects(ours, theirs, 1.0)
    assert not respects(ours, theirs, 0.7)


def test_a_person_in_three_hospitals_is_hidden_too():
    one, other = np.full(MANY, 10), np.full(MANY, 13)
    assert respects(*(dp.Laplace("1.0", hospitals=3).release(x).values for x in (one, other)), 1.0)
    assert not respects(*(dp.Laplace("1.0").release(x).values for x in (one, other)), 1.0)


@given(st.fractions("0.01", 20), st.integers(1, 50), st.integers(1, 20))
def test_no_noise_costs_more_than_was_asked(epsilon, sensitivity, hospitals):
    laplace = dp.Laplace(epsilon, sensitivity=sensitivity, hospitals=hospitals)
    assert laplace.loss.epsilon() <= epsilon <= laplace.loss.epsilon() * (1 + 1e-7)


@given(st.fractions("0.05", 20), st.sampled_from(["1e-12", "1e-6", "0.01"]), st.integers(1, 50), st.integers(1, 20))
@settings(max_examples=30)
def test_gaussian_noise_is_no_more_than_it_takes(epsilon, delta, l2_squared, hospitals):
    noise = dp.Gaussian(epsilon, delta, l2_squared=l2_squared, hospitals=hospitals)
    assert noise.loss.epsilon(delta) <= epsilon <= noise.loss.epsilon(delta) * (1 + 1e-4)


def test_hospitals_cost_their_square():
    one, three = (dp.Gaussian("1.0", "1e-6", hospitals=m) for m in (1, 3))
    assert three.scale == pytest.approx(3 * one.scale, rel=1e-5)


def test_little_noise_for_a_large_epsilon():
    noise = dp.Gaussian("40", "1e-6")
    assert noise.scale < 0.5
    assert 39.99 < noise.loss.epsilon("1e-6") <= 40


def test_too_small_an_epsilon_for_gaussian_noise():
    with pytest.raises(UsageError, match="too much noise"):
        dp.Gaussian("1e-6", "1e-9")


@pytest.mark.parametrize("noise", [dp.Laplace("0.5"), dp.Gaussian("0.5", "1e-6")])
def test_tails_hold(noise):
    """Failures are binomial with at most this mean, so 6.2 standard deviations above it is once in 10^9 runs or less."""
    far = noise.tail("0.001")
    beyond = (np.abs(noise.release(ZEROS).values) > far).sum()
    assert beyond <= MANY * 0.001 + SIGMAS * math.sqrt(MANY * 0.001)
    assert far < noise.tail("0.001", entries=1000) < noise.tail("1e-9", entries=1000)


def test_noise_beyond_64_bits_is_cut_and_does_not_wrap():
    values = dp.Laplace("1e-6", sensitivity=2**31, hospitals=2**16).release([2**62] * 2000).values
    assert values.max() == 2**63 - 1
    assert values.min() == -(2**63)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_processes_that_fork_do_not_draw_the_same_noise():
    noise = dp.Laplace("1e-6")
    seen = {tuple(noise.release([0] * 4).values.tolist())}
    for _ in range(3):
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            os.write(write, noise.release([0] * 4).values.tobytes())
            os._exit(0)
        os.waitpid(child, 0)
        seen.add(tuple(np.frombuffer(os.read(read, 32), np.int64).tolist()))
        os.close(read)
        os.close(write)
    assert len(seen) == 4


def test_a_release_shows_itself():
    release = dp.noisy_counts([412, 37, 5], "1.0", sensitivity=2)
    first = release.values.tolist()
    assert str(release) == f"{first[0]}, {first[1]}, {first[2]} ± 2.8 persons  (ε 1)"
    assert release._repr_html_() == f"<p>{release}</p>"
    many = dp.Gaussian("1.0", "1e-5").release(range(20), unit="<mg>")
    assert str(many).endswith(", … ± 4.1 <mg>  (ε 1, δ 1e-05)")
    assert str(many).count(", ") == 9
    assert "&lt;mg&gt;" in many._repr_html_()
    assert str(dp.noisy_counts([], 1)).startswith("nothing ± ")
