"""What the tests of noise share: a chi-square test at a false-alarm rate, and the comparison of two neighbours' histograms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import chi2

RATE = 1e-9  # of false alarms, in each test
SIGMAS = 6.2  # a normal variable exceeds it once in 10^9
MANY_SIGMAS = 6.8  # one of a hundred does


def fits(draws: np.ndarray, pmf: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether *draws* look like *pmf*; bins in which fewer than 20 draws are expected go into the two tails."""
    reach = int(np.abs(draws).max()) + 1
    k = np.arange(-reach, reach + 1)
    expected = len(draws) * pmf(k)
    bins = k[expected >= 20]
    low, high = bins[0], bins[-1]
    inside = np.bincount(np.clip(draws, low - 1, high + 1) - (low - 1), minlength=high - low + 3)
    expected = expected[expected >= 20]
    tail = (len(draws) - expected.sum()) / 2
    expected = np.concatenate([[tail], expected, [tail]])
    kept = expected >= 5
    statistic = ((inside - expected)[kept] ** 2 / expected[kept]).sum()
    return bool(statistic < chi2.isf(RATE, kept.sum() - 1))


def respects(ours: np.ndarray, theirs: np.ndarray, epsilon: float) -> bool:
    """Whether no value or tail is more than e^epsilon times as frequent in one sample as in the other, beyond chance."""
    low, high = min(ours.min(), theirs.min()), max(ours.max(), theirs.max())
    a, b = (np.bincount(x - low, minlength=high - low + 1) for x in (ours, theirs))
    events = [(a, b), (a.cumsum(), b.cumsum()), (a[::-1].cumsum(), b[::-1].cumsum())]
    pairs = [pair for x, y in events for pair in ((x, y), (y, x))]
    factor = np.exp(epsilon)
    return all((x <= factor * y + MANY_SIGMAS * np.sqrt(x + factor**2 * y + 1)).all() for x, y in pairs)
