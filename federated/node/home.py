"""A node's folder: its key, its journal, its snapshots, its policy, and whom it trusts."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from connectors.snapshot import Snapshot
from federated.lock import alone
from federated.tls import client_files
from federated.tokens import Token, new_key, newer_key, write_private
from federated.transport import Link
from governance.encoding import build, canonical, parse, plain
from governance.errors import UsageError
from governance.handwritten import read_json
from governance.journal import Journal, Transaction, View
from governance.journal.sealing import CipherName
from governance.keys import SigningKey, Trust, VerifyKey
from governance.parties import enrol, read_enrolment
from governance.roots import Chain
from sandbox.policy import DEFAULT, Policy

KEY, HISTORY_KEY, JOURNAL, TRUST, POLICY, SNAPSHOTS = "node.key", "history.key", "journal.db", "trust.json", "policy.json", "snapshots"
ROOTS, CONSENT_KEY = "root", "consent.key"
LEFTOVER = 3600.0  # seconds after which an unfinished snapshot is nobody's


@dataclass(frozen=True, slots=True)
class Home:
    """An enrolled node's folder, opened. *roots* are the key root's versions as far as this node has seen them."""

    path: Path
    key: SigningKey
    url: str
    ca: str | None
    roots: Chain
    coordinator: VerifyKey

    @property
    def trust(self) -> Trust:
        """Whose signatures count now."""
        return self.roots.trust

    @classmethod
    def open(cls, path: Path) -> Home:
        """Open the folder that ``keyong node join`` made."""
        if not (path / TRUST).exists():
            raise UsageError(f"{path} is no node's folder; make one with: keyong node join TOKEN --home {path}")
        token = Token.read((path / TRUST).read_text().strip())
        key, chain = SigningKey.load(path / KEY), token.roots
        if (path / JOURNAL).exists():
            with closing(Journal.open(path / JOURNAL, key)) as journal, journal.view() as t:
                chain = chain.followed(kept_roots(t))
        coordinator = read_enrolment(token.coordinator, chain.trust)
        return cls(path, key, token.url, token.ca, chain, coordinator.key)

    def current(self, t: View) -> Home:
        """The same home under the newest version of the key root that this node ever saw."""
        return replace(self, roots=self.roots.followed(kept_roots(t)))

    def learn(self, t: Transaction, offered: Iterable[str]) -> Home:
        """Follow the key root as far as it is shown, and never back: the newest version that was ever seen stays in the journal."""
        kept = self.current(t).roots
        chain = kept.followed(offered)
        if chain is not kept:
            for version in chain.versions[len(kept_roots(t)) :]:
                t.put_note(ROOTS, f"{version.root.version:03}", str(version.note))
            t.append("root.followed", chain.newest.id)
        return replace(self, roots=chain)

    def sweep(self) -> None:
        """Delete what a `keyong node data add` that was killed left behind: it holds rows and serves nobody."""
        for left in (*self.snapshots.glob("*.draft"), *self.snapshots.glob(".*.part")):
            if time.time() - left.stat().st_mtime > LEFTOVER:
                left.unlink(missing_ok=True)

    def journal(self) -> Journal:
        return Journal.open(self.path / JOURNAL, self.key)

    def history_key(self) -> bytes:
        """Under which rows are known again; never made anew, since all that was counted over them would be forgotten."""
        file = self.path / HISTORY_KEY
        if not file.exists():
            raise UsageError(f"{file} is missing; without it this node cannot know its rows again: bring it back from a backup")
        return bytes.fromhex(file.read_text().strip())

    def consent_key(self) -> bytes:
        """Under which persons get their pseudonyms: made at first use, never anew where there are records, since they would be nobody's."""
        file = self.path / CONSENT_KEY
        if not file.exists():
            with closing(self.journal()) as journal, journal.view() as t:
                used = t.consent_clock() or t.consent_sets("")
            if used or any(self.snapshots.glob("*.persons")):
                raise UsageError(f"{file} is missing; without it this node cannot know its persons again: bring it back from a backup")
            write_private(file, secrets.token_hex(32) + "\n")
        return bytes.fromhex(file.read_text().strip())

    def policy(self) -> Policy:
        """The node's own rules; the defaults where there is no file."""
        file = self.path / POLICY
        return build(Policy, read_json(file, "a node's policy", {})) if file.exists() else DEFAULT

    def write_policy(self, policy: Policy) -> None:
        write_private(self.path / POLICY, json.dumps(plain(policy), indent=2, ensure_ascii=False) + "\n")

    @property
    def client_cert(self) -> tuple[Path, Path] | None:
        """Certificate and key for a coordinator that asks for them: put client.pem and client.key into the folder."""
        return client_files(self.path)

    @property
    def snapshots(self) -> Path:
        return self.path / SNAPSHOTS


