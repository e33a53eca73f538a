"""The life of a job at one node, as values: one class per state, named for what it waits for.

A node journals each state together with the post that it sends; a state that was left is gone. The machine opens no socket and
reads no clock. What it learns: the holders' support counts, then the round totals, all of them also known to the rest of the roster and to
the coordinator. What it tells: its signed acceptance, masked vectors, and signatures over what it recomputed.
"""

from __future__ import annotations

import hashlib
from dataclasses import field, replace
from typing import Any, Literal

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from governance import encoding, notes
from governance.encoding import canonical, wire
from governance.envelope import sign
from governance.errors import IntegrityError, KeyongError, PeerError, QuorumLost, Unavailable
from governance.keys import SigningKey, Trust, VerifyKey
from mpc import secagg, threshold
from mpc.rings import ring
from sandbox import auditing, local, spends
from sandbox import case as cases
from sandbox.messages import MOST_WORDS, Acceptance, Admission, AgreedState, Earlier, Ended, Post, Refusal, Relay, Release, kind_of, step
from sandbox.summing import (
    SUPPORT,
    Opened,
    Plan,
    body_after,
    encoded,
    entries_of,
    holders_in,
    messages_of,
    noted,
    number_of,
    numbers,
    payloads_of,
    post_of,
    require,
    round_of,
    state_of,
    terms_of,
    vector_of,
    weights_of,
)

WEIGHT = secagg.Vector(SUPPORT, 32, 1, proved=True)
OPENED: tuple[type[Any], ...] = (secagg.Settled, threshold.Keyed)
OPENERS: tuple[type[Any], ...] = (secagg.Ready, *OPENED)
UPLOADED: tuple[type[Any], ...] = (secagg.Uploaded, threshold.Uploaded)
CONSENTED: tuple[type[Any], ...] = (secagg.Consented, threshold.Consented)
ABSTAINED: tuple[type[Any], ...] = (secagg.Abstained, threshold.Abstained)
SIGNERS: tuple[type[Any], ...] = (*OPENED, secagg.Waiting, threshold.Waiting)


def refuse(job: str, key: SigningKey, reason: KeyongError) -> Post:
    """A signed refusal, to be posted in place of an acceptance."""
    english, chinese = (
        "".join(each if each.isprintable() else " " for each in reason.text(language)[:MOST_WORDS]) for language in ("en", "zh")
    )
    document = Refusal(notes.read(job).id, key.name, reason.code, english, chinese)
    return Post(step("accept"), key.name, str(notes.write(document).signed_by(key)).encode(), ())


def stop(job: str, key: SigningKey, reason: KeyongError) -> Post:
    """A signed word that this node cannot go on. What went wrong beside the rows is not told apart (PRIVACY 3)."""
    local = reason.code.startswith("jail.")
    return replace(refuse(job, key, Unavailable(code="job.local") if local else reason), step=step("stop"))


def accept(plan: Plan, key: SigningKey, by: Literal["policy", "person"] = "policy") -> tuple[Accepting, Post]:
    """Take part, as *by* decided, under an X25519 key made for this job alone (PRIVACY 12)."""
    agree = X25519PrivateKey.generate()
    document = Acceptance(plan.case.id, plan.me, agree.public_key().public_bytes_raw().hex(), plan.snapshot, by)
    text = str(notes.write(document).signed_by(key))
    return Accepting(plan, agree.private_bytes_raw(), text), Post(step("accept"), plan.me, text.encode(), ())


@wire("keyong/node-accepting/v1")
class Accepting:
    """Waiting for all acceptances and the coordinator's admission."""

    plan: Plan
    agree: bytes = field(repr=False)
    mine: str = field(repr=False)

    def receive(self, relay: Relay, coordinator: VerifyKey) -> tuple[Spending, Admission]:
        """The roster, once every holder's signed acceptance is here. The job is spent with the transaction that keeps the next state."""
        acceptances = {name: self._acceptance(name, relay.bodies.get(name)) for name in self.plan.holders}
        admission = notes.opened(relay.admission, Admission, Trust((coordinator,)))
        ids = tuple(notes.read(relay.bodies[name]).id for name in sorted(acceptances))
        if admission.job != self.plan.case.id or admission.licence != self.plan.case.job.licence or admission.acceptances != ids:
            raise IntegrityError("the coordinator's admission is for another job or other acceptances")
        run = notes.read(relay.admission).id
        terms = terms_of(self.plan, run, acceptances)
        first = threshold.Dealing if self.plan.case.job.protect == "threshold" else secagg.Ready
        return Spending(self.plan, run, encoding.encode(first(terms, self.plan.me, self.agree))), admission

    def _acceptance(self, name: str, raw: bytes | None) -> Acceptance:
        if raw is None:
            raise PeerError("did not accept, but the coordinator went on", party=name)
        if name == self.plan.me and raw != self.mine.encode():
            raise IntegrityError("the coordinator shows another acceptance than the one sent")
        document = notes.opened(raw, Acceptance, Trust((self.plan.holders[name],)))
        if document.job != self.plan.case.id or document.holder != name:
            raise PeerError("accepted another job", party=name)
        return document


