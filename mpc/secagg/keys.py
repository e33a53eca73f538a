"""The key schedule: from one key agreement in a job to the keys of each round, vector and direction.

Every key is HKDF-SHA256 (RFC 5869) with the roster root as salt and the whole context as info, so that members who disagree about
anything (roster, job, attempt, round, state, vectors) hold unrelated keys. Per-round keys from one set-up: Ma et al., "Flamingo",
IEEE S&P 2023, section 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governance.encoding import strict
from governance.errors import PeerError, UsageError
from mpc.secagg.terms import Round, Terms, Vector

LABEL = "keyong secagg v1"


def derive(secret: bytes, *, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256, RFC 5869."""
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


@strict
class Schedule:
    """Keys of one round. *sender* and *receiver* are equal for a self mask, and in the order of the names for a pair's common keys."""

    terms: Terms
    round: Round

    def key(self, secret: bytes, purpose: str, ends: tuple[str, str], *, vector: Vector | None = None) -> bytes:
        return derive(secret, salt=self.terms.root, info=self._info(purpose, ends, vector))

    def pair_key(self, agreed: bytes, ends: tuple[str, str]) -> bytes:
        """This round's key of a pair, from what the two agreed on for the job."""
        return self.key(agreed, "pair", ends)

    def seal_key(self, agreed: bytes, ends: tuple[str, str]) -> bytes:
        """The key of what the first of *ends* seals for the second in this round."""
        return self.key(agreed, "seal", ends)

    def commitment(self, secret: bytes, ends: tuple[str, str]) -> bytes:
        """Binds and hides *secret*, a key of 32 random bytes: no second input of HMAC-SHA256 with this output can be found."""
        return self.key(secret, "commitment", ends)

    def mask(self, secret: bytes, ends: tuple[str, str], vector: Vector) -> bytes:
        return self.key(secret, "mask", ends, vector=vector)

    def bound(self, ends: tuple[str, str]) -> bytes:
        """Associated data of what one member seals for another."""
        return self._info("shares", ends, None) + self.terms.root

    def proof(self, sender: str, vector: Vector) -> bytes:
        """What the proofs of *sender*'s elements are bound to, so that they serve nobody else and nothing else."""
        return self._info("proof", (sender, sender), vector) + self.terms.root

    def _info(self, purpose: str, ends: tuple[str, str], vector: Vector | None) -> bytes:
        name, bits = (vector.name, vector.bits) if vector else ("", 0)
        r = self.round
        fields = [LABEL, purpose, self.terms.job, r.attempt, r.number, r.state, r.digest, name, bits, *ends]
        return cbor2.dumps(fields, canonical=True)


def pair(a: str, b: str) -> tuple[str, str]:
    """Both ends of a pair in the order of the names: the first adds the pair's mask, the second takes it away."""
    return (a, b) if a < b else (b, a)


@strict
class Seat:
    """A member's own place on the roster, with its key-agreement key for this job, 32 bytes. Forget it when the job ends."""

    terms: Terms
    me: str
    agree_private: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.me not in self.terms.points:
            raise UsageError(f"{self.me} is not on the roster")
        if len(self.agree_private) != 32 or self._private.public_key().public_bytes_raw() != self.terms.member(self.me).agree:
            raise UsageError("the private key does not belong to this member's key on the roster")

    @property
    def _private(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.agree_private)

    @property
    def others(self) -> list[str]:
        return [name for name in self.terms.points if name != self.me]

    def agree(self, others: Iterable[str]) -> dict[str, bytes]:
        """The X25519 secret with each of *others*; a key of small order, which makes it known to all, is refused (RFC 7748, 6.1)."""
        private, agreed = self._private, {}
        for other in others:
            try:
                agreed[other] = private.exchange(X25519PublicKey.from_public_bytes(self.terms.member(other).agree))
            except ValueError:
                raise PeerError("its key-agreement key is a point of small order", party=other) from None
        return agreed
