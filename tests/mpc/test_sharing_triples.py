"""Triples that the parties make with each other's Paillier keys: right, masked, blinded anew; what is no ciphertext names who sent it."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import numpy as np
import pytest

from governance.errors import PeerError, UsageError
from mpc import sharing
from mpc.he import paillier
from mpc.sharing import triples
from mpc.sharing.numbers import F61, Z32, Z64, Z128
from mpc.sharing.products import times
from tests.mpc.secure_sum import coins

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "sharing" / "triples.json").read_text())
PAIR = sharing.Additive(["a", "b"])


@pytest.fixture(scope="module")
def privates():
    return {name: paillier.generate(2048, profile="fast_short_exponent") for name in "abc"}


def steps(scheme, privates, shape, kind="elements", **kwargs):
    publics = {name: privates[name].public for name in scheme.parties}
    return {me: triples.make(scheme.seat(me), shape, kind, key=privates[me], keys=publics, **kwargs) for me in scheme.parties}


def joined(scheme, made):
    numbers = scheme.numbers
    parts = [t.take(*map(numbers.zeros, t.shapes)) for t in made.values()]
    return tuple(np.asarray(numbers.sum(*part)) for part in zip(*parts, strict=True))


@pytest.mark.parametrize("numbers", [Z32, Z64, Z128, F61], ids=repr)
@pytest.mark.parametrize(
    "kind, shape",
    [("elements", (3, 6)), ("elements", ()), ("elements", (0,)), ("vectors", (5,)), ("matrices", (13, 3, 2)), ("matrices", (1, 1, 1))],
)
def test_two_parties_make_a_triple(privates, numbers, kind, shape):
    scheme = sharing.Additive(["a", "b"], numbers)
    a, b, c = joined(scheme, sharing.run(steps(scheme, privates, shape, kind)))
    assert (times(numbers, kind, a, b) == c).all()


@pytest.mark.parametrize("numbers", [Z32, Z64, Z128, F61], ids=repr)
@pytest.mark.parametrize("kind, shape", [("elements", (40,)), ("matrices", (40, 2, 1))])
def test_largest_shares_do_not_run_over(privates, numbers, kind, shape):
    """All bits of every share and of every mask are set."""
    scheme = sharing.Additive(["a", "b"], numbers)

    def most(n):
        if numbers is F61 and n % 8 == 0:
            return (F61.modulus - 1 << 3).to_bytes(8, "little") * (n // 8)
        return b"\xff" * n

    a, b, c = joined(scheme, sharing.run(steps(scheme, privates, shape, kind, rand=most)))
    assert (times(numbers, kind, a, b) == c).all()


def test_three_parties_multiply_and_truncate_without_a_dealer(privates):
    scheme = sharing.Additive(["a", "b", "c"], Z128)
    x, y = np.array([1.5, -3.25, 1000.0]), np.array([2.0, 4.5, -0.125])
    xs, ys = scheme.split(Z128.encode(x, 30)), scheme.split(Z128.encode(y, 30))
    made = sharing.run(steps(scheme, privates, (3,)))
    parts = [sharing.contribute(scheme, (3,), 30, size=80) for _ in scheme.parties]

    def party(me):
        z = yield from sharing.multiply(xs[me], ys[me], made[me])
        z = yield from sharing.truncate(z, 30, sharing.together([part[me] for part in parts]))
        (opened,) = yield from sharing.reveal(scheme.seat(me), z)
        return Z128.decode(opened, 30)

    error = sharing.run({me: party(me) for me in scheme.parties})["c"] - x * y
    assert (error >= 0).all() and (error < 3 * 2.0**-30).all()


def test_a_key_of_the_safe_profile_and_of_full_size(privates):
    full = {"a": paillier.generate(3072), "b": privates["b"]}
    a, b, c = joined(PAIR, sharing.run(steps(PAIR, full, (3,))))
    assert (Z64.mul(a, b) == c).all()


def test_vector(privates):
    """Two parties modulo 2^64 with fixed coins: all shares, whatever the keys and blinds. Computed with Python's integers."""
    made = {}
    for me in "ab":
        draws = iter(VECTOR["coins"][me])
        made[me] = steps(PAIR, privates, (2,), rand=lambda n, draws=draws: bytes.fromhex(next(draws)).ljust(n, b"\0"))[me]
    for me, triple in sharing.run(made).items():
        assert [Z64.to_integers(part) for part in triple.take(Z64.zeros((2,)), Z64.zeros((2,)))] == VECTOR["shares"][me]


# --- what a party sees


