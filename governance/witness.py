"""Witnesses: nodes keep the newest checkpoint of each other's ledger, and cosign only what continues it.

    hospital-a: request(view, peers)          the checkpoint, and its consistency with what each peer last cosigned
    hospital-b: Witness(key, logs).cosign(transaction, request) -> Cosignature | Refusal
    hospital-a: collect(transaction, answers, policy)  -> the checkpoint with the cosignatures

A witness learns the size and the root of a ledger, never an entry. What it keeps and what it answers stand in one transaction, so that
a crash, a race or a copied file never lets it cosign two histories. A node whose journal is an older copy of itself gets no cosignature
any more.  Source: C2SP tlog-witness.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from governance import checkpoint, cosignatures, merkle, notes
from governance.checkpoint import Checkpoint
from governance.encoding import strict, wire
from governance.errors import DecodeError, IntegrityError, PeerError
from governance.keys import SigningKey, VerifyKey, read_base64, read_key
from governance.notes import Note
from governance.quorum import Policy

if TYPE_CHECKING:  # a client reads requests and answers, and needs no database
    from governance.journal import Transaction, View

LONGEST = 63  # hashes of a proof: C2SP tlog-witness, "add-checkpoint"

Size = Annotated[int, Field(ge=0, le=checkpoint.LARGEST)]
Hash = Annotated[bytes, Field(min_length=merkle.HASH_SIZE, max_length=merkle.HASH_SIZE)]
Text = Annotated[str, Field(max_length=checkpoint.LIMIT)]


@strict
class Consistency:
    """Proof that a tree starts with the one of *old* entries. RFC 6962, 2.1.2."""

    old: Size
    proof: Annotated[tuple[Hash, ...], Field(max_length=LONGEST)]


@wire("keyong/cosignature-request/v1")
class Request:
    """A checkpoint to be cosigned, and one proof for each size that some witness may have seen last."""

    checkpoint: Text
    proofs: Annotated[tuple[Consistency, ...], Field(max_length=128)]


@wire("keyong/cosignature/v1")
class Cosignature:
    """A witness's line under the checkpoint."""

    line: Annotated[str, Field(max_length=1 << 12)]  # room for ML-DSA-44


@wire("keyong/cosignature-refusal/v1")
class Refusal:
    """Why not, by the numbers of C2SP tlog-witness, and the newest checkpoint of this log that the witness has seen."""

    status: Literal[400, 403, 404, 409, 422]
    size: Size
    checkpoint: Text


@dataclass(frozen=True, slots=True)
class Witness:
    """One party's word on the logs that it knows by their origins."""

    key: SigningKey
    logs: Mapping[str, VerifyKey]

    def cosign(self, t: Transaction, request: Request, at: int) -> Cosignature | Refusal:
        """Cosign at the time *at* what continues the newest checkpoint seen. The answer may leave once *t* is durable, not before."""
        try:
            note = notes.read(request.checkpoint, limit=checkpoint.LIMIT)
            new = checkpoint.read(note)
        except DecodeError:
            return Refusal(400, 0, "")
        if new.origin not in self.logs:
            return Refusal(404, 0, "")
        try:
            checkpoint.signed(note, (self.logs[new.origin],))
        except IntegrityError:
            return Refusal(403, 0, "")
        seen = t.seen(new.origin)
        old = checkpoint.read(notes.read(seen)) if seen else Checkpoint(new.origin, 0, merkle.EMPTY)
        status = _judged(old, new, request.proofs)
        if status:
            if (old.size, status) == (new.size, 409) and old.root != new.root:
                t.put_note("fork", new.origin, str(note.only(self.logs[new.origin])), replace=True)
            return Refusal(status, old.size, seen or "")  # type: ignore[arg-type]
        t.put_seen(new.origin, old.size, new.size, str(note.only(self.logs[new.origin])))
        return Cosignature(str(cosignatures.cosign(note.text, self.key, at)))


def _judged(old: Checkpoint, new: Checkpoint, proofs: tuple[Consistency, ...]) -> int:
    """0, or the number of the first rule that *new* breaks. C2SP tlog-witness, "add-checkpoint"."""
    if any(p.old > new.size for p in proofs):
        return 400
    proof = next((p.proof for p in proofs if p.old == old.size), None)
    if proof is None or (old.size == new.size and old.root != new.root):
        return 409
    try:
        merkle.verify_consistency(proof, old.root, new.root, old=old.size, new=new.size)
    except IntegrityError:
        return 422
    return 0


