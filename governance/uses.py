"""Proof that a person's record was used: a hidden place in a tree whose root the ledger binds to a job.

When a node spends a job, its ledger takes one entry more: the id of a document with the job and the root of a Merkle tree over the persons
in the set that is read, each hidden under 32 random bytes. A person gets the own salt and path. Every path has 40 hashes, as many as the
catalogue admits rows: above the smallest tree that holds the set, the siblings are random. So a path tells one person neither who else is
in the set nor how many are; several persons together learn no more than a power of two. A salt that is deleted leaves every root as it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from governance import checkpoint, consent, ledger, merkle, notes
from governance.encoding import SAFE_INTEGER, parse, strict, wire
from governance.errors import DecodeError, IntegrityError
from governance.keys import VerifyKey, read_key
from governance.rights import Digest

DEPTH = 40
SALT = consent.SALT
PLACE = 5  # bytes of a place in the tree


@wire("keyong/use/v1")
class Use:
    """The set of persons that *job* reads, by the root of its tree."""

    job: Digest
    root: Digest


@strict
class Logged:
    """An entry of a ledger, and the way from it to the root."""

    index: Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
    entry: str
    inclusion: tuple[Digest, ...]


@wire("keyong/use-proof/v1")
class Proof:
    """Offline proof that the person's record was in the set that a job read.

    *key* is the node's verifier key; *opens* the person's own key, which makes the pseudonym from the identifier. *use* and *release* are
    entries of the ledger, each index, leaf and path; *release* is empty while the job has no result.
    """

    key: str
    job: str
    opens: Digest
    salt: Digest
    place: Annotated[int, Field(ge=0, lt=2**DEPTH)]
    path: tuple[Digest, ...]
    use: Logged
    release: tuple[Logged, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A set's tree as the node keeps it: hashes of all leaves, siblings above them, and for each person, in order, salt and place."""

    leaves: bytes = field(repr=False)
    upper: bytes = field(repr=False)
    openings: bytes = field(repr=False)

    @property
    def root(self) -> bytes:
        return self._up(0)[1]

    def opening(self, at: int) -> tuple[bytes, int, list[bytes]]:
        """Salt, place and path of the person at position *at*; the salt is zero once it was deleted."""
        record = self.openings[at * (SALT + PLACE) : (at + 1) * (SALT + PLACE)]
        place = int.from_bytes(record[SALT:], "big")
        return record[:SALT], place, self._up(place)[0]

    def without(self, at: int) -> Tree:
        """The same tree; how the person at position *at* is hidden in it is gone."""
        start = at * (SALT + PLACE)
        return Tree(self.leaves, self.upper, self.openings[:start] + bytes(SALT + PLACE) + self.openings[start + SALT + PLACE :])

    def _up(self, place: int) -> tuple[list[bytes], bytes]:
        """The path from *place*, and the root."""
        row = [self.leaves[i : i + 32] for i in range(0, len(self.leaves), 32)]
        at, path = place % len(row), []
        while len(row) > 1:
            path.append(row[at ^ 1])
            row = [merkle.node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
            at >>= 1
        node, side = row[0], int.from_bytes(self.upper[:PLACE], "big") >> len(path)
        for start in range(PLACE, len(self.upper), 32):
            sibling = self.upper[start : start + 32]
            node = merkle.node_hash(sibling, node) if side & 1 else merkle.node_hash(node, sibling)
            path.append(sibling)
            side >>= 1
        return path, node


def plant(persons: Sequence[bytes]) -> Tree:
    """A tree over *persons*, sorted pseudonyms: salted leaves in the order of their hashes, among as many random ones as fill it."""
    salts = [secrets.token_bytes(SALT) for _ in persons]
    own = [merkle.leaf_hash(salt + person) for salt, person in zip(salts, persons, strict=True)]
    width = (max(len(own), 1) - 1).bit_length()
    row = sorted([*own, *(secrets.token_bytes(32) for _ in range((1 << width) - len(own)))])
    high = secrets.randbelow(1 << (DEPTH - width)) << width  # where the small tree stands in the large one
    places = {leaf: high | at for at, leaf in enumerate(row)}
    openings = b"".join(salt + places[leaf].to_bytes(PLACE, "big") for salt, leaf in zip(salts, own, strict=True))
    upper = high.to_bytes(PLACE, "big") + secrets.token_bytes(32 * (DEPTH - width))
    return Tree(b"".join(row), upper, openings)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a proof shows."""

    node: VerifyKey
    job: str
    text: Mapping[str, object]
    at: int
    released: int | None


def check(proof: Proof, person: bytes) -> Shown:
    """Raise unless the record of *person* was in the set that the job read, by the ledger that the proof's key signed.

    Whether that key is the hospital's is for the caller to know.
    """
    key = read_key(proof.key)
    head = checkpoint.opened(proof.checkpoint, key)
    name = consent.pseudonym(bytes.fromhex(proof.opens), person)
    leaf = merkle.leaf_hash(bytes.fromhex(proof.salt) + name)
    root = _root(leaf, proof)
    note = notes.read(proof.job)
    used = _entry(proof.use, head, "consent.used")
    if used.subject != notes.write(Use(note.id, root.hex())).id:
        raise IntegrityError("the ledger's entry is about another job, another set, or another person")
    released = None
    if proof.release:
        _entry(proof.release[0], head, "job.released")
        released = proof.release[0].index
    return Shown(key, note.id, _body(note), used.at, released)


def _root(leaf: bytes, proof: Proof) -> bytes:
    if len(proof.path) != DEPTH:
        raise DecodeError(f"a path has {DEPTH} hashes")
    node, at = leaf, proof.place
    for sibling in map(bytes.fromhex, proof.path):
        node = merkle.node_hash(sibling, node) if at & 1 else merkle.node_hash(node, sibling)
        at >>= 1
    return node


def _entry(found: Logged, head: checkpoint.Checkpoint, event: str) -> ledger.Entry:
    raw = found.entry.encode()
    entry = ledger.read_entry(raw)
    proof = [bytes.fromhex(digest) for digest in found.inclusion]
    merkle.verify_inclusion(proof, head.root, leaf=merkle.leaf_hash(raw), index=found.index, size=head.size)
    if entry.event != event:
        raise IntegrityError(f"the entry is no {event}")
    return entry


def _body(note: notes.Note) -> Mapping[str, object]:
    body = parse(note.text.partition("\n")[2].removesuffix("\n"))
    if not isinstance(body, dict):
        raise DecodeError("expected the text of a job")
    return body
