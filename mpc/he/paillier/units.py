"""Powers and products of units modulo n², for little more than the price of products modulo n.

A unit of Z/n² is written ``r·(1 + βn)``, with r a unit below n. In a product the β simply add, and r times r' needs no reduction
modulo n²: one reduction serves two factors, which is half of the time. The same holds for p² and p, for who knows the factors.
Bases are public or encrypted; running times depend on exponents only where `matrix_product` skips digits that are zero.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import gmpy2
import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

Integer = Any  # an mpz, or an int: gmpy2 says nothing of its types
Unit = tuple[Integer, Integer]  # r and β of r(1 + βn)
Halves = tuple[Integer, Integer]  # r and b of r + bn
Powers = tuple[list[Integer], list[Integer]]  # r and β of the powers of one base; the exponent is the index

BLOCK = 256  # rows of a matrix whose powers are kept at one time
SIGNED_WINDOWS = range(2, 9)


def powers(base: Integer, modulus: Integer, last: int) -> Powers:
    """Exponents 0 to *last* of *base*, a unit modulo *modulus* squared."""
    b, r = gmpy2.f_divmod(base, modulus)
    inverse = gmpy2.invert(r, modulus)
    beta = b * inverse % modulus
    residues, betas, undo, turn = [mpz(1), r], [mpz(0), beta], inverse, beta
    for _ in range(last - 1):
        q, top = gmpy2.f_divmod(residues[-1] * r, modulus)
        undo = undo * inverse % modulus
        turn = (turn + beta + q * undo) % modulus
        residues.append(top)
        betas.append(turn)
    return residues, betas


@dataclass(frozen=True, slots=True)
class Comb:
    """The bits of an exponent in *teeth* rows and *tables* times *columns* columns: a digit is what stands in one column."""

    teeth: int
    tables: int
    columns: int

    @classmethod
    def over(cls, bits: int, *, teeth: int, tables: int) -> Comb:
        return cls(teeth, tables, -(-bits // (teeth * tables)))

    @property
    def digits(self) -> int:
        return self.tables * self.columns

    def digits_of(self, exponent: int) -> npt.NDArray[np.int64]:
        """An exponent as `raised` takes it, shape (1, columns, tables)."""
        raw = exponent.to_bytes(-(-self.teeth * self.digits // 8), "little")
        bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")[: self.teeth * self.digits]
        rows = bits.reshape(self.teeth, self.tables, self.columns).astype(np.int64)
        digits = np.tensordot(1 << np.arange(self.teeth), rows, 1)
        return np.ascontiguousarray(digits.T[None, ::-1])


def comb_tables(base: Integer, modulus: Integer, comb: Comb) -> list[Powers]:
    """What each digit of each table stands for: Lim & Lee, "More flexible exponentiation with precomputation", CRYPTO 1994."""
    square, spread = modulus * modulus, [base]
    while len(spread) < comb.teeth * comb.tables:
        spread.append(gmpy2.powmod(spread[-1], 1 << comb.columns, square))
    return [_subsets(spread[j :: comb.tables], modulus) for j in range(comb.tables)]


def raised(tables: list[Powers], modulus: Integer, digits: npt.NDArray[np.integer[Any]]) -> list[Halves]:
    """The base of *tables*, of an even number, to each exponent: *digits* of shape (exponents, columns, tables), highest column first."""
    square, pairs, results = modulus * modulus, list(zip(tables[::2], tables[1::2], strict=True)), []
    for columns in digits.tolist():
        unit, turn = mpz(1), mpz(0)
        for column in columns:
            unit = unit * unit % square
            turn *= 2
            for ((ones, betas), (others, more)), i, j in zip(pairs, column[::2], column[1::2], strict=True):
                unit = unit * (ones[i] * others[j]) % square
                turn += betas[i] + more[j]
        b, r = gmpy2.f_divmod(unit, modulus)
        results.append((r, (b + r * turn) % modulus))
    return results


def power(base: Integer, modulus: Integer, exponent: int, *, bits: int) -> Integer:
    """``base ** exponent`` modulo *modulus* squared, for a public base that is used often, and exponents of at most *bits* bits."""
    comb = Comb.over(bits, teeth=10, tables=8)
    ((r, b),) = raised(_kept_tables(base, modulus, comb), modulus, comb.digits_of(exponent))
    return r + b * modulus


@functools.lru_cache(maxsize=8)
def _kept_tables(base: Integer, modulus: Integer, comb: Comb) -> list[Powers]:
    return comb_tables(base, modulus, comb)


def matrix_product(units: list[Integer], matrix: npt.NDArray[np.int64], modulus: Integer) -> list[Integer]:
    """For each column of *matrix*, the product of ``units[i] ** matrix[i, column]``, modulo *modulus* squared.

    Straus, 1964: small powers of each unit, both signs, are made once for all columns, and digits of all exponents are taken together.
    """
    square = modulus * modulus
    results = [mpz(1)] * matrix.shape[1]
    for start in range(0, len(units), BLOCK):
        block = matrix[start : start + BLOCK]
        width = _width(block)
        tables = [_both_signs(unit, modulus, 1 << (width - 1)) for unit in units[start : start + BLOCK]]
        digits = _signed_digits(block, width)
        for column, lines in enumerate(zip(*(level.T.tolist() for level in digits), strict=True)):
            results[column] = results[column] * _straus(tables, lines, modulus, width) % square
    return results


def product(units: Iterable[Integer], square: Integer) -> Integer:
    result = mpz(1)
    for unit in units:
        result = result * unit % square
    return result


def _subsets(units: list[Integer], modulus: Integer) -> Powers:
    """The product of each subset of *units*; bit i of the index says whether unit i is in it."""
    residues, betas, undo = [mpz(1)], [mpz(0)], [mpz(1)]
    for unit in units:
        b, a = gmpy2.f_divmod(unit, modulus)
        inverse = gmpy2.invert(a, modulus)
        beta = b * inverse
        for i in range(len(residues)):
            q, r = gmpy2.f_divmod(residues[i] * a, modulus)
            undone = undo[i] * inverse % modulus
            residues.append(r)
            undo.append(undone)
            betas.append((betas[i] + beta + q * undone) % modulus)
    return residues, betas


def _width(block: npt.NDArray[np.int64]) -> int:
    """Bits of a digit for which the least is done: a power of both signs in a table costs three products."""
    rows, columns = block.shape
    bits = _bits(block)
    return min(SIGNED_WINDOWS, key=lambda width: rows * 2 ** (width - 1) * 3 + columns * rows * -(-bits // width))


def _bits(block: npt.NDArray[np.int64]) -> int:
    return int(np.abs(block).max(initial=1)).bit_length() + 1


def _signed_digits(block: npt.NDArray[np.int64], width: int) -> list[npt.NDArray[np.int64]]:
    """Digits in -2^(width - 1) .. 2^(width - 1) - 1, the least one first."""
    levels: list[npt.NDArray[np.int64]] = []
    rest, half = block, 1 << (width - 1)
    while not levels or rest.any():
        digit = ((rest + half) & (2 * half - 1)) - half
        levels.append(digit)
        rest = (rest - digit) >> width
    return levels


def _both_signs(unit: Integer, modulus: Integer, last: int) -> Powers:
    """Exponents 0 .. last, and as negative indices -last .. -1."""
    residues, betas = powers(unit, modulus, last)
    inverse = gmpy2.invert(residues[1], modulus)
    undo, below, turns = mpz(1), [], []
    for r, beta in zip(residues[1:], betas[1:], strict=True):
        undo = undo * inverse % modulus
        below.append(undo)
        turns.append(-(r * undo // modulus) - beta)  # r·undo = 1 + kn, so that 1/r = undo·(1 - kn)
    return residues + below[::-1], betas + turns[::-1]


def _straus(tables: list[Powers], lines: tuple[list[int], ...], modulus: Integer, width: int) -> Integer:
    square, unit, turn = modulus * modulus, mpz(1), mpz(0)
    for line in reversed(lines):
        for _ in range(width if unit != 1 else 0):
            unit = unit * unit % square
        turn <<= width
        found = [(residues[digit], betas[digit]) for (residues, betas), digit in zip(tables, line, strict=True) if digit]
        turn += sum(beta for _, beta in found)
        if len(found) % 2:
            unit = unit * found.pop()[0] % square
        for (one, _), (other, _) in zip(found[::2], found[1::2], strict=True):
            unit = unit * (one * other) % square
    return unit * (1 + turn % modulus * modulus) % square


def product_of_powers(bases: Sequence[Integer], exponents: Sequence[int], modulus: Integer) -> Integer:
    """``prod(bases[i] ** exponents[i])``, by sorting the bases into buckets by the digits of their exponents.

    Pippenger, "On the evaluation of powers and related problems", FOCS 1976, as Bernstein, Doumen, Lange & Oosterwijk describe it
    ("Faster batch forgery identification", INDOCRYPT 2012). For exponents of any length, but one product; `matrix_product` is for many.
    """
    width = max(2, len(bases).bit_length() - 2)
    value = mpz(1)
    for at in reversed(range(0, max(exponents).bit_length(), width)):
        for _ in range(width):
            value = value * value % modulus
        value = value * _window(bases, [exponent >> at & (1 << width) - 1 for exponent in exponents], width, modulus) % modulus
    return value


def _window(bases: Sequence[Integer], digits: Sequence[int], width: int, modulus: Integer) -> Integer:
    """``prod(bases[i] ** digits[i])``: each bucket counts as often as its digit says, by sums of sums."""
    buckets: list[Integer] = [1] * (1 << width)
    for base, digit in zip(bases, digits, strict=True):
        buckets[digit] = buckets[digit] * base % modulus
    above = value = mpz(1)
    for bucket in reversed(buckets[1:]):
        above = above * bucket % modulus
        value = value * above % modulus
    return value
