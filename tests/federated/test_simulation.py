"""`fed.simulate`: the README's way to try the protocol on one's own tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest
import records
import statsmodels.api as sm

import federated as fed
from governance.errors import KeyongError, UsageError

PATHS = {name: records.EXAMPLES / "data" / "heart-disease" / f"{file}.csv" for name, file in records.HOSPITALS.items()}


@pytest.fixture(scope="module")
def tables():
    """The four hospitals' files as anybody would read them, with a column for the question."""
    read = {name: pc.read_csv(path) for name, path in PATHS.items()}
    return {name: t.append_column("ill", pa.array(np.array(t["num"]) > 0)) for name, t in read.items()}


@pytest.fixture(scope="module")
def frame(tables):
    return pa.concat_tables(tables.values(), promote_options="permissive").to_pandas()


@pytest.fixture(scope="module")
def sim(tables):
    return fed.simulate(tables, person="patient")


def test_describe(sim, frame):
    result = sim.run(fed.Describe(columns=["age", "trestbps"]))
    whole = frame.dropna(subset=["age", "trestbps"])  # too few holders have enough persons without either
    assert result.to_pandas().loc["age", "mean"] == pytest.approx(whole["age"].mean(), rel=1e-12)
    assert result.to_pandas().loc["trestbps", "sd"] == pytest.approx(whole["trestbps"].std(), rel=1e-12)
    assert "persons without a value in any of age, trestbps are left out" in result.summary()
    alone = sim.run(fed.Describe(columns=["age"]))
    assert alone.to_pandas().loc["age", "mean"] == pytest.approx(frame["age"].mean(), rel=1e-12)
    assert "age" in result.summary() and "4 data holders, computed alike and signed by 4" in result.summary()
    assert "simulation, bounds from the tables: age" in result.summary()


def test_a_regression_equals_statsmodels(sim, frame):
    result = sim.run(fed.LogisticRegression(target="ill", features=["age", "sex", "thalach"]))
    whole = frame[["ill", "age", "sex", "thalach"]].dropna().astype(float)
    fit = sm.Logit(whole["ill"], sm.add_constant(whole[["age", "sex", "thalach"]])).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    ours = result.to_pandas()
    assert np.abs(ours["coef"].to_numpy() - fit.params.to_numpy()).max() <= 1e-9
    assert np.abs(ours["se"].to_numpy() - fit.bse.to_numpy()).max() <= 1e-9


def test_a_crosstab_and_a_condition(sim, frame):
    result = sim.run(fed.Crosstab("ill"), where="ill == 'true'")
    assert result.to_pandas()["n"].tolist()[1] == int(frame["ill"].sum())
    assert result.suppressed == ("ill=false",)


def test_it_takes_what_a_real_hub_takes(sim):
    more = {"dataset": "heart", "purpose": "research", "licence": "lic-1", "deadline": "10m", "release": {"rule": "exact", "min_cell": 20}}
    assert sim.run(fed.Crosstab("ill"), **more).provenance.min_cell == 20


def test_bounds_of_ones_own_clip_values(tables, frame):
    sim = fed.simulate(tables, {"age": (40.0, 60.0)}, person="patient")
    mean = sim.run(fed.Describe(columns=["age"])).to_pandas().loc["age", "mean"]
    assert mean == pytest.approx(frame["age"].clip(40, 60).mean(), rel=1e-12)
    assert "age" not in sim.note


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e16])
def test_values_of_any_size_keep_their_extremes(scale):
    x = np.array([1.23456789, 2.0, 9.87654321] * 10) * scale
    sim = fed.simulate({n: pa.table({"x": x}) for n in "abc"}, min_cell=3)
    row = sim.run(fed.Describe(columns=["x"])).to_pandas().loc["x"]
    assert row["mean"] == pytest.approx(x.mean(), rel=1e-4 if scale < 1e-9 else 1e-12)
    low, high = sim.schema["x"].bounds
    assert low <= x.min() and x.max() <= high  # rounded outwards: nothing is clipped


def test_columns_that_no_catalogue_could_hold_are_left_out_and_named():
    size = 30
    table = pa.table({
        "x": np.arange(size, dtype=float), "name": [""] * size, "年龄": np.arange(size), "constant": ["same"] * size,
        "when": pa.array([0] * size, pa.date32()), "big": np.full(size, 1e300), "blank": ["", "a"] * (size // 2), "sex": ["f", "m"] * (size // 2),
        "gone": pa.array([None] * size, pa.float64()), "odd": [float("nan"), float("inf")] * (size // 2),
    })  # fmt: skip
    tables = {n: table.set_column(1, "name", pa.array([f"{n}-{i}" for i in range(size)])) for n in "abcdefghij"}  # 300 different names
    sim = fed.simulate(tables, min_cell=3)
    assert {c.name for c in sim.schema.columns} == {"x", "sex", "gone", "odd"}
    with pytest.raises(UsageError, match=r"no column 年龄.*left out of the simulation.*年龄"):
        sim.run(fed.Describe(columns=["年龄"]))


ROW = {"x": [1.0, 2.0, 3.0, 4.0]}


@pytest.mark.parametrize("given, says", [
    (lambda: fed.simulate({n: pa.table(ROW) for n in "ab"}), "at least 3"),
    (lambda: fed.simulate({"a": pa.table(ROW), "b": pa.table(ROW), "c": pa.table({"y": [1]})}), "the table of c has no column x"),
    (lambda: fed.simulate({"a": pa.table(ROW), "b": pa.table(ROW), "c": pa.table({"x": ["text"]})}), "not have the same columns"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, {"y": (0.0, 1.0)}), "bounds are given for columns that are not there: y"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, person="id"), "has no column id"),
    (lambda: fed.simulate({n: pa.table({**ROW, "person_id": [1, 2, 3, 4]}) for n in "abc"}), "give person='person_id'"),
    (lambda: fed.simulate({n: pa.table({**ROW, "id": [1, 1, 2, 3]}) for n in "abc"}, person="id"), "one row for each person, but id repeats"),
    (lambda: fed.simulate({n: pa.table({"t": ["one text"] * 4}) for n in "abc"}), "no column can be used"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in ("a b", "c", "d")}).run(fed.Describe(columns=["x"])), "key name"),
])  # fmt: skip
def test_tables_that_cannot_be_simulated_are_answered_with_why(given, says):
    with pytest.raises(KeyongError, match=says):
        given()


@pytest.mark.parametrize("release", [{"rule": "dp", "epsilon": "1.0"}, {"rule": "dp"}, {"min_cell": 2}, {"more": 1}])
def test_a_release_that_cannot_be_given_is_refused_and_not_replaced_by_another(sim, release):
    with pytest.raises(UsageError, match="rule exact"):
        sim.run(fed.Crosstab("ill"), release=release)


def test_two_jobs_are_two_jobs(sim):
    one, other = (sim.run(fed.Crosstab("ill")) for _ in range(2))
    assert one.outcome == other.outcome
    assert one.provenance.job != other.provenance.job


def test_names_are_loaded_when_they_are_used():
    assert {"simulate", "Describe", "Crosstab", "LogisticRegression", "connect"} <= set(dir(fed))
    with pytest.raises(AttributeError, match="no attribute 'Median'"):
        _ = fed.Median
