"""The methods against pandas and statsmodels on the pooled rows, over any split; and what they say where no numbers exist."""

from __future__ import annotations

import functools
import hashlib
import inspect
import math

import inmemory
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import records
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.catalogue import Schema, band, category, number
from governance.errors import UsageError
from sandbox import analyses, local
from sandbox.analyses import Crosstab, Describe, LogisticRegression
from sandbox.analyses.contract import COHORT, MOST_CELLS, Finding, dot, solve
from sandbox.case import OVERDRAWN, SUPPRESSED, WEIGHTLESS
from sandbox.rows import from_batch

DATA = pytest.mark.parametrize("data", records.everything(), ids=lambda d: d.name)
WEIGHTS = st.lists(st.integers(10, 30), min_size=3, max_size=6)
SEEDS = st.integers(0, 2**32 - 1)
NUMBERS = {
    "heart": ("age", "trestbps", "chol", "thalach", "oldpeak"),
    "fair": ("age", "years", "educ"),
    "election": ("age", "income", "popul"),
}
TABLES = {"heart": ("age_band", "disease"), "fair": ("religious", "affair"), "election": ("vote", "party")}


def run(schema, analysis, tables, *, min_cell=3, **more):
    """The released outcome over *tables*, a mapping by holder."""
    return inmemory.pooled(inmemory.case(schema, analysis, tables, min_cell=min_cell, **more), list(tables.values()))["outcome"]


# --- the same as pandas and statsmodels


@DATA
@settings(max_examples=8)
@given(WEIGHTS, SEEDS, st.sampled_from([3, 10, 25]))
def test_a_description_equals_pandas(data, weights, seed, min_cell):
    columns, tables = NUMBERS[data.name], data.parts(weights, seed)
    outcome = run(data.schema, Describe(columns), tables, min_cell=min_cell)
    required, shown, counted, whole = described([t.to_pandas() for t in tables.values()], columns, min_cell)
    assert outcome["required"] == required
    for row in outcome["columns"]:
        values = whole[row["column"]].astype(float)
        if row["column"] not in shown:
            assert [row[name] for name in ("n", "missing", "mean", "sd")] == [None] * 4
            continue
        assert (row["n"], row["missing"]) == (values.count(), values.isna().sum() if row["column"] in counted else None)
        assert float(row["mean"]) == pytest.approx(values.mean(), rel=1e-12)
        assert float(row["sd"]) == pytest.approx(values.std(), rel=1e-12)


def described(frames, columns, min_cell):
    """Which columns are required, shown, and shown with the number of missing values; and the rows that take part: by hand."""

    def thin(holders):
        return [c for c in columns if sum(f[c].isna().sum() >= min_cell for f in holders) < 2]

    required = thin(frames)
    left = [f.dropna(subset=required) for f in frames]
    counted = [c for c in columns if c not in required and c not in thin(left)]
    return required, [*required, *counted], counted, pd.concat(left)


@pytest.mark.parametrize("lacking", [0, 1, 2, 9])
def test_no_two_counts_of_a_description_tell_of_too_few_persons(lacking):
    """One person without a value is found by subtraction, where all others of a column are counted beside it (PRIVACY 1)."""
    schema = Schema("id", (number("x", "0", "100"), number("z", "0", "100")))
    x, z = np.arange(60.0), [None] * lacking + [1.0] * (60 - lacking)
    tables = {"a": inmemory.table(schema, {"x": x, "z": z}), **{n: inmemory.table(schema, {"x": x, "z": [1.0] * 60}) for n in "bc"}}
    of, bodies = inmemory.case(schema, Describe(("x", "z"))), []
    released = inmemory.pooled(of, list(tables.values()), bodies=bodies)
    assert [c["n"] for c in released["outcome"]["columns"]] == [180 - lacking] * 2
    assert [c["missing"] for c in released["outcome"]["columns"]] == [None, None]
    for body in bodies:
        assert {n for cell, n in body["persons"].items() if n > 100} <= {180 - lacking}


