"""Where the numbers of a vector stand among the coefficients of ciphertexts.

A number stands at every *stride*-th coefficient: coefficient ``stride - 1`` of a ciphertext, ``2 * stride - 1``, and so on. Stride 1 is
what is encrypted; a product with a matrix leaves its numbers further apart, and other things between them. Of a ciphertext's first
polynomial only those coefficients are kept, and sent: without the others nobody, the key's owner included, can read what stands between
(unless the vector is kept *whole*, as products with a matrix need it).
Source of the product: Huang, Lu, Hong & Ding, *Cheetah*, USENIX Security 2022, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from governance.errors import DecodeError, UsageError
from mpc.he.layout import Integers
from mpc.he.words import Words

WHOLE, SLOTS = 0x80, 0x40  # bits of an arrangement's byte; below them the logarithm of the stride


@dataclass(frozen=True, slots=True)
class Places:
    """Of vectors with *length* numbers in ciphertexts of *degree* coefficients.

    Parameters
    ----------
    whole
        All coefficients are kept, and those after the last number are zero.
    slots
        Numbers are encoded such that products go entry by entry (SIMD; Smart & Vercauteren, 2014); always whole.
    """

    degree: int
    length: int
    stride: int = 1
    whole: bool = False
    slots: bool = False

    @classmethod
    def of(cls, byte: int, *, degree: int, length: int, use: str) -> Self:
        """What `arrangement` wrote, if vectors for this *use* can be so."""
        whole, slots, stride = bool(byte & WHOLE), bool(byte & SLOTS), 1 << (byte & ~(WHOLE | SLOTS))
        found = cls(degree, length, stride, whole, slots)
        if stride > degree or slots != (use == "entries") or whole > (use != "sums" and stride == 1) or slots > whole:
            raise DecodeError(f"no such arrangement under a key for {use}: {byte:#04x}")
        return found

    @property
    def arrangement(self) -> int:
        return self.whole * WHOLE | self.slots * SLOTS | (self.stride.bit_length() - 1)

    @property
    def each(self) -> int:
        """Numbers in a ciphertext."""
        return self.degree // self.stride

    @property
    def ciphertexts(self) -> int:
        return -(-self.length // self.each)

    @property
    def kept(self) -> int:
        """Coefficients of first polynomials that are kept."""
        return self.ciphertexts * self.degree if self.whole else self.length

    def spread(self, kept: Words) -> Words:
        """Kept coefficients, shape (rows, kept), in their places, shape (ciphertexts, rows, degree); zeros elsewhere."""
        rows = len(kept)
        padded = np.zeros((rows, self.ciphertexts * self.each), dtype=np.uint64)
        padded[:, : kept.shape[1]] = kept
        result = np.zeros((self.ciphertexts, rows, self.degree), dtype=np.uint64)
        result[:, :, self.stride - 1 :: self.stride] = padded.reshape(rows, self.ciphertexts, self.each).swapaxes(0, 1)
        return result

    def gather(self, polynomials: Words) -> Words:
        """The contrary of `spread`."""
        standing = polynomials[:, :, self.stride - 1 :: self.stride].swapaxes(0, 1)
        return np.ascontiguousarray(standing.reshape(len(standing), -1)[:, : self.kept])

    def product(self, columns: int) -> Places:
        """Where a product with a matrix leaves its numbers: many in a ciphertext if the vector is whole, else one."""
        used = min(self.length, self.each)
        stride = 1 << (used - 1).bit_length() if self.whole else self.degree
        return Places(self.degree, columns, stride)

    def factors(self, matrix: Integers, product: Places) -> Integers:
        """Plain polynomials that bring row *i* of *matrix* times number *i* to the places of *product*; (products, ciphertexts, degree)."""
        used, columns = min(self.length, self.each), product.ciphertexts * product.each
        padded = np.zeros((self.ciphertexts * self.each, columns), dtype=np.int64)
        padded[: self.length, : matrix.shape[1]] = matrix
        rows = padded.reshape(self.ciphertexts, self.each, columns)[:, :used].transpose(2, 0, 1)
        result = np.zeros((columns, self.ciphertexts, product.stride), dtype=np.int64)
        result[:, :, product.stride - self.stride * (1 + np.arange(used))] = rows
        shape = (product.ciphertexts, product.each, self.ciphertexts, product.stride)
        return result.reshape(shape).swapaxes(1, 2).reshape(product.ciphertexts, self.ciphertexts, self.degree)

    def cut(self, start: int, stop: int) -> tuple[Places, slice, int]:
        """A slice's places, its ciphertexts, and how many coefficients each of them must be moved down."""
        first, moved = divmod(start, self.each)
        last = (stop - 1) // self.each
        if self.slots:
            raise UsageError("a vector under a key for entries cannot be sliced; multiply it by a vector of ones and zeros")
        if moved and first != last:
            raise UsageError(f"under this key a slice starts at a multiple of {self.each}, or lies between two of them")
        return replace(self, length=stop - start, whole=False), slice(first, last + 1), moved * self.stride
