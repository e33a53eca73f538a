"""A dealer whose modulus has small factors, alone, carries its attacks to their end: what it reaches does not open.

Its false partial decryptions look true once a proof's challenge, or before that the batch's weights, happen to be multiples of a factor.
What it then moves a total by is a multiple of n/f, with f the product of the factors that it met (docs/proofs/threshold.md, 7).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import gmpy2
import pytest

from governance.errors import PeerError
from mpc import secagg, threshold
from mpc.he.paillier import proofs
from mpc.he.paillier import threshold as paillier
from mpc.he.paillier.threshold import PublicKey, combine, consistent
from mpc.he.paillier.units import product_of_powers
from mpc.threshold import packing
from mpc.threshold.keys import Key
from mpc.threshold.packing import Layout
from tests.mpc.secure_sum import coins, elements, one_round
from tests.mpc.threshold_sum import Run, dealings, decrypted, encrypting, uploaded

SLOT = 25  # bytes, of elements of 128 bits
LENGTH = 31
ANSWERING = ("h00", "h01", "h02")
TRUTH = [6000 + 3 * k for k in range(LENGTH)]
STEP = [1, 1 << 20, *[0] * (LENGTH - 2)]  # what n/f adds to the totals
ONE, FOUR = (4099,), (15401, 15413, 15427, 15439)


@dataclass(frozen=True)
class Liar:
    """The key of h00, n = small · large: it knows the order of every element."""

    small: tuple[int, ...]
    large: int
    public: PublicKey
    shares: tuple[int, ...]

    @functools.cached_property
    def checks(self) -> list[int]:
        return [paillier.check(self.public, share, members=4) for share in self.shares]

    def deal(self, checks: list[int]) -> threshold.Deal:
        fed, size, rand = dealings(4)[0], self.public.size, coins("liar's deal")
        named = {name: check.to_bytes(size, "big") for name, check in zip(fed.names, checks, strict=True)}
        key = Key(self.public.modulus.to_bytes(size // 2, "big"), self.public.h.to_bytes(size, "big"), named)
        dealer = threshold.Dealing(fed.terms, "h00", fed.agree["h00"])
        shares = {name: share.to_bytes(size, "big") for name, share in zip(fed.names, self.shares, strict=True)}
        sealed = {other: dealer._seal(key, secret, other, shares[other], rand) for other, secret in dealer._agreed().items()}
        return threshold.Deal(job=fed.terms.job, root=fed.terms.root, sender="h00", key=key, sealed=sealed)


@functools.cache
def liar(small: tuple[int, ...]) -> Liar:
    """Its large factor looks like slots: 1 more in the first element, 2^20 in the second, else only multiples of 2^128."""
    top = (3 << 2046) // math.prod(small) >> 128 + 72 * SLOT
    looks = (1 + (1 << 20 + 8 * SLOT) + (at << 128 + 16 * SLOT) + (top << 128 + 72 * SLOT) for at in itertools.count())
    large = next(filter(gmpy2.is_prime, looks))
    n, order, rand = math.prod(small) * large, math.lcm(*(p - 1 for p in (*small, large))), coins("liar")
    x = int.from_bytes(rand(300), "big") % n
    polynomial = [order * pow(order, -1, n), *(int.from_bytes(rand(600), "big") % (n * order) for _ in range(2))]
    shares = tuple(sum(a * x**k for k, a in enumerate(polynomial)) % (n * order) for x in range(1, 5))
    return Liar(small, large, PublicKey(n, int(gmpy2.powmod(x * x % n * (n - 1) % n, n, n * n))), shares)


@functools.cache
def held(small: tuple[int, ...]) -> dict[str, threshold.Keyed]:
    """Everybody accepts the key."""
    _, states, deals = dealings(4)
    made = liar(small)
    deals = {**deals, "h00": made.deal(made.checks)}
    states = {**states, "h00": threshold.Dealt(states["h00"].seat, deals["h00"], made.shares[0].to_bytes(made.public.size, "big"))}
    return {name: state.receive(deals) for name, state in states.items()}


def answered(small: tuple[int, ...], *, more: int = 0) -> Run:
    """A round of all in which three have answered truly; the liar encrypted *more* than its share in the first ciphertext under its own key."""
    fed = dealings(4)[0]
    round = one_round(vectors=(secagg.Vector("v", 128, LENGTH),))
    words = {name: {"v": elements([1000 * i + k if i else 0 for k in range(LENGTH)], 128)} for i, name in enumerate(fed.names)}
    run = uploaded(fed, held(small), round, words)
    if more:
        layout = Layout.of(fed.terms, round, run.states["h00"].seat.keys)
        slots = -(-LENGTH // layout._slots("h00", round.vectors[0])[1])
        zeros = {dealer: [(0, public.coin(coins("zeros"))) for _ in range(slots)] for dealer, public in layout.publics.items()}
        zeros["h00"][0] = more % liar(small).public.modulus, zeros["h00"][0][1]
        run.uploads["h00"], run.payloads["h00"] = encrypting(run, "h00", zeros)
        run.states["h00"] = replace(run.states["h00"], upload=run.uploads["h00"])
    return decrypted(run, *ANSWERING)


def opens(run: Run) -> int:
    """The first plaintext under the liar's key, before it is held to anything."""
    tally, points = run.states["h01"].tally, run.fed.terms.points
    read = {points[name]: tally.layout.read(run.parts[name], items=False, party="")[0]["h00"] for name in ANSWERING}
    return int(combine(tally.layout.publics["h00"], read, members=4)[0])


