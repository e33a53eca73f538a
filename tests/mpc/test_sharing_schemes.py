"""Additive and Shamir sharing: any shares that should do do, fewer say nothing, false ones are noticed, named, corrected."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import PeerError, UsageError
from mpc import sharing
from mpc.sharing import decoding
from mpc.sharing.numbers import F61, PRIME, Z32, Z64, Z128
from tests.mpc.secure_sum import coins

ALL = (Z32, Z64, Z128, F61)
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sharing" / "schemes.json").read_text())
CHI = 414.5  # scipy.stats.chi2.isf(1e-9, 255)


def names(n):
    return [f"p{i}" for i in range(n)]


@pytest.mark.parametrize("numbers", ALL, ids=repr)
@given(n=st.integers(2, 6), shape=st.sampled_from([(), (0,), (3,), (2, 3), (1, 2, 2)]), data=st.data())
@settings(max_examples=30, deadline=None)
def test_all_additive_shares_join_and_add(numbers, n, shape, data):
    scheme, rand = sharing.Additive(names(n), numbers), coins(str(data.draw(st.integers())))
    a, b = numbers.uniform(shape, rand), numbers.uniform(shape, rand)
    x, y = scheme.split(a, rand=rand), scheme.split(b, rand=rand)
    assert (scheme.join(x) == a).all()
    assert (scheme.join({p: numbers.add(x[p], y[p]) for p in x}) == numbers.add(a, b)).all()
    assert (scheme.join({p: scheme.public(a, p) for p in x}) == a).all()


@given(n=st.integers(2, 7), shape=st.sampled_from([(), (3,), (2, 3)]), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_threshold_shares_join(n, shape, data):
    threshold, rand = data.draw(st.integers(2, n)), coins(str(data.draw(st.integers())))
    scheme, a = sharing.Shamir(names(n), threshold), F61.uniform(shape, rand)
    shares = scheme.split(a, rand=rand)
    chosen = data.draw(st.permutations(scheme.parties))[: data.draw(st.integers(threshold, n))]
    assert (scheme.join({p: shares[p] for p in chosen}) == a).all()
    assert (scheme.join({p: scheme.public(a, p) for p in chosen}) == a).all()


@given(n=st.integers(3, 9), data=st.data())
@settings(max_examples=80, deadline=None)
def test_false_shares_are_corrected_and_named(n, data):
    threshold, rand = data.draw(st.integers(2, n)), coins(str(data.draw(st.integers())))
    scheme, a = sharing.Shamir(names(n), threshold), F61.uniform((4,), rand)
    shares = scheme.split(a, rand=rand)
    liars = sorted(data.draw(st.permutations(scheme.parties))[: data.draw(st.integers(0, (n - threshold) // 2))])
    for liar in liars:  # in one entry, or in all of them
        shares[liar] = np.array(shares[liar])
        shares[liar][: data.draw(st.sampled_from([1, 4]))] ^= np.uint64(1)
    numbers, named = scheme.correct(shares)
    assert (numbers == a).all()
    assert named == tuple(liars)
    if liars:
        with pytest.raises(PeerError, match="false shares came from") as caught:
            scheme.join(shares)
        assert caught.value.facts["parties"] == liars


@pytest.mark.parametrize("method", ["join", "correct"])
@pytest.mark.parametrize("n, threshold, false", [(3, 2, 1), (4, 3, 1), (6, 3, 2), (6, 2, 3), (5, 2, 5)])
def test_too_many_false_shares_are_noticed(n, threshold, false, method):
    scheme, rand = sharing.Shamir(names(n), threshold), coins("many")
    shares = scheme.split(F61.uniform((5,), rand), rand=rand)
    for liar in scheme.parties[:false]:
        shares[liar] = F61.uniform((5,), rand)
    with pytest.raises(PeerError, match="too few to tell which"):
        getattr(scheme, method)(shares)


def test_a_share_that_hides_in_the_random_sum_is_still_noticed(monkeypatch):
    """With factors of zero in the random sum every share passes there; the look at all entries finds the false one."""
    scheme, rand = sharing.Shamir(names(5), 2), coins("hides")
    shares = scheme.split(F61.uniform((3,), rand), rand=rand)
    shares["p3"] = F61.uniform((3,), rand)
    monkeypatch.setattr(type(F61), "uniform", lambda self, shape, rand=None: self.zeros(shape))
    with pytest.raises(PeerError, match="do not fit together"):
        scheme.correct(shares)


@given(st.lists(st.integers(0, 16), min_size=4, max_size=7), st.integers(2, 4))
@settings(max_examples=300, deadline=None)
def test_decoding_finds_the_one_near_polynomial_or_none(values, threshold):
    """Against a search over all subsets, modulo 17, for words that may be near no polynomial at all."""
    points, most = list(range(1, len(values) + 1)), (len(values) - threshold) // 2
    near = set()
    for chosen in itertools.combinations(range(len(values)), threshold):
        xs = tuple(points[i] for i in chosen)
        wrong = []
        for i, x in enumerate(points):
            if x not in xs:
                expected = sum(w * values[j] for w, j in zip(decoding_weights(xs, x), chosen, strict=True)) % 17
                wrong += [i] * (expected != values[i])
        if len(wrong) <= most:
            near.add(tuple(wrong))
    found = decoding.errors(points, values, threshold=threshold, prime=17)
    assert near == (set() if found is None else {tuple(found)})


def decoding_weights(xs, at):
    from mpc.sharing.lagrange import weights

    return weights(xs, 17, at=at)


# --- vectors


@pytest.mark.parametrize("case", VECTORS["shamir"], ids=lambda c: c["source"])
def test_shamir_vectors(case):
    scheme = sharing.Shamir(names(case["parties"]), case["threshold"])
    draws = iter(case["coefficients"])  # the highest first
    shares = scheme.split(np.array(case["secret"], np.uint64), rand=lambda n: (next(draws) << 3).to_bytes(n, "little"))
    assert [int(shares[p]) for p in scheme.parties] == case["shares"]
    assert int(scheme.join(shares)) == case["secret"]


@pytest.mark.parametrize("case", VECTORS["additive"], ids=lambda c: f"2^{c['bits']}")
def test_additive_vectors(case):
    numbers = {32: Z32, 64: Z64, 128: Z128, 61: F61}[case["bits"]]
    scheme = sharing.Additive(names(len(case["shares"])), numbers)
    draws = iter(case["coins"])
    secret = np.asarray(numbers.from_bytes(bytes.fromhex(case["secret"]), (1,)))
    shares = scheme.split(secret, rand=lambda n: bytes.fromhex(next(draws)))
    assert [numbers.to_bytes(shares[p]).hex() for p in scheme.parties] == case["shares"]
    assert (scheme.join(shares) == secret).all()


# --- what shares say


@pytest.mark.parametrize(
    "scheme",
    [*(sharing.Additive(names(2), numbers) for numbers in ALL), sharing.Shamir(names(2), 2)],
    ids=lambda s: f"{type(s).__name__} {s.numbers}",
)
def test_each_share_of_a_constant_looks_uniform(scheme):
    """Highest byte of each party's share, 256 bins, 25,600 draws: beyond CHI at 255 degrees of freedom once in 10^9 runs, ten times."""
    numbers = scheme.numbers
    shares = scheme.split(np.broadcast_to(numbers.integer(77), (25600, *numbers.words)))
    for share in shares.values():
        high = numbers.shift(np.asarray(share), numbers.bits - 8)
        counts = np.bincount((high[:, 0] if numbers.words else high).astype(np.int64), minlength=256)
        assert (((counts - 100) ** 2) / 100).sum() < CHI


