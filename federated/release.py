"""Releases of this software: the digests of their files in a note, signed, and proved by a ledger, so that nobody gets one of his own.

A release is a folder: its files, ``release.note``, and ``release.tlog-proof``, which shows that the note is an entry of the releases'
ledger. Whoever has the ledger's key, or a policy that names its witnesses, verifies the folder offline.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from governance import notes, proofs
from governance.catalogue import Label
from governance.encoding import wire
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.journal import Journal
from governance.keys import SigningKey, Trust
from governance.quorum import Policy
from governance.rights import Digest

KEY, DATABASE = "release.key", "journal.db"
NOTE, PROOF = "release.note", "release.tlog-proof"
LIMIT = 1 << 28  # bytes of a file


@wire("keyong/software/v1")
class Software:
    """SHA-256 of each file of a release, by its name."""

    files: dict[Label, Digest]

    def __post_init__(self) -> None:
        if not self.files or any(not name or Path(name).name != name or name in (NOTE, PROOF) for name in self.files):
            raise DecodeError("a release has files, by their plain names")


@dataclass(frozen=True, slots=True)
class Verified:
    """What a release's files were found to be, and where its ledger says so."""

    files: dict[str, str]
    log: str
    index: int
    at: int


def create(home: Path, name: str) -> SigningKey:
    """Make the key of releases, and their ledger; a second call refuses."""
    key = SigningKey.generate(name)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    key.save(home / KEY)
    Journal.create(home / DATABASE, key).close()
    return key


def sign(folder: Path, home: Path) -> Software:
    """Sign what is in *folder*, enter it in the ledger, and put note and proof beside the files."""
    if (folder / NOTE).exists():
        raise UsageError(f"{folder} is signed already; a release is built into a new folder")
    key = SigningKey.load(home / KEY)
    release = Software(_digests(folder))
    note = notes.write(release).signed_by(key)
    with closing(Journal.open(home / DATABASE, key)) as journal:
        with journal.transaction() as t:
            index = t.append("document.published", note.id)
        with journal.view() as t:
            proof = proofs.prove(t, index)
    (folder / PROOF).write_text(str(proof), encoding="utf-8")
    (folder / NOTE).write_text(str(note), encoding="utf-8")
    return release


def verify(folder: Path, policy: Policy) -> Verified:
    """Raise unless *folder* holds a release, whole and no more: signed by a ledger's key, and in that ledger by *policy*."""
    missing = [name for name in (NOTE, PROOF) if not (folder / name).is_file()]
    if missing:
        raise UsageError(f"{folder} lacks {missing[0]}: it is no signed release")
    note = notes.read((folder / NOTE).read_bytes())
    note.require(Trust(policy.logs))
    release, there = note.document(Software), _digests(folder)
    if differing := sorted(name for name in release.files.keys() | there.keys() if release.files.get(name) != there.get(name)):
        raise IntegrityError(f"not as released: {', '.join(differing)}")
    proof = proofs.read((folder / PROOF).read_bytes())
    entry, head = proofs.verify_entry(proof, policy)
    if (entry.event, entry.subject) != ("document.published", note.id):
        raise IntegrityError("the proof is of another entry than this release's")
    return Verified(there, head.origin, proof.index, entry.at)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name not in (NOTE, PROOF)}


def _digest(path: Path) -> str:
    if not path.is_file() or path.is_symlink() or path.stat().st_size > LIMIT:
        raise UsageError(f"{path} is no file of a release")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
