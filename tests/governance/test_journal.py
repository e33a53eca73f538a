"""The journal on both of its databases: what it keeps, what it refuses, and who may write when."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from governance import checkpoint, merkle
from governance.errors import BudgetExhausted, IntegrityError, OutOfTurn, Unavailable, UsageError
from governance.journal import Decision, JobRow, Journal
from governance.keys import SigningKey

pytest_plugins = ("tests.postgres",)

LOG = SigningKey("hospital-a/node", bytes(range(32)))
JOB, OTHER = "ab" * 32, "cd" * 32


class Clock:
    now = 1_700_000_000

    def __call__(self):
        return self.now + 0.9


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def where(request, tmp_path):
    return tmp_path / "node.db" if request.param == "sqlite" else request.getfixturevalue("postgres").fresh()


@pytest.fixture
def journal(where, clock):
    journal = Journal.create(where, LOG, clock=clock)
    yield journal
    journal.close()


def write(journal, *calls):
    """Each call is (name, arguments…), all in one transaction."""
    with journal.transaction() as t:
        return [getattr(t, name)(*rest) for name, *rest in calls]


# --- creating and opening


def test_a_journal_is_never_made_by_opening_it(tmp_path, postgres):
    for nowhere in (tmp_path / "node.db", postgres.fresh()):
        with pytest.raises(UsageError, match=r"there is no journal|not a keyong journal"):
            Journal.open(nowhere, LOG)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_is_never_made_over_another(journal, where):
    write(journal, ("append", "job.offered", JOB))
    with pytest.raises(UsageError, match="already"):
        Journal.create(where, LOG)
    assert journal.fsck().size == 1


def test_it_opens_for_its_owner_only(journal, where):
    for stranger in (SigningKey(LOG.name, bytes(32)), SigningKey("hospital-b/node", LOG.private)):
        with pytest.raises(IntegrityError, match="belongs to another key"):
            Journal.open(where, stranger)


def test_what_was_written_is_there_when_it_is_opened_again(journal, where):
    write(journal, ("append", "job.offered", JOB), ("put_note", "licence", "l1", "text\n"), ("put_sealed", JOB, "state", b"secret"))
    journal.close()
    again = Journal.open(where, LOG)
    with again.view() as v:
        assert v.size() == 1 and v.note("licence", "l1") == "text\n" and v.sealed(JOB, "state") == b"secret"
    again.close()


def test_another_version_is_not_touched(journal, where):
    from governance.journal import schema

    with journal._database.begun(journal._database.writing) as connection:
        connection.execute(schema.meta.update().where(schema.meta.c.name == "schema").values(value="999"))
    with pytest.raises(UsageError, match="schema 999"):
        Journal.open(where, LOG)


# --- transactions


def test_a_transaction_is_whole_or_nothing(journal):
    with pytest.raises(ZeroDivisionError), journal.transaction() as t:
        t.append("job.offered", JOB)
        t.put_job(JOB, phase="offered", deadline=1, detail="")
        t.put_sealed(JOB, "state", b"secret")
        t.take_use("lic", 1, JOB, 10)
        t.put("a", "b")
        raise ZeroDivisionError
    with journal.view() as v:
        assert (v.size(), v.jobs(), v.sealed(JOB, "state"), v.next_use("lic"), v.get("a")) == (0, [], None, 1, None)
    assert write(journal, ("append", "job.offered", OTHER)) == [0]
    assert journal.fsck().size == 1


def test_it_reads_what_it_has_written_and_others_do_not_yet(journal):
    with journal.transaction() as t:
        t.put("a", "1")
        assert t.get("a") == "1"
        with journal.view() as v:
            assert v.get("a") is None
    with journal.view() as v:
        assert v.get("a") == "1"


def test_a_view_does_not_move(journal):
    write(journal, ("append", "job.offered", JOB))
    with journal.view() as v:
        before, none = v.checkpoint(), v.get("a")
        write(journal, ("append", "job.ended", JOB), ("put", "a", "1"))
        assert v.checkpoint() == before and len(v.entries()) == 1
        assert v.get("a") is none is None
    with journal.view() as v:
        assert v.size() == 2


def test_one_transaction_in_a_thread(journal):
    with journal.transaction() as t:
        t.put("a", "1")
        with pytest.raises(UsageError, match="hand it on"), journal.transaction():
            pass
        t.put("b", "2")
    with journal.view() as v:
        assert v.get("a") == "1" and v.get("b") == "2"


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_swallowed_database_error_cannot_be_committed_around(journal, goes_on):
    """PostgreSQL would turn the commit into a rollback without a word; SQLite may go on without a transaction."""
    with pytest.raises(Unavailable, match="failed earlier"), journal.transaction() as t:
        t.append("job.offered", JOB)
        t.put("a", "1")
        with suppress(Exception):
            t._connection.exec_driver_sql("INSERT INTO setting VALUES ('a', 'again')")
        if goes_on:
            t.put("b", "2")
    with journal.view() as v:
        assert (v.size(), v.get("a"), v.get("b")) == (0, None, None)
    assert write(journal, ("append", "job.offered", JOB)) == [0]


# --- ledger


def test_ledger_in_the_journal(journal, clock):
    with journal.view() as v:
        first = v.checkpoint()
    assert write(journal, ("append", "job.offered", JOB), ("append", "job.accepted", JOB)) == [0, 1]
    clock.now += 5
    assert write(journal, ("append", "job.refused", JOB, "licence.expired")) == [2]
    with journal.view() as v:
        head = checkpoint.opened(v.checkpoint(), LOG.public)
        assert head.size == v.size() == 3
        assert [(e.event, e.subject, e.code, e.at - 1_700_000_000) for e in v.entries()] == [
            ("job.offered", JOB, "", 0),
            ("job.accepted", JOB, "", 0),
            ("job.refused", JOB, "licence.expired", 5),
        ]
        for index, found in enumerate(v.entries()):
            merkle.verify_inclusion(v.inclusion(index), head.root, leaf=merkle.leaf_hash(found.leaf), index=index, size=3)
        merkle.verify_consistency(v.consistency(0), checkpoint.opened(first, LOG.public).root, head.root, old=0, new=3)
    assert journal.fsck() == head


def test_a_wrong_entry_stops_the_transaction(journal):
    with pytest.raises(UsageError, match="not a ledger entry"):
        write(journal, ("put", "a", "1"), ("append", "job.offered", "Zhang San"))
    with journal.view() as v:
        assert v.get("a") is None and v.size() == 0


def test_more_entries_than_a_page(journal):
    with journal.transaction() as t:
        for i in range(2500):
            t.append("job.offered", f"{i:064x}")
    with journal.view() as v:
        assert [e.subject for e in v.entries(0, 5000)] == [f"{i:064x}" for i in range(2500)]
    assert journal.fsck().size == 2500


@pytest.mark.parametrize(
    "statement, says",
    [
        ("UPDATE bundle SET entries = (SELECT entries FROM bundle WHERE first = 2) WHERE first = 1", "entry 1 and its hash"),
        ("UPDATE bundle SET entries = substr(entries, 1, 9) WHERE first = 1", "entry 1 and its hash"),
        ("DELETE FROM bundle WHERE first = 1", "entry 1 is missing"),
        ("UPDATE bundle SET first = 1000000000000000 WHERE first = 1", "entry 1 is missing"),
        ("UPDATE bundle SET entries = x'' WHERE first = 4", "the bundle of entry 4 is empty"),
        ("UPDATE bundle SET hashes = (SELECT hashes FROM bundle WHERE first = 2) WHERE first = 1", "entry 1 and its hash"),
        ("UPDATE bundle SET hashes = substr(hashes, 1, 30) WHERE first = 3", "entry 3 and its hash"),
        ("INSERT INTO tile VALUES (281474976710656, x'00')", "tile 0 of level 1 belongs to no entry"),
    ],
)
def test_fsck_reads_what_is_stored(journal, statement, says):
    for i in range(5):
        write(journal, ("append", "job.offered", f"{i:064x}"))
    if journal._database.engine.dialect.name != "sqlite":
        statement = re.sub(r"x'(\w*)'", r"'\\x\1'", statement)
    with journal._database.begun(journal._database.writing) as connection:
        connection.exec_driver_sql(statement)
    with pytest.raises(IntegrityError, match=says):
        journal.fsck()


def test_writers_take_turns_and_what_is_rolled_back_leaves_no_edge(tmp_path):
    """A journal goes on from the edge of its own last transaction, and from no other's."""
    one = Journal.create(tmp_path / "node.db", LOG)
    other = Journal.open(tmp_path / "node.db", LOG)
    for number in range(300):
        with (one if number % 7 else other).transaction() as t:
            t.append("job.offered", f"{number:064x}")
        if number % 50 == 0:
            with pytest.raises(ZeroDivisionError), one.transaction() as t:
                t.append("job.refused", JOB)
                t.close_ledger()
                raise ZeroDivisionError
    head = one.fsck()
    with other.view() as v:
        assert (head.size, v.root()) == (300, head.root)
        assert [e.subject for e in v.entries(0, 999)] == [f"{number:064x}" for number in range(300)]
    one.close()
    other.close()


