"""Checkpoints: the size and root of a log, signed by the log.

    hospital-a/node
    3
    Zx8UbF5HHooag6PCFM5LqQe486WIjRTMjNN1uxLvlHs=

    — hospital-a/node …

A log signs one only for a tree that contains every tree it signed before.  Source: C2SP tlog-checkpoint v1.0.0.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import SigningKey, VerifyKey, read_base64
from governance.merkle import HASH_SIZE
from governance.notes import Note
from governance.notes import read as read_note

LIMIT = 1 << 16  # room for the cosignatures of many witnesses
SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: its name, its number of entries, its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed_by(self, key: SigningKey) -> Note:
        return Note(self.text).signed_by(key)


def read(note: Note) -> Checkpoint:
    """The checkpoint in *note*, whose signatures are not looked at. Extension lines are refused: no monitor can audit them."""
    lines = note.text.split("\n")
    if len(lines) != 4 or not lines[0] or lines[3]:
        raise DecodeError("a checkpoint has three lines: origin, size, root")
    if not SIZE.fullmatch(lines[1]) or int(lines[1]) > LARGEST:
        raise DecodeError("the size of a checkpoint is a decimal number without leading zeroes")
    return Checkpoint(lines[0], int(lines[1]), _root(lines[2]))


def opened(raw: str | bytes, key: VerifyKey) -> Checkpoint:
    """Parse a checkpoint that the log with *key* must have signed; its origin is the name of the key."""
    note = read_note(raw, limit=LIMIT)
    if not note.signers(key):
        raise IntegrityError(f"the checkpoint is not signed by {key.name}")
    return signed(note, (key,))


def signed(note: Note, keys: Iterable[VerifyKey]) -> Checkpoint:
    """The checkpoint in *note*, which one of *keys* must have signed under the name that is its origin."""
    checkpoint = read(note)
    own = [key for key in keys if key.name == checkpoint.origin]
    if not own:
        raise IntegrityError(f"the checkpoint is of another log, {checkpoint.origin}")
    if not note.signers(*own):
        raise IntegrityError(f"the checkpoint is not signed by {checkpoint.origin}")
    return checkpoint


def require_conflict(one: str | bytes, other: str | bytes, key: VerifyKey) -> tuple[Checkpoint, Checkpoint]:
    """Raise unless the two checkpoints, both signed by *key*, prove by themselves that its log has told two histories.

    Two sizes with two roots prove nothing yet: a larger tree has another root. One size with two roots does.
    """
    pair = opened(one, key), opened(other, key)
    if pair[0].size != pair[1].size or pair[0].root == pair[1].root:
        raise UsageError(f"these checkpoints of {key.name} do not contradict each other by themselves")
    return pair


def _root(text: str) -> bytes:
    root = read_base64(text)
    if len(root) != HASH_SIZE:
        raise DecodeError(f"the root of a checkpoint has {HASH_SIZE} bytes")
    return root
