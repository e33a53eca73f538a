"""Noise for numbers that one party holds: discrete Laplace and discrete Gaussian.

Whoever adds the noise sees the exact numbers; everyone else sees the noisy ones and the parameters. Two data sets are neighbours if one
person's records are in one of them alone. Proofs: docs/proofs/discrete-laplace.md, docs/proofs/discrete-gaussian.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy.typing as npt

from governance.errors import UsageError
from mpc.dp import engine
from mpc.dp.amounts import Amount, delta_of, epsilon_of, integers, rarity, up, whole
from mpc.dp.loss import Loss, of_laplace, of_zcdp
from mpc.dp.release import Release

FINE = 2**21  # noise is fitted to so many parts of itself
MOST_SCALE = 2**60
NO_DELTA = Fraction(0)


@dataclass(frozen=True, slots=True)
class Laplace:
    """Discrete Laplace noise for whole numbers, each P(k) proportional to exp(-|k| / scale).

    Parameters
    ----------
    epsilon
        Privacy loss of one release, in nats, 1e-6 .. 1000. A decimal string is read as written.
    sensitivity
        Most that one person in one hospital can change the numbers, in L1: the sum over all entries.
    hospitals
        In how many hospitals one person may be (M); the noise covers all of them.

    Notes
    -----
    (epsilon, 0)-DP when one person is added or removed.  Ghosh, Roughgarden & Sundararajan, STOC 2009; sampled by Canonne, Kamath &
    Steinke, NeurIPS 2020, algorithm 2, in OpenDP.
    """

    epsilon: Amount
    sensitivity: int = field(default=1, kw_only=True)
    hospitals: int = field(default=1, kw_only=True)
    scale: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", up(self._shift / epsilon_of(self.epsilon)))

    @property
    def _shift(self) -> int:
        return whole(self.sensitivity, "sensitivity", most=2**31) * whole(self.hospitals, "hospitals", most=2**16)

    @property
    def loss(self) -> Loss:
        return of_laplace(self._shift, Fraction(self.scale))

    @property
    def sd(self) -> float:
        """Standard deviation of the noise."""
        return 1 / (math.sqrt(2) * math.sinh(1 / (2 * self.scale)))

    def tail(self, failure: Amount, *, entries: int = 1) -> int:
        """What the noise of *entries* numbers exceeds in size with probability *failure* at most."""
        return math.ceil(rarity(failure, entries) * Fraction(self.scale))

    def release(self, values: npt.ArrayLike, *, unit: str = "persons") -> Release:
        """*values*, whole numbers within 2^62, with noise added to each."""
        return Release(engine.laplace(integers(values, "values"), self.scale), self.sd, self.loss, NO_DELTA, unit)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Discrete Gaussian noise for whole numbers, each P(k) proportional to exp(-k^2 / (2 scale^2)).

    For many numbers at once, and for many releases: its cost grows with the root of their number, where that of Laplace noise grows with
    the number itself.

    Parameters
    ----------
    epsilon, delta
        Privacy loss of one release, in nats, and the chance that it is more.
    l2_squared
        Most that one person in one hospital can change the numbers, in L2, squared: the sum of the squares of the changes.
    hospitals
        In how many hospitals one person may be (M); the noise covers all of them.

    Notes
    -----
    rho-zCDP with rho = hospitals^2 * l2_squared / (2 scale^2) when one person is added or removed, and so (epsilon, delta)-DP.  Canonne,
    Kamath & Steinke, NeurIPS 2020, proposition 5, theorem 4, algorithm 3.
    """

    epsilon: Amount
    delta: Amount
    l2_squared: int = field(default=1, kw_only=True)
    hospitals: int = field(default=1, kw_only=True)
    scale: float = field(init=False)

    def __post_init__(self) -> None:
        epsilon, delta, shift = epsilon_of(self.epsilon), delta_of(self.delta), self._shift_squared
        object.__setattr__(self, "scale", float(fitted(lambda scale: of_zcdp(shift / (2 * scale**2)), epsilon, delta, most=MOST_SCALE)))

    @property
    def _shift_squared(self) -> int:
        return whole(self.l2_squared, "l2_squared") * whole(self.hospitals, "hospitals", most=2**16) ** 2

    @property
    def loss(self) -> Loss:
        return of_zcdp(self._shift_squared / (2 * Fraction(self.scale) ** 2))

    @property
    def sd(self) -> float:
        """Standard deviation of the noise; a little less where it is below one step."""
        return self.scale

    def tail(self, failure: Amount, *, entries: int = 1) -> int:
        """What the noise of *entries* numbers exceeds in size with probability *failure* at most."""
        return math.isqrt(math.floor(2 * rarity(failure, entries) * Fraction(self.scale) ** 2)) + 1

    def release(self, values: npt.ArrayLike, *, unit: str = "persons") -> Release:
        """*values*, whole numbers within 2^62, with noise added to each."""
        return Release(engine.gaussian(integers(values, "values"), self.scale), self.sd, self.loss, delta_of(self.delta), unit)


def noisy_counts(counts: npt.ArrayLike, epsilon: Amount, *, sensitivity: int = 1, hospitals: int = 1) -> Release:
    """Add discrete Laplace noise to counts of persons.

    Parameters
    ----------
    counts
        Persons in each cell; shape (cells,).
    epsilon
        Privacy loss of this release, in nats, 1e-6 .. 1000.
    sensitivity
        In how many cells one person of one hospital may be.
    hospitals
        In how many hospitals one person may be.

    Returns
    -------
    Values of shape (cells,), perhaps negative, with a standard deviation near ``sqrt(2) * sensitivity * hospitals / epsilon`` persons.

    Notes
    -----
    (epsilon, 0)-DP when one person is added or removed: see `Laplace`.
    """
    return Laplace(epsilon, sensitivity=sensitivity, hospitals=hospitals).release(counts)


def fitted(loss: Callable[[Fraction], Loss], epsilon: Fraction, delta: Fraction, *, most: int) -> Fraction:
    """The least amount of noise, to about six digits, whose *loss* is within (epsilon, delta); the more noise, the less loss.

    *most* is a power of two.
    """

    def enough(amount: Fraction) -> bool:
        return Fraction(loss(amount).epsilon(delta)) <= epsilon

    top = Fraction(1)
    while not enough(top):
        top *= 2
        if top > most:
            raise UsageError("so little epsilon and delta would take too much noise: allow more of them, or write numbers in larger steps")
    while enough(top / 2):
        top /= 2
    low, high = FINE // 2, FINE
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle * top / FINE) else (middle, high)
    return high * top / FINE
