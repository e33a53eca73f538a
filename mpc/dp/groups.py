"""Which groups may be shown at all, where the names of groups come from data: those whose noisy count reaches a threshold.

Whoever runs it sees all groups; everyone else sees the names and noisy counts of those shown. Groups that are declared beforehand need no
such selection. Proof: docs/proofs/group-selection.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np

from mpc.dp import engine
from mpc.dp.amounts import CHANCE, Amount, ceil_of, decimal, delta_of, integers, precise, whole
from mpc.dp.loss import Loss
from mpc.dp.noise import Laplace
from mpc.dp.release import Release


@dataclass(frozen=True, slots=True)
class GroupSelection:
    """Shows a group if its count with discrete Laplace noise is at least a threshold.

    Parameters
    ----------
    epsilon
        Privacy loss of one release, in nats.
    delta
        Chance that a group is shown in which there is one person alone (or one person's records from several hospitals).
    groups
        In how many groups one person in one hospital may be; counted once in each.
    hospitals
        In how many hospitals one person may be (M).

    Notes
    -----
    (epsilon, delta)-DP when one person is added or removed.  Korolova, Kenthapadi, Mishra & Ntoulas, WWW 2009, theorem 1 (algorithm: noise,
    then threshold); the threshold for whole numbers is our own.
    """

    epsilon: Amount
    delta: Amount
    groups: int = field(default=1, kw_only=True)
    hospitals: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        whole(self.groups, "groups", most=2**31)
        _ = self.threshold  # the rest is checked there

    @property
    def _noise(self) -> Laplace:
        return Laplace(self.epsilon, sensitivity=self.groups, hospitals=self.hospitals)

    @property
    @precise
    def threshold(self) -> int:
        """Persons. What one person adds brings a group from nothing to it with probability *delta* at most."""
        scale, hospitals = Fraction(self._noise.scale), self.hospitals
        room = delta_of(self.delta) / self.groups
        far = decimal(scale) * (decimal(room).ln() + (1 + (-1 / decimal(scale)).exp()).ln())  # below zero
        return max(hospitals + 1, hospitals + ceil_of(-far), 1 + ceil_of(decimal(scale) * Decimal(hospitals).ln() - far))

    @property
    def loss(self) -> Loss:
        noise = self._noise.loss
        return Loss(noise.curve, noise.pure, int(delta_of(self.delta) * CHANCE))

    def release(self, counts: Mapping[str, int], *, unit: str = "persons") -> Release:
        """The groups that may be shown, sorted by name, with noisy counts.

        Parameters
        ----------
        counts
            Persons in each group, above zero; a person in more than *groups* of them must have been left out of the rest.
        """
        names = sorted(counts)
        noise = self._noise
        values = engine.laplace(integers([whole(counts[name], "a count") for name in names], "counts"), noise.scale)
        shown = values >= self.threshold
        return Release(values[shown], noise.sd, self.loss, delta_of(self.delta), unit, tuple(np.array(names, object)[shown]))
