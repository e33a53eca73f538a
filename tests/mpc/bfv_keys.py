"""BFV keys that tests share, and what SEAL measures of the noise in a vector. No vector of the product ever shows that: it tells of the key."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from tenseal import sealapi

from mpc import he
from mpc.he.bfv import arrays
from mpc.he.bfv.public import BODY
from mpc.he.seal import file
from mpc.he.vector import HEADER

HEAD = HEADER.size + BODY.size


@cache
def bfv_key(use="sums", bound=100, step=1, terms=16):
    return he.bfv.generate(bound=bound, step=step, terms=terms, use=use)


def measured(key, ciphertexts):
    """Bits of budget that SEAL finds in the worst of *ciphertexts*."""
    room = arrays.room(key.public.parameters)
    with file() as store:
        decryptor = sealapi.Decryptor(room.context, room.secret_key(store, key.words))
        return min(decryptor.invariant_noise_budget(room.ciphertext(store, words)) for words in ciphertexts)


def promised(key, noise):
    """Bits that are left by the bound, as SEAL counts them: whole ones, rounded down."""
    parameters = key.public.parameters
    return math.log2(math.prod(parameters.primes)) - math.log2(2 * parameters.plain * noise)


def full(key, rng=None):
    """As many numbers as a ciphertext has coefficients, at and near the bound."""
    form, degree = key.public.form, key.public.parameters.degree
    if rng is None:
        return np.full(degree, form.bound)
    return rng.integers(-form.limit, form.limit, degree, endpoint=True) * form.step