def test_a_column_that_too_few_lack_only_among_the_others_is_not_shown():
    """Enough lack z in the whole cohort, and too few of those who have x; who lacks x is left out."""
    schema = Schema("id", (number("x", "0", "100"), number("z", "0", "100")))
    full, lacks = [1.0] * 60, [None] * 4 + [1.0] * 56
    columns = {"a": {"x": [None] * 5 + [1.0] * 55, "z": lacks}, "b": {"x": full, "z": lacks}, "c": {"x": full, "z": full}}
    outcome = run(schema, Describe(("x", "z")), {n: inmemory.table(schema, c) for n, c in columns.items()})
    assert outcome["required"] == ["x"]
    assert [(c["n"], c["missing"]) for c in outcome["columns"]] == [(175, None), (None, None)]


def test_columns_that_enough_persons_lack_are_counted_each_by_itself():
    schema = Schema("id", (number("x", "0", "100"), number("z", "0", "100")))
    x, z = [1.0] * 40 + [None] * 20, [None] * 15 + [2.0] * 45
    outcome = run(schema, Describe(("x", "z")), {n: inmemory.table(schema, {"x": x, "z": z}) for n in "abc"}, min_cell=10)
    assert [(c["n"], c["missing"]) for c in outcome["columns"]] == [(120, 60), (135, 45)]
    assert outcome["required"] == []


@DATA
@settings(max_examples=6)
@given(WEIGHTS, SEEDS)
def test_a_table_equals_pandas_where_it_is_shown(data, weights, seed):
    index, columns = TABLES[data.name] if seed % 2 else TABLES[data.name][::-1]
    outcome = run(data.schema, Crosstab(index, columns), data.parts(weights, seed))
    expected = pd.crosstab(data.frame[index], data.frame[columns]).reindex(index=outcome["down"], columns=outcome["across"], fill_value=0)
    shown = [
        (n, m)
        for row, line in zip(outcome["counts"], expected.to_numpy(), strict=True)
        for n, m in zip(row, line, strict=True)
        if n is not None
    ]
    assert all(n == m for n, m in shown)
    assert len(shown) >= 4


@DATA
@settings(max_examples=5)
@given(WEIGHTS, SEEDS)
def test_a_regression_equals_statsmodels(data, weights, seed):
    outcome = run(data.schema, LogisticRegression(data.target, data.features), data.parts(weights, seed))
    coef, se, loglik = reference(data.name)
    assert max(abs(float(t["coef"]) - b) for t, b in zip(outcome["terms"], coef, strict=True)) <= 1e-9
    assert max(abs(float(t["se"]) - s) for t, s in zip(outcome["terms"], se, strict=True)) <= 1e-9
    assert float(outcome["loglik"]) == pytest.approx(loglik, abs=1e-9)
    assert outcome["n"] == len(data.frame[[data.target, *data.features]].dropna())


@functools.cache
def reference(name):
    data = next(d for d in records.everything() if d.name == name)
    return records.logit(data, data.frame, data.features)


def test_the_hospitals_own_files_give_what_a_statistician_with_all_files_gets():
    data = records.heart()
    outcome = run(data.schema, LogisticRegression(data.target, data.features), records.hospitals(), min_cell=10)
    coef, se, _ = reference("heart")
    assert np.allclose([float(t["coef"]) for t in outcome["terms"]], coef, rtol=0, atol=1e-9)
    assert np.allclose([float(t["se"]) for t in outcome["terms"]], se, rtol=0, atol=1e-9)


def test_the_other_level_can_be_the_event():
    data = records.election()
    tables = data.parts([1, 1, 1])
    ours = run(data.schema, LogisticRegression("vote", ("age",), event="clinton"), tables)
    theirs = run(data.schema, LogisticRegression("vote", ("age",)), tables)
    assert (ours["event"], theirs["event"]) == ("clinton", "dole")
    assert [float(t["coef"]) for t in ours["terms"]] == pytest.approx([-float(t["coef"]) for t in theirs["terms"]], rel=1e-9)
    assert ours["events"] + theirs["events"] == ours["n"]


