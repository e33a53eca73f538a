"""The life of a job at one node, as values: one class per state, named for what it waits for.

A node journals each state together with the post that it sends; a state that was left is gone. The machine opens no socket and
reads no clock. What it learns: the holders' support counts, then the round totals, all of them also known to the rest of the roster and to
the coordinator. What it tells: its signed acceptance, masked vectors, and signatures over what it recomputed.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from governance import encoding, notes
from governance.encoding import canonical, parse, wire
from governance.envelope import open_signed, sign
from governance.errors import IntegrityError, KeyongError, PeerError, QuorumLost, Unavailable
from governance.keys import SigningKey, Trust, VerifyKey, read_keys
from mpc import secagg
from mpc.encoding import FixedPoint
from mpc.rings import Buffer, Words, ring
from sandbox import case as cases
from sandbox import local
from sandbox.case import Case
from sandbox.messages import MOST_WORDS, Acceptance, Admission, AgreedState, Ended, Post, Refusal, Relay, Release, step
from sandbox.rows import Floats

SUPPORT, STATISTICS = "support", "statistics"
WEIGHT = secagg.Vector(SUPPORT, 32, 1, proved=True)
OPENERS: tuple[type[Any], ...] = (secagg.Ready, secagg.Settled)
SIGNERS: tuple[type[Any], ...] = (secagg.Settled, secagg.Waiting)


@wire("keyong/node-plan/v1")
class Plan:
    """What a node knows of a job from the start: the signed texts, the holders' keys in the order of their names, and who it is.

    *light* says that this node once found too little weight in a state of the job, and will say so of every later one.
    """

    job: str
    dataset: str
    me: str
    keys: tuple[str, ...]
    snapshot: str
    light: bool = False

    @property
    def case(self) -> Case:
        return cases.read(self.job, self.dataset)

    @property
    def holders(self) -> Mapping[str, VerifyKey]:
        return read_keys(self.keys)


def refuse(job: str, key: SigningKey, reason: KeyongError) -> Post:
    """A signed refusal, to be posted in place of an acceptance."""
    document = Refusal(notes.read(job).id, key.name, reason.code, reason.text("en")[:MOST_WORDS], reason.text("zh")[:MOST_WORDS])
    return Post(step("accept"), key.name, str(notes.write(document).signed_by(key)).encode(), ())


def stop(job: str, key: SigningKey, reason: KeyongError) -> Post:
    """A signed word that this node cannot go on. What went wrong beside the rows is not told apart (PRIVACY 3)."""
    local = reason.code.startswith("jail.")
    return replace(refuse(job, key, Unavailable(code="job.local") if local else reason), step=step("stop"))


def accept(plan: Plan, key: SigningKey) -> tuple[Accepting, Post]:
    """Take part, under an X25519 key made for this job alone (PRIVACY 12)."""
    agree = X25519PrivateKey.generate()
    document = Acceptance(plan.case.id, plan.me, agree.public_key().public_bytes_raw().hex(), plan.snapshot)
    text = str(notes.write(document).signed_by(key))
    return Accepting(plan, agree.private_bytes_raw(), text), Post(step("accept"), plan.me, text.encode(), ())


@wire("keyong/node-accepting/v1")
class Accepting:
    """Waiting for all acceptances and the coordinator's admission."""

    plan: Plan
    agree: bytes = field(repr=False)
    mine: str = field(repr=False)

    def receive(self, relay: Relay, coordinator: VerifyKey) -> tuple[Computing, Admission]:
        """The roster, once every holder's signed acceptance is here."""
        acceptances = {name: self._acceptance(name, relay.bodies.get(name)) for name in self.plan.holders}
        admission = notes.opened(relay.admission, Admission, Trust((coordinator,)))
        ids = tuple(notes.read(relay.bodies[name]).id for name in sorted(acceptances))
        if admission.job != self.plan.case.id or admission.licence != self.plan.case.job.licence or admission.acceptances != ids:
            raise IntegrityError("the coordinator's admission is for another job or other acceptances")
        run = notes.read(relay.admission).id
        terms = _terms(self.plan, run, acceptances)
        ready = secagg.Ready(terms, self.plan.me, self.agree, 0)
        return Computing(self.plan, run, "", encoding.encode(ready)), admission

    def _acceptance(self, name: str, raw: bytes | None) -> Acceptance:
        if raw is None:
            raise PeerError("did not accept, but the coordinator went on", party=name)
        if name == self.plan.me and raw != self.mine.encode():
            raise IntegrityError("the coordinator shows another acceptance than the one sent")
        document = notes.opened(raw, Acceptance, Trust((self.plan.holders[name],)))
        if document.job != self.plan.case.id or document.holder != name:
            raise PeerError("accepted another job", party=name)
        return document


