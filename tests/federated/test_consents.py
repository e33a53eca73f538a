"""Consent at one node: whose rows a job reads, when exact jobs wait, and what is put down about persons."""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import calls
import coordinators
import licensing
import numpy as np
import pyarrow as pa
import pytest
from coordinators import AUTHORITY, KEYS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import snapshot
from connectors.normal import Persons
from connectors.tables import TableSource
from federated.authority import read_dataset
from federated.node import consents, history, persons
from federated.node.agent import Agent
from federated.node.home import Home, snapshot_text
from governance import notes
from governance.catalogue import Dataset
from governance.encoding import canonical, plain
from governance.errors import Refused, UsageError
from governance.journal import Journal
from sandbox import case as cases
from sandbox import local
from sandbox.jail.memory import opened
from sandbox.messages import Offer
from sandbox.summing import Plan


def dataset(basis):
    plain = notes.read(coordinators.dataset()).document(Dataset)
    return str(notes.write(replace(plain, consent=basis)).signed_by(AUTHORITY))


def case(basis="opt_out", **job):
    text = dataset(basis)
    made = coordinators.job("1" * 64, text).document(cases.Job)
    return cases.read(str(notes.write(replace(made, **job)).signed_by(KEYS["operator"])), text)


@pytest.fixture
def node(tmp_path):
    Journal.create(tmp_path / "journal.db", KEYS["north"]).close()
    (tmp_path / "trust.json").write_text(coordinators.TRUST and "")
    home = Home(tmp_path, KEYS["north"], "https://127.0.0.1:1", None, coordinators.TRUST, KEYS["coordinator"].public)
    home.snapshots.mkdir()
    made = Node(home)
    yield made
    made.journal.close()


class Node:
    def __init__(self, home):
        self.home, self.journal = home, home.journal()
        with self.journal.transaction() as t:
            t.put("datasets", "cohort")

    def freeze(self, ids, ages=None):
        rows = pa.table({"id": [str(i) for i in ids], "age": ages or [20.0 + float(i) for i in ids]})
        found = Persons()
        made = snapshot.freeze(TableSource("rows", rows), coordinators.SCHEMA, self.home.snapshots / "draft", persons=found)
        made = replace(made, path=made.path.rename(self.home.snapshots / f"{made.id}.arrow"))
        consents.write_roster(self.home, made.id, found.codes)
        mark = history.fingerprint(made, coordinators.SCHEMA, found.codes, bytes(32))
        with self.journal.transaction() as t:
            history.remember(t, "cohort", made.id, mark)
            consents.join(t, self.home, "cohort", made.id)
        return made.id

    def put(self, *ids, allows=False, purposes=(), at=5):
        with self.journal.transaction() as t:
            for each in ids:
                t.put_consent(persons.Consent(consents.pseudonym(self.home, each).hex(), "cohort", tuple(purposes), allows, at))

    def read(self, asked, frozen):
        """The ages that the job reads, in the memory that its jail would get."""
        with self.journal.transaction() as t:
            consents.spend(t, self.home, asked, frozen)
        return self.table(asked, frozen).column("age").to_pylist()

    def table(self, asked, frozen):
        with self.journal.view() as t:
            _, members = consents.read_by(t, asked)
        table = snapshot.load(self.home.snapshots / f"{frozen}.arrow", ["age"])
        return table if members is None else snapshot.only(table, consents.codes(self.home, frozen, members))


def waits(node, asked, frozen):
    with pytest.raises(Refused) as refusal, node.journal.transaction() as t:
        consents.spend(t, node.home, asked, frozen)
    with pytest.raises(Refused) as judged, node.journal.view() as t:
        consents.named(t, node.home, asked, frozen)
    assert refusal.value.code == judged.value.code == "policy.consent"
    return str(refusal.value)


IDS = range(40)