@DATA
def test_a_condition_selects_rows_before_anything_is_computed(data):
    index, columns = TABLES[data.name]
    level = data.schema[index].levels[1]
    outcome = run(data.schema, Crosstab(columns), data.parts([2, 1, 1]), where=f"{index} == '{level}'")
    expected = data.frame[data.frame[index] == level][columns].value_counts()
    assert [row[0] for row in outcome["counts"]] == [expected[name] for name in outcome["down"]]


# --- it does not matter how rows lie


@DATA
@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_size_of_batches_does_not_matter(data, rows):
    table = data.table.slice(0, 150)
    cut = pa.Table.from_batches(table.to_batches(max_chunksize=rows))
    for analysis in (Describe(NUMBERS[data.name]), Crosstab(*TABLES[data.name]), LogisticRegression(data.target, data.features)):
        of = inmemory.case(data.schema, analysis, min_cell=3)
        assert np.array_equal(local.support(of, cut), local.support(of, table))
        body = of.after_support([3] * of.asked)
        for _ in range(2):
            body = of.after_weighing(3, body) if of.weighs(body) else body
            one, other = local.statistics(of, cut, body), local.statistics(of, table, body)
            assert one == pytest.approx(other, rel=1e-12, abs=1e-9)
            body = of.after_round(body, of.named(body, other))
            if "outcome" in body["analysis"]:
                break


