"""Homomorphic encryption: vectors that can be added and multiplied by plain numbers while nobody can read them.

::

    key = he.paillier.generate(3072)
    box = key.public.encrypt(x, bound=1e4, step=2**-32, terms=16)
    y = key.decrypt(box + box)
    box = he.load(box.to_bytes(), key.public)
"""

from __future__ import annotations

from mpc.he import bfv, ckks, paillier
from mpc.he.layout import Factor, Layout
from mpc.he.vector import EncryptedVector, PublicKey, load

__all__ = ["EncryptedVector", "Factor", "Layout", "PublicKey", "bfv", "ckks", "load", "paillier"]
