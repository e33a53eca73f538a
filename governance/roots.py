"""Key roots: whose signatures count for which documents, and how the keys behind that are exchanged without asking anybody to join anew.

An authority's key root names roles, the keys of each and how many of them must sign. It comes in versions. A version is accepted if the
root keys of the version before it *and* its own signed it, so that whoever pinned any version can follow to the newest; and it names the
ids of all versions before it, so that whoever pinned a later one can look back. There is one history and no number can be jumped.

What everybody may rely on, while fewer root keys of any version are in wrong hands than must sign: nobody brings in a key, lowers a
threshold or brings an old version back. A coordinator that carries the versions learns nothing but can withhold the newest; it then stands
still until the one at hand expires, and nothing is accepted any more.
Source: The Update Framework specification 1.0.30, 5.3 ("Update the root role") and 6.1 ("Key management and migration").
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from governance import notes
from governance.encoding import strict, wire
from governance.errors import DecodeError, IntegrityError, Refused, UsageError
from governance.keys import Trust, VerifyKey, read_key
from governance.licences import Revocations, day
from governance.parties import Seconds
from governance.rights import Digest
from governance.suites import SuiteName

RoleName = Literal["root", "authority", "revoker", "reviewer", "appraiser", "auditor", "regulator"]
NEEDED: tuple[RoleName, ...] = ("root", "authority", "revoker")
SIGNS: Mapping[str, RoleName] = {Revocations.kind: "revoker"}  # type: ignore[attr-defined]  # all other documents: the authority
MOST_VERSIONS = 256  # TUF 5.3.3 leaves the bound to us
MOST_KEYS = 32
LIMIT = 1 << 18

KeyText = Annotated[str, Field(max_length=2048)]


@strict
class Role:
    """Keys, of which *threshold* must sign what is this role's to sign."""

    keys: Annotated[tuple[KeyText, ...], Field(max_length=MOST_KEYS)]
    threshold: int


