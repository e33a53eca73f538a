from __future__ import annotations

import itertools
import secrets
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import DecodeError, UsageError
from mpc.sharing.seeds import PRIME, SHARE, element, join, split, split_all
from tests.mpc.secure_sum import coins, secret

CHI = 414.5  # scipy.stats.chi2.isf(1e-9, 255)
SECRETS = st.one_of(st.binary(min_size=32, max_size=32), st.sampled_from([bytes(32), b"\xff" * 32]))


@settings(deadline=None)
@given(SECRETS, st.integers(1, 12), st.integers(0, 5), st.randoms(use_true_random=False))
def test_any_threshold_shares_join(value, threshold, extra, rng):
    points = rng.sample(range(1, 2**31), threshold + extra)
    shares = split(value, points=points, threshold=threshold, rand=coins(str(rng.random())))
    chosen = rng.sample(points, threshold)
    assert join({x: shares[x] for x in chosen}) == value
    assert join(shares) == value


@settings(deadline=None)
@given(st.lists(SECRETS, min_size=1, max_size=5), st.integers(2, 6))
def test_several_at_once_are_each_shared(values, threshold):
    shares = split_all(values, points=range(1, 9), threshold=threshold, rand=coins("several"))
    for i, value in enumerate(values):
        assert join({x: shares[x][i] for x in range(8, 8 - threshold, -1)}) == value


@given(st.integers(2, 6))
def test_one_share_too_few_or_one_false_share_gives_something_else(threshold):
    shares = split(secret("s"), points=range(1, 8), threshold=threshold, rand=coins("few"))
    few = {x: shares[x] for x in range(1, threshold)}
    assert join(few) != secret("s")
    false = {**few, 7: (element(shares[7]) ^ 1).to_bytes(SHARE, "big")}
    assert join(false) != secret("s")


def test_vector():
    """f(x) = s + a x + b x^2 with coins a, b fixed; the highest coefficient is drawn first. Shamir 1979, section 2."""
    numbers = iter([7, 5])
    shares = split((42).to_bytes(32, "big"), points=[1, 2, 10], threshold=3, rand=lambda n: next(numbers).to_bytes(n, "little"))
    assert {x: element(s) for x, s in shares.items()} == {1: 42 + 5 + 7, 2: 42 + 10 + 28, 10: 42 + 50 + 700}


def test_vector_wraps_around_the_prime():
    shares = split(b"\xff" * 32, points=[1, 2], threshold=2, rand=lambda n: (1000).to_bytes(n, "little"))
    assert {x: element(s) for x, s in shares.items()} == {1: (2**256 - 1 + 1000) % PRIME, 2: (2**256 - 1 + 2000) % PRIME}


def test_prime_is_the_next_after_every_secret():
    """A Fermat test is enough to notice a wrong digit."""
    assert pow(3, PRIME - 1, PRIME) == 1
    assert all(pow(3, 2**256 + k - 1, 2**256 + k) != 1 for k in range(1, 297, 2))


def test_one_share_says_nothing():
    """The secret is hidden perfectly: for each secret, some coins give the same threshold - 1 shares."""
    here = split(bytes(32), points=[3], threshold=1, rand=coins("x"))[3]
    assert element(here) == 0
    a, b = 0, 2**255 + 11
    coefficient = 123456789
    moved = (coefficient + (a - b) * pow(3, -1, PRIME)) % PRIME
    one = split(a.to_bytes(32, "big"), points=[3, 4], threshold=2, rand=lambda n: coefficient.to_bytes(n, "little"))
    two = split(b.to_bytes(32, "big"), points=[3, 4], threshold=2, rand=lambda n: moved.to_bytes(n, "little"))
    assert one[3] == two[3]
    assert one[4] != two[4]


def test_a_share_looks_uniform():
    """Top byte of the share of a constant, 256 bins, 25,600 draws: beyond CHI at 255 degrees of freedom once in 10^9 runs."""
    draws = Counter(split(bytes(32), points=[1, 2], threshold=2, rand=secrets.token_bytes)[1][1] for _ in range(25600))
    assert sum((draws[b] - 100) ** 2 / 100 for b in range(256)) < CHI


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: split(bytes(31), points=[1, 2], threshold=2), "secret has 32"),
        (lambda: split(bytes(32), points=[1, 1], threshold=2), "distinct"),
        (lambda: split(bytes(32), points=[0, 1], threshold=2), "distinct"),
        (lambda: split(bytes(32), points=[1, 2**31], threshold=2), "distinct"),
        (lambda: split(bytes(32), points=[1, 2], threshold=3), "threshold must be in 1..2"),
        (lambda: split(bytes(32), points=[1, 2], threshold=0), "threshold must be in 1..2"),
        (lambda: join({}), "at least one share"),
        (lambda: join({0: bytes(33), 1: bytes(33)}), "points above zero"),
    ],
)
def test_wrong_calls(call, says):
    with pytest.raises(UsageError, match=says):
        call()


@pytest.mark.parametrize("share", [bytes(32), bytes(34), PRIME.to_bytes(33, "big"), b"\xff" * 33])
def test_what_is_no_field_element_is_refused(share):
    with pytest.raises(DecodeError, match="field element"):
        join({1: share, 2: bytes(33)})


def test_shares_that_give_no_secret_are_refused():
    with pytest.raises(DecodeError, match="no 32-byte secret"):
        join({1: (2**256 + 5).to_bytes(33, "big")})


def test_every_subset_of_a_small_sharing_agrees():
    shares = split(secret("all"), points=range(1, 7), threshold=3, rand=coins("all"))
    assert {join({x: shares[x] for x in some}) for some in itertools.combinations(range(1, 7), 3)} == {secret("all")}
