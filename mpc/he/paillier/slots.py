"""Many small signed numbers as one large one, and back: digit i of the large number, base 2^width, is the i-th small number.

Digits are balanced, -2^(width - 1) < digit < 2^(width - 1), so that adding, subtracting and scaling large numbers does the same to all
digits exactly, negative ones included, as long as every digit stays in its range; layouts see to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gmpy2 import mpz

from governance.errors import DecodeError
from mpc.he.layout import Integers

Integer = Any
WORD = 64


@dataclass(frozen=True, slots=True)
class Slots:
    """*count* digits of *width* bits, 2 <= width < 64, in one large number."""

    width: int
    count: int

    @property
    def words(self) -> int:
        return -(-self.count * self.width // WORD)

    @property
    def raise_all(self) -> Integer:
        """2^(width - 1) in every digit: what makes balanced digits non-negative."""
        return (((mpz(1) << self.width * self.count) - 1) // ((1 << self.width) - 1)) << (self.width - 1)

    def numbers(self, length: int) -> int:
        """Large numbers that hold *length* digits."""
        return -(-length // self.count)

    def pack(self, steps: Integers) -> list[Integer]:
        rows = self.numbers(len(steps))
        digits = np.zeros(rows * self.count, np.int64)
        digits[: len(steps)] = steps
        digits += 1 << (self.width - 1)
        columns = np.ascontiguousarray(digits.view(np.uint64).reshape(rows, self.count).T)
        words = np.zeros((self.words + 1, rows), np.uint64)
        for i, column in enumerate(columns):
            word, shift = divmod(i * self.width, WORD)
            words[word] |= column << np.uint64(shift)
            if shift + self.width > WORD:
                words[word + 1] |= column >> np.uint64(WORD - shift)
        raw, size, offset = np.ascontiguousarray(words[: self.words].T).astype("<u8").tobytes(), 8 * self.words, self.raise_all
        return [mpz.from_bytes(raw[at : at + size], "little") - offset for at in range(0, len(raw), size)]

    def unpack(self, numbers: list[Integer], length: int) -> Integers:
        """The first *length* digits; what is too large, or has digits after the last, is refused."""
        offset, size = self.raise_all, 8 * self.words
        raised = [number + offset for number in numbers]
        if not all(number >= 0 and number.bit_length() <= self.width * self.count for number in raised):
            raise DecodeError("a total is outside its declared range: a ciphertext is foreign or dishonest")
        raw = b"".join(number.to_bytes(size, "little") for number in raised)
        words = np.ascontiguousarray(np.frombuffer(raw, "<u8").astype(np.uint64).reshape(len(numbers), self.words).T)
        digits, mask = np.empty((self.count, len(numbers)), np.uint64), np.uint64((1 << self.width) - 1)
        for i in range(self.count):
            word, shift = divmod(i * self.width, WORD)
            digit = words[word] >> np.uint64(shift)
            if shift + self.width > WORD:
                digit |= words[word + 1] << np.uint64(WORD - shift)
            digits[i] = digit & mask
        steps = digits.T.reshape(-1).view(np.int64) - (1 << (self.width - 1))
        if steps[length:].any():
            raise DecodeError("there are digits after the last number: a ciphertext is foreign or dishonest")
        return np.asarray(steps[:length], np.int64)
