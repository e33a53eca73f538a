"""The ledger: every decision of a node or coordinator as one entry of a Merkle tree, closed by a signed checkpoint.

An entry is an event from a closed list, a time, the id of the document or job it is about, and an error code. There is no field that
could hold a name, a count or a reason in words, so nothing personal can enter a record that is never deleted.
This module decides; where the rows lie is the business of `governance.journal`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Literal, Protocol, get_args

from pydantic import AfterValidator, Field, StringConstraints

from governance import checkpoint, merkle
from governance.checkpoint import Checkpoint
from governance.encoding import SAFE_INTEGER, build, parse, wire
from governance.errors import DecodeError, IntegrityError, KeyongError, UsageError
from governance.keys import SigningKey, VerifyKey
from governance.merkle import HASH_SIZE, HEIGHT, WIDTH, Edge
from governance.texts import TEXTS

KIND = "keyong/entry/v1"
ENTRY_LIMIT = 1 << 10
WRITTEN = 4096  # entries that are held back at most
LENGTH = 2  # bytes before an entry in a bundle that say how long it is
LONGEST = (1 << 8 * LENGTH) - 1

Event = Literal[
    "party.enrolled",
    "key.replaced",
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
    "product.listed",
    "product.delisted",
    "product.ordered",
    "product.delivered",
    "product.inspected",
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


@wire(KIND)
class Entry:
    """One thing that happened."""

    event: Event
    at: Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
    subject: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    code: Annotated[str, AfterValidator(_known)]

    @property
    def leaf(self) -> bytes:
        """The bytes that the tree holds: canonical JSON of the pair of kind and fields, of which none has a character to escape."""
        return f'["{KIND}",{{"at":{self.at},"code":"{self.code}","event":"{self.event}","subject":"{self.subject}"}}]'.encode()


def entry(event: str, subject: str, *, code: str, at: int) -> Entry:
    """A checked entry."""
    try:
        return build(Entry, {"event": event, "at": at, "subject": subject, "code": code})
    except DecodeError as error:
        raise UsageError(f"not a ledger entry: {error}") from None


def leaf(event: str, subject: str, code: str, at: int) -> bytes:
    """The bytes of an entry, checked by the rules of its class, or, many times faster, where it plainly keeps them."""
    if event in EVENTS and code in CODES and type(at) is int and 0 <= at <= SAFE_INTEGER and SUBJECT.fullmatch(subject):
        return f'["{KIND}",{{"at":{at},"code":"{code}","event":"{event}","subject":"{subject}"}}]'.encode()
    return entry(event, subject, code=code, at=at).leaf


def read_entry(leaf: bytes) -> Entry:
    """The entry in the bytes of a leaf."""
    pair = parse(leaf, limit=ENTRY_LIMIT)
    if not isinstance(pair, list) or len(pair) != 2 or pair[0] != KIND:
        raise DecodeError(f"expected a pair of {KIND} and its fields")
    return build(Entry, pair[1])


# --- bundles ------------------------------------------------------------------------------------


def bundle(leaves: Iterable[bytes]) -> bytes:
    """Entries, each after its length. C2SP tlog-tiles, "Log entries"."""
    return b"".join([len(each).to_bytes(LENGTH) + each for each in leaves])


def unbundled(raw: bytes, first: int) -> Iterator[tuple[int, bytes]]:
    """Indices and bytes of the entries in the bundle that starts with entry *first*; of the last one what there is of it."""
    at, index = 0, first
    while at < len(raw):
        start = at + LENGTH
        at = start + int.from_bytes(raw[at:start])
        yield index, raw[start:at]
        index += 1
    if at > len(raw):
        raise IntegrityError(f"entry {index - 1} is cut short", level=0, index=index - 1)


# --- the tree of one transaction ----------------------------------------------------------------


class Rows(Protocol):
    """The stored rows of one ledger, as one transaction sees them.

    A bundle holds up to 256 entries that were written together, never across a multiple of 256, and their hashes; it is named by the index
    of the first. A tile holds up to 256 hashes, and is named by level and index: C2SP tlog-tiles. Those of level 0 are the bundles' hashes.
    """

    def head(self) -> tuple[int, str]: ...
    def set_head(self, size: int, note: str) -> None: ...
    def add(self, bundles: Sequence[tuple[int, bytes, bytes]], tiles: Sequence[tuple[int, int, bytes]]) -> None: ...
    def bundles(self, start: int) -> Iterable[tuple[int, bytes]]: ...
    def tiles(self, names: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]: ...
    def all_tiles(self) -> Iterable[tuple[int, int]]: ...


Left = tuple[str, Edge] | None  # a checkpoint, and the edge of the tree under it


class Ledger:
    """A ledger within one transaction: it grows by entries, and is signed once, when the transaction ends.

    New rows are written together: at the end, and before anything reads them.
    """

    def __init__(self, rows: Rows, left: Left = None) -> None:
        self._rows = rows
        self._signed, self._checkpoint = rows.head()
        self.size = self._signed
        self._closed = False
        # of what is written; read when the tree first grows
        self._edge = left[1] if left is not None and left[0] == self._checkpoint else None
        self._leaves: list[bytes] = []
        self._known: dict[tuple[int, int], bytes] = {}

    @property
    def left(self) -> Left:
        """What the next transaction can go on from, once this one is durable."""
        return (self._checkpoint, self._edge) if self._edge is not None else None

    def append(self, new: bytes) -> int:
        """Add an entry, by the bytes of its leaf, and return its index."""
        if self._closed:
            raise UsageError("the ledger is closed for this transaction: nothing can be appended to what was signed")
        self._leaves.append(new)
        self.size += 1
        if len(self._leaves) == WRITTEN:
            self._write()
        return self.size - 1

    def _write(self) -> None:
        """Write the rows that are new."""
        if not self._leaves:
            return
        start = self.size - len(self._leaves)
        if self._edge is None:
            self._load(_edges(start))
            self._edge = Edge.of(start, self._tile)
        hashes = [sha256(b"\x00" + each).digest() for each in self._leaves]
        full = self._edge.add(hashes)
        tiles = {(level, index): tile for level, index, tile in full + (self._edge.partial() if full else []) if level}
        cuts = [start, *range(start // WIDTH * WIDTH + WIDTH, self.size, WIDTH), self.size]
        parts = [(at, slice(at - start, stop - start)) for at, stop in itertools.pairwise(cuts)]
        bundles = [(at, b"".join(hashes[part]), bundle(self._leaves[part])) for at, part in parts]
        self._rows.add(bundles, [(*name, tile) for name, tile in tiles.items()])
        self._known.clear()
        self._leaves = []

    def sign(self, key: SigningKey) -> None:
        """Close the ledger for this transaction: one signed checkpoint over all that was appended in it."""
        self._closed = True
        if self.size > self._signed:
            self._write()
            root = self._edge.root() if self._edge is not None else merkle.EMPTY
            self._checkpoint = str(Checkpoint(key.name, self.size, root).signed_by(key))
            self._rows.set_head(self.size, self._checkpoint)
            self._signed = self.size

    def checkpoint(self) -> str:
        """The signed checkpoint; none while entries may still be added."""
        if self.size > self._signed:
            raise UsageError("the checkpoint is signed when the transaction ends: read it in a view afterwards")
        return self._checkpoint

    def root(self, size: int | None = None) -> bytes:
        """The root of the first *size* entries."""
        return self._folded([(0, count)])[0] if (count := self._within(size)) else merkle.EMPTY

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        return self._folded(merkle.inclusion_ranges(index, self._within(size)))

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        return self._folded(merkle.consistency_ranges(old, self._within(new)))

    def entries(self, start: int, count: int) -> list[Entry]:
        """Up to *count* entries from *start* on."""
        if start < 0 or count < 0:
            raise UsageError(f"start and count must not be negative, got {start} and {count}")
        stop = min(start + count, self.size)
        return [_stored_entry(index, each) for _, (index, each) in zip(range(start, stop), self.leaves(start), strict=False)]

    def leaves(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Entries from *start* on with their indices, as they were hashed."""
        self._write()
        return _leaves(self._rows, start)

    def tile(self, level: int, index: int) -> bytes:
        """The hashes of a tile that are there so far."""
        self._write()
        self._load([(level, index)])
        return self._tile(level, index)

    def _within(self, size: int | None) -> int:
        if size is None:
            return self.size
        if size > self.size:
            raise UsageError(f"the ledger has {self.size} entries, not {size}")
        return size

    def _folded(self, ranges: list[merkle.Range]) -> list[bytes]:
        self._write()
        self._load({merkle.place(*name)[:2] for name in merkle.needed(ranges)})
        return merkle.folded(ranges, self._hash)

    def _load(self, names: Iterable[tuple[int, int]]) -> None:
        """Read together the tiles that are not known yet."""
        missing = [name for name in names if name not in self._known]
        if missing:
            self._known.update(self._rows.tiles(missing))

    def _tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self._known:
            raise IntegrityError(f"the stored tile {index} of level {level} is missing", level=level, index=index)
        return self._known[level, index]

    def _hash(self, level: int, index: int) -> bytes:
        up, tile, first, count = merkle.place(level, index)
        hashes = self._tile(up, tile)[first * HASH_SIZE : (first + count) * HASH_SIZE]
        if len(hashes) != count * HASH_SIZE:
            raise IntegrityError(f"the stored tile {tile} of level {up} is cut short", level=up, index=tile)
        return merkle.fold(merkle.row(hashes)) if count > 1 else hashes


