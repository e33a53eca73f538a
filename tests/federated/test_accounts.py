"""Settlement in the product: a statement follows from the records alone, and every table adds up to it."""

from __future__ import annotations

import csv
import io
import json

import calls
import coordinators
import licensing
import pytest
from coordinators import KEYS
from trails import Trail

from federated import accounts, records, reports
from governance import notes
from governance.errors import IntegrityError, UsageError
from governance.prices import Price
from governance.rights import Rights
from governance.settlement import Statement


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    made = Trail(tmp_path_factory.mktemp("coordinator"))
    made.first = made.run("ward == 'a'")
    made.public = made.run("ward == 'a'", purpose="public-interest")
    made.submit(purpose="marketing")
    made.second = made.run()
    yield made
    made.office.journal.close()


@pytest.fixture(scope="module")
def file(trail, tmp_path_factory):
    return trail.written(tmp_path_factory.mktemp("elsewhere"))


def signed(stated: Statement, key=KEYS["coordinator"]) -> str:
    return str(notes.write(stated).signed_by(key))


def test_releases_are_charged_and_divided_among_the_holders(trail):
    stated = accounts.statement(trail.read())
    assert [(line.job, line.fen) for line in stated.lines] == [(trail.first, 1001), (trail.public, 0), (trail.second, 1001)]
    assert stated.owed == {"House of operator": 2002}
    assert stated.due == {"House of east": 502, "House of north": 500, "House of south": 500, "House of west": 500}


def test_two_ranges_make_one(trail):
    found = trail.read()
    middle = [line.entry for line in accounts.statement(found).lines][1]
    one, other = accounts.statement(found, last=middle), accounts.statement(found, first=middle)
    assert one.lines + other.lines == accounts.statement(found).lines and one.lines and other.lines
    assert other.root == trail.read().root(len(found.entries)).hex() != one.root


def test_another_machine_computes_the_same_statement(trail, file):
    text = signed(accounts.statement(trail.read()))
    there = records.read((file / "records.json").read_text(), coordinators.PINNED)
    assert accounts.check(text, there) == accounts.statement(there)


def test_a_statement_that_says_otherwise_is_refused(trail):
    found = trail.read()
    stated = accounts.statement(found)
    less = stated.lines[0].__class__(**{**_fields(stated.lines[0]), "fen": 1, "parts": {"House of east": 1}})
    made = Statement(stated.origin, stated.first, stated.last, stated.root, (less, *stated.lines[1:]))
    with pytest.raises(IntegrityError, match="charges entry"):
        accounts.check(signed(made), found)
    with pytest.raises(IntegrityError):
        accounts.check(signed(stated, KEYS["operator"]), found)
    longer = Statement(stated.origin, 0, stated.last + 1, stated.root, stated.lines)
    with pytest.raises(UsageError, match="goes up to"):
        accounts.check(signed(longer), found)
    with pytest.raises(UsageError, match="runs upwards"):
        accounts.statement(found, first=5, last=4)


def _fields(line):
    return {name: getattr(line, name) for name in line.__dataclass_fields__}


def test_a_licence_keeps_the_price_under_which_it_was_granted(tmp_path):
    trail = Trail(tmp_path)
    trail.run()
    newer = Price("cohort", 2, "call", 1, 2000, 10**6, (), 0, 2**33)
    trail.publish(newer)
    unpriced = str(trail.floor.licence.id)  # granted before there was any price
    trail.run(licence=unpriced)
    found = trail.read()
    assert [line.fen for line in accounts.statement(found).lines] == [1001]
    assert accounts.terms(found).keys() == {trail.licence}
    trail.office.journal.close()


def test_tables_add_up_to_the_statement(trail):
    found = trail.read()
    stated = accounts.statement(found)
    table = accounts.rows(stated, found)
    assert sum(row["fen"] for row in table) == sum(row["fen"] for row in accounts.by_asset(stated, found)) == 2002
    assert all(sum(v for name, v in row.items() if name.startswith("part ")) == row["fen"] for row in table)
    read = list(csv.DictReader(io.StringIO(accounts.as_csv(table))))
    assert [int(row["fen"]) for row in read] == [row["fen"] for row in table]
    assert accounts.as_csv([], accounts.FIELDS).strip() == ",".join(accounts.FIELDS)
    assert accounts.as_csv([{"who": "=1+1"}]) == "who\n'=1+1\n"


def test_the_commands(trail, file, capsys):
    elsewhere = [file / "records.json", "--authority", file / "root.note"]
    (file / "statement.note").write_text(signed(accounts.statement(trail.read())))
    shown = calls.keyong(capsys, "settle", "verify", file / "statement.note", *elsewhere).out
    assert "the statement is what ledger and prices give" in shown and "20.02" in shown
    calls.keyong(capsys, "settle", "export", file / "accounts.csv", *elsewhere)
    assert (file / "accounts.csv").read_text() == accounts.as_csv(accounts.rows(accounts.statement(trail.read()), trail.read()))
    calls.keyong(capsys, "settle", "export", file / "assets.json", *elsewhere, "--assets")
    assert json.loads((file / "assets.json").read_text())[0]["fen"] == 2002
    assert trail.first[:12] in calls.keyong(capsys, "records", "show", *elsewhere).out
    assert calls.keyong(capsys, "audit", *elsewhere).out == "nothing found\n"
    assert "keyong_ledger_entries" in calls.keyong(capsys, "metrics", *elsewhere).out
    calls.keyong(capsys, "metrics", *elsewhere, "--out", file / "keyong.prom")
    assert (file / "keyong.prom").read_text().startswith("# HELP")


def test_wrong_calls_say_what_to_do(file, capsys):
    assert "or a folder with --home" in calls.keyong(capsys, "audit", code=2).err
    assert "--authority root.note" in calls.keyong(capsys, "audit", file / "records.json", code=2).err
    elsewhere = [file / "records.json", "--authority", file / "root.note"]
    assert "FROM-TO" in calls.keyong(capsys, "audit", *elsewhere, "--hours", "8", code=2).err


def test_a_licence_says_its_price_and_shares_and_one_handed_on_keeps_them(tmp_path):
    """Whatever is newer or held by whom; of two datasets without a price of its own nothing is charged."""
    trail = Trail(tmp_path)
    cheap = trail.publish(Price("cohort", 2, "call", 100, 2000, 10**6, (), 0, 2**33))
    trail.publish(Price("cohort", 3, "call", 5, 2000, 10**6, (), 0, 2**33))
    top = coordinators.licence(price=cheap, split={"House of north": 2500, "Platform": 7500, "Nobody": 0})
    trail.office.publish(str(top))
    below = licensing.link(Rights(use_count=5), KEYS["operator"], by=(KEYS["operator"],), parent=top)
    trail.run(licence=top.id)
    trail.run(licence=below.id, links=(str(top), str(below)))
    wide = coordinators.licence(datasets={"cohort": ("age",), "other": ("age",)})
    trail.office.publish(str(wide))
    trail.run(licence=wide.id)
    stated = accounts.statement(trail.read())
    assert [(line.licence, line.fen) for line in stated.lines] == [(top.id, 100), (below.id, 100)]
    assert stated.due == {"House of north": 50, "Platform": 150}
    assert reports.evaluate(top.id, trail.read(), now=0)["used"] == 2
    assert reports.evaluate(below.id, trail.read(), now=0)["left"] == 4
    trail.office.journal.close()
