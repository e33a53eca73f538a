"""Real federations for the end-to-end tests: processes, loopback TLS, kernel jails, files on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from federated.local import Federation

HOLDERS = ("north", "south", "east", "west")
DATASET = """
dataset: cohort
version: 1
title: cohort
person: id
holders: [north, south, east, west]
colluding: 1
rows: 100000
columns:
  age: {kind: number, low: "18", high: "100", cuts: ["40", "60"]}
  age_band: {kind: band, of: age, cuts: ["40", "60"], levels: [young, middle, old]}
  dose: {kind: number, low: "0", high: "50", outside: missing}
  sex: {kind: category, levels: [female, male]}
  ill: {kind: category, levels: ["no", "yes"]}
  secret: {kind: category, levels: [a, b], grade: 5}
"""


def table(seed: int, rows: int) -> pa.Table:
    """Records of one holder: a logistic outcome, some missing and some impossible values."""
    rng = np.random.default_rng(seed)
    age, dose = rng.uniform(18, 100, rows), rng.uniform(0, 50, rows)
    sex = rng.integers(0, 2, rows)
    risk = 1 / (1 + np.exp(-(-3 + 0.04 * age - 0.03 * dose + 0.5 * sex)))
    dose[rng.random(rows) < 0.05] = np.nan
    dose[rng.random(rows) < 0.02] = 900.0  # outside the bounds: counts as missing
    return pa.table({
        "id": [f"{seed}-{i}" for i in range(rows)], "age": age, "dose": dose, "sex": np.array(["female", "male"])[sex],
        "ill": np.array(["no", "yes"])[(rng.random(rows) < risk).astype(int)], "secret": np.array(["a", "b"])[rng.integers(0, 2, rows)],
    })  # fmt: skip


def tables(sizes: tuple[int, ...] = (300, 200, 400, 150)) -> dict[str, pa.Table]:
    return {name: table(i, n) for i, (name, n) in enumerate(zip(HOLDERS, sizes, strict=True))}


def federation(path: Path, data: dict[str, pa.Table] | None = None, *, dataset: str = DATASET, **more: object) -> Federation:
    """A founded federation over *data*; the column `secret` is in the catalogue, but not in the licence."""
    sources = {}
    for name, rows in (data or tables()).items():
        file = path / f"{name}.parquet"
        pq.write_table(rows, file)
        sources[name] = f"parquet://{file}"
    return Federation(path, dataset, sources, columns=["age", "age_band", "dose", "sex", "ill"], **more).found()


def pooled(data: dict[str, pa.Table]) -> pa.Table:
    return pa.concat_tables(data.values())
