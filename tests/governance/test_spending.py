"""What is spent, on both databases: by all accounts or by none, once, and found again from the ledger on another machine."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import budget, notes
from governance.budget import Cost, cost
from governance.encoding import build, parse, plain
from governance.errors import BudgetExhausted, DecodeError, IntegrityError, KeyongError, UsageError
from governance.journal import Journal
from governance.keys import SigningKey
from governance.ledger import entry
from governance.spending import Block, Cap, Charge, Exact, Spend, block_of, charged, city, query, read_export, recompute, write_export

pytest_plugins = ("tests.postgres",)

NODE = SigningKey("hospital-a/node", bytes(range(32)))
HEART, CITY = block_of("heart", "2024"), city("2024")
BLOCKS = (Block(HEART, "1", "0.000001", "0", ""), Block(CITY, "3", "0.000001", "0", "2"))
LICENCE, OTHER_LICENCE = "a1" * 32, "a2" * 32
LINK = {"licence": LICENCE, "epsilon": "", "releases": -1}
SNAPSHOT, EARLIER = "5a" * 16, "5b" * 16


def gauss(rho: float) -> Cost:
    return cost([int(order * rho * budget.NANO) + 1 for order in budget.ORDERS])


SMALL, LARGE = gauss(0.001), gauss(0.012)  # LARGE fits into HEART once
EXACT = Exact("heart", SNAPSHOT, (), "describe@1", "sex == 'male'", 40, 3, 1000)


def job(n: int) -> str:
    return f"{n:064x}"


def spend(n: int, *costs: tuple[str, Cost, int], **more) -> Spend:
    caps = more.pop("caps", (Cap(LICENCE, "", -1),))
    made = Spend(job(n), "op-1+key", caps[-1].licence, query(n=n), False, tuple(Charge(*one) for one in costs), None, caps)
    return replace(made, **more)


def exact(n: int, what: Exact = EXACT, **more) -> Spend:
    return spend(n, **{"exact": what, **more})


@pytest.fixture(params=["sqlite", "postgres"])
def journal(request, tmp_path):
    where = tmp_path / "node.db" if request.param == "sqlite" else request.getfixturevalue("postgres").fresh()
    made = Journal.create(where, NODE, clock=lambda: 1_764_000_000)
    with made.transaction() as t:
        for block in BLOCKS:
            t.open_block(block)
    yield made
    made.close()


def spent(journal, *spends):
    for one in spends:
        with journal.transaction() as t:
            t.spend(one)


def totals(journal):
    with journal.view() as v:
        return v.books().totals


def refused(journal, one):
    before = totals(journal)
    with journal.transaction() as t, pytest.raises(BudgetExhausted) as found:
        t.spend(one)
    assert totals(journal) == before
    return found.value.code


# --- noise


def test_a_job_is_charged_to_block_operator_and_licence(journal):
    spent(journal, spend(1, (HEART, SMALL, 1)), spend(2, (HEART, SMALL, 1), operator="op-2+key"))
    found = totals(journal)
    assert found[HEART] == tuple(2 * at for at in SMALL.total)
    assert found[f"{HEART} operator op-1"] == found[f"{HEART} operator op-2"] == SMALL.total
    assert found[f"{HEART} licence {LICENCE}"] == found[HEART]


def test_all_blocks_admit_or_none_is_charged(journal):
    """The city has room, the dataset has not; whoever swallows the refusal has charged nothing."""
    spent(journal, spend(1, (HEART, LARGE, 1)))
    assert refused(journal, spend(2, (CITY, SMALL, 1), (HEART, LARGE, 1))) == "budget.block"
    assert refused(journal, spend(3, (CITY, SMALL, 1), (block_of("lung", "2024"), SMALL, 1))) == "budget.block"
    assert CITY not in totals(journal)


def test_an_operator_who_splits_itself_gets_no_more_of_a_block(journal):
    spent(journal, *(spend(n, (HEART, SMALL, 1), operator=f"op-{n}+key") for n in range(16)))
    assert refused(journal, spend(99, (HEART, LARGE, 1), operator="op-99+key")) == "budget.block"


def test_a_share_is_one_operators(journal):
    spent(journal, spend(1, (CITY, gauss(0.05), 1)))
    assert refused(journal, spend(2, (CITY, gauss(0.05), 1))) == "budget.operator"
    spent(journal, spend(3, (CITY, gauss(0.02), 1), operator="op-2+key"))


def test_an_operator_whose_key_was_exchanged_has_its_old_share(journal):
    spent(journal, spend(1, (CITY, gauss(0.05), 1), operator="op-2+old"))
    assert refused(journal, spend(2, (CITY, gauss(0.05), 1), operator="op-2+new")) == "budget.operator"


def test_a_licence_has_an_epsilon_of_its_own(journal):
    tight = {"caps": (Cap(LICENCE, "0.5", -1),)}
    spent(journal, spend(1, (HEART, gauss(0.004), 1), **tight))
    assert refused(journal, spend(2, (HEART, gauss(0.004), 1), **tight)) == "budget.licence"
    assert refused(journal, spend(3, (HEART, SMALL, 1), caps=(Cap(OTHER_LICENCE, "0", -1),))) == "budget.licence"
    spent(journal, spend(4, (HEART, gauss(0.004), 1), caps=(Cap(OTHER_LICENCE, "0.5", -1),)))


def test_a_person_in_several_hospitals_costs_the_city_the_square(journal):
    """Where a person may be in five hospitals, the city's block is charged 25 times what the hospital's is (PRIVACY 11)."""
    spent(journal, spend(1, (HEART, SMALL, 1), (CITY, SMALL, 5)))
    assert totals(journal)[CITY][:-1] == tuple(25 * at for at in SMALL.curve)
    assert refused(journal, spend(2, (HEART, SMALL, 1), (CITY, SMALL, 9))) == "budget.operator"


def test_a_block_that_is_charged_twice_by_one_job_pays_twice(journal):
    spent(journal, spend(1, (HEART, SMALL, 1), (HEART, SMALL, 1)))
    assert totals(journal)[HEART] == tuple(2 * at for at in SMALL.total)


def test_a_new_year_is_another_block_and_refills_nothing(journal):
    with journal.transaction() as t:
        t.open_block(Block(block_of("heart", "2025"), "1", "0.000001", "0", ""))
    spent(journal, spend(1, (HEART, LARGE, 1)), spend(2, (block_of("heart", "2025"), LARGE, 1)))
    assert refused(journal, spend(3, (HEART, LARGE, 1))) == "budget.block"


# --- once, and for good


def test_a_job_spends_once(journal):
    one = spend(1, (HEART, SMALL, 1))
    spent(journal, one, one)
    assert totals(journal)[HEART] == SMALL.total
    with journal.transaction() as t, pytest.raises(IntegrityError, match="something else"):
        t.spend(replace(one, charges=()))
    with journal.view() as v:
        assert v.spend_of(one.job) == one and v.spend_of(job(2)) is None


def test_a_job_that_fails_has_spent(journal):
    with journal.transaction() as t:
        t.put_job(job(1), phase="running", deadline=0, detail="")
        t.spend(spend(1, (HEART, LARGE, 1)))
    with journal.transaction() as t:
        t.end_job(job(1), "failed", "job.local", "")
    assert refused(journal, spend(2, (HEART, LARGE, 1))) == "budget.block"


def test_what_a_transaction_loses_was_not_spent(journal):
    with pytest.raises(RuntimeError), journal.transaction() as t:
        t.spend(spend(1, (HEART, LARGE, 1)))
        raise RuntimeError
    spent(journal, spend(2, (HEART, LARGE, 1)))


def test_a_block_keeps_its_limits(journal):
    with journal.transaction() as t:
        t.open_block(BLOCKS[0])
        with pytest.raises(UsageError, match="open already, with other limits"):
            t.open_block(replace(BLOCKS[0], epsilon="2"))
        with pytest.raises(UsageError, match="delta must be"):
            t.open_block(Block(block_of("lung", "2024"), "1", "0", "0", ""))
    with journal.view() as v:
        assert tuple(v.blocks().values()) == BLOCKS


def test_what_could_not_be_read_again_is_not_spent(journal):
    """A family of snapshots without end, a condition that no job can have, a block without a period."""
    for wrong in (replace(EXACT, family=(EARLIER,) * 4097), replace(EXACT, where="x" * 1001)):
        with journal.transaction() as t, pytest.raises(DecodeError):
            t.spend(exact(1, wrong))
    with journal.transaction() as t, pytest.raises(DecodeError):
        t.open_block(replace(BLOCKS[0], name="heart"))
    assert totals(journal) == {}


# --- repeated queries


def test_a_repeated_query_costs_operator_and_licence_but_no_block(journal):
    """It is answered as it was then; who asks is charged like for a new one (PRIVACY 18)."""
    spent(journal, spend(1, (HEART, LARGE, 1)))
    again = spend(2, (HEART, LARGE, 1), operator="op-2+key", query=query(n=1), repeats=True)
    spent(journal, again)
    found = totals(journal)
    assert found[HEART] == found[f"{HEART} operator op-2"] == LARGE.total
    assert found[f"{HEART} licence {LICENCE}"] == tuple(2 * at for at in LARGE.total)
    with journal.transaction() as t, pytest.raises(UsageError, match="not spent on before"):
        t.spend(spend(3, (HEART, LARGE, 1), repeats=True))


def test_a_query_was_asked_if_another_job_spent_on_it(journal):
    spent(journal, spend(1))
    with journal.view() as v:
        assert v.asked(query(n=1), besides=job(2))
        assert not v.asked(query(n=1), besides=job(1)) and not v.asked(query(n=2), besides=job(1))


@pytest.mark.parametrize("part", ["snapshots", "method", "parameters", "where", "rule", "min_cell", "roster"])
def test_a_query_is_another_where_anything_differs(part):
    parts = {name: "same" for name in ("snapshots", "method", "parameters", "where", "rule", "min_cell", "roster")}
    assert query(**parts) != query(**{**parts, part: "other"})
    assert query(**parts) == query(**dict(reversed(parts.items())))


# --- without noise


def test_exact_jobs_spend_releases_and_numbers(journal):
    spent(journal, exact(1), exact(2), exact(3, replace(EXACT, snapshot=EARLIER)))
    found = totals(journal)
    assert found[f"heart {SNAPSHOT}"] == found[f"heart {SNAPSHOT} operator op-1"] == (2, 80)
    assert found[f"licence {LICENCE}"] == (3, 120)
    spent(journal, exact(4, operator="op-2+key"))
    assert refused(journal, exact(5, operator="op-3+key")) == "budget.releases"
    assert refused(journal, exact(5, replace(EXACT, most_releases=9, numbers=881))) == "budget.numbers"
    spent(journal, exact(5, replace(EXACT, most_releases=9, numbers=880)))


def test_snapshots_of_the_same_rows_have_one_count(journal):
    spent(journal, *(exact(n, replace(EXACT, snapshot=EARLIER)) for n in range(3)))
    assert refused(journal, exact(9, replace(EXACT, family=(EARLIER,)))) == "budget.releases"
    spent(journal, exact(9))


def test_a_licence_has_a_number_of_releases(journal):
    two = (Cap(LICENCE, "", 2),)
    spent(journal, exact(1, caps=two), exact(2, replace(EXACT, dataset="lung"), caps=two))
    assert refused(journal, exact(3, caps=two)) == "budget.licence_releases"
    spent(journal, exact(3, caps=(Cap(OTHER_LICENCE, "", 1),)))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=4, max_size=40),
       st.lists(st.tuples(st.sampled_from(["", "0", "0.1", "0.3"]), st.integers(-1, 6)), min_size=5, max_size=5))  # fmt: skip
def test_no_link_of_any_chain_is_used_beyond_its_limits(sequence, limits):
    """Five links in a tree, in which 3 and 4 are below 1, 1 and 2 below 0: what is below counts at every link above, and nothing stands in
    another's account. Whoever recomputes finds the same.
    """
    caps = [Cap(f"{n:02x}" * 32, epsilon, releases) for n, (epsilon, releases) in enumerate(limits)]
    chains = [(caps[0],), (caps[0], caps[1]), (caps[0], caps[2]), (caps[0], caps[1], caps[3]), (caps[0], caps[1], caps[4])]
    blocks, kept, so_far, used = {b.name: b for b in BLOCKS}, [*BLOCKS], {}, dict.fromkeys(caps, 0)
    for n, (leaf, noisy) in enumerate(sequence):
        one = (
            spend(n, (CITY, SMALL, 1), caps=chains[leaf])
            if noisy
            else exact(n, replace(EXACT, most_releases=1000, most_numbers=10**6), caps=chains[leaf])
        )
        room = all(cap.releases < 0 or used[cap] < cap.releases for cap in chains[leaf])
        try:
            so_far.update(charged(one, blocks, lambda name: so_far.get(name, ())))
        except BudgetExhausted as refusal:
            assert noisy or (not room and refusal.code == "budget.licence_releases")
            continue
        kept.append(one)
        assert noisy or room
        for cap in () if noisy else chains[leaf]:
            used[cap] += 1
    for cap in caps:
        assert so_far.get(f"licence {cap.licence}", (0,))[0] == used[cap] and (cap.releases < 0 or used[cap] <= cap.releases)
        total = so_far.get(f"{CITY} licence {cap.licence}")
        if total and cap.epsilon:
            assert budget.spent(total, cap.epsilon, "0.000001") <= float(cap.epsilon)
    assert found(*kept).totals == so_far


def test_an_exact_repetition_is_charged_to_operator_and_licence(journal):
    spent(journal, exact(1), exact(2, query=query(n=1), repeats=True), exact(3), exact(4))
    found = totals(journal)
    assert (found[f"heart {SNAPSHOT}"], found[f"heart {SNAPSHOT} operator op-1"]) == ((3, 120), (4, 160))


# --- two processes


RACE = """
import sys
from governance.errors import BudgetExhausted
from governance.journal import Journal
from tests.governance.test_spending import HEART, LARGE, NODE, spend

