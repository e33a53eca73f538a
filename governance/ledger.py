"""The ledger: every decision of a node or coordinator as one entry of a Merkle tree, closed by a signed checkpoint.

An entry is an event from a closed list, a time, the id of the document or job it is about, and an error code. There is no field that
could hold a name, a count or a reason in words, so nothing personal can enter a record that is never deleted.
This module decides; where the rows lie is the business of `governance.journal`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field, StringConstraints

from governance import checkpoint, merkle
from governance.checkpoint import Checkpoint
from governance.encoding import SAFE_INTEGER, build, canonical, parse, plain, wire
from governance.errors import DecodeError, IntegrityError, KeyongError, UsageError
from governance.keys import SigningKey, VerifyKey
from governance.texts import TEXTS

ENTRY_LIMIT = 1 << 10

Event = Literal[
    "party.enrolled",
    "document.published",
    "complaint.received",
    "job.offered",
    "job.accepted",
    "job.refused",
    "job.spent",
    "budget.opened",
    "budget.spent",
    "job.admitted",
    "cohort.fixed",
    "total.opened",
    "job.released",
    "job.ended",
]


def _known(code: str) -> str:
    if code and code not in TEXTS:
        raise ValueError("not an error code")
    return code


@wire("keyong/entry/v1")
class Entry:
    """One thing that happened."""

    event: Event
    at: Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
    subject: Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
    code: Annotated[str, AfterValidator(_known)]

    @property
    def leaf(self) -> bytes:
        """The bytes that the tree holds: canonical JSON of the pair of kind and fields."""
        return canonical([self.kind, plain(self)]).encode()  # type: ignore[attr-defined]


def entry(event: str, subject: str, *, code: str, at: int) -> Entry:
    """A checked entry."""
    try:
        return build(Entry, {"event": event, "at": at, "subject": subject, "code": code})
    except DecodeError as error:
        raise UsageError(f"not a ledger entry: {error}") from None


def read_entry(leaf: bytes) -> Entry:
    """The entry in the bytes of a leaf."""
    pair = parse(leaf, limit=ENTRY_LIMIT)
    if not isinstance(pair, list) or len(pair) != 2 or pair[0] != Entry.kind:  # type: ignore[attr-defined]
        raise DecodeError("expected a pair of keyong/entry/v1 and its fields")
    return build(Entry, pair[1])


class Rows(Protocol):
    """The stored rows of one ledger, as one transaction sees them. Hashes are kept by `merkle.position`."""

    def head(self) -> tuple[int, str]: ...
    def set_head(self, size: int, note: str) -> None: ...
    def add(self, index: int, leaf: bytes, hashes: Sequence[tuple[int, bytes]]) -> None: ...
    def leaves(self, start: int) -> Iterable[tuple[int, bytes]]: ...
    def hash(self, position: int) -> bytes: ...
    def hashes(self) -> Iterable[tuple[int, bytes]]: ...


class Ledger:
    """A ledger within one transaction: it grows by entries, and is signed once, when the transaction ends."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._signed, self._checkpoint = rows.head()
        self.size = self._signed
        self._fresh: dict[tuple[int, int], bytes] = {}

    def append(self, new: Entry) -> int:
        """Add an entry and return its index."""
        index, leaf = self.size, new.leaf
        complete = merkle.grown(index, merkle.leaf_hash(leaf), self._hash_at)
        self._fresh.update({(level, at): digest for level, at, digest in complete})
        self._rows.add(index, leaf, [(merkle.position(level, at), digest) for level, at, digest in complete])
        self.size += 1
        return index

    def sign(self, key: SigningKey) -> None:
        """Close the transaction: one signed checkpoint over all that was appended in it."""
        if self.size > self._signed:
            note = str(Checkpoint(key.name, self.size, merkle.root(self.size, self._hash_at)).signed_by(key))
            self._rows.set_head(self.size, note)

    def checkpoint(self) -> str:
        """The signed checkpoint; never one of entries that may still be rolled back."""
        if self.size > self._signed:
            raise UsageError("the checkpoint is signed when the transaction ends: read it in a view afterwards")
        return self._checkpoint

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        return merkle.inclusion(index, self._within(size), self._hash_at)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        return merkle.consistency(old, self._within(new), self._hash_at)

    def entries(self, start: int, count: int) -> list[Entry]:
        """Up to *count* entries from *start* on."""
        if start < 0 or count < 0:
            raise UsageError(f"start and count must not be negative, got {start} and {count}")
        stop = min(start + count, self.size)
        return [_stored_entry(index, leaf) for _, (index, leaf) in zip(range(start, stop), self._rows.leaves(start), strict=False)]

    def _within(self, size: int | None) -> int:
        if size is None:
            return self.size
        if size > self.size:
            raise UsageError(f"the ledger has {self.size} entries, not {size}")
        return size

    def _hash_at(self, level: int, index: int) -> bytes:
        name = (level, index)
        if name not in self._fresh:
            self._fresh[name] = self._rows.hash(merkle.position(level, index))
        return self._fresh[name]


def inception(key: SigningKey) -> str:
    """The checkpoint of a new, empty ledger."""
    return str(Checkpoint(key.name, 0, merkle.EMPTY).signed_by(key))


def fsck(rows: Rows, key: VerifyKey) -> Checkpoint:
    """Hash every entry again, recompute every stored hash and the root, verify the checkpoint; raise at the first that is wrong."""
    head = _head(rows, key)
    frontier: dict[tuple[int, int], bytes] = {}
    recomputed = _recomputed(rows, frontier)
    for here, there in zip_longest(recomputed, rows.hashes()):
        if here is None:
            raise IntegrityError(f"a stored hash at position {there[0]} belongs to no entry")
        level, index, digest = here
        if there != (merkle.position(level, index), digest):
            what = f"entry {index} and its hash" if level == 0 else "the stored hash"
            raise IntegrityError(f"{what} at level {level}, index {index} is not what was signed", level=level, index=index)
    if head.size != sum(1 << level for level, _ in frontier):
        raise IntegrityError(f"the checkpoint covers {head.size} entries, other than are stored")
    if merkle.root(head.size, lambda level, index: frontier[level, index]) != head.root:
        raise IntegrityError("the root in the checkpoint is not the root of the entries")
    return head


def _head(rows: Rows, key: VerifyKey) -> Checkpoint:
    size, note = rows.head()
    try:
        head = checkpoint.opened(note, key)
    except KeyongError as error:
        raise IntegrityError(f"the checkpoint is damaged: {error}") from None
    if head.size != size:
        raise IntegrityError(f"the checkpoint covers {head.size} entries, the head says {size}")
    return head


def _recomputed(rows: Rows, frontier: dict[tuple[int, int], bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Every complete subtree in the order in which it was stored; *frontier* is left with the peaks."""
    for expected, (index, leaf) in enumerate(rows.leaves(0)):
        if index != expected:
            raise IntegrityError(f"entry {expected} is missing", level=0, index=expected)
        for level, at, digest in merkle.grown(index, merkle.leaf_hash(leaf), lambda *name: frontier[name]):
            frontier[level, at] = digest
            yield level, at, digest
            if level:
                del frontier[level - 1, 2 * at], frontier[level - 1, 2 * at + 1]
        _stored_entry(index, leaf)


def _stored_entry(index: int, leaf: bytes) -> Entry:
    try:
        return read_entry(leaf)
    except DecodeError as error:
        raise IntegrityError(f"entry {index} is damaged: {error}", level=0, index=index) from None
