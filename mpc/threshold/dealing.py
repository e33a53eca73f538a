"""Dealing: how a job's threshold keys are made, and how each member gets and checks its shares.

A dealer makes two safe primes, shares the key, seals a share for each other member, and forgets the primes; of its key it keeps a share
like everybody. Each member checks that all shares of a key fit together and that its own is among them. What is left to a lying dealer is
a modulus of other primes: then what opens may be wrong, and nothing may open, but what opens is settled before anyone decrypts
(docs/proofs/threshold.md, 7). The other dealers' keys hide all the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import field

from governance.encoding import wire
from governance.errors import DecodeError, PeerError, Unavailable, UsageError
from mpc.he.paillier import threshold
from mpc.he.paillier.safe_primes import safe_prime
from mpc.rings import Rand
from mpc.secagg import sealing
from mpc.secagg.keys import Seat, derive
from mpc.secagg.terms import Terms
from mpc.threshold.keys import Key, Keyholder, dealers, info
from mpc.threshold.messages import Deal
from mpc.threshold.party import Keyed

BITS = 3072


@wire("keyong/threshold/dealing/v1")
class Dealing:
    """Waiting to make a key, where it is ours to make one."""

    terms: Terms
    me: str
    agree_private: bytes = field(repr=False)

    def __post_init__(self) -> None:
        self._seat()

    def _seat(self) -> Seat:
        return Seat(self.terms, self.me, self.agree_private)

    def deal(
        self, bits: int = BITS, *, rand: Rand = secrets.token_bytes, primes: tuple[int, int] | None = None
    ) -> tuple[Dealt, Deal | None]:
        """Make a key of so many bits, if we are a dealer; takes seconds. *primes* are given in tests alone."""
        if bits not in threshold.SIZES:
            raise UsageError(f"keys have {' or '.join(map(str, threshold.SIZES))} bits, got {bits}")
        if self.me not in dealers(self.terms):
            return Dealt(self._seat(), None, b""), None
        p, q = primes or (safe_prime(bits // 2, rand), safe_prime(bits // 2, rand))
        made = threshold.share(p, q, members=len(self.terms.members), threshold=self.terms.threshold, rand=rand)
        size = made.public.size
        checks = {name: check.to_bytes(size, "big") for name, check in zip(self.terms.points, made.checks, strict=True)}
        key = Key(made.public.modulus.to_bytes(size // 2, "big"), made.public.h.to_bytes(size, "big"), checks)
        shares = {name: share.to_bytes(size, "big") for name, share in zip(self.terms.points, made.shares, strict=True)}
        sealed = {other: self._seal(key, secret, other, shares[other], rand) for other, secret in self._agreed().items()}
        deal = Deal(job=self.terms.job, root=self.terms.root, sender=self.me, key=key, sealed=sealed)
        return Dealt(self._seat(), deal, shares[self.me]), deal

    def _agreed(self) -> dict[str, bytes]:
        seat = self._seat()
        return seat.agree(seat.others)

    def _seal(self, key: Key, secret: bytes, other: str, share: bytes, rand: Rand) -> bytes:
        bound = _bound(self.terms, key, dealer=self.me, holder=other)
        return sealing.seal(derive(secret, salt=self.terms.root, info=bound), share, bound, rand=rand)


def _bound(terms: Terms, key: Key, *, dealer: str, holder: str) -> bytes:
    """What a sealed share is bound to."""
    return info(terms, "share", dealer, holder, key.digest)


def keys(terms: Terms, deals: Mapping[str, Deal]) -> dict[str, Key]:
    """The public keys of all dealers, from their *deals*, by sender as the signatures tell it.

    Raises
    ------
    Unavailable
        Deals are still missing; ``facts["waiting"]`` says whose.
    PeerError
        A deal is by a stranger, for another job or roster, misshapen, or cannot be true.
    """
    for sender, deal in deals.items():
        if sender not in dealers(terms):
            raise PeerError("is no dealer of this job", party=sender)
        if (deal.job, deal.root, deal.sender) != (terms.job, terms.root, sender):
            raise PeerError("dealt for another job or roster", party=sender)
        deal.key.examine(terms, dealer=sender)
        size = deal.key.public.size
        if deal.sealed.keys() != terms.points.keys() - {sender} or any(len(box) != size + sealing.OVERHEAD for box in deal.sealed.values()):
            raise PeerError("it did not deal one share to each other member", party=sender)
    if missing := [name for name in dealers(terms) if name not in deals]:
        raise Unavailable("keys are missing", waiting=missing)
    return {name: deals[name].key for name in dealers(terms)}


@wire("keyong/threshold/dealt/v1")
class Dealt:
    """Waiting for the keys of all dealers. A dealer holds the share of its own key that it left itself."""

    seat: Seat
    mine: Deal | None
    share: bytes = field(repr=False)

    def receive(self, deals: Mapping[str, Deal]) -> Keyed:
        """Check the *deals*, by sender, and our share of each key; raises as `keys` does, and names who dealt us a false one."""
        terms, me = self.seat.terms, self.seat.me
        if self.mine and me in deals and deals[me] != self.mine:
            raise PeerError("the keys do not hold ours as we dealt it")
        made = keys(terms, deals)
        agreed = self.seat.agree(name for name in made if name != me)
        shares = {name: _unseal(terms, deals[name], secret, me=me) for name, secret in agreed.items()}
        if self.mine:
            shares[me] = self.share
        return Keyed(Keyholder(terms, me, made, shares))


def _unseal(terms: Terms, deal: Deal, secret: bytes, *, me: str) -> bytes:
    """Our share of a dealer's key."""
    bound = _bound(terms, deal.key, dealer=deal.sender, holder=me)
    try:
        share = sealing.unseal(derive(secret, salt=terms.root, info=bound), deal.sealed[me], bound)
    except DecodeError:
        raise PeerError("its sealed share does not open", party=deal.sender) from None
    number = int.from_bytes(share, "big")
    if not number or threshold.check(deal.key.public, number, members=len(terms.members)) != deal.key.check(me):
        raise PeerError("dealt us a false share", party=deal.sender)
    return share
