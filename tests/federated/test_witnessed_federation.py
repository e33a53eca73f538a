"""End to end, with real processes: a node that is brought back from a copy of its folder, and a licence that is revoked in mid-job."""

from __future__ import annotations

import shutil
import signal
from contextlib import closing

import federations
import psutil
import pytest
from calls import keyong
from test_federation import DESCRIBE, until

from federated.node import desk
from federated.node.home import Home
from governance import notes, proofs
from governance.errors import Refused, Unavailable
from governance.notes import read
from sandbox.messages import Release

SPEC = {"dataset": "cohort", "deadline": "60s"}


@pytest.fixture
def fresh(tmp_path):
    with federations.federation(tmp_path, patience=1.0) as federation:
        yield federation


def entries(federation, name):
    with closing(Home.open(federation.home(name)).journal()) as journal, journal.view() as t:
        return [entry.event for entry in t.entries()]


def refused_by_east(federation):
    """A job that a person at one holder denies: the others have accepted, and know each other from then on."""
    desk.policy(federation.home("east"), {"approval": "person"})
    hub = federation.hub()
    job = hub.submit(hub.prepare(DESCRIBE, SPEC))
    until(lambda: desk.waiting(federation.home("east")) and hub.status(job).waiting_for == ("east",))
    desk.decide(federation.home("east"), job[:12], "deny", "not today")
    with pytest.raises(Refused):
        hub.result(job)
    desk.policy(federation.home("east"), {"approval": "automatic"})


def held_at_upload(federation, name):
    """A job that all have spent, while *name* cannot start its local step."""
    zygote = psutil.Process(federation.processes[name].pid).children()[0]
    zygote.suspend()
    hub = federation.hub()
    job = hub.submit(hub.prepare(DESCRIBE, SPEC))
    until(lambda: hub.status(job).step == "0.0.upload")
    return hub, job


def test_a_node_that_is_restored_from_a_copy_serves_nothing_and_the_others_go_on(fresh, tmp_path, capsys):
    """`budget-snapshot`: the copy is from before the job; the job is spent, and then the copy put in its place."""
    refused_by_east(fresh)
    fresh.kill("west")
    shutil.copytree(fresh.home("west"), tmp_path / "copy")
    fresh.start_node("west")
    hub, job = held_at_upload(fresh, "west")
    fresh.kill("west")
    spent = entries(fresh, "west")
    assert "job.spent" in spent
    shutil.rmtree(fresh.home("west"))
    shutil.copytree(tmp_path / "copy", fresh.home("west"))
    before = entries(fresh, "west")
    assert "job.spent" not in before
    told = keyong(capsys, "node", "doctor", "--home", fresh.home("west"), code=75).out
    assert "FAIL  witnesses" in told and "it is an older copy of itself" in told
    with pytest.raises(Unavailable, match="older copy of itself"):
        fresh.start_node("west")
    assert fresh.processes.pop("west").wait(timeout=30) == 4
    assert entries(fresh, "west") == before
    released = hub.result(job)
    assert released.value.provenance.survivors == ("east", "north", "south")
    released.verify()
    bundle = hub.link.bundle(job)
    assert notes.read(bundle["release"]).document(Release).survivors == ("east", "north", "south")
    for name, text in bundle["spends"].items():
        proof = proofs.read(text)
        assert (
            read(proof.checkpoint, limit=1 << 16).text.startswith(f"{name}\n")
            and len(read(proof.checkpoint, limit=1 << 16).signatures) >= 4
        )


def test_when_a_licence_is_revoked_in_mid_job_no_total_is_opened_any_more(fresh):
    hub, job = held_at_upload(fresh, "west")
    fresh.publish(fresh.authority.revocations(*dict(hub.link.documents("licence"))))
    with pytest.raises(Refused) as refusal:
        hub.result(job)
    assert refusal.value.code == "licence.revoked"
    names = ("east", "north", "south")
    until(lambda: all(desk.jobs(fresh.home(name))[-1]["code"] == "licence.revoked" for name in names))
    assert all("job.spent" in entries(fresh, name) and "total.opened" not in entries(fresh, name) for name in names)


def test_where_too_few_witness_a_job_waits_and_loses_nothing(fresh):
    """`wit-down`: two of four stand still when all have accepted. The job goes on when they do."""
    desk.policy(fresh.home("east"), {"approval": "person"})
    hub = fresh.hub()
    job = hub.submit(hub.prepare(DESCRIBE, SPEC))
    until(lambda: desk.waiting(fresh.home("east")) and hub.status(job).waiting_for == ("east",))
    for name in ("south", "west"):
        fresh.processes[name].send_signal(signal.SIGSTOP)
    desk.decide(fresh.home("east"), job[:12], "approve", "")
    until(lambda: hub.status(job).step == "spent")
    until(lambda: "job.spent" in entries(fresh, "north") and "job.spent" in entries(fresh, "east"))
    assert hub.status(job).step == "spent" and "total.opened" not in entries(fresh, "north")
    for name in ("south", "west"):
        fresh.processes[name].send_signal(signal.SIGCONT)
    released = hub.result(job)
    assert released.value.provenance.survivors == tuple(sorted(federations.HOLDERS))