def _edges(size: int) -> list[tuple[int, int]]:
    """Names of the tiles at the right edge that are not full."""
    counts = itertools.takewhile(bool, (size >> HEIGHT * level for level in itertools.count()))
    return [(level, count // WIDTH) for level, count in enumerate(counts) if count % WIDTH]


def inception(key: SigningKey) -> str:
    """The checkpoint of a new, empty ledger."""
    return str(Checkpoint(key.name, 0, merkle.EMPTY).signed_by(key))


def fsck(rows: Rows, key: VerifyKey) -> Checkpoint:
    """Hash every entry again, recompute every stored hash and the root, verify the checkpoint; raise at the first that is wrong."""
    head, edge = _head(rows, key), Edge()
    known: set[tuple[int, int]] = set()
    waiting: list[bytes] = []
    tile = b""

    def stored(level: int, index: int) -> bytes:
        known.add((level, index))
        return rows.tiles([(level, index)]).get((level, index), b"")

    for expected, (index, each) in enumerate(_leaves(rows, 0)):
        if index != expected:
            raise IntegrityError(f"entry {expected} is missing", level=0, index=expected)
        at = index % WIDTH
        tile = stored(0, index // WIDTH) if at == 0 else tile
        waiting.append(merkle.leaf_hash(each))
        if tile[at * HASH_SIZE :][:HASH_SIZE] != waiting[-1]:
            raise unsigned(0, index)
        _stored_entry(index, each)
        if at == WIDTH - 1:
            for level, number, hashes in edge.add(waiting):
                _same(level, number, hashes, stored(level, number))
            waiting = []
    edge.add(waiting)
    for level, number, hashes in edge.partial():
        _same(level, number, hashes, stored(level, number))
    for level, number in rows.all_tiles():
        if (level, number) not in known:
            raise IntegrityError(f"the stored tile {number} of level {level} belongs to no entry", level=level, index=number)
    if head.size != edge.size:
        raise IntegrityError(f"the checkpoint covers {head.size} entries, other than are stored")
    if edge.root() != head.root:
        raise IntegrityError("the root in the checkpoint is not the root of the entries")
    return head


def _leaves(rows: Rows, start: int) -> Iterator[tuple[int, bytes]]:
    for first, raw in rows.bundles(start):
        if not raw:
            raise IntegrityError(f"the bundle of entry {first} is empty", level=0, index=first)
        for index, each in unbundled(raw, first):
            if index // WIDTH != first // WIDTH:
                raise IntegrityError(f"the bundle of entry {first} is too long", level=0, index=first)
            if index >= start:
                yield index, each


def _same(level: int, index: int, hashes: bytes, stored: bytes) -> None:
    """Raise unless a tile is stored as it must be."""
    for at in range(0, max(len(hashes), len(stored)), HASH_SIZE):
        if hashes[at : at + HASH_SIZE] != stored[at : at + HASH_SIZE]:
            raise unsigned(level, index * WIDTH + at // HASH_SIZE)


def unsigned(level: int, index: int) -> IntegrityError:
    """That hash *index* of a level of tiles is wrong."""
    what = f"entry {index} and its hash" if level == 0 else "the stored hash"
    height = level * HEIGHT
    return IntegrityError(f"{what} at level {height}, index {index} is not what was signed", level=height, index=index)


def _head(rows: Rows, key: VerifyKey) -> Checkpoint:
    size, note = rows.head()
    try:
        head = checkpoint.opened(note, key)
    except KeyongError as error:
        raise IntegrityError(f"the checkpoint is damaged: {error}") from None
    if head.size != size:
        raise IntegrityError(f"the checkpoint covers {head.size} entries, the head says {size}")
    return head


def _stored_entry(index: int, leaf: bytes) -> Entry:
    try:
        return read_entry(leaf)
    except DecodeError as error:
        raise IntegrityError(f"entry {index} is damaged: {error}", level=0, index=index) from None