@wire("keyong/node-spending/v1")
class Spending:
    """Waiting for a quorum of witnesses over this node's own ledger, in which the job is spent.

    There is no other way on: a node that is an older copy of itself gets no quorum, and so has no part in anything that is opened.
    """

    plan: Plan
    run: str
    party: bytes = field(repr=False)

    def proved(self, proof: str, key: SigningKey) -> tuple[Proving, Post]:
        """Show the others *proof* that the job is spent here, and against which earlier answers it must be held."""
        plan = self.plan
        spends.require(proof, plan.case.id, plan.witnesses(plan.me))
        said = str(notes.write(Earlier(plan.case.id, plan.me, plan.earlier)).signed_by(key))
        return Proving(plan, self.run, self.party, proof), Post(step("spent"), plan.me, proof.encode(), (said.encode(),))


@wire("keyong/node-proving/v1")
class Proving:
    """Waiting for the others' proofs that the job is spent. Whoever has none is not there any more."""

    plan: Plan
    run: str
    party: bytes = field(repr=False)
    mine: str = field(repr=False)

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Computing | Dealing, None]:
        if relay.step != step("spent"):
            raise PeerError(f"expected the relay of step {step('spent')}", party="coordinator")
        if relay.bodies.get(self.plan.me) != self.mine.encode():
            raise QuorumLost("the job goes on with another set, without this node")
        for name, raw in relay.bodies.items():
            spends.require(raw, self.plan.case.id, self.plan.witnesses(name))
        if len(relay.bodies) < self.plan.threshold:
            raise QuorumLost(f"{len(relay.bodies)} data holders have spent the job, {self.plan.threshold} are needed")
        plan = replace(self.plan, spent=tuple(sorted(relay.bodies)), earlier=self._earlier(relay))
        if plan.case.job.protect == "threshold":
            return Dealing(plan, self.run, self.party), None
        return Computing(plan, self.run, "", self.party), None

    def _earlier(self, relay: Relay) -> tuple[str, ...]:
        """Conditions of earlier answers that any of them remembers. The masks of round 0 cover the list: all have the same, or no sum."""
        found = list[str]()
        for name in relay.bodies:
            if len(relay.payloads.get(name, ())) != 1:
                raise PeerError("does not say which answers were given before", party=name)
            document = notes.opened(relay.payloads[name][0], Earlier, Trust((self.plan.holders[name],)))
            if (document.job, document.holder) != (self.plan.case.id, name):
                raise PeerError("says which answers were given before another job", party=name)
            found += document.conditions
        case = self.plan.case
        earlier = auditing.distinct(found, case.dataset.schema)
        cases.read(self.plan.job, self.plan.dataset, earlier).within()
        return earlier


@wire("keyong/node-dealing/v1")
class Dealing:
    """Waiting for this node's part in making the keys of a job whose totals are protected by threshold encryption."""

    plan: Plan
    run: str
    party: bytes = field(repr=False)

    def dealt(self, key: SigningKey, **made: Any) -> tuple[Keying, Post]:
        """Make a key and its shares, which takes seconds, where this node is a dealer; *made* goes to `mpc.threshold`."""
        dealt, deal = encoding.decode(self.party, threshold.Dealing).deal(**made)
        body = sign(key, deal) if deal is not None else b""  # who does not deal waits with an empty post
        return Keying(self.plan, self.run, encoding.encode(dealt)), post_of(self.plan, step("deal"), body)


@wire("keyong/node-keying/v1")
class Keying:
    """Waiting for the keys of all dealers, and our shares of them."""

    plan: Plan
    run: str
    party: bytes = field(repr=False)

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Computing, None]:
        deals = messages_of(self.plan, relay, step("deal"))
        keyed = encoding.decode(self.party, threshold.Dealt).receive(deals)
        return Computing(self.plan, self.run, "", encoding.encode(keyed)), None