def kept_roots(t: View) -> list[str]:
    """The versions of the key root that this node has seen since it joined, from the first on."""
    return [text for _, text in t.notes(ROOTS)]


def read_snapshot(text: str | None, folder: Path) -> Snapshot | None:
    """A snapshot as the journal keeps it."""
    if text is None:
        return None
    data = parse(text)
    return Snapshot(data["id"], folder / f"{data['id']}.arrow", tuple(data["columns"]), data["rows"], data["persons"], data["skipped"])


def served(t: View, folder: Path) -> dict[str, Snapshot]:
    """The snapshot of each dataset that jobs read, by dataset."""
    found = ((name, read_snapshot(t.get(f"snapshot {name}"), folder)) for name in (t.get("datasets") or "").split())
    return {name: snapshot for name, snapshot in found if snapshot is not None}


def snapshot_text(snapshot: Snapshot) -> str:
    return canonical({"id": snapshot.id, "columns": list(snapshot.columns), "rows": snapshot.rows, "persons": snapshot.persons,
                      "skipped": snapshot.skipped_rows})  # fmt: skip


def join(path: Path, text: str, *, proxy: str | None = None, cipher: CipherName | None = None) -> Home:
    """Make a node's folder and key, and enrol the key with the coordinator in the token. Can be repeated.

    *cipher* is what seals values in the node's journal: it is chosen when the journal is made.
    """
    token = Token.read(text)
    with new_key(path / KEY):
        key = make(path, token)
        with Link(token.url, token.ca, None, proxy=proxy, client_cert=client_files(path)) as link:
            link.enrol(str(enrol(token.invitation, token.once, key)))
    finish(path, token, key, cipher)
    return Home.open(path)


def rekey(path: Path, text: str, *, proxy: str | None = None) -> Home:
    """Exchange the key of the node in this folder for a new one, which goes on with its journal. Can be repeated."""
    token = Token.read(text).expect("holder", rekey=True)
    if not (path / JOURNAL).exists():
        raise UsageError(f"{path} holds no journal; a new key goes on with the one that others know: bring the folder back")
    with alone(path), newer_key(path / KEY, token) as key:
        with Link(token.url, token.ca, None, proxy=proxy, client_cert=client_files(path)) as link:
            link.enrol(str(enrol(token.invitation, token.once, key)))
        Journal.rekey(path / JOURNAL, token.withdrawn, key)
        write_private(path / TRUST, token.public().text() + "\n")
    return Home.open(path)


def make(path: Path, token: Token) -> SigningKey:
    """Make the folder and its keys; the same folder and token again give the same ones."""
    token.expect("holder")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    (path / SNAPSHOTS).mkdir(mode=0o700, exist_ok=True)
    if not (path / HISTORY_KEY).exists():
        write_private(path / HISTORY_KEY, secrets.token_hex(32) + "\n")
    return token.key(path / KEY)


def finish(path: Path, token: Token, key: SigningKey, cipher: CipherName | None = None) -> None:
    """Keep what a serving node needs, once the coordinator took the enrolment."""
    write_private(path / TRUST, token.public().text() + "\n")
    if not (path / JOURNAL).exists():
        Journal.create(path / JOURNAL, key, cipher=cipher or "aes-256-gcm").close()
    with closing(Journal.open(path / JOURNAL, key)) as journal:
        if cipher not in (None, journal.cipher):
            raise UsageError(f"the journal in {path} was made with {journal.cipher}, and keeps it")
