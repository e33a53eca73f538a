"""A job's rounds after its first opening: one message each, with pair masks alone, among the survivors and all of them.

The surviving set is fixed. Each pair's masks cancel in the sum of all uploads, and in no other, so nothing need be revealed and nothing
can be asked for; if one upload stays out, the round stays closed and the job pauses. A round's keys come from its number, attempt, state
and vectors, so that a round that was shown differently to two members does not open. The pattern of a fixed set-up and fresh per-round
keys: Ma et al., "Flamingo", IEEE S&P 2023, section 4; zero-sum masks: Bonawitz et al., CCS 2017, section 4, "one-time pads".
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import field

from governance.encoding import wire
from governance.errors import PeerError, Unavailable, UsageError
from mpc.rings import Rand, Words
from mpc.secagg.admission import admit
from mpc.secagg.keys import Schedule, Seat, pair
from mpc.secagg.masking import Masked, masked
from mpc.secagg.messages import Upload
from mpc.secagg.opening import Payloads, gather, totals
from mpc.secagg.terms import Round, Terms


@wire("keyong/secagg/settled/v1")
class Settled:
    """A round is open; waiting for the next one. *liars* revealed false shares, which did no harm.

    Parameters
    ----------
    totals
        Ring elements of each vector's total, as bytes.
    """

    seat: Seat
    survivors: tuple[str, ...]
    number: int
    attempt: int
    totals: Mapping[str, bytes] = field(repr=False)
    liars: tuple[str, ...]

    def upload(self, round: Round, words: Mapping[str, Words], rand: Rand = secrets.token_bytes) -> tuple[Waiting, Upload, Masked]:
        """Mask *words* in place for a later round, as `Ready.open` does; *rand* serves proofs alone, masks need none."""
        if round.number <= self.number or round.attempt != self.attempt:
            raise UsageError(f"round {self.number} of attempt {self.attempt} is open; the next has a higher number and the same attempt")
        seat, schedule = self.seat, Schedule(self.seat.terms, round)
        agreed = seat.agree(other for other in self.survivors if other != seat.me)
        keys = {other: schedule.pair_key(secret, pair(seat.me, other)) for other, secret in agreed.items()}
        payloads, digests = masked(schedule, words, keys, me=seat.me, rand=rand)
        upload = Upload(
            job=seat.terms.job,
            root=seat.terms.root,
            round=round.digest,
            sender=seat.me,
            payloads=digests,
            seed=b"",
            pairs={other: schedule.commitment(key, pair(seat.me, other)) for other, key in keys.items()},
            sealed={},
        )
        return Waiting(seat, self.survivors, round, upload), upload, payloads


@wire("keyong/secagg/waiting/v1")
class Waiting:
    """Waiting for the upload of every survivor in a later round."""

    seat: Seat
    survivors: tuple[str, ...]
    round: Round
    upload: Upload

    def receive(self, uploads: Mapping[str, Upload], payloads: Payloads) -> Settled:
        """Compute the totals from the *uploads* of all survivors and the masked vectors beside them."""
        if uploads.get(self.seat.me) != self.upload:
            raise PeerError("the set does not hold our upload as we sent it")
        opened = later_total(self.seat.terms, self.round, uploads, survivors=self.survivors, payloads=payloads)
        return Settled(self.seat, self.survivors, number=self.round.number, attempt=self.round.attempt, totals=opened, liars=())


def later_total(
    terms: Terms, round: Round, uploads: Mapping[str, Upload], *, survivors: tuple[str, ...], payloads: Payloads
) -> dict[str, bytes]:
    """Totals of a later round: the coordinator's sum, and every node's."""
    if missing := sorted(set(survivors) - uploads.keys()):
        raise Unavailable("uploads are missing: the round opens with all survivors or not at all", waiting=missing)
    pledges = admit(terms, round, uploads, survivors=survivors)
    return totals(terms, round, gather(round, pledges, payloads), {name: payloads[name] for name in pledges})
