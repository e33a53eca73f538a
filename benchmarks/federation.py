"""A federation of real processes on this machine: cold start to the first mean, a warm logistic regression, and memory.

    python benchmarks/federation.py

Prints seconds, the largest difference from statsmodels on the pooled rows, and proportional set sizes. No peer is measured here.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import federated as fed
from federated.local import Federation

HOLDERS, ROWS, FEATURES, REPEATS = ("a", "b", "c"), 1000, 13, 7
MEMORY_HOLDERS = ("a", "b", "c", "d")


def table(seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (ROWS, FEATURES))
    risk = 1 / (1 + np.exp(-(x @ np.linspace(-0.5, 0.5, FEATURES) - 0.3)))
    y = np.array(["no", "yes"])[(rng.random(ROWS) < risk).astype(int)]
    return pa.table({"id": [f"{seed}-{i}" for i in range(ROWS)], **{f"x{i}": x[:, i] for i in range(FEATURES)}, "y": y})


def dataset(holders: tuple[str, ...]) -> str:
    columns = "\n".join(f'  x{i}: {{kind: number, low: "-8", high: "8"}}' for i in range(FEATURES))
    return (
        f"dataset: bench\nversion: 1\ntitle: bench\nperson: id\nholders: [{', '.join(holders)}]\ncolluding: 1\nrows: 100000\ncolumns:\n"
        f'{columns}\n  y: {{kind: category, levels: ["no", "yes"]}}\n'
    )


def founded(path: Path, holders: tuple[str, ...]) -> tuple[Federation, list[pa.Table]]:
    tables = [table(i) for i in range(len(holders))]
    sources = {}
    for name, rows in zip(holders, tables, strict=True):
        pq.write_table(rows, path / f"{name}.parquet")
        sources[name] = f"parquet://{path / f'{name}.parquet'}"
    return Federation(path, dataset(holders), sources).found(), tables


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cold_and_warm() -> None:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        federation, tables = founded(Path(folder), HOLDERS)
        with federation:
            hub = federation.hub()
            hub.run(fed.Describe(columns=("x0",)), dataset="bench")
            print(f"cold start of coordinator and 3 nodes to the first federated mean: {time.perf_counter() - start:.2f} s")
            model = fed.LogisticRegression(target="y", features=tuple(f"x{i}" for i in range(FEATURES)))
            released = hub.run(model, dataset="bench")
            times = [seconds(lambda: hub.run(model, dataset="bench")) for _ in range(REPEATS)]
            rounds = released.value.provenance.rounds
            found = f"median {statistics.median(times):.2f} s, best {min(times):.2f} s, {rounds} rounds"
            print(f"logistic regression, 3 x {ROWS} x {FEATURES}, warm: {found}")
            compare(released, tables)


def compare(released, tables: list[pa.Table]) -> None:
    import statsmodels.api as sm

    pooled = pa.concat_tables(tables).to_pandas()
    x = sm.add_constant(pooled[[f"x{i}" for i in range(FEATURES)]].to_numpy())
    fit = sm.Logit((pooled.y == "yes").to_numpy(float), x).fit(disp=0, tol=1e-14)
    terms = released.to_pandas()
    coef, se = np.abs(terms.coef - fit.params).max(), np.abs(terms.se - fit.bse).max()
    print(f"largest difference from statsmodels: coef {coef:.1e}, se {se:.1e}")


def memory() -> None:
    with tempfile.TemporaryDirectory() as folder:
        federation, _ = founded(Path(folder), MEMORY_HOLDERS)
        with federation:
            federation.hub().run(fed.Describe(columns=("x0",)), dataset="bench")
            found = federation.memory()
            each = ", ".join(f"{name} {size >> 20}" for name, size in found.items())
            print(f"memory (PSS) of coordinator and 4 nodes with warm zygotes: {sum(found.values()) >> 20} MiB ({each})")


if __name__ == "__main__":
    cold_and_warm()
    memory()
