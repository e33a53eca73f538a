"""Powers of one base, and products of powers of many, faster than one exponentiation after another.

The values of both are public or hidden by other means; running times depend on the exponents.
Source: Lim & Lee, "More flexible exponentiation with precomputation", CRYPTO 1994 (comb); Pippenger, "On the evaluation of powers and
related problems", FOCS 1976, as Bernstein, Doumen, Lange & Oosterwijk describe it ("Faster batch forgery identification", INDOCRYPT 2012).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import gmpy2

TEETH, BLOCKS = 10, 4


@functools.lru_cache(maxsize=8)
def comb(base: int, modulus: int, bits: int) -> Comb:
    """Tables for powers of *base*, a public value, with exponents of at most *bits* bits."""
    return Comb(base, modulus, bits)


class Comb:
    """An exponent is written in TEETH rows, whose columns are looked up; the columns of BLOCKS blocks share their squarings."""

    def __init__(self, base: int, modulus: int, bits: int) -> None:
        self.modulus = gmpy2.mpz(modulus)
        self.columns = -(-bits // (TEETH * BLOCKS))
        power, powers = gmpy2.mpz(base), []
        for _ in range(TEETH * BLOCKS):
            powers.append(power)
            power = gmpy2.powmod(power, 1 << self.columns, self.modulus)
        # of the row `tooth` the block `block` begins with the bit columns * (BLOCKS * tooth + block)
        self.blocks = [self._subsets(powers[block::BLOCKS]) for block in range(BLOCKS)]

    def _subsets(self, powers: Sequence[Any]) -> list[Any]:
        """The product of each subset of *powers*."""
        products = [gmpy2.mpz(1)]
        for power in powers:
            products += [product * power % self.modulus for product in products]
        return products

    def power(self, exponent: int) -> Any:
        """``base ** exponent``."""
        width = TEETH * BLOCKS * self.columns
        digits = format(exponent, f"0{width}b")[::-1]
        rows = [digits[i : i + BLOCKS * self.columns] for i in range(0, width, BLOCKS * self.columns)]
        indices = [int("".join(column), 2) for column in zip(*reversed(rows), strict=True)]
        value = gmpy2.mpz(1)
        for column in reversed(range(self.columns)):
            value = value * value % self.modulus
            for block, products in enumerate(self.blocks):
                if index := indices[block * self.columns + column]:
                    value = value * products[index] % self.modulus
        return value


def product_of_powers(bases: Sequence[Any], exponents: Sequence[int], modulus: Any) -> Any:
    """``prod(bases[i] ** exponents[i])``, by sorting the bases into buckets by the digits of their exponents."""
    width = max(2, len(bases).bit_length() - 2)
    value = gmpy2.mpz(1)
    for at in reversed(range(0, max(exponents).bit_length(), width)):
        for _ in range(width):
            value = value * value % modulus
        value = value * _window(bases, [exponent >> at & (1 << width) - 1 for exponent in exponents], width, modulus) % modulus
    return value


def _window(bases: Sequence[Any], digits: Sequence[int], width: int, modulus: Any) -> Any:
    """``prod(bases[i] ** digits[i])``: each bucket counts as often as its digit says, by sums of sums."""
    buckets: list[Any] = [1] * (1 << width)
    for base, digit in zip(bases, digits, strict=True):
        buckets[digit] = buckets[digit] * base % modulus
    above = value = gmpy2.mpz(1)
    for bucket in reversed(buckets[1:]):
        above = above * bucket % modulus
        value = value * above % modulus
    return value
