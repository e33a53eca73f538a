"""Consents in a journal: records by pseudonym, whose openings are sealed under a key of the person, and the sets that jobs read."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from governance.consent import SALT, SIZE, Consent, Frozen, Rule, payload
from governance.encoding import build, parse
from governance.uses import Tree

CLOCK = "consent clock"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record, and the index of the ledger's entry that commits to it."""

    record: Consent
    entry: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A set of persons that exact jobs have read; *persons* are sorted."""

    number: int
    dataset: str
    snapshot: str
    name: str
    persons: tuple[bytes, ...] = field(repr=False)
    frozen: Frozen = field(repr=False)
    tree: Tree = field(repr=False)


def slot(person: str) -> str:
    """Under which a person's openings are sealed."""
    return f"person {person}"


def recorded(text: str, entry: int) -> Recorded:
    return Recorded(build(Consent, parse(text)), entry)


def kept(row: sa.Row[Any]) -> Kept:
    persons = parted(row.persons)
    frozen = Frozen(frozenset(persons), Rule(row.basis, frozenset(parted(row.named))))
    return Kept(row.number, row.dataset, row.snapshot, row.name, persons, frozen, Tree(row.leaves, row.upper, row.openings))


def set_row(dataset: str, snapshot: str, name: str, frozen: Frozen, tree: Tree) -> dict[str, object]:
    """Columns of a new set; a set is written once."""
    return {
        "dataset": dataset, "snapshot": snapshot, "name": name, "basis": frozen.rule.basis, "named": b"".join(sorted(frozen.rule.named)),
        "persons": b"".join(sorted(frozen.persons)), "openings": tree.openings, "leaves": tree.leaves, "upper": tree.upper,
    }  # fmt: skip


def parted(raw: bytes) -> tuple[bytes, ...]:
    """Pseudonyms that were written one after another."""
    return tuple(raw[i : i + SIZE] for i in range(0, len(raw), SIZE))


def opening(record: Consent) -> bytes:
    """What the ledger's commitment hides: 32 random bytes and the record."""
    return secrets.token_bytes(SALT) + payload(record)
