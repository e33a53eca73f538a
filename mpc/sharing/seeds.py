"""Shamir's secret sharing of 32-byte secrets over the prime field of 2^256 + 297 elements.

Any *threshold* shares give the secret back; fewer say nothing about it, whatever the computing power.
Model: honest dealer; a share may be false, which only a check of the joined secret can tell.
Source: Shamir, "How to share a secret", Communications of the ACM 22(11), 1979; Cramer, Damgard & Nielsen, "Secure Multiparty
Computation and Secret Sharing", Cambridge 2015, section 3.2 (Lagrange interpolation at zero by a recombination vector).
"""

from __future__ import annotations

import secrets as system
from collections.abc import Mapping, Sequence

from governance.errors import DecodeError, UsageError
from mpc.rings import Rand
from mpc.sharing.lagrange import weights

PRIME = 2**256 + 297  # the first prime above every 32-byte secret
SECRET = 32
SHARE = 33
COIN = 48  # bytes behind one coefficient: its distance from uniform is below 2^-126


def split(secret: bytes, *, points: Sequence[int], threshold: int, rand: Rand = system.token_bytes) -> dict[int, bytes]:
    """One share, 33 bytes, for each of the *points*; any *threshold* of them give *secret* back.

    Parameters
    ----------
    secret
        32 bytes.
    points
        Distinct, in 1 .. 2^31 - 1: where the polynomial is evaluated. Zero is the secret's own place.
    rand
        Called once for each coefficient.
    """
    return {x: shares[0] for x, shares in split_all([secret], points=points, threshold=threshold, rand=rand).items()}


def split_all(
    secrets: Sequence[bytes], *, points: Sequence[int], threshold: int, rand: Rand = system.token_bytes
) -> dict[int, list[bytes]]:
    """As `split`, for several secrets at once: each point's shares of them, in their order.

    The polynomials are evaluated side by side, in lanes of one large integer that are wide enough never to run over.
    """
    if any(len(secret) != SECRET for secret in secrets):
        raise UsageError(f"a secret has {SECRET} bytes")
    if len(set(points)) != len(points) or not all(1 <= x < 2**31 for x in points):
        raise UsageError("points must be distinct and in 1 .. 2^31 - 1")
    if not 1 <= threshold <= len(points):
        raise UsageError(f"threshold must be in 1..{len(points)}, got {threshold}")
    lane = COIN + (threshold * max(points).bit_length() + 7) // 8
    coins = [rand(COIN * len(secrets)) for _ in range(threshold - 1)]
    rows = [_packed([row[i : i + COIN] for i in range(0, len(row), COIN)], lane) for row in coins]
    rows.append(_packed([secret[::-1] for secret in secrets], lane))
    return {x: _unpacked(_horner(rows, x), lane, len(secrets)) for x in points}


def _packed(numbers: Sequence[bytes], lane: int) -> int:
    """Little-endian numbers in lanes of *lane* bytes."""
    return int.from_bytes(b"".join(number.ljust(lane, b"\0") for number in numbers), "little")


def _unpacked(value: int, lane: int, count: int) -> list[bytes]:
    raw = value.to_bytes(lane * count, "little")
    return [(int.from_bytes(raw[i : i + lane], "little") % PRIME).to_bytes(SHARE, "big") for i in range(0, len(raw), lane)]


def _horner(rows: Sequence[int], x: int) -> int:
    """Value at *x*, highest coefficients first."""
    value = 0
    for row in rows:
        value = value * x + row
    return value


def join(shares: Mapping[int, bytes]) -> bytes:
    """The secret behind ``{point: share}``; every share given counts, so give as many as the threshold.

    Raises
    ------
    DecodeError
        A share is no field element, or together they give no 32-byte secret: one of them is false, or they are too few.
    """
    points = tuple(sorted(shares))
    if not points or points[0] < 1:
        raise UsageError("need at least one share, and points above zero")
    value = sum(w * element(shares[x]) for w, x in zip(weights(points, PRIME), points, strict=True)) % PRIME
    if value >> 8 * SECRET:
        raise DecodeError("the shares give no 32-byte secret")
    return value.to_bytes(SECRET, "big")


def element(share: bytes) -> int:
    """The field element that *share* writes, 33 bytes, big-endian, one spelling."""
    value = int.from_bytes(share, "big")
    if len(share) != SHARE or value >= PRIME:
        raise DecodeError("a share is not a field element")
    return value