# --- whose rows are read


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.frozensets(st.integers(0, 29), max_size=29), st.sampled_from(["opt_out", "opt_in"]), st.integers(0, 2**32))
def test_no_row_outside_consent_contributes(tmp_path_factory, out, basis, seed):
    """A run with the rows of all, and one in which the rows of those who do not consent were never there: the same statistics."""
    home = tmp_path_factory.mktemp("node")
    Journal.create(home / "journal.db", KEYS["north"]).close()
    one = Node(Home(home, KEYS["north"], "", None, coordinators.TRUST, KEYS["coordinator"].public))
    with closing(one.journal):
        one.home.snapshots.mkdir()
        ages = np.random.default_rng(seed).uniform(18, 100, 30).tolist()
        everybody = one.freeze(range(30), ages)
        stay = [i for i in range(30) if i not in out]
        one.put(*(out if basis == "opt_out" else stay), allows=basis == "opt_in")
        asked = case(basis)
        one.read(asked, everybody)
        rows = pa.table({"id": [str(i) for i in stay], "age": pa.array([ages[i] for i in stay], pa.float64())})
        alone = snapshot.freeze(TableSource("rows", rows), coordinators.SCHEMA, home / "alone.arrow")
        both = one.table(asked, everybody), snapshot.load(alone.path, ["age"])
        body = asked.after_support([4] * asked.asked)
        answers = [[*local.support(asked, table), *local.statistics(asked, table, body)] for table in both]
        assert answers[0] == answers[1]
        assert one.table(asked, everybody).column("age").to_pylist() == [ages[i] for i in stay]


def test_where_nobody_is_asked_all_rows_are_read_and_nothing_is_written(node):
    frozen, asked = node.freeze(IDS), case("none")
    node.put(3)
    assert len(node.read(asked, frozen)) == 40
    with node.journal.view() as t:
        assert consents.set_of(t, asked.id) is None and t.consent_sets("cohort") == []
        consents.check(t, asked)
        assert "consent.used" not in [e.event for e in t.entries(0, 100)]


def test_a_job_whose_set_was_not_fixed_reads_nothing(node):
    with node.journal.view() as t, pytest.raises(Refused):
        consents.read_by(t, case())


def test_one_memory_object_for_each_set_and_none_left_of_the_one_before(node):
    """PRIVACY 17: once a batch has left, no memory of the node holds their rows."""
    frozen, agent = node.freeze(IDS), Agent(node.home, None)

    def sealed():
        asked = case()
        with node.journal.transaction() as t:
            consents.spend(t, node.home, asked, frozen)
        text = str(notes.write(asked.job).signed_by(KEYS["operator"]))
        return len(opened(agent._sealed(Plan(text, dataset("opt_out"), "north", ("north+key",), frozen)))), *agent._memory.values()

    with closing(agent.journal):
        before, (name, descriptor) = sealed()
        assert sealed() == (before, (name, descriptor))
        inode = os.fstat(descriptor).st_ino
        node.put(*range(10))
        after, (other, new) = sealed()
        assert (before, after) == (40, 30) and name != other and os.fstat(new).st_ino != inode
        links = [Path("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd")]
        assert inode not in {link.stat().st_ino for link in links if link.exists()}


def test_so_many_memory_objects_are_kept_and_no_more(node, monkeypatch):
    """What was asked for longest ago goes first; each job has its own hold on what it reads."""
    monkeypatch.setattr("federated.node.agent.MOST_SEALED", 2)
    frozen, agent, asked = node.freeze(IDS), Agent(node.home, None), case()
    older = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
    agent._memory.update({("an older snapshot", (str(each),)): ("", each) for each in older})
    with closing(agent.journal):
        with node.journal.transaction() as t:
            consents.spend(t, node.home, asked, frozen)
        text = str(notes.write(asked.job).signed_by(KEYS["operator"]))
        os.close(agent._sealed(Plan(text, dataset("opt_out"), "north", ("north+key",), frozen)))
        assert [name for name, _ in agent._memory] == ["an older snapshot", frozen]
        with pytest.raises(OSError):
            os.fstat(older[0])
        os.close(older[1])


# --- who leaves with whom, and when exact jobs wait


def test_a_withdrawal_takes_effect_from_the_next_job_and_a_batch_leaves(node):
    """PIPL 15, and PRIVACY 10: nine others leave with the one, whom nobody outside can name."""
    frozen = node.freeze(IDS)
    assert len(node.read(case(), frozen)) == 40
    node.put(0)
    with node.journal.view() as t:
        judged = consents.named(t, node.home, case(), frozen)
    read = node.read(case(), frozen)
    assert len(read) == 30 and 20.0 not in read
    with node.journal.view() as t:
        assert judged in [kept.name for kept in t.consent_sets("cohort")], "the set that was judged is the one that is spent"
        assert [kept.name for kept in t.consent_sets("cohort", name=judged)] == [judged]
    assert node.read(case(), frozen) == read, "the same again, until somebody else withdraws"


def test_ten_withdrawals_are_a_batch_by_themselves(node):
    frozen = node.freeze(IDS)
    node.read(case(), frozen)
    node.put(*range(10))
    assert node.read(case(), frozen) == [20.0 + i for i in range(10, 40)]