def _terms(plan: Plan, run: str, acceptances: Mapping[str, Acceptance]) -> secagg.Terms:
    members = tuple(secagg.Member(name, plan.holders[name].public, bytes.fromhex(acceptances[name].agree)) for name in sorted(acceptances))
    return secagg.Terms(hashlib.sha256(f"{plan.case.id} {run}".encode()).digest(), members, plan.case.dataset.colluding)


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
        return local.ask(_state(self.body)) if self.body else local.SUPPORT

    @property
    def expect(self) -> int:
        """Bytes in the answer: 8 for each declared number."""
        return 8 * _entries(self.plan, self.body)

    def computed(self, answer: bytes, key: SigningKey) -> tuple[Uploading | Pooling, Post]:
        """Mask the answer; the post holds nothing else of it."""
        values = _numbers(answer, self.expect)
        party: secagg.Ready | secagg.Settled = encoding.decode(self.party, *OPENERS)
        made = _round(self.plan, self.run, self.body, party)
        words = {made.vectors[0].name: _encoded(self.plan, self.body, values)}
        if isinstance(party, secagg.Ready):
            uploaded, upload, payloads = party.open(made, words)
            post = _post(self.plan, step("upload", 0, party.attempt), sign(key, upload), payloads)
            return Uploading(self.plan, self.run, encoding.encode(uploaded), party.attempt), post
        waiting, upload, payloads = party.upload(made, words)
        post = _post(self.plan, step("upload", _state(self.body)["round"]), sign(key, upload), payloads)
        return Pooling(self.plan, self.run, self.body, encoding.encode(waiting)), post


@functools.lru_cache(maxsize=64)
def _state(body: str) -> dict[str, Any]:
    """A body, read once however often a step looks at it; nobody changes what is returned."""
    state: dict[str, Any] = parse(body)
    return state


def _numbers(answer: bytes, expect: int) -> Floats:
    """What the jail answered, which must be as long as was declared."""
    if len(answer) != expect:
        raise IntegrityError(code="jail.output")
    return np.frombuffer(answer, "<f8")


def _round(plan: Plan, run: str, body: str, party: secagg.Ready | secagg.Settled) -> secagg.Round:
    state = hashlib.sha256((body or run).encode()).digest()
    number = _number(body) if body else 0
    return secagg.Round(number, party.attempt, state, (_vector(plan, body),))


def _number(body: str, *, weighing: bool = False) -> int:
    """A state's statistics are summed in the round after the one that weighed it."""
    return 2 * int(_state(body)["round"]) - weighing


def _vector(plan: Plan, body: str) -> secagg.Vector:
    """What a round sums: support, of which each holder proves that its entries are 0 or 1, or the method's statistics."""
    if _asks_support(plan, body):
        return secagg.Vector(SUPPORT, 32, _entries(plan, body), proved=True)
    return secagg.Vector(STATISTICS, 128, _entries(plan, body))


def _entries(plan: Plan, body: str) -> int:
    return plan.case.asked if _asks_support(plan, body) else len(plan.case.bounds(_state(body)))


def _asks_support(plan: Plan, body: str) -> bool:
    return not body or plan.case.asks_support(_state(body))


def _encoded(plan: Plan, body: str, values: Floats) -> Words:
    """Overflow is excluded by declaration: holders · bound < 2**(bits - 1) (PRIVACY 19)."""
    if _asks_support(plan, body):
        return ring(32).embed(values.astype(np.int64))
    return _fixed_point(plan, body).encode(values)


def _fixed_point(plan: Plan, body: str) -> FixedPoint:
    return FixedPoint(bound=plan.case.bounds(_state(body)), terms=len(plan.keys), bits=128)


def _opened_support(settled: secagg.Settled, entries: int) -> list[int]:
    """How many holders support each of the *entries*: a sum of proved bits, so at most one for each survivor."""
    counts: list[int] = ring(32).from_bytes(settled.totals[SUPPORT], entries).tolist()
    return counts


def _post(plan: Plan, name: str, body: bytes, payloads: Mapping[str, Buffer] | None = None) -> Post:
    return Post(name, plan.me, body, tuple(bytes(p) for p in payloads.values()) if payloads else ())


def _opened(plan: Plan, relay: Relay, expected: str, *classes: type[Any]) -> dict[str, Any]:
    """The senders' signed messages of the step *expected*."""
    if relay.step != expected:
        raise PeerError(f"expected the relay of step {expected}", party="coordinator")
    return {name: _sent(plan, name, raw, *classes) for name, raw in relay.bodies.items()}


