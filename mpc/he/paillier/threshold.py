"""Paillier encryption under a key that is shared: any *threshold* of the members decrypt, fewer learn nothing.

Model: the dealer is honest, or the only victim is what is encrypted under its key (`mpc.threshold` shares each upload among the keys of
several dealers); holders may send false partial decryptions, which `mpc.he.paillier.proofs` shows.  Source: Damgård & Jurik, "A
Generalisation, a Simplification and Some Applications of Paillier's Probabilistic Public-Key System", PKC 2001, section 4.1, with s = 1;
Damgård, Jurik & Nielsen, "A generalization of Paillier's public-key system with applications to electronic voting", IJIS 9(6), 2010; both
after Shoup, "Practical Threshold Signatures", EUROCRYPT 2000, and Fouque, Poupard & Stern, FC 2000.

The base of the checks is v = (1 + n)·h², a public encryption of 1: so that everybody can check, in the exponents, that what was dealt
decrypts. Randomness has half as many bits as n: powers h^r are then as good as all (Damgård, Jurik & Nielsen, section 4.2; Goldreich &
Rosen, "On the Security of Modular Exponentiation", Journal of Cryptology 16, 2003).
"""

from __future__ import annotations

import functools
import itertools
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gmpy2

from governance.errors import DecodeError, UsageError
from mpc.he.paillier.units import power
from mpc.rings import Rand

SIZES = (2048, 3072)  # bits of a modulus
SLACK = 288  # bits by which a proof's answer is longer than the randomness that it hides
SMALL = 1 << 12  # a modulus has no prime factor below it, so that 4·Δ·f, by which `combine` divides, is a unit
COIN = 16  # bytes by which a coin is longer than its range: its distance from uniform is below 2^-128


