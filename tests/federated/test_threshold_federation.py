"""End to end, with real processes and keys of full size: a job under threshold protection, and holders that come and go."""

from __future__ import annotations

import time

import federations
import pytest

import federated as fed
from governance.errors import Unavailable
from sandbox.messages import Status

MODEL = fed.LogisticRegression(target="ill", features=("age", "sex"))
SPEC = {"dataset": "cohort", "deadline": "180s"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with federations.federation(tmp_path_factory.mktemp("threshold")) as federation:
        yield federation


@pytest.fixture(scope="module")
def masked(running):
    return running.hub().run(MODEL, **SPEC)


def test_a_regression_is_that_of_a_masked_job_while_holders_come_and_go(running, masked):
    """From the keys on, one holder is always away: at each step the next one is killed, and the one before started again."""
    away: list[str] = []
    steps: list[str] = []

    def watch(status: Status) -> None:
        if status.ended or status.step in (*steps, "accept", "spent", "deal"):
            return
        steps.append(status.step)
        if away:
            running.start_node(away.pop())
        away.append(federations.HOLDERS[len(steps) % 4])
        running.kill(away[0])

    hub = running.hub()
    job = hub.submit(hub.prepare(MODEL, {**SPEC, "protect": "threshold"}))
    while not (status := hub.status(job)).ended:
        watch(status)
        if away and status.waiting_for == tuple(away):  # everybody else has been there; it comes back
            running.start_node(away.pop())
        time.sleep(0.05)
    for name in away:
        running.start_node(name)
    released = hub.result(job)
    assert len(steps) > 8
    assert released.value.outcome == masked.value.outcome
    assert released.value.provenance.survivors == tuple(sorted(federations.HOLDERS))
    assert released.value.provenance.dealers == ("east", "north")
    assert "dealt by east, north" in released.summary("en")
    assert len(released.verify().checks) == 7


def test_a_dealer_that_never_comes_ends_the_job_at_its_deadline(running):
    hub = running.hub()
    job = hub.submit(hub.prepare(MODEL, {**SPEC, "protect": "threshold", "deadline": "12s"}))
    while hub.status(job).step in ("accept", "spent"):
        time.sleep(0.02)
    running.kill("east")
    try:
        with pytest.raises(Unavailable) as late:
            hub.result(job)
        assert late.value.code == "job.deadline"
        assert hub.link.jobs()[-1].phase == "expired"
    finally:
        running.start_node("east")
