"""A ledger as a folder of static files, which any web server can serve and anybody can check without its owner.

    checkpoint                  the newest signed checkpoint
    tile/0/000, tile/0/001.p/17   256 leaf hashes; the first 17 of the next 256
    tile/1/000.p/1              the roots of 256 leaves each, and so on upwards
    tile/entries/000            the entries of tile/0/000, each after its length

Files never change once they are there, but for the checkpoint, which is written last.  Source: C2SP tlog-tiles.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from governance import checkpoint, merkle, notes, quorum
from governance.checkpoint import Checkpoint
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.journal import View
from governance.ledger import LENGTH, LONGEST, bundle, read_entry, unbundled, unsigned
from governance.merkle import HASH_SIZE, WIDTH, Edge
from governance.quorum import Policy

Tiles = Callable[[int, int], bytes]


def name(index: int, width: int = WIDTH) -> str:
    """Path of a tile within its level: three digits each, all but the last after an x; a partial one says how wide it is."""
    digits = f"{index:0{max(3, -(-len(str(index)) // 3) * 3)}}"
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    return path if width == WIDTH else f"{path}.p/{width}"


def spans(old: int, new: int) -> Iterator[tuple[int, int, int]]:
    """(level, index, width) of the tiles that a tree of *new* leaves has and one of *old* has not."""
    level = 0
    while new:
        for index in range(old // WIDTH, -(-new // WIDTH)):
            width = min(WIDTH, new - index * WIDTH)
            if index * WIDTH + width > old:
                yield level, index, width
        level, old, new = level + 1, old // WIDTH, new // WIDTH


def files(old: int, new: int, leaves: Iterable[tuple[int, bytes]], tile_at: Tiles) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of the files that a folder of *old* entries lacks for *new* ones.

    *leaves* are entries with their indices, from old // 256 * 256 on.
    """
    entries = iter(leaves)
    for level, index, width in spans(old, new):
        hashes = tile_at(level, index)[: width * HASH_SIZE]
        if len(hashes) < width * HASH_SIZE:
            raise unsigned(level, index * WIDTH + len(hashes) // HASH_SIZE)
        yield f"tile/{level}/{name(index, width)}", hashes
        if level == 0:
            yield f"tile/entries/{name(index, width)}", bundle(_signed(entries, index * WIDTH, merkle.row(hashes)))


def _signed(entries: Iterator[tuple[int, bytes]], first: int, hashes: list[bytes]) -> Iterator[bytes]:
    for expected, digest in enumerate(hashes, first):
        index, leaf = next(entries, (-1, b""))
        if index != expected or merkle.leaf_hash(leaf) != digest:
            raise unsigned(0, expected)
        if len(leaf) > LONGEST:
            raise UsageError(f"an entry in a tile has at most {LONGEST} bytes")
        yield leaf


# --- writing ------------------------------------------------------------------------------------


def export(view: View, folder: Path, policy: Policy) -> Checkpoint:
    """Write the ledger of *view*, whose log is in *policy*, to *folder*; what is there already is taken over if it is the same ledger.

    The folder gets the last checkpoint with a quorum, or, where there is none, the newest.
    """
    before = _before(folder, policy)
    old = before.size if before is not None else 0
    text = view.checkpoint()
    head = checkpoint.signed(notes.read(text), policy.logs)
    if before is not None and (old > head.size or view.root(old) != before.root):
        raise IntegrityError(f"the folder holds another ledger than this one, or more of it: {old} entries of {head.origin}")
    cosigned = view.note("cosigned", head.origin)
    if cosigned is not None and (with_quorum := checkpoint.signed(notes.read(cosigned), policy.logs)).size >= old:
        text, head = cosigned, with_quorum
    made: set[Path] = set()
    for path, content in files(old, head.size, view.leaves(old // WIDTH * WIDTH), view.tile):
        made.add(_write(folder / path, content))
    for parent in {path.parent for path in made}:
        _sync(parent)
    _write(folder / "checkpoint", text.encode())
    _sync(folder)
    for full in made:  # it stands for its partial ones
        shutil.rmtree(full.with_name(f"{full.name}.p"), ignore_errors=True)
    return head


def _before(folder: Path, policy: Policy) -> Checkpoint | None:
    path = folder / "checkpoint"
    return checkpoint.signed(notes.read(_read(path, checkpoint.LIMIT), limit=checkpoint.LIMIT), policy.logs) if path.exists() else None


def _write(path: Path, content: bytes) -> Path:
    """Write beside its place, then put it there whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return path


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- checking -----------------------------------------------------------------------------------


def monitor(folder: Path, policy: Policy, *, seen: str = "", read_leaf: Callable[[bytes], object] = read_entry) -> tuple[Checkpoint, str]:
    """Hash every entry in *folder* again, and hold the hashes against every tile, the root, and *seen*, the checkpoint of the last time.

    Returns the checkpoint, and its note, which is *seen* the next time.

    Raises
    ------
    DecodeError
        The checkpoint is none.
    IntegrityError
        Anything else that is wrong; the first is named.
    QuorumLost
        Too few witnesses cosigned the checkpoint.
    """
    note = _read(folder / "checkpoint", checkpoint.LIMIT).decode(errors="replace")  # which no signature is over
    head = quorum.quorum_of(note, policy)
    last = checkpoint.signed(notes.read(seen, limit=checkpoint.LIMIT), policy.logs) if seen else Checkpoint(head.origin, 0, merkle.EMPTY)
    if last.origin != head.origin or last.size > head.size:
        raise IntegrityError(f"{last.size} entries of {last.origin} were seen before, and now there are {head.size} of {head.origin}")
    edge = Edge()
    waiting: list[bytes] = []
    for index, leaf in _entries(folder, head.size):
        if index == last.size:
            _same(edge, waiting, last)
        try:
            read_leaf(leaf)
        except DecodeError as error:
            raise IntegrityError(f"entry {index} is damaged: {error}") from None
        waiting.append(merkle.leaf_hash(leaf))
        if len(waiting) == WIDTH:
            for tile in edge.add(waiting):
                _held(folder, *tile)
            waiting = []
    if head.size == last.size:
        _same(edge, waiting, last)
    edge.add(waiting)
    for tile in edge.partial():
        _held(folder, *tile)
    if edge.root() != head.root:
        raise IntegrityError("the root in the checkpoint is not the root of the entries")
    return head, note


def _same(edge: Edge, waiting: list[bytes], last: Checkpoint) -> None:
    now = Edge(edge.size, list(edge.tiles), list(edge.peaks))
    now.add(waiting)
    if now.root() != last.root:
        raise IntegrityError(f"the first {last.size} entries are not those that were seen before")


def _held(folder: Path, level: int, index: int, hashes: bytes) -> None:
    """Hold the hashes of a tile against its file."""
    path = f"tile/{level}/{name(index, len(hashes) // HASH_SIZE)}"
    raw = _read(folder / path, WIDTH * HASH_SIZE)
    for at, digest in enumerate(merkle.row(hashes)):
        if raw[at * HASH_SIZE : (at + 1) * HASH_SIZE] != digest:
            raise IntegrityError(f"hash {at} in {path} is not that of the entries")
    if len(raw) != len(hashes):
        raise IntegrityError(f"{path} is longer than it must be")


def _entries(folder: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """Index and bytes of each entry."""
    for index in range(-(-size // WIDTH)):
        first = index * WIDTH
        path = f"tile/entries/{name(index, min(WIDTH, size - first))}"
        leaves = list(unbundled(_read(folder / path, WIDTH * (LENGTH + LONGEST)), first))
        if len(leaves) != min(WIDTH, size - first):
            raise IntegrityError(f"{path} holds {len(leaves)} entries")
        yield from leaves


def _read(path: Path, limit: int) -> bytes:
    if not path.is_file():
        raise IntegrityError(f"{path.name} is missing in {path.parent}")
    with path.open("rb") as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise IntegrityError(f"{path.name} in {path.parent} is larger than {limit} bytes")
    return raw
