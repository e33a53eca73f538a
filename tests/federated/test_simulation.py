"""`fed.simulate`: the README's way to try the protocol on one's own tables."""

from __future__ import annotations

import subprocess
import sys
from inspect import signature

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pytest
import records
import statsmodels.api as sm

import federated as fed
from federated.progress import line
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
    assert "simulation, bounds from the tables  (" in result.summary()


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
    more = {"dataset": "heart", "purpose": "research", "licence": "lic-1", "deadline": "10m", "release": {"rule": "exact", "min_cell": 20},
            "title": "ill", "progress": lambda status: None}  # fmt: skip
    taken, real = (set(signature(f).parameters) for f in (type(sim).run, fed.Hub.run))
    assert taken == real
    assert sim.run(fed.Crosstab("ill"), **more).provenance.min_cell == 20


def test_bounds_of_ones_own_clip_values(tables, frame):
    sim = fed.simulate(tables, {"age": (40.0, 60.0)}, person="patient")
    mean = sim.run(fed.Describe(columns=["age"])).to_pandas().loc["age", "mean"]
    assert mean == pytest.approx(frame["age"].clip(40, 60).mean(), rel=1e-12)
    assert "age" not in sim.inferred


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


def test_frames_are_taken_like_tables(tables, sim, frame):
    frames = {name: t.to_pandas().set_index("patient", drop=False) for name, t in tables.items()}
    twin = fed.simulate(frames, person="patient")
    assert [c.name for c in twin.schema.columns] == [c.name for c in sim.schema.columns]  # the index is no column
    asked = fed.LogisticRegression(target="ill", features=["age", "sex"])
    assert twin.run(asked).outcome == sim.run(asked).outcome


def test_tables_need_no_pandas(tmp_path):
    (tmp_path / "pandas.py").write_text("raise ImportError")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport pyarrow as pa, federated as fed\n"
    code += "print(fed.simulate({n: pa.table({'x': [0, 1] * 9}) for n in 'abc'}, min_cell=3).run(fed.Crosstab('x')))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "27" in seen.stdout


def test_a_column_of_zeros_and_ones_is_a_category_that_can_be_a_target(tables, frame):
    """Missing values make floats of integers in a frame; that changes nothing."""
    whole = frame.assign(ill=frame["ill"].astype(int))[["ill", "age", "thalach"]]
    frames = {name: whole.iloc[i::4].copy() for i, name in enumerate(tables)}
    frames["zurich"]["ill"] = frames["zurich"]["ill"].where(frames["zurich"].index > 99)
    sim = fed.simulate(frames)
    assert sim.schema["ill"].levels == ("0", "1")
    ours = sim.run(fed.LogisticRegression(target="ill", features=["age", "thalach"])).to_pandas()
    rows = pd.concat(frames.values()).dropna()
    fit = sm.Logit(rows["ill"], sm.add_constant(rows[["age", "thalach"]])).fit(disp=0, method="newton", tol=1e-14)
    assert np.abs(ours["coef"].to_numpy() - fit.params.to_numpy()).max() <= 1e-9
    assert fed.simulate(frames, {"ill": (0, 1)}).schema["ill"].kind == "number"


@pytest.mark.parametrize("levels, names", [([2, 1], ("2", "1")), ({1: "男", 2: "女"}, ("男", "女")), ({1.0: "m", 2.0: "f"}, ("m", "f"))])
def test_levels_can_be_declared(levels, names):
    sex = [1.0, 2.0, None, 1.0, 1.0] * 4
    sim = fed.simulate({n: pd.DataFrame({"sex": sex}) for n in "abc"}, levels={"sex": levels}, min_cell=3)
    counts = sim.run(fed.Crosstab("sex")).to_pandas()["n"]
    assert sim.schema["sex"].levels == tuple(counts.index) == names
    assert sorted(counts) == [12, 36] and counts.loc[names[0] if levels != [2, 1] else "1"] == 36


