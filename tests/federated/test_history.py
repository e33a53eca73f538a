"""History follows the rows: the same persons are known again in another order, another form, another file, and after the first is gone."""

from __future__ import annotations

from contextlib import closing, nullcontext

import federations
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import federated as fed
from federated.authority import read_dataset
from federated.node import desk, history, judge
from federated.node.home import Home
from governance.errors import Refused

ROSTER = frozenset(federations.HOLDERS)
FULL = """
  age: {kind: number, low: "18", high: "100", cuts: ["40", "60"]}
  dose: {kind: number, low: "0", high: "50", outside: missing}
  sex: {kind: category, levels: [female, male]}
"""
ILL = '  ill: {kind: category, levels: ["no", "yes"]}\n'


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with federations.federation(tmp_path_factory.mktemp("federation")) as federation:
        yield federation


@pytest.fixture
def clinic(running, tmp_path, request):
    """One holder of a dataset of its own."""
    return Clinic(running, tmp_path, f"set-{abs(hash(request.node.name))}")


class Clinic:
    def __init__(self, running, folder, dataset):
        self.running, self.folder, self.dataset, self.version = running, folder, dataset, 0
        self.home = running.home("north")

    def register(self, columns):
        self.version += 1
        head = federations.DATASET.split("columns:")[0].replace("dataset: cohort", f"dataset: {self.dataset}")
        text = head.replace("version: 1", f"version: {self.version}") + "columns:\n" + columns
        self.running.publish(self.running.authority.sign(read_dataset(text)))

    def add(self, table):
        pq.write_table(table, self.folder / "t.parquet")
        return desk.add_data(self.home, self.dataset, f"parquet://{self.folder / 't.parquet'}").id

    def count(self, snapshot, *sets):
        """What a node writes down when it counts."""
        with closing(Home.open(self.home).journal()) as journal, journal.transaction() as t:
            t.put_cohort(self.dataset, snapshot, "roster", ROSTER)
            for members in sets:
                t.put_cohort(self.dataset, snapshot, "opened", frozenset(members))
            t.put(judge.min_cell_of(self.dataset, snapshot), "10")

    def counted(self, snapshot):
        with closing(Home.open(self.home).journal()) as journal, journal.view() as t:
            cells = {t.get(judge.min_cell_of(self.dataset, s)) for s in history.family(t, self.dataset, snapshot)} - {None}
            return t.cohorts(self.dataset, snapshot, "roster"), t.cohorts(self.dataset, snapshot, "opened"), cells


TABLE = federations.table(3, 60)
COUNTED = ([ROSTER], [ROSTER - {"west"}], {"10"})
FRESH = ([], [], set())


def shuffled(table):
    return table.take(list(reversed(range(table.num_rows))))


def renamed(table):
    return table.set_column(0, "id", pa.array([f"other-{i}" for i in range(table.num_rows)]))


def corrected(table):
    return table.set_column(1, "age", pa.array([50.0, *table["age"].to_pylist()[1:]]))


@pytest.mark.parametrize("change", [lambda t: t, shuffled, renamed], ids=["same", "shuffled", "renamed persons"])
@pytest.mark.parametrize("gone", [False, True])
def test_the_same_rows_keep_their_history_even_when_the_file_is_gone(clinic, change, gone):
    clinic.register(FULL)
    first = clinic.add(TABLE)
    clinic.count(first, ROSTER - {"west"})
    if gone:
        (clinic.home / "snapshots" / f"{first}.arrow").unlink()
    again = clinic.add(change(TABLE))
    assert (again == first) is not gone
    assert clinic.counted(again) == COUNTED


@pytest.mark.parametrize("change", [corrected, lambda t: t.slice(1)], ids=["corrected", "fewer"])
def test_other_rows_begin_anew(clinic, change):
    clinic.register(FULL)
    clinic.count(clinic.add(TABLE), ROSTER - {"west"})
    assert clinic.counted(clinic.add(change(TABLE))) == FRESH


@pytest.mark.parametrize(
    "columns",
    [
        FULL + ILL,
        "  sex: {kind: category, levels: [female, male], title: Sex, grade: 4}\n",
        FULL.replace("100", "101"),
        FULL.replace('["40", "60"]', '["40", "50", "60"]'),
        FULL + '  age_band: {kind: band, of: age, cuts: ["50"], levels: [young, old]}\n',
        ILL,
    ],
    ids=["one more", "fewer", "wider bounds", "another cut", "a band", "no column in common"],
)
def test_another_form_of_the_same_rows_inherits_their_history(clinic, columns):
    clinic.register(FULL)
    clinic.count(clinic.add(TABLE), ROSTER - {"west"})
    clinic.register(columns)
    assert clinic.counted(clinic.add(TABLE)) == COUNTED


def test_rows_with_the_same_columns_but_other_persons_to_them_are_not_mistaken_for_the_old_file(clinic):
    """A correction that swaps two values: it is served, and the history stays, since nearly all was counted before."""
    clinic.register(FULL)
    first = clinic.add(TABLE)
    clinic.count(first, ROSTER - {"west"})
    ages = TABLE["age"].to_pylist()
    swapped = clinic.add(TABLE.set_column(1, "age", pa.array([ages[1], ages[0], *ages[2:]])))
    assert swapped != first
    assert clinic.counted(swapped) == COUNTED


