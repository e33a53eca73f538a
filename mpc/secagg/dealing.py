"""Hands of shares: what a member deals to each other member so that *threshold* of them can lift its masks without it.

A hand holds one Shamir share of the dealer's self-mask seed and one of each of the dealer's pair keys of this round. A holder ever plays
one of the two kinds for a dealer: the seed's if the dealer survived; of a survivor's pair keys only those with members who dropped out.
The pair keys are dealt too, so that a dealer who is gone by then is not missed (the decryptors' role in Ma et al., "Flamingo", 2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.encoding import strict
from governance.errors import DecodeError, PeerError
from mpc.secagg.keys import Schedule, Seat
from mpc.secagg.terms import Round, Terms
from mpc.sharing import SHARE, Rand, element, split

NONCE = 12
TAG = 16


@strict
class Hand:
    """Shares that one member holds of one dealer's secrets."""

    seed: bytes = field(repr=False)
    pairs: Mapping[str, bytes] = field(repr=False)


def deal(terms: Terms, seed: bytes, pair_keys: Mapping[str, bytes], *, rand: Rand) -> dict[str, Hand]:
    """Shares of *seed* and of *pair_keys*, the dealer's keys with the other members, for every member of the roster."""
    points, threshold = tuple(terms.points.values()), terms.threshold
    seeds = split(seed, points=points, threshold=threshold, rand=rand)
    pairs = {name: split(key, points=points, threshold=threshold, rand=rand) for name, key in pair_keys.items()}
    return {name: Hand(seeds[x], {other: shares[x] for other, shares in pairs.items()}) for name, x in terms.points.items()}


def seal(seat: Seat, round: Round, hands: Mapping[str, Hand], *, rand: Rand) -> dict[str, bytes]:
    """A box for each other member. The key serves one direction and round; the nonce is random, lest a round repeated from an old copy
    of the dealer's memory use a nonce twice."""
    return {other: _seal(seat, round, other, hands[other], rand(NONCE)) for other in seat.others}


def _seal(seat: Seat, round: Round, other: str, hand: Hand, nonce: bytes) -> bytes:
    ends = (seat.me, other)
    plain = b"".join([hand.seed, *(hand.pairs[name] for name in seat.others)])
    return nonce + AESGCM(seat.seal_key(round, ends)).encrypt(nonce, plain, Schedule(seat.terms, round).bound(ends))


def size(terms: Terms) -> int:
    """Bytes of one box."""
    return NONCE + len(terms.members) * SHARE + TAG


def unseal(seat: Seat, round: Round, dealer: str, box: bytes) -> Hand:
    """The hand that *dealer* dealt us."""
    ends = (dealer, seat.me)
    try:
        plain = AESGCM(seat.seal_key(round, ends)).decrypt(box[:NONCE], box[NONCE:], Schedule(seat.terms, round).bound(ends))
        shares = [plain[i : i + SHARE] for i in range(0, len(plain), SHARE)]
        for share in shares:
            element(share)
    except (InvalidTag, DecodeError):
        raise PeerError("its sealed shares do not open", party=dealer) from None
    others = [name for name in seat.terms.points if name != dealer]
    return Hand(shares[0], dict(zip(others, shares[1:], strict=True)))