def forged(run: Run, key: Liar, shift: int, *, weight: int = 1, challenge: int) -> Run:
    """The liar answers anew, after it has seen the total: the first plaintext under its key is to be *shift* more.

    *weight* and *challenge* are the factors of n/gcd(n, shift) that the weight of the first pair and the challenge are to be multiples of.
    """
    assert shift * weight * challenge % key.public.modulus == 0
    run, public, tally = run.copied(), key.public, run.states["h00"].tally
    numbers, _ = tally.layout.read(run.parts["h00"], items=False, party="")
    f, weights = paillier._weights((1, 2, 3), 4)
    moved = public.plain(shift * pow(2 * weights[1], -1, public.n) * 4 * math.factorial(4) * f)
    true = [numbers["h00"][0] * moved % public.square, *numbers["h00"][1:]]
    sums, check, bound = tally.numbers["h00"], tally.keys["h00"].check("h00"), tally.bound("h00", "h00")
    alike = [[p * root % public.square for root in square_roots_of_1(key)] for p in true]  # which open to the same
    for partials in itertools.product(*alike):
        pairs = list(zip(sums, partials, strict=True))
        seed = proofs._pairs_seed(public, check, pairs, bound)
        if proofs._challenges(seed, len(pairs))[0] % weight == 0:
            break
    product = product_of_powers(sums, proofs._challenges(seed, len(pairs)), public.square)
    numbers["h00"] = [int(p) for _, p in pairs]
    proof = ground(key, seed, product, challenge)
    parts = tally.layout.write(numbers, {})
    digests = {name: hashlib.sha256(payload).digest() for name, payload in parts.items()}
    run.partials["h00"] = replace(run.partials["h00"], payloads=digests, proofs={**run.partials["h00"].proofs, "h00": proof})
    run.parts["h00"] = parts
    return run


