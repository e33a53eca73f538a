"""Which BFV parameters a declared total needs, so that decryption cannot fail.

A ciphertext is right while its noise is small. Here the noise is bounded in the worst case, whatever the randomness was and whatever the
numbers are, and four bits are left; so no decryption ever fails, and none tells of the key by failing (Cheon, Choe, Passelègue, Stehlé &
Suvanto, eprint 2024/127). `docs/proofs/bfv-noise.md` has the proof. What fits no secure parameters is refused.
Security: 128 bits for ternary secrets in the table of HomomorphicEncryption.org, 2018, which SEAL holds us to once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import gmpy2

from governance.errors import UsageError
from mpc.he.layout import Layout

Use = Literal["sums", "matrices", "entries"]
USES: tuple[Use, ...] = get_args(Use)

MOST_BITS = {2048: 54, 4096: 109, 8192: 218, 16384: 438}  # of all primes together, by degree
WIDEST = 60  # bits of a prime, and of a plain modulus
SPECIAL = 20  # bits of the prime by which the noise of a public encryption is divided
LEAST = 24  # bits of a ciphertext's modulus
GRAIN = 4  # bits: two coefficients fill whole bytes
ERROR = 21  # largest coefficient of SEAL's error: centred binomial of 42 coins, or a Gaussian that is cut at 19.2
MARGIN = 4  # bits that are left in the worst case
FLOOD = 40  # bits by which the noise of a product is drowned


@dataclass(frozen=True, slots=True)
class Parameters:
    """A ring and its moduli.

    Parameters
    ----------
    degree
        Coefficients of a ciphertext's polynomials: numbers that one ciphertext can hold.
    primes
        Their product is the modulus of ciphertexts.
    special
        One more prime, in the public key alone.
    plain
        The modulus of totals.
    """

    degree: int
    primes: tuple[int, ...]
    special: int
    plain: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of a coefficient, by prime."""
        return tuple(prime.bit_length() for prime in self.primes)

    @property
    def fresh(self) -> int:
        """Largest noise of one encryption, by the public key or by the owner, with the rounding of what is encrypted."""
        return fresh_noise(self.degree, self.special)

    @property
    def room(self) -> int:
        """Largest noise that leaves the margin."""
        return math.prod(self.primes) // (self.plain << (MARGIN + 1))


@lru_cache(maxsize=64)
def choose(limit: int, terms: int, use: Use) -> Parameters:
    """The parameters of the smallest ciphertexts for totals of *terms* terms, each of at most *limit* steps."""
    if use not in USES:
        raise UsageError(f"use is one of {', '.join(USES)}, got {use}")
    Layout(limit, 1.0, terms, 1).fits(WIDEST)
    for degree, most_bits in MOST_BITS.items():
        for bits in range(LEAST, most_bits - SPECIAL + 1, GRAIN):
            *primes, special = ntt_primes(degree, (*_split(bits), SPECIAL))
            plain = _plain(2 * limit * terms + 1, degree, math.prod(primes), prime=use == "entries")
            found = Parameters(degree, tuple(primes), special, plain)
            if plain.bit_length() <= WIDEST and _needed(found, terms, use) <= found.room:
                return found
    raise UsageError("no secure parameters have room for such totals: take a larger step or fewer terms")


def fresh_noise(degree: int, special: int) -> int:
    divided = -(-ERROR * (2 * degree + 1) // special)
    return max(ERROR, divided + (degree + 1) // 2 + 1) + 1


def _needed(parameters: Parameters, terms: int, use: Use) -> int:
    """Noise for which there must be room."""
    if use == "sums":  # blinded once at the end, and once for each four terms on the way
        return (terms + terms // 4 + 1) * parameters.fresh
    product = terms * parameters.fresh * widening(parameters, use)
    return (product << FLOOD) + 2 * product  # drowned, and blinded on the way


def widening(parameters: Parameters, use: Use) -> int:
    """How much more a product with numbers of at most 1 can make of noise: the sum of coefficients of what is multiplied by."""
    return parameters.degree * (parameters.plain // 2 if use == "entries" else 1)


def _split(bits: int) -> list[int]:
    """Widths of as few primes as there can be, of nearly the same size."""
    count = -(-bits // WIDEST)
    grains, more = divmod(bits // GRAIN, count)
    return [GRAIN * (grains + (i < more)) for i in range(count)]


@lru_cache(maxsize=256)
def ntt_primes(degree: int, widths: tuple[int, ...]) -> list[int]:
    """The largest distinct primes of these widths with the roots of unity that the number-theoretic transform needs."""
    below = {width: _down(degree, width) for width in widths}
    return [next(below[width]) for width in widths]


def _down(degree: int, width: int) -> Iterator[int]:
    candidates = range((1 << width) - 2 * degree + 1, 1 << (width - 1), -2 * degree)
    return (candidate for candidate in candidates if gmpy2.is_prime(candidate))


def _plain(least: int, degree: int, modulus: int, *, prime: bool) -> int:
    """The smallest number from *least* on that has no factor in common with *modulus*; where asked for, a prime with roots of unity."""
    step = 2 * degree if prime else 2
    found = least + (1 - least) % step
    while math.gcd(found, modulus) > 1 or (prime and not gmpy2.is_prime(found)):
        found += step
    return found
