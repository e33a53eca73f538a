"""Real numbers as ring elements: fixed point with a power-of-two step for each entry, and no overflow by declaration.

A number is written as a whole number of steps, so that a sum in the ring is the exact sum of what was written, in any order, and the
only error is the rounding of each term to its step. Each entry has a declared bound and hence a step of its own: a count, a sum of
squares in 10^15 and a rate in 10^-12 share one vector, and each keeps about ``bits - 1 - log2(terms)`` binary digits below its bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from governance.errors import UsageError
from mpc.rings import Words, ring

Floats = npt.NDArray[np.float64]
SLACK = 1 + 2.0**-50  # above the two roundings in terms * bound + tail
FINEST = 1000  # steps are 2^-1000 or more, so that both they and their reciprocals are normal float64s
CHUNK = 1 << 14  # entries whose intermediate values fit a second-level cache


@dataclass(frozen=True, slots=True, eq=False)
class FixedPoint:
    """A code for sums of *terms* numbers, each at most *bound* in size.

    Parameters
    ----------
    bound
        Largest magnitude of one term, > 0 and finite: a number, or an array with one for each entry.
    terms
        How many encoded vectors are added, at most.
    bits
        32, 64 or 128.
    tail
        Room kept free for what is added to the total besides the terms (noise), in the entries' own unit.

    Notes
    -----
    The step is 2^-exponent, the smallest for which ``(terms * bound + tail) / step``, every term rounded away from zero, stays below
    2^(bits - 1). A step above the bound would leave no precision and is refused.
    """

    bound: float | Floats
    terms: int
    bits: int
    tail: float | Floats = field(default=0.0, kw_only=True)
    exponent: npt.NDArray[np.int32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        bits = ring(self.bits).bits
        if not 1 <= self.terms < 2**53:
            raise UsageError(f"terms must be in 1..2^53 - 1, got {self.terms}")
        bound, tail = np.asarray(self.bound, np.float64), np.asarray(self.tail, np.float64)
        if not (np.isfinite(bound) & (bound > 0)).all() or not (np.isfinite(tail) & (tail >= 0)).all():
            raise UsageError("bounds must be finite and above zero, tails finite and not below zero")
        with np.errstate(over="ignore"):
            exponent = _exponent((self.terms * bound + tail) * SLACK, self.terms, bits)
        if (np.ldexp(bound, exponent) < 1).any():
            raise UsageError(f"no precision is left: {self.terms} terms at their bound fill {bits} bits; take a larger ring")
        object.__setattr__(self, "exponent", exponent)

    @property
    def step(self) -> Floats:
        """Distance of two neighbouring numbers; rounding moves a term by at most half of it."""
        return np.ldexp(1.0, -self.exponent)

    def encode(self, values: npt.ArrayLike) -> Words:
        """Clip to the bounds (NaN counts as zero), round to the nearest step, and write as ring elements.

        *values* is a vector of numbers. Rounding is to even in a tie, and otherwise the code is exact: scaling by a power of two is.
        """
        values = np.asarray(values)
        length = len(values)
        high, scale = self._along(np.asarray(self.bound), length), self._along(np.ldexp(1.0, self.exponent), length)
        low, words, room = self._along(-np.asarray(self.bound), length), ring(self.bits).zeros(length), np.empty(min(length, CHUNK))
        for start in range(0, length, CHUNK):
            here = slice(start, min(start + CHUNK, length))
            steps = room[: here.stop - start]
            np.copyto(steps, values[here])
            steps[np.isnan(steps)] = 0
            np.maximum(np.minimum(steps, high[here], out=steps), low[here], out=steps)
            np.multiply(steps, scale[here], out=steps)
            _write(np.rint(steps, out=steps), words[here])
        return words

    def _along(self, entries: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
        if entries.ndim and len(entries) != length:
            raise UsageError(f"there are bounds for {len(entries)} entries, not for {length}")
        return np.broadcast_to(entries, (length,))

    def decode(self, words: Words) -> Floats:
        """The nearest float64 to each element, read as a signed number of steps."""
        numbers = _read_two(words) if self.bits == 128 else _signed(words).astype(np.float64)
        numbers *= self._along(self.step, len(words))
        return numbers


def _exponent(limit: Floats, terms: int, bits: int) -> npt.NDArray[np.int32]:
    """Largest e with ``limit * 2^e`` and the roundings of all *terms* below 2^(bits - 1)."""
    if not np.isfinite(limit).all():
        raise UsageError("the bound of the total is not a float64")
    mantissa, exponent = np.frexp(limit)
    tight = np.ldexp(1 - mantissa, bits - 1) < terms / 2 + 1
    return np.asarray(np.minimum(bits - 1 - exponent - tight, FINEST), np.int32)


def _signed(words: Words) -> npt.NDArray[np.signedinteger[Any]]:
    return words.view(words.dtype.str.replace("u", "i"))


def _write(steps: Floats, words: Words) -> None:
    """Whole numbers of steps as elements. Exact: both halves of a whole float64 below 2^127 are float64s."""
    if words.ndim == 1:
        np.copyto(_signed(words), steps, casting="unsafe")
        return
    magnitude = np.abs(steps)
    high = np.floor(magnitude * 2.0**-64)
    words[:, 0], words[:, 1] = magnitude - high * 2.0**64, high
    _negate(words, steps < 0)


def _negate(words: Words, where: npt.NDArray[np.bool_]) -> None:
    """Two's complement of the rows *where*, in place."""
    np.invert(words, out=words, where=where[:, None])
    words[:, 0] += where
    words[:, 1] += where & (words[:, 0] == 0)


def _read_two(words: Words) -> Floats:
    """Signed 128-bit numbers, correctly rounded.

    The magnitude is moved to the top of its high word, whose last bit stays set for whatever falls off ("sticky"): below the rounding
    position, it decides ties as the full number would.
    """
    magnitude, negative = words.copy(), words[:, 1] >> np.uint64(63) != 0
    _negate(magnitude, negative)
    low, high = magnitude[:, 0], magnitude[:, 1]
    length = np.frexp(high.astype(np.float64))[1]  # of the high word; one too many where it rounds up to a power of two
    shift = ((64 - length) % 64).astype(np.uint64)
    carried = np.where(shift > 0, low >> (64 - shift) % 64, 0)
    top = np.where(length > 0, (high << shift) | carried | (low << shift != 0), low)
    numbers = np.ldexp(top.astype(np.float64), length)
    return np.negative(numbers, out=numbers, where=negative)
