"""Supervision of a running federation by its commands, from the coordinator's and the nodes' folders to another machine."""

from __future__ import annotations

import json
from contextlib import closing

import calls
import federations
import pytest

import federated as fed
from federated.node.home import Home
from governance.errors import LicenceRefused, Refused


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One released job, one that north's own rules refuse, one beyond the licence."""
    path = tmp_path_factory.mktemp("federation")
    with federations.federation(path) as federation:
        authority = federation.authority
        federation.publish(authority.price("cohort", unit="call", fen=1001, highest=2000, ceiling=10**6))
        granted = authority.licence(_operator(federation), plan=federation.plan, dataset="cohort", columns=("age",), purposes=("research",), methods=("describe@1",),
                                    min_cell=10, uses=50, days=3)  # fmt: skip
        federation.publish(granted)
        licence = authority.keep(granted)
        federation.result = ask(federation, licence)
        home = Home.open(federation.home("north"))
        policy = home.policy()
        home.write_policy(policy.__class__(**{name: getattr(policy, name) for name in policy.__dataclass_fields__} | {"min_cell": 11}))
        with pytest.raises(Refused):
            ask(federation, licence)
        with pytest.raises(LicenceRefused):
            hub = federation.hub()
            hub.link.submit(_beyond(federation, licence))
        federation.licence = licence
        yield federation


def _operator(federation) -> str:
    from governance.keys import SigningKey

    return str(SigningKey.load(federation.path / "operator.key").public)


def _beyond(federation, licence: str) -> str:
    """The text of a job for a purpose that the licence does not name."""
    from dataclasses import replace

    from governance import notes
    from governance.keys import SigningKey
    from sandbox.job import Job, nonce

    asked = notes.read(federation.result.bundle["job"]).document(Job)
    wrong = replace(asked, purpose="marketing", nonce=nonce())
    return str(notes.write(wrong).signed_by(SigningKey.load(federation.path / "operator.key")))


def ask(federation, licence: str):
    return federation.hub().run(fed.Describe(columns=("age",)), dataset="cohort", licence=licence, deadline="60s")


def keyong(capsys, *arguments, code=0):
    return json.loads(calls.keyong(capsys, *arguments, "--json", code=code).out.splitlines()[-1])


def test_every_folder_s_file_says_what_happened_and_the_audit_is_quiet(running, capsys, tmp_path):
    trust = ["--authority", running.path / "authority" / "root.note"]
    ends = {"coordinator": ["released", "refused", "refused"], "north": ["released", "refused"], "south": ["released"]}
    for name, phases in ends.items():
        home, file = running.home(name), tmp_path / f"{name}.json"
        written = keyong(capsys, "records", "export", file, "--home", home)
        assert written["entries"] > 0
        rows = keyong(capsys, "records", "show", file, *trust)
        assert rows == keyong(capsys, "records", "show", "--home", home)
        assert [r["phase"] for r in rows][: len(phases)] == phases
        assert keyong(capsys, "audit", file, *trust) == keyong(capsys, "audit", "--home", home) == []
    codes = [r["code"] for r in keyong(capsys, "records", "show", tmp_path / "coordinator.json", *trust)]
    assert codes == ["", "policy.least_cell", "licence.purpose"]


def test_a_statement_is_signed_here_and_verified_there(running, capsys, tmp_path):
    trust = ["--authority", running.path / "authority" / "root.note"]
    home = running.home("coordinator")
    keyong(capsys, "records", "export", tmp_path / "records.json", "--home", home)
    made = keyong(capsys, "settle", "run", "--home", home, "--out", tmp_path / "statement.note")
    assert [line["fen"] for line in made["lines"]] == [1001]
    assert keyong(capsys, "settle", "verify", tmp_path / "statement.note", tmp_path / "records.json", *trust) == made
    exit_ = keyong(capsys, "report", "exit", running.licence[:12], tmp_path / "records.json", *trust)
    assert [a["job"] for a in exit_["artefacts"]] == [running.result.value.provenance.job]


def test_evidence_of_every_job_gives_the_same_verdict_elsewhere(running, capsys, tmp_path):
    trust = ["--authority", running.path / "authority" / "root.note"]
    home, verdicts = running.home("coordinator"), []
    for row in keyong(capsys, "records", "show", "--home", home):
        keyong(capsys, "evidence", row["job"][:16], "--home", home, "--out", tmp_path / "evidence.json")
        found = keyong(capsys, "verify", tmp_path / "evidence.json", *trust)
        verdicts.append((found["phase"], found["code"], found["by"]))
    assert verdicts == [("released", "", ""), ("refused", "policy.least_cell", "north"), ("refused", "licence.purpose", "coordinator")]
    assert keyong(capsys, "evidence", "zz", "--home", home, "--out", tmp_path / "none", code=2)["error"] == "usage"
    with closing(Home.open(running.home("north")).journal()) as journal:
        journal.fsck()
