"""At a data holder's desk: what is told about data that do not fit, the registered form, the holder's rules, and who may serve a folder."""

from __future__ import annotations

import json
import time

import federations
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from calls import keyong

from federated.authority import read_dataset
from federated.cli.catalogue import as_text

CODED = """
dataset: coded
version: 1
title: coded
person: id
holders: [north, south, east, west]
colluding: 1
rows: 1000
columns:
  sex: {kind: category, levels: [女, 男], codes: ["0", "1"], grade: 4}
  age: {kind: number, low: "0", high: "120", unit: years, outside: missing, cuts: ["60"]}
  age_band: {kind: band, of: age, cuts: ["60"], levels: [young, old]}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with federations.federation(tmp_path_factory.mktemp("federation")) as federation:
        federation.publish(federation.authority.sign(read_dataset(CODED)))
        yield federation


def add(running, capsys, table, *more):
    pq.write_table(pa.table(table), running.path / "coded.parquet")
    url = f"parquet://{running.path / 'coded.parquet'}"
    return keyong(capsys, "node", "data", "add", "coded", url, "--home", running.home("north"), *more).out


def test_codes_that_are_not_registered_are_told_of_and_a_wholly_unknown_column_warns_in_both_languages(running, capsys):
    table = {"id": ["a", "b", "c"], "sex": [1, 2, None], "age": [50.0, 130.0, 40.0]}
    told = add(running, capsys, table)
    assert "sex              1 of 3 values missing, 1 unknown" in told
    assert "age              0 of 3 values missing, 1 unknown" in told
    assert "WARNING" not in told
    told = add(running, capsys, {**table, "sex": ["F", "M", None]})
    assert "WARNING: column sex" in told
    assert "警告：字段 sex" in told
    made = json.loads(add(running, capsys, {**table, "sex": ["F", "M", None]}, "--json"))
    assert made["columns"] == {"sex": {"missing": 1, "unknown": 2}, "age": {"missing": 0, "unknown": 1}}
    assert [sorted(w) for w in made["warnings"]] == [["en", "zh"]]


def test_data_that_fit_are_not_warned_of(running, capsys):
    assert add(running, capsys, {"id": ["a", "b"], "sex": [1, 0], "age": [50.0, 60.0]}).count("\n") == 1


def test_a_table_cut_off_at_its_head_does_not_replace_one_with_rows(running, capsys):
    add(running, capsys, {"id": ["a", "b"], "sex": [1, 0], "age": [50.0, 60.0]})
    home, file = running.home("north"), running.path / "coded.csv"
    file.write_text("id,sex,age\n")
    before = (keyong(capsys, "node", "data", "list", "--home", home).out, sorted((home / "snapshots").iterdir()))
    told = keyong(capsys, "node", "data", "add", "coded", f"csv://{file}", "--home", home, code=2).err
    assert "coded.csv has no rows, but the snapshot of coded has; nothing was changed" in told
    assert (keyong(capsys, "node", "data", "list", "--home", home).out, sorted((home / "snapshots").iterdir())) == before


def test_a_table_of_no_rows_or_of_far_fewer_than_before_is_warned_of_in_both_languages(running, capsys):
    home, file = running.home("west"), running.path / "west.csv"
    for rows, says in (
        (0, ("has no rows", "没有任何行")),
        (0, ("has no rows", "没有任何行")),
        (9, ()),
        (5, ()),
        (2, ("had 5", "有 5 行")),
        (1, ()),
    ):
        file.write_text("id,sex,age\n" + "".join(f"{i},1,{50 + i}\n" for i in range(rows)))
        told = keyong(capsys, "node", "data", "add", "coded", f"csv://{file}", "--home", home).out
        assert ("WARNING" in told, "警告" in told) == (bool(says), bool(says))
        assert all(words in told for words in says)


def test_a_holder_can_look_at_the_registered_form(running, capsys):
    home = running.home("north")
    shown = keyong(capsys, "node", "catalogue", "coded", "--home", home).out
    for words in (
        "by the column id",
        "at most 1000 rows",
        "0 = 女 | 1 = 男",
        "grade 4",
        "0 to 120 years, outside: missing; cut points 60",
        "of age",
    ):
        assert words in shown
    assert json.loads(keyong(capsys, "node", "catalogue", "coded", "--home", home, "--json").out)["schema"]["columns"][0]["codes"] == [
        "0",
        "1",
    ]
    assert "coded" in keyong(capsys, "node", "catalogue", "--home", home).out
    assert "did you mean coded?" in keyong(capsys, "node", "catalogue", "codde", "--home", home, code=2).err


def test_the_registered_form_has_titles_and_no_gap_where_there_is_no_unit():
    shown = as_text(read_dataset(CODED.replace("unit: years, ", "title: age at entry, ")))
    assert "age              number    grade 3  age at entry: 0 to 120, outside: missing; cut points 60\n" in shown


def test_a_higher_min_cell_warns_that_licences_must_be_issued_anew(running, capsys):
    told = keyong(capsys, "node", "policy", "--min-cell", 20, "--home", running.home("north")).out
    assert "licences of less than 20 are all refused" in told
    assert "须由授权主体为运营单位另发" in told
    assert "refused" not in keyong(capsys, "node", "policy", "--home", running.home("north")).out
    made = json.loads(keyong(capsys, "node", "policy", "--min-cell", 10, "--home", running.home("north"), "--json").out)
    assert (made["min_cell"], "warnings" in made) == (10, False), "it lets more pass than before"
    made = json.loads(keyong(capsys, "node", "policy", "--min-cell", 11, "--home", running.home("north"), "--json").out)
    assert [sorted(w) for w in made["warnings"]] == [["en", "zh"]]
    keyong(capsys, "node", "policy", "--min-cell", 10, "--home", running.home("north"))


def test_a_rule_that_refuses_more_than_before_is_warned_of_and_one_that_stays_is_not(running, capsys):
    home = running.home("north")
    for rule, says in (
        (("--purposes", "foo"), ("for any other purpose than foo are all refused here", "用途不在 foo 之内")),
        (("--peers", "Nobody"), ("another organisation than Nobody holds data", "Nobody 以外的机构")),
        (("--min-cell", 30), ("less than 30 are all refused", "低于 30")),
    ):
        told = keyong(capsys, "node", "policy", *rule, "--home", home).out
        assert all(words in told for words in says)
        assert "refused" not in keyong(capsys, "node", "policy", *rule, "--home", home).out
    back = keyong(capsys, "node", "policy", "--purposes", "", "--peers", "", "--home", home).out
    assert "refused" not in back
    assert "purposes: all\n" in back
    keyong(capsys, "node", "policy", "--purposes", "foo", "--home", home)
    wider = keyong(capsys, "node", "policy", "--purposes", "bar,foo", "--home", home).out
    assert ("purposes: bar, foo\n" in wider, "refused" in wider) == (True, False)
    keyong(capsys, "node", "policy", "--purposes", "", "--home", home)
    keyong(capsys, "node", "policy", "--min-cell", 10, "--home", home)


@pytest.mark.parametrize(("rule", "says"), [
    (("--methods", "crosstab@1,descrive@1"), "did you mean describe@1?"), (("--methods", "describe"), "did you mean describe@1?"),
    (("--purposes", "Heart Research"), "purposes.0 must match"),
    (("--min-cell", 1), "fix the call: min_cell must be at least 3"),
])  # fmt: skip
def test_a_rule_that_could_not_be_meant_is_not_kept(running, capsys, rule, says):
    home = running.home("north")
    before = keyong(capsys, "node", "policy", "--home", home).out
    assert says in keyong(capsys, "node", "policy", *rule, "--home", home, code=2).err
    assert keyong(capsys, "node", "policy", "--home", home).out == before


@pytest.mark.parametrize("what", [("node", "north"), ("coordinator", "coordinator")])
def test_a_folder_that_is_served_is_not_served_twice(running, capsys, what):
    role, name = what
    more = ("--listen", "127.0.0.1:0") if role == "coordinator" else ()
    assert str(running.home(name)) in keyong(capsys, role, "serve", "--home", running.home(name), *more, code=2).err


def test_doctor_opens_the_snapshots(running, capsys):
    home = running.home("south")
    look = ("node", "doctor", "--home", home, "--json")
    found = {f["name"]: f for f in json.loads(keyong(capsys, *look).out)}
    assert found["snapshots"]["text"] == "whole: cohort"
    file = next((home / "snapshots").glob("*.arrow"))
    whole = file.read_bytes()
    for damage in (lambda: file.write_bytes(whole[:-200]), file.unlink):
        damage()
        found = {f["name"]: f for f in json.loads(keyong(capsys, *look, code=75).out)}
        assert not found["snapshots"]["ok"]
        assert "keyong node data add cohort URL" in found["snapshots"]["text"]
    file.write_bytes(whole)


def test_doctor_tells_of_a_newer_version_of_a_dataset_and_of_a_snapshot_without_rows(running, capsys):
    home, file = running.home("east"), running.path / "east.csv"
    file.write_text("id,sex,age\n")
    entry = CODED.replace("dataset: coded", "dataset: renewed")
    running.publish(running.authority.sign(read_dataset(entry)))
    add = ("node", "data", "add", "renewed", f"csv://{file}", "--home", home)
    keyong(capsys, *add)
    assert "cohort, renewed (WITHOUT ROWS)" in keyong(capsys, "node", "doctor", "--home", home).out
    running.publish(running.authority.sign(read_dataset(entry.replace("version: 1", "version: 2"))))
    told = keyong(capsys, "node", "doctor", "--home", home, code=75).out
    assert "FAIL  catalogue    renewed: version 2 is registered; add the data again: keyong node data add renewed URL" in told
    keyong(capsys, *add)
    assert "2 served here in their newest version" in keyong(capsys, "node", "doctor", "--home", home).out


def test_doctor_tells_what_is_over_soon_and_what_is_over(running, capsys, monkeypatch):
    look = ("node", "doctor", "--home", running.home("north"))

    def told(code=0):
        return {line.split(maxsplit=2)[1]: line for line in keyong(capsys, *look, code=code).out.splitlines()}

    running.publish(running.authority.revocations(days=30))
    assert told()["revocations"].startswith("ok ") and "29 days left" in told()["revocations"]
    running.publish(running.authority.revocations(days=3))
    assert told()["revocations"].startswith("soon  revocations  list ") and "2 days left" in told()["revocations"]
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "还有 2 天" in told()["revocations"] and "还有 364 天" in told()["key"]
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    running.publish(running.authority.revocations(days=-1))
    over = told(75)["revocations"]
    assert over.startswith("FAIL") and "it is over, and jobs are refused" in over
    running.publish(running.authority.revocations())
    running.publish(running.authority.sign(running.authority.roots.newest.next(expires=int(time.time()) + 40 * 86400)))
    found = {f["name"]: f for f in json.loads(keyong(capsys, *look, "--json").out)}
    assert found["key root"]["soon"] and found["key root"]["ok"] and "39 days left" in found["key root"]["text"]
    assert found["drills"]["text"] == "no job has come with a contingency plan yet"


def test_doctor_names_the_proxy_through_which_it_gets_no_answer_but_not_its_password(running, capsys):
    told = keyong(capsys, "node", "doctor", "--home", running.home("north"), "--proxy", "http://me:secret@127.0.0.1:9", code=75).out
    assert "through the proxy 127.0.0.1:9" in told
    assert "secret" not in told