journal = Journal.open(sys.argv[1], NODE)
print("ready", flush=True)
sys.stdin.readline()
try:
    with journal.transaction() as t:
        t.spend(spend(int(sys.argv[2]), (HEART, LARGE, 1), operator=sys.argv[2]))
    print("won")
except BudgetExhausted as error:
    print(error.code)
"""


def test_two_processes_race_for_the_last_budget_and_one_wins(journal):
    where = journal._database.engine.url
    path = where.render_as_string(hide_password=False) if where.drivername != "sqlite" else where.database.partition(":")[2]
    racers = [subprocess.Popen([sys.executable, "-c", RACE, path, str(n)], stdin=-1, stdout=-1, text=True) for n in (1, 2)]
    assert [r.stdout.readline() for r in racers] == ["ready\n"] * 2
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert sorted(r.communicate()[0] for r in racers) == ["budget.block\n", "won\n"]
    assert totals(journal)[HEART] == LARGE.total


# --- found again


def exported(journal):
    with journal.view() as v:
        return v.budget_export(str(NODE.public))


@pytest.fixture
def history(journal):
    """A little of everything."""
    with journal.transaction() as t:
        t.append("job.offered", job(1))
    spent(journal, spend(1, (HEART, SMALL, 1), (CITY, SMALL, 3)), exact(2), exact(3, query=query(n=2), repeats=True))
    spent(journal, spend(4, (CITY, SMALL, 2), operator="op-2+key"))
    return exported(journal)


def test_another_machine_finds_the_same_books(journal, history):
    with journal.view() as v:
        books = v.books()
    again, found = read_export(write_export(history))
    assert again == history and found == books
    assert list(found.totals) == list(books.totals)


@pytest.mark.parametrize("change, says", [
    (lambda e: {"leaves": e.leaves[:-1]}, "not those under the checkpoint"),
    (lambda e: {"leaves": (*e.leaves[:-1], e.leaves[0])}, "not those under the checkpoint"),
    (lambda e: {"documents": e.documents[1:]}, "is missing"),
    (lambda e: {"documents": tuple(text.replace('"numbers":40', '"numbers":39') for text in e.documents)}, "is missing"),
    (lambda e: {"documents": (*e.documents, notes.write(spend(77)).text)}, "1 documents of the budget are in no entry"),
    (lambda e: {"key": str(SigningKey("hospital-a/node", bytes(32)).public)}, "is not signed by"),
])  # fmt: skip
def test_an_altered_export_is_noticed(history, change, says):
    with pytest.raises(KeyongError, match=says):
        read_export(write_export(replace(history, **change(history))))


@pytest.mark.parametrize("text", ["[]", '["keyong/spend/v1",{}]', "{}"])
def test_what_is_no_export(text):
    with pytest.raises(IntegrityError, match="no export"):
        read_export(text)


def entries(*documents):
    return [entry("budget.opened" if isinstance(d, Block) else "budget.spent", notes.write(d).id, code="", at=0) for d in documents]


def found(*documents):
    return recompute(entries(*documents), {notes.write(d).text for d in documents})


@pytest.mark.parametrize("documents, says", [
    ((BLOCKS[0], spend(1, (HEART, LARGE, 1)), spend(2, (HEART, LARGE, 1))), "charged as it cannot have been"),
    ((spend(1, (HEART, SMALL, 1)), BLOCKS[0]), "charged as it cannot have been"),
    ((BLOCKS[0], replace(BLOCKS[0], epsilon="9")), "opened twice"),
    ((exact(1), exact(1, operator="op-2+key")), "charged twice"),
    ((exact(1, repeats=True),), "repeats what was never asked"),
])  # fmt: skip
def test_books_that_were_cooked_are_noticed(documents, says):
    with pytest.raises(IntegrityError, match=says):
        found(*documents)


def test_a_document_of_another_kind_is_noticed():
    one = spend(1)
    with pytest.raises(DecodeError, match="expected a document of type keyong/block/v1"):
        recompute([entry("budget.opened", notes.write(one).id, code="", at=0)], [notes.write(one).text])


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([SMALL, gauss(0.003), LARGE]), st.integers(1, 4), st.booleans()), max_size=25))
def test_any_sequence_stays_within_every_limit_and_is_found_again(sequence):
    """Jobs of three operators, charged to one block or two; what is admitted is recomputed from documents alone."""
    blocks, kept, so_far = {b.name: b for b in BLOCKS}, [*BLOCKS], {}
    for n, (who, what, hospitals, both) in enumerate(sequence):
        costs = [(HEART, what, 1), (CITY, what, hospitals)][: 1 + both]
        one = spend(n, *costs, operator=f"op-{who}+key")
        try:
            so_far.update(charged(one, blocks, lambda name: so_far.get(name, ())))
        except BudgetExhausted:
            continue
        kept.append(one)
    for block in BLOCKS:
        for name, total in so_far.items():
            share = block.operator_epsilon if "operator" in name else "" if "licence" in name else block.epsilon
            if name.startswith(block.name) and share:
                assert budget.spent(total, share, block.delta) <= float(share)
    assert found(*kept).totals == so_far


# --- hostile documents


@pytest.mark.parametrize("change", [
    {"job": "x"}, {"operator": ""}, {"caps": []}, {"caps": [LINK | {"releases": -2}]}, {"caps": [LINK | {"epsilon": "1e3"}]}, {"caps": [LINK | {"epsilon": "-1"}]},
    {"caps": [LINK | {"licence": OTHER_LICENCE}]}, {"caps": [LINK, LINK]}, {"caps": [LINK] * 7}, {"repeats": 0},
    {"charges": [{"block": "heart", "cost": plain(SMALL), "hospitals": 1}]}, {"charges": [{"block": HEART, "cost": plain(SMALL), "hospitals": 0}]},
    {"charges": [{"block": HEART, "cost": {"curve": [0] * 15, "chance": 0}, "hospitals": 1}]}, {"more": 1},
    {"exact": {**plain(EXACT), "numbers": -1}}, {"exact": {**plain(EXACT), "numbers": 10**13}}, {"exact": {**plain(EXACT), "snapshot": "../x"}},
])  # fmt: skip
def test_a_spend_is_closed(change):
    with pytest.raises(DecodeError):
        build(Spend, {**plain(exact(1)), **change})


@pytest.mark.parametrize(
    "change", [{"name": "heart"}, {"name": "a/b/c/d"}, {"epsilon": "01"}, {"epsilon": ""}, {"epsilon": "1e1"}, {"delta": "1"}]
)
def test_a_block_is_closed(change):
    with pytest.raises(DecodeError):
        build(Block, {**plain(BLOCKS[0]), **change})


def test_documents_are_canonical(journal):
    text = notes.write(exact(1)).text
    assert notes.Note(text).document(Spend) == exact(1)
    assert parse(text.partition("\n")[2][:-1])["exact"]["numbers"] == 40


@pytest.mark.parametrize(
    "statement, says",
    [
        ("UPDATE account SET total = '[0,0]'", "the total of account"),
        ("DELETE FROM account", "the total of account"),
        ("UPDATE spend SET text = replace(text, 'op-1', 'op-2')", "of which the ledger says budget.spent, is missing"),
        ("DELETE FROM spend WHERE number = 1", "of which the ledger says budget.spent, is missing"),
        ("UPDATE block SET text = replace(text, '0.000001', '0.00001')", "of which the ledger says budget.opened, is missing"),
        ("DELETE FROM block WHERE number = 2", "of which the ledger says budget.opened, is missing"),
        ("UPDATE spend SET number = 9 WHERE number = 1", "not in the order of its ledger"),
    ],
)
def test_fsck_charges_everything_again(journal, statement, says):
    spent(journal, spend(1, (HEART, SMALL, 1)), spend(2, (CITY, SMALL, 1)))
    assert journal.fsck().size == 4
    with journal.transaction() as t:
        assert t._connection.exec_driver_sql(statement).rowcount
    with pytest.raises(IntegrityError, match=says):
        journal.fsck()
