"""A federation in this process: the product's machines and board, with places where a test can lie, drop out, or look on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from federated.coordinator.board import Board
from governance import notes
from governance.catalogue import HOME, Dataset, Schema
from governance.encoding import decode, encode, parse
from governance.keys import SigningKey
from mpc.encoding import FixedPoint
from sandbox import analyses, auditing, local, machine, spends
from sandbox import case as cases
from sandbox.analyses import Analysis
from sandbox.case import Case
from sandbox.job import Job, nonce, parameters
from sandbox.machine import Accepting, Dealing, Local, Spending, Weighing
from sandbox.messages import Admission, Post, Relay, Release, kind_of, step
from sandbox.rows import PERSON
from sandbox.summing import Plan

ENOUGH = 1.5  # times min_cell weigh enough: a node's limit without its noise, and lower, so that small tables can be used
NOW = 1_800_000_000
AUTHORITY, COORDINATOR, OPERATOR = (SigningKey.generate(name) for name in ("authority", "coordinator", "operator"))
_KEYS: dict[str, SigningKey] = {}

TEST_PRIMES = json.loads((Path(__file__).parent / "vectors/threshold/test-keys.json").read_text())["primes"]["1024"]
PRIMES = [tuple(map(int, TEST_PRIMES[i : i + 2])) for i in (0, 2)]  # of the two dealers

Tables = Mapping[str, pa.Table]


def key(name: str) -> SigningKey:
    """A holder's key, the same in all tests."""
    return _KEYS.setdefault(name, SigningKey.generate(name))


def table(schema: Schema, columns: Mapping[str, Sequence[Any]], persons: Sequence[int] | None = None) -> pa.Table:
    """Rows in the registered form of a snapshot: *columns* hold numbers, names of levels, or None."""
    size = len(next(iter(columns.values())))
    made: dict[str, pa.Array] = {PERSON: pa.array(range(size) if persons is None else persons, pa.int32())}
    for name, values in columns.items():
        column = schema[name]
        if column.kind == "number":
            made[name] = pa.array([None if v is None else float(v) for v in values], pa.float64())
        else:
            made[name] = pa.array([None if v is None else column.levels.index(v) for v in values], pa.int16())
    return pa.table(made)


def split(whole: pa.Table, cuts: Iterable[int]) -> dict[str, pa.Table]:
    """Consecutive parts of *whole* for holders a, b, c, …; equal cuts make an empty part."""
    edges = [0, *sorted(cuts), whole.num_rows]
    return {name: whole.slice(a, b - a) for name, (a, b) in zip("abcdefgh", itertools.pairwise(edges), strict=False)}


def texts(schema: Schema, analysis: Analysis, holders: Iterable[str], *, where: str = "", min_cell: int = 10, colluding: int = 1,
          rows: int = 10**6, **more: Any) -> tuple[str, str]:  # fmt: skip
    """The signed job and dataset; *more* are other fields of the job."""
    dataset = notes.write(Dataset("trial", 1, "trial", schema, tuple(sorted(holders)), colluding, rows)).signed_by(AUTHORITY)
    fields: dict[str, Any] = {
        "title": "trial", "operator": str(OPERATOR.public), "coordinator": str(COORDINATOR.public), "purpose": "research",
        "licence": "0" * 64, "dataset": "trial", "catalogue": dataset.id,
        "where": where, "analysis": analysis.name, "version": analysis.version, "parameters": parameters(analyses.parameters_of(analysis)),
        "protect": "secagg", "rule": "exact", "min_cell": min_cell, "created": NOW, "deadline": NOW + 600, "nonce": nonce(), "region": HOME, **more,
    }  # fmt: skip
    return str(notes.write(Job(**fields)).signed_by(OPERATOR)), str(dataset)


def case(schema: Schema, analysis: Analysis, holders: Iterable[str] = "abc", **more: Any) -> Case:
    return cases.read(*texts(schema, analysis, holders, **more))


def pooled(of: Case, tables: Collection[pa.Table], *, bodies: list[Any] | None = None) -> dict[str, Any]:
    """What is released, from plain sums of the holders' encoded statistics: a job without its secure sums. *bodies* gets every state."""
    counts = sum(local.support(of, t) for t in tables)
    body = of.after_support([int(n) for n in counts])
    while "outcome" not in body["analysis"]:
        if of.weighs(body):
            holders = sum(local.weight(of, t, body["analysis"], local.persons(of, t)) >= ENOUGH * of.job.min_cell for t in tables)
            body = of.after_weighing(int(holders), body)
        if bodies is not None:
            bodies.append(body)
        if of.asks_support(body):
            counts = sum(local.statistics(of, t, body) for t in tables)
            body = of.after_support([int(n) for n in counts], body)
            continue
        code = FixedPoint(bound=of.bounds(body), terms=len(of.dataset.holders), bits=128)
        words = [code.encode(local.statistics(of, t, body)) for t in tables]
        body = of.after_round(body, of.named(body, code.decode(_added(words))))
    if bodies is not None:
        bodies.append(body)
    return of.release(body)


def _added(words: Sequence[np.ndarray]) -> np.ndarray:
    """Sum modulo 2**128 of pairs of 64-bit words, low word first."""
    numbers = [[int(low) + (int(high) << 64) for low, high in rows] for rows in words]
    total = [sum(column) % 2**128 for column in zip(*numbers, strict=True)]
    return np.array([[n % 2**64, n >> 64] for n in total], np.uint64)