def _sent(plan: Plan, name: str, raw: bytes, *classes: type[Any]) -> Any:
    """The message that *name* signed."""
    sender, message = open_signed(raw, plan.holders, *classes)
    if sender != name:
        raise PeerError("is shown with another's message", party=name)
    return message


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
        uploads = _opened(self.plan, relay, step("upload", 0, self.attempt), secagg.Upload)
        if self.plan.me not in uploads:
            raise QuorumLost("the job goes on with another set, without this node")
        consented, consent = encoding.decode(self.party, secagg.Uploaded).receive(uploads)
        post = _post(self.plan, step("consent", 0, self.attempt), sign(key, consent))
        return Consenting(self.plan, self.run, encoding.encode(consented), self.attempt, tuple(sorted(uploads))), post

    def abstain(self, key: SigningKey) -> tuple[Abstaining, Post]:
        return _abstained(self.plan, self.run, encoding.decode(self.party, secagg.Uploaded), key)


@wire("keyong/node-consenting/v1")
class Consenting:
    """Waiting for t signatures over the same surviving set."""

    plan: Plan
    run: str
    party: bytes = field(repr=False)
    attempt: int
    survivors: tuple[str, ...]

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Revealing, Post]:
        consents = _opened(self.plan, relay, step("consent", 0, self.attempt), secagg.Consent)
        revealed, reveal = encoding.decode(self.party, secagg.Consented).receive(consents)
        post = _post(self.plan, step("reveal", 0, self.attempt), sign(key, reveal))
        return Revealing(self.plan, self.run, encoding.encode(revealed), self.attempt, self.survivors), post

    def abstain(self, key: SigningKey) -> tuple[Abstaining, Post]:
        return _abstained(self.plan, self.run, encoding.decode(self.party, secagg.Consented), key)


@wire("keyong/node-revealing/v1")
class Revealing:
    """Waiting for the shares that open the first total. The surviving set is fixed from here on."""

    plan: Plan
    run: str
    party: bytes = field(repr=False)
    attempt: int
    survivors: tuple[str, ...]

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Signing | Weighing, Post | None]:
        reveals = _opened(self.plan, relay, step("reveal", 0, self.attempt), secagg.Reveal)
        settled = encoding.decode(self.party, secagg.Revealed).receive(reveals, _payloads(relay, SUPPORT))
        body = self.plan.case.after_support(_opened_support(settled, self.plan.case.asked))
        return _following(self.plan, self.run, settled, body, key)


@wire("keyong/node-pooling/v1")
class Pooling:
    """Waiting for every survivor's masked statistics of a later round; all, or the job pauses."""

    plan: Plan
    run: str
    body: str
    party: bytes = field(repr=False)

    def receive(self, relay: Relay, key: SigningKey) -> tuple[Signing | Weighing, Post | None]:
        before = _state(self.body)
        uploads = _opened(self.plan, relay, step("upload", before["round"]), secagg.Upload)
        name, case = _vector(self.plan, self.body).name, self.plan.case
        settled = encoding.decode(self.party, secagg.Waiting).receive(uploads, _payloads(relay, name))
        if name == SUPPORT:
            body = case.after_support(_opened_support(settled, case.asked), before)
        else:
            values = _fixed_point(self.plan, self.body).decode(ring(128).from_bytes(settled.totals[name], len(case.bounds(before))))
            body = case.after_round(before, case.named(before, values))
        return _following(self.plan, self.run, settled, body, key)


def _payloads(relay: Relay, vector: str) -> dict[str, dict[str, bytes]]:
    return {name: {vector: parts[0]} for name, parts in relay.payloads.items() if len(parts) == 1}


def _following(
    plan: Plan, run: str, settled: secagg.Settled, body: dict[str, Any], key: SigningKey
) -> tuple[Signing | Weighing, Post | None]:
    """Sign *body*, the next state or the outcome; a state in which persons weigh differently is weighed first."""
    if plan.case.weighs(body):
        return Weighing(plan, run, canonical(body), encoding.encode(settled)), None
    note = _noted(plan, run, body, settled.survivors).signed_by(key)
    return Signing(plan, run, str(note), encoding.encode(settled)), _post(plan, step("state", body["round"] - 1), str(note).encode())


def _noted(plan: Plan, run: str, body: dict[str, Any], survivors: tuple[str, ...]) -> notes.Note:
    if "outcome" in body["analysis"]:
        return notes.write(Release(plan.case.id, run, tuple(plan.holders), survivors, canonical(plan.case.release(body))))
    return notes.write(AgreedState(plan.case.id, run, body["round"], canonical(body), plan.case.weighs(body)))


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
        return local.weigh(_state(self.body))

    @property
    def expect(self) -> int:
        return 8

    def computed(self, answer: bytes, key: SigningKey, limit: float) -> tuple[Signing, Post]:
        """Mask whether the weight reaches *limit*; the post holds the signed state, the signed upload and the masked bit."""
        [weight] = _numbers(answer, self.expect)
        settled, body = encoding.decode(self.party, secagg.Settled), _state(self.body)
        round = secagg.Round(_number(self.body, weighing=True), settled.attempt, hashlib.sha256(self.body.encode()).digest(), (WEIGHT,))
        light = self.plan.light or not weight >= limit
        words = {SUPPORT: ring(32).embed(np.array([not light], np.int64))}
        waiting, upload, payloads = settled.upload(round, words)
        note = _noted(self.plan, self.run, body, settled.survivors).signed_by(key)
        post = Post(step("state", body["round"] - 1), self.plan.me, str(note).encode(), (sign(key, upload), bytes(payloads[SUPPORT])))
        return Signing(replace(self.plan, light=light), self.run, str(note), encoding.encode(waiting)), post


