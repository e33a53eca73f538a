"""Coefficients modulo primes: adding them, and writing them down.

A coefficient modulo a prime of w bits takes w bits on the wire: pairs of them fill whole bytes, because w is a multiple of four.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from governance.errors import DecodeError

Words = npt.NDArray[np.uint64]


def added(a: Words, b: Words, primes: Sequence[int]) -> Words:
    """The sum of coefficients, shape (..., primes, coefficients)."""
    total = a + b
    np.minimum(total, total - _column(primes), out=total)  # below zero wraps around to what is larger
    return total


def negated(a: Words, primes: Sequence[int]) -> Words:
    return np.where(a == 0, a, _column(primes) - a)


def reduced(numbers: Sequence[int], primes: Sequence[int]) -> Words:
    """Whole numbers of any size modulo each prime, shape (primes, numbers)."""
    return np.array([[number % prime for number in numbers] for prime in primes], dtype=np.uint64)


def size(count: int, widths: Sequence[int]) -> int:
    """Bytes that *count* coefficients take."""
    return sum(-(-count // 2) * width // 4 for width in widths)


def pack(words: Words, widths: Sequence[int]) -> bytes:
    """Coefficients of shape (..., primes, coefficients), one prime after the other."""
    return b"".join(_pack(np.moveaxis(words, -2, 0)[row].ravel(), width) for row, width in enumerate(widths))


def unpack(raw: memoryview, shape: tuple[int, ...], primes: Sequence[int]) -> Words:
    """What `pack` wrote; shape is (..., primes, coefficients)."""
    widths = [prime.bit_length() for prime in primes]
    result = np.empty((shape[-2], *shape[:-2], shape[-1]), dtype=np.uint64)
    count = result[0].size
    for row, (prime, width) in enumerate(zip(primes, widths, strict=True)):
        taken = size(count, [width])
        words = _unpack(raw[:taken], count, width)
        if count and int(words.max()) >= prime:
            raise DecodeError("a coefficient is not below its modulus")
        result[row] = words.reshape(result[row].shape)
        raw = raw[taken:]
    return np.ascontiguousarray(np.moveaxis(result, 0, -2))


def _column(primes: Sequence[int]) -> Words:
    return np.array(primes, dtype=np.uint64)[:, None]


def _pack(words: Words, width: int) -> bytes:
    pairs = np.zeros((-(-words.size // 2), 2), dtype="<u8")
    pairs.ravel()[: words.size] = words
    low, high = pairs[:, 0], pairs[:, 1].copy()
    pairs[:, 0] = low | (high << np.uint64(width))
    pairs[:, 1] = high >> np.uint64(64 - width)
    return pairs.view(np.uint8)[:, : width // 4].tobytes()


def _unpack(raw: memoryview, count: int, width: int) -> Words:
    pairs = np.zeros((-(-count // 2), 16), dtype=np.uint8)
    pairs[:, : width // 4] = np.frombuffer(raw, np.uint8).reshape(len(pairs), width // 4)
    words = pairs.view("<u8").astype(np.uint64)
    mask = np.uint64((1 << width) - 1)
    second = (words[:, 0] >> np.uint64(width)) | (words[:, 1] << np.uint64(64 - width))
    words[:, 0] &= mask
    words[:, 1] = second
    flat = words.ravel()
    if flat[count:].any():
        raise DecodeError("a coefficient is not below its modulus")
    return flat[:count]