def test_as_many_leave_with_or_without_a_row(node):
    frozen = node.freeze(IDS)
    node.read(case(), frozen)
    node.put("nobody here")
    assert len(node.read(case(), frozen)) == 30


def test_jobs_wait_where_a_batch_cannot_leave(node):
    frozen = node.freeze(range(15))
    assert len(node.read(case(), frozen)) == 15
    node.put(0)
    said = waits(node, case(), frozen)
    node.put("nobody here")
    assert waits(node, case(), frozen) == said


def test_a_purpose_that_was_not_withdrawn_goes_on(node):
    frozen = node.freeze(IDS)
    node.read(case(), frozen)
    node.put(0, purposes=("trade",))
    assert len(node.read(case(purpose="trade"), frozen)) == 30
    assert len(node.read(case(), frozen)) == 40


def test_two_purposes_do_not_single_a_person_out(node):
    frozen = node.freeze(IDS)
    node.put(0, purposes=("trade",))
    assert len(node.read(case(purpose="trade"), frozen)) == 39
    assert len(node.read(case(), frozen)) == 39  # all but one, too: the one would be the difference
    node.put(*range(1, 10), purposes=("trade",))
    assert len(node.read(case(purpose="trade"), frozen)) == 29


def test_a_withdrawal_ends_a_job_under_way(node):
    frozen, asked, other = node.freeze(IDS), case(), case(purpose="trade")
    node.read(asked, frozen)
    node.read(other, frozen)
    node.put(3, purposes=("research",))
    with node.journal.view() as t:
        consents.check(t, other)
        with pytest.raises(Refused) as refusal:
            consents.check(t, asked)
    assert refusal.value.code == "policy.consent"


def test_forgetting_ends_a_job_under_way_and_the_row_is_never_read_again(node):
    frozen, asked = node.freeze(IDS), case()
    node.read(asked, frozen)
    for each in range(10):
        with node.journal.transaction() as t:
            t.forget(consents.pseudonym(node.home, each).hex())
    with node.journal.view() as t, pytest.raises(Refused):
        consents.check(t, asked)
    assert len(node.read(case(), frozen)) == 30
    with pytest.raises(UsageError, match="forgotten"):
        persons._put(node.home, [persons.Consent(consents.pseudonym(node.home, 3).hex(), "cohort", (), True, 9)])


def test_history_follows_the_persons_into_a_corrected_file(node):
    """PRIVACY 10: other rows of the same persons are no fresh start, for rosters, min_cell, budgets and noes."""
    first = node.freeze(IDS)
    node.read(case(), first)
    with node.journal.transaction() as t:
        t.put_cohort("cohort", first, "roster", frozenset("abc"))
        history.put_limit(t, "cohort", first, history.limit(t, "cohort", first).after_no())
    second = node.freeze(IDS, [30.0 + i for i in IDS])
    with node.journal.transaction() as t:
        assert t.cohorts("cohort", second, "roster") == [frozenset("abc")]
        assert history.limit(t, "cohort", second).noes == 1
        assert set(history.family(t, "cohort", second)) == {first, second}


def test_other_persons_have_a_history_of_their_own(node):
    first = node.freeze(IDS)
    node.read(case(), first)
    second = node.freeze(range(50, 80))
    with node.journal.view() as t:
        assert t.history("cohort", first) != t.history("cohort", second)


def test_a_file_with_few_persons_more_is_read_without_them(node):
    node.read(case(), node.freeze(IDS))
    assert len(node.read(case(), node.freeze(range(45)))) == 40
    assert len(node.read(case(), node.freeze(range(1, 45)))) == 30, "one is gone, and nine others with it"
    assert len(node.read(case(), node.freeze(range(50)))) == 50


def test_another_set_of_persons_is_another_question(node):
    from federated.node import spending

    asked = case()
    assert len({spending.query_of(asked, "5a" * 16, ("a",), each) for each in ("", "x", "y")}) == 3


def test_a_job_is_bound_to_its_set_in_the_ledger(node):
    frozen, asked = node.freeze(IDS), case()
    node.read(asked, frozen)
    with node.journal.view() as t:
        [used] = [e.subject for e in t.entries(0, 100) if e.event == "consent.used"]
        kept, _ = consents.set_of(t, asked.id)
    assert used == notes.write(persons.Use(asked.id, kept.tree.root.hex())).id


# --- what is kept about persons


