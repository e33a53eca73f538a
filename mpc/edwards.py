"""The prime-order subgroup of edwards25519 and its scalars, in libsodium's arithmetic (RFC 8032, 5.1).

A point is 32 bytes, a scalar of Z/ℓ 32 bytes, little-endian.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from nacl import bindings as sodium

from mpc.rings import Rand

POINT = 32
SCALAR = 32
IDENTITY = bytes([1]) + bytes(31)

add: Callable[[bytes, bytes], bytes] = sodium.crypto_core_ed25519_add
sub: Callable[[bytes, bytes], bytes] = sodium.crypto_core_ed25519_sub
plus: Callable[[bytes, bytes], bytes] = sodium.crypto_core_ed25519_scalar_add
minus: Callable[[bytes, bytes], bytes] = sodium.crypto_core_ed25519_scalar_sub
times: Callable[[bytes, bytes], bytes] = sodium.crypto_core_ed25519_scalar_mul
reduce: Callable[[bytes], bytes] = sodium.crypto_core_ed25519_scalar_reduce
base: Callable[[bytes], bytes] = sodium.crypto_scalarmult_ed25519_base_noclamp
multiply: Callable[[bytes, bytes], bytes] = sodium.crypto_scalarmult_ed25519_noclamp  # refuses points outside the subgroup
is_point: Callable[[bytes], bool] = sodium.crypto_core_ed25519_is_valid_point  # in the subgroup, and not the identity
hashed: Callable[[bytes], bytes] = sodium.crypto_core_ed25519_from_uniform


def scalar(rand: Rand = secrets.token_bytes) -> bytes:
    """A uniform element of Z/ℓ."""
    return reduce(rand(64))