class Run:
    """One job at several nodes, step by step.

    *asked* are the questions that reached each local program; *seen* is all that the coordinator got. With *journal* every state goes
    through its encoded form between two steps, as a node's journal makes it. *earlier* are the conditions that each node remembers.
    """

    def __init__(self, tables: Tables, *, of: tuple[str, str], journal: bool = False,
                 earlier: Mapping[str, tuple[str, ...]] | None = None) -> None:  # fmt: skip
        self.job, self.dataset = of
        self.case = cases.read(*of)
        self.names = tuple(sorted(tables))
        self.journal, self.release = journal, ""
        keys, earlier = tuple(str(key(n).public) for n in self.names), earlier or {}
        self.board = Board(self.case.id, keys, self.case.dataset.colluding, step("accept"), 0, 0, (), "", self.case.job.protect)
        self.plans = {n: Plan(*of, n, keys, nonce(), earlier=earlier.get(n, ())) for n in self.names}
        together = auditing.distinct([text for texts in earlier.values() for text in texts], self.case.dataset.schema)
        self.programs = {n: local.program(local.spec(*of, together), t) for n, t in tables.items()}
        self.asked: dict[str, list[bytes]] = {n: [] for n in self.names}
        self.relays: dict[str, Relay] = {}
        self.seen: list[Post] = []
        self.states: dict[str, Any] = {}
        self.posts: dict[str, Post] = {}
        for n in self.names:
            self.states[n], self.posts[n] = machine.accept(self.plans[n], key(n))

    def to(self, name: str, **more: Any) -> Run:
        """Honest steps until *name* is the open step and everybody has a post for it."""
        while self.board.step != name:
            self.advance(**more)
        return self

    def finish(self, **more: Any) -> Release:
        """Honest steps to the end; the release."""
        while not self.release:
            self.advance(**more)
        return notes.read(self.release).document(Release)

    def advance(self, *, absent: Collection[str] = (), tamper: Callable[[str, Relay], Relay] = lambda name, relay: relay) -> None:
        """Close a step without the posts of those *absent*, and deliver its relay, to each as *tamper* makes it."""
        relay = self.close(absent=absent)
        for name in self.names:
            if name not in absent:
                self.deliver(name, tamper(name, relay))

    def close(self, *, absent: Collection[str] = ()) -> Relay:
        """Post, close the step, and return its relay as nodes get it."""
        posts = {n: p for n, p in self.posts.items() if n not in absent and p.step == self.board.step}
        for post in posts.values():
            self.board.check(post)
            self.seen.append(post)
        closing = self.board.closing(posts, late=True, earlier=())
        if closing is None:
            raise AssertionError(f"step {self.board.step} cannot close with {sorted(posts)}")
        name = self.board.step
        self.board, relay = self.board.close(closing, self.relays)
        if name == step("accept"):
            relay = replace(relay, admission=str(self.admission(relay)))
        self.relays[name], self.release = relay, self.board.release
        return self.board.shown(relay)

    def admission(self, relay: Relay, **changes: Any) -> notes.Note:
        """The coordinator's note after the acceptances."""
        ids = tuple(notes.read(relay.bodies[n]).id for n in sorted(relay.bodies))
        document = Admission(self.case.id, self.case.job.licence, (1,), ids, NOW)
        return notes.write(replace(document, **changes)).signed_by(COORDINATOR)

    def deliver(self, name: str, relay: Relay) -> None:
        """What a node does with a relay, up to its next post."""
        following, post = self.received(name, relay)
        if isinstance(following, Spending):
            following, post = following.proved(spends.proved(self.case.id, key(name), map(key, self.names), NOW), key(name))
        elif isinstance(following, Dealing):
            following, post = following.dealt(key(name), bits=2048, primes=PRIMES[self.names.index(name) % 2])
        elif isinstance(following, Local):
            self.asked[name].append(following.question)
            following, post = self.computed(name, following)
        self.states[name] = self._kept(following)
        if post is not None:
            self.posts[name] = self._kept(post)

    def computed(self, name: str, state: Any) -> tuple[Any, Post]:
        """What *state* becomes once the local program answered."""
        limit = (ENOUGH * self.case.job.min_cell,) if isinstance(state, Weighing) else ()
        made: tuple[Any, Post] = state.computed(self.programs[name](state.question), key(name), *limit)
        return made

    def received(self, name: str, relay: Relay) -> tuple[Any, Post | None]:
        """The state after *relay* and its post; nothing is changed here, so that a test can try many relays on one state."""
        return received(self.states[name], relay, key(name))

    def abstain(self, *names: str) -> None:
        """The nodes promise not to unmask the open attempt."""
        for name in names:
            self.states[name], self.posts[name] = self.states[name].abstain(key(name))

    def _kept(self, value: Any) -> Any:
        return decode(encode(value), type(value)) if self.journal else value


def received(state: Any, relay: Relay, by: SigningKey) -> tuple[Any, Post | None]:
    """What *state* of the node with the key *by* becomes, and what it posts."""
    if isinstance(state, Accepting):
        return state.receive(relay, COORDINATOR.public)[0], None
    following: tuple[Any, Post | None] = state.receive(relay, by)
    return following


def lengths(posts: Iterable[Post]) -> list[tuple[str, str, int, tuple[int, ...]]]:
    """What an onlooker can measure of posts: step, sender, sizes."""
    return [(p.step, p.sender, len(p.body), tuple(map(len, p.payloads))) for p in posts]


def bodies(run: Run) -> dict[str, Any]:
    """The states that the roster signed, by step, as the coordinator reads them."""
    found = {}
    for post in run.seen:
        if kind_of(post.step) == "state" and not notes.read(post.body).holds(Release):
            found[post.step] = parse(notes.read(post.body).document(machine.AgreedState).body)
    return found
