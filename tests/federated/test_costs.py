"""Costs by declared quantities: they add up over jobs, datasets and organisations, and no row can move them."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import calls
import pytest
from coordinators import KEYS, ROSTER, STRANGER
from hypothesis import given
from hypothesis import strategies as st
from offices import Nodes
from trails import Trail, tables

from federated import accounts, costs
from governance import notes
from governance.costs import Costs, Work, cost, opened
from governance.errors import DecodeError, IntegrityError, Refused, UsageError

TABLE = Costs(str(KEYS["north"].public), "cohort", 1, 8000, 6, 20, 3, 50)


def note(holder: str = "north", **changes) -> str:
    key = KEYS[holder]
    return str(notes.write(replace(TABLE, holder=str(key.public), **changes)).signed_by(key))


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    made = Trail(tmp_path_factory.mktemp("coordinator"))
    made.run("ward == 'a'")
    made.run(purpose="public-interest")
    made.refuse(Refused(code="policy.purpose", purpose="research"))
    made.submit(purpose="marketing")
    yield made
    made.office.journal.close()


@given(
    st.lists(st.builds(Costs, st.just(TABLE.holder), st.just("cohort"), st.just(1), *[st.integers(0, 10**5)] * 5), min_size=4, max_size=4)
)
def test_sums_over_jobs_datasets_and_organisations_are_one(trail, given_tables):
    found = trail.read()
    each = [str(notes.write(replace(t, holder=str(KEYS[n].public))).signed_by(KEYS[n])) for n, t in zip(ROSTER, given_tables, strict=True)]
    made = costs.Tables.read(each, found)
    totals = {by: {f: sum(row[f] for row in costs.table(found, made, by=by)) for f in costs.MONEY} for by in costs.BY}
    assert totals["job"] == totals["dataset"] == totals["organisation"]
    assert totals["job"]["cost"] == sum(row["cost"] for row in costs.booked(found, made))
    assert totals["job"]["revenue"] == sum(line.fen for line in accounts.statement(found).lines) == 1001
    assert len(costs.table(found, made, by="job")) == 2, "what was refused cost nobody a round"


@given(st.builds(Work, st.integers(0, 30), st.integers(0, 50), st.integers(0, 10**7)))
def test_a_cost_is_its_parts_rounded_up_once(work):
    exact = (
        Fraction(6 * 8000, 60) + Fraction(work.rounds * 3 * 20, 1000) + Fraction(work.rounds * work.columns * work.rows * 8 * 50, 10**12)
    )
    assert 0 <= cost(TABLE, work) - exact < 1


def test_rows_do_not_move_a_cost(tmp_path):
    """The same job over many rows and over hardly any costs the same."""
    told = []
    for i, size in enumerate((80, 12)):
        trail = Trail(tmp_path / str(i)) if (tmp_path / str(i)).mkdir() is None else None
        job = trail.submit()
        Nodes(trail.floor, job, {name: table.slice(0, size) for name, table in tables().items()}).run()
        found = trail.read()
        told.append([(r["organisation"], r["cost"]) for r in costs.booked(found, costs.Tables.read(map(note, ROSTER), found))])
        trail.office.journal.close()
    assert told[0] == told[1] and len(told[0]) == len(ROSTER)


def test_the_newest_table_of_an_enrolled_holder_counts(trail):
    found = trail.read()
    texts = [*map(note, ROSTER), note("north", version=2, hour=0), note("north", hour=9000)]
    read = costs.Tables.read(texts, found)
    assert read.newest[TABLE.holder, "cohort"].version == 2
    with pytest.raises(UsageError, match="House of west has no cost table"):
        costs.table(found, costs.Tables.read(texts[:3], found), by="job")
    strange = notes.write(replace(TABLE, holder=str(STRANGER.public))).signed_by(STRANGER)
    with pytest.raises(UsageError, match="not from a data holder"):
        costs.Tables.read([str(strange)], found)
    with pytest.raises(IntegrityError):
        opened(str(notes.write(TABLE).signed_by(KEYS["south"])))
    with pytest.raises(DecodeError):
        notes.read(str(notes.write(replace(TABLE, second=-1)).signed_by(KEYS["north"]))).document(Costs)


def test_the_commands(trail, tmp_path, capsys):
    file = trail.written(tmp_path)
    options = [word for name in ROSTER for word in ("--table", tmp_path / f"{name}.note")]
    for name in ROSTER:
        (tmp_path / f"{name}.note").write_text(note(name))
    elsewhere = [file / "records.json", "--authority", file / "root.note", *options]
    KEYS["north"].save(tmp_path / "north.key")
    booked = ["--hour", 8000, "--minutes", 6, "--second", 20, "--seconds", 3, "--gigabyte", 50]
    calls.keyong(capsys, "settle", "rates", "cohort", "--key", tmp_path / "north.key", *booked, "--out", tmp_path / "north.note")
    assert (tmp_path / "north.note").read_text() == note()
    wrong = ("settle", "rates", "cohort", "--key", tmp_path / "north.key", "--hour", -1, "--out", tmp_path / "wrong.note")
    assert "hour" in calls.keyong(capsys, *wrong, code=2).err and not (tmp_path / "wrong.note").exists()
    told = json.loads(calls.keyong(capsys, "settle", "costs", *elsewhere, "--by", "dataset", "--json").out)
    assert told["rows"] == [{"dataset": "cohort", "cost": told["cost"], "revenue": 1001}]
    calls.keyong(capsys, "settle", "costs", *elsewhere, "--by", "organisation", "--out", tmp_path / "costs.csv")
    assert (tmp_path / "costs.csv").read_text().startswith("organisation,cost,revenue\nHouse of east,")
    assert "10.01" in calls.keyong(capsys, "settle", "costs", *elsewhere).out.splitlines()[-1]
