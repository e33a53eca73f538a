"""The coordinator's folder: key, certificate, journal, whom it trusts, and the card that tells others where it is."""

from __future__ import annotations

import gc
import json
import logging
import os
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from federated.language import said
from federated.tokens import Token
from governance import roots
from governance.errors import UsageError
from governance.journal import Journal
from governance.journal.sealing import CipherName
from governance.keys import SigningKey
from governance.parties import enrol
from governance.roots import Chain

HIGHEST_PORT = 65535
KEY, TRUST, CARD, DATABASE = "coordinator.key", "trust.json", "coordinator.json", "journal.db"
CERTIFICATE, CERTIFICATE_KEY = "tls.pem", "tls.key"


def create(home: Path, text: str, *, url: str, hosts: tuple[str, ...] = (), database: str | None = None,
           cipher: CipherName = "aes-256-gcm") -> dict[str, str]:  # fmt: skip
    """Make the folder; a second call refuses."""
    from federated.coordinator.office import Office  # noqa: PLC0415
    from federated.tls import make_authority, server_pair  # noqa: PLC0415

    token = Token.read(text).expect("coordinator")
    where = urlsplit(url)
    if where.scheme != "https" or not where.hostname or where.path.strip("/") or where.query or where.fragment:
        raise UsageError(f"a coordinator serves https only: its --url reads https://host:port, got {url}")
    if (home / KEY).exists():
        raise UsageError(f"there is a coordinator in {home} already")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = SigningKey.generate(token.name)
    enrolment = str(enrol(token.invitation, token.once, key))
    authority = make_authority(key.name)
    server_pair(authority, hosts or (where.hostname,)).save(home / CERTIFICATE, home / CERTIFICATE_KEY)
    journal = Journal.create(database or home / DATABASE, key, cipher=cipher)
    Office(journal, key, token.roots).enrol(enrolment)
    journal.close()
    key.save(home / KEY)
    _write(home / TRUST, json.dumps({"roots": token.roots.texts, "database": database}))
    _write(home / CARD, json.dumps({"name": key.name, "url": url, "ca": authority.certificate, "enrolment": enrolment}))
    return {"name": key.name, "url": url, "key": str(key.public), "root": token.roots.newest.fingerprint}


def pinned(home: Path) -> tuple[Chain, str | None]:
    """The key root as it was when the coordinator joined, and the URL of its database."""
    if not (home / TRUST).exists():
        raise UsageError(f"{home} is no coordinator's folder; make one with: keyong coordinator init TOKEN --home {home}")
    data = json.loads((home / TRUST).read_text())
    return roots.read(data["roots"]), data["database"]


def journal(home: Path) -> Journal:
    _, database = pinned(home)
    return Journal.open(database or home / DATABASE, SigningKey.load(home / KEY))


def serve(home: Path, *, listen: str, client_ca: Path | None = None, patience: float = 5.0, as_json: bool = False) -> None:
    """Serve until stopped."""
    from federated.coordinator.office import Office  # noqa: PLC0415
    from federated.coordinator.web.server import Listen  # noqa: PLC0415
    from federated.coordinator.web.server import serve as work  # noqa: PLC0415
    from federated.lock import alone  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
        raise UsageError(f"listen on ADDRESS:PORT, got {listen}")
    key, (joined, _) = SigningKey.load(home / KEY), pinned(home)
    with alone(home), closing(journal(home)) as kept:
        office = Office(kept, key, joined, patience=patience)
        where = Listen(host, int(port), home / CERTIFICATE, home / CERTIFICATE_KEY, client_ca)
        gc.collect()
        gc.freeze()  # what start-up made stays; no collection need look through it again
        work(office, where, ready=lambda url: _ready(key.name, url, as_json))


def _ready(name: str, url: str, as_json: bool) -> None:
    told = said(f"{name} serves {url}. Stop with Ctrl-C.", f"{name} 正在 {url} 上服务；按 Ctrl-C 停止。")
    print(json.dumps({"ready": name, "url": url}) if as_json else told, flush=True)  # noqa: T201


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