def square_roots_of_1(key: Liar) -> list[int]:
    factors, square = (*key.small, key.large), key.public.modulus**2
    idempotents = [square // p**2 * pow(square // p**2, -1, p**2) for p in factors]
    return [sum(map(int.__mul__, signs, idempotents)) % square for signs in itertools.product((1, -1), repeat=len(factors))]


def ground(key: Liar, seed: bytes, product: Any, multiple: int) -> bytes:
    """A proof whose challenge is such a *multiple*: the announcement's exponent is raised by one until it is."""
    public, size = key.public, proofs._answer(key.public, 4)
    nonce = int.from_bytes(coins("nonce")(size - 2), "big")
    announced = gmpy2.powmod(public.v, nonce, public.square), gmpy2.powmod(product, 4 * nonce, public.square)
    steps = public.v, gmpy2.powmod(product, 4, public.square)
    while True:
        raw = proofs._hash(b"keyong threshold equality v1", seed, proofs._bytes(public, announced))[: proofs.CHALLENGE]
        if (challenge := int.from_bytes(raw, "big")) % multiple == 0:
            return raw + (nonce + challenge * math.factorial(4) * key.shares[0]).to_bytes(size, "big")
        nonce, announced = nonce + 1, tuple(a * step % public.square for a, step in zip(announced, steps, strict=True))


def totals(run: Run, name: str) -> list[int]:
    state = run.states[name].receive(run.partials, run.parts)
    assert state.liars == ()
    return packing.integers(state.totals["v"], 16)


def test_one_small_factor():
    """After it has seen the total, with some 4,099 hashes: 3,000 · n/f would be 3,000 more in the first element."""
    key = liar(ONE)
    run = answered(ONE)
    assert totals(run, "h01") == TRUTH
    false = forged(run, key, 3000 * key.large, challenge=4099)
    assert opens(false) - opens(run) == 3000 * key.large  # the proof has passed: nobody can tell but by the range
    for name in ANSWERING:
        with pytest.raises(PeerError, match="under the key of h00 is out of range"):
            totals(false, name)


def two_totals() -> tuple[Run, Run]:
    """What the liar can choose between once it has seen the total, at the price of 4 · 15,400 hashes; they differ by n/f, with f the product of four.

    It encrypts k/(p₁p₂) of n too much, so that the true partial decryptions open nothing; it can take away that, or k′/(p₃p₄) of n. The
    one factor of each is met by a weight, the other by a challenge.
    """
    key = liar(FOUR)
    n, a, b = key.public.modulus, math.prod(FOUR[:2]), math.prod(FOUR[2:])
    up = pow(a, -1, b)
    down = (up * a - 1) // b
    run = answered(FOUR, more=-down * (n // a))
    with pytest.raises(PeerError, match="out of range"):
        totals(run, "h01")
    return (
        forged(run, key, down * (n // a), weight=FOUR[0], challenge=FOUR[1]),
        forged(run, key, up * (n // b), weight=FOUR[2], challenge=FOUR[3]),
    )


def test_four_factors_need_room_that_they_do_not_have():
    """The grid's step is n/f with f = 2^55.6; the totals are of 2^1400 at most."""
    first, second = two_totals()
    assert totals(first, "h01") == TRUTH
    assert opens(second) - opens(first) == liar(FOUR).large
    with pytest.raises(PeerError, match="under the key of h00 is out of range"):
        totals(second, "h01")


def test_four_factors_would_shift_a_total_of_full_plaintexts(monkeypatch):
    """With nothing left free but what is less than a slot, 48 bits: four grindings of 14 bits, one after another, reach 2^55.6."""
    monkeypatch.setattr(packing, "FREE", 0)
    first, second = two_totals()
    assert totals(first, "h01") == TRUTH
    assert totals(second, "h01") == [x + step for x, step in zip(TRUTH, STEP, strict=True)]


def test_shares_off_their_polynomial_by_a_small_order_are_refused():
    """A random weighing of the checks, drawn by a hash, would miss one in 4,099; then each set of members could open another total."""
    key = liar(ONE)
    checks, root = key.checks, key.public.plain(key.large)
    assert pow(root, 4099, key.public.square) == 1
    assert consistent(key.public, checks, threshold=3)
    off = [[int(checks[0] * gmpy2.powmod(root, k, key.public.square) % key.public.square), *checks[1:]] for k in range(1, 4099)]
    assert not any(consistent(key.public, each, threshold=3) for each in off)
    _, states, deals = dealings(4)
    with pytest.raises(PeerError, match="do not fit together") as error:
        states["h02"].receive({**deals, "h00": key.deal(off[0])})
    assert error.value.facts == {"party": "h00"}