# --- notes and settings


def test_notes(journal):
    write(journal, ("put_note", "licence", "l2", "two\n"), ("put_note", "licence", "l1", "一\n"), ("put_note", "dataset", "l1", "other\n"))
    write(journal, ("put_note", "licence", "l1", "一\n"))  # the same again
    with pytest.raises(UsageError, match="another licence"):
        write(journal, ("put_note", "licence", "l1", "changed\n"))
    with journal.view() as v:
        assert v.notes("licence") == [("l1", "一\n"), ("l2", "two\n")]
        assert v.note("licence", "l3") is None and v.notes("nothing") == []
    with journal.transaction() as t:
        t.put_note("licence", "l1", "changed\n", replace=True)
    with journal.view() as v:
        assert v.note("licence", "l1") == "changed\n" and v.note("dataset", "l1") == "other\n"


def test_settings(journal):
    write(journal, ("put", "a", "1"), ("put", "a", "2"), ("put", "b", ""))
    with journal.view() as v:
        assert (v.get("a"), v.get("b"), v.get("c")) == ("2", "", None)


# --- jobs


def put_job(journal, job, **change):
    with journal.transaction() as t:
        t.put_job(job, **{"phase": "offered", "deadline": 1_700_000_600, "detail": "title", **change})


def test_the_life_of_a_job(journal, clock):
    put_job(journal, JOB)
    put_job(journal, OTHER, detail="other")
    row = JobRow(1, JOB, "offered", 1_700_000_600, "title", "", 1, False, 1_700_000_000)
    with journal.view() as v:
        assert v.job(JOB) == row and v.job("00" * 32) is None
        assert [r.job for r in v.jobs()] == [JOB, OTHER]
    write(journal, ("set_phase", JOB, "running", "round 1"))
    with journal.view() as v:
        assert v.job(JOB) == JobRow(1, JOB, "running", 1_700_000_600, "round 1", "", 2, False, 1_700_000_000)
    write(journal, ("end_job", JOB, "failed", "job.deadline", "too late"))
    with journal.view() as v:
        assert v.job(JOB) == JobRow(1, JOB, "failed", 1_700_000_600, "too late", "job.deadline", 3, True, 1_700_000_000)
        assert [r.job for r in v.jobs(open_only=True)] == [OTHER] and len(v.jobs()) == 2
        assert v.job(OTHER).version == 1