@wire("keyong/node-computing/v1")
class Computing:
    """Waiting for the local step on a body that t nodes signed (on the signed admission, for the support round)."""

    plan: Plan
    run: str
    body: str
    party: bytes = field(repr=False)

    @property
    def question(self) -> bytes:
        """What to ask the jail."""
        return local.ask(state_of(self.body)) if self.body else local.SUPPORT

    @property
    def expect(self) -> int:
        """Bytes in the answer: 8 for each declared number."""
        return 8 * entries_of(self.plan, self.body)

    def computed(self, answer: bytes, key: SigningKey) -> tuple[Uploading | Pooling | Gathering, Post]:
        """Mask or encrypt the answer; the post holds nothing else of it."""
        values = numbers(answer, self.expect)
        party: secagg.Ready | Opened = encoding.decode(self.party, *OPENERS)
        made = round_of(self.plan, self.run, self.body, party)
        words = {made.vectors[0].name: encoded(self.plan, self.body, values)}
        name = step("upload", _number(self.body)) if self.body else step("upload", 0, party.attempt)
        if isinstance(party, secagg.Ready):
            uploaded, upload, payloads = party.open(made, words)
            post = post_of(self.plan, name, sign(key, upload), payloads)
            return Uploading(self.plan, self.run, encoding.encode(uploaded), party.attempt), post
        waiting: secagg.Waiting | threshold.Uploaded | threshold.Waiting
        waiting, message, parts = party.upload(made, words)
        post, kept = post_of(self.plan, name, sign(key, message), parts), encoding.encode(waiting)
        if isinstance(waiting, threshold.Uploaded):
            return Uploading(self.plan, self.run, kept, party.attempt), post
        following = Gathering if isinstance(waiting, threshold.Waiting) else Pooling
        return following(self.plan, self.run, self.body, kept), post


def _number(body: str) -> int:
    """Number of the round that runs on *body*; support comes before there is one."""
    return int(state_of(body)["round"]) if body else 0


@wire("keyong/node-uploading/v1")
class Uploading:
    """Waiting for the coordinator's claim of who uploaded in the first round.

    Until it unmasks, a node may promise not to, for an attempt that failed (PRIVACY 5).
    """

    plan: Plan
    run: str
    party: bytes = field(repr=False)
    attempt: int

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Consenting, Post]:
        uploads = messages_of(self.plan, relay, step("upload", 0, self.attempt))
        if self.plan.me not in uploads:
            raise QuorumLost("the job goes on with another set, without this node")
        party: secagg.Uploaded | threshold.Uploaded = encoding.decode(self.party, *UPLOADED)
        shown = (payloads_of(relay, SUPPORT),) if isinstance(party, threshold.Uploaded) else ()
        consented, consent = party.receive(uploads, *shown)
        post = post_of(self.plan, step("consent", 0, self.attempt), sign(key, consent))
        return Consenting(self.plan, self.run, encoding.encode(consented), self.attempt, tuple(sorted(uploads))), post

    def abstain(self, key: SigningKey) -> tuple[Abstaining, Post]:
        return _abstained(self.plan, self.run, encoding.decode(self.party, *UPLOADED), key)


@wire("keyong/node-consenting/v1")
class Consenting:
    """Waiting for t signatures over the same surviving set."""

    plan: Plan
    run: str
    party: bytes = field(repr=False)
    attempt: int
    survivors: tuple[str, ...]

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Revealing | Decrypting, Post]:
        """Let go of our shares of masks, or give our partial decryption of this sum: once, and of no other (PRIVACY 6)."""
        consents = messages_of(self.plan, relay, step("consent", 0, self.attempt))
        party: secagg.Consented | threshold.Consented = encoding.decode(self.party, *CONSENTED)
        if isinstance(party, secagg.Consented):
            revealed, reveal = party.receive(consents)
            post = post_of(self.plan, step("reveal", 0, self.attempt), sign(key, reveal))
            return Revealing(self.plan, self.run, encoding.encode(revealed), self.attempt, self.survivors), post
        opening, partial, parts = party.receive(consents)
        post = post_of(self.plan, step("decrypt", 0, self.attempt), sign(key, partial), parts)
        return Decrypting(self.plan, self.run, "", encoding.encode(opening), self.attempt, self.survivors), post

    def abstain(self, key: SigningKey) -> tuple[Abstaining, Post]:
        return _abstained(self.plan, self.run, encoding.decode(self.party, *CONSENTED), key)


@wire("keyong/node-revealing/v1")
class Revealing:
    """Waiting for the shares that open the first total. The surviving set is fixed from here on."""

    plan: Plan
    run: str
    party: bytes = field(repr=False)
    attempt: int
    survivors: tuple[str, ...]

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Signing | Weighing, Post | None]:
        reveals = messages_of(self.plan, relay, step("reveal", 0, self.attempt))
        settled = encoding.decode(self.party, secagg.Revealed).receive(reveals, payloads_of(relay, SUPPORT))
        return _following(self.plan, self.run, settled, body_after(self.plan, "", settled), key)


