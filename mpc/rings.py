"""The integers modulo 2^32, 2^64 and 2^128 as vectors of little-endian machine words.

An element of Z/2^128 is a row of two 64-bit words, the low one first, so that the bytes of every ring are its elements in little-endian
order, whatever the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from governance.errors import DecodeError, UsageError

Words = npt.NDArray[np.unsignedinteger[Any]]
Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Ring:
    """Z/2^bits. A vector of *n* elements has shape (n,), or (n, 2) where bits is 128."""

    bits: int

    @property
    def name(self) -> str:
        return f"Z/2^{self.bits}"

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype("<u4" if self.bits == 32 else "<u8")

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.bits // 8

    def shape(self, length: int) -> tuple[int, ...]:
        return (length, 2) if self.bits == 128 else (length,)

    def zeros(self, length: int) -> Words:
        return np.zeros(self.shape(length), self.dtype)

    def check(self, words: Words, length: int) -> None:
        """Refuse what is no vector of *length* elements of this ring."""
        if not isinstance(words, np.ndarray) or words.dtype != self.dtype or words.shape != self.shape(length):
            raise UsageError(f"need {length} elements of {self.name}: dtype {self.dtype}, shape {self.shape(length)}")

    def embed(self, integers: npt.NDArray[np.int64]) -> Words:
        """Signed integers, such as counts or noise, as elements (two's complement)."""
        if self.bits == 128:
            integers = np.stack([integers, integers >> 63], axis=-1)
        words: Words = integers.astype(self.dtype)
        return words

    def to_bytes(self, words: Words) -> bytes:
        self.check(words, len(words))
        return words.tobytes()

    def from_bytes(self, raw: Buffer, length: int) -> Words:
        """A read-only view of *raw*, which must hold exactly *length* elements."""
        if (got := memoryview(raw).nbytes) != length * self.size:
            raise DecodeError(f"{length} elements of {self.name} take {length * self.size} bytes, got {got}")
        words = np.frombuffer(raw, self.dtype).reshape(self.shape(length))
        words.flags.writeable = False
        return words

    def add(self, into: Words, words: Words) -> None:
        """``into += words`` in place; the two share no memory."""
        if self.bits != 128:
            np.add(into, words, out=into)
            return
        low, high = into[:, 0], into[:, 1]
        np.add(low, words[:, 0], out=low)
        np.add(high, words[:, 1], out=high)
        np.add(high, low < words[:, 0], out=high)  # the low words wrapped around: carry one

    def sub(self, into: Words, words: Words) -> None:
        """``into -= words`` in place; the two share no memory."""
        if self.bits != 128:
            np.subtract(into, words, out=into)
            return
        low, high = into[:, 0], into[:, 1]
        borrow = low < words[:, 0]
        np.subtract(low, words[:, 0], out=low)
        np.subtract(high, words[:, 1], out=high)
        np.subtract(high, borrow, out=high)


RINGS: Mapping[int, Ring] = MappingProxyType({bits: Ring(bits) for bits in (32, 64, 128)})


def ring(bits: int) -> Ring:
    """The ring modulo 2^bits."""
    if bits not in RINGS:
        raise UsageError(f"rings have {', '.join(map(str, RINGS))} bits, got {bits}")
    return RINGS[bits]
