"""Skellam noise, sampled exactly and by the vector.

A Skellam variable of variance v is the difference of two Poisson variables of mean v/2 each; it takes the value k with probability
``exp(-v) I_k(v)``. It is drawn by inversion: a uniform real number is compared with the cumulative probabilities. Of that number 64 bits
are drawn; in the rare case that they do not tell on which side of a probability it lies, more of its bits are drawn, until they do. The
probabilities are known as intervals with whole ends, so nothing is rounded: the distribution is exact, not close.
Source of the recurrence: Gautschi, SIAM Review 9(1), 1967 (ratios of Bessel functions by continued fraction). Proof:
docs/proofs/distributed-noise.md.
"""

from __future__ import annotations

import functools
import math
import secrets
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from mpc.dp.amounts import Integers
from mpc.rings import Rand

WORD = 64
GUARD = 64  # bits beyond the word: the intervals of all probabilities stay far below one unit of the word
MOST_VARIANCE = 2**30  # a table of 2^19 entries; noise of more steps than that is finer than anybody needs


@dataclass(frozen=True, slots=True)
class Table:
    """Bounds of ``2^bits * P(X < k)`` for k in -reach .. reach + 1: low <= it <= high, and high is above it."""

    reach: int
    low: Sequence[int]
    high: Sequence[int]

    def find(self, word: int) -> int | None:
        """The value of X whose interval holds all of word .. word + 1; None where that is not decided."""
        place = bisect_right(self.high, word)
        decided = 1 <= place <= 2 * self.reach + 1 and self.low[place] > word
        return place - 1 - self.reach if decided else None


@dataclass(frozen=True, slots=True)
class Words:
    """A table of one word's bits, for whole vectors of words; bounds of 2^64 are 2^64 - 1 here, and the last word is undecided."""

    reach: int
    low: npt.NDArray[np.uint64] = field(repr=False)
    high: npt.NDArray[np.uint64] = field(repr=False)


def skellam(variance: Fraction, length: int, rand: Rand = secrets.token_bytes) -> Integers:
    """*length* independent Skellam variables of *variance* each, exactly.

    Parameters
    ----------
    variance
        Above zero, at most 2^30.
    rand
        Called once for 8 bytes a variable, and for 8 more for each that these do not decide (once in 2^40 calls or less).
    """
    words, draws = _words(variance), np.frombuffer(rand(WORD // 8 * length), "<u8")
    places = np.searchsorted(words.high, draws, "right")
    beyond = (places == 0) | (places == len(words.high))
    undecided = beyond | (words.low[np.where(beyond, 0, places)] <= draws)
    values = places - (1 + words.reach)
    for entry in np.flatnonzero(undecided).tolist():
        values[entry] = _settle(variance, int(draws[entry]), rand)
    return values


def _settle(variance: Fraction, word: int, rand: Rand) -> int:
    """More bits of the same number, until they tell."""
    bits, found = WORD, None
    while found is None:
        bits += WORD
        word = word << WORD | int.from_bytes(rand(WORD // 8), "little")
        found = _table(variance, bits).find(word)
    return found


def reach(variance: Fraction, rarity: int) -> int:
    """An x with ``P(X >= x) <= exp(-rarity)``: Bernstein's inequality, ``exp(-x^2 / (2 (variance + x/3)))``."""
    root = math.isqrt(math.floor(Fraction(rarity**2, 9) + 2 * rarity * variance)) + 1
    return math.ceil(Fraction(rarity, 3)) + root


@functools.lru_cache(maxsize=4)
def _words(variance: Fraction) -> Words:
    table, top = _table(variance, WORD), 2**WORD - 1
    return Words(table.reach, np.array([min(t, top) for t in table.low], np.uint64), np.array([min(t, top) for t in table.high], np.uint64))


def _table(variance: Fraction, bits: int) -> Table:
    """Cumulative probabilities from relative weights ``w_k = I_k / I_0``, as intervals."""
    scale, most = bits + GUARD, reach(variance, bits)  # exp(-bits) < 2^-bits: hardly any word lies beyond
    lows, highs, tail = _weights(variance, most, scale)
    low_all, high_all = 2 * sum(lows) - lows[0], 2 * (sum(highs) + tail) - highs[0]
    low, high, below, above = [], [], 0, tail
    for k in range(-most, most + 2):
        low.append((below << bits) // high_all)
        high.append(min((above << bits) // low_all + 1, 2**bits))
        below, above = below + lows[min(abs(k), most)], above + highs[min(abs(k), most)]
    return Table(most, low, high)


def _weights(variance: Fraction, most: int, scale: int) -> tuple[list[int], list[int], int]:
    """Intervals of ``2^scale * I_k(v) / I_0(v)`` for k = 0 .. most, and what the sum of all later ones does not exceed.

    The ratios ``r_k = I_{k+1} / I_k`` lie between 0 and 1 and fall with k; from ``I_{k-1} = I_{k+1} + (2k/v) I_k`` follows
    ``r_{k-1} = 1 / (2k/v + r_k)``, by which any interval for a late ratio becomes a narrow one for an early ratio.
    """
    one, ratios = 1 << scale, [(0, 0)] * (most + 1)
    low, high = 0, one
    for k in range(2 * most + 1, 0, -1):
        slope = (2 * k * variance.denominator << scale) // variance.numerator
        low, high = (one << scale) // (slope + 1 + high), min((one << scale) // (slope + low) + 1, one)
        if k <= most + 1:
            ratios[k - 1] = low, high
    lows, highs = [one], [one]
    for low, high in ratios[:most]:
        lows.append(lows[-1] * low >> scale)
        highs.append((highs[-1] * high >> scale) + 1)
    last = ratios[most][1]
    return lows, highs, highs[-1] * last // (one - last) + 1