def test_going_back_to_rows_of_before_brings_their_history_back(clinic):
    clinic.register(FULL)
    first = clinic.add(TABLE)
    clinic.count(first, ROSTER - {"west"})
    assert clinic.counted(clinic.add(corrected(TABLE))) == FRESH
    assert clinic.add(shuffled(TABLE)) == first
    assert clinic.counted(first) == COUNTED


def test_what_is_counted_after_the_form_changed_counts_for_the_old_form_too(clinic):
    """A job that runs on the old snapshot while the new one is added is no way around, in either direction."""
    clinic.register(FULL)
    first = clinic.add(TABLE)
    clinic.register(FULL + ILL)
    second = clinic.add(TABLE)
    clinic.count(first, ROSTER - {"west"})
    assert clinic.counted(second) == COUNTED
    clinic.count(second, ROSTER)
    assert clinic.counted(first) == ([ROSTER], [ROSTER - {"west"}, ROSTER], {"10"})


def test_two_histories_become_one_where_their_rows_meet(clinic):
    clinic.register(FULL)
    one = clinic.add(TABLE)
    clinic.count(one, ROSTER - {"west"})
    clinic.register(ILL)
    other = clinic.add(renamed(TABLE))  # nothing in common, not even the persons' keys
    clinic.count(other, ROSTER)
    assert clinic.counted(other) == ([ROSTER], [ROSTER], {"10"})
    clinic.register(FULL + ILL)
    both = clinic.add(TABLE)
    rosters, opened, cells = clinic.counted(both)
    assert ({*rosters}, {*opened}, cells) == ({ROSTER}, {ROSTER, ROSTER - {"west"}}, {"10"})
    assert clinic.counted(one) == clinic.counted(other) == clinic.counted(both)


def test_noes_about_weight_follow_the_rows_and_add_up_where_histories_meet(clinic):
    def limit(snapshot, *, noes=0):
        with closing(Home.open(clinic.home).journal()) as journal, journal.transaction() as t:
            for _ in range(noes):
                history.put_limit(t, clinic.dataset, snapshot, history.limit(t, clinic.dataset, snapshot).after_no())
            return history.limit(t, clinic.dataset, snapshot)

    clinic.register(FULL)
    one = clinic.add(TABLE)
    first = limit(one, noes=2)
    assert first.noes == 2
    clinic.register(FULL.replace("100", "101"))
    assert limit(clinic.add(TABLE)) == first  # another form alone draws no noise anew
    clinic.register(ILL)
    other = clinic.add(renamed(TABLE))
    assert limit(other, noes=1).noes == 1
    clinic.register(FULL + ILL)
    assert limit(clinic.add(TABLE)) == limit(one) == limit(other)
    assert limit(one).noes == 2 + 1 + 1
    assert limit(clinic.add(corrected(TABLE).slice(1))).noes == 0


def test_the_journal_holds_no_digest_that_can_be_guessed_without_the_nodes_key(clinic):
    clinic.register(FULL)
    clinic.add(TABLE)
    pq.write_table(TABLE, clinic.folder / "t.parquet")
    with closing(Home.open(clinic.home).journal()) as journal, journal.view() as t:
        mine = next(text for name, text in t.notes(history.KIND) if name.startswith(clinic.dataset))
    south = clinic.running.home("south")
    desk.add_data(south, clinic.dataset, f"parquet://{clinic.folder / 't.parquet'}")
    with closing(Home.open(south).journal()) as journal, journal.view() as t:
        theirs = next(text for name, text in t.notes(history.KIND) if name.startswith(clinic.dataset))
    read = [history.parse(text) for text in (mine, theirs)]
    assert read[0]["form"] == read[1]["form"]
    assert not {*read[0]["columns"].values(), read[0]["persons"]} & {*read[1]["columns"].values(), read[1]["persons"]}


def test_a_column_more_in_the_catalogue_does_not_free_a_snapshot_for_another_min_cell(running):
    """End to end: how many holders reach one min_cell after another would count the persons of one of them."""
    describe = fed.Describe(columns=("age",))
    running.hub().run(describe, dataset="cohort", deadline="60s")
    more = federations.DATASET.replace("version: 1", "version: 2") + "  extra: {kind: category, levels: [a, b]}\n"
    running.entry = read_dataset(more)
    running.publish(entry := running.authority.sign(running.entry))
    running.authority.keep(entry)
    running.register()
    for name, rows in federations.tables().items():
        file = running.path / f"{name}.parquet"
        pq.write_table(rows.append_column("extra", pa.array(["a"] * rows.num_rows)), file)
        desk.add_data(running.home(name), "cohort", f"parquet://{file}")
    key = running.hub().key.public
    for min_cell, refused in ((10, False), (11, True)):
        running.publish(running.authority.licence(str(key), dataset="cohort", columns=("age",), purposes=(f"cell-{min_cell}",),
                                                  methods=("describe@1",), min_cell=min_cell, uses=9, days=1, plan=running.plan))  # fmt: skip
        with pytest.raises(Refused) if refused else nullcontext() as refusal:
            running.hub().run(describe, dataset="cohort", purpose=f"cell-{min_cell}", deadline="60s")
    assert refusal.value.code == "policy.min_cell"