@wire("keyong/node-pooling/v1")
class Pooling:
    """Waiting for every survivor's masked statistics of a later round; all, or the job pauses."""

    plan: Plan
    run: str
    body: str
    party: bytes = field(repr=False)

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Signing | Weighing, Post | None]:
        uploads = messages_of(self.plan, relay, step("upload", _number(self.body)))
        payloads = payloads_of(relay, vector_of(self.plan, self.body).name)
        settled = encoding.decode(self.party, secagg.Waiting).receive(uploads, payloads)
        return _following(self.plan, self.run, settled, body_after(self.plan, self.body, settled), key)


@wire("keyong/node-gathering/v1")
class Gathering:
    """Waiting for every survivor's encrypted statistics of a later round."""

    plan: Plan
    run: str
    body: str
    party: bytes = field(repr=False)

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Decrypting, Post]:
        """Add what was uploaded, and give our partial decryption of the sum, once."""
        number = _number(self.body)
        uploads = messages_of(self.plan, relay, step("upload", number))
        payloads = payloads_of(relay, vector_of(self.plan, self.body).name)
        opening, partial, parts = encoding.decode(self.party, threshold.Waiting).receive(uploads, payloads)
        post = post_of(self.plan, step("decrypt", number), sign(key, partial), parts)
        return Decrypting(self.plan, self.run, self.body, encoding.encode(opening), 0, tuple(sorted(uploads))), post


@wire("keyong/node-decrypting/v1")
class Decrypting:
    """Waiting for the partial decryptions that open a total. The surviving set is fixed from the first one on."""

    plan: Plan
    run: str
    body: str
    party: bytes = field(repr=False)
    attempt: int
    survivors: tuple[str, ...]

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Signing | Weighing, Post | None]:
        partials = messages_of(self.plan, relay, step("decrypt", _number(self.body), self.attempt))
        payloads = payloads_of(relay, vector_of(self.plan, self.body).name)
        settled = encoding.decode(self.party, threshold.Opening).receive(partials, payloads)
        return _following(self.plan, self.run, settled, body_after(self.plan, self.body, settled), key)


def _following(plan: Plan, run: str, settled: Opened, body: dict[str, Any], key: SigningKey) -> tuple[Signing | Weighing, Post | None]:
    """Sign *body*, the next state or the outcome; a state in which persons weigh differently is weighed first."""
    if plan.case.weighs(body):
        return Weighing(plan, run, canonical(body), encoding.encode(settled)), None
    note = noted(plan, run, body, settled.survivors).signed_by(key)
    return Signing(plan, run, str(note), encoding.encode(settled)), post_of(plan, step("state", body["round"] - 1), str(note).encode())


@wire("keyong/node-weighing/v1")
class Weighing:
    """Waiting for the local step that weighs the persons in the next state, which this node computed itself.

    Whether it is enough, one bit, is masked and proved like all support, and travels with the signed state. So a state that somebody
    steered to where the sums are about few persons is known before anything is summed in it. A no is for good: a holder's weight falls
    below its limit once in a job, so that no search for the limit can go up and down.
    """

    plan: Plan
    run: str
    body: str
    party: bytes = field(repr=False)

    @property
    def question(self) -> bytes:
        return local.weigh(state_of(self.body))

    @property
    def expect(self) -> int:
        return 8

    def computed(self, answer: bytes, key: SigningKey, limit: float) -> tuple[Signing, Post]:
        """Mask whether the weight reaches *limit*; the post holds the signed state, the signed upload and the masked bit."""
        [weight] = numbers(answer, self.expect)
        settled: Opened = encoding.decode(self.party, *OPENED)
        body = state_of(self.body)
        round = secagg.Round(number_of(self.body, weighing=True), settled.attempt, hashlib.sha256(self.body.encode()).digest(), (WEIGHT,))
        light = self.plan.light or not weight >= limit
        words = {SUPPORT: ring(32).embed(np.array([not light], np.int64))}
        waiting, upload, payloads = settled.upload(round, words)
        note = noted(self.plan, self.run, body, settled.survivors).signed_by(key)
        post = Post(step("state", body["round"] - 1), self.plan.me, str(note).encode(), (sign(key, upload), bytes(payloads[SUPPORT])))
        return Signing(replace(self.plan, light=light), self.run, str(note), encoding.encode(waiting)), post


