"""Products and truncations of shared numbers: right, within the stated error, from material that is used once, and opened values uniform."""

from __future__ import annotations

import copy
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import PeerError, UsageError
from mpc import sharing
from mpc.sharing.numbers import F61, Z32, Z64, Z128
from mpc.sharing.once import Once
from mpc.sharing.products import factors
from tests.mpc.secure_sum import coins

NAMES = ("a", "b", "c")
SCHEMES = (*(sharing.Additive(NAMES, numbers) for numbers in (Z32, Z64, Z128, F61)), sharing.Shamir(NAMES, 2))
VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "sharing" / "protocols.json").read_text())
CHI = 414.5  # scipy.stats.chi2.isf(1e-9, 255)


def every_scheme(function):
    return pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: f"{type(s).__name__} {s.numbers}")(function)


def opened(scheme, steps, *, seen=None):
    """What all parties open at the end of their *steps*, a generator for each; they agree."""

    def party(me):
        (value,) = yield from sharing.reveal(scheme.seat(me), (yield from steps(me)))
        return value

    results = list(sharing.run({me: party(me) for me in scheme.parties}, seen=seen).values())
    assert all((result == results[0]).all() for result in results)
    return results[0]


def product(scheme, x, y, kind="elements", *, seen=None):
    xs, ys = scheme.split(x), scheme.split(y)
    triples = sharing.Dealer("dealer", scheme).triple(
        {
            "elements": scheme.numbers.shape(x),
            "vectors": scheme.numbers.shape(x),
            "matrices": (*scheme.numbers.shape(x), scheme.numbers.shape(y)[-1]),
        }[kind],
        kind,
    )
    return opened(scheme, lambda me: sharing.multiply(xs[me], ys[me], triples[me]), seen=seen)


def halved(scheme, x, masks, *, seen=None):
    xs = scheme.split(x)
    return opened(scheme, lambda me: sharing.truncate(xs[me], masks[me].digits, masks[me]), seen=seen)


