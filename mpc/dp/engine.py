"""The samplers that come from OpenDP: exact, over the integers, with coins of OpenSSL's generator, which the operating system's seeds.

A mechanism here is a sampler and no more: how much a release tells is computed in `mpc.dp.loss`, and the tests hold the two against each
other. OpenDP reads a scale as the rational number that the float is, and samples with whole numbers alone (Canonne, Kamath & Steinke,
NeurIPS 2020, algorithms 1 to 3); a result beyond 64 bits is cut to the last number that fits, which tells nothing more. Its thresholded
noise is not used, since it reports too small a delta: docs/decisions/what-opendp-does.md.
"""

from __future__ import annotations

import numpy as np
from opendp.domains import atom_domain, vector_domain
from opendp.measurements import make_gaussian, make_laplace, make_noisy_max
from opendp.measures import zero_concentrated_divergence
from opendp.metrics import l1_distance, l2_distance, linf_distance
from opendp.mod import Domain, enable_features

from mpc.dp.amounts import Integers


def _vectors() -> Domain:
    enable_features("contrib")  # what has a proof in writing, not yet reviewed by all of OpenDP's committee: all samplers do
    return vector_domain(atom_domain(T="i64"))


def laplace(values: Integers, scale: float) -> Integers:
    """*values* with a discrete Laplace variable added to each: P(k) proportional to exp(-|k| / scale)."""
    return np.array(make_laplace(_vectors(), l1_distance(T="i64"), scale=scale)(values.tolist()), np.int64)


def gaussian(values: Integers, scale: float) -> Integers:
    """*values* with a discrete Gaussian variable added to each: P(k) proportional to exp(-k^2 / (2 scale^2))."""
    return np.array(make_gaussian(_vectors(), l2_distance(T="f64"), scale=scale)(values.tolist()), np.int64)


def choice(scores: Integers, scale: float) -> int:
    """An index, with P(i) proportional to exp(scores[i] / scale): the largest of the scores with Gumbel noise."""
    chosen = make_noisy_max(_vectors(), linf_distance(T="i64"), zero_concentrated_divergence(), scale=scale)(scores.tolist())
    return int(chosen)