@dataclass(frozen=True)
class PublicKey:
    """The modulus n = pq and h = (−x²)^n mod n², by which zero is encrypted."""

    modulus: int
    h: int

    @functools.cached_property
    def n(self) -> Any:
        return gmpy2.mpz(self.modulus)

    @functools.cached_property
    def square(self) -> Any:
        return self.n**2

    @property
    def bits(self) -> int:
        return self.modulus.bit_length()

    @property
    def size(self) -> int:
        """Bytes of a ciphertext."""
        return self.bits // 4

    @property
    def v(self) -> Any:
        """The base of the checks, an encryption of 1."""
        return self.plain(1) * self.h % self.square * self.h % self.square

    def plain(self, message: int) -> Any:
        """``(1 + n) ** message``."""
        return (1 + message % self.n * self.n) % self.square

    def zero(self, exponent: int) -> Any:
        """``h ** exponent``."""
        return power(gmpy2.mpz(self.h), self.n, exponent, bits=self.bits // 2 + SLACK)

    def base(self, exponent: int, *, bits: int) -> Any:
        """``v ** exponent``, where the exponent is public and has at most *bits* bits."""
        return power(self.v, self.n, exponent, bits=bits)

    def coin(self, rand: Rand = secrets.token_bytes) -> int:
        """Randomness of one encryption."""
        return int.from_bytes(rand(self.bits // 16), "big")

    def encrypt(self, message: int, coin: int) -> Any:
        return self.plain(message) * self.zero(coin) % self.square

    def check(self) -> None:
        """Raise `DecodeError` where this is no key; that n is a product of two safe primes cannot be told by looking."""
        n = self.n
        if self.bits not in SIZES:
            raise DecodeError(f"its modulus has {self.bits} bits, and should have {' or '.join(map(str, SIZES))}")
        if gmpy2.gcd(n, gmpy2.primorial(SMALL)) != 1 or gmpy2.is_prime(n) or gmpy2.is_power(n):
            raise DecodeError("its modulus is no product of two large primes")
        if not 1 < self.h < self.square - 1 or gmpy2.gcd(self.h, n) != 1:
            raise DecodeError("its h is no unit modulo n²")


@dataclass(frozen=True, slots=True)
class Shared:
    """A fresh key: its public part, and for the members 1, 2, … a share and what it is checked against."""

    public: PublicKey
    checks: tuple[int, ...]
    shares: tuple[int, ...] = field(repr=False)


def share(p: int, q: int, *, members: int, threshold: int, rand: Rand = secrets.token_bytes) -> Shared:
    """Share the key of the safe primes *p* and *q*, which are to be forgotten."""
    if p == q or p % 4 != 3 or q % 4 != 3 or (p * q).bit_length() not in SIZES:
        raise UsageError(f"need two safe primes whose product has {' or '.join(map(str, SIZES))} bits")
    if not 1 <= threshold <= members:
        raise UsageError(f"threshold must be in 1..{members}, got {threshold}")
    n, order = p * q, (p // 2) * (q // 2)
    public = PublicKey(n, int(gmpy2.powmod_sec(_below(n, rand) ** 2 % n * (n - 1) % n, n, n * n)))
    polynomial = [order * pow(order, -1, n), *(_below(n * order, rand) for _ in range(threshold - 1))]
    shares = tuple(_value(polynomial, i) % (n * order) for i in range(1, members + 1))
    return Shared(public, tuple(check(public, s, members=members) for s in shares), shares)


def _below(limit: int, rand: Rand) -> int:
    return int.from_bytes(rand((limit.bit_length() + 7) // 8 + COIN), "big") % limit


def _value(polynomial: Sequence[int], x: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = value * x + coefficient
    return value


def check(key: PublicKey, share: int, *, members: int) -> int:
    """What everybody can hold *share*'s partial decryptions against: v^(Δ share), where Δ = members!."""
    return int(gmpy2.powmod_sec(key.v, math.factorial(members) * share, key.square))


def consistent(key: PublicKey, checks: Sequence[int], *, threshold: int) -> bool:
    """Whether the *checks* are of shares on one polynomial of degree threshold − 1 that decrypts v to 1.

    The differences of order *threshold* of its values at 0, 1, …, members vanish; at 0 stands (1 + n)^Δ. No chance is in it, so that it
    holds whatever the modulus is: hence so does what `combine` makes of exponents.
    """
    if any(gmpy2.gcd(check, key.n) != 1 for check in checks):
        return False
    values = [key.plain(math.factorial(len(checks))), *checks]
    signed = [gmpy2.invert(value, key.square) if i % 2 else value for i, value in enumerate(values)]  # whose sums are differences
    for _ in range(threshold):
        signed = [a * b % key.square for a, b in itertools.pairwise(signed)]
    return all(value == 1 for value in signed)


def partial(key: PublicKey, ciphertext: Any, share: int, *, members: int) -> Any:
    """One member's part in decrypting: ciphertext^(2Δ share), in a time that does not depend on the share's bits."""
    return gmpy2.powmod_sec(ciphertext, 2 * math.factorial(members) * share, key.square)


def combine(key: PublicKey, partials: Mapping[int, Sequence[Any]], *, members: int) -> list[Any]:
    """Plaintexts from the *partials*, by point, of *threshold* members: of each the same ciphertexts in the same order.

    Raises
    ------
    DecodeError
        They decrypt nothing: the key's dealer lied, or the partials are not what they were proved to be.
    """
    factor, weights = _weights(tuple(sorted(partials)), members)
    scale = gmpy2.invert(4 * math.factorial(members) * factor, key.n)
    sides: list[list[tuple[int, int]]] = [[], []]
    for point, weight in weights.items():
        sides[weight < 0].append((point, 2 * abs(weight)))
    plain = []
    for index in range(len(next(iter(partials.values())))):
        above, below = (_product(key, [(partials[point][index], weight) for point, weight in side]) for side in sides)
        try:
            opened = above * gmpy2.invert(below, key.square) % key.square
        except ZeroDivisionError:
            raise DecodeError("a partial decryption is no unit") from None
        if opened % key.n != 1:
            raise DecodeError("the partial decryptions do not open")
        plain.append(opened // key.n * scale % key.n)
    return plain


def _product(key: PublicKey, powers: Sequence[tuple[Any, int]]) -> Any:
    value = gmpy2.mpz(1)
    for base, exponent in powers:
        value = value * gmpy2.powmod(base, exponent, key.square) % key.square
    return value


@functools.lru_cache(maxsize=256)
def _weights(points: tuple[int, ...], members: int) -> tuple[int, Mapping[int, int]]:
    """Integers f and λ with f·s(0) = Σ λ_i s(i), the smallest that divide Shoup's, whose f is members!."""
    delta = math.factorial(members)
    weights = {}
    for i in points:
        above, below = delta, 1
        for j in points:
            if j != i:
                above, below = above * j, below * (j - i)
        weights[i] = above // below
    common = math.gcd(delta, *weights.values())
    return delta // common, {i: weight // common for i, weight in weights.items()}