def test_the_secret_is_made_once_and_for_its_owner_alone(node):
    made = node.home.consent_key()
    assert node.home.consent_key() == made and stat.S_IMODE(os.stat(node.home.path / "consent.key").st_mode) == 0o600
    frozen = node.freeze(IDS)
    assert stat.S_IMODE((node.home.snapshots / f"{frozen}.persons").stat().st_mode) == 0o600
    (node.home.path / "consent.key").unlink()
    with pytest.raises(UsageError, match="backup"):
        node.home.consent_key()


def test_a_snapshot_from_before_consent_was_asked_is_added_again(node):
    with pytest.raises(UsageError, match="add the data again"):
        consents.roster(node.home, "5a" * 16)


@pytest.mark.parametrize(
    "given, other",
    [(17, "17"), (17.0, "17"), (" ab ", "ab"), (b"ab", "ab"), ("张三", "张三"), ("11010519491231002x", "11010519491231002X"),
     ("１１０１０５x", "110105X"), (b"x1", "X1"), ("ª", "a"), (b"\xff", b"\xff")],
)  # fmt: skip
def test_one_person_has_one_pseudonym_however_it_is_written(node, given, other):
    assert consents.pseudonym(node.home, given) == consents.pseudonym(node.home, other)


def test_nobody_is_no_person(node):
    with pytest.raises(UsageError, match="empty"):
        consents.pseudonym(node.home, " ")


def test_the_dataset_file_says_the_basis():
    text = "dataset: d\nversion: 1\ntitle: d\nperson: id\nholders: [a, b, c]\ncolluding: 1\nrows: 9\ncolumns: {x: {kind: number, low: '0', high: '1'}}\n"
    assert read_dataset(text).consent == "none"
    assert read_dataset(text + "consent: opt_in\n").consent == "opt_in"
    with pytest.raises(UsageError):
        read_dataset(text + "consent: perhaps\n")


# --- the command line


@pytest.fixture
def home(node, monkeypatch):
    monkeypatch.setattr(Home, "open", classmethod(lambda cls, path: node.home))
    return node.home.path


def keyong(capsys, *arguments, code=0):
    return json.loads(calls.keyong(capsys, "node", "consent", *arguments, "--json", code=code).out)


CANARY = "ID-4711-CANARY"


def test_records_are_put_down_and_listed_by_pseudonym(home, capsys, node, monkeypatch):
    keyong(capsys, "grant", CANARY, "--dataset", "cohort", "--purposes", "trade, research")
    monkeypatch.setattr("sys.stdin", type("In", (), {"readline": staticmethod(lambda: f"{CANARY}\n")}))
    keyong(capsys, "withdraw", "-", "--dataset", "cohort")
    rows = keyong(capsys, "list", "--person", CANARY)
    assert [(r["allows"], r["purposes"]) for r in rows] == [(True, ["research", "trade"]), (False, [])]
    assert keyong(capsys, "list") == keyong(capsys, "list", "--dataset", "cohort") == rows
    assert rows[0]["person"] == consents.pseudonym(node.home, CANARY).hex()
    text = calls.keyong(capsys, "node", "consent", "list").out
    assert CANARY not in text and "withdrawn  all purposes" in text and "research, trade" in text
    assert "no dataset served here" in calls.keyong(capsys, "node", "consent", "grant", "1", "--dataset", "cohrt", code=2).err
    assert "purposes" in calls.keyong(capsys, "node", "consent", "grant", "1", "--dataset", "cohort", "--purposes", "A B", code=2).err
    assert calls.keyong(capsys, "node", "consent", "uses", "1").out == "no job read the record\n"


def test_a_withdrawal_is_put_down_where_no_consent_is_asked_of_the_rows(home, node, capsys):
    with node.journal.transaction() as t:
        t.put("snapshot cohort", snapshot_text(snapshot.Snapshot("5a" * 16, home / "x", ("id", "age"), 1, 1, 0)))
    assert keyong(capsys, "withdraw", "1", "--dataset", "cohort")["row"] is None
    assert len(keyong(capsys, "list")) == 1