def signed(numbers, words):
    flat = np.ascontiguousarray(words).reshape(-1, *numbers.words)
    values = [low | high << 64 for low, high in flat.tolist()] if numbers is Z128 else flat.tolist()
    return [v - numbers.modulus if v > numbers.modulus // 2 else v for v in values]


def write(numbers, values):
    return np.stack([numbers.integer(v) for v in values])


@every_scheme
@given(seed=st.integers(0, 2**32), n=st.integers(0, 4), k=st.integers(1, 4), m=st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_products_are_those_of_the_numbers(scheme, seed, n, k, m):
    numbers, rand = scheme.numbers, coins(str(seed))
    a, b, v, w = (numbers.uniform(shape, rand) for shape in ((n, k), (k, m), (k,), (k,)))
    assert (product(scheme, a, b, "matrices") == numbers.matmul(a, b)).all()
    assert (product(scheme, v, w, "vectors") == numbers.dot(v, w)).all()
    assert (product(scheme, a, a) == numbers.mul(a, a)).all()


def edges(numbers, data, digits):
    most = 2 ** (numbers.bits - 2)
    near = [0, 1, -1, 2**digits, -(2**digits), 2**digits - 1, most - 1, -most]
    return data.draw(
        st.lists(st.one_of(st.integers(-most, most - 1), st.sampled_from([v for v in near if -most <= v < most])), min_size=1, max_size=8)
    )


@every_scheme
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_truncation_errs_by_less_than_one_unit_in_the_last_place(scheme, data):
    """Anywhere in the range, for any digits: floor or floor and one; one unit in full modulo 2^61 - 1."""
    digits = data.draw(st.integers(1, scheme.numbers.bits - 2))
    values = edges(scheme.numbers, data, digits)
    result = halved(scheme, write(scheme.numbers, values), sharing.Dealer("dealer", scheme).mask((len(values),), digits))
    for value, got in zip(values, signed(scheme.numbers, result), strict=True):
        error = abs(got - Fraction(value, 2**digits))
        assert error <= 1 if scheme.numbers is F61 else error < 1


@pytest.mark.parametrize("scheme", SCHEMES[1:], ids=lambda s: f"{type(s).__name__} {s.numbers}")
def test_truncation_never_fails_near_the_end_of_the_range(scheme):
    """100,000 numbers that need all but two bits: a truncation that guesses the carry would spoil every second or fourth of them."""
    numbers, count = scheme.numbers, 100_000
    value = 2 ** (numbers.bits - 2) - 1
    result = halved(
        scheme, np.broadcast_to(numbers.integer(value), (count, *numbers.words)), sharing.Dealer("dealer", scheme).mask((count,), 20)
    )
    assert np.abs(numbers.decode(result, 1) * 2 - value / 2**20).max() <= 1 + value / 2**20 * 2.0**-52


@pytest.mark.parametrize("scheme", SCHEMES[1:3], ids=lambda s: str(s.numbers))
@pytest.mark.parametrize("fraction", [1, 64, 200])
def test_truncation_rounds_up_as_often_as_the_fraction_says(scheme, fraction):
    """Of 20,000 numbers -3 + fraction / 256: binomial, within 6.2 sigma, so a false alarm once in 10^9 runs, six times."""
    count, p = 20_000, fraction / 256
    numbers = scheme.numbers
    x = np.broadcast_to(numbers.integer(-3 * 256 + fraction), (count, *numbers.words))
    result = numbers.decode(halved(scheme, x, sharing.Dealer("dealer", scheme).mask((count,), 8)), 1) * 2
    assert set(result.tolist()) <= {-3.0, -2.0}
    assert abs((result == -2).sum() - count * p) < 6.2 * (count * p * (1 - p)) ** 0.5


@pytest.mark.parametrize("numbers", [Z64, Z128, F61], ids=repr)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_masks_of_the_parties_own_need_no_dealer(numbers, data):
    """Each party's part is one unit of the error's bound."""
    scheme, digits = sharing.Additive(NAMES, numbers), data.draw(st.integers(1, 12))
    values = data.draw(st.lists(st.integers(-(2**15) + 1, 2**15 - 1), min_size=1, max_size=8))
    parts = [sharing.contribute(scheme, (len(values),), digits, size=15) for _ in NAMES]
    masks = {me: sharing.together([part[me] for part in parts]) for me in NAMES}
    for value, got in zip(values, signed(numbers, halved(scheme, write(numbers, values), masks)), strict=True):
        assert -1 <= got - Fraction(value, 2**digits) < len(NAMES)


@pytest.mark.parametrize("numbers, most", [(Z64, 19), (Z128, 83), (F61, 16)], ids=repr)
def test_masks_of_the_parties_own_hide_to_the_last_bit_allowed(numbers, most):
    """Each one's part is uniform below 2^free: the highest part is above half of it, and none reaches it."""
    scheme = sharing.Additive(NAMES, numbers)
    sharing.contribute(scheme, (1,), 4, size=most)
    with pytest.raises(UsageError, match=f"size must be in 1..{most} for 3 parties"):
        sharing.contribute(scheme, (1,), 4, size=most + 1)
    parts = sharing.contribute(scheme, (500,), 1, size=1)
    r = signed(numbers, scheme.join({me: mask.take()[0] for me, mask in parts.items()}))
    free = most + 41
    assert 2 ** (free - 1) < max(r) < 2**free and min(r) >= 0


@pytest.mark.parametrize("numbers", [Z32, Z64, Z128, F61], ids=repr)
@pytest.mark.parametrize("protocol", ["multiply", "truncate", "truncate with own masks"])
def test_what_is_opened_on_the_way_looks_uniform(numbers, protocol):
    """Highest byte (of own masks one below their reach), 256 bins, 25,600 draws of constants: beyond CHI once in 10^9 runs, a dozen times."""
    scheme, count, seen, top = sharing.Additive(NAMES, numbers), 25_600, [], numbers.bits - 8
    x = np.broadcast_to(numbers.integer(5), (count, *numbers.words))
    if protocol == "multiply":
        product(scheme, x, x, seen=seen)
    elif protocol == "truncate":
        halved(scheme, x, sharing.Dealer("dealer", scheme).mask((count,), 2), seen=seen)
    elif numbers is Z32:
        return
    else:  # one party is honest, and what it adds is uniform below the offset's quarter
        parts = sharing.contribute(scheme, (count,), 2, size=1)
        halved(scheme, x, parts, seen=seen)
        top -= 4
    for i in range(len(seen[0]["a"].values)):
        value = scheme.join({me: said.values[i] for me, said in seen[0].items()})
        high = numbers.shift(value, top)
        counts = np.bincount((high[:, 0] if numbers.words else high).astype(np.int64) & 255, minlength=256)
        assert (((counts - 100) ** 2) / 100).sum() < CHI


def test_vector():
    """A product and a truncation of two parties with fixed coins: every message and share, computed with Python's integers."""
    scheme = sharing.Additive(["a", "b"])
    draws = iter(VECTOR["coins"])
    dealer = sharing.Dealer("dealer", scheme, lambda n: next(draws).to_bytes(n, "little"))
    triple, mask = dealer.triple(()), dealer.mask((), VECTOR["digits"])
    x, y = ({me: np.array(VECTOR[v][me], np.uint64) for me in "ab"} for v in "xy")
    seen = []

    def party(me):
        z = yield from sharing.multiply(x[me], y[me], triple[me])
        return (yield from sharing.truncate(z, VECTOR["digits"], mask[me]))

    results = sharing.run({me: party(me) for me in "ab"}, seen=seen)
    assert [{me: [int(v) for v in said.values] for me, said in heard.items()} for heard in seen] == VECTOR["broadcasts"]
    assert {me: int(v) for me, v in results.items()} == VECTOR["result"]
    assert int(scheme.join(results)) == VECTOR["opens"]


# --- used once


def test_a_triple_is_spent_by_its_product():
    triple = sharing.Dealer("dealer", SCHEMES[1]).triple((2,))["a"]
    x = Z64.zeros((2,))
    next(sharing.multiply(x, x, triple))
    with pytest.raises(UsageError, match="this triple is spent"):
        next(sharing.multiply(x, x, triple))


def test_a_mask_is_spent_by_its_truncation():
    mask = sharing.Dealer("dealer", SCHEMES[1]).mask((2,), 4)["a"]
    next(sharing.truncate(Z64.zeros((2,)), 4, mask))
    with pytest.raises(UsageError, match="this mask is spent"):
        next(sharing.truncate(Z64.zeros((2,)), 4, mask))


def test_a_wrong_call_spends_nothing():
    dealer, x = sharing.Dealer("dealer", SCHEMES[1]), Z64.zeros((2,))
    triple, mask = dealer.triple((2,))["a"], dealer.mask((2,), 4)["a"]
    for call in (sharing.multiply(x, x[:1], triple), sharing.truncate(x[:1], 4, mask), sharing.truncate(x, 3, mask)):
        with pytest.raises(UsageError, match="is for"):
            next(call)
    next(sharing.multiply(x, x, triple))
    next(sharing.truncate(x, 4, mask))


def test_nothing_secret_prints():
    dealer = sharing.Dealer("dealer", SCHEMES[1])
    assert repr(dealer.triple((2,))["a"]) == "Triple(a, elements, (2,) x (2,))"
    assert repr(dealer.mask((2,), 4)["b"]) == "Mask(b, 4 digits, (2,))"
    assert repr(sharing.Broadcast(Z64.zeros((2,)))) == "Broadcast()"


# --- refusals


@pytest.mark.parametrize("call, says", [
    (lambda: sharing.Dealer("b", SCHEMES[0]), "b takes part in the computation"), (lambda: factors("vectors", (2, 2)), "a product is of elements"),
    (lambda: factors("matrices", (2, 2)), "a product is of elements"), (lambda: factors("columns", (2,)), "a product is of elements"), (lambda: sharing.Dealer("d", SCHEMES[1]).mask((1,), 63), "digits must be in 1..62"),
    (lambda: sharing.contribute(SCHEMES[1], (1,), 0, size=3), "digits must be in"), (lambda: sharing.contribute(SCHEMES[1], (1,), 4, size=0), "size must be in"),
    (lambda: next(sharing.reveal(SCHEMES[1].seat("a"), np.zeros(2))), "array of uint64"),
    (lambda: next(sharing.truncate(Z64.zeros((2,)), 20, sharing.Dealer("d", SCHEMES[1]).mask((2,), 10)["a"])), r"is for 10 digits of numbers of shape \(2,\), not for 20 of \(2,\): ask the dealer for mask\(\(2,\), 20\)"),
    (lambda: sharing.run({"a": 5}), "the side of a is a generator, .* got int"), (lambda: sharing.run({"a": iter([])}), "got list_iterator"), (lambda: sharing.run({"a": opened}), "got function"),
])  # fmt: skip
def test_wrong_calls(call, says):
    with pytest.raises(UsageError, match=says):
        call()


def test_parts_of_masks_must_be_one_from_each_party():
    first, second, third = (sharing.contribute(SCHEMES[1], (2,), digits, size=3) for digits in (4, 4, 5))
    for parts in ([first["a"], second["a"]], [first["a"], second["a"], third["a"]], [first["a"], second["a"], second["b"]]):
        with pytest.raises(UsageError, match="one part of the same kind from each"):
            sharing.together(parts)


def test_parties_that_run_different_protocols_are_stopped():
    def short(me):
        yield from sharing.reveal(SCHEMES[1].seat(me), Z64.zeros((1,)))

    def long(me):
        yield from short(me)
        yield from short(me)

    with pytest.raises(UsageError, match="a, c ended while others wait"):
        sharing.run({"a": short("a"), "b": long("b"), "c": short("c")})


@pytest.mark.parametrize(
    "said",
    [
        (),
        (Z64.zeros((2,)),),
        (Z64.zeros((2,)),) * 3,
        (Z64.zeros((2,)), Z64.zeros((3,))),
        (Z64.zeros((2,)), b"no"),
        (Z32.zeros((2,)), Z64.zeros((2,))),
    ],
)
@every_scheme
def test_a_message_that_is_no_share_names_its_party(scheme, said):
    right = (scheme.numbers.zeros((2,)), scheme.numbers.zeros((4,)))
    step = sharing.reveal(scheme.seat("a"), *right)
    mine = next(step)
    with pytest.raises(PeerError, match="holds no shares of these numbers") as caught:
        step.send({"a": mine, "b": sharing.Broadcast(*said), "c": mine})
    assert caught.value.facts["party"] == "b"


def test_shamir_notices_a_false_share_of_a_masked_factor():
    """Three parties, threshold two: noticed; the liar cannot be told. Five: told."""
    for names, says in ((NAMES, "too few to tell"), ("abcde", "false shares came from b")):
        scheme = sharing.Shamir(tuple(names), 2)
        x = scheme.split(F61.encode([2.0], 8))
        triples = sharing.Dealer("dealer", scheme).triple((1,))
        steps = {me: sharing.multiply(x[me], x[me], triples[me]) for me in names}
        said = {me: next(step) for me, step in steps.items()}
        d, e = said["b"].values
        said["b"] = sharing.Broadcast(F61.add(d, F61.integer(1)), e)
        with pytest.raises(PeerError, match=says):
            steps["a"].send(said)


@every_scheme
def test_results_of_protocols_are_shares_and_what_is_opened_is_none(scheme):
    dealer, x = sharing.Dealer("dealer", scheme), scheme.split(scheme.numbers.integer(1024))
    triple, mask, got = dealer.triple(()), dealer.mask((), 4), {}

    def party(me):
        got[me] = yield from sharing.multiply(x[me], x[me], triple[me])
        got[me, "cut"] = yield from sharing.truncate(got[me], 4, mask[me])
        (result,) = yield from sharing.reveal(scheme.seat(me), got[me, "cut"])
        return result

    results = sharing.run({me: party(me) for me in scheme.parties})
    assert all(isinstance(share, sharing.Share) for share in got.values())
    assert not any(isinstance(result, sharing.Share) for result in results.values())


def test_shamir_goes_on_without_a_party_that_is_gone():
    scheme = sharing.Shamir(NAMES, 2)
    x = scheme.split(F61.encode([2.0], 8))
    triples = sharing.Dealer("dealer", scheme).triple((1,))

    def party(me):
        (z,) = yield from sharing.reveal(scheme.seat(me), (yield from sharing.multiply(x[me], x[me], triples[me])))
        return F61.decode(z, 16).tolist()

    assert sharing.run({me: party(me) for me in "ac"}) == {"a": [4.0], "c": [4.0]}


def test_a_whole_size_once():
    """A million products modulo 2^64, and a matrix product, with truncation, against floating point."""
    scheme, rng = SCHEMES[1], np.random.default_rng(5)
    x, y = rng.normal(size=1_000_000) * 100, rng.normal(size=1_000_000) * 100
    xs, ys = (scheme.split(Z64.encode(v, 20)) for v in (x, y))
    dealer = sharing.Dealer("dealer", scheme)
    triples, masks = dealer.triple(x.shape), dealer.mask(x.shape, 20)

    def steps(me):
        z = yield from sharing.multiply(xs[me], ys[me], triples[me])
        return (yield from sharing.truncate(z, 20, masks[me]))

    error = Z64.decode(opened(scheme, steps), 20) - x * y
    assert np.abs(error).max() < (np.abs(x) + np.abs(y)).max() * 2.0**-21 + 2.0**-20 * 1.01


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_what_serves_once_is_not_copied(copied):
    with pytest.raises(UsageError, match="neither copied nor pickled"):
        copied(Once(5))
