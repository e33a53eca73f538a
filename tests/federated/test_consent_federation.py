"""Consent end to end, with real processes: a withdrawal, a batch of them, what was released before, and proof of what records served."""

from __future__ import annotations

import json
from contextlib import closing

import calls
import federations
import pytest

import federated as fed
from federated.node import persons
from federated.node.home import Home
from governance.errors import Refused, Unavailable

DESCRIBE = fed.Describe(columns=("age",))
MODEL = fed.LogisticRegression(target="ill", features=("age", "dose", "sex"))


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A federation in which nobody has objected yet; the persons of north are called 0-0, 0-1 and so on."""
    text = federations.DATASET + "consent: opt_out\n"
    with federations.federation(tmp_path_factory.mktemp("federation"), dataset=text) as federation:
        yield federation


def run(federation, analysis=DESCRIBE, **more):
    return federation.hub().run(analysis, dataset="cohort", deadline="60s", **more)


def persons_in(released):
    return released.to_pandas().loc["age", "n"]


def withdraw(federation, *people):
    for each in people:
        persons.put(federation.home("north"), each, "cohort", allows=False)


def uses(federation, person):
    return persons.uses(federation.home("north"), person)


def test_consent_from_the_first_job_to_the_proof(running, tmp_path, capsys):
    home = running.home("north")
    first = run(running)
    everybody = persons_in(first)
    withdraw(running, "0-0")
    second = run(running)  # the next job is without this person, and without nine others of whom nobody learns
    assert persons_in(second) == everybody - 10
    assert first.verify().checks and second.verify().checks and persons_in(first) == everybody  # what was released stays (PIPL 15)

    assert [u.purpose for u in uses(running, "0-0")] == ["research"]
    assert [u.operator for u in uses(running, "0-200")] == ["operator", "operator"]
    rows = json.loads(calls.keyong(capsys, "node", "consent", "uses", "0-200", "--out", tmp_path / "proofs", "--home", home, "--json").out)
    assert [r["release"] is not None for r in rows] == [True, True]
    for row in rows:
        shown = json.loads(calls.keyong(capsys, "node", "consent", "check", row["proof"], "0-200", "--json").out)
        assert (shown["job"], shown["title"], shown["release"]) == (row["job"], row["title"], row["release"])
        assert shown["key"] == str(Home.open(home).key.public)
        assert "another person" in calls.keyong(capsys, "node", "consent", "check", row["proof"], "0-201", code=4).err
    text = calls.keyong(capsys, "node", "consent", "uses", "0-200", "--home", home).out
    assert "0-200" not in text and text.count("result in entry") == 2
    assert "proved: north" in calls.keyong(capsys, "node", "consent", "check", rows[0]["proof"], "0-200").out

    old = persons.write_proof(uses(running, "0-0")[0].proof)
    calls.keyong(capsys, "node", "consent", "forget", "0-0", "--home", home)
    assert persons.verified(old, "0-0").job == rows[0]["job"]  # what the person holds stays a proof
    with closing(Home.open(home).journal()) as journal:
        journal.fsck()
    assert persons.verified((tmp_path / "proofs" / rows[0]["proof"]).read_text(), "0-200").job == rows[0]["job"]
    assert persons_in(run(running)) == everybody - 10
    log = (running.path / "north.log").read_text()
    assert "0-0" not in log and "0-200" not in log


def test_a_withdrawal_while_a_job_runs_ends_it(running):
    hit = []

    def watch(status):
        if not hit and status.step.endswith("upload") and not status.ended:
            hit.append(status.step)
            withdraw(running, "0-250")

    try:
        released = running.hub().run(MODEL, dataset="cohort", deadline="20s", progress=watch)
    except (Refused, Unavailable):
        pass  # the others waited for north, which does not come back
    else:  # or it had not given a part to anything yet, and they went on without it
        assert "north" not in released.provenance.survivors
    assert hit
    with closing(Home.open(running.home("north")).journal()) as journal, journal.view() as t:
        assert t.jobs()[-1].code == "policy.consent"
