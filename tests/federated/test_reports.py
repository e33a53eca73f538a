"""Reports: every field is filled from the records, and what is told in two tables adds up to the same."""

from __future__ import annotations

import json
import time

import calls
import coordinators
import pytest
import trails
from trails import Trail

from federated import accounts, metrics, reports
from governance.errors import LicenceRefused, UsageError

YEAR = time.strftime("%Y", time.gmtime())
MONTH = time.strftime("%Y-%m", time.gmtime())


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    made = Trail(tmp_path_factory.mktemp("coordinator"))
    made.first = made.run("ward == 'a'")
    made.public = made.run("ward == 'a'", purpose="public-interest")
    for _ in range(5):
        made.submit(purpose="marketing")
    made.refuse(LicenceRefused(code="licence.column"))
    made.office.cancel(made.submit(), made.office.parties()["operator"])
    yield made
    made.office.journal.close()


@pytest.fixture(scope="module")
def file(trail, tmp_path_factory):
    return trail.written(tmp_path_factory.mktemp("elsewhere"))


def test_a_year_in_figures(trail):
    row = reports.stats(trail.read(), reports.period(YEAR))
    numbers = sum(r.numbers for r in trail.read().jobs if r.released)
    assert {**row, "from": "", "to": ""} == {
        "from": "", "to": "", "ledger": "coordinator", "jobs": 9, "released": 2, "refused": 6, "ended": 1, "numbers": numbers, "questions": 1,
        "operators": 1, "datasets": 1, "fen": 1001,
    }  # fmt: skip
    assert (row["from"], row["to"]) == (f"{YEAR}-01-01", f"{YEAR}-12-31")
    assert reports.stats(trail.read(), reports.period("1999"))["jobs"] == 0


def test_both_tables_of_the_disclosure_add_up_to_the_year_s_figures(trail):
    found = trail.read()
    total, tables = reports.stats(found, reports.period(YEAR)), reports.disclose(found, reports.period(YEAR))
    for field in ("jobs", "released", "refused", "ended", "numbers", "fen"):
        assert sum(row[field] for row in tables["operators"]) == total[field], field
    assert sum(row["fen"] for row in tables["implementers"]) == total["fen"]
    assert [row["operator"] for row in tables["operators"]] == ["House of operator", "House of rival"]
    first = tables["operators"][0]
    assert (first["licences"], first["datasets"], first["purposes"]) == (2, "cohort", "public-interest, research")
    assert {row["organisation"]: row["releases"] for row in tables["implementers"]}["House of other"] == 0
    assert all(value is not None for table in tables.values() for row in table for value in row.values())


def test_a_month_says_what_each_operator_was_refused_and_why(trail):
    [row] = reports.monitor(trail.read(), reports.period(MONTH))
    assert row["codes"] == "job.cancelled 1, licence.column 1, licence.purpose 5"
    assert reports.monitor(trail.read(), reports.period("1999-12")) == []


def test_a_licence_s_scorecard(trail):
    row = reports.evaluate(trail.licence, trail.read(), now=int(time.time()))
    assert (row["used"], row["left"], row["fen"], row["alarms"], row["warnings"]) == (2, 998, 1001, 0, 1)
    assert (row["rules"], row["revoked"], row["operator"]) == ("refusals.burst", False, "House of operator")


def test_after_its_exit_no_job_runs_and_every_result_is_listed(tmp_path):
    trail = Trail(tmp_path)
    done, waits = trail.run(), trail.submit()
    now = int(time.time())
    before = reports.leave(trail.licence, trail.read(), now=now)
    assert (before["closed"], before["over"], before["running"]) == (False, False, [waits])
    trail.office.publish(coordinators.revocations(2, trail.licence))
    after = reports.leave(trail.licence, trail.read(), now=now)
    assert after["closed"] and [a["job"] for a in after["artefacts"]] == [done]
    assert after["settlement"]["fen"] == accounts.statement(trail.read()).owed["House of operator"] == 1001
    with pytest.raises(LicenceRefused):
        trail.office.submit(trail.job(), trail.office.parties()["operator"])
    trail.office.journal.close()


@pytest.mark.parametrize("text", ["26-", "2026-13", "next", "0", "99999"])
def test_a_period_is_a_year_or_a_month(text):
    with pytest.raises(UsageError, match="a period reads"):
        reports.period(text)
    first, last = reports.period("2024-02")
    assert last - first + 1 == 29 * 86_400


def test_the_commands_give_the_same_on_another_machine(trail, file, capsys):
    elsewhere = [file / "records.json", "--authority", file / "root.note"]
    stats = json.loads(calls.keyong(capsys, "report", "stats", *elsewhere, "--year", YEAR, "--json").out)
    assert stats == [reports.stats(trail.read(), reports.period(YEAR))]
    calls.keyong(capsys, "report", "disclose", *elsewhere, "--year", YEAR, "--table", "implementers", "--out", file / "table.csv")
    assert (file / "table.csv").read_text().startswith("organisation,datasets,releases,fen\n")
    shown = calls.keyong(capsys, "report", "stats", *elsewhere, "--year", YEAR).out
    assert f"yuan            {accounts.yuan(stats[0]['fen'])}\n" in shown
    assert "fen" not in shown
    head, *rows = calls.keyong(capsys, "report", "disclose", *elsewhere, "--year", YEAR, "--table", "implementers").out.splitlines()
    assert head.split() == ["organisation", "datasets", "releases", "yuan"]
    assert {row[: head.index("datasets")][-2:] for row in rows} == {"  "}, "the columns are aligned"
    assert "licence.purpose 5" in calls.keyong(capsys, "report", "monitor", *elsewhere, "--month", MONTH).out
    assert "refusals.burst" in calls.keyong(capsys, "report", "licence", trail.licence[:9], *elsewhere).out
    calls.keyong(capsys, "report", "exit", f"lic-{trail.licence[:9]}", *elsewhere, "--out", file / "exit.json")
    assert len(json.loads((file / "exit.json").read_text())["artefacts"]) == 2
    assert "0 licences" in calls.keyong(capsys, "report", "exit", "lic-zz", *elsewhere, code=2).err


def test_nothing_that_is_counted_reported_or_charged_depends_on_a_row(tmp_path, monkeypatch):
    """The same questions over other rows, some cells of which are too small to be shown: every table is the same."""
    tables = []
    for name, size in (("many", 80), ("few", 12)):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(trails, "SIZE", size)
        trail = Trail(tmp_path / name)
        trail.run("ward == 'a'")
        found, when = trail.read(), reports.period(YEAR)
        metered = metrics.text(found, now=0)
        tables.append((reports.stats(found, when), reports.disclose(found, when), reports.monitor(found, when), accounts.statement(found).owed,
                       [line for line in metered.splitlines() if "fresh" not in line]))  # fmt: skip
        trail.office.journal.close()
    assert tables[0] == tables[1]
