"""Cosignatures: a witness says that, at a time, a checkpoint was the largest consistent tree that it had seen of a log.

    hospital-a
    3
    Zx8UbF5HHooag6PCFM5LqQe486WIjRTMjNN1uxLvlHs=

    — hospital-a …
    — hospital-b …

A party cosigns with its own key under another key id, over another message than any note that it signs: no line can serve as the other.
Source: C2SP tlog-cosignature, "Ed25519 signed message" and "ML-DSA-44 signed message"; other keys cosign nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from governance import checkpoint
from governance.errors import IntegrityError, UsageError
from governance.keys import SigningKey, VerifyKey
from governance.notes import Note, Signature
from governance.suites import SuiteName

LATEST = 2**63 - 1
STAMP = 8
LONGEST = 255  # bytes of a name in what ML-DSA-44 signs
LABEL = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Kind:
    """The type identifier of C2SP signed-note, and the bytes of a signature."""

    mark: int
    size: int


KINDS: Mapping[SuiteName, Kind] = MappingProxyType({"ed25519": Kind(0x04, 64), "ml-dsa-44": Kind(0x06, 2420)})


def kind(suite: SuiteName) -> Kind:
    if suite not in KINDS:
        raise UsageError(f"a key of the suite {suite} cannot cosign a checkpoint: C2SP tlog-cosignature knows {' and '.join(KINDS)}")
    return KINDS[suite]


def marked(key: VerifyKey) -> bytes:
    """The key as C2SP tlog-cosignature, "Format", has it: type identifier and public key."""
    return bytes([kind(key.suite).mark]) + key.public


def key_id(key: VerifyKey) -> bytes:
    """Id of *key* as a witness."""
    return hashlib.sha256(key.name.encode() + b"\n" + marked(key)).digest()[:4]


def cosign(text: str, key: SigningKey, at: int) -> Signature:
    """The line of *key* under the checkpoint *text*, at the time *at* (seconds since 1970)."""
    if not 1 <= at <= LATEST:
        raise UsageError(f"a cosignature's time must be in 1..{LATEST}, got {at}")
    return Signature(key.name, key_id(key.public), at.to_bytes(STAMP) + key.sign(_message(text, key.public, at)))


def times(note: Note, keys: Iterable[VerifyKey]) -> dict[str, int]:
    """When each of those *keys* that cosigned did so, by name; unknown keys are ignored, a bad line by a known key raises.

    A time of 0 says that the tree need not be the newest one that was seen, and so counts for nothing here.
    """
    known = {(k.name, key_id(k)): k for k in keys}
    found: dict[str, int] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None and (at := _time(line, key, note.text)):
            found[key.name] = max(found.get(key.name, 0), at)
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


def _message(text: str, key: VerifyKey, at: int) -> bytes:
    if key.suite == "ed25519":
        return f"cosignature/v1\ntime {at}\n{text}".encode()
    head = checkpoint.read(Note(text))
    names = [key.name.encode(), head.origin.encode()]
    if any(len(name) > LONGEST for name in names):
        raise UsageError(f"in a cosignature by ML-DSA-44 the names of the witness and of the log have at most {LONGEST} bytes")
    cosigner, origin = (bytes([len(name)]) + name for name in names)
    return LABEL + cosigner + at.to_bytes(8) + origin + (0).to_bytes(8) + head.size.to_bytes(8) + head.root


def _time(line: Signature, key: VerifyKey, text: str) -> int:
    at = int.from_bytes(line.value[:STAMP])
    if len(line.value) != STAMP + kind(key.suite).size or at > LATEST:
        raise IntegrityError(f"the cosignature by {key.name} is malformed")
    key.verify(line.value[STAMP:], _message(text, key, at))
    return at