@wire("keyong/root/v1")
class Root:
    """One version of a key root.

    *previous* are the ids of all versions before it. *suites* are those of which keys may be. *withdrawn* are keys whose signatures count
    for nothing, whenever they were made; a key that was merely replaced still vouches for whom it let in.
    """

    version: Annotated[int, Field(ge=1, le=MOST_VERSIONS)]
    previous: tuple[Digest, ...]
    roles: dict[RoleName, Role]
    suites: tuple[SuiteName, ...]
    withdrawn: tuple[KeyText, ...]
    expires: Seconds

    def __post_init__(self) -> None:
        if self.version != len(self.previous) + 1:
            raise DecodeError("a key root names all versions before it, and its version is the next number")
        if missing := [role for role in NEEDED if role not in self.roles]:
            raise DecodeError(f"a key root has the roles {', '.join(NEEDED)}; this one lacks {missing[0]}")
        if "ed25519" not in self.suites or len(set(self.suites)) != len(self.suites):
            raise DecodeError("a key root names each suite once, and ed25519 among them: parties sign with it")
        if any(str(key) in self.withdrawn for role in self.roles for key in self.trust(role).keys):
            raise DecodeError("a key that was withdrawn stands in a role")

    def trust(self, role: RoleName) -> Trust:
        """The keys and the threshold of *role*; a role that is not filled can sign nothing."""
        if role not in self.roles:
            raise IntegrityError(f"the key root names nobody for the role {role}")
        try:
            keys = tuple(read_key(text, self.suites) for text in self.roles[role].keys)
            return Trust(keys, self.roles[role].threshold)
        except UsageError as error:
            raise DecodeError(f"the role {role}: {error}") from None


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a key root, and the note that it came in."""

    note: notes.Note
    root: Root

    @property
    def id(self) -> str:
        return self.note.id

    @property
    def fingerprint(self) -> str:
        """Its id in groups of four, for two people to compare over the telephone."""
        return " ".join(self.id[i : i + 4] for i in range(0, 64, 4))

    def followed_by(self, note: notes.Note) -> Version:
        """The next version, in *note*, signed by the root keys of both."""
        new = note.document(Root)
        if new.previous != (*self.root.previous, self.id):
            raise IntegrityError(f"version {new.version} of the key root does not follow the version {self.root.version} that is known")
        if not set(self.root.withdrawn) <= set(new.withdrawn):
            raise IntegrityError("a key that was withdrawn does not come back")
        _check(note, self.root, new)
        return Version(note, new)

    def next(self, **changes: Any) -> Root:
        """The document of the next version, which has to be signed."""
        return replace(self.root, version=self.root.version + 1, previous=(*self.root.previous, self.id), **changes)


@dataclass(frozen=True, slots=True)
class Chain:
    """All versions of one key root, from the first on, each verified; made by `read`."""

    versions: tuple[Version, ...]

    @property
    def newest(self) -> Version:
        return self.versions[-1]

    @property
    def texts(self) -> tuple[str, ...]:
        """The notes, as they are handed on."""
        return tuple(str(version.note) for version in self.versions)

    @property
    def trust(self) -> Trust:
        """Whose signatures count now."""
        return _trust(self.versions, frozenset(self.newest.root.withdrawn))

    def until(self, version: int) -> Chain:
        """The versions up to *version*: what was known then."""
        return Chain(self.versions[:version])

    def each(self, document: type) -> tuple[Trust, ...]:
        """Whose signatures counted for documents of the class *document*, under one version after the other."""
        return tuple(self.until(number).trust.of(document) for number in range(1, len(self.versions) + 1))

    def check(self, now: int) -> None:
        """Raise `Refused` once the newest version has expired: a newer one may be withheld. TUF 5.3.10, "freeze attack"."""
        if now > self.newest.root.expires:
            raise Refused(code="root.expired", version=self.newest.root.version, end=day(self.newest.root.expires))

    def followed(self, texts: Iterable[str]) -> Chain:
        """The longer of this chain and the one in *texts*; an older one changes nothing, and another one is an alarm.

        Raises
        ------
        IntegrityError
            The versions are not each other's, or not signed as they must be.
        """
        offered = tuple(texts)
        if offered == self.texts[: len(offered)]:
            return self
        other = read(offered)
        if any(a.id != b.id for a, b in zip(self.versions, other.versions, strict=False)):
            raise IntegrityError("there are two key roots of the same version: somebody with enough root keys made both")
        return max(self, other, key=lambda chain: len(chain.versions))

    def seen_from(self, pinned: Version) -> Trust:
        """Whose signatures counted when the newest version here was in force, for somebody who trusts *pinned*, an earlier or later one.

        An earlier one is among the versions here, and each after it was signed by the one before; a later one names the versions before it.
        """
        if pinned.id not in (v.id for v in self.versions) and self.newest.id not in pinned.root.previous:
            raise IntegrityError("these are versions of another key root than the one that is trusted")
        return _trust(self.versions, frozenset(self.newest.root.withdrawn) | frozenset(pinned.root.withdrawn))


def read(texts: Iterable[str]) -> Chain:
    """Verify the versions of a key root, first to newest."""
    return _read(tuple(texts))


@functools.lru_cache(maxsize=64)
def _read(texts: tuple[str, ...]) -> Chain:
    if not 1 <= len(texts) <= MOST_VERSIONS:
        raise DecodeError(f"a key root has 1 to {MOST_VERSIONS} versions")
    first, *more = (notes.read(text, limit=LIMIT) for text in texts)
    versions = [Version(first, first.document(Root))]
    if versions[0].root.version != 1:
        raise IntegrityError("the first version of the key root is missing")
    _check(first, versions[0].root)
    for note in more:
        versions.append(versions[-1].followed_by(note))
    return Chain(tuple(versions))


def pinned(note: notes.Note) -> Version:
    """The version in *note*, which comes from the authority itself: its own root keys signed it, and nothing vouches for them here."""
    root = note.document(Root)
    note.require(root.trust("root"))
    return Version(note, root)


def _check(note: notes.Note, *of: Root) -> None:
    """The root keys of each of *of* signed, and nobody else: not one byte of a version can be altered. Each line is verified once."""
    note.signers(*{key for root in of for key in root.trust("root").keys})
    lines, known = {(line.name, line.key_id) for line in note.signatures}, set()
    for trust in (root.trust("root") for root in of):
        keys = {(key.name, key.id) for key in trust.keys}
        if len(keys & lines) < trust.threshold:
            raise IntegrityError(f"{len(keys & lines)} of the {trust.threshold} trusted signatures needed are here")
        known |= keys
    if len(known & lines) != len(note.signatures):
        raise IntegrityError("a signature is nobody's who could have signed there, or stands there twice")


def _trust(versions: tuple[Version, ...], withdrawn: Collection[str]) -> Trust:
    newest = versions[-1].root
    now = {kind: _left(newest.trust(role), withdrawn) for kind, role in {"": "authority", **SIGNS}.items()}
    earlier = [_left(version.root.trust("authority"), withdrawn) for version in versions[:-1]]
    here = {kind: trust for kind, trust in now.items() if trust is not None}
    if len(here) < len(now):
        raise IntegrityError(f"too many keys of version {newest.version} of the key root have been withdrawn since")
    return replace(here.pop(""), others=tuple(here.items()), earlier=tuple(trust for trust in earlier if trust is not None))


def _left(trust: Trust, withdrawn: Collection[str]) -> Trust | None:
    """*trust* without the keys that were withdrawn; None where fewer are left than must sign."""
    keys: tuple[VerifyKey, ...] = tuple(key for key in trust.keys if str(key) not in withdrawn)
    return Trust(keys, trust.threshold) if len(keys) >= trust.threshold else None
