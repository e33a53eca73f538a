"""BFV: exact sums, and exact products with plain numbers, on lattices. The default.

::

    key = he.bfv.generate(bound=1e4, step=2**-20, terms=16)
    box = key.public.encrypt(x)  # 15 or 16 bytes a number; by the owner, key.encrypt(x), half of that
    y = key.decrypt(box + box)

A key declares what is encrypted under it: parameters are chosen such that no total can run over, and none is opened wrongly
(`mpc.he.bfv.parameters`). Everybody learns bound, step, terms and length. An operator learns nothing else. The key's owner learns what it
decrypts, and of a vector that was blinded nothing else but noise, which depends on the randomness of the parts, and under "sums" on the
whole numbers that they were scaled by.
Model: honest-but-curious parties; decisional ring-LWE with ternary secrets. Source: Fan & Vercauteren, eprint 2012/144, as in Microsoft
SEAL 4.
"""

from __future__ import annotations

from mpc.he.bfv.private import BfvPrivateKey, generate
from mpc.he.bfv.public import BfvPublicKey, BfvVector

__all__ = ["BfvPrivateKey", "BfvPublicKey", "BfvVector", "generate"]
