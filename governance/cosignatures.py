"""Cosignatures: a witness says that, at a time, a checkpoint was the largest consistent tree that it had seen of a log.

    hospital-a
    3
    Zx8UbF5HHooag6PCFM5LqQe486WIjRTMjNN1uxLvlHs=

    — hospital-a …
    — hospital-b …

A party cosigns with its own key under another key id, over another message than any note that it signs: no line can serve as the other.
Source: C2SP tlog-cosignature, "Ed25519 signed message".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from governance.errors import IntegrityError, UsageError
from governance.keys import SigningKey, VerifyKey
from governance.notes import Note, Signature

COSIGNATURE = 0x04  # C2SP signed-note, "Signature types": timestamped Ed25519
LATEST = 2**63 - 1
STAMP, SIZE = 8, 8 + 64


def key_id(key: VerifyKey) -> bytes:
    """Id of *key* as a witness."""
    return hashlib.sha256(key.name.encode() + b"\n" + bytes([COSIGNATURE]) + key.public).digest()[:4]


def cosign(text: str, key: SigningKey, at: int) -> Signature:
    """The line of *key* under the checkpoint *text*, at the time *at* (seconds since 1970)."""
    if not 0 <= at <= LATEST:
        raise UsageError(f"a cosignature's time must be in 0..{LATEST}, got {at}")
    return Signature(key.name, key_id(key.public), at.to_bytes(STAMP) + key.sign(_message(text, at)))


def times(note: Note, keys: Iterable[VerifyKey]) -> dict[str, int]:
    """When each of those *keys* that cosigned did so, by name; unknown keys are ignored, a bad line by a known key raises."""
    known = {(k.name, key_id(k)): k for k in keys}
    found: dict[str, int] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None:
            found[key.name] = max(found.get(key.name, 0), _time(line, key, note.text))
    return found


def gathered(note: Note, lines: Iterable[Signature], keys: Iterable[VerifyKey]) -> Note:
    """*note* with those of *lines* that are good cosignatures by *keys*; one who sends a bad line is left out, and hinders nobody."""
    known = tuple(keys)
    have = set(times(note, known))
    for line in lines:
        try:
            new = times(replace(note, signatures=(line,)), known).keys() - have
        except IntegrityError:
            continue
        if new:
            have |= new
            note = replace(note, signatures=(*note.signatures, line))
    return note


def _message(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _time(line: Signature, key: VerifyKey, text: str) -> int:
    at = int.from_bytes(line.value[:STAMP])
    if len(line.value) != SIZE or at > LATEST:
        raise IntegrityError(f"the cosignature by {key.name} is malformed")
    key.verify(line.value[STAMP:], _message(text, at))
    return at
