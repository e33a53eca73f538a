"""Noise that the nodes of a secure sum make together: each adds its part before it masks, and only the total is ever opened.

Nobody sees the exact total, the coordinator included. Model: of the nodes whose parts are in an opened total at most *colluding* show
their noise to the adversary, or add none, or add anything; the others follow the protocol. Proof: docs/proofs/distributed-noise.md.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from fractions import Fraction

import numpy.typing as npt

from governance.errors import UsageError
from mpc.dp.amounts import Amount, Integers, delta_of, epsilon_of, integers, rarity, whole
from mpc.dp.loss import Loss, of_skellam
from mpc.dp.noise import fitted
from mpc.dp.release import Release
from mpc.dp.sampling import MOST_VARIANCE, reach, skellam
from mpc.rings import Rand

MOST_NODES = 2**16


@dataclass(frozen=True, slots=True)
class SharedNoise:
    """Skellam noise for a sum of whole numbers, made in parts.

    Parameters
    ----------
    epsilon, delta
        Privacy loss of one opened total, in nats, and the chance that it is more.
    survivors
        Fewest nodes whose parts may be in a total: the threshold t of the secure sum.
    colluding
        How many of them may work with the adversary (c).
    l1, l2_squared
        Most that one person in one hospital can change the numbers of a round, of all its vectors: the sum of the changes, and of their
        squares (l1^2 unless given). Numbers are whole steps of the code in which they are added; rounding to steps counts.
    hospitals
        In how many hospitals one person may be (M); the noise covers all of them, its Rényi cost grows with M^2.

    Notes
    -----
    (epsilon, delta)-DP when one person is added or removed: t - c honest parts are Skellam noise of the full variance together, whoever
    else is lost or lies; parts beyond these only add to it.  Agarwal, Kairouz & Liu, NeurIPS 2021, corollary 3.6.
    """

    epsilon: Amount
    delta: Amount
    survivors: int = field(kw_only=True)
    colluding: int = field(kw_only=True)
    l1: int = field(default=1, kw_only=True)
    l2_squared: int | None = field(default=None, kw_only=True)
    hospitals: int = field(default=1, kw_only=True)
    variance: Fraction = field(init=False)

    def __post_init__(self) -> None:
        epsilon, delta = epsilon_of(self.epsilon), delta_of(self.delta)
        self._honest  # noqa: B018
        object.__setattr__(self, "variance", fitted(self._loss, epsilon, delta, most=MOST_VARIANCE))

    @property
    def _honest(self) -> int:
        survivors = whole(self.survivors, "survivors", most=MOST_NODES)
        colluding = whole(self.colluding, "colluding", least=0, most=MOST_NODES)
        if colluding >= survivors:
            raise UsageError(f"of {survivors} survivors {colluding} may collude: nobody is left whose noise counts")
        return survivors - colluding

    def _loss(self, variance: Fraction) -> Loss:
        hospitals, l1 = whole(self.hospitals, "hospitals", most=MOST_NODES), whole(self.l1, "l1")
        squares = l1**2 if self.l2_squared is None else whole(self.l2_squared, "l2_squared", most=l1**2)
        return of_skellam(self._honest * variance, l1=hospitals * l1, l2_squared=hospitals**2 * squares)

    @property
    def loss(self) -> Loss:
        """Of one opened total."""
        return self._loss(self.variance)

    def draw(self, length: int, *, rand: Rand = secrets.token_bytes) -> Integers:
        """One node's part, for a vector of *length* numbers; drawn once for each round, never again."""
        return skellam(self.variance, whole(length, "length", most=2**32), rand)

    def sd(self, nodes: int) -> float:
        """Standard deviation of the noise in a total of *nodes* parts."""
        return math.sqrt(whole(nodes, "nodes", most=MOST_NODES) * self.variance)

    def tail(self, failure: Amount, *, nodes: int, entries: int = 1) -> int:
        """What the noise in totals of *nodes* parts and *entries* numbers exceeds in size with probability *failure* at most.

        The room that a code must keep free (`FixedPoint.tail`, there in the entries' own unit), so that no total wraps around.
        """
        return reach(whole(nodes, "nodes", most=MOST_NODES) * self.variance, rarity(failure, entries))

    def release(self, total: npt.ArrayLike, *, nodes: int, unit: str = "persons") -> Release:
        """A total of *nodes* parts, as it was opened: their noise is in it."""
        if whole(nodes, "nodes", most=MOST_NODES) < self.survivors:
            raise UsageError(f"a total of {nodes} parts has too little noise; it takes {self.survivors}")
        return Release(integers(total, "total"), self.sd(nodes), self.loss, delta_of(self.delta), unit)