@wire("keyong/node-signing/v1")
class Signing:
    """Waiting until t nodes signed the same next state, or the same release (PRIVACY 2); and for all weights, where it is weighed."""

    plan: Plan
    run: str
    mine: str
    party: bytes = field(repr=False)

    def receive(self, relay: Relay) -> Computing | Finished:
        """The next local step, or the release under at least t signatures."""
        note = notes.read(self.mine)
        party: secagg.Settled | secagg.Waiting = encoding.decode(self.party, *SIGNERS)
        for name in sorted(relay.bodies.keys() & set(party.survivors)):
            other = notes.read(relay.bodies[name])
            if other.text == note.text:  # one that differs does not count, and does not stop the others
                note = note.joined(other)
        _require(self.plan, note, party.survivors, party.seat.terms.threshold)
        if note.holds(Release):
            return Finished(self.plan, str(note))
        body = note.document(AgreedState).body
        if isinstance(party, secagg.Settled):
            return Computing(self.plan, self.run, body, self.party)
        settled = party.receive(*_weights(self.plan, relay, party.survivors))
        [holders] = _opened_support(settled, WEIGHT.length)
        body = canonical(self.plan.case.after_weighing(holders, _state(body)))
        return Computing(self.plan, self.run, body, encoding.encode(settled))


def _weights(plan: Plan, relay: Relay, survivors: Sequence[str]) -> tuple[dict[str, secagg.Upload], dict[str, dict[str, bytes]]]:
    """Uploads and masked bits that came with the signed states."""
    uploads, payloads = {}, {}
    for name in survivors:
        parts = relay.payloads.get(name, ())
        if len(parts) != 2:
            raise PeerError("did not send one upload with its state", party=name)
        uploads[name] = _sent(plan, name, parts[0], secagg.Upload)
        payloads[name] = {SUPPORT: parts[1]}
    return uploads, payloads


@wire("keyong/node-abstaining/v1")
class Abstaining:
    """Waiting for enough promises not to unmask the failed attempt."""

    plan: Plan
    run: str
    party: bytes = field(repr=False)
    attempt: int

    def receive(self, relay: Relay) -> Computing:
        promises = _opened(self.plan, relay, step("abstain", 0, self.attempt), secagg.Abstention)
        ready = encoding.decode(self.party, secagg.Abstained).receive(promises)
        return Computing(self.plan, self.run, "", encoding.encode(ready))


def _abstained(plan: Plan, run: str, party: Any, key: SigningKey) -> tuple[Abstaining, Post]:
    abstained, promise = party.abstain()
    post = _post(plan, step("abstain", 0, abstained.round.attempt), sign(key, promise))
    return Abstaining(plan, run, encoding.encode(abstained), abstained.round.attempt), post


@wire("keyong/node-finished/v1")
class Finished:
    """Nothing more to do; *release* is the note that t nodes signed."""

    plan: Plan
    release: str


def finished(plan: Plan, ended: Ended, colluding: int) -> Finished | None:
    """The release that others finished without us, if *ended* carries one with enough signatures."""
    if not ended.release:
        return None
    note = notes.read(ended.release)
    release = note.document(Release)
    if release.job != plan.case.id:
        raise IntegrityError("the release is of another job")
    _require(plan, note, release.survivors, secagg.threshold(len(plan.keys), colluding))
    return Finished(plan, str(note))


def _require(plan: Plan, note: notes.Note, survivors: Sequence[str], threshold: int) -> None:
    """Only those count who were in the sum: the others could not compute it."""
    signed = len(note.signers(*plan.holders.values()) & set(survivors))
    if signed < threshold:
        raise QuorumLost(f"{signed} nodes computed this state, {threshold} must agree before it is used")


Local = Computing | Weighing  # these wait for the jail; the others for a relay
State = Accepting | Local | Uploading | Consenting | Revealing | Pooling | Signing | Abstaining | Finished
STATES: tuple[type, ...] = (Accepting, Computing, Weighing, Uploading, Consenting, Revealing, Pooling, Signing, Abstaining, Finished)