def test_what_is_opened_is_uniform_below_and_80_bits_above_the_product(privates):
    """Of 1,800 products of zeros, each bit of the opened sum is a fair coin within 6.2 sigma: 209 bits, once in 10^6 runs."""
    seen = []
    sharing.run(steps(PAIR, privates, (9, 1, 200), "matrices", rand=lambda n: secrets.token_bytes(n) if n == 27 else bytes(n)), seen=seen)
    plan = triples._plan(Z64, "matrices", (9, 1, 200), privates["a"].public)
    assert plan.width - 1 == 2 * 64 + 1 + 80
    sums = plan.unpacked(privates["a"].open(triples._read(privates["a"].public, seen[1], "b", at=0, count=200)), party="b")
    for place in range(plan.width - 1):
        ones = sum(value >> place & 1 for value in sums)
        assert abs(ones - 900) < 6.2 * 450**0.5, place


def test_answers_are_blinded_anew(privates):
    """Twice the same shares and masks: no ciphertext is alike, in the questions or in the answers."""
    seen = []
    for _ in range(2):
        publics = {me: privates[me].public for me in "ab"}
        party = {me: triples.make(PAIR.seat(me), (3,), key=privates[me], keys=publics, rand=coins(me)) for me in "ab"}
        boxes = {}
        first = {me: next(step) for me, step in party.items()}
        second = {me: step.send(first) for me, step in party.items()}
        for me, other, at in (("a", "b", 0), ("b", "a", 1)):
            boxes[me] = [*triples._read(publics[me], first, me, at=0, count=3), *triples._read(publics[me], second, other, at=at, count=1)]
        seen.append(boxes)
    for me in "ab":
        assert not set(seen[0][me]) & set(seen[1][me])
        assert privates[me].open(seen[0][me][:3]) == privates[me].open(seen[1][me][:3])


# --- refusals


def size(privates):
    return 2 * privates["b"].public.width


@pytest.mark.parametrize("false, says", [
    (lambda k: None, "not the ciphertexts"), (lambda k: sharing.Broadcast(), "not the ciphertexts"), (lambda k: sharing.Broadcast(np.zeros(9)), "not the ciphertexts"),
    (lambda k: sharing.Broadcast(b"\x01" * (2 * size(k) - 1)), "not the ciphertexts"), (lambda k: sharing.Broadcast(b"\x01" * 3 * size(k)), "not the ciphertexts"),
    (lambda k: sharing.Broadcast(bytes(2 * size(k))), "no ciphertext"), (lambda k: sharing.Broadcast(b"\xff" * 2 * size(k)), "no ciphertext"),
    (lambda k: sharing.Broadcast(int(k["b"].p).to_bytes(size(k), "little") * 2), "no ciphertext"),
])  # fmt: skip
def test_what_is_no_ciphertext_names_its_sender(privates, false, says):
    step = steps(PAIR, privates, (2,))["a"]
    heard = {"a": next(step), "b": false(privates)}
    if heard["b"] is None:
        del heard["b"]
    with pytest.raises(PeerError, match=says) as caught:
        step.send(heard)
    assert caught.value.facts["party"] == "b"


@pytest.mark.parametrize("plain", [-1, 2 ** (2 * 210)])
def test_products_out_of_range_name_their_sender(privates, plain):
    step, public = steps(PAIR, privates, (2,))["a"], privates["a"].public
    honest = steps(PAIR, privates, (2,))["b"]
    mine = step.send({"a": next(step), "b": next(honest)})
    answer = triples._write(public, triples._seal(public, [plain], public))
    with pytest.raises(PeerError, match="out of range") as caught:
        step.send({"a": mine, "b": sharing.Broadcast(answer, b"")})
    assert caught.value.facts["party"] == "b"


@pytest.mark.parametrize("call, says", [
    (lambda k: triples.make(sharing.Shamir(["a", "b"], 2).seat("a"), (1,), key=k["a"], keys={}), "for additive sharing"),
    (lambda k: triples.make(PAIR.seat("a"), (1,), key=k["a"], keys={"a": k["a"].public}), "the public key of each party"),
    (lambda k: triples.make(PAIR.seat("a"), (1,), key=k["c"], keys={me: k[me].public for me in "ab"}), "of ours the private one"),
    (lambda k: steps(PAIR, k, (0,), "vectors")["a"], "nothing to multiply"), (lambda k: steps(PAIR, k, (2, 2), "vectors")["a"], "a product is of"),
])  # fmt: skip
def test_wrong_calls(privates, call, says):
    with pytest.raises(UsageError, match=says):
        next(call(privates))
