"""The whole protocol in one process, on the same machines as the real thing: for notebooks, tests and teaching. Any operating system.

No jail, no network and no journal: whoever calls this has all the tables anyway.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from connectors import normal, snapshot
from connectors.tables import TableSource, as_arrow
from federated.coordinator.board import Board
from federated.language import padded, said
from federated.progress import Progress, bar
from federated.results import Returned, result
from governance import notes
from governance.catalogue import HOME, Column, Dataset, Schema, category, number
from governance.details import in_chinese
from governance.encoding import build, parse, plain
from governance.errors import DecodeError, UsageError
from governance.handwritten import by_hand
from governance.keys import SigningKey, check_name
from sandbox import analyses, local, machine, spends, weight
from sandbox.analyses import Analysis
from sandbox.job import RULE, Job, Protection, check, least_cell, nonce, parameters
from sandbox.machine import Accepting, Dealing, Local, Spending, Weighing
from sandbox.messages import Admission, Post, Relay, Release, Status, kind_of, step
from sandbox.summing import Plan

NAME, PERSON = "simulation", "person_id"
FINEST, CONTEXT = Decimal("1e-17"), Context(prec=400)
UNPROVED = (
    "a simulation has no proof: this process played every party, so there is nothing to verify and no bundle to save; a federation's "
    "result, of hub.run, has both"
)
HINTS = {
    "job.parameter": "levels={column: [value, …]} makes a category of a column, bounds={column: (low, high)} a number",
    "job.predicate": "a simulation has no cut points: make a column of groups, as with pandas.cut, and compare that",
}
Bounds = Mapping[str, tuple[float, float]]
Levels = Mapping[str, Sequence[object] | Mapping[object, str]]


@dataclass(frozen=True, slots=True, repr=False)
class Simulation:
    """Tables by holder, and what a catalogue would say of them."""

    tables: Mapping[str, pa.Table] = field(repr=False)
    schema: Schema
    inferred: tuple[str, ...]  # number columns whose bounds come from the tables
    min_cell: int
    colluding: int
    left_out: tuple[str, ...]

    @property
    def title(self) -> str:
        return said(f"{NAME}, bounds from the tables", "模拟，上下界取自各表") if self.inferred else said(NAME, "模拟")

    def __repr__(self) -> str:
        """What the columns are taken as."""
        to = said("to", "至")
        rows = [
            f"  {c.name:<20} {padded(said(c.kind, in_chinese(c.kind)), 9)} {' | '.join(c.levels) or f'{c.low} {to} {c.high}'}"
            for c in self.schema.columns
        ]
        head = self.title + (said(": ", "：") + ", ".join(self.inferred) if self.inferred else "")
        n, c = len(self.tables), self.colluding
        holders = said(f"; {n} data holders, of whom {c} may collude", f"；{n} 家数据持有方，其中至多 {c} 家可能合谋")
        return "\n".join([head + holders, *rows, *(said(f"  left out: {reason}", f"  未采用：{reason}") for reason in self.left_out)])

    def run(self, analysis: Analysis, *, where: str | None = None, release: Mapping[str, Any] | None = None, protect: Protection = "secagg",
            progress: Progress | None = None, dataset: str | None = None, purpose: str | None = None, licence: str | None = None,
            deadline: str | None = None, title: str | None = None) -> Simulated:  # fmt: skip
        """Run *analysis* as the federation would.

        *where*, *release*, *protect* and *progress* are those of `Hub.run`; *dataset*, *purpose*, *licence*, *deadline* and *title* are
        taken as there and not used.
        """
        spec = {"where": where, "release": release, "protect": protect}
        check(spec)
        try:
            with bar(silent=progress is not None) as shown:
                return self._run(analysis, where or "", least_cell(spec, self.min_cell), protect, progress or shown)
        except UsageError as error:
            more = [HINTS[error.code]] if error.code in HINTS else []
            more += [f"left out of the simulation: {'; '.join(self.left_out)}"] if self.left_out else []
            raise UsageError("; ".join([error.detail or str(error.facts.get("detail", error)), *more]), code=error.code) from None

    def _run(self, analysis: Analysis, where: str, min_cell: int, protect: Protection, progress: Progress | None) -> Simulated:
        keys = {name: SigningKey.generate(name) for name in sorted(self.tables)}
        authority, coordinator, operator = (SigningKey.generate(n) for n in ("authority", "coordinator", "operator"))
        rows = max(t.num_rows for t in self.tables.values()) + 1
        entry = Dataset(NAME, 1, self.title, self.schema, tuple(keys), self.colluding, max(rows, min_cell))
        dataset = notes.write(entry).signed_by(authority)
        now = int(time.time())
        made = Job(self.title, str(operator.public), str(coordinator.public), NAME, "0" * 64, NAME, dataset.id, where,
                   analysis.name, analysis.version, parameters(analyses.parameters_of(analysis)), protect, RULE, min_cell,
                   now, now + 600, nonce(), HOME)  # fmt: skip
        with by_hand():
            job = notes.write(build(Job, plain(made))).signed_by(operator)
        plans = {
            name: Plan(str(job), str(dataset), name, tuple(str(k.public) for k in keys.values()), nonce())
            for name in keys
        }  # fmt: skip
        return _Run(plans, keys, coordinator, self.tables, progress).result()


@dataclass(frozen=True, slots=True, repr=False)
class Simulated(Returned):
    """A result that no federation stands behind: it has all that a `federated.client.Released` has, but for a proof."""

    def verify(self) -> NoReturn:
        """Raises `UsageError`: there is nothing to verify."""
        raise UsageError(UNPROVED)

    def save(self, path: str | Path) -> NoReturn:
        """Raises `UsageError`: there is no bundle."""
        raise UsageError(UNPROVED)


class _Run:
    """One job: the nodes' machines, the coordinator's board, and the local programs."""

    def __init__(self, plans: Mapping[str, Plan], keys: Mapping[str, SigningKey], coordinator: SigningKey, tables: Mapping[str, pa.Table],
                 progress: Progress | None) -> None:  # fmt: skip
        self.keys, self.coordinator, self.progress = keys, coordinator, progress
        plan = next(iter(plans.values()))
        self.case = plan.case
        self.board = Board(self.case.id, plan.keys, self.case.dataset.colluding, step("accept"), 0, 0, (), "", self.case.job.protect)
        self.relays: dict[str, Relay] = {}
        self.programs = {n: local.program(local.spec(p.job, p.dataset), tables[n]) for n, p in plans.items()}
        self.limits = {name: weight.fresh() for name in plans}
        self.states: dict[str, Any] = {}
        self.posts: dict[str, Post] = {}
        for name, p in plans.items():
            self.states[name], self.posts[name] = machine.accept(p, keys[name])

    def result(self) -> Simulated:
        while not self.board.release:
            self._step()
        self._tell("released")
        note = notes.read(self.board.release)
        release = note.document(Release)
        signers = note.signers(*(k.public for k in self.keys.values()))
        return Simulated(result(
            parse(release.result), self.case.id, holders=release.holders, survivors=release.survivors, signers=sorted(signers), entry=None
        ))  # fmt: skip

    def _tell(self, phase: str = "running") -> None:
        """Say where the job stands; making keys and decrypting takes a while."""
        if self.progress:
            job, at = self.case.job, self.board.step
            awaited = sorted(self.board.dealers) if kind_of(at) == "deal" else ()
            self.progress(Status(self.case.id, job.title, NAME, job.method, "operator", phase, at, tuple(awaited), "", "", "", job.created,
                                 job.deadline, len(self.relays)))  # fmt: skip

    def _step(self) -> None:
        """Everybody posts, the board closes the step, everybody receives."""
        for post in self.posts.values():
            self.board.check(post)
        relay_step = self.board.step
        self.board, relay = self.board.close(self.posts, self.relays)
        if relay_step == step("accept"):
            relay = self._admitted(relay)
        self.relays[relay_step] = relay
        self._tell()
        for name in self.keys:
            self._receive(name, self.board.shown(relay))

    def _admitted(self, relay: Relay) -> Relay:
        ids = tuple(notes.read(relay.bodies[n]).id for n in sorted(relay.bodies))
        admission = Admission(self.case.id, self.case.job.licence, (1,), ids, self.case.job.created)
        return Relay(relay.step, relay.bodies, relay.payloads, str(notes.write(admission).signed_by(self.coordinator)))

    def _receive(self, name: str, relay: Relay) -> None:
        state = self.states[name]
        if isinstance(state, Accepting):
            state, _ = state.receive(relay, self.coordinator.public)
        else:
            state, post = state.receive(relay, self.keys[name])
            self.posts[name] = post or self.posts[name]
        if isinstance(state, Spending):
            proof = spends.proved(self.case.id, self.keys[name], self.keys.values(), self.case.job.created)
            state, self.posts[name] = state.proved(proof, self.keys[name])
        if isinstance(state, Dealing):
            state, self.posts[name] = state.dealt(self.keys[name])
        elif isinstance(state, Local):
            state, self.posts[name] = self._computed(name, state)
        self.states[name] = state

    def _computed(self, name: str, state: Local) -> tuple[Any, Post]:
        answer = self.programs[name](state.question)
        if isinstance(state, Weighing):
            return state.computed(answer, self.keys[name], self.limits[name].draw(self.case.job.min_cell))
        return state.computed(answer, self.keys[name])


def simulate(
    tables: Mapping[str, Any],
    bounds: Bounds | None = None,
    *,
    levels: Levels | None = None,
    min_cell: int = 10,
    colluding: int = 1,
    person: str | None = None,
) -> Simulation:
    """A federation of the caller's own tables, one for each holder.

    Parameters
    ----------
    tables
        pandas frames or Arrow tables with the same columns and one row for each person; at least three, one for each data holder. Columns
        that a catalogue could not register are left out.
    bounds
        Lowest and highest value of number columns. Where left out they are taken from the tables, which a real catalogue never does.
    levels
        Values of category columns in the order wanted, ``{"grade": ["low", "high"]}``, or the name of each value, ``{"sex": {1: "male",
        2: "female"}}``. Where left out, texts, booleans and a frame's categories are categories of the values that occur, and so is a
        column of nothing but 0 and 1 that has no *bounds*; other numbers are numbers.
    min_cell
        Fewest persons in a cell at a holder.
    colluding
        c, how many holders may be in league with operator and coordinator; at least c + 2 holders are needed. A cell needs c + 1 with
        min_cell persons, the whole cohort c + 2, and ``protect="threshold"`` has c + 1 dealers.
    person
        Column that says which person a row is about; each row is a person unless given.
    """
    if not isinstance(tables, Mapping):
        raise UsageError(f"give the tables by data holder, {{'a': table, 'b': table, …}}, not a {type(tables).__name__}")
    if len(tables) < 3:
        raise UsageError(f"secure sums need at least 3 data holders, got {len(tables)}")
    if isinstance(colluding, bool) or not isinstance(colluding, int) or not 1 <= colluding <= len(tables) - 2:
        raise UsageError(f"colluding must be in 1..{len(tables) - 2} for {len(tables)} data holders, got {colluding}")
    read = {_holder(name): as_arrow(name, table) for name, table in tables.items()}
    names = _names(read, person)
    columns, left_out = _columns(_pooled(read, names), bounds or {}, levels or {})
    schema = Schema(person or PERSON, columns)
    inferred = tuple(c.name for c in schema.columns if c.kind == "number" and c.name not in (bounds or {}))
    return Simulation({n: _frozen(n, t, schema, person) for n, t in read.items()}, schema, inferred, min_cell, colluding, left_out)


def _holder(name: object) -> str:
    try:
        return check_name(name if isinstance(name, str) else "")
    except DecodeError as error:
        raise UsageError(f"{name!r} cannot name a data holder: {error}") from None


def _names(tables: Mapping[str, pa.Table], person: str | None) -> list[str]:
    """The columns, which all the tables must have, besides *person*."""
    first, *_ = tables
    wanted = set(tables[first].column_names) | ({person} if person else set())
    for holder, table in tables.items():
        if missing := sorted(wanted - set(table.column_names)):
            raise UsageError(f"the table of {holder} has no column {', '.join(missing)}")
        if more := sorted(set(table.column_names) - wanted):
            raise UsageError(f"the table of {first} has no column {', '.join(more)}, which that of {holder} has")
    if person is None and PERSON in wanted:
        raise UsageError(f"the tables have a column {PERSON}; give person={PERSON!r} if it says which person a row is about")
    return [n for n in tables[first].column_names if n != person]


def _pooled(tables: Mapping[str, pa.Table], names: list[str]) -> pa.Table:
    try:
        return pa.concat_tables([t.select(names) for t in tables.values()], promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        raise UsageError(f"the tables do not have the same columns: {error}") from None


def _columns(pooled: pa.Table, bounds: Bounds, levels: Levels) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """Registered columns, and which could not be registered, with the reason."""
    for what, given in (("bounds", bounds), ("levels", levels)):
        if unknown := sorted(given.keys() - set(pooled.column_names)):
            raise UsageError(f"{what} are given for columns that are not there: {', '.join(unknown)}")
    if both := sorted(bounds.keys() & levels.keys()):
        raise UsageError(f"a column has bounds or levels, not both: {', '.join(both)}")
    made, left_out = [], []
    for name in pooled.column_names:
        try:
            made.append(build(Column, plain(_column(pooled[name], name, bounds.get(name), levels.get(name)))))
        except DecodeError as error:
            if name in bounds or name in levels:
                raise UsageError(str(error)) from None
            left_out.append(f"{name} ({error})")
    if not made:
        raise UsageError(f"no column can be used: {'; '.join(left_out)}")
    return tuple(made), tuple(left_out)


def _column(values: pa.ChunkedArray, name: str, bounds: tuple[float, float] | None, levels: Any) -> Column:
    if levels is not None:
        return _declared(values, name, levels)
    kind = normal.plain_type(values.type)
    if pa.types.is_boolean(kind):
        return category(name, ("false", "true"))
    if pa.types.is_dictionary(values.type) and normal.is_scalar(kind):
        return category(name, _in_order(values))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return category(name, sorted(_values(values)))
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise DecodeError(f"has the type {values.type}; numbers, texts and booleans can be simulated")
    if bounds is None and set(_values(values)) == {0, 1}:
        return category(name, ("0", "1"))
    low, high = _pair(name, bounds) if bounds is not None else _range(values)
    return number(name, _decimal(low, ROUND_FLOOR), _decimal(high, ROUND_CEILING), cuts=())


def _values(values: pa.ChunkedArray) -> list[Any]:
    """The different values that are there; NaN is not."""
    return [v for v in pc.unique(values).to_pylist() if v is not None and v == v]  # noqa: PLR0124


def _in_order(values: pa.ChunkedArray) -> list[str]:
    """Levels that occur, in the order of the categories."""
    there = {str(v) for v in _values(values)}
    order = values.unify_dictionaries().chunk(0).dictionary.to_pylist() if values.num_chunks else []
    return [level for level in map(str, order) if level in there]


def _declared(values: pa.ChunkedArray, name: str, levels: Any) -> Column:
    """The category that the caller declares; every value must be in it, so that none gets lost by a slip."""
    if isinstance(levels, str | bytes) or not isinstance(levels, Mapping | Sequence):
        raise UsageError(f"levels of {name} read [value, …] or {{value: level, …}}")
    codes = tuple(str(v) for v in levels)
    made = category(name, map(str, levels.values()) if isinstance(levels, Mapping) else codes, codes=codes)
    there = [v for v in _values(values) if str(v).strip()]
    lost = [str(v) for v, level in zip(there, normal.levels(pa.array(there), made).to_pylist(), strict=True) if level is None]
    if lost:
        raise UsageError(
            f"levels of {name} leave out {', '.join(lost[:8])}{' …' if len(lost) > 8 else ''}; {{value: level, …}} names each value"
        )
    return made


def _pair(name: str, bounds: Any) -> tuple[float, float]:
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError):
        raise UsageError(f"bounds of {name} read (low, high)") from None
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UsageError(f"bounds of {name} must be finite")
    return low, high


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
