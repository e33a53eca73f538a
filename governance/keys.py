"""Keys of parties and officers, under the names and key ids of C2SP signed-note, so that one text form serves everywhere.

A party's key is an Ed25519 key; the keys that sign documents for an authority may be of other suites, where its key root names them.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from governance import suites
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.suites import SUITES, SuiteName

FORBIDDEN_IN_NAME = frozenset("+ ")


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A party's name and public key."""

    name: str
    public: bytes
    suite: SuiteName = "ed25519"

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != SUITES[self.suite].public_size:
            raise DecodeError(f"a public key of the suite {self.suite} has {SUITES[self.suite].public_size} bytes")

    @property
    def id(self) -> bytes:
        """Key id, 4 bytes. C2SP signed-note, "Verifier keys"."""
        return hashlib.sha256(self.name.encode() + b"\n" + SUITES[self.suite].mark + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(SUITES[self.suite].mark + self.public).decode()}"

    @property
    def fingerprint(self) -> str:
        """Sixteen groups of four hex digits for two people to compare."""
        digest = hashlib.sha256(str(self).encode()).hexdigest()
        return " ".join(digest[i : i + 4] for i in range(0, 64, 4))

    def verify(self, signature: bytes, message: bytes) -> None:
        if not SUITES[self.suite].verify(self.public, signature, message):
            raise IntegrityError(f"signature by {self.name} does not verify")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A party's name and private key."""

    name: str
    private: bytes = field(repr=False)
    suite: SuiteName = "ed25519"

    @classmethod
    def generate(cls, name: str, suite: SuiteName = "ed25519") -> SigningKey:
        return cls(check_name(name), SUITES[suite].generate(), suite)

    @property
    def public(self) -> VerifyKey:
        return VerifyKey(self.name, SUITES[self.suite].public_of(self.private), self.suite)

    def sign(self, message: bytes) -> bytes:
        return SUITES[self.suite].sign(self.private, message)

    def save(self, path: Path) -> None:
        """Write the key where only its owner can read it; never over an existing file."""
        raw = SUITES[self.suite].mark + self.private
        text = f"PRIVATE+KEY+{self.name}+{self.public.id.hex()}+{base64.b64encode(raw).decode()}\n"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a key file (C2SP signed-note private key form); refuse one that others can read."""
        if not path.exists():
            raise UsageError(f"there is no key file at {path}")
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path.name} can be read by others: chmod 600 it")
        parts = path.read_text().strip().split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise DecodeError(f"{path.name} is not a private key file")
        suite, private = suites.find(read_base64(parts[4]), private=True)
        key = cls(check_name(parts[2]), private, suite)
        if key.public.id.hex() != parts[3]:
            raise DecodeError(f"{path.name}: the key id does not fit the key")
        return key


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count, and how many of them are needed (k of n).

    A key root (`governance.roots`) fills the rest: *others* sign documents of the kinds named there, in place of these keys; *earlier* are
    the keys before these, which still vouch for the parties that they enrolled.
    """

    keys: tuple[VerifyKey, ...]
    threshold: int = 1
    others: tuple[tuple[str, Trust], ...] = ()
    earlier: tuple[Trust, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= len({k.public for k in self.keys}) == len({k.name for k in self.keys}) == len(self.keys):
            raise UsageError(f"need distinct keys and a threshold in 1..{len(self.keys)}, got {self.threshold}")

    def of(self, document: type) -> Trust:
        """Whose signatures count for documents of the class *document*."""
        kind = getattr(document, "kind", "")
        return next((trust for other, trust in self.others if other == kind), self)


def read_key(text: str, accepted: Iterable[SuiteName] = ("ed25519",)) -> VerifyKey:
    """Read ``name+hash+key`` (C2SP signed-note, "Verifier keys"), which must be of one of the *accepted* suites."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise DecodeError("a verifier key reads name+hash+key")
    suite, public = suites.find(read_base64(parts[2]))
    key = VerifyKey(parts[0], public, suite)
    if key.id.hex() != parts[1]:
        raise DecodeError("the key id does not fit the key")
    if suite not in accepted:
        raise DecodeError(f"a key of the suite {suite} is not accepted here")
    return key


@functools.lru_cache(maxsize=256)
def read_keys(texts: tuple[str, ...]) -> Mapping[str, VerifyKey]:
    """Verifier keys by their names, in the order of *texts*."""
    return MappingProxyType({key.name: key for key in map(read_key, texts)})


def check_name(name: str) -> str:
    """A key name is not empty and holds no space, plus or control character."""
    if not 1 <= len(name) <= 100 or not name.isprintable() or FORBIDDEN_IN_NAME & set(name):
        raise DecodeError("a key name has 1 to 100 characters, none of them space or plus")
    return name


def read_base64(text: str) -> bytes:
    """RFC 4648, 4, in its one canonical spelling: unused bits are zero (3.5), so that no signed text can be altered in them."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise DecodeError("not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise DecodeError("not base64 in its canonical form")
    return raw
