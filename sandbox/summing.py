"""What a node knows of a job, what each round of it sums, and how posts and relays carry that. No state is kept here: `sandbox.machine`."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from governance import notes
from governance.encoding import canonical, parse, wire
from governance.envelope import open_signed
from governance.errors import IntegrityError, PeerError, QuorumLost
from governance.keys import VerifyKey, read_keys
from governance.quorum import Policy
from mpc import secagg, threshold
from mpc.encoding import FixedPoint
from mpc.rings import Buffer, Words, ring
from sandbox import case as cases
from sandbox.case import Case
from sandbox.messages import Acceptance, AgreedState, Post, Relay, Release, kind_of
from sandbox.rows import Floats
from sandbox.spends import policy_of

SUPPORT, STATISTICS = "support", "statistics"
MESSAGES: Mapping[str, Mapping[str, type[Any]]] = MappingProxyType({
    "secagg": {"upload": secagg.Upload, "consent": secagg.Consent, "reveal": secagg.Reveal, "abstain": secagg.Abstention},
    "threshold": {
        "deal": threshold.Deal, "upload": threshold.Upload, "consent": threshold.Consent, "decrypt": threshold.Partial,
        "weigh": threshold.Partial, "abstain": threshold.Abstention,
    },
})  # fmt: skip
Opened = secagg.Settled | threshold.Keyed  # what a secure sum leaves: its totals, and how the next one is made


@wire("keyong/node-plan/v1")
class Plan:
    """What a node knows of a job from the start: the signed texts, the holders' keys in the order of their names, and who it is.

    *light* says that this node once found too little weight in a state of the job, and will say so of every later one. *spent* are the
    holders of which it has seen proof that they spent the job (`sandbox.spends`); those alone take part from then on. *earlier* are the
    conditions of answers over the same rows that this node remembers, and once the others have said theirs, those of all of them.
    """

    job: str
    dataset: str
    me: str
    keys: tuple[str, ...]
    snapshot: str
    light: bool = False
    spent: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()

    @property
    def case(self) -> Case:
        return cases.read(self.job, self.dataset, self.earlier)

    @property
    def holders(self) -> Mapping[str, VerifyKey]:
        return read_keys(self.keys)

    @property
    def threshold(self) -> int:
        """How many holders must agree, on a set, on a state, and as witnesses."""
        return secagg.threshold(len(self.keys), self.case.dataset.colluding)

    def witnesses(self, holder: str) -> Policy:
        """Whose cosignatures count for the ledger of *holder*, who must be of the roster."""
        if holder not in self.holders:
            raise PeerError("is not of the roster", party=holder)
        return policy_of(self.keys, holder, self.case.dataset.colluding)


@functools.lru_cache(maxsize=64)
def state_of(body: str) -> dict[str, Any]:
    """A body, read once however often a step looks at it; nobody changes what is returned."""
    state: dict[str, Any] = parse(body)
    return state


def numbers(answer: bytes, expect: int) -> Floats:
    """What the jail answered, which must be as long as was declared."""
    if len(answer) != expect:
        raise IntegrityError(code="jail.output")
    return np.frombuffer(answer, "<f8")


def round_of(plan: Plan, run: str, body: str, party: secagg.Ready | Opened) -> secagg.Round:
    state = hashlib.sha256((body or canonical([run, list(plan.earlier)])).encode()).digest()  # whoever asks of other sets has other masks
    number = number_of(body) if body else 0
    return secagg.Round(number, party.attempt, state, (vector_of(plan, body),))


def number_of(body: str, *, weighing: bool = False) -> int:
    """A state's statistics are summed in the round after the one that weighed it."""
    return 2 * int(state_of(body)["round"]) - weighing


def vector_of(plan: Plan, body: str) -> secagg.Vector:
    """What a round sums: support, of which each holder proves that its entries are 0 or 1, or the method's statistics."""
    if asks_support(plan, body):
        return secagg.Vector(SUPPORT, 32, entries_of(plan, body), proved=True)
    return secagg.Vector(STATISTICS, 128, entries_of(plan, body))


def entries_of(plan: Plan, body: str) -> int:
    return plan.case.asked if asks_support(plan, body) else len(plan.case.bounds(state_of(body)))


def asks_support(plan: Plan, body: str) -> bool:
    return not body or plan.case.asks_support(state_of(body))


