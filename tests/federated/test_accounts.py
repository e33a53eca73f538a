"""Settlement in the product: a statement follows from the records alone, and every table adds up to it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import calls
import coordinators
import licensing
import pytest
from coordinators import KEYS, ROSTER
from offices import Nodes
from trails import DATASET, Trail, tables

from federated import accounts, audit, records, reports
from federated.coordinator.quotes import Quotes
from governance import notes
from governance.encoding import canonical, plain
from governance.errors import IntegrityError, LicenceRefused, Refused, UsageError
from governance.keys import SigningKey
from governance.prices import Price
from governance.rights import Rights
from governance.settlement import Statement
from sandbox.messages import Release


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


def test_a_later_entry_of_the_catalogue_or_the_end_of_a_price_changes_no_charge(tmp_path):
    trail = Trail(tmp_path)
    now = int(trail.floor.clock())
    price = trail.publish(Price("cohort", 2, "call", 100, 200, 10**6, (), now - 10, now + 50))
    trail.run(licence=trail.office.publish(str(coordinators.licence(price=price)))[1])
    text = signed(accounts.statement(trail.read()))
    trail.floor.late += 60
    trail.run()
    trail.publish(replace(DATASET, version=3, holders=("east", "north", "south")))
    found = trail.read()
    assert accounts.check(text, found).due == dict.fromkeys(("House of east", "House of north", "House of south", "House of west"), 25)
    assert accounts.statement(found).owed == {"House of operator": 1101}
    trail.office.journal.close()


@pytest.mark.parametrize("signers", [("stranger",), ("north",), ("operator", "coordinator")])
def test_what_too_few_holders_signed_or_nobody_admitted_is_not_charged(tmp_path, signers):
    trail = Trail(tmp_path)
    keys = {**KEYS, "stranger": SigningKey.generate("stranger")}
    jobs = [trail.refuse(Refused(code="policy.denied", reason="no")), trail.run()]
    for job, names in zip((jobs[0], trail.refuse(Refused(code="policy.denied", reason="no"))), (signers, ROSTER), strict=True):
        made = notes.write(Release(job, "0" * 64, ROSTER, ROSTER, "{}")).signed_by(*(keys[name] for name in names))
        with trail.office.journal.transaction() as t:
            t.put_note("release", job, str(made))
            t.append("job.released", made.id)
    found = trail.read()
    assert [line.job for line in accounts.statement(found).lines] == [jobs[1]]
    assert [f.rule for f in audit.audit(found, now=int(trail.floor.clock()))].count("release.unadmitted") == 2
    trail.office.journal.close()


def test_a_licence_under_the_price_of_a_dataset_that_nobody_published_stops_no_statement(tmp_path):
    trail = Trail(tmp_path)
    price = trail.publish(Price("ghost", 1, "call", 100, 200, 10**6, (), 0, 2**33))
    trail.run()
    trail.office.publish(str(coordinators.licence(price=price)))
    assert accounts.statement(trail.read()).owed == {"House of operator": 1001}
    trail.office.journal.close()


@pytest.mark.parametrize("unit, ceiling", [("call", 1500), ("licence", 10**6), ("number", 10**6), ("product", 10**6)])
def test_a_quote_is_what_the_job_is_charged_afterwards(tmp_path, unit, ceiling):
    trail = Trail(tmp_path)
    price = trail.publish(Price("cohort", 2, unit, 700, 2000, ceiling, ("teaching",), 0, 2**33))
    top = coordinators.licence(price=price, purposes=("public-interest", "research", "teaching"))
    trail.office.publish(str(top))
    below = licensing.link(Rights(use_count=5), KEYS["operator"], by=(KEYS["operator"],), parent=top)
    quotes, operator = Quotes(trail.office), trail.office.parties()["operator"]
    jobs = [trail.job(licence=top.id, purpose=purpose) for purpose in ("public-interest", "research", "teaching", "research")]
    jobs.append(trail.job(licence=below.id))
    asked = []
    for text in jobs:
        asked.append(quotes.of(text, operator, (str(below),)).quote)
        Nodes(trail.floor, trail.office.submit(text, operator, (str(below),)), tables()).run()
    lines = accounts.statement(trail.read()).lines
    assert [(q.quantity, q.fen, q.uncharged, q.parts) for q in asked] == [(x.quantity, x.fen, x.uncharged, x.parts) for x in lines]
    assert [q.left for q in asked] == [ceiling - sum(x.fen for x in lines[:i]) for i in range(len(lines))]
    assert {q.fen for q in asked if not q.each} == {0} and sum(q.fen for q in asked) > 0
    trail.office.journal.close()


def test_a_quote_is_for_a_licence_s_own_operator_and_on_what_is_in_the_catalogue(trail):
    quotes, parties = Quotes(trail.office), trail.office.parties()
    before = trail.read().entries
    with pytest.raises(LicenceRefused):
        quotes.of(trail.job(), parties["rival"])
    with pytest.raises(UsageError, match="no entry of the catalogue"):
        quotes.of(trail.job(catalogue="ab" * 32), parties["operator"])
    with pytest.raises(UsageError, match="must publish it"):
        quotes.of(trail.job(licence="ab" * 32), parties["operator"])
    assert quotes.of(trail.job(licence=trail.floor.licence.id), parties["operator"]).quote is None, "it is older than any price"
    assert trail.read().entries == before


def test_whoever_has_the_records_computes_a_quote(tmp_path, capsys):
    trail = Trail(tmp_path)
    job = trail.submit()
    (tmp_path / "offer.json").write_text(canonical(plain(trail.office.offers("north", wait=0)[0])) + "\n")
    elsewhere = [trail.written(tmp_path) / "records.json", "--authority", tmp_path / "root.note"]
    told = json.loads(calls.keyong(capsys, "settle", "quote", tmp_path / "offer.json", *elsewhere, "--json").out)
    assert (told["fen"], told["left"], told["unit"]) == (1001, 10**6, "call")
    shown = calls.keyong(capsys, "settle", "quote", tmp_path / "offer.json", *elsewhere).out
    assert "10.01 yuan if it is released: 1 release at 10.01" in shown and "free for public-governance, public-interest" in shown
    Nodes(trail.floor, job, tables()).run()
    assert accounts.statement(trail.read()).lines[0].fen == told["fen"]
    trail.office.journal.close()


def test_what_was_refused_or_cancelled_is_never_billed(tmp_path):
    trail = Trail(tmp_path)
    trail.refuse(Refused(code="policy.purpose", purpose="research"))
    trail.submit(purpose="marketing")
    trail.office.cancel(trail.submit(), trail.office.parties()["operator"])
    released = trail.run()
    assert [line.job for line in accounts.statement(trail.read()).lines] == [released]
    trail.office.journal.close()


def test_a_price_that_ended_is_no_reason_that_nothing_is_settled(tmp_path):
    """A licence keeps its price to its end; one that is granted later has no price."""
    trail = Trail(tmp_path)
    short = trail.publish(Price("cohort", 2, "call", 5, 2000, 10**6, (), 0, int(trail.floor.clock()) + 50))
    early = trail.office.publish(str(coordinators.licence(use_count=7)))[1]
    trail.floor.late += 100
    late = trail.office.publish(str(coordinators.licence(use_count=8)))[1]
    trail.run(licence=early)
    found = trail.read()
    assert accounts.terms(found)[early].price == short and accounts.terms(found)[late].price == trail.price
    assert [line.fen for line in accounts.statement(found).lines] == [5]
    trail.office.journal.close()


def test_the_book_is_balanced_entry_by_entry(trail):
    found = trail.read()
    stated = accounts.statement(found)
    table = accounts.book(stated, found)
    for line in stated.lines:
        sides = [row for row in table if row["entry"] == line.entry]
        assert sum(row["debit"] for row in sides) == sum(row["credit"] for row in sides) == line.fen
    assert {row["account"] for row in table if row["debit"]} == {"House of operator"}


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
    calls.keyong(capsys, "settle", "export", file / "assets.json", *elsewhere, "--by", "dataset")
    assert json.loads((file / "assets.json").read_text())[0]["fen"] == 2002
    calls.keyong(capsys, "settle", "export", file / "book.csv", *elsewhere, "--by", "account")
    assert (file / "book.csv").read_text().startswith("entry,day,account,debit,credit\n")
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
