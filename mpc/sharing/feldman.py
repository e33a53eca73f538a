"""Verifiable sharing of keys: who holds a share can check it, and a false one names who gave it.

The dealer shares a scalar s of Z/ℓ with a polynomial and publishes every coefficient times the base point. Each holder checks its share
against these commitments; whoever joins the secret checks each share that is played. All learn s·B, the public key that belongs to s, and
fewer than threshold holders nothing more, under the discrete logarithm. So s must be a key, uniform in 2^252: a small number could be
searched for in s·B.

`refresh` deals a sharing of zero, which holders add to theirs: shares from before and after it do not go together, so that a thief must get
hold of *threshold* shares between two refreshes. The old shares must be wiped.

Model: dealer and fewer than threshold holders malicious; all see the same commitments (authenticated broadcast).
Source: Feldman, "A Practical Scheme for Non-interactive Verifiable Secret Sharing", FOCS 1987; for refresh Herzberg, Jarecki,
Krawczyk & Yung, "Proactive Secret Sharing", CRYPTO 1995.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nacl.exceptions import CryptoError

from governance.errors import PeerError, UsageError
from mpc import edwards
from mpc.edwards import IDENTITY, SCALAR
from mpc.rings import ORDER, Rand
from mpc.sharing.lagrange import weights


@dataclass(frozen=True, slots=True)
class Commitments:
    """What the dealer publishes: the coefficients of the polynomial, lowest first, times the base point; as many as the threshold."""

    dealer: str
    parties: tuple[str, ...]
    points: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuse, naming the dealer, what commits to no polynomial; only the first may be the identity, for a sharing of zero."""
        if not 2 <= len(self.points) <= len(self.parties):
            raise PeerError(f"it commits to {len(self.points)} coefficients among {len(self.parties)} parties", party=self.dealer)
        first, *rest = self.points
        if not all(map(_is_point, rest if first == IDENTITY else self.points)):
            raise PeerError("its commitments are no points of the group", party=self.dealer)

    @property
    def threshold(self) -> int:
        return len(self.points)

    @property
    def public(self) -> bytes:
        """The secret times the base point."""
        return self.points[0]

    def verify(self, me: str, share: bytes) -> None:
        """Check the share that the dealer gave *me*; raises `PeerError` naming the dealer."""
        if not self._holds(me, share):
            raise PeerError("the share that it dealt does not fit its commitments", party=self.dealer)

    def join(self, shares: Mapping[str, bytes]) -> bytes:
        """The secret, from *threshold* shares by party or more.

        Raises
        ------
        PeerError
            Some shares are false: it names who gave them, as ``parties``.
        """
        if len(shares) < self.threshold:
            raise UsageError(f"need {self.threshold} shares, got {len(shares)}")
        if false := sorted(name for name, share in shares.items() if not self._holds(name, share)):
            raise PeerError(f"false shares came from {', '.join(false)}", parties=false)
        points = {self.parties.index(name) + 1: int.from_bytes(share, "little") for name, share in shares.items()}
        secret = sum(w * y for w, y in zip(weights(tuple(points), ORDER), points.values(), strict=True))
        return (secret % ORDER).to_bytes(SCALAR, "little")

    def refreshed(self, zero: Commitments) -> Commitments:
        """The commitments to the shares once those of *zero* are added to them."""
        if (zero.parties, zero.threshold) != (self.parties, self.threshold):
            raise UsageError("a refresh is for the same parties and threshold")
        if zero.public != IDENTITY:
            raise PeerError("its refresh would change the secret", party=zero.dealer)
        points = (edwards.add(a, b) for a, b in zip(self.points, zero.points, strict=True))
        return Commitments(zero.dealer, self.parties, tuple(points))

    def _holds(self, name: str, share: bytes) -> bool:
        """Whether *share* times the base point is the commitments' polynomial at the point of *name*."""
        if name not in self.parties:
            raise PeerError("is not a party to this sharing", party=name)
        if not isinstance(share, bytes) or len(share) != SCALAR or int.from_bytes(share, "little") >= ORDER:
            return False
        x = (self.parties.index(name) + 1).to_bytes(SCALAR, "little")
        value = self.points[-1]
        try:
            for point in self.points[-2::-1]:
                value = edwards.add(edwards.multiply(x, value), point)
        except (CryptoError, RuntimeError):  # commitments made so as to add up to the identity on the way
            return False
        return value == _point(share)


def deal(
    secret: bytes, *, dealer: str, parties: Sequence[str], threshold: int, rand: Rand = secrets.token_bytes
) -> tuple[Commitments, dict[str, bytes]]:
    """Commitments to publish, and each party's share, 32 bytes, to send it privately.

    Parameters
    ----------
    secret
        A uniform scalar, 32 bytes, little-endian, such as ``edwards.scalar()``; not zero.
    rand
        Called once for each coefficient.
    """
    if len(secret) != SCALAR or not 0 < int.from_bytes(secret, "little") < ORDER:
        raise UsageError("a secret is a scalar above zero and below the order of the group")
    return _dealt(secret, tuple(parties), threshold, dealer=dealer, rand=rand)


def refresh(old: Commitments, *, dealer: str, rand: Rand = secrets.token_bytes) -> tuple[Commitments, dict[str, bytes]]:
    """A sharing of zero for the parties of *old*: each verifies its share, adds it (`add`), and takes `Commitments.refreshed`."""
    return _dealt(bytes(SCALAR), old.parties, old.threshold, dealer=dealer, rand=rand)


def add(share: bytes, other: bytes) -> bytes:
    """The share of the sum of two secrets."""
    return edwards.plus(share, other)


def _dealt(secret: bytes, parties: tuple[str, ...], threshold: int, *, dealer: str, rand: Rand) -> tuple[Commitments, dict[str, bytes]]:
    if len(set(parties)) != len(parties) or not 2 <= threshold <= len(parties):
        raise UsageError(f"need parties of different names, and a threshold in 2..{len(parties)}, got {threshold}")
    rest = [edwards.scalar(rand) for _ in range(threshold - 1)]
    commitments = Commitments(dealer, parties, tuple(map(_point, [secret, *rest])))
    return commitments, {name: _value([secret, *rest], x) for x, name in enumerate(parties, 1)}


def _is_point(raw: object) -> bool:
    return isinstance(raw, bytes) and len(raw) == edwards.POINT and edwards.is_point(raw)


def _point(scalar: bytes) -> bytes:
    return edwards.base(scalar) if any(scalar) else IDENTITY


def _value(polynomial: Sequence[bytes], x: int) -> bytes:
    value = 0
    for coefficient in reversed(polynomial):
        value = (value * x + int.from_bytes(coefficient, "little")) % ORDER
    return value.to_bytes(SCALAR, "little")
