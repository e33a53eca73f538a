"""Real numbers as ring elements: fixed point with a power-of-two step for each entry, and no overflow by declaration.

A number is written as a whole number of steps, so that a sum in the ring is the exact sum of what was written, in any order, and the
only error is the rounding of each term to its step. Each entry has a declared bound and hence a step of its own: a count, a sum of
squares in 10^15 and a rate in 10^-12 share one vector, and each keeps about ``bits - 1 - log2(terms)`` binary digits below its bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from governance.errors import UsageError
from mpc.rings import Words, ring

Floats = npt.NDArray[np.float64]
SLACK = 1 + 2.0**-50  # above the two roundings in terms * bound + tail
FINEST = 1074  # 2^-1074 is the smallest float64: a finer step would hold nothing more


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
        """Clip to the bounds (NaN counts as zero), round to the nearest step, and write as ring elements."""
        values = np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
        steps = np.rint(np.ldexp(np.clip(values, -np.asarray(self.bound), self.bound), self.exponent))
        if self.bits == 128:
            return _two_words(steps)
        return ring(self.bits).embed(steps.astype(np.int64))

    def decode(self, words: Words) -> Floats:
        """The nearest float64 to each element, read as a signed number of steps."""
        if self.bits == 128:
            return _from_two_words(words, self.exponent)
        signed = words.view(np.dtype(f"<i{self.bits // 8}"))
        return np.ldexp(signed.astype(np.float64), -self.exponent)


def _exponent(limit: Floats, terms: int, bits: int) -> npt.NDArray[np.int32]:
    """Largest e with ``limit * 2^e`` and the roundings of all *terms* below 2^(bits - 1)."""
    if not np.isfinite(limit).all():
        raise UsageError("the bound of the total is not a float64")
    mantissa, exponent = np.frexp(limit)
    tight = np.ldexp(1 - mantissa, bits - 1) < terms / 2 + 1
    return np.asarray(np.minimum(bits - 1 - exponent - tight, FINEST), np.int32)


def _two_words(steps: Floats) -> Words:
    """Whole numbers below 2^127 in size as (n, 2) words. Exact: both parts of a float64's magnitude are float64s."""
    magnitude = np.abs(steps)
    high = np.floor(np.ldexp(magnitude, -64))
    low = magnitude - np.ldexp(high, 64)
    words = np.stack([low.astype("<u8"), high.astype("<u8")], axis=-1)
    return _negated(words, steps < 0)


def _negated(words: Words, where: npt.NDArray[np.bool_]) -> Words:
    """Two's complement of the rows *where*."""
    flipped = ~words
    flipped[..., 0] += np.uint64(1)
    flipped[..., 1] += flipped[..., 0] == 0
    return np.where(where[..., None], flipped, words)


def _from_two_words(words: Words, exponent: npt.NDArray[np.int32]) -> Floats:
    """Correctly rounded: the magnitude is moved to the top of its high word, and what falls off only keeps the last bit odd."""
    negative = (words[..., 1] >> np.uint64(63)).astype(bool)
    magnitude = _negated(words, negative)
    low, high = magnitude[..., 0], magnitude[..., 1]
    length = np.frexp(high.astype(np.float64))[1]
    shift = (64 - length).astype(np.uint64)  # 0..64; one too few where high rounds up to a power of two
    top = np.where(length > 0, _shifted(high, low, shift), low)
    scale = np.where(length > 0, length, 0)
    size = np.ldexp(top.astype(np.float64), scale - exponent)
    return np.where(negative, -size, size)


def _shifted(high: Words, low: Words, shift: Words) -> Words:
    """Top 64 bits of ``(high, low) << shift``, with a sticky last bit for the rest; shift in 1..63, or 0."""
    inner = shift % np.uint64(64)
    carried = np.where(inner > 0, low >> (np.uint64(64) - inner) % np.uint64(64), np.uint64(0))
    rest = low << inner
    top: Words = (high << inner) | carried | (rest != 0)
    return top