def test_a_job_ends_once(journal):
    put_job(journal, JOB)
    write(journal, ("end_job", JOB, "done", "", ""))
    for call in [("end_job", JOB, "failed", "", ""), ("set_phase", JOB, "running"), ("put_sealed", JOB, "state", b"x")]:
        with pytest.raises(OutOfTurn, match="has ended"):
            write(journal, call)


def test_jobs_that_are_not_there_or_there_already(journal):
    put_job(journal, JOB)
    with pytest.raises(UsageError, match="already"):
        put_job(journal, JOB)
    with pytest.raises(UsageError, match="no such job"):
        write(journal, ("set_phase", OTHER, "running"))


def test_what_a_job_says_does_not_print(journal):
    put_job(journal, JOB, detail="the title of a job")
    with journal.view() as v:
        assert "title" not in repr(v.job(JOB))


def test_decisions(journal, clock):
    write(journal, ("put_decision", JOB, "denied", "no plan"))
    clock.now += 9
    write(journal, ("put_decision", JOB, "denied", "no plan"))
    with pytest.raises(OutOfTurn, match="decided before"):
        write(journal, ("put_decision", JOB, "approved", ""))
    with journal.view() as v:
        assert v.decision(JOB) == Decision("denied", "no plan", 1_700_000_000) and v.decision(OTHER) is None


# --- sealed values


def test_sealed_values(journal):
    write(journal, ("put_sealed", JOB, "out/1", b"one"), ("put_sealed", JOB, "out/2", b""), ("put_sealed", JOB, "OUT/3", b"3"))
    write(journal, ("put_sealed", JOB, "state", bytes(100_000)), ("put_sealed", JOB, "out/1", b"new"))
    write(journal, ("put_sealed", OTHER, "out/1", b"other"), ("put_sealed", JOB, "out_4", b"4"), ("put_sealed", JOB, "a%b", b"5"))
    with journal.view() as v:
        assert (v.sealed(JOB, "out/1"), v.sealed(JOB, "out/2"), v.sealed(JOB, "state")) == (b"new", b"", bytes(100_000))
        assert v.sealed(OTHER, "out/1") == b"other" and v.sealed(OTHER, "state") is None
        assert v.sealed_slots(JOB, "out/") == ["out/1", "out/2"] and v.sealed_slots(JOB, "a%") == ["a%b"]
        assert v.sealed_slots(JOB, "out_") == ["out_4"] and len(v.sealed_slots(JOB, "")) == 6


def boxes(journal):
    from governance.journal import schema

    with journal._database.begun(journal._database.reading) as connection:
        return {(row.job, row.slot): row.box for row in connection.execute(schema.sealed.select())}