@DATA
@pytest.mark.parametrize("rows", [0, 1])
def test_a_holder_with_hardly_any_rows_changes_nothing(data, rows):
    tables = inmemory.split(data.shuffled(), [rows, len(data.frame) // 3, len(data.frame) // 2])
    assert tables["a"].num_rows == rows
    outcome = run(data.schema, LogisticRegression(data.target, data.features), tables)
    assert [float(t["coef"]) for t in outcome["terms"]] == pytest.approx(reference(data.name)[0], rel=0, abs=1e-9)
    described = run(data.schema, Describe(NUMBERS[data.name][:1]), tables)["columns"][0]
    assert float(described["mean"]) == pytest.approx(data.frame[NUMBERS[data.name][0]].astype(float).mean(), rel=1e-12)


def test_nobody_has_rows():
    data = records.election()
    tables = {n: data.table.slice(0, 0) for n in "abc"}
    for analysis in (Describe(("age",)), Crosstab("vote"), LogisticRegression("vote", ("age",))):
        assert run(data.schema, analysis, tables) == {"failed": SUPPRESSED}


def test_a_table_without_batches_counts_as_empty():
    data = records.election()
    none = pa.Table.from_batches([], schema=data.table.schema)
    of = inmemory.case(data.schema, Crosstab("vote"))
    assert not local.support(of, none).any()
    assert not local.statistics(of, none, of.after_support([3, 3, 3])).any()


def test_missing_values_are_counted_and_left_out():
    schema = Schema("id", (number("x", "0", "10"),))
    tables = {n: inmemory.table(schema, {"x": [1.0, 2.0, 3.0, None, None, None]}) for n in "abc"}
    assert run(schema, Describe(("x",)), tables)["columns"] == [
        {"column": "x", "n": 9, "missing": 9, "mean": "2.0", "sd": text(math.sqrt(6 / 8))}
    ]


def text(value):
    return repr(float(value))


# --- where no finite answer exists

XY = Schema("id", (number("x", "-10", "10"), number("z", "-10", "10"), category("y", ("no", "yes")), category("g", ("u", "v"))))


def tables_of(columns, parts=3):
    size = len(columns["y"])
    return inmemory.split(inmemory.table(XY, columns), [size * i // parts for i in range(1, parts)])


def spread(n=240, seed=0):
    rng = np.random.default_rng(seed)
    return rng.permutation(np.linspace(-5, 5, n))


def named(truth):
    return np.where(truth, "yes", "no").tolist()


def test_one_class_is_told_as_a_cell_without_support():
    x = spread()
    outcome = run(XY, LogisticRegression("y", ("x",)), tables_of({"x": x, "y": ["no"] * len(x)}))
    assert outcome == {"failed": "suppressed: too few holders have enough persons with y=yes"}


@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_perfect_separation_has_no_estimate(gap):
    x = spread()
    x = x + np.sign(x) * gap
    assert run(XY, LogisticRegression("y", ("x",)), tables_of({"x": x, "y": named(x > 0)}))["failed"].startswith(("separation", WEIGHTLESS))


def test_quasi_separation_has_no_estimate():
    """All with g = v are ill, of the others half: the coefficient of g runs away, slowly."""
    rng = np.random.default_rng(1)
    ill = rng.random(240) < 0.5
    columns = {
        "x": rng.uniform(-5, 5, 240),
        "z": np.where(ill, rng.uniform(-5, 5, 240), np.minimum(rng.uniform(-5, 5, 240), 0)),
        "y": named(ill),
    }
    columns["x"] = np.where(columns["z"] > 0, 3.0, 0.0)  # x > 0 only among the ill
    failed = run(XY, LogisticRegression("y", ("x",), max_iter=100), tables_of(columns))["failed"]
    assert failed.startswith("separation")
    assert run(XY, LogisticRegression("y", ("x",)), tables_of(columns))["failed"].startswith(("separation", "no convergence"))


@pytest.mark.parametrize("z", [lambda x: x, lambda x: 2 - x / 3, lambda x: np.full(len(x), 4.0)])
def test_collinear_columns_have_no_estimate(z):
    x = spread()
    ill = np.random.default_rng(2).random(len(x)) < 1 / (1 + np.exp(-x))
    assert run(XY, LogisticRegression("y", ("x", "z")), tables_of({"x": x, "z": z(x), "y": named(ill)}))["failed"].startswith("rank")


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_too_few_steps_are_no_convergence(steps):
    data = records.fair()
    of = inmemory.case(data.schema, LogisticRegression(data.target, data.features, max_iter=steps))
    bodies = []
    release = inmemory.pooled(of, list(data.parts([1, 2, 3]).values()), bodies=bodies)
    assert release["outcome"] == {"failed": f"no convergence within {steps} steps"}
    assert len(bodies) == 1 + steps


def test_a_step_that_overshoots_is_halved_and_never_beyond_the_round_cap():
    method = LogisticRegression("y", ("x",), max_iter=6)
    state = {"n": 100, "events": 50, "gamma": ["3.0", "8.0"], "step": ["3.0", "8.0"], "loglik": "-50.0", "steps": 1}
    worse = {"loglik": [-60.0], "score": [0.0, 0.0], "information": [1.0, 0.0, 1.0]}
    halved = method.combine(worse, XY, state)
    assert (halved["gamma"], halved["step"], halved["loglik"]) == (["1.5", "4.0"], ["1.5", "4.0"], "-50.0")
    rounds = 2
    while "outcome" not in halved:
        halved, rounds = method.combine(worse, XY, halved), rounds + 1
    assert rounds <= len(method.opens(XY))
    assert halved["outcome"] == {"failed": "no convergence within 6 steps"}


def test_the_cap_on_numbers_ends_a_small_regression():
    """Three holders with enough persons for the cells, and too few for the numbers (PRIVACY 14)."""
    x = spread(36)
    ill = np.random.default_rng(5).random(36) < 0.5
    outcome = run(XY, LogisticRegression("y", ("x", "z")), tables_of({"x": x, "z": spread(36, 9), "y": named(ill)}))
    assert outcome["failed"].startswith(OVERDRAWN)


# --- scales


@pytest.mark.parametrize("scale, shift", [(1e-9, 0.0), (1e9, 0.0), (1e-3, 100.0), (1.0, 1e6)])
def test_any_scale_gives_the_same_digits(scale, shift):
    data, rng = records.fair(), np.random.default_rng(3)
    x = data.frame["age"].to_numpy(float) * scale + shift
    low, high = (f"{v * scale + shift:.12f}" for v in (10, 70))
    schema = Schema("id", (number("x", low, high), category("y", ("no", "yes"))))
    order = rng.permutation(len(x))
    whole = inmemory.table(schema, {"x": x[order], "y": data.frame["affair"].to_numpy()[order]})
    tables = inmemory.split(whole, [1000, 4000])
    coef, se, loglik = records.logit(data, data.frame, ["age"])
    outcome = run(schema, LogisticRegression("y", ("x",)), tables)
    assert float(outcome["terms"][1]["coef"]) * scale == pytest.approx(coef[1], rel=1e-6)
    assert float(outcome["terms"][1]["se"]) * scale == pytest.approx(se[1], rel=1e-6)
    assert float(outcome["loglik"]) == pytest.approx(loglik, rel=1e-9)
    row = run(schema, Describe(("x",)), tables)["columns"][0]
    assert float(row["mean"]) == pytest.approx(x.mean(), rel=1e-12)
    assert float(row["sd"]) == pytest.approx(x.std(ddof=1), rel=1e-9)


def test_the_spread_of_values_far_from_zero_keeps_its_digits():
    """Sums of squares would lose them: 1e8 squared leaves no room for a spread of 1e-3."""
    schema = Schema("id", (number("x", "99999999", "100000001"),))
    x = 1e8 + np.random.default_rng(4).normal(0, 1e-3, 600)
    row = run(schema, Describe(("x",)), inmemory.split(inmemory.table(schema, {"x": x}), [100, 300]))["columns"][0]
    assert float(row["sd"]) == pytest.approx((x - 1e8).std(ddof=1), rel=1e-6)


# --- what is declared holds for any rows

RANDOM = Schema("id", (
    number("x", "-3", "1000"), number("w", "-0.001", "0"), category("y", ("no", "yes")), band("b", "x", ("0", "10"), ("low", "mid", "high")),
))  # fmt: skip
ROW = st.fixed_dictionaries({
    "x": st.none() | st.floats(-3, 1000), "w": st.none() | st.floats(-0.001, 0), "y": st.none() | st.sampled_from(["no", "yes"]),
    "b": st.none() | st.sampled_from(["low", "mid", "high"]),
})  # fmt: skip
METHODS = [Describe(("x", "w")), Crosstab("b", "y"), Crosstab("y"), LogisticRegression("y", ("x", "w", "b"))]


def states(analysis):
    """Every kind of state that the method asks rows in, one with large numbers in it."""
    everything = {cell: Finding(3, True) for cell in (COHORT, *analysis.cells(RANDOM))}
    first = analysis.start(RANDOM, everything)
    if isinstance(analysis, Describe):
        squares = {"phase": "squares", "n": [1, 1], "missing": [0, 0], "mean": ["-3.0", "0.0"]}
        return [first, {**first, "required": ["x"], "counted": ["w"]}, {**first, **squares}]
    if isinstance(analysis, LogisticRegression):
        newton = {"n": 9, "events": 4, "step": ["0.0"] * 5, "loglik": "-9.0", "steps": 1}
        return [
            first,
            *({**newton, "gamma": [text(g) for g in gamma]} for gamma in ([0] * 5, [60, -60, 60, -60, 60], [1e5, 1e5, -1e5, 3, 4])),
        ]
    return [first]


@pytest.mark.parametrize("analysis", METHODS, ids=lambda m: f"{m.name}-{len(m.reads(RANDOM))}")
@settings(max_examples=30)
@given(rows=st.lists(ROW, max_size=12), cut=st.integers(0, 12))
def test_shapes_and_bounds_hold_and_batches_add_up(analysis, rows, cut):
    whole = inmemory.table(RANDOM, {name: [r[name] for r in rows] for name in ("x", "w", "y", "b")})
    parts = [from_batch(b) for t in (whole, whole.slice(0, cut), whole.slice(cut)) for b in (t.combine_chunks().to_batches() or [])[:1]]
    members = [analysis.members(p, RANDOM) for p in parts]
    assert all(m.keys() == {COHORT, *analysis.cells(RANDOM)} for m in members)
    for state in states(analysis):
        declared = analysis.statistics(RANDOM, state, max(len(rows), 1))
        results = [analysis.local(p, RANDOM, state) for p in parts]
        for result in results:
            assert result.keys() == {s.name for s in declared}
            for s in declared:
                assert np.shape(result[s.name]) == (s.length,)
                assert (np.abs(result[s.name]) <= s.bound * (1 + 1e-12)).all()
        if len(parts) == 3:
            for s in declared:
                assert results[1][s.name] + results[2][s.name] == pytest.approx(results[0][s.name], rel=1e-9, abs=1e-9)


@DATA
def test_no_more_is_opened_than_is_declared(data):
    columns = NUMBERS[data.name]
    methods = [Describe(columns), Describe(columns[:1]), Crosstab(*TABLES[data.name]), LogisticRegression(data.target, data.features)]
    for analysis in methods:
        of, bodies = inmemory.case(data.schema, analysis, min_cell=3), []
        inmemory.pooled(of, list(data.parts([1, 1, 1]).values()), bodies=bodies)
        rounds = [of.statistics(body) for body in bodies if "outcome" not in body["analysis"]]
        opened = [sum(s.length for s in declared if not s.holders) for declared in rounds]
        assert len(opened) <= len(analysis.opens(data.schema))
        assert sum(opened) <= sum(analysis.opens(data.schema))
        depth = analysis.depth(data.schema)
        assert all(n <= depth[cell] for body in bodies for cell, n in body["opened"].items())
        assert bodies[-1]["opened"]["cohort"] + len(bodies) > sum(opened)  # all that is opened is about the cohort; weighings come on top


def test_every_cell_that_a_regressions_sums_tell_of_needs_support():
    """The first information matrix holds a quarter of the number of persons in any two levels together: a two-way table in disguise."""
    rng = np.random.default_rng(6)
    ill, g = rng.random(300) < 0.5, rng.random(300) < 0.5
    x = rng.uniform(-1, 1, 300)
    columns = {"x": x, "z": x, "y": named(ill), "g": np.where(g, "u", "v").tolist()}
    method = LogisticRegression("y", ("g", "x"))
    assert {"g=u", "y=no", "y=no & g=u", "y=yes & g=v"} <= set(method.cells(XY))
    assert "terms" in run(XY, method, tables_of(columns), min_cell=10)
    columns["g"] = np.where(
        ill & (np.arange(300) != np.flatnonzero(ill)[0]), "v", columns["g"]
    ).tolist()  # one ill person is left with g = u
    assert "y=yes & g=u" in run(XY, method, tables_of(columns), min_cell=10)["failed"]


# --- parameters


@pytest.mark.parametrize("name, version, parameters, says", [
    ("median", 1, {}, "no method median@1; there are describe@1, crosstab@1, logistic_regression@1"), ("describe", 2, {"columns": ("x",)}, "describe@2"),
    ("describe", 1, {}, "takes columns"), ("describe", 1, {"columns": ("x",), "by": "y"}, "takes columns"), ("describe", 1, {"columns": 5}, "takes columns"),
    ("describe", 1, {"columns": ()}, "1 to 64 different"), ("describe", 1, {"columns": ("x", "x")}, "different"), ("describe", 1, {"columns": "x"}, "different"),
    ("describe", 1, {"columns": tuple(f"c{i}" for i in range(65))}, "1 to 64"), ("crosstab", 1, {"self": "x"}, "takes index, columns"),
    ("logistic_regression", 1, {"target": "y", "features": ("y", "x")}, "cannot be one of"),
    ("logistic_regression", 1, {"target": "y", "features": ("x",), "max_iter": 0}, "1..100"),
    ("logistic_regression", 1, {"target": "y", "features": ("x",), "max_iter": True}, "1..100"),
    ("logistic_regression", 1, {"target": "y", "features": ("x",), "max_iter": "many"}, "takes target"),
])  # fmt: skip
def test_a_wrong_parameter_is_answered_with_what_is_right(name, version, parameters, says):
    with pytest.raises(UsageError, match=says) as refused:
        analyses.make(name, version, parameters)
    assert refused.value.code == "job.parameter"
    assert refused.value.facts["detail"] not in refused.value.text("zh")  # which is Chinese throughout


WIDE = Schema(
    "id", (*tuple(category(f"c{i}", tuple(f"l{j}" for j in range(40))) for i in range(3)), number("x", "0", "1"), category("y", ("a", "b")))
)


@pytest.mark.parametrize("schema, analysis, says", [
    (XY, Describe(("y",)), "y is a category column; a number column is needed"), (XY, Describe(("q",)), "no column q"), (XY, Crosstab("x"), "number column"),
    (XY, Crosstab("y", "y"), "two different"), (XY, LogisticRegression("x", ("z",)), "x is a number column"), (WIDE, Crosstab("c0", "c1"), str(MOST_CELLS)),
    (RANDOM, LogisticRegression("b", ("x",)), "must have two levels"), (XY, LogisticRegression("y", ("x",), event="maybe"), "no level of y; those are no, yes"),
    (WIDE, LogisticRegression("y", ("c0", "c1")), str(MOST_CELLS)), (XY, LogisticRegression("y", ("q",)), "no column q"),
])  # fmt: skip
def test_a_parameter_must_fit_the_catalogue(schema, analysis, says):
    with pytest.raises(UsageError, match=says) as refused:
        inmemory.case(schema, analysis)
    assert refused.value.code == "job.parameter"
    assert "分析参数有误" in refused.value.text("zh")


@pytest.mark.parametrize("analysis", [*METHODS, LogisticRegression("y", ["x"], event="no", max_iter=7)])
def test_parameters_survive_the_signed_form(analysis):
    assert analyses.make(analysis.name, analysis.version, analyses.parameters_of(analysis)) == analysis


@pytest.mark.parametrize("method", analyses.METHODS.values())
def test_every_method_says_what_it_is_and_what_it_discloses(method):
    assert method.discloses.strip() and method.version >= 1 and analyses.METHODS[method.name] is method
    documented = inspect.getdoc(method)
    assert "Parameters\n" in documented and "Notes\n" in documented
    assert all(name in documented for name in inspect.signature(method).parameters)


# --- the same bits everywhere


def test_sums_are_made_left_to_right():
    assert dot([1e16, 1.0, -1e16], [1.0, 1.0, 1.0]) == 0.0  # a compensated sum, as Python's own since 3.12, would say 1


def test_solving_gives_these_very_bits():
    """Made with Python 3.11, 3.12 and 3.13 alike; with `sum` in the place of `dot` the last two give others."""
    digest = hashlib.sha256()
    for size in range(1, 9):
        root = [[math.sqrt(2 + i * j) / (1 + (i + 2 * j) % 5) for j in range(size)] for i in range(size + 3)]
        matrix = [[math.fsum(row[i] * row[j] for row in root) for j in range(size)] for i in range(size)]
        digest.update(repr(solve(matrix, [[1.0 / (k + 1) for k in range(size)]])).encode())
    assert digest.hexdigest()[:16] == "7d0610f94bfaf308"


@settings(max_examples=50)
@given(st.integers(1, 6), SEEDS)
def test_solving_equals_numpy(size, seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size + 3, size))
    matrix, right = root.T @ root, rng.normal(size=(2, size))
    assert np.allclose(solve(matrix.tolist(), right.tolist()), np.linalg.solve(matrix, right.T).T, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "matrix", [[[0.0]], [[-1.0]], [[1.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]], [[float("inf")]], [[1.0, 0.0], [0.0, 1e-320 * 0]]]
)
def test_what_is_not_positive_definite_has_no_solution(matrix):
    assert solve(matrix, [[1.0] * len(matrix)]) is None


# --- weight in a state


@settings(max_examples=40)
@given(n=st.integers(1, 60), intercept=st.floats(-6, 6))
def test_persons_weigh_four_times_their_variance(n, intercept):
    """With no slope everybody weighs 4 mu(1 - mu)."""
    of = inmemory.case(XY, LogisticRegression("y", ("x",)))
    table = inmemory.table(XY, {"x": np.linspace(-5, 5, n), "y": named(np.arange(n) % 2 == 0)})
    state = {"gamma": [repr(intercept), "0.0"]}
    assert local.weight(of, table, state, local.persons(of, table)) == pytest.approx(n / math.cosh(intercept / 2) ** 2)