def test_categories_of_a_frame_keep_their_order_and_make_groups_for_conditions():
    ages = pd.Series([30, 45, 70] * 20)
    bands = pd.cut(ages, [0, 40, 60, 80, 99], labels=["young", "middle", "old", "nobody"])
    sim = fed.simulate({n: pd.DataFrame({"age": ages, "band": bands, "interval": pd.cut(ages, [0, 50, 99])}) for n in "abc"})
    assert sim.schema["band"].levels == ("young", "middle", "old")
    assert sim.schema["interval"].levels == ("(0, 50]", "(50, 99]")
    assert sim.run(fed.Crosstab("band"), where="band != 'old'").to_pandas()["n"].tolist()[:2] == [60, 60]
    with pytest.raises(UsageError, match="a simulation has no cut points: make a column of groups"):
        sim.run(fed.Crosstab("band"), where="age >= 50")


def test_a_simulation_says_what_columns_are_taken_as_and_an_error_how_to_change_that():
    sim = fed.simulate({n: pd.DataFrame({"sex": [1, 2] * 9, "ill": [0, 1] * 9, "when": pd.Timestamp("2026-01-01")}) for n in "abc"})
    assert [line.split() for line in repr(sim).splitlines()[1:3]] == [["sex", "number", "1", "to", "2"], ["ill", "category", "0", "|", "1"]]
    assert "left out: when (has the type timestamp" in repr(sim)
    with pytest.raises(UsageError, match=r"sex is a number column.*levels={column: \[value, …\]}.*left out of the simulation: when"):
        sim.run(fed.LogisticRegression(target="sex", features=["ill"]))


ROW = {"x": [1.0, 2.0, 3.0, 4.0]}


@pytest.mark.parametrize("given, says", [
    (lambda: fed.simulate({n: pa.table(ROW) for n in "ab"}), "at least 3"),
    (lambda: fed.simulate({"a": pa.table(ROW), "b": pa.table(ROW), "c": pa.table({"y": [1]})}), "the table of c has no column x"),
    (lambda: fed.simulate({"a": pa.table(ROW), "b": pa.table(ROW), "c": pa.table({"x": ["text"]})}), "not have the same columns"),
    (lambda: fed.simulate({}), "at least 3 data holders, got 0"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, colluding=2), "colluding must be in 1..1 for 3 data holders, got 2"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, colluding=True), "colluding must be"),
    (lambda: fed.simulate([pa.table(ROW)] * 3), "by data holder"),
    (lambda: fed.simulate({1: pa.table(ROW), 2: pa.table(ROW), 3: pa.table(ROW)}), "1 cannot name a data holder"),
    (lambda: fed.simulate({"a": pa.table(ROW), "b": pa.table(ROW), "c": ROW}), "the table of c must be a pandas DataFrame or a pyarrow Table, not dict"),
    (lambda: fed.simulate({"a": pa.table(ROW), "b": pa.table(ROW), "c": pa.table({**ROW, "y": [1] * 4})}), "the table of a has no column y, which that of c has"),
    (lambda: fed.simulate({n: pd.DataFrame({"x": [1, "text"]}) for n in "abc"}), "the table of a cannot be read.*column x"),
    (lambda: fed.simulate({n: pd.DataFrame([[1, 2]], columns=["x", "x"]) for n in "abc"}), "two columns of the same name"),
    (lambda: fed.simulate({n: pa.Table.from_arrays([[1], [2]], ["x", "x"]) for n in "abc"}), "two columns x"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, {"x": 5}), r"bounds of x read \(low, high\)"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, {"x": (5, 1)}), "low < high"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, {"x": (0, float("inf"))}), "finite"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, {"x": (0, 9)}, levels={"x": [1]}), "bounds or levels, not both: x"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, levels={"y": [1]}), "levels are given for columns that are not there: y"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, levels={"x": [1, 2]}), "levels of x leave out 3.0, 4.0"),
    (lambda: fed.simulate({n: pa.table(ROW) for n in "abc"}, levels={"x": "1234"}), "levels of x read"),
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


@pytest.mark.parametrize(("release", "says"), [
    ({"rule": "dp", "epsilon": "1.0"}, "rule exact"), ({"rule": "dp"}, "rule exact"), ({"more": 1}, "rule exact"),
    ({"min_cell": 2}, "min_cell must be at least 3"), ({"min_cell": "10"}, "min_cell of release must be a whole number"),
    ({"protect": "threshold"}, "protect is no part of release, it stands beside it: .* protect=… in a call"),
])  # fmt: skip
def test_a_release_that_cannot_be_given_is_refused_and_not_replaced_by_another(sim, release, says):
    with pytest.raises(UsageError, match=says):
        sim.run(fed.Crosstab("ill"), release=release)


