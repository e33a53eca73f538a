"""Real records for tests, in a hospital's form (data frames) and in a snapshot's form (registered tables)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import inmemory
import numpy as np
import pandas as pd
import pyarrow as pa
import statsmodels.api as sm

import connectors
from connectors import snapshot
from federated.authority import read_dataset
from governance.catalogue import Schema, band, category, number

EXAMPLES = Path(__file__).parents[1] / "examples"
HOSPITALS = {"budapest": "hungarian", "cleveland": "cleveland", "long-beach": "va", "zurich": "switzerland"}


@dataclass(frozen=True)
class Records:
    """One dataset, all rows of it: *frame* holds numbers and names of levels, NaN where missing."""

    name: str
    schema: Schema
    frame: pd.DataFrame = field(repr=False)
    target: str
    features: tuple[str, ...]
    table: pa.Table = field(repr=False)

    def shuffled(self, seed: int = 0) -> pa.Table:
        return self.table.take(np.random.default_rng(seed).permutation(len(self.frame)))

    def parts(self, weights: Sequence[int], seed: int = 0) -> dict[str, pa.Table]:
        """The rows in random order, dealt to holders in proportion to *weights*."""
        edges = np.floor(np.cumsum(weights)[:-1] / sum(weights) * len(self.frame)).astype(int)
        return inmemory.split(self.shuffled(seed), edges.tolist())


def records(name: str, schema: Schema, frame: pd.DataFrame, target: str, features: tuple[str, ...]) -> Records:
    columns = {c.name: [None if pd.isna(v) else v for v in frame[c.name]] for c in schema.columns}
    return Records(name, schema, frame, target, features, inmemory.table(schema, columns))


@functools.cache
def fair() -> Records:
    """Fair (1978), 6366 women: a survey that comes with statsmodels."""
    d = sm.datasets.fair.load_pandas().data
    frame = pd.DataFrame({
        "age": d.age, "years": d.yrs_married, "educ": d.educ, "affair": np.where(d.affairs > 0, "yes", "no"),
        "religious": d.religious.map({1.0: "not", 2.0: "mildly", 3.0: "fairly", 4.0: "strongly"}),
        "age_band": pd.cut(d.age, [0, 25, 35, 99], right=False, labels=["<25", "25-34", "35+"]).astype(object),
    })  # fmt: skip
    schema = Schema("id", (
        number("age", "15", "60", cuts=("25", "35")), number("years", "0", "40"), number("educ", "5", "25"), category("affair", ("no", "yes")),
        category("religious", ("not", "mildly", "fairly", "strongly")), band("age_band", "age", ("25", "35"), ("<25", "25-34", "35+")),
    ))  # fmt: skip
    return records("fair", schema, frame, "affair", ("age", "years", "educ", "religious"))


@functools.cache
def election() -> Records:
    """American National Election Study 1996, 944 voters: comes with statsmodels. Some values are taken out."""
    d = sm.datasets.anes96.load_pandas().data
    frame = pd.DataFrame({"age": d.age, "educ": d.educ, "income": d.income, "popul": d.popul, "vote": np.where(d.vote > 0, "dole", "clinton"),
                          "party": np.where(d.PID <= 2, "democrat", np.where(d.PID >= 4, "republican", "independent"))}).astype(object)  # fmt: skip
    rng = np.random.default_rng(1996)
    for name in ("age", "income", "party"):
        frame.loc[rng.random(len(frame)) < 0.06, name] = np.nan
    schema = Schema("id", (
        number("age", "18", "100"), number("educ", "1", "7"), number("income", "1", "24"), number("popul", "0", "8000"),
        category("vote", ("clinton", "dole")), category("party", ("democrat", "independent", "republican")),
    ))  # fmt: skip
    return records("election", schema, frame, "vote", ("age", "income", "educ"))


@functools.cache
def hospitals() -> dict[str, pa.Table]:
    """The four hospitals' CSV files, frozen by the product as their nodes would."""
    import tempfile

    schema, tables = heart_schema(), {}
    for name, file in HOSPITALS.items():
        with tempfile.TemporaryDirectory() as folder:
            made = snapshot.freeze(
                connectors.open(f"csv://{EXAMPLES / 'data' / 'heart-disease'}/{file}.csv"), schema, Path(folder) / "rows.arrow"
            )
            loaded = snapshot.load(made.path, tuple(c.name for c in schema.columns))
            tables[name] = pa.Table.from_pandas(loaded.to_pandas(), schema=loaded.schema, preserve_index=False)
    return tables


def heart_schema() -> Schema:
    return read_dataset((EXAMPLES / "heart" / "dataset.yaml").read_text()).schema


@functools.cache
def heart() -> Records:
    """The heart-disease records of four hospitals, read by pandas: what a statistician with all the files has."""
    schema = heart_schema()
    raw = pd.concat(
        [pd.read_csv(EXAMPLES / "data" / "heart-disease" / f"{HOSPITALS[n]}.csv") for n in sorted(HOSPITALS)], ignore_index=True
    )
    return records(
        "heart", schema, pd.DataFrame({c.name: _read(raw, c.name) for c in schema.columns}), "disease", ("age", "sex", "thalach", "exang")
    )


def _read(raw: pd.DataFrame, name: str) -> Any:
    column = heart_schema()[name]
    if column.kind == "category":
        return raw[name].map(lambda v: np.nan if pd.isna(v) else column.levels[column.codes.index(str(int(v)))])
    values = raw[column.of or name].astype(float)
    if column.of is not None:
        return pd.cut(values, [-np.inf, *map(float, column.cuts), np.inf], right=False, labels=list(column.levels)).astype(object)
    low, high = column.bounds
    return values.clip(low, high) if column.outside == "clip" else values.where((values >= low) & (values <= high))


def everything() -> tuple[Records, ...]:
    return heart(), fair(), election()


def logit(of: Records, frame: pd.DataFrame, features: Sequence[str]) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients, standard errors and log-likelihood by statsmodels on *frame*, complete cases."""
    whole = frame[[of.target, *features]].dropna()
    y = (whole[of.target] == of.schema[of.target].levels[1]).astype(float).to_numpy()
    parts = [np.ones(len(whole))]
    for name in features:
        if of.schema[name].discrete:
            parts += [(whole[name] == level).astype(float).to_numpy() for level in of.schema[name].levels[1:]]
        else:
            parts.append(whole[name].astype(float).to_numpy())
    fit = sm.Logit(y, np.column_stack(parts)).fit(disp=0, method="newton", tol=1e-14, maxiter=200)
    return fit.params, fit.bse, fit.llf
