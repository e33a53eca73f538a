"""What one member seals for another: a nonce and an AES-256-GCM box. Its key serves one purpose and one direction.

The nonce is random all the same, lest what is repeated from an old copy of the sender's memory use one twice.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.errors import DecodeError
from mpc.rings import Rand

NONCE = 12
OVERHEAD = NONCE + 16  # bytes by which a box is longer than what is in it


def seal(key: bytes, plain: bytes, bound: bytes, *, rand: Rand) -> bytes:
    """*plain*, which opens with *key* and where it is *bound* to alone."""
    nonce = rand(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def unseal(key: bytes, box: bytes, bound: bytes) -> bytes:
    """What `seal` sealed; raises `DecodeError`."""
    try:
        return AESGCM(key).decrypt(box[:NONCE], box[NONCE:], bound)
    except InvalidTag:
        raise DecodeError("the box does not open") from None
