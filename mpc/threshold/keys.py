"""The dealers of a job, their public keys, and what everything said under them is bound to.

c + 1 members deal a key each, so that one of them at least is honest; every upload is shared among the keys (`mpc.threshold.packing`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import field

import cbor2

from governance.encoding import strict
from governance.errors import DecodeError, PeerError
from mpc.he.paillier.threshold import PublicKey, consistent
from mpc.secagg.terms import Terms

LABEL = "keyong threshold v1"


def dealers(terms: Terms) -> tuple[str, ...]:
    """The members who deal a key each."""
    return chosen(terms.points, terms.colluding)


def chosen(members: Iterable[str], colluding: int) -> tuple[str, ...]:
    """Who deals in a job of *members*: the first c + 1 by name."""
    return tuple(sorted(members))[: colluding + 1]


def info(terms: Terms, purpose: str, *fields: object) -> bytes:
    """What a key, a proof or a digest is bound to."""
    return cbor2.dumps([LABEL, purpose, terms.job, terms.root, *fields], canonical=True)


@strict
class Key:
    """A dealer's public key: n, h, and for each member what its partial decryptions are checked against, big-endian."""

    modulus: bytes
    h: bytes
    checks: Mapping[str, bytes]

    @property
    def public(self) -> PublicKey:
        return _public(self.modulus, self.h)

    @property
    def digest(self) -> bytes:
        fields = [LABEL, "key", self.modulus, self.h, dict(self.checks)]
        return hashlib.sha256(cbor2.dumps(fields, canonical=True)).digest()

    def check(self, member: str) -> int:
        return int.from_bytes(self.checks[member], "big")

    def examine(self, terms: Terms, *, dealer: str) -> None:
        """Raise `PeerError` naming the *dealer* where this is no key that *threshold* members of the roster can use."""
        public = self.public
        try:
            public.check()
        except DecodeError as error:
            raise PeerError(str(error), party=dealer) from None
        sized = len(self.modulus) * 8 == public.bits and len(self.h) == public.size
        if not sized or self.checks.keys() != terms.points.keys() or any(len(value) != public.size for value in self.checks.values()):
            raise PeerError("its key is misshapen", party=dealer)
        if not consistent(public, [self.check(member) for member in terms.points], threshold=terms.threshold):
            raise PeerError("the shares that it dealt do not fit together", party=dealer)


@functools.lru_cache(maxsize=32)
def _public(modulus: bytes, h: bytes) -> PublicKey:
    return PublicKey(int.from_bytes(modulus, "big"), int.from_bytes(h, "big"))


@strict
class Keyholder:
    """A member's own place on the roster, with its share of each dealer's key. Forget it when the job ends."""

    terms: Terms
    me: str
    keys: Mapping[str, Key]
    shares: Mapping[str, bytes] = field(repr=False)

    def share(self, dealer: str) -> int:
        return int.from_bytes(self.shares[dealer], "big")
