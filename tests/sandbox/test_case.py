"""A job's agreed states: what is opened after support, how much of it, and that nothing else reaches a result (PRIVACY 1, 2 and 14)."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import inmemory
import numpy as np
import pytest
import records
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import notes
from governance.catalogue import Dataset, Schema, category, number
from governance.encoding import canonical, parse
from governance.errors import DecodeError, UsageError
from sandbox import case as cases
from sandbox import local
from sandbox.analyses import Crosstab, Describe, LogisticRegression
from sandbox.case import SUPPRESSED
from sandbox.job import Job

PAIRS = tuple(f"y={y} & g={g}" for y in ("no", "yes") for g in "uvw")
SCHEMA = Schema("id", (number("x", "0", "100"), category("g", ("u", "v", "w")), category("y", ("no", "yes"))))


def rows(**counts):
    """Persons by level of g: rows(u=10, v=2)."""
    g = [level for level, n in counts.items() for _ in range(n)]
    return inmemory.table(SCHEMA, {"g": g, "x": [7.0] * len(g), "y": ["no"] * len(g)})


def supports(of, tables):
    return [int(n) for n in sum(local.support(of, t) for t in tables)]


# --- support


@pytest.mark.parametrize("colluding, holders", [(1, 3), (1, 5), (2, 5), (3, 6)])
def test_a_cell_is_opened_from_c_plus_1_holders_on_and_a_cohort_from_c_plus_2(colluding, holders):
    of = inmemory.case(SCHEMA, Crosstab("g"), "abcdef"[:holders], colluding=colluding)
    for cohort in range(holders + 1):
        for cell in range(cohort + 1):
            body = of.after_support([cohort, cohort, cell, 0])
            if cohort < colluding + 2:
                assert body["analysis"] == {"outcome": {"failed": SUPPRESSED}}
            else:
                assert of.supported(body, "g=v") == (cell >= colluding + 1)
                assert of.shown(body).tolist() == [1.0, float(cell >= colluding + 1), 0.0]


def test_with_puppets_for_two_of_three_holders_nothing_is_opened():
    """Two holders are empty: "the total of three" would be one hospital's."""
    tables = [rows(u=50, v=40, w=30), rows(), rows()]
    for analysis in (Crosstab("g"), Describe(("x",)), LogisticRegression("y", ("x",))):
        of = inmemory.case(SCHEMA, analysis)
        assert supports(of, tables)[0] == 1
        assert inmemory.pooled(of, tables)["outcome"] == {"failed": SUPPRESSED}


def test_with_one_puppet_of_three_nothing_is_opened_either():
    of = inmemory.case(SCHEMA, Crosstab("g"))
    assert inmemory.pooled(of, [rows(u=50), rows(u=50), rows()])["outcome"] == {"failed": SUPPRESSED}


def test_support_counts_persons_and_not_rows():
    table = inmemory.table(SCHEMA, {"g": ["u"] * 20, "x": [1.0] * 20, "y": ["no"] * 20}, persons=[0] * 12 + list(range(1, 9)))
    of = inmemory.case(SCHEMA, Crosstab("g"), min_cell=10)
    assert supports(of, [table]) == [0, 0, 0, 0]
    assert supports(inmemory.case(SCHEMA, Crosstab("g"), min_cell=9), [table]) == [1, 1, 0, 0]


@pytest.mark.parametrize("persons, counted", [(9, 0), (10, 1), (11, 1)])
def test_a_holder_supports_a_cell_from_min_cell_persons_on(persons, counted):
    assert supports(inmemory.case(SCHEMA, Crosstab("g"), min_cell=10), [rows(u=persons, v=10)]) == [1, counted, 1, 0]


@given(st.lists(st.fixed_dictionaries({level: st.integers(0, 14) for level in "uvw"}), min_size=3, max_size=4))
@settings(max_examples=40)
def test_what_has_no_support_is_zero_before_it_is_masked_and_absent_after(counts):
    tables = [rows(**c) for c in counts]
    of = inmemory.case(SCHEMA, Crosstab("g"), "abcd"[: len(tables)])
    body = of.after_support(supports(of, tables))
    holders = {level: sum(c[level] >= 10 for c in counts) for level in "uvw"}
    cohort = sum(sum(c.values()) >= 10 for c in counts)
    opened = {level for level in "uvw" if holders[level] >= 2 and cohort >= 3}
    if "outcome" not in body["analysis"]:
        for table, c in zip(tables, counts, strict=True):
            assert local.statistics(of, table, body).tolist() == [float(c[level]) if level in opened else 0.0 for level in "uvw"]
    release = inmemory.pooled(of, tables)
    if cohort < 3:
        assert release["outcome"] == {"failed": SUPPRESSED}
    else:
        assert release["outcome"]["counts"] == [[sum(c[level] for c in counts) if level in opened else None] for level in "uvw"]
        assert set(release["suppressed"]) == {f"g={level}" for level in set("uvw") - opened}


