"""Merkle tree hashing: roots, inclusion proofs and consistency proofs, built from the hashes of complete subtrees.

A complete subtree of 2**level leaves that starts at leaf index * 2**level is named (level, index). Its hash never changes once it is
there, and every root and every proof is folded from a few of them. A log stores those of each eighth level, 256 in a tile; what lies
between is hashed again when it is asked for.
Source: RFC 6962, 2.1 (hashing, building); RFC 9162, 2.1.3.2 and 2.1.4.2 (verifying); C2SP tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from governance.errors import IntegrityError, UsageError

HASH_SIZE = 32
EMPTY = sha256(b"").digest()
HEIGHT = 8
WIDTH = 1 << HEIGHT  # of a tile

Hashes = Callable[[int, int], bytes]
Range = tuple[int, int]


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


# --- growing ------------------------------------------------------------------------------------


def row(tile: bytes) -> list[bytes]:
    """The hashes in a tile."""
    return [tile[at : at + HASH_SIZE] for at in range(0, len(tile), HASH_SIZE)]


def fold(hashes: Iterable[bytes]) -> bytes:
    """The root over subtrees of one size, of which the last may be a smaller one that is not complete."""
    level = list(hashes) or [EMPTY]
    while len(level) > 1:
        level = _paired(level) + level[len(level) // 2 * 2 :]
    return level[0]


def _paired(hashes: Iterable[bytes]) -> list[bytes]:
    """The hashes over each two; what remains over is left out."""
    each = iter(hashes)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(each, each, strict=False)]


def place(level: int, index: int) -> tuple[int, int, int, int]:
    """Where the hashes lie under a complete subtree: level and index of their tile, the first of them in it, and how many."""
    up, height = divmod(level, HEIGHT)
    return up, index << height >> HEIGHT, (index << height) % WIDTH, 1 << height


@dataclass(slots=True)
class Edge:
    """The right edge of a growing tree: the last tile of each level of tiles, as far as it is there, and the root's own subtrees.

    Each hash is computed once, however the tree grows.
    """

    size: int = 0
    tiles: list[list[bytes]] = field(default_factory=list, repr=False)
    peaks: list[bytes] = field(default_factory=list, repr=False)  # by level; empty where there is none

    @classmethod
    def of(cls, size: int, tile_at: Callable[[int, int], bytes]) -> Edge:
        """That of a tree of *size* leaves, from its stored tiles."""
        edge = cls(size)
        while count := size >> HEIGHT * len(edge.tiles):
            index, width = divmod(count, WIDTH)
            hashes = row(tile_at(len(edge.tiles), index))[:width] if width else []
            if len(hashes) < width:
                raise IntegrityError(f"the stored tile {index} of level {len(edge.tiles)} is cut short")
            edge.tiles.append(hashes)
            for height in range(HEIGHT):
                stop = width >> height << height
                edge.peaks.append(fold(hashes[stop - (1 << height) : stop]) if width >> height & 1 else b"")
        return edge

    def add(self, hashes: Iterable[bytes]) -> list[tuple[int, int, bytes]]:
        """Grow by leaf hashes. What comes back are the tiles that are full now: level, index, hashes."""
        full, level, start, new = [], 0, self.size, list(hashes)
        self.size += len(new)
        while new:
            if level == len(self.peaks):
                self.peaks += [b""] * HEIGHT
                self.tiles.append([])
            if level % HEIGHT == 0:
                full += self._filled(level // HEIGHT, start >> level, new)
            if self.peaks[level]:
                new.insert(0, self.peaks[level])
            self.peaks[level] = new.pop() if len(new) % 2 else b""
            new = _paired(new)
            level += 1
        return full

    def _filled(self, level: int, start: int, new: list[bytes]) -> list[tuple[int, int, bytes]]:
        waiting = [*self.tiles[level], *new]
        stop = len(waiting) // WIDTH * WIDTH
        self.tiles[level] = waiting[stop:]
        return [(level, (start + at) // WIDTH, b"".join(waiting[at : at + WIDTH])) for at in range(0, stop, WIDTH)]

    def partial(self) -> list[tuple[int, int, bytes]]:
        """The tiles that are not full: level, index, hashes."""
        return [(level, self.size >> HEIGHT * (level + 1), b"".join(each)) for level, each in enumerate(self.tiles) if each]

    def root(self) -> bytes:
        return joined([peak for peak in reversed(self.peaks) if peak]) if self.size else EMPTY


# --- building -----------------------------------------------------------------------------------


def root(size: int, hash_at: Hashes) -> bytes:
    """MTH of the first *size* leaves."""
    return _subtree(0, size, hash_at) if size else EMPTY


def peaks(size: int) -> list[tuple[int, int]]:
    """The largest complete subtrees of a tree of *size* leaves, left to right."""
    return _cover(0, size)


def inclusion(index: int, size: int, hash_at: Hashes) -> list[bytes]:
    """PATH(index, D[size]): proof that leaf *index* is in the tree of *size* leaves. RFC 6962, 2.1.1."""
    return folded(inclusion_ranges(index, size), hash_at)


def consistency(old: int, new: int, hash_at: Hashes) -> list[bytes]:
    """PROOF(old, D[new]): proof that the first *old* leaves of the tree of *new* leaves are unchanged. RFC 6962, 2.1.2."""
    return folded(consistency_ranges(old, new), hash_at)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The leaves under each hash of an inclusion proof."""
    if not 0 <= index < size:
        raise UsageError(f"leaf index must be in 0..{size - 1}, got {index}")
    start, stop, path = 0, size, []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append((middle, stop))
            stop = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The leaves under each hash of a consistency proof."""
    if not 0 <= old <= new:
        raise UsageError(f"tree sizes must satisfy 0 <= old <= new, got {old} and {new}")
    if old == 0:
        return []
    start, stop, path = 0, new, []
    while stop > old:
        middle = start + _split(stop - start)
        if old <= middle:
            path.append((middle, stop))
            stop = middle
        else:
            path.append((start, middle))
            start = middle
    if start:  # the verifier cannot fold this part of the old tree from the old root alone
        path.append((start, stop))
    return path[::-1]


def needed(ranges: Iterable[Range]) -> list[tuple[int, int]]:
    """The complete subtrees from which the hashes of *ranges* are folded."""
    return [place for start, stop in ranges for place in _cover(start, stop)]


def folded(ranges: Iterable[Range], hash_at: Hashes) -> list[bytes]:
    """The hashes of ranges that RFC 6962 splits off: all complete subtrees in them are aligned."""
    return [_subtree(start, stop, hash_at) for start, stop in ranges]


def _split(width: int) -> int:
    """The largest power of two smaller than *width*."""
    return 1 << ((width - 1).bit_length() - 1)


def _cover(start: int, stop: int) -> list[tuple[int, int]]:
    names = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        names.append((level, start >> level))
        start += 1 << level
    return names


def _subtree(start: int, stop: int, hash_at: Hashes) -> bytes:
    """MTH(D[start:stop])."""
    return joined([hash_at(level, index) for level, index in _cover(start, stop)])


def joined(hashes: Sequence[bytes]) -> bytes:
    """The root over subtrees that become smaller from left to right; over a tree's peaks, the tree's root."""
    *rest, root = hashes
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


# --- verifying ----------------------------------------------------------------------------------


def verify_inclusion(proof: Sequence[bytes], expected: bytes, *, leaf: bytes, index: int, size: int) -> None:
    """Raise unless the leaf hash *leaf* is at *index* in the tree of *size* leaves with the root *expected*."""
    if not 0 <= index < size:
        raise IntegrityError(f"leaf {index} is outside a tree of {size} leaves")
    _check_hashes(leaf, expected, *proof)
    folded = leaf
    for sibling, left in zip(proof, _sides(index, size - 1, len(proof)), strict=True):
        folded = node_hash(sibling, folded) if left else node_hash(folded, sibling)
    if folded != expected:
        raise IntegrityError(f"the inclusion proof of leaf {index} does not lead to the root of {size} leaves")


def verify_consistency(proof: Sequence[bytes], old_root: bytes, new_root: bytes, *, old: int, new: int) -> None:
    """Raise unless the tree of *new* leaves with the root *new_root* starts with the tree of *old* leaves with *old_root*."""
    if not 0 <= old <= new:
        raise IntegrityError(f"a tree of {new} leaves cannot contain one of {old}")
    _check_hashes(old_root, new_root, *proof)
    if old in (0, new):
        if proof or (old == 0 and old_root != EMPTY) or (old == new and old_root != new_root):
            raise IntegrityError(f"the trees of {old} and {new} leaves are not consistent")
        return
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    if not steps:
        raise IntegrityError("the proof is too short")
    shift = (old & -old).bit_length() - 1  # what is complete in both trees: trailing ones of old - 1
    first = second = steps[0]
    sides = _sides((old - 1) >> shift, (new - 1) >> shift, len(steps) - 1)
    for sibling, left in zip(steps[1:], sides, strict=True):
        first = node_hash(sibling, first) if left else first
        second = node_hash(sibling, second) if left else node_hash(second, sibling)
    if first != old_root or second != new_root:
        raise IntegrityError(f"the trees of {old} and {new} leaves are not consistent")


def _sides(index: int, last: int, count: int) -> Iterator[bool]:
    """Whether each of *count* siblings stands on the left, from the leaf up; raise if the way to the root is longer or shorter."""
    for _ in range(count):
        if last == 0:
            raise IntegrityError("the proof is too long")
        left = bool(index & 1) or index == last
        while left and index and not index & 1:
            index, last = index >> 1, last >> 1
        yield left
        index, last = index >> 1, last >> 1
    if last:
        raise IntegrityError("the proof is too short")


def _check_hashes(*hashes: bytes) -> None:
    if any(len(h) != HASH_SIZE for h in hashes):
        raise IntegrityError(f"a hash has {HASH_SIZE} bytes")
