"""The whole protocol in one process, on the same machines as the real thing: for notebooks, tests and teaching. Any operating system.

No jail, no network and no journal: whoever calls this has all the tables anyway.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors import snapshot
from connectors.tables import TableSource
from federated.coordinator.board import Board, shown
from federated.results import Result, result
from governance import notes
from governance.catalogue import Column, Dataset, Schema, category, number
from governance.encoding import build, parse, plain
from governance.errors import DecodeError, UsageError
from governance.keys import SigningKey
from governance.licences import LEAST_CELL
from sandbox import analyses, local, machine
from sandbox.analyses import Analysis
from sandbox.job import Job, nonce, parameters
from sandbox.machine import Accepting, Local, Plan, Signing
from sandbox.messages import Admission, Post, Relay, Release, step

NAME, PERSON = "simulation", "person_id"
FINEST, CONTEXT = Decimal("1e-17"), Context(prec=400)
Bounds = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Simulation:
    """Tables by holder, and what a catalogue would say of them."""

    tables: Mapping[str, pa.Table] = field(repr=False)
    schema: Schema
    note: str
    min_cell: int
    left_out: tuple[str, ...]

    def run(self, analysis: Analysis, *, where: str | None = None, release: Mapping[str, Any] | None = None, dataset: str | None = None,
            purpose: str | None = None, licence: str | None = None, deadline: str | int | None = None) -> Result:  # fmt: skip
        """Run *analysis* as the federation would; *dataset*, *purpose*, *licence* and *deadline* are taken as by `Hub.run` and not used."""
        rule = {"rule": "exact", "min_cell": self.min_cell, **(release or {})}
        if rule["rule"] != "exact" or rule.keys() != {"rule", "min_cell"} or not rule["min_cell"] >= LEAST_CELL:
            raise UsageError(f"this version releases under the rule exact, with a min_cell of at least {LEAST_CELL}")
        try:
            return self._run(analysis, where or "", int(rule["min_cell"]))
        except UsageError as error:
            if not self.left_out:
                raise
            raise UsageError(f"{error}; left out of the simulation: {'; '.join(self.left_out)}", code=error.code) from None

    def _run(self, analysis: Analysis, where: str, min_cell: int) -> Result:
        keys = {name: SigningKey.generate(name) for name in sorted(self.tables)}
        authority, coordinator, operator = (SigningKey.generate(n) for n in ("authority", "coordinator", "operator"))
        rows = max(t.num_rows for t in self.tables.values()) + 1
        dataset = notes.write(Dataset(NAME, 1, self.note, self.schema, tuple(keys), 1, max(rows, min_cell))).signed_by(authority)
        now = int(time.time())
        made = Job(self.note, str(operator.public), NAME, "0" * 64, NAME, dataset.id, where, analysis.name, analysis.version,
                   parameters(analyses.parameters_of(analysis)), "secagg", "exact", min_cell, now, now + 600, nonce())  # fmt: skip
        job = notes.write(made).signed_by(operator)
        plans = {
            name: Plan(str(job), str(dataset), name, tuple(str(k.public) for k in keys.values()), nonce(), name.encode())
            for name in keys
        }  # fmt: skip
        return _Run(plans, keys, coordinator, self.tables).result()


class _Run:
    """One job: the nodes' machines, the coordinator's board, and the local programs."""

    def __init__(
        self, plans: Mapping[str, Plan], keys: Mapping[str, SigningKey], coordinator: SigningKey, tables: Mapping[str, pa.Table]
    ) -> None:
        self.keys, self.coordinator = keys, coordinator
        plan = next(iter(plans.values()))
        self.case = plan.case
        self.board = Board(self.case.id, plan.keys, self.case.dataset.colluding, step("accept"), 0, 0, (), "")
        self.relays: dict[str, Relay] = {}
        self.programs = {n: local.program(local.spec(p.job, p.dataset), tables[n]) for n, p in plans.items()}
        self.states: dict[str, Any] = {}
        self.posts: dict[str, Post] = {}
        for name, p in plans.items():
            self.states[name], self.posts[name] = machine.accept(p, keys[name])

    def result(self) -> Result:
        while not self.board.release:
            self._step()
        note = notes.read(self.board.release)
        release = note.document(Release)
        signers = note.signers(*(k.public for k in self.keys.values()))
        return result(
            parse(release.result), self.case.id, holders=release.holders, survivors=release.survivors, signers=sorted(signers), entry=None
        )

    def _step(self) -> None:
        """Everybody posts, the board closes the step, everybody receives."""
        for post in self.posts.values():
            self.board.check(post)
        relay_step = self.board.step
        self.board, relay = self.board.close(self.posts, self.relays)
        if relay_step == step("accept"):
            relay = self._admitted(relay)
        self.relays[relay_step] = relay
        for name in self.keys:
            self._receive(name, shown(relay))

    def _admitted(self, relay: Relay) -> Relay:
        ids = tuple(notes.read(relay.bodies[n]).id for n in sorted(relay.bodies))
        admission = notes.write(Admission(self.case.id, self.case.job.licence, 1, ids, self.case.job.created)).signed_by(self.coordinator)
        return Relay(relay.step, relay.bodies, relay.payloads, str(admission))

    def _receive(self, name: str, relay: Relay) -> None:
        state = self.states[name]
        if isinstance(state, Accepting):
            state, _ = state.receive(relay, self.coordinator.public)
        elif isinstance(state, Signing):
            state = state.receive(relay)
        else:
            state, self.posts[name] = state.receive(relay, self.keys[name])
        if isinstance(state, Local):
            state, self.posts[name] = state.computed(self.programs[name](state.question), self.keys[name])
        self.states[name] = state


def simulate(tables: Mapping[str, pa.Table], bounds: Bounds | None = None, *, min_cell: int = 10, person: str | None = None) -> Simulation:
    """A federation of the caller's own tables, one for each holder.

    Parameters
    ----------
    tables
        Arrow tables with the same columns and one row for each person; at least three, one for each data holder. Columns that a catalogue
        could not register are left out.
    bounds
        Lowest and highest value of number columns. Where left out they are taken from the tables, which a real catalogue never does.
    min_cell
        Fewest persons in a cell at a holder.
    person
        Column that says which person a row is about; each row is a person unless given.
    """
    if len(tables) < 3:
        raise UsageError(f"secure sums need at least 3 data holders, got {len(tables)}")
    names = _names(tables, person)
    columns, left_out = _columns(_pooled(tables, names), bounds or {})
    schema = Schema(person or PERSON, columns)
    inferred = [c.name for c in schema.columns if c.kind == "number" and c.name not in (bounds or {})]
    note = "simulation" + (f", bounds from the tables: {', '.join(inferred)}" if inferred else "")
    return Simulation({n: _frozen(n, t, schema, person) for n, t in tables.items()}, schema, note[:64], min_cell, left_out)


def _names(tables: Mapping[str, pa.Table], person: str | None) -> list[str]:
    names = [n for n in next(iter(tables.values())).column_names if n != person]
    for holder, table in tables.items():
        if missing := sorted({*names, *([person] if person else [])} - set(table.column_names)):
            raise UsageError(f"the table of {holder} has no column {', '.join(missing)}")
    if person is None and PERSON in names:
        raise UsageError(f"the tables have a column {PERSON}; give person={PERSON!r} if it says which person a row is about")
    return names


def _pooled(tables: Mapping[str, pa.Table], names: list[str]) -> pa.Table:
    try:
        return pa.concat_tables([t.select(names) for t in tables.values()], promote_options="permissive")
    except pa.ArrowException as error:
        raise UsageError(f"the tables do not have the same columns: {error}") from None


def _columns(pooled: pa.Table, bounds: Bounds) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """Registered columns, and which could not be registered, with the reason."""
    if unknown := sorted(bounds.keys() - set(pooled.column_names)):
        raise UsageError(f"bounds are given for columns that are not there: {', '.join(unknown)}")
    made, left_out = [], []
    for name in pooled.column_names:
        try:
            made.append(build(Column, plain(_column(pooled, name, bounds.get(name)))))
        except DecodeError as error:
            left_out.append(f"{name} ({error})")
    if not made:
        raise UsageError(f"no column can be used: {'; '.join(left_out)}")
    return tuple(made), tuple(left_out)


def _column(pooled: pa.Table, name: str, bounds: tuple[float, float] | None) -> Column:
    values = pooled[name]
    if pa.types.is_boolean(values.type):
        return category(name, ("false", "true"))
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type) or pa.types.is_dictionary(values.type):
        return category(name, sorted(str(v) for v in pc.unique(values.cast(pa.string())).to_pylist() if v is not None))
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise DecodeError(f"has the type {values.type}; numbers, texts and booleans can be simulated")
    low, high = bounds or _range(values)
    return number(name, _decimal(low, ROUND_FLOOR), _decimal(high, ROUND_CEILING), cuts=())


def _range(values: pa.ChunkedArray) -> tuple[float, float]:
    there = values.cast(pa.float64()).drop_null()
    found = pc.min_max(there.filter(pc.is_finite(there))).as_py()
    low, high = float(found["min"] or 0.0), float(found["max"] or 0.0)
    return (low, high) if low < high else (low - 1.0, high + 1.0)


def _decimal(value: float, rounding: str) -> str:
    """At most 17 digits after the point, rounded outwards, no exponent."""
    text = f"{Decimal(repr(float(value))).quantize(FINEST, rounding, CONTEXT):f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _frozen(name: str, table: pa.Table, schema: Schema, person: str | None) -> pa.Table:
    if person is None:
        table = table.append_column(PERSON, pa.array(range(table.num_rows), pa.int64()))
    with tempfile.TemporaryDirectory() as folder:
        made = snapshot.freeze(TableSource(name, table), schema, Path(folder) / "rows.arrow")
        if made.rows != made.persons:
            raise UsageError(f"the table of {name} must have one row for each person, but {person} repeats")
        loaded = snapshot.load(made.path, tuple(c.name for c in schema.columns))
        return pa.ipc.open_stream(_stream(loaded)).read_all()  # a copy: the file goes


def _stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