# --- the log's side -----------------------------------------------------------------------------


def request(view: View, witnesses: Iterable[str]) -> Request:
    """The newest checkpoint of this ledger for *witnesses*, with a proof from what each of them is known to have seen.

    In a transaction that has appended, close its ledger first.
    """
    known = view.cosigned()
    olds = sorted({known[name][0] if name in known else 0 for name in witnesses})
    return Request(view.checkpoint(), tuple(Consistency(old, tuple(view.consistency(old))) for old in olds))


def collect(t: Transaction, made: Request, answers: Mapping[str, Cosignature | Refusal], policy: Policy) -> Note:
    """The checkpoint of *made* with the cosignatures among *answers* (by the names of witnesses' keys).

    What each has seen is written down, and the checkpoint where it has its quorum.

    A refusal that tells of another size corrects the next request. One that shows a later checkpoint of our own is an alarm: this journal
    is an older copy of itself, or another history.
    """
    keys = {key.name: key for key in policy.witnesses.values()}
    note = notes.read(made.checkpoint, limit=checkpoint.LIMIT)
    head = checkpoint.read(note)
    for name, answer in answers.items():
        if isinstance(answer, Refusal):
            _corrected(t, name, answer, policy)
    lines = [line for a in answers.values() if isinstance(a, Cosignature) for line in _line(a.line)]
    note = cosignatures.gathered(note, lines, keys.values())
    found = cosignatures.times(note, keys.values())
    for name, at in found.items():
        t.put_cosigned(name, head.size, at)
    if policy.met_by(found):
        t.put_note("cosigned", head.origin, str(note), replace=True)
    return note


def _corrected(t: Transaction, name: str, refusal: Refusal, policy: Policy) -> None:
    try:
        seen = require_ours(t, refusal.checkpoint, policy.logs).size if refusal.checkpoint else 0
    except (DecodeError, PeerError):  # it shows what this node never signed
        return
    if refusal.status == 409:
        t.put_cosigned(name, seen, 0)


def require_ours(view: View, seen: str, logs: Iterable[VerifyKey]) -> Checkpoint:
    """The checkpoint *seen* that a witness shows as one of this ledger; raise unless this ledger continues it.

    It is signed by a key in *logs*, or by one that its owner had before: a new key does not make anybody forget what the old one said.

    Raises
    ------
    DecodeError, PeerError
        It is none of ours.
    IntegrityError
        It is, and this journal is an older copy of itself, or holds another history.
    """
    known = (*logs, *(read_key(text) for _, text in view.notes("own")))
    try:
        head = checkpoint.signed(notes.read(seen, limit=checkpoint.LIMIT), known)
    except IntegrityError:
        raise PeerError("showed a checkpoint that this ledger never signed") from None
    if head.size > view.size():
        raise IntegrityError(code="integrity.rollback", here=view.size(), size=head.size)
    if view.root(head.size) != head.root:
        raise IntegrityError(code="integrity.fork", size=head.size)
    return head


def _line(text: str) -> tuple[notes.Signature, ...]:
    try:
        return notes.read(f"\n\n{text}\n").signatures
    except DecodeError:
        return ()


# --- the wire form of C2SP ----------------------------------------------------------------------


def body(made: Request, old: int) -> str:
    """The body of an add-checkpoint call to a witness that saw *old* entries last. C2SP tlog-witness, "add-checkpoint"."""
    proof = next((p.proof for p in made.proofs if p.old == old), ())
    return "".join(f"{line}\n" for line in [f"old {old}", *(base64.b64encode(h).decode() for h in proof), ""]) + made.checkpoint


def read_body(text: str) -> Request:
    """The request in the body of an add-checkpoint call."""
    head, empty, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    size = first.removeprefix("old ")
    if not empty or size == first or not checkpoint.SIZE.fullmatch(size) or len(lines) > LONGEST:
        raise DecodeError("an add-checkpoint body has an old size, a proof, an empty line, and a checkpoint")
    proof = tuple(map(read_base64, lines))
    if any(len(h) != merkle.HASH_SIZE for h in proof):
        raise DecodeError(f"a hash has {merkle.HASH_SIZE} bytes")
    return Request(note, (Consistency(int(size), proof),))
