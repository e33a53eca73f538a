"""A node's folder: its key, its journal, its snapshots, its policy, and whom it trusts."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from connectors.snapshot import Snapshot
from federated.tls import client_files
from federated.tokens import Token
from governance.encoding import build, canonical, parse, plain
from governance.errors import IntegrityError, UsageError
from governance.journal import Journal
from governance.keys import SigningKey, Trust, VerifyKey
from governance.parties import enrol, read_enrolment
from sandbox.policy import DEFAULT, Policy

KEY, JOURNAL, TRUST, POLICY, SNAPSHOTS = "node.key", "journal.db", "trust.json", "policy.json", "snapshots"
LEFTOVER = 3600.0  # seconds after which an unfinished snapshot is nobody's


@dataclass(frozen=True, slots=True)
class Home:
    """An enrolled node's folder, opened."""

    path: Path
    key: SigningKey
    url: str
    ca: str | None
    trust: Trust
    coordinator: VerifyKey

    @classmethod
    def open(cls, path: Path) -> Home:
        """Open the folder that ``keyong node join`` made."""
        if not (path / TRUST).exists():
            raise UsageError(f"{path} is no node's folder; make one with: keyong node join TOKEN --home {path}")
        token = Token.read((path / TRUST).read_text().strip())
        coordinator = read_enrolment(token.coordinator, token.trust)
        return cls(path, SigningKey.load(path / KEY), token.url, token.ca, token.trust, coordinator.key)

    def sweep(self) -> None:
        """Delete what a `keyong node data add` that was killed left behind: it holds rows and serves nobody."""
        for left in (*self.snapshots.glob("*.draft"), *self.snapshots.glob(".*.part")):
            if time.time() - left.stat().st_mtime > LEFTOVER:
                left.unlink(missing_ok=True)

    def journal(self) -> Journal:
        return Journal.open(self.path / JOURNAL, self.key)

    def policy(self) -> Policy:
        """The node's own rules; the defaults where there is no file."""
        file = self.path / POLICY
        return build(Policy, parse(canonical(json.loads(file.read_text())))) if file.exists() else DEFAULT

    def write_policy(self, policy: Policy) -> None:
        _private(self.path / POLICY, json.dumps(plain(policy), indent=2, ensure_ascii=False) + "\n")

    @property
    def client_cert(self) -> tuple[Path, Path] | None:
        """Certificate and key for a coordinator that asks for them: put client.pem and client.key into the folder."""
        return client_files(self.path)

    @property
    def snapshots(self) -> Path:
        return self.path / SNAPSHOTS


def read_snapshot(text: str | None, folder: Path) -> Snapshot | None:
    """A snapshot as the journal keeps it."""
    if text is None:
        return None
    data = parse(text)
    return Snapshot(data["id"], folder / f"{data['id']}.arrow", tuple(data["columns"]), data["rows"], data["persons"], data["skipped"])


def snapshot_text(snapshot: Snapshot) -> str:
    return canonical({"id": snapshot.id, "columns": list(snapshot.columns), "rows": snapshot.rows, "persons": snapshot.persons,
                      "skipped": snapshot.skipped_rows})  # fmt: skip


def make(path: Path, token: Token) -> tuple[SigningKey, str]:
    """Make a node's folder and its key; return the key and the enrolment note to be sent.

    The same folder and token again give the same key, so that a join that was cut off can be repeated.
    """
    name = token.name
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    (path / SNAPSHOTS).mkdir(mode=0o700, exist_ok=True)
    if (path / KEY).exists():
        key = SigningKey.load(path / KEY)
        if key.name != name:
            raise IntegrityError(f"{path} is the folder of {key.name}, the token is for {name}")
    else:
        key = SigningKey.generate(name)
        key.save(path / KEY)
    return key, str(enrol(token.invitation, token.once, key))


def finish(path: Path, token: Token, key: SigningKey) -> None:
    """Keep what a serving node needs, once the coordinator took the enrolment."""
    _private(path / TRUST, token.public().text() + "\n")
    if not (path / JOURNAL).exists():
        Journal.create(path / JOURNAL, key).close()


def _private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or none."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
