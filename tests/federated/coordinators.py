"""A coordinator on loopback TLS with a real journal, and the parties that talk to it, for the tests of its door."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import licensing

from federated.coordinator.office import Office
from federated.coordinator.web import Listen, Server
from federated.signatures import Signer
from federated.tls import Pair, make_authority, server_pair
from federated.transport import Link
from governance import catalogue, chains, notes
from governance.catalogue import Dataset, Schema
from governance.journal import Journal
from governance.keys import SigningKey
from governance.licences import Revocations
from governance.parties import Invitation, Withdrawn, enrol
from governance.rights import Rights
from governance.roots import NEEDED, Role, Root, read
from sandbox.job import Job, nonce
from sandbox.machine import accept
from sandbox.summing import Plan

AUTHORITY = SigningKey.generate("authority")
REGULATOR, APPRAISER = SigningKey.generate("regulator"), SigningKey.generate("appraiser")
ROLES = {
    **dict.fromkeys(NEEDED, Role((str(AUTHORITY.public),), 1)),
    "regulator": Role((str(REGULATOR.public),), 1), "appraiser": Role((str(APPRAISER.public),), 1),
}  # fmt: skip
ROOT = Root(1, (), ROLES, ("ed25519",), (), 2**34)
ROOTS = read([str(notes.write(ROOT).signed_by(AUTHORITY))])
TRUST, PINNED = ROOTS.trust, ROOTS.newest
PARTIES = {  # the last holder and the second operator have nothing to do with the dataset "cohort"
    "coordinator": "coordinator", "north": "holder", "south": "holder", "east": "holder", "west": "holder", "other": "holder",
    "operator": "operator", "rival": "operator",
}  # fmt: skip
ROSTER = ("east", "north", "south", "west")
KEYS = {name: SigningKey.generate(name) for name in PARTIES}
JSON, CBOR = "application/json", "application/cbor"
STRANGER = SigningKey.generate("stranger")
SCHEMA = Schema("id", (catalogue.number("age", "18", "100"),))
TLS = make_authority("test")


def enrolment(key: SigningKey, role: str, *, expires: int = 2**34, withdrawn: tuple[Withdrawn, ...] = ()) -> str:
    """A party's enrolment note, from invitation to its own signature; in place of its *withdrawn* keys."""
    once = SigningKey.generate(f"{key.name}-invitation")
    invitation = notes.write(Invitation(key.name, f"House of {key.name}", role, str(once.public), expires, withdrawn)).signed_by(AUTHORITY)
    return str(enrol(str(invitation), once, key))


def dataset(name: str = "cohort", holders: tuple[str, ...] = ROSTER, version: int = 1) -> str:
    return str(notes.write(Dataset(name, version, name, SCHEMA, holders, 1, 10_000)).signed_by(AUTHORITY))


def asset(dataset_text: str = "", *, name: str = "", **changes: object) -> str:
    """The chain under which a dataset is registered, by the first of its holders; the same at every call."""
    return _asset(dataset_text or dataset(), name, tuple(sorted(changes.items())))


@cache
def _asset(dataset_text: str, name: str, changes: tuple[tuple[str, object], ...]) -> str:
    entry = notes.read(dataset_text).document(Dataset)
    return licensing.asset(entry, KEYS[entry.holders[0]], AUTHORITY, at=int(time.time()), name=name, **dict(changes))


def register(office: Office, chain: str) -> None:
    """Publish a chain link by link; what the office has of it changes nothing."""
    for link in chains.read(chain):
        office.publish(str(link))


def licence(operator: str = "operator", dataset_name: str = "cohort", *, by: SigningKey = AUTHORITY, **changes: object) -> notes.Note:
    return licensing.link(allow(operator, dataset_name, **changes), KEYS[operator], by=(by,))


def allow(operator: str = "operator", dataset_name: str = "cohort", **changes: object) -> Rights:
    """What the licences of these tests allow."""
    return licensing.rights(plan(operator).id, now=int(time.time()), holders=(*ROSTER, "other"), dataset=dataset_name, **changes)


def plan(operator: str = "operator") -> notes.Note:
    """The operator's contingency plan, the same at every call."""
    return _plan(operator)


@cache
def _plan(operator: str) -> notes.Note:
    return licensing.plan(KEYS[operator], AUTHORITY, now=int(time.time()))


def revocations(version: int = 1, *revoked: str, withdrawn: tuple[Withdrawn, ...] = ()) -> str:
    now = int(time.time())
    return str(notes.write(Revocations(version, now, now + 86_400, revoked, withdrawn)).signed_by(AUTHORITY))


