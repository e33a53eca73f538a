"""One member of a job under threshold keys, as states: each is named for what it waits for.

    Dealing --deal--> Dealt --receive--> Keyed
    Keyed --upload--> Uploaded --receive--> Consented --receive--> Opening --receive--> Keyed        in a first opening
                         |  abstain            |  abstain             |  rejoin
                         +-----> Abstained <---+                      |
    Keyed <--receive--------------- +                                 |
    Keyed <-----------------------------------------------------------+
    Keyed --upload--> Waiting --receive--> Opening --receive--> Keyed                                in later rounds

Everyone learns the totals over the survivors and who they are, and nothing more, while the coordinator and at most c members, dealers
among them, work together. A member decrypts once in a round, the sum of one set. In a first opening t members sign one set before anyone
decrypts; later the set is fixed, and all of it uploads. Any t of the survivors open, in later rounds too.
Model: coordinator and c members malicious, the others honest; confidentiality, and one total a round; an outcome is not assured, nor that a
total is true where a dealer or holder lies.
Source: Cramer, Damgård & Nielsen, "Multiparty Computation from Threshold Homomorphic Encryption", EUROCRYPT 2001, with keys of several
dealers (docs/decisions/two-dealers.md); Damgård & Jurik, PKC 2001.

A state is a value that an old copy would let answer twice: its owner journals the next state, and with it the reply, before the reply
is sent, and drops the old state. Shares of keys are wiped by dropping them: after the job's end no state is kept.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import field, replace

from governance.encoding import wire
from governance.errors import PeerError, UsageError
from mpc.he.paillier.proofs import prove_knowledge, prove_partials
from mpc.he.paillier.threshold import partial
from mpc.rings import Rand, Words
from mpc.secagg import bits
from mpc.secagg.agreement import require_abstentions, require_consents
from mpc.secagg.keys import Schedule
from mpc.secagg.terms import Round
from mpc.threshold.keys import Keyholder
from mpc.threshold.messages import Abstention, Consent, Partial, Upload
from mpc.threshold.opening import Payloads, Tally, admit, knowledge, total
from mpc.threshold.packing import Layout, Numbers, split


@wire("keyong/threshold/keyed/v1")
class Keyed:
    """Holding shares of all keys; waiting for the next round. *liars* sent false partial decryptions, which did no harm.

    Parameters
    ----------
    survivors
        The set that the first opening fixed; empty before it.
    number
        Of the last round that was opened.
    attempt
        Before the first opening, how many runs of it were given up.
    totals
        Ring elements of each vector's total, as bytes.
    """

    seat: Keyholder
    survivors: tuple[str, ...] = ()
    number: int = -1
    attempt: int = 0
    totals: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    liars: tuple[str, ...] = ()

    def upload(
        self, round: Round, words: Mapping[str, Words], rand: Rand = secrets.token_bytes
    ) -> tuple[Uploaded | Waiting, Upload, dict[str, bytes]]:
        """Encrypt *words*, our statistics by vector name; return the next state, the upload to sign, and the payloads beside it.

        The vectors must be writeable, and are the caller's no longer: they are wiped.
        """
        if self.survivors and (round.number <= self.number or round.attempt != self.attempt):
            raise UsageError(f"round {self.number} of attempt {self.attempt} is open; the next has a higher number and the same attempt")
        if round.attempt < self.attempt:
            raise UsageError(f"attempt {round.attempt} was given up; the next is {self.attempt}")
        _check(round, words)
        upload, payloads = _encrypted(self.seat, round, words, rand)
        for plain in words.values():
            plain.fill(0)
            plain.flags.writeable = False
        state = Waiting(self.seat, self.survivors, round, upload) if self.survivors else Uploaded(self.seat, round, upload)
        return state, upload, payloads


def _check(round: Round, words: Mapping[str, Words]) -> None:
    if words.keys() != {v.name for v in round.vectors}:
        raise UsageError(f"the round sums {', '.join(v.name for v in round.vectors)}; give exactly these vectors")
    for vector in round.vectors:
        vector.ring.check(words[vector.name], vector.length)
        if not words[vector.name].flags.writeable:
            raise UsageError(f"the vector {vector.name} must be writeable: it is encrypted but once, and wiped")


def _encrypted(seat: Keyholder, round: Round, words: Mapping[str, Words], rand: Rand) -> tuple[Upload, dict[str, bytes]]:
    layout = Layout.of(seat.terms, round, seat.keys)
    plaintexts: dict[str, list[int]] = {dealer: [] for dealer in layout.publics}
    items = {}
    for vector in round.vectors:
        plain = {vector: words[vector.name]}
        if vector.proved:
            schedule = Schedule(seat.terms, round)
            plain[vector.blinders], items[vector.name] = bits.prove(schedule, vector, words[vector.name], me=seat.me, rand=rand)
        for part in vector.summed:
            shares = split(part, plain[part], ways=len(plaintexts), rand=rand)
            for dealer, integers in zip(plaintexts, shares, strict=True):
                plaintexts[dealer] += layout.pack(dealer, part, integers)
    known = {dealer: [(m, public.coin(rand)) for m in plaintexts[dealer]] for dealer, public in layout.publics.items()}
    numbers = {dealer: [public.encrypt(m, coin) for m, coin in known[dealer]] for dealer, public in layout.publics.items()}
    payloads = layout.write(numbers, items)
    upload = Upload(
        job=seat.terms.job,
        root=seat.terms.root,
        round=round.digest,
        sender=seat.me,
        keys={dealer: key.digest for dealer, key in seat.keys.items()},
        payloads=_digests(payloads),
        proofs={},
    )
    proofs = {
        dealer: prove_knowledge(public, numbers[dealer], known[dealer], knowledge(seat.terms, upload, dealer), rand=rand)
        for dealer, public in layout.publics.items()
    }
    return replace(upload, proofs=proofs), payloads


def _digests(payloads: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: hashlib.sha256(payload).digest() for name, payload in payloads.items()}


@wire("keyong/threshold/uploaded/v1")
class Uploaded:
    """Waiting, in a first opening, for the uploads that the coordinator puts together into one sum."""

    seat: Keyholder
    round: Round
    upload: Upload

    @property
    def survivors(self) -> tuple[str, ...]:
        """None yet: this opening fixes them."""
        return ()

    def receive(self, uploads: Mapping[str, Upload], payloads: Payloads) -> tuple[Consented, Consent]:
        """Take *uploads*, by sender as their signatures tell it, with their *payloads*, for the survivors, and sign that set and no other.

        Any t uploads do, ours among them. Raises as `mpc.threshold.opening.admit` does, and `PeerError` where ours is not as we sent it.
        """
        tally = _admitted(self, uploads, payloads)
        terms, survivors = tally.terms, tally.survivors
        consent = Consent(
            job=terms.job, root=terms.root, round=self.round.digest, sender=self.seat.me, survivors=survivors, agreed=tally.agreed
        )
        return Consented(self.seat, tally, consent), consent

    def abstain(self) -> tuple[Abstained, Abstention]:
        """Give this attempt up for good."""
        return _abstain(self.seat, self.round)


@wire("keyong/threshold/consented/v1")
class Consented:
    """Waiting for t members, ourselves included, who signed the same set."""

    seat: Keyholder
    tally: Tally
    consent: Consent

    def receive(self, consents: Mapping[str, Consent], rand: Rand = secrets.token_bytes) -> tuple[Opening, Partial, dict[str, bytes]]:
        """Check the *consents*, by sender, and decrypt our part of that sum. The caller's gates (budget, revocation) come before this call.

        *rand* makes proofs.

        Raises as `mpc.secagg.agreement.require_consents` does.
        """
        require_consents(self.consent, consents, self.seat.terms)
        return _decrypted(self.seat, self.tally, rand, first=True)

    def abstain(self) -> tuple[Abstained, Abstention]:
        """Give this attempt up for good: we have decrypted nothing of it."""
        return _abstain(self.seat, self.tally.round)


@wire("keyong/threshold/waiting/v1")
class Waiting:
    """Waiting for the upload of every survivor in a later round."""

    seat: Keyholder
    survivors: tuple[str, ...]
    round: Round
    upload: Upload

    def receive(
        self, uploads: Mapping[str, Upload], payloads: Payloads, rand: Rand = secrets.token_bytes
    ) -> tuple[Opening, Partial, dict[str, bytes]]:
        """Take all survivors' *uploads*, by sender, with their *payloads*, and decrypt our part of that sum and no other.

        The caller's gates come before this call. *rand* makes proofs. Raises as `Uploaded.receive` does.
        """
        return _decrypted(self.seat, _admitted(self, uploads, payloads), rand, first=False)


def _admitted(state: Uploaded | Waiting, uploads: Mapping[str, Upload], payloads: Payloads) -> Tally:
    seat = state.seat
    if uploads.get(seat.me) != state.upload:
        raise PeerError("the set does not hold our upload as we sent it")
    return admit(seat.terms, state.round, seat.keys, uploads, payloads, survivors=state.survivors, mine=seat.me)


def _decrypted(seat: Keyholder, tally: Tally, rand: Rand, *, first: bool) -> tuple[Opening, Partial, dict[str, bytes]]:
    layout, sums, members = tally.layout, tally.numbers, len(seat.terms.members)
    numbers: Numbers = {}
    proofs = {}
    for dealer, public in layout.publics.items():
        share, check = seat.share(dealer), seat.keys[dealer].check(seat.me)
        numbers[dealer] = [partial(public, ciphertext, share, members=members) for ciphertext in sums[dealer]]
        pairs = list(zip(sums[dealer], numbers[dealer], strict=True))
        proofs[dealer] = prove_partials(public, check, share, pairs, tally.bound(seat.me, dealer), members=members, rand=rand)
    payloads = layout.write(numbers, {})
    message = Partial(
        job=seat.terms.job,
        root=seat.terms.root,
        round=tally.round.digest,
        sender=seat.me,
        agreed=tally.agreed,
        payloads=_digests(payloads),
        proofs=proofs,
    )
    return Opening(seat, first, tally, message), message, payloads


@wire("keyong/threshold/opening/v1")
class Opening:
    """Waiting for the partial decryptions that open the total. Having given ours, we cannot abstain."""

    seat: Keyholder
    first: bool
    tally: Tally
    partial: Partial

    def receive(self, partials: Mapping[str, Partial], payloads: Payloads) -> Keyed:
        """Compute the totals ourselves from the *partials*, by sender; raises as `mpc.threshold.opening.total` does."""
        opened = total(self.tally, partials, payloads, mine=self.partial)
        number, attempt = self.tally.round.number, self.tally.round.attempt
        return Keyed(self.seat, self.tally.survivors, number=number, attempt=attempt, totals=opened.totals, liars=opened.liars)

    def rejoin(self, abstentions: Mapping[str, Abstention]) -> Keyed:
        """Others gave the attempt up, so many that our part opens nothing: be part of the next one."""
        if not self.first:
            raise UsageError("attempts are given up before the first opening alone")
        return _again(self.seat, self.tally.round, abstentions)


@wire("keyong/threshold/abstained/v1")
class Abstained:
    """Waiting for proof that this attempt can never be opened."""

    seat: Keyholder
    round: Round
    abstention: Abstention

    def receive(self, abstentions: Mapping[str, Abstention]) -> Keyed:
        """Take n - t + 1 + c *abstentions*, by sender and ours among them, as that proof; a new attempt may begin."""
        return _again(self.seat, self.round, {**abstentions, self.seat.me: self.abstention})


def _abstain(seat: Keyholder, round: Round) -> tuple[Abstained, Abstention]:
    abstention = Abstention(job=seat.terms.job, root=seat.terms.root, round=round.digest, sender=seat.me)
    return Abstained(seat, round, abstention), abstention


def _again(seat: Keyholder, round: Round, abstentions: Mapping[str, Abstention]) -> Keyed:
    require_abstentions(abstentions, seat.terms, round)
    return Keyed(seat, attempt=round.attempt + 1)
