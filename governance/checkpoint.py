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
from dataclasses import dataclass

from governance.errors import DecodeError, IntegrityError
from governance.keys import SigningKey, VerifyKey, read_base64
from governance.merkle import HASH_SIZE
from governance.notes import Note
from governance.notes import read as read_note

LIMIT = 1 << 16  # room for the cosignatures of many witnesses
SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


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
    if not SIZE.fullmatch(lines[1]):
        raise DecodeError("the size of a checkpoint is a decimal number without leading zeroes")
    return Checkpoint(lines[0], int(lines[1]), _root(lines[2]))


def opened(raw: str | bytes, key: VerifyKey) -> Checkpoint:
    """Parse a checkpoint that the log with *key* must have signed; its origin is the name of the key."""
    note = read_note(raw, limit=LIMIT)
    if not note.signers(key):
        raise IntegrityError(f"the checkpoint is not signed by {key.name}")
    checkpoint = read(note)
    if checkpoint.origin != key.name:
        raise IntegrityError(f"the checkpoint is of another log than {key.name}")
    return checkpoint


def _root(text: str) -> bytes:
    root = read_base64(text)
    if len(root) != HASH_SIZE:
        raise DecodeError(f"the root of a checkpoint has {HASH_SIZE} bytes")
    return root