def test_the_same_value_never_looks_the_same(journal):
    write(journal, ("put_sealed", JOB, "a", b"value"), ("put_sealed", JOB, "b", b"value"), ("put_sealed", OTHER, "a", b"value"))
    before = boxes(journal)
    write(journal, ("put_sealed", JOB, "a", b"value"))
    seen = [*before.values(), boxes(journal)[JOB, "a"]]
    assert len({box[:12] for box in seen}) == len({box[12:] for box in seen}) == 4
    assert all(b"value" not in box for box in seen)


def test_a_box_that_was_moved_or_changed_does_not_open(journal):
    from governance.journal import schema

    write(journal, ("put_sealed", JOB, "a", b"value"), ("put_sealed", JOB, "b", b"other"), ("put_sealed", OTHER, "a", b"third"))
    good = boxes(journal)
    table = schema.sealed
    here = (table.c.job == JOB) & (table.c.slot == "a")
    for box in (good[JOB, "b"], good[OTHER, "a"], good[JOB, "a"][:-1], b"", bytes([good[JOB, "a"][0] ^ 1]) + good[JOB, "a"][1:]):
        with journal._database.begun(journal._database.writing) as connection:
            connection.execute(table.update().where(here).values(box=box))
        with pytest.raises(IntegrityError, match="damaged"), journal.view() as v:
            v.sealed(JOB, "a")


def test_wiping_takes_one_jobs_values_and_only_those(journal):
    put_job(journal, JOB)
    write(journal, ("put_sealed", JOB, "a", b"1"), ("put_sealed", OTHER, "a", b"2"))
    write(journal, ("end_job", JOB, "done", "", ""))
    with journal.view() as v:
        assert v.sealed(JOB, "a") is None and v.sealed_slots(JOB) == [] and v.sealed(OTHER, "a") == b"2"
    write(journal, ("wipe", OTHER), ("wipe", "00" * 32))
    with journal.view() as v:
        assert v.sealed(OTHER, "a") is None
    assert boxes(journal) == {}


# --- uses of a licence


def test_uses_are_taken_once_and_the_same_again_is_no_other(journal):
    write(journal, ("take_use", "lic", 1, JOB, 2), ("take_use", "lic", 1, JOB, 2), ("take_use", "other", 1, JOB, 2))
    write(journal, ("take_use", "lic", 1, JOB, 2))
    with journal.view() as v:
        assert (v.next_use("lic"), v.next_use("other"), v.next_use("new")) == (2, 2, 1)
    for wrong in [("take_use", "lic", 1, OTHER, 2), ("take_use", "lic", 2, JOB, 2)]:
        with pytest.raises(IntegrityError, match="not free"):
            write(journal, wrong)
    with pytest.raises(BudgetExhausted) as caught:
        write(journal, ("take_use", "lic", 3, OTHER, 2))
    assert (caught.value.code, caught.value.facts) == ("licence.used", {"limit": 2})
    with pytest.raises(UsageError):
        write(journal, ("take_use", "lic", 0, OTHER, 2))
    with journal.view() as v:
        assert v.next_use("lic") == 2


def test_a_hundred_jobs_on_ten_uses_are_exactly_ten(journal):
    """Eight threads, each job in one transaction that also counts it: ten get a use, ninety are refused."""
    refused, barrier = [], threading.Barrier(8)

    def run(jobs):
        barrier.wait()
        for job in jobs:
            try:
                with journal.transaction() as t:
                    t.append("job.spent", job)
                    t.take_use("lic", t.next_use("lic"), job, 10)
            except BudgetExhausted:
                refused.append(job)

    jobs = [f"{i:064x}" for i in range(100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, [jobs[i::8] for i in range(8)]))
    with journal.view() as v:
        spent = [e.subject for e in v.entries()]
        assert v.next_use("lic") == 11
    assert len(spent) == len(set(spent)) == 10 and sorted(spent + refused) == jobs
    assert journal.fsck().size == 10


# --- cohorts


def test_cohorts(journal):
    three, two = frozenset({"a", "b", "丙"}), frozenset({"a", "b"})
    write(journal, ("put_cohort", "heart", "s1", "opened", three), ("put_cohort", "heart", "s1", "opened", two))
    write(journal, ("put_cohort", "heart", "s1", "opened", three), ("put_cohort", "heart", "s1", "roster", three))
    with journal.view() as v:
        assert v.cohorts("heart", "s1", "opened") == [three, two] and v.cohorts("heart", "s1", "roster") == [three]
        assert v.cohorts("heart", "s2", "opened") == v.cohorts("lung", "s1", "opened") == []
        with pytest.raises(UsageError, match="a roster or opened"):
            v.cohorts("heart", "s1", "closed")
    with pytest.raises(UsageError):
        write(journal, ("put_cohort", "heart", "s1", "closed", three))