@wire("keyong/node-signing/v1")
class Signing:
    """Waiting until t nodes signed the same next state, or the same release (PRIVACY 2); and for all weights, where it is weighed."""

    plan: Plan
    run: str
    mine: str
    party: bytes = field(repr=False)

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Computing | Balancing | Finished, Post | None]:
        """The next local step, or the release under at least t signatures; weights that are encrypted must be decrypted first."""
        note = notes.read(self.mine)
        if kind_of(relay.step) != "state":
            raise PeerError("expected the relay of a state", party="coordinator")
        party: Opened | secagg.Waiting | threshold.Waiting = encoding.decode(self.party, *SIGNERS)
        for name in sorted(relay.bodies.keys() & set(party.survivors)):
            other = notes.read(relay.bodies[name])
            if other.text == note.text:  # one that differs does not count, and does not stop the others
                note = note.joined(other)
        require(self.plan, note, party.survivors)
        if note.holds(Release):
            return Finished(self.plan, str(note)), None
        body = note.document(AgreedState).body
        if isinstance(party, Opened):
            return Computing(self.plan, self.run, body, self.party), None
        weights = weights_of(self.plan, relay, party.survivors)
        if isinstance(party, secagg.Waiting):
            return _weighed(self.plan, self.run, body, party.receive(*weights)), None
        opening, partial, parts = party.receive(*weights)
        post = post_of(self.plan, step("weigh", _number(body) - 1), sign(key, partial), parts)
        return Balancing(self.plan, self.run, body, encoding.encode(opening)), post


@wire("keyong/node-balancing/v1")
class Balancing:
    """Waiting for the partial decryptions of how many holders find enough weight in the state that was agreed."""

    plan: Plan
    run: str
    body: str
    party: bytes = field(repr=False)

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Computing, None]:
        partials = messages_of(self.plan, relay, step("weigh", _number(self.body) - 1))
        settled = encoding.decode(self.party, threshold.Opening).receive(partials, payloads_of(relay, SUPPORT))
        return _weighed(self.plan, self.run, self.body, settled), None


def _weighed(plan: Plan, run: str, body: str, settled: Opened) -> Computing:
    [holders] = holders_in(settled, WEIGHT.length)
    return Computing(plan, run, canonical(plan.case.after_weighing(holders, state_of(body))), encoding.encode(settled))


@wire("keyong/node-abstaining/v1")
class Abstaining:
    """Waiting for enough promises not to unmask the failed attempt."""

    plan: Plan
    run: str
    party: bytes = field(repr=False)
    attempt: int

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Computing, None]:
        promises = messages_of(self.plan, relay, step("abstain", 0, self.attempt))
        ready = encoding.decode(self.party, *ABSTAINED).receive(promises)
        return Computing(self.plan, self.run, "", encoding.encode(ready)), None


def _abstained(plan: Plan, run: str, party: Any, key: SigningKey) -> tuple[Abstaining, Post]:
    abstained, promise = party.abstain()
    post = post_of(plan, step("abstain", 0, abstained.round.attempt), sign(key, promise))
    return Abstaining(plan, run, encoding.encode(abstained), abstained.round.attempt), post


@wire("keyong/node-finished/v1")
class Finished:
    """Nothing more to do; *release* is the note that t nodes signed."""

    plan: Plan
    release: str


def finished(plan: Plan, ended: Ended) -> Finished | None:
    """The release that others finished without us, if *ended* carries one with enough signatures."""
    if not ended.release:
        return None
    note = notes.read(ended.release)
    release = note.document(Release)
    if release.job != plan.case.id:
        raise IntegrityError("the release is of another job")
    require(plan, note, release.survivors)
    return Finished(plan, str(note))


Local = Computing | Weighing  # these wait for the jail, Dealing for this node's processor, Spending for witnesses; the others for a relay
Waiting = Proving | Uploading | Consenting | Revealing | Pooling | Keying | Gathering | Decrypting | Signing | Balancing | Abstaining
State = Accepting | Spending | Dealing | Local | Waiting | Finished
STATES: tuple[type, ...] = (
    *(Accepting, Spending, Dealing, Computing, Weighing, Finished),
    *(Proving, Uploading, Consenting, Revealing, Pooling, Keying, Gathering, Decrypting, Signing, Balancing, Abstaining),
)


def fixing(state: State) -> frozenset[str] | None:
    """The set over which *state* helps to open the job's first total, by which it is fixed; None where it does not."""
    if isinstance(state, (Consenting, Revealing)) or (isinstance(state, Decrypting) and not state.body):
        return frozenset(state.survivors)
    return None