def test_two_jobs_are_two_jobs(sim):
    one, other = (sim.run(fed.Crosstab("ill")) for _ in range(2))
    assert one.outcome == other.outcome
    assert one.provenance.job != other.provenance.job


def test_names_are_loaded_when_they_are_used():
    assert {"simulate", "Describe", "Crosstab", "LogisticRegression", "connect"} <= set(dir(fed))
    with pytest.raises(AttributeError, match="no attribute 'Median'"):
        _ = fed.Median


def test_a_simulation_says_in_chinese_what_its_columns_are_taken_as(monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    sim = fed.simulate({name: pa.table({"age": [float(i) for i in range(40)], "ill": [0, 1] * 20}) for name in "abc"})
    told = repr(sim)
    for words in ("模拟，上下界取自各表：age；3 家数据持有方", "数值      0 至 39", "分类      0 | 1"):
        assert words in told
    assert sim.run(fed.Describe(("age",))).summary().startswith("模拟，上下界取自各表（")


def test_protection_by_threshold_keys_gives_the_same_numbers_and_names_the_dealers(small_keys):
    sim = fed.simulate({n: pa.table({"x": np.arange(i, i + 20.0)}) for i, n in enumerate("abc")})
    seen = []
    masked, encrypted = (sim.run(fed.Describe(columns=["x"]), protect=p, progress=seen.append) for p in ("secagg", "threshold"))
    assert encrypted.outcome == masked.outcome
    assert (masked.provenance.dealers, encrypted.provenance.dealers) == ((), ("a", "b"))
    assert "dealt by a, b" in encrypted.summary("en")
    told = [line(status, "en").partition("  ")[2] for status in seen if status.job == encrypted.provenance.job]
    assert told[0].startswith("running  witnesses confirm") and told[-1] == "released"
    assert "running  the dealers make keys  (waiting for a, b)" in told
    assert "running  round 0, local step and upload" in told and "running  round 2, opening the total" in told
    with pytest.raises(UsageError, match="did you mean threshold"):
        sim.run(fed.Describe(columns=["x"]), protect="treshold")


def test_as_many_may_collude_as_is_said():
    tables = {
        n: pa.table({"x": np.arange(i, i + 20.0), "two": [int(n in "ab" and i % 2) for i in range(20)]}) for i, n in enumerate("abcd")
    }
    one, two = (fed.simulate(tables, colluding=c) for c in (1, 2))
    assert "4 data holders, of whom 2 may collude" in repr(two)
    assert one.run(fed.Crosstab("two")).suppressed == ()
    assert two.run(fed.Crosstab("two")).suppressed == ("two=1",)  # two holders of the four have such persons


def test_what_a_simulation_returns_has_what_a_federation_returns_and_no_proof(sim):
    simulated = sim.run(fed.Crosstab("ill"))
    assert isinstance(simulated, fed.Simulated)
    given = {name for name in dir(fed.Released) if not name.startswith("__")} - {"bundle", "pinned"}
    assert given == {name for name in dir(fed.Simulated) if not name.startswith("__")}
    assert simulated.value.suppressed == simulated.suppressed == ()
    assert simulated.to_dict()["job"] == simulated.value.provenance.job == simulated.provenance.job
    assert simulated.failed is None and simulated.outcome == simulated.value.outcome
    assert simulated.plot().get_title() == simulated.provenance.title
    assert (str(simulated), simulated._repr_html_()) == (simulated.value.summary(), simulated.value._repr_html_())
    for use in (simulated.verify, lambda: simulated.save("bundle.json")):
        with pytest.raises(UsageError, match="a simulation has no proof: this process played every party") as wrong:
            use()
        assert "模拟没有证明" in wrong.value.text("zh")


def test_where_somebody_looks_on_a_line_shows_where_a_simulation_stands(sim, monkeypatch, capsys):
    sim.run(fed.Crosstab("ill"))
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    sim.run(fed.Crosstab("ill"))
    told = capsys.readouterr().err
    assert "round 1, opening the total" in told or "round 1, checking and signing" in told
    assert told.endswith("\r") and not told.split("\r")[-2].strip()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    sim.run(fed.Crosstab("ill"))
    sim.run(fed.Crosstab("ill"), progress=lambda status: None)
