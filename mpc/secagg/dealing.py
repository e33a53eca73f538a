"""Hands of shares: what a member deals to each other member so that *threshold* of them can lift its masks without it.

A hand holds one Shamir share of the dealer's self-mask seed and one of each of the dealer's pair keys of this round. A holder ever plays
one of the two kinds for a dealer: the seed's if the dealer survived; of a survivor's pair keys only those with members who dropped out.
The pair keys are dealt too, so that a dealer who is gone by then is not missed (the decryptors' role in Ma et al., "Flamingo", 2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from governance.encoding import strict
from governance.errors import DecodeError, PeerError
from mpc.rings import Rand
from mpc.secagg import sealing
from mpc.secagg.keys import Schedule
from mpc.secagg.terms import Terms
from mpc.sharing.seeds import SHARE, element, split_all


@strict
class Hand:
    """Shares that one member holds of one dealer's secrets."""

    seed: bytes = field(repr=False)
    pairs: Mapping[str, bytes] = field(repr=False)


def deal(terms: Terms, seed: bytes, pair_keys: Mapping[str, bytes], *, rand: Rand) -> dict[str, Hand]:
    """Shares of *seed* and of *pair_keys*, the dealer's keys with the other members, for every member of the roster."""
    shares = split_all([seed, *pair_keys.values()], points=tuple(terms.points.values()), threshold=terms.threshold, rand=rand)
    return {name: Hand(shares[x][0], dict(zip(pair_keys, shares[x][1:], strict=True))) for name, x in terms.points.items()}


def seal(schedule: Schedule, hands: Mapping[str, Hand], agreed: Mapping[str, bytes], *, me: str, rand: Rand) -> dict[str, bytes]:
    """A box for each member that we agreed on a secret with. The key serves one direction and one round."""
    return {other: _seal(schedule, hands[other], secret, ends=(me, other), rand=rand) for other, secret in agreed.items()}


def _seal(schedule: Schedule, hand: Hand, secret: bytes, *, ends: tuple[str, str], rand: Rand) -> bytes:
    plain = b"".join([hand.seed, *(hand.pairs[name] for name in sorted(hand.pairs))])
    return sealing.seal(schedule.seal_key(secret, ends), plain, schedule.bound(ends), rand=rand)


def size(terms: Terms) -> int:
    """Bytes of one box."""
    return sealing.OVERHEAD + len(terms.members) * SHARE


def unseal(schedule: Schedule, box: bytes, secret: bytes, *, ends: tuple[str, str]) -> Hand:
    """The hand that the first of *ends* dealt the second, who agreed on *secret* with it."""
    try:
        plain = sealing.unseal(schedule.seal_key(secret, ends), box, schedule.bound(ends))
        shares = [plain[i : i + SHARE] for i in range(0, len(plain), SHARE)]
        for share in shares:
            element(share)
    except DecodeError:
        raise PeerError("its sealed shares do not open", party=ends[0]) from None
    others = [name for name in schedule.terms.points if name != ends[0]]
    return Hand(shares[0], dict(zip(others, shares[1:], strict=True)))