def test_no_number_of_a_suppressed_cell_is_anywhere_in_the_release():
    """Counts with digits that occur nowhere else, so that they can be looked for."""
    tables = [rows(u=613, v=7919), rows(u=617, v=3), rows(u=619, v=4)]
    of = inmemory.case(SCHEMA, Crosstab("g"))
    bodies = []
    release = inmemory.pooled(of, tables, bodies=bodies)
    assert release["outcome"]["counts"] == [[613 + 617 + 619], [None], [None]]
    for told in (release, *bodies):
        assert not {"7919", "7926", "9775"} & set(
            json.dumps(told).replace('"', " ").replace(",", " ").replace("]", " ").replace("[", " ").split()
        )


def test_margins_are_sums_of_opened_cells_and_of_nothing_else():
    rng = np.random.default_rng(0)
    tables = []
    for _ in range(3):
        g, y = rng.choice(["u", "v", "w"], 400, p=[0.6, 0.39, 0.01]), rng.choice(["no", "yes"], 400)
        tables.append(inmemory.table(SCHEMA, {"g": g.tolist(), "y": y.tolist(), "x": [0.0] * 400}))
    of = inmemory.case(SCHEMA, Crosstab("g", "y"))
    bodies = []
    outcome = inmemory.pooled(of, tables, bodies=bodies)["outcome"]
    assert outcome.keys() == {"index", "columns", "down", "across", "counts"}  # no margin is in it
    assert outcome["counts"][2] == [None, None]
    assert [s.length for s in of.statistics(bodies[0])] == [6]  # none is summed either


# --- how many numbers (PRIVACY 14)


def test_no_more_numbers_than_persons():
    of = inmemory.case(SCHEMA, LogisticRegression("y", ("x", "g")), min_cell=3)
    parts = {"cohort": [24, 24, 48], "g=u": [5, 5, 20], "g=v": [12, 12, 24]}
    body = of.after_support(holders(of, lambda cell: parts.get(cell, [5000] * 3)))
    assert [body["persons"][cell] for cell in parts] == [2 * 24, 2 * 3, 2 * 12]
    assert of.after_support(holders(of, lambda cell: [5000] * 3))["persons"]["cohort"] >= of.analysis.depth(SCHEMA)["cohort"]
    step = {"score": [0.1] * 4, "information": [4.0, 0, 0, 0, 4.0, 0, 0, 4.0, 0, 4.0], "loglik": [-2e5]}
    body = of.after_round(body, {**step, "classes": [1e5, 1e5]})  # what a total says of persons does not lift the limit
    assert body["opened"] == {"cohort": 17, "y=no": 6, "y=yes": 6, "g=u": 5, "g=v": 5, "g=w": 5} | dict.fromkeys(PAIRS, 1)
    assert body["analysis"] == {"outcome": {"failed": f"{cases.OVERDRAWN} g=u"}}


def test_numbers_are_charged_to_all_persons_that_they_are_about():
    of = inmemory.case(SCHEMA, LogisticRegression("y", ("x", "g")), min_cell=3)
    body = of.after_support(holders(of, lambda cell: [5000] * 3))
    step = {"score": [0.1] * 4, "information": [4.0, 0, 0, 0, 4.0, 0, 0, 4.0, 0, 4.0]}
    for steps in (1, 2, 3):
        body = of.after_round(body, {**step, "classes": [1e5, 1e5], "loglik": [-2e5 + steps]})
        assert body["opened"]["cohort"] == 17 + 16 * (steps - 1)  # two counts, then whether enough weighed
        assert (body["opened"]["g=u"], body["opened"]["y=no"], body["opened"]["y=no & g=u"]) == (5 * steps, 6, 1)
        body = of.after_weighing(3, body)
    of = inmemory.case(SCHEMA, Crosstab("g"), min_cell=3)
    body = of.after_support([3, 3, 3, 1])
    assert of.after_round(body, {"counts": [9.0, 9.0, 0.0]})["opened"] == {"cohort": 2, "g=u": 1, "g=v": 1}
    assert of.after_round(body, {"counts": [9.0, 9.0, 0.0]})["analysis"]["outcome"]["counts"] == [[9], [9], [None]]


def holders(of, parts):
    """How many holders support each entry, where *parts* gives the holders' persons in a cell."""
    asked = [(cell, of.job.min_cell) for cell in of.cells] + list(of.rungs)
    return [sum(n >= least for n in parts(cell)) for cell, least in asked]


@given(data=st.data(), colluding=st.integers(1, 3), honest=st.lists(st.integers(0, 5000), min_size=2, max_size=8))
def test_what_honest_holders_are_sure_to_have_they_have_whatever_colluders_say(data, colluding, honest):
    """Attack: a holder that claims any support, and so more numbers than there are persons."""
    names = "abcdefghijk"[: len(honest) + colluding]
    of = inmemory.case(SCHEMA, LogisticRegression("y", ("x", "g")), names, colluding=colluding, rows=5000)
    lies = data.draw(st.lists(st.integers(0, colluding), min_size=of.asked, max_size=of.asked))
    truth = holders(of, lambda cell: honest)
    body = of.after_support([n + lie for n, lie in zip(truth, lies, strict=True)])
    assert all(known <= sum(honest) for known in body["persons"].values())
    top = max(persons for cell, persons in of.rungs if cell == "cohort")
    surely = sum(sorted(min(n, top) for n in honest)[:-colluding]) if colluding < len(honest) else 0
    assert 2 * of.after_support(truth)["persons"]["cohort"] >= surely - 2 * of.job.min_cell * len(honest)


