"""C2SP signed notes: a document that people can read, and any number of signature lines under it.

The text of a note is its type line and one line of canonical JSON. What is signed is what is shown, k-of-n approval is k lines, and a
document's id is the SHA-256 of its text.  Source: C2SP signed-note v1.0.0.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from governance.encoding import JSON_LIMIT, KINDS, build, canonical, parse, plain
from governance.errors import DecodeError, IntegrityError
from governance.keys import SigningKey, Trust, VerifyKey, check_name, read_base64

T = TypeVar("T")
MOST_SIGNATURES = 128
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who says they signed, and with what."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def by(self) -> tuple[str, bytes]:
        """Whose line it says it is."""
        return self.name, self.key_id

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.value).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures; nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        return self.text + "\n" + "".join(f"{s}\n" for s in self.signatures)

    @property
    def id(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def signed_by(self, *keys: SigningKey) -> Note:
        """The same text with one more line for each of *keys*."""
        new = tuple(Signature(k.name, k.public.id, k.sign(self.text.encode())) for k in keys)
        return replace(self, signatures=self.signatures + new)

    def only(self, *keys: VerifyKey) -> Note:
        """The same text with one line of each of *keys* alone: what strangers wrote under it falls away."""
        known = {(k.name, k.id) for k in keys}
        return replace(self, signatures=_first(s for s in self.signatures if s.by in known))

    def joined(self, other: Note) -> Note:
        """Both notes' signature lines under their one text: of each key the first, since a key can sign one text in many ways."""
        if other.text != self.text:
            raise IntegrityError("two notes that should have the same text differ")
        return replace(self, signatures=_first((*self.signatures, *other.signatures)))

    def signers(self, *keys: VerifyKey) -> frozenset[str]:
        """Names of those *keys* that signed. Unknown keys are ignored; a bad signature by a known key raises."""
        known = {(k.name, k.id): k for k in keys}
        found = set()
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is not None:
                key.verify(line.value, self.text.encode())
                found.add(key.name)
        return frozenset(found)

    def require(self, trust: Trust) -> frozenset[str]:
        """Raise unless at least the threshold of trusted keys signed."""
        names = self.signers(*trust.keys)
        if len(names) < trust.threshold:
            raise IntegrityError(f"{len(names)} of the {trust.threshold} trusted signatures needed are here")
        return names

    def require_any(self, *trusts: Trust) -> frozenset[str]:
        """Like `require`, of one of *trusts*; what is wrong is said of the last."""
        for trust in trusts[:-1]:
            with suppress(IntegrityError):
                return self.require(trust)
        return self.require(trusts[-1])

    def require_only(self, trust: Trust) -> frozenset[str]:
        """Like `require`; and no other line stands there, neither a stranger's nor a second one by the same key."""
        names = self.require(trust)
        if len(names) != len(self.signatures):
            raise IntegrityError("a signature is nobody's who could have signed there, or stands there twice")
        return names

    def document(self, *classes: type[T]) -> T:
        """The document in the text, which must be of one of *classes*."""
        kind, _, body = self.text.partition("\n")
        cls = KINDS.get(kind)
        if cls is None or cls not in classes or not body.endswith("\n"):
            raise DecodeError(f"expected a document of type {' or '.join(c.kind for c in classes)}")  # type: ignore[attr-defined]
        made: T = build(cls, parse(body[:-1]))
        return made

    def holds(self, cls: type) -> bool:
        """Whether the text says that it is a document of *cls*."""
        return KINDS.get(self.text.partition("\n")[0]) is cls


def _first(lines: Iterable[Signature]) -> tuple[Signature, ...]:
    """The first line of each key."""
    kept: dict[tuple[str, bytes], Signature] = {}
    for line in lines:
        kept.setdefault(line.by, line)
    return tuple(kept.values())


def write(document: Any) -> Note:
    """A note, not yet signed, that holds *document* (a `wire` object)."""
    return Note(f"{document.kind}\n{canonical(plain(document))}\n")


def read(raw: str | bytes, *, limit: int = JSON_LIMIT) -> Note:
    """Parse a note. C2SP signed-note, "Format"."""
    text = _utf8(raw, limit)
    split = text.rfind("\n\n")
    if split < 0 or not text.endswith("\n"):
        raise DecodeError("a note has a text, an empty line, and signature lines")
    lines = text[split + 2 :].split("\n")[:-1]
    if not 1 <= len(lines) <= MOST_SIGNATURES:
        raise DecodeError(f"a note has 1 to {MOST_SIGNATURES} signature lines")
    return Note(text[: split + 1], tuple(_signature(line) for line in lines))


def opened(raw: str | bytes, cls: type[T], trust: Trust) -> T:
    """Parse a note, require those of *trust* who sign such documents, and return its document."""
    note = read(raw)
    note.require(trust.of(cls))
    return note.document(cls)


def _utf8(raw: str | bytes, limit: int) -> str:
    if len(raw) > limit:
        raise DecodeError(f"a note is larger than {limit} bytes")
    try:
        text = (raw if isinstance(raw, bytes) else raw.encode()).decode()
    except UnicodeError:
        raise DecodeError("a note is not UTF-8") from None
    if CONTROL.search(text):
        raise DecodeError("a note holds a control character")
    return text


def _signature(line: str) -> Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise DecodeError("a signature line reads: — name base64")
    name, raw = check_name(parts[1]), read_base64(parts[2])
    if len(raw) < 5:
        raise DecodeError("a signature is too short")
    return Signature(name, raw[:4], raw[4:])