def test_who_puts_it_down_hears_of_an_identifier_or_a_purpose_that_changes_nothing(home, node, capsys):
    frozen = node.freeze(IDS)
    served = snapshot.Snapshot(frozen, home / "x", ("id", "age"), len(IDS), len(IDS), 0)
    links = [licensing.link(coordinators.allow(purposes=("duo-hmb", "research")), KEYS["operator"], by=(AUTHORITY,))]
    offered = Offer((), "", tuple(map(str, links)), "", "", "", "", "", "", ())
    with node.journal.transaction() as t:
        t.put("snapshot cohort", snapshot_text(served))
        t.put_note("offer", "ab" * 32, canonical(plain(offered)))
    words = ("--dataset", "cohort", "--purposes")
    assert keyong(capsys, "withdraw", str(IDS[0]), *words, "research, duo-gru") | {"entry": 0} == {
        "entry": 0, "allows": False, "row": True, "unknown": []
    }  # fmt: skip
    assert keyong(capsys, "withdraw", "nobody", *words, "reserch")["row"] is False
    out = calls.keyong(capsys, "node", "consent", "withdraw", "nobody", *words, "reserch").out
    assert "no row of cohort" in out and "names the purpose reserch" in out
    assert "but" not in calls.keyong(capsys, "node", "consent", "withdraw", str(IDS[0]), *words, "research").out


def test_a_withdrawal_that_is_typed_otherwise_or_of_before_the_grant_by_the_clock_holds(home, node, monkeypatch):
    ids = [f"11010519491231{i:03d}X" for i in range(40)]
    frozen = node.freeze(ids, [20.0 + i for i in range(40)])
    persons.put(home, ids[3], "cohort", allows=True, now=time.time() + 10**6)  # the clock was ahead
    for typed in (ids[3], ids[4].lower(), ids[5].translate(str.maketrans("0123456789", "０１２３４５６７８９"))):
        persons.put(home, typed, "cohort", allows=False)
    assert not {23.0, 24.0, 25.0} & set(node.read(case(), frozen))


LINE = {
    "resourceType": "Consent", "status": "active", "category": [], "decision": "permit", "subject": {"identifier": {"value": CANARY}},
    "date": "2026-01-02T03:04:05Z", "provision": [{"purpose": [{"code": "HRESCH"}]}],
}  # fmt: skip


def imported(capsys, home, *lines, code=0, codes=("HRESCH=research",)):
    file = home / "consents.ndjson"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    flags = [word for each in codes for word in ("--purpose", each)]
    return calls.keyong(capsys, "node", "consent", "import", file, "--dataset", "cohort", *flags, "--json", code=code)


def test_fhir_consents_are_imported(home, capsys):
    imported(capsys, home, LINE, "", {**LINE, "decision": "deny", "date": "2026-02-01T00:00:00+08:00"})
    rows = keyong(capsys, "list")
    assert [(r["allows"], r["purposes"], r["at"]) for r in rows] == [(True, ["research"], 1767323045), (False, ["research"], 1769875200)]
    assert len({r["person"] for r in rows}) == 1


@pytest.mark.parametrize(
    "line, says",
    [
        ({**LINE, "status": "entered-in-error"}, "line 2"), ({**LINE, "date": "2026-01-02"}, "zone"), ({**LINE, "date": "soon"}, "zone"),
        ({**LINE, "date": "9999-01-01T00:00:00Z"}, "not come yet"), ("{", "not JSON"), ('{"a": 1, "a": 2}', "twice"),
    ],
)  # fmt: skip
def test_one_record_that_is_not_understood_keeps_all_out(home, capsys, line, says):
    printed = imported(capsys, home, LINE, line, code=2)
    assert says in printed.err and "nothing was put down" in printed.err and CANARY not in printed.err + printed.out
    assert keyong(capsys, "list") == []


def test_a_code_without_a_purpose_is_refused(home, capsys):
    assert "CODE=PURPOSE" in imported(capsys, home, LINE, code=2, codes=("HRESCH",)).err
    assert "not said which purpose" in imported(capsys, home, LINE, code=2, codes=()).err


def test_a_file_that_is_too_large_is_not_read(home, capsys, monkeypatch):
    monkeypatch.setattr(persons, "MOST_BYTES", 5)
    assert "larger than" in imported(capsys, home, LINE, code=2).err


def test_an_identifier_is_nowhere_in_the_nodes_files(home, capsys, node):
    node.freeze([CANARY], [50.0])
    keyong(capsys, "grant", CANARY, "--dataset", "cohort")
    keyong(capsys, "withdraw", CANARY, "--dataset", "cohort")
    keyong(capsys, "forget", CANARY)
    for file in home.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes()
    assert "forgotten" in calls.keyong(capsys, "node", "consent", "uses", CANARY, code=2).err


def test_what_is_no_proof_is_refused(home, capsys, tmp_path):
    (tmp_path / "x.json").write_text('["keyong/use/v1",{}]\n')
    assert "keyong/use-proof/v1" in calls.keyong(capsys, "node", "consent", "check", tmp_path / "x.json", "1", code=2).err