def test_rungs_go_as_far_as_a_method_needs_and_no_further():
    one = LogisticRegression("y", ("x",), max_iter=4)
    assert one.depth(SCHEMA) == {"cohort": 8 + 3 * 7, "y=no": 4, "y=yes": 4}
    cohort = [("cohort", 6), ("cohort", 12), ("cohort", 24)]  # two honest holders with 24 persons each have more than 29
    assert inmemory.case(SCHEMA, one, min_cell=3).rungs == (*cohort, ("y=no", 6), ("y=yes", 6))
    assert inmemory.case(SCHEMA, one, min_cell=3, rows=20).rungs == (*cohort[:2], ("y=no", 6), ("y=yes", 6))
    for sums in (Crosstab("g", "y"), Describe(("x",))):
        assert inmemory.case(SCHEMA, sums, min_cell=3).rungs == ()


def test_what_is_finished_is_not_held_back_by_the_limit():
    of = inmemory.case(SCHEMA, Crosstab("g"), min_cell=3)
    assert inmemory.pooled(of, [rows(u=3), rows(u=3), rows(u=3)])["outcome"]["counts"] == [[9], [None], [None]]


def test_rounds_end():
    of = inmemory.case(SCHEMA, LogisticRegression("y", ("x",), max_iter=100))
    body = of.after_support([3] * of.asked)
    assert of._within_limits({**body, "round": cases.MOST_ROUNDS - 1})["analysis"] == body["analysis"]
    assert of._within_limits({**body, "round": cases.MOST_ROUNDS})["analysis"] == {"outcome": {"failed": "limit: too many rounds"}}


# --- states are text that every node computes alike


@pytest.mark.parametrize("data", records.everything(), ids=lambda d: d.name)
def test_every_state_is_canonical_text_and_goes_on_from_it(data):
    of = inmemory.case(data.schema, LogisticRegression(data.target, data.features), min_cell=3)
    tables, bodies = list(data.parts([1, 2, 3]).values()), []
    release = inmemory.pooled(of, tables, bodies=bodies)
    for body, after in itertools.pairwise(bodies):
        read = parse(canonical(body))
        assert canonical(read) == canonical(body)
        total = of.named(read, np.sum([local.statistics(of, t, read) for t in tables], axis=0))
        assert of.after_round(read, total)["analysis"].keys() == after["analysis"].keys()
    assert canonical(parse(canonical(release))) == canonical(release)
    assert release["rounds"] == len(bodies)


def test_only_columns_that_are_asked_for_are_read():
    of = inmemory.case(SCHEMA, Crosstab("g"), where="y == 'no'")
    assert of.columns == ("g", "y")
    assert inmemory.case(SCHEMA, Describe(("x",))).columns == ("x",)


# --- a job must fit the catalogue


def test_a_job_is_for_one_version_of_a_dataset():
    job, dataset = inmemory.texts(SCHEMA, Crosstab("g"), "abc")
    entry = notes.read(dataset).document(Dataset)
    other = str(notes.write(replace(entry, version=2)).signed_by(inmemory.AUTHORITY))
    with pytest.raises(UsageError, match="another entry"):
        cases.read(job, other)
    renamed = str(notes.write(replace(notes.read(job).document(Job), dataset="other")).signed_by(inmemory.OPERATOR))
    with pytest.raises(UsageError, match="another entry"):
        cases.read(renamed, dataset)


@pytest.mark.parametrize(
    "more, code", [({"where": "z < 1"}, "job.predicate"), ({"min_cell": 200, "rows": 100}, "usage"), ({"version": 9}, "job.parameter")]
)
def test_what_does_not_fit_is_a_wrong_call(more, code):
    with pytest.raises(UsageError) as refused:
        inmemory.case(SCHEMA, Crosstab("g"), **more)
    assert refused.value.code == code


def test_levels_that_would_make_two_cells_of_one_name_are_refused():
    """One cell would be opened on the support of the other."""
    sly = Schema("id", (category("a", ("x", "x & b=y")), category("b", ("z", "y & b=z"))))
    assert "a=x & b=y & b=z" in Crosstab("a", "b").cells(sly)
    with pytest.raises(UsageError, match="same name"):
        inmemory.case(sly, Crosstab("a", "b"))
    plain = Schema("id", (category("a", ("x", "y")), category("b", ("z", "w"))))
    assert len(inmemory.case(plain, Crosstab("a", "b")).cells) == 5


@pytest.mark.parametrize(
    "swap", [lambda job, dataset: (dataset, dataset), lambda job, dataset: (job, job), lambda job, dataset: ("", dataset)]
)
def test_other_documents_are_no_case(swap):
    with pytest.raises(DecodeError):
        cases.read(*swap(*inmemory.texts(SCHEMA, Crosstab("g"), "abc")))
