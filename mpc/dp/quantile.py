"""A quantile among registered cut points, chosen by the exponential mechanism from the counts between them.

Cut points come from the catalogue, never from data. Whoever chooses sees the exact counts; everyone else sees the cut point that was
chosen. Counts that already carry noise need no second noise: `nearest` reads a quantile off them for nothing. Proof:
docs/proofs/quantile.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from governance.errors import UsageError
from mpc.dp import engine
from mpc.dp.amounts import MOST_WHOLE, Amount, Integers, epsilon_of, integers, real, up, whole
from mpc.dp.loss import Loss, of_choice
from mpc.dp.release import Chosen

MOST_PARTS = 10_000  # denominator of a share such as 0.025


@dataclass(frozen=True, slots=True)
class Quantile:
    """The cut point below which a given share of the persons is, nearly.

    Parameters
    ----------
    epsilon
        Privacy loss of one choice, in nats.
    at
        The share, between 0 and 1, such as "0.5" for the median.
    hospitals
        In how many hospitals one person may be (M): so many records of a person may be counted.

    Notes
    -----
    (epsilon, 0)-DP and epsilon^2/8-zCDP when one person is added or removed.  McSherry & Talwar, FOCS 2007, theorem 6; Smith, STOC 2011
    (quantiles); Cesar & Rogers, ALT 2021 (zCDP).
    """

    epsilon: Amount
    at: Amount = field(default="0.5", kw_only=True)
    hospitals: int = field(default=1, kw_only=True)
    scale: float = field(init=False)

    def __post_init__(self) -> None:
        part, parts = _parts(self.at)
        change = max(part, parts - part) * whole(self.hospitals, "hospitals", most=2**16)
        object.__setattr__(self, "scale", up(2 * change / epsilon_of(self.epsilon)))

    @property
    def loss(self) -> Loss:
        return of_choice(epsilon_of(self.epsilon))

    def release(self, counts: npt.ArrayLike, cuts: Sequence[Amount], *, unit: str = "persons") -> Chosen:
        """Choose one of *cuts*.

        Parameters
        ----------
        counts
            Persons below the first cut point, from each to the next, and from the last one on: one more than cut points.
        cuts
            Registered cut points, rising.
        """
        share = _parts(self.at)
        points, scores = _scores(counts, cuts, share)
        index = engine.choice(scores, self.scale)
        within = self.scale * (math.log(len(points)) + math.log(20)) / share[1]
        return Chosen(points[index], index, within, self.loss, unit)


def nearest(counts: npt.ArrayLike, cuts: Sequence[Amount], *, at: Amount = "0.5") -> int:
    """Index of the best of *cuts* for counts that were released with noise; it tells nothing more than they did."""
    return int(np.argmax(_scores(counts, cuts, _parts(at))[1]))


def _parts(at: Amount) -> tuple[int, int]:
    share = real(at, "at")
    if not 0 < share < 1:
        raise UsageError(f"at must be between 0 and 1, got {at}")
    if share.denominator > MOST_PARTS:
        raise UsageError(f"at must be a fraction of at most {MOST_PARTS} parts, got {at}")
    return share.numerator, share.denominator


def _scores(counts: npt.ArrayLike, cuts: Sequence[Amount], share: tuple[int, int]) -> tuple[list[Fraction], Integers]:
    """How far the persons below each cut point are from the share, times -1, in parts of a person."""
    points, numbers = [real(cut, "a cut point") for cut in cuts], integers(counts, "counts")
    if not points or any(a >= b for a, b in pairwise(points)):
        raise UsageError("cut points must rise, and there must be one at least")
    if len(numbers) != len(points) + 1:
        raise UsageError(f"{len(points)} cut points part the persons into {len(points) + 1} groups, got {len(numbers)}")
    part, parts = share
    if sum(map(abs, numbers.tolist())) * parts >= MOST_WHOLE:
        raise UsageError("there are too many persons for shares so fine")
    return points, -np.abs(parts * np.cumsum(numbers)[:-1] - part * numbers.sum())
