"""One member of a secure sum up to a job's first opening, as states: each is named for what it waits for.

    Ready --open--> Uploaded --receive--> Consented --receive--> Revealed --receive--> Settled
                       |  abstain            |  abstain             |  rejoin
                       +-----> Abstained <---+                      |
    Ready <--receive------------- +                                 |
    Ready <---------------------------------------------------------+

Everyone learns the totals over the survivors and who they are, and nothing more, while the coordinator and at most c members work
together. Masks are doubled: a self mask, whose seed is lifted for survivors only, and pair masks, lifted only towards members who
dropped out, so that a late upload of someone declared lost stays closed. Before anything is lifted, t members have signed one set.
Model: coordinator and c members malicious, the others honest; confidentiality and one total a round, no guarantee of an outcome.
Source: Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS 2017, section 6.2 and Figure 4 with
its underlined parts (consistency check, signatures).

A state is a value that an old copy would let answer twice: its owner journals the next state, and with it the reply, before the reply
is sent, and drops the old state. Keys are wiped by dropping them: after `Settled` or the job's end no state is kept. Masked vectors are
no part of a state; who calls keeps them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import field

from governance.encoding import wire
from governance.errors import PeerError, QuorumLost, UsageError
from mpc.rings import Rand, Words
from mpc.secagg.admission import admit
from mpc.secagg.agreement import require_abstentions, require_consents
from mpc.secagg.dealing import Hand, deal, seal, unseal
from mpc.secagg.keys import Schedule, Seat, pair
from mpc.secagg.masking import Masked, masked
from mpc.secagg.messages import Abstention, Consent, Reveal, Upload
from mpc.secagg.opening import Payloads, Tally, total
from mpc.secagg.rounds import Settled
from mpc.secagg.terms import Round, Terms


@wire("keyong/secagg/ready/v1")
class Ready:
    """Waiting for the round that opens first. *attempt* counts the runs of it that were given up."""

    terms: Terms
    me: str
    agree_private: bytes = field(repr=False)
    attempt: int = 0

    def __post_init__(self) -> None:
        Seat(self.terms, self.me, self.agree_private)

    def open(self, round: Round, words: Mapping[str, Words], rand: Rand = secrets.token_bytes) -> tuple[Uploaded, Upload, Masked]:
        """Mask *words*, our statistics by vector name, in place; return the next state, the upload to sign, and the masked vectors.

        The vectors must be writeable, and are the caller's no longer: what they hold is then the masked form, read-only.
        """
        if round.attempt < self.attempt:
            raise UsageError(f"attempt {round.attempt} was given up; the next is {self.attempt}")
        seat, schedule = Seat(self.terms, self.me, self.agree_private), Schedule(self.terms, round)
        seed, agreed = rand(32), seat.agree(seat.others)
        keys = {other: schedule.pair_key(secret, pair(self.me, other)) for other, secret in agreed.items()}
        payloads, digests = masked(schedule, words, {self.me: seed, **keys}, me=self.me, rand=rand)
        hands = deal(self.terms, seed, keys, rand=rand)
        upload = Upload(
            job=self.terms.job,
            root=self.terms.root,
            round=round.digest,
            sender=self.me,
            payloads=digests,
            seed=schedule.commitment(seed, (self.me, self.me)),
            pairs={other: schedule.commitment(key, pair(self.me, other)) for other, key in keys.items()},
            sealed=seal(schedule, hands, agreed, me=self.me, rand=rand),
        )
        return Uploaded(seat, round, upload, hands[self.me]), upload, payloads


@wire("keyong/secagg/uploaded/v1")
class Uploaded:
    """Waiting for the uploads that the coordinator puts together into one sum."""

    seat: Seat
    round: Round
    upload: Upload
    hand: Hand = field(repr=False)

    def receive(self, uploads: Mapping[str, Upload]) -> tuple[Consented, Consent]:
        """Take *uploads*, by sender as their signatures tell it, for the survivors, and sign that set and no other.

        Raises
        ------
        PeerError
            Our upload is not among them as we sent it, or one of them cannot stand (`admit`), or its shares do not open.
        QuorumLost
            They are fewer than the threshold.
        """
        terms, me = self.seat.terms, self.seat.me
        if uploads.get(me) != self.upload:
            raise PeerError("the set does not hold our upload as we sent it")
        if len(uploads) < terms.threshold:
            raise QuorumLost(f"{len(uploads)} members uploaded, {terms.threshold} are needed", have=len(uploads), need=terms.threshold)
        tally = Tally(terms, self.round, admit(terms, self.round, uploads))
        schedule, agreed = Schedule(terms, self.round), self.seat.agree(name for name in uploads if name != me)
        hands = {name: unseal(schedule, uploads[name].sealed[me], secret, ends=(name, me)) for name, secret in agreed.items()}
        return self._consented(tally, {**hands, me: self.hand})

    def _consented(self, tally: Tally, hands: Mapping[str, Hand]) -> tuple[Consented, Consent]:
        """Of every hand only the shares that this set calls for are kept: a survivor's seed, and its pair keys with the dropped."""
        job, root, round = tally.terms.job, tally.terms.root, tally.round.digest
        survivors, dropped = tuple(sorted(tally.pledges)), tally.dropped
        consent = Consent(job=job, root=root, round=round, sender=self.seat.me, survivors=survivors, agreed=tally.agreed)
        seeds = {name: hand.seed for name, hand in hands.items()}
        pairs = {name: {other: hand.pairs[other] for other in dropped} for name, hand in hands.items()} if dropped else {}
        reveal = Reveal(job=job, root=root, round=round, sender=self.seat.me, agreed=consent.agreed, seeds=seeds, pairs=pairs)
        return Consented(self.seat, tally, consent, reveal), consent

    def abstain(self) -> tuple[Abstained, Abstention]:
        """Give this attempt up for good."""
        return _abstain(self.seat, self.round)


