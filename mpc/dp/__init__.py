"""Differential privacy: noise for whole numbers, and what it costs. Who learns what: docs/guides/differential-privacy.md.

Every mechanism is a value. It is made from what it may tell (epsilon in nats, delta) and what one person can change; it gives a `Release`,
and its `loss` adds up with that of other releases::

    dp.noisy_counts([412, 37, 5], "1.0")  # one party that holds the counts
    noise = dp.SharedNoise("1.0", "1e-6", survivors=8, colluding=1)  # the nodes of a secure sum
    words = ring(64).embed(counts + noise.draw(3))  # at each node, before it masks

Two data sets are neighbours if one person's records are in one of them alone. Numbers are whole. Coins are the operating system's, or
those of OpenSSL's generator, which it seeds.
"""

from __future__ import annotations

from mpc.dp.amounts import UNIT
from mpc.dp.groups import GroupSelection
from mpc.dp.loss import NOTHING, ORDERS, Loss, of_pure, of_zcdp
from mpc.dp.noise import Gaussian, Laplace, noisy_counts
from mpc.dp.quantile import Quantile, nearest
from mpc.dp.release import Chosen, Release
from mpc.dp.shares import SharedNoise

__all__ = [
    "NOTHING",
    "ORDERS",
    "UNIT",
    "Chosen",
    "Gaussian",
    "GroupSelection",
    "Laplace",
    "Loss",
    "Quantile",
    "Release",
    "SharedNoise",
    "nearest",
    "noisy_counts",
    "of_pure",
    "of_zcdp",
]
