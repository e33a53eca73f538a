"""Paillier's scheme, with many numbers in one ciphertext: no lattice, the smallest ciphertexts, and readable by phe and HEU.

::

    key = he.paillier.generate(3072)
    pool = key.public.pool(100)  # blinds, ahead of time
    box = key.public.encrypt(x, bound=1e4, step=2**-32, terms=16, pool=pool)
    y = key.decrypt(box + box)

`he.paillier.phe` and `he.paillier.heu` exchange keys and ciphertexts with those libraries.
"""

from __future__ import annotations

from mpc.he.paillier import heu, phe
from mpc.he.paillier.blinding import Pool
from mpc.he.paillier.private import PaillierPrivateKey, generate
from mpc.he.paillier.public import PaillierPublicKey, PaillierVector

__all__ = ["PaillierPrivateKey", "PaillierPublicKey", "PaillierVector", "Pool", "generate", "heu", "phe"]
