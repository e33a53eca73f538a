"""Jobs through a coordinator's real office and journal, with the nodes' machines in this process and a clock in the test's hand."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import coordinators
import inmemory
import numpy as np
import pyarrow as pa
from coordinators import KEYS, ROSTER, SCHEMA

from federated.coordinator.office import Office
from governance import notes
from governance.journal import Journal
from sandbox import local, machine, spends
from sandbox.job import nonce
from sandbox.machine import Abstaining, Accepting, Finished, Local, Spending
from sandbox.messages import Ended, Post, Relay, kind_of
from sandbox.summing import Plan

KEYS_OF_ROSTER = [KEYS[name] for name in ROSTER]
SNAPSHOTS = {name: nonce() for name in ROSTER}


def tables(size: int = 40) -> dict[str, pa.Table]:
    rng = np.random.default_rng(0)
    return {name: inmemory.table(SCHEMA, {"age": rng.uniform(18, 100, size)}) for name in ROSTER}


class Floor:
    """An office and the four nodes of its dataset. Time stands still unless `wait` is called."""

    def __init__(self, path: Path, *, uses: int = 1000) -> None:
        self.path, self.late = path / "journal.db", 0.0
        self.office = coordinators.filled(self.path)
        self.office.clock = self.clock
        self.licence = coordinators.licence(use_count=uses)
        self.office.publish(str(self.licence))
        self.start = time.time()

    def clock(self) -> float:
        return self.start + self.late if hasattr(self, "start") else time.time()

    def restart(self) -> None:
        """Another process on the same journal."""
        self.office.journal.close()
        key = KEYS["coordinator"]
        self.office = Office(Journal.open(self.path, key), key, coordinators.ROOTS, patience=self.office.patience, clock=self.clock)

    def wait(self, seconds: float) -> None:
        self.late += seconds
        self.office.tick()

    def submit(self, **more: Any) -> str:
        dataset = dict(self.office.documents("dataset"))["cohort"]
        job = coordinators.job(self.licence.id, dataset, **more)
        return self.office.submit(str(job), self.office.parties()["operator"])

    def bundle(self, job: str) -> dict[str, Any]:
        return self.office.bundle(job)


class Nodes:
    """The machines of a job's holders."""

    def __init__(self, floor: Floor, job: str, rows: Mapping[str, pa.Table] | None = None) -> None:
        self.floor, self.job = floor, job
        offer = floor.office.offers("north", wait=0)
        texts = next((o.job, o.dataset) for o in offer if notes.read(o.job).id == job)
        keys = tuple(str(KEYS[n].public) for n in ROSTER)
        self.text, self.plans = texts[0], {n: Plan(*texts, n, keys, SNAPSHOTS[n]) for n in ROSTER}
        self.states: dict[str, Any] = {}
        self.posts: dict[str, Post] = {}
        self.programs = {n: local.program(local.spec(*texts), (rows or tables())[n]) for n in ROSTER}
        for name in ROSTER:
            self.states[name], self.posts[name] = machine.accept(self.plans[name], KEYS[name])

    def post(self, name: str) -> Relay | Ended | None:
        """Post once, and act on the answer as a node does."""
        answer = self.floor.office.post(self.job, self.posts[name], wait=0)
        if isinstance(answer, Ended):
            plan = self.states[name].plan
            self.states[name] = machine.finished(plan, answer) or Finished(plan, "")
        elif answer is not None:
            self._receive(name, answer)
        return answer

    def _receive(self, name: str, relay: Relay) -> None:
        state, key = self.states[name], KEYS[name]
        if kind_of(relay.step) == "abstain" and not isinstance(state, Abstaining):
            self.states[name], self.posts[name] = state.abstain(key)
            return
        if isinstance(state, Accepting):
            state, _ = state.receive(relay, KEYS["coordinator"].public)
        else:
            state, post = state.receive(relay, key)
            self.posts[name] = post or self.posts[name]
        if isinstance(state, Spending):
            state, self.posts[name] = state.proved(spends.proved(self.job, key, KEYS_OF_ROSTER, int(self.floor.clock())), key)
        elif isinstance(state, Local):
            state, self.posts[name] = state.computed(self.programs[name](state.question), key)
        self.states[name] = state

    def turn(self, *, absent: Collection[str] = ()) -> None:
        """Everybody present posts once, in order."""
        for name in ROSTER:
            if name not in absent and not isinstance(self.states[name], Finished):
                self.post(name)

    def run(self, *, until: str = "", absent: Collection[str] = (), turns: int = 60) -> None:
        """Turns until *until* is the open step, or the job is over."""
        for _ in range(turns):
            status = self.floor.office.status(self.job)
            if status.ended or status.step == until:
                return
            self.turn(absent=absent)
        raise AssertionError(f"still at {self.floor.office.status(self.job).step}")
