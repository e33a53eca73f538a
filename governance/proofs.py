"""A proof that a ledger holds an entry, in one text that anybody verifies offline: the entry, its way to the root, the checkpoint.

    c2sp.org/tlog-proof@v1
    extra WyJrZXlvbmcvZW50cnkvdjEi…
    index 1
    KmqXPbTr9xM6hqgzHRvdw+…

    hospital-a
    2
    P1CnOaQQNjmxA5U6eSmH+oROv2936E9KOR51oUCJ0Nk=

    — hospital-a …
    — hospital-b …

The extra data are the entry's own bytes: they are hashed into the proof, and so are as good as the rest.  Source: C2SP tlog-proof.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from governance import checkpoint, merkle, notes, quorum
from governance.checkpoint import Checkpoint
from governance.errors import DecodeError, IntegrityError
from governance.keys import read_base64
from governance.ledger import Entry, read_entry
from governance.quorum import Policy

if TYPE_CHECKING:
    from governance.journal import View

KIND = "c2sp.org/tlog-proof@v1"
LIMIT = checkpoint.LIMIT + (1 << 17)  # and room for the longest entry that a tile can hold
LONGEST = 63


@dataclass(frozen=True, slots=True)
class Proof:
    """The data at *index* are in the tree of *checkpoint*, a note; nothing is verified yet."""

    data: bytes = field(repr=False)
    index: int
    path: tuple[bytes, ...] = field(repr=False)
    checkpoint: str = field(repr=False)

    def __str__(self) -> str:
        extra = [f"extra {_base64(self.data)}"] if self.data else []
        return "".join(f"{line}\n" for line in [KIND, *extra, f"index {self.index}", *map(_base64, self.path), ""]) + self.checkpoint


def prove(view: View, index: int) -> Proof:
    """Proof of the entry *index*, under the last checkpoint that a quorum cosigned if that covers it, or else under the newest one."""
    newest = view.checkpoint()
    cosigned = view.note("cosigned", _head(newest).origin)
    chosen = cosigned if cosigned is not None and _head(cosigned).size > index else newest
    path = tuple(view.inclusion(index, _head(chosen).size))
    return Proof(view.entries(index, 1)[0].leaf, index, path, chosen)


def read(text: str | bytes) -> Proof:
    """Parse a proof; `DecodeError` on anything else."""
    if len(text) > LIMIT:
        raise DecodeError(f"a proof is larger than {LIMIT} bytes")
    try:
        raw = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        raise DecodeError("a proof is not UTF-8") from None
    head, empty, note = raw.partition("\n\n")
    kind, *lines = head.split("\n")
    data = b""
    if lines and lines[0].startswith("extra "):
        data = read_base64(lines.pop(0).removeprefix("extra "))
    index = lines.pop(0).removeprefix("index ") if lines and lines[0].startswith("index ") else ""
    if kind != KIND or not empty or not checkpoint.SIZE.fullmatch(index) or len(lines) > LONGEST:
        raise DecodeError(f"a proof has its lines: {KIND}, extra, index, hashes, an empty line, a checkpoint")
    return Proof(data, int(index), tuple(map(read_base64, lines)), note)


def verify(proof: Proof, policy: Policy, data: bytes = b"") -> Checkpoint:
    """Raise unless a checkpoint that counts by *policy* covers *data* (those in the proof, where none are given) at the proof's index.

    Raises
    ------
    IntegrityError
        A signature, the way to the root, or the data are not what they must be.
    QuorumLost
        Too few witnesses cosigned the checkpoint.
    """
    if data and proof.data not in (b"", data):
        raise IntegrityError("the proof is of other data")
    head = quorum.quorum_of(proof.checkpoint, policy, index=proof.index)
    merkle.verify_inclusion(proof.path, head.root, leaf=merkle.leaf_hash(data or proof.data), index=proof.index, size=head.size)
    return head


def verify_entry(proof: Proof, policy: Policy) -> tuple[Entry, Checkpoint]:
    """The ledger entry that the proof carries, and the checkpoint that covers it."""
    head = verify(proof, policy)
    return read_entry(proof.data), head


def _head(note: str) -> Checkpoint:
    return checkpoint.read(notes.read(note, limit=checkpoint.LIMIT))


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