def job(licence_id: str, dataset_text: str, *, operator: str = "operator", by: SigningKey | None = None, deadline: int = 600,
        coordinator: SigningKey = KEYS["coordinator"]) -> notes.Note:  # fmt: skip
    now = int(time.time())
    document = Job("ages", str(KEYS[operator].public), str(coordinator.public), "research", licence_id, "cohort", notes.read(dataset_text).id, "",
                   "describe", 1, {"columns": ("age",)}, "secagg", "exact", 10, now, now + deadline, nonce(), catalogue.HOME)  # fmt: skip
    return notes.write(document).signed_by(by or KEYS[operator])


@dataclass
class Place:
    """A running coordinator with everybody enrolled and one licence published."""

    office: Office
    server: Server
    dataset: str
    licence: notes.Note
    path: Path

    def restart(self) -> None:
        """The same journal and address anew, as after a crash: nothing is kept in memory."""
        self.server.stop()
        self.office = Office(self.office.journal, KEYS["coordinator"], ROOTS, patience=self.office.patience)
        pem, key = self.path / "tls.pem", self.path / "tls.key"
        self.server = Server(self.office, Listen("127.0.0.1", self.server.port, pem, key))
        self.server.start()

    def link(self, name: str | None, **more: object) -> Link:
        key = None if name is None else STRANGER if name == "stranger" else KEYS[name]
        return Link(self.server.url, TLS.certificate, key, **more)

    def job(self, **more: object) -> str:
        """Text of a new job that will be taken."""
        return str(job(self.licence.id, self.dataset, **more))

    def submitted(self) -> str:
        """Id of a new job."""
        return self.office.submit(self.job(), self.office.parties()["operator"])

    def acceptance(self, job_id: str, name: str) -> object:
        """A holder's post to the first step."""
        with self.office.journal.view() as t:
            text = t.note("job", job_id)
        plan = Plan(text, self.dataset, name, tuple(str(KEYS[n].public) for n in ROSTER), nonce(), bytes(32))
        return accept(plan, KEYS[name])[1]


def certified(path: Path, pair: Pair) -> tuple[Path, Path]:
    files = path / "tls.pem", path / "tls.key"
    if not files[0].exists():
        pair.save(*files)
    return files


def filled(where: str | Path, *, patience: float = 5.0) -> Office:
    """An office with everybody enrolled and the dataset published, on a new journal."""
    key = KEYS["coordinator"]
    office = Office(Journal.create(where, key), key, ROOTS, patience=patience)
    for name, role in PARTIES.items():
        office.enrol(enrolment(KEYS[name], role))
    office.publish(dataset())
    register(office, asset())
    office.publish(revocations())
    office.publish(str(plan()))
    return office


@contextmanager
def coordinator(path: Path, *, where: str | Path | None = None, client_ca: Path | None = None, patience: float = 5.0) -> Iterator[Place]:
    """Serve on a free port of the loopback interface."""
    office = filled(where or path / "journal.db", patience=patience)
    granted = licence()
    office.publish(str(granted))
    pem, key = certified(path, server_pair(TLS, ["127.0.0.1", "localhost"]))
    server = Server(office, Listen("127.0.0.1", 0, pem, key, client_ca))
    server.start()
    place = Place(office, server, dict(office.documents("dataset"))["cohort"], granted, path)
    try:
        yield place
    finally:
        place.server.stop()
        office.journal.close()


def signed(place, name, method, path, body=b"", *, now=None, media=None):
    """Headers of a request as the party *name* sends it."""
    key = STRANGER if name == "stranger" else KEYS[name]
    headers = Signer(key).headers(method, place.server.url + path, body, now=time.time() if now is None else now)
    return headers | ({"Content-Type": media} if media else {})


def asking(place, http):
    """A function that sends requests, signed by the named party or by nobody; each status must be one that the document knows."""
    paths = http.get(place.server.url + "/openapi.json").json()["paths"]
    known = {re.compile(re.sub("{[^}]*}", "[^/]*", path) + r"(\?.*)?"): item for path, item in paths.items()}

    def send(name, method, path, body=b"", *, media=None):
        headers = {"Content-Type": media} if media else {}
        if name is not None:
            headers = signed(place, name, method, path, body, media=media)
        answer = http.request(method, place.server.url + path, content=body or None, headers=headers)
        operations = [item[method.lower()] for pattern, item in known.items() if pattern.fullmatch(path) and method.lower() in item]
        assert all(str(answer.status_code) in operation["responses"] for operation in operations), (method, path, answer.text)
        return answer

    return send


def refused(answer, status, code):
    """The problem document of a refusal, once it has been checked."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem.keys() == {"type", "title", "status", "detail", "code", "texts", "facts"}
    assert problem["status"] == status
    assert problem["texts"].keys() == {"en", "zh"} and re.search("[一-鿿]", problem["texts"]["zh"])
    return problem
