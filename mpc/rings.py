"""The integers modulo 2^32, 2^64 and 2^128, and modulo ℓ, as vectors of little-endian machine words.

An element of Z/2^128 is a row of two 64-bit words, one of Z/ℓ a row of four, the low one first, so that the bytes of every ring are its
elements in little-endian order, whatever the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from governance.errors import DecodeError, UsageError

ORDER = 2**252 + 27742317777372353535851937790883648493  # ℓ, the order of edwards25519's base point (RFC 8032, 5.1)
Words = npt.NDArray[np.unsignedinteger[Any]]
Buffer = bytes | bytearray | memoryview
Rand = Callable[[int], bytes]  # so many uniform bytes


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


@dataclass(frozen=True, slots=True)
class Scalars(Ring):
    """Z/ℓ, where blinders of commitments are added. A vector of *n* elements has shape (n, 4).

    Any 32 bytes stand for an element: 32 uniform ones are within 2^-123 of a uniform element, since 2^256 is ℓ·16 less 2^128.4.
    """

    @property
    def name(self) -> str:
        return "Z/ℓ"

    @property
    def size(self) -> int:
        return 32

    def shape(self, length: int) -> tuple[int, ...]:
        return (length, 4)

    def embed(self, integers: npt.NDArray[np.int64]) -> Words:
        return self._words(integers.tolist())

    def add(self, into: Words, words: Words) -> None:
        into[:] = self._words(a + b for a, b in zip(_integers(into), _integers(words), strict=True))

    def sub(self, into: Words, words: Words) -> None:
        into[:] = self._words(a - b for a, b in zip(_integers(into), _integers(words), strict=True))

    def _words(self, integers: Iterable[int]) -> Words:
        raw = b"".join((i % ORDER).to_bytes(32, "little") for i in integers)
        return np.frombuffer(raw, self.dtype).reshape(-1, 4)


def _integers(words: Words) -> list[int]:
    return [int.from_bytes(row, "little") for row in np.ascontiguousarray(words)]


RINGS: Mapping[int, Ring] = MappingProxyType({bits: Ring(bits) for bits in (32, 64, 128)})
SCALARS = Scalars(252)


def ring(bits: int) -> Ring:
    """The ring modulo 2^bits."""
    if bits not in RINGS:
        raise UsageError(f"rings have {', '.join(map(str, RINGS))} bits, got {bits}")
    return RINGS[bits]