def test_too_few_shamir_shares_fit_every_secret():
    """Perfect hiding, counted: two shares of three fit each secret, with one polynomial."""
    scheme = sharing.Shamir(names(3), 3)
    seen = scheme.split(F61.encode([12.5], 10), rand=coins("hide"))
    for secret in (0, 1, PRIME - 1):
        rows = [[x, x * x] for x in (1, 2)]
        right = [(int(seen[p][0]) - secret) % PRIME for p in ("p0", "p1")]
        determinant = (rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]) % PRIME
        inverse = pow(determinant, -1, PRIME)
        high = (rows[0][0] * right[1] - rows[1][0] * right[0]) * inverse % PRIME
        low = (rows[1][1] * right[0] - rows[0][1] * right[1]) * inverse % PRIME
        draws = iter([high, low])
        again = scheme.split(np.array([secret], np.uint64), rand=lambda n, draws=draws: (next(draws) << 3).to_bytes(n, "little"))
        assert all(np.array_equal(again[p], seen[p]) for p in ("p0", "p1"))


# --- refusals

ADDITIVE, SHAMIR = sharing.Additive(names(3)), sharing.Shamir(names(3), 2)
GOOD = {p: Z64.zeros((2,)) for p in names(3)}


@pytest.mark.parametrize("call, says", [
    (lambda: sharing.Additive(["a"]), "2..1000 parties"), (lambda: sharing.Additive(["a", "a"]), "different names"), (lambda: sharing.Additive("abc"), "2..1000 parties"),
    (lambda: sharing.Shamir(names(3), 1), "threshold must be in 2..3"), (lambda: sharing.Shamir(names(3), 4), "threshold must be in 2..3"),
    (lambda: sharing.Shamir(names(3), 2, Z64), "modulo 2\\^64 the differences of points are not all invertible"),
    (lambda: ADDITIVE.split(np.zeros(3)), "array of uint64"), (lambda: SHAMIR.split(np.full(3, PRIME, np.uint64)), "modulo 2\\^61"),
    (lambda: ADDITIVE.join({p: GOOD[p] for p in ("p0", "p1")}), "shares of 3 parties, got 2"), (lambda: SHAMIR.join({"p0": GOOD["p0"]}), "shares of 2 parties, got 1"),
    (lambda: SHAMIR.correct({}), "shares of 2 parties, got 0"), (lambda: SHAMIR.seat("q"), "q is not a party"),
])  # fmt: skip
def test_wrong_calls(call, says):
    with pytest.raises(UsageError, match=says):
        call()


@pytest.mark.parametrize("scheme", [ADDITIVE, SHAMIR], ids=["additive", "shamir"])
@pytest.mark.parametrize("false", [Z64.zeros((3,)), Z64.zeros((2, 1)), np.zeros(2), Z32.zeros((2,)), [0, 0], None, b"16 bytes in total"])
def test_a_misshapen_share_names_its_party(scheme, false):
    with pytest.raises(PeerError, match="misshapen") as caught:
        scheme.join({**GOOD, "p1": false})
    assert caught.value.facts["party"] == "p1"


def test_an_element_out_of_the_field_names_its_party():
    with pytest.raises(PeerError, match="misshapen") as caught:
        SHAMIR.join({**GOOD, "p2": np.array([0, PRIME], np.uint64)})
    assert caught.value.facts["party"] == "p2"


@pytest.mark.parametrize("scheme", [ADDITIVE, SHAMIR], ids=["additive", "shamir"])
def test_a_stranger_is_named(scheme):
    with pytest.raises(PeerError, match="not a party") as caught:
        scheme.join({**GOOD, "q": GOOD["p0"]})
    assert caught.value.facts["party"] == "q"


def test_shares_that_are_no_arrays_at_all_are_refused():
    with pytest.raises(PeerError, match="misshapen"):
        ADDITIVE.join(dict.fromkeys(names(3)))