@wire("keyong/secagg/consented/v1")
class Consented:
    """Waiting for t members, ourselves included, who signed the same set. Holds the only reveal there will be."""

    seat: Seat
    tally: Tally
    consent: Consent
    reveal: Reveal = field(repr=False)

    def receive(self, consents: Mapping[str, Consent]) -> tuple[Revealed, Reveal]:
        """Check the *consents*, by sender, and let go of our shares. The caller's gates (budget, revocation) come before this call.

        Raises as `mpc.secagg.agreement.require_consents` does.
        """
        require_consents(self.consent, consents, self.seat.terms)
        return Revealed(self.seat, self.tally), self.reveal

    def abstain(self) -> tuple[Abstained, Abstention]:
        """Give this attempt up for good; the reveal is dropped."""
        return _abstain(self.seat, self.tally.round)


@wire("keyong/secagg/revealed/v1")
class Revealed:
    """Waiting for the reveals that open the total. Having revealed, we cannot abstain."""

    seat: Seat
    tally: Tally

    def receive(self, reveals: Mapping[str, Reveal], payloads: Payloads) -> Settled:
        """Compute the totals ourselves from what every survivor signed; raises as `mpc.secagg.opening.total` does."""
        opened = total(self.tally, reveals, payloads)
        number, attempt = self.tally.round.number, self.tally.round.attempt
        survivors = tuple(sorted(self.tally.pledges))
        return Settled(self.seat, survivors, number=number, attempt=attempt, totals=opened.totals, liars=opened.liars)

    def rejoin(self, abstentions: Mapping[str, Abstention]) -> Ready:
        """Others gave the attempt up, so many that our reveal opens nothing: be part of the next one."""
        return _again(self.seat, self.tally.round, abstentions)


@wire("keyong/secagg/abstained/v1")
class Abstained:
    """Waiting for proof that this attempt can never be opened."""

    seat: Seat
    round: Round
    abstention: Abstention

    def receive(self, abstentions: Mapping[str, Abstention]) -> Ready:
        """Take n - t + 1 + c *abstentions*, by sender and ours among them, as that proof; a new attempt may begin."""
        return _again(self.seat, self.round, {**abstentions, self.seat.me: self.abstention})


def _abstain(seat: Seat, round: Round) -> tuple[Abstained, Abstention]:
    abstention = Abstention(job=seat.terms.job, root=seat.terms.root, round=round.digest, sender=seat.me)
    return Abstained(seat, round, abstention), abstention


def _again(seat: Seat, round: Round, abstentions: Mapping[str, Abstention]) -> Ready:
    require_abstentions(abstentions, seat.terms, round)
    return Ready(seat.terms, seat.me, seat.agree_private, round.attempt + 1)
