"""The ledger: every decision of a node or coordinator as one entry of a Merkle tree, closed by a signed checkpoint.

An entry is an event from a closed list, a time, the id of the document or job it is about, and an error code. There is no field that
could hold a name, a count or a reason in words, so nothing personal can enter a record that is never deleted.
This module decides; where the rows lie is the business of `governance.journal`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Annotated, Literal, Protocol, get_args

from pydantic import AfterValidator, Field, StringConstraints

from governance import checkpoint, merkle
from governance.checkpoint import Checkpoint
from governance.encoding import SAFE_INTEGER, build, parse, wire
from governance.errors import DecodeError, IntegrityError, KeyongError, UsageError
from governance.keys import SigningKey, VerifyKey
from governance.merkle import Hashes
from governance.texts import TEXTS

ENTRY_LIMIT = 1 << 10
WRITTEN = 4096  # entries that are held back at most
SCANNED = 8  # level of the subtrees whose hashes are read at once

Event = Literal[
    "party.enrolled",
    "document.published",
    "root.followed",
    "complaint.received",
    "job.offered",
    "job.accepted",
    "job.refused",
    "job.spent",
    "budget.opened",
    "budget.spent",
    "consent.set",
    "consent.used",
    "job.admitted",
    "cohort.fixed",
    "total.opened",
    "job.released",
    "job.ended",
    "asset.applied",
    "asset.registered",
    "asset.changed",
    "asset.corrected",
    "asset.cancelled",
    "certificate.issued",
    "certificate.transferred",
    "certificate.pledged",
    "certificate.released",
    "certificate.cancelled",
]

EVENTS = frozenset(get_args(Event))
CODES = frozenset(TEXTS) | {""}
SUBJECT = re.compile(r"[0-9a-f]{64}")


def _known(code: str) -> str:
    if code not in CODES:
        raise ValueError("not an error code")
    return code


@wire("keyong/entry/v1")
class Entry:
    """One thing that happened."""

    event: Event
    at: Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
    subject: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    code: Annotated[str, AfterValidator(_known)]

    @property
    def leaf(self) -> bytes:
        """The bytes that the tree holds: canonical JSON of the pair of kind and fields, of which none has a character to escape."""
        kind: str = self.kind  # type: ignore[attr-defined]
        return f'["{kind}",{{"at":{self.at},"code":"{self.code}","event":"{self.event}","subject":"{self.subject}"}}]'.encode()


def entry(event: str, subject: str, *, code: str, at: int) -> Entry:
    """A checked entry: by the rules of the class, or, many times faster, where it plainly keeps them."""
    if event in EVENTS and code in CODES and type(at) is int and 0 <= at <= SAFE_INTEGER and SUBJECT.fullmatch(subject):
        return Entry(event, at, subject, code)  # type: ignore[arg-type]
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
    def add(self, leaves: Sequence[tuple[int, bytes]], hashes: Sequence[tuple[int, bytes]]) -> None: ...
    def leaves(self, start: int) -> Iterable[tuple[int, bytes]]: ...
    def at(self, positions: Sequence[int]) -> Mapping[int, bytes]: ...
    def between(self, start: int, stop: int) -> Iterable[tuple[int, bytes]]: ...
    def hashes(self) -> Iterable[tuple[int, bytes]]: ...


class Ledger:
    """A ledger within one transaction: it grows by entries, and is signed once, when the transaction ends.

    New rows are written together: at the end, and before anything reads them.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._signed, self._checkpoint = rows.head()
        self.size = self._signed
        self._closed = False
        self._peaks: list[bytes] | None = None  # of the tree as it is, read when it first grows
        self._leaves: list[bytes] = []
        self._hashes: list[bytes] = []
        self._known: dict[tuple[int, int], bytes] = {}

    def append(self, new: Entry) -> int:
        """Add an entry and return its index."""
        if self._closed:
            raise UsageError("the ledger is closed for this transaction: nothing can be appended to what was signed")
        if self._peaks is None:
            self._peaks = self._at(merkle.peaks(self.size))
        index, leaf = self.size, new.leaf
        digest = merkle.leaf_hash(leaf)
        self._leaves.append(leaf)
        self._hashes.append(digest)
        rest = index
        while rest & 1:  # as in merkle.grown, whose order is that of the stored positions
            digest = merkle.node_hash(self._peaks.pop(), digest)
            self._hashes.append(digest)
            rest >>= 1
        self._peaks.append(digest)
        self.size += 1
        if len(self._leaves) == WRITTEN:
            self._write()
        return index

    def _write(self) -> None:
        """Write the rows that are new."""
        if self._leaves:
            start = self.size - len(self._leaves)
            self._rows.add(list(enumerate(self._leaves, start)), list(enumerate(self._hashes, merkle.stored(start))))
            self._leaves, self._hashes = [], []

    def sign(self, key: SigningKey) -> None:
        """Close the ledger for this transaction: one signed checkpoint over all that was appended in it."""
        self._closed = True
        if self.size > self._signed:
            self._write()
            self._checkpoint = str(Checkpoint(key.name, self.size, merkle.joined(self._peaks or [])).signed_by(key))
            self._rows.set_head(self.size, self._checkpoint)
            self._signed = self.size

    def checkpoint(self) -> str:
        """The signed checkpoint; none while entries may still be added."""
        if self.size > self._signed:
            raise UsageError("the checkpoint is signed when the transaction ends: read it in a view afterwards")
        return self._checkpoint

    def root(self, size: int | None = None) -> bytes:
        """The root of the first *size* entries."""
        count = self._within(size)
        return merkle.joined(self._at(merkle.peaks(count))) if count else merkle.EMPTY

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        return self._folded(merkle.inclusion_ranges(index, self._within(size)))

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        return self._folded(merkle.consistency_ranges(old, self._within(new)))

    def entries(self, start: int, count: int) -> list[Entry]:
        """Up to *count* entries from *start* on."""
        if start < 0 or count < 0:
            raise UsageError(f"start and count must not be negative, got {start} and {count}")
        stop = min(start + count, self.size)
        return [_stored_entry(index, leaf) for _, (index, leaf) in zip(range(start, stop), self.leaves(start), strict=False)]

    def leaves(self, start: int) -> Iterable[tuple[int, bytes]]:
        self._write()
        return self._rows.leaves(start)

    def scan(self) -> Hashes:
        """Stored hashes for a reader that goes through them in order: those of 256 leaves are read at a time."""
        block: dict[int, bytes] = {}

        def hash_at(level: int, index: int) -> bytes:
            place = merkle.position(level, index)
            if place not in block and level < SCANNED:
                first = index << level >> SCANNED << SCANNED
                block.clear()
                block.update(self._rows.between(merkle.stored(first), merkle.stored(min(first + (1 << SCANNED), self.size))))
            return block[place] if place in block else self._at([(level, index)])[0]

        self._write()
        return hash_at

    def _within(self, size: int | None) -> int:
        if size is None:
            return self.size
        if size > self.size:
            raise UsageError(f"the ledger has {self.size} entries, not {size}")
        return size

    def _folded(self, ranges: list[merkle.Range]) -> list[bytes]:
        places = merkle.needed(ranges)
        found = dict(zip(places, self._at(places), strict=True))
        return merkle.folded(ranges, lambda *place: found[place])

    def _at(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """The stored hashes at *places*, read together."""
        self._write()
        missing = [place for place in places if place not in self._known]
        if missing:
            positions = [merkle.position(*place) for place in missing]
            found = self._rows.at(positions)
            for place, position in zip(missing, positions, strict=True):
                if position not in found:
                    raise IntegrityError(f"the stored hash at position {position} is missing")
                self._known[place] = found[position]
        return [self._known[place] for place in places]


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