def encoded(plan: Plan, body: str, values: Floats) -> Words:
    """Overflow is excluded by declaration: holders · bound < 2**(bits - 1) (PRIVACY 19)."""
    if asks_support(plan, body):
        return ring(32).embed(values.astype(np.int64))
    return fixed_point(plan, body).encode(values)


def fixed_point(plan: Plan, body: str) -> FixedPoint:
    return FixedPoint(bound=plan.case.bounds(state_of(body)), terms=len(plan.keys), bits=128)


def body_after(plan: Plan, body: str, settled: Opened) -> dict[str, Any]:
    """The next body, from the totals of the round that ran on *body*."""
    before, case = state_of(body) if body else None, plan.case
    if before is None or case.asks_support(before):
        return case.after_support(holders_in(settled, case.asked), before)
    values = fixed_point(plan, body).decode(ring(128).from_bytes(settled.totals[STATISTICS], len(case.bounds(before))))
    return case.after_round(before, case.named(before, values))


def holders_in(settled: Opened, entries: int) -> list[int]:
    """How many holders support each of the *entries*: a sum of proved bits, so at most one for each survivor."""
    counts: list[int] = ring(32).from_bytes(settled.totals[SUPPORT], entries).tolist()
    return counts


def post_of(plan: Plan, name: str, body: bytes, payloads: Mapping[str, Buffer] | None = None) -> Post:
    return Post(name, plan.me, body, tuple(bytes(p) for p in payloads.values()) if payloads else ())


def messages_of(plan: Plan, relay: Relay, expected: str) -> dict[str, Any]:
    """The senders' signed messages of the step *expected*; whoever has not spent the job has no say in it."""
    if relay.step != expected:
        raise PeerError(f"expected the relay of step {expected}", party="coordinator")
    for name in relay.bodies.keys() - set(plan.spent):
        raise PeerError("has not shown that it spent the job", party=name)
    return {name: sent_by(plan, name, raw, kind_of(expected)) for name, raw in relay.bodies.items()}


def sent_by(plan: Plan, name: str, raw: bytes, kind: str) -> Any:
    """The message of this kind that *name* signed."""
    sender, message = open_signed(raw, plan.holders, MESSAGES[plan.case.job.protect][kind])
    if sender != name:
        raise PeerError("is shown with another's message", party=name)
    return message


def payloads_of(relay: Relay, vector: str) -> dict[str, dict[str, bytes]]:
    return {name: {vector: parts[0]} for name, parts in relay.payloads.items() if len(parts) == 1}


def noted(plan: Plan, run: str, body: dict[str, Any], survivors: tuple[str, ...]) -> notes.Note:
    if "outcome" in body["analysis"]:
        return notes.write(Release(plan.case.id, run, tuple(plan.holders), survivors, canonical(plan.case.release(body))))
    return notes.write(AgreedState(plan.case.id, run, body["round"], canonical(body), plan.case.weighs(body)))


def require(plan: Plan, note: notes.Note, survivors: Sequence[str]) -> None:
    """At least t of the *survivors* signed; only those count who were in the sum: the others could not compute it."""
    signed = len(note.signers(*plan.holders.values()) & set(survivors))
    if signed < plan.threshold:
        raise QuorumLost(f"{signed} nodes computed this state, {plan.threshold} must agree before it is used")


def weights_of(plan: Plan, relay: Relay, survivors: Sequence[str]) -> tuple[dict[str, Any], dict[str, dict[str, bytes]]]:
    """Uploads and protected bits that came with the signed states."""
    uploads, payloads = {}, {}
    for name in survivors:
        parts = relay.payloads.get(name, ())
        if len(parts) != 2:
            raise PeerError("did not send one upload with its state", party=name)
        uploads[name] = sent_by(plan, name, parts[0], "upload")
        payloads[name] = {SUPPORT: parts[1]}
    return uploads, payloads


def terms_of(plan: Plan, run: str, acceptances: Mapping[str, Acceptance]) -> secagg.Terms:
    members = tuple(secagg.Member(name, plan.holders[name].public, bytes.fromhex(acceptances[name].agree)) for name in sorted(acceptances))
    return secagg.Terms(hashlib.sha256(f"{plan.case.id} {run}".encode()).digest(), members, plan.case.dataset.colluding)
