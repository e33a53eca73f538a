"""What jobs spend at a node, from the running federation to the table on another machine."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import closing
from dataclasses import replace

import calls
import coordinators
import federations
import pytest

import federated as fed
from federated import budgets
from federated.node import judge, spending
from federated.node.home import Home
from governance import catalogue, notes
from governance.budget import ORDERS, cost
from governance.catalogue import Dataset, Schema
from governance.encoding import canonical
from governance.errors import BudgetExhausted, DisclosureRefused, Refused
from governance.journal import Journal
from governance.keys import SigningKey
from governance.licences import Granted, Licence
from governance.rights import Rights
from governance.spending import Block, Books, Cap, Charge, Spend, charged, query
from sandbox import case as cases
from sandbox.case import OVERDRAWN, SUPPRESSED, WEIGHTLESS
from sandbox.job import Job
from sandbox.messages import Release
from sandbox.policy import DEFAULT

DESCRIBE = fed.Describe(columns=("age",))
DATASET = coordinators.dataset()
SCHEMA = Schema("id", (catalogue.number("age", "18", "100", cuts=("50",)),))
CUT = str(notes.write(replace(notes.read(DATASET).document(Dataset), schema=SCHEMA)).signed_by(coordinators.AUTHORITY))
WHERE = "sex == 'male' and age_band != 'young'"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """North admits two results over the same rows, of three numbers each."""
    with federations.federation(tmp_path_factory.mktemp("federation")) as federation:
        made = Home.open(federation.home("north"))
        made.write_policy(replace(DEFAULT, releases=2))
        run(federation, WHERE)
        run(federation, "age_band != 'young' and sex == 'male'")  # the same question
        run(federation, "")
        yield federation


def run(federation, where, analysis=DESCRIBE):
    return federation.hub().run(analysis, dataset="cohort", where=where, deadline="60s")


def books(home):
    with closing(Home.open(home).journal()) as journal, journal.view() as t:
        return t.books()


def keyong(capsys, *arguments, code=0):
    printed = calls.keyong(capsys, *arguments, "--json", code=code)
    return json.loads(printed.out.splitlines()[-1])


# --- at a running node


def test_every_exact_job_spends_once_at_every_node(running):
    for name in federations.HOLDERS:
        found = books(running.home(name))
        [dataset] = {s.exact.dataset for s in found.spends}
        [snapshot] = {s.exact.snapshot for s in found.spends}
        assert [s.repeats for s in found.spends] == [False, True, False]
        numbers = found.spends[0].exact.numbers
        assert found.totals[f"{dataset} {snapshot}"] == (2, 2 * numbers)
        [operator] = {s.party for s in found.spends}
        assert found.totals[f"{dataset} {snapshot} operator {operator}"] == (3, 3 * numbers)


def test_the_spend_stands_in_the_ledger_before_the_job_opens_anything(running):
    with closing(Home.open(running.home("south")).journal()) as journal, journal.view() as t:
        events = [e.event for e in t.entries(0, t.size())]
        assert events.index("budget.spent") < events.index("job.spent") < events.index("total.opened")
        assert events.count("budget.spent") == events.count("job.spent")
        subjects = [e.subject for e in t.entries(0, t.size()) if e.event == "budget.spent"]
        assert subjects == [notes.write(s).id for s in t.books().spends]


def test_what_is_beyond_the_holders_limit_is_refused_before_anything_is_computed(running):
    with pytest.raises(Refused) as refusal:
        run(running, "sex == 'female'")
    assert refusal.value.code == "budget.releases"
    assert "at most 2 exact results" in str(refusal.value)
    with closing(Home.open(running.home("north")).journal()) as journal, journal.view() as t:
        last = t.jobs()[-1]
        events = [e.event for e in t.entries(0, t.size()) if e.subject == last.job]
        assert (last.phase, last.code) == ("refused", "budget.releases")
        assert events == ["job.offered", "job.refused"]
    run(running, WHERE)  # what was answered before is answered again


def test_an_audit_reads_every_question_and_answer(running, capsys):
    rows = keyong(capsys, "budget", "show", "--releases", "--home", running.home("north"))
    assert [r["where"] for r in rows[:3]] == [WHERE, "age_band != 'young' and sex == 'male'", ""]
    assert {r["phase"] for r in rows} == {"released"}
    assert json.loads(rows[0]["result"])["outcome"] == json.loads(rows[1]["result"])["outcome"]
    for r in rows:
        assert r["method"] == "describe@1" and len(r["release"]) == len(r["job"]) == 64
    text = calls.keyong(capsys, "budget", "show", "--releases", "--home", running.home("north")).out
    assert "asked before" in text and WHERE in text


def test_the_table_shows_what_is_left(running, capsys):
    text = calls.keyong(capsys, "budget", "show", "--home", running.home("north")).out
    assert "2 / 2 exact results" in text and "█" * budgets.WIDTH in text
    assert "  operator operator" in text and "  licence " in text


def test_another_machine_finds_the_same_table(running, capsys, tmp_path):
    """From the exported file alone, with nothing else of the node."""
    home = running.home("north")
    shown = keyong(capsys, "budget", "show", "--home", home)
    written = keyong(capsys, "budget", "export", tmp_path / "budget.json", "--home", home)
    assert written["documents"] == len(books(home).spends)
    assert keyong(capsys, "budget", "recompute", tmp_path / "budget.json", "--home", tmp_path / "nowhere") == shown
    assert keyong(capsys, "budget", "recompute", "--home", home) == shown
    text = calls.keyong(capsys, "budget", "recompute", tmp_path / "budget.json").out
    assert Home.open(home).key.public.fingerprint in text


def test_a_total_that_was_changed_in_the_journal_is_noticed(running, capsys, tmp_path):
    copy = tmp_path / "node"
    shutil.copytree(running.home("west"), copy)
    with closing(Home.open(copy).journal()) as journal, journal.transaction() as t:
        t._connection.exec_driver_sql("UPDATE account SET total = '[0,0]'")
    printed = calls.keyong(capsys, "budget", "recompute", "--home", copy, code=4)
    assert "not what its ledger and documents give" in printed.err


# --- what decides


def case(dataset=DATASET, **job):
    made = replace(coordinators.job("1" * 64, dataset).document(Job), **job)
    return cases.read(str(notes.write(made).signed_by(coordinators.KEYS["operator"])), dataset)


@pytest.fixture
def journal(tmp_path):
    made = Journal.create(tmp_path / "node.db", SigningKey("north", bytes(range(32))))
    yield made
    made.close()


def chain(*releases, of="1", **allow):
    """A licence of as many links, each with its own number of results."""
    links = [Licence("", (str(coordinators.KEYS["operator"].public),), 1, Rights(releases=most, **allow)) for most in releases]
    return Granted(tuple(f"{n:x}{of * 63}" for n, _ in enumerate(releases)), tuple(links), Rights())


def asked(journal, made, snapshot, policy=DEFAULT, licence=None):
    licence = licence or chain(None)
    made = replace(made, job=replace(made.job, licence=licence.id))
    with journal.transaction() as t:
        one = spending.exact(t, made, snapshot, ("north+key",), policy, licence=licence)
        spending.check(one, t)
        t.spend(one)


def test_a_refusal_follows_from_jobs_and_limits_alone(journal):
    """No snapshot is at hand, so no row can be read: the same jobs under the same limits are refused whatever the rows are (PRIVACY 3)."""
    tight = replace(DEFAULT, releases=1)
    for snapshot in ("5a" * 16, "5b" * 16):
        asked(journal, case(), snapshot, tight)
        with pytest.raises(BudgetExhausted, match="at most 1 exact results"):
            asked(journal, case(min_cell=11), snapshot, tight)


def test_what_was_answered_before_is_remembered_for_all_operators_and_forms_of_the_rows(journal, monkeypatch):
    """Conditions by what they select, once each; of a job that opened nothing, of other rows and of the job itself: none."""
    one, other, later = "5a" * 16, "5b" * 16, case(CUT, where="age < 50", title="later")
    asked(journal, case(CUT, where="age >= 50"), one)
    asked(journal, case(CUT, where="age >= 50 and age >= 50", operator=str(coordinators.KEYS["rival"].public)), one)
    asked(journal, case(CUT, where="age >= 50", title="of other rows"), "5c" * 16)
    hidden = case(CUT, where="age < 50", title="hidden")
    asked(journal, hidden, one)
    asked(journal, later, one)
    with journal.view() as t:
        assert spending.conditions(t, later, one) == ("age < 50", "age >= 50")
        assert spending.conditions(t, later, other) == ()
    result = canonical({"outcome": {"failed": SUPPRESSED}})
    with journal.transaction() as t:
        t.put_note(
            "release", hidden.id, str(notes.write(Release(hidden.id, "0" * 64, (), (), result)).signed_by(coordinators.KEYS["north"]))
        )
    monkeypatch.setattr("federated.node.history.family", lambda t, dataset, snapshot: [one, other])
    with journal.view() as t:
        assert spending.conditions(t, later, other) == ("age >= 50",)


@pytest.mark.parametrize(
    "outcome",
    [{"failed": WEIGHTLESS}, {"failed": f"{OVERDRAWN} cohort"}, {"failed": "separation"}, {"columns": []}],
    ids=["weightless", "limit", "separation", "opened"],
)
def test_a_job_that_opened_totals_is_remembered_whatever_came_of_it(journal, outcome):
    """Only a cohort without support opened nothing; and another operator's answer counts as one's own."""
    one, later = "5a" * 16, case(CUT, where="age < 50", title="later")
    before = case(CUT, where="age >= 50", operator=str(coordinators.KEYS["rival"].public))
    assert before.job.operator != later.job.operator
    asked(journal, before, one)
    result = canonical({"outcome": outcome})
    with journal.transaction() as t:
        note = notes.write(Release(before.id, "0" * 64, (), (), result)).signed_by(coordinators.KEYS["north"])
        t.put_note("release", before.id, str(note))
    with journal.view() as t:
        assert spending.conditions(t, later, one) == ("age >= 50",)


def test_too_many_earlier_conditions_are_refused_at_the_offer(journal):
    """Before the node accepts, from its journal alone, since no snapshot is at hand; of other rows nothing is refused."""
    cuts, one, holders = tuple(map(str, range(1, 131))), "5a" * 16, frozenset({"north", "south", "east"})
    schema = Schema("id", (catalogue.number("age", "0", "200", cuts=cuts),))
    entry = str(notes.write(replace(notes.read(DATASET).document(Dataset), schema=schema)).signed_by(coordinators.AUTHORITY))
    generous, made = replace(DEFAULT, releases=1000, numbers=10000), case(entry, where="")
    for cut in cuts[:128]:
        asked(journal, case(entry, where=f"age >= {cut}"), one, generous)
    with journal.view() as t:
        judge.check_history(t, made, one, holders)
    asked(journal, case(entry, where="age < 129"), one, generous)
    with journal.view() as t:
        judge.check_history(t, made, "5b" * 16, holders)
        with pytest.raises(DisclosureRefused) as refusal:
            judge.check_history(t, made, one, holders)
    assert refusal.value.code == "policy.conditions"


def test_a_holder_limits_the_numbers_too(journal):
    with pytest.raises(BudgetExhausted) as refusal:
        asked(journal, case(), "5a" * 16, replace(DEFAULT, numbers=1))
    assert refusal.value.code == "budget.numbers"


def test_a_licences_own_limits_are_taken(journal):
    asked(journal, case(), "5a" * 16, licence=chain(1))
    with pytest.raises(BudgetExhausted) as refusal:
        asked(journal, case(min_cell=11), "5a" * 16, licence=chain(1))
    assert refusal.value.code == "budget.licence_releases"


def test_the_link_above_is_spent_by_all_projects_below_it(journal):
    """Two projects with two results each have three together, whichever of them comes first."""
    parent = chain(3)
    below = [Granted((*parent.ids, more.id), (*parent.links, *more.links), Rights()) for more in (chain(2, of="2"), chain(2, of="3"))]
    for n, project in enumerate((below[0], below[0], below[1])):
        asked(journal, case(title=f"{n}"), "5a" * 16, licence=project)
    for project in below:
        with pytest.raises(BudgetExhausted) as refusal:
            asked(journal, case(title="one more"), "5a" * 16, licence=project)
        assert refusal.value.code == "budget.licence_releases"
    with journal.view() as t:
        rows = [row for row in budgets.rows(t.books()) if row.get("of", "").startswith("licence") and not row["dataset"]]
    assert [(row["releases"], row["most_releases"]) for row in rows] == [(3, 3), (2, 2), (1, 2)]
    assert "3 / 3 exact results" in budgets.as_text(rows)


def test_two_threads_race_for_the_last_result_of_a_licence(journal):
    start, ended = threading.Barrier(2), []

    def ask(n):
        start.wait()
        try:
            asked(journal, case(title=f"{n}"), "5a" * 16, licence=chain(1))
            ended.append("spent")
        except BudgetExhausted as refusal:
            ended.append(refusal.code)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["budget.licence_releases", "spent"]


@pytest.mark.parametrize(
    "millionths, epsilon", [(None, ""), (0, "0"), (500_000, "0.5"), (2_000_000, "2"), (1, "0.000001"), (10**12, "1000")]
)
def test_a_licences_epsilon_is_a_share_of_every_block(millionths, epsilon):
    [cap] = spending.caps(chain(None, epsilon_year=millionths))
    assert (cap.epsilon, cap.releases) == (epsilon, -1)
    made = replace(noisy().spends[0], licence=cap.licence, caps=(cap,))
    if millionths is not None and millionths < 400_000:
        with pytest.raises(BudgetExhausted) as refusal:
            charged(made, noisy().blocks, lambda _: ())
        assert refusal.value.code == "budget.licence"
    else:
        charged(made, noisy().blocks, lambda _: ())


def test_snapshots_of_the_same_rows_are_counted_together(journal, monkeypatch):
    one, other = "5a" * 16, "5b" * 16
    asked(journal, case(), one)
    monkeypatch.setattr("federated.node.history.family", lambda t, dataset, snapshot: [one, other])
    with pytest.raises(BudgetExhausted):
        asked(journal, case(), other, replace(DEFAULT, releases=1))
    asked(journal, case(), other)
    with journal.view() as t:
        rows = budgets.rows(t.books())
    assert [r["releases"] for r in rows if r["dataset"] and not r["of"]] == [1, 2]


def test_the_same_question_has_one_digest_whoever_asks_it():
    def digest(made, snapshot="1", keys=("a", "b")):
        return spending.query_of(made, snapshot, keys)

    same = digest(case())
    assert digest(case(title="another")) == digest(case(purpose="research")) == digest(case(), keys=("b", "a")) == same
    others = [case(min_cell=11), case(protect="threshold")]
    assert len({same, *map(digest, others), digest(case(), "2"), digest(case(), keys=("a",))}) == 5


def test_a_job_with_noise_is_no_exact_result(journal):
    [made] = noisy().spends
    with journal.transaction() as t:
        for block in noisy().blocks.values():
            t.open_block(block)
        t.spend(made)
    with journal.view() as t:
        assert spending.releases(t) == [] and t.books().totals == noisy().totals


# --- the table


def noisy():
    blocks = {name: Block(name, "1", "0.000001", "0", share) for name, share in (("heart/2024/all", "0.5"), ("city/2024", ""))}
    small = cost([1_000_000 * order for order in ORDERS])
    made = Spend("1" * 64, "op+key", "2" * 64, query(n=1), False, (Charge("heart/2024/all", small, 1),), None, (Cap("2" * 64, "0.4", -1),))
    return Books(blocks, (made,), charged(made, blocks, lambda _: ()))


def test_a_table_of_blocks():
    rows = budgets.rows(noisy())
    assert [(r["block"], r["of"].partition(" ")[0], r["epsilon"]) for r in rows] == [
        ("heart/2024/all", "", "1"), ("heart/2024/all", "operator", "0.5"), ("heart/2024/all", "licence", "0.4"), ("city/2024", "", "1"),
    ]  # fmt: skip
    assert 0 < rows[0]["spent"] < 0.4 and rows[3]["spent"] == 0
    text = budgets.as_text(rows).splitlines()
    assert "/ 1, δ 0.000001" in text[0] and text[1].startswith("  operator op ") and text[3].endswith("ε 0 / 1, δ 0.000001")
    assert budgets.as_text([]) == "nothing was spent yet"


def test_a_table_in_chinese(monkeypatch, journal):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    asked(journal, case(), "5a" * 16)
    with journal.view() as t:
        text = budgets.as_text(budgets.rows(t.books()))
    assert "快照 5a5a5a5a5a5a" in text and "精确结果 1 / 10000 项，至多" in text and "  运营单位 operator" in text
    assert budgets.as_text([]) == "尚无支出"


def test_an_account_without_a_limit_has_no_bar():
    made = noisy()
    [spend] = made.spends
    rows = budgets.rows(replace(made, spends=(replace(spend, caps=(replace(spend.caps[0], epsilon=""),)),)))
    assert rows[2]["epsilon"] == "" and "█" not in budgets.as_text(rows[2:3])


@pytest.mark.parametrize(
    "done, limit, full", [(0, 10, 0), (0.001, 10, 1), (5, 10, 10), (9.99, 10, 19), (10, 10, 20), (11, 10, 20), (0, 0, 20)]
)
def test_only_all_of_a_budget_fills_the_bar(done, limit, full):
    assert budgets.bar(done, limit).count("█") == full
