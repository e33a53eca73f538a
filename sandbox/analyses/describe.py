"""Count, missing values, mean and standard deviation of number columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from governance.catalogue import Schema
from sandbox.analyses.contract import COHORT, Finding, State, Statistic, distinct, floats, need, text, texts
from sandbox.rows import Floats, Mask, Rows


@dataclass(frozen=True, slots=True)
class Describe:
    """Describe number columns.

    Parameters
    ----------
    columns
        Names of number columns, at most 64.

    Notes
    -----
    Two rounds: counts and sums, then squared deviations from the agreed mean, which is stable where sums of squares are not (Chan,
    Golub & LeVeque, American Statistician 1983). ``sd`` divides by n - 1. Reference: ``pandas.DataFrame.describe``.
    """

    columns: tuple[str, ...]

    name: ClassVar[str] = "describe"
    version: ClassVar[int] = 1
    discloses: ClassVar[str] = (
        "for each column: how many persons have a value, how many have none, and the sum and the squared deviations of the values; "
        "four numbers for each column, each over at least c + 1 holders with min_cell persons"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", distinct("columns", self.columns, most=64))

    def reads(self, schema: Schema) -> tuple[str, ...]:
        return tuple(need(schema, name, ["number"]).name for name in self.columns)

    def cells(self, schema: Schema) -> tuple[str, ...]:
        return tuple(cell for name in self.columns for cell in (_present(name), _missing(name)))

    def members(self, rows: Rows, schema: Schema) -> Mapping[str, Mask]:
        cells: dict[str, Mask] = {COHORT: np.ones(len(rows), np.bool_)}
        for name in self.columns:
            cells[_present(name)] = rows.present(name)
            cells[_missing(name)] = ~cells[_present(name)]
        return cells

    def opens(self, schema: Schema) -> tuple[int, ...]:
        return 3 * len(self.columns), len(self.columns)

    def start(self, schema: Schema, support: Mapping[str, Finding]) -> State:
        if not any(support[_present(name)].supported for name in self.columns):
            return {"outcome": {"columns": [_row(name, None, None, None, None) for name in self.columns]}}
        shown = [[support[_present(n)].supported, support[_missing(n)].supported] for n in self.columns]
        return {"phase": "sums", "shown": shown}

    def statistics(self, schema: Schema, state: State, rows: int) -> tuple[Statistic, ...]:
        if state["phase"] == "sums":
            counts = (
                Statistic("n", rows, self._cells(_present), counts=True),
                Statistic("missing", rows, self._cells(_missing), counts=True),
            )
            return counts + tuple(Statistic(f"sum {c}", rows * _reach(schema, c), (_present(c),)) for c in self.columns)
        return tuple(Statistic(f"squares {c}", rows * _width(schema, c) * _width(schema, c), (_present(c),)) for c in self.columns)

    def local(self, rows: Rows, schema: Schema, state: State) -> Mapping[str, Floats]:
        values = {name: rows.number(name)[rows.present(name)] for name in self.columns}
        if state["phase"] == "sums":
            n = np.array([len(v) for v in values.values()], np.float64)
            return {"n": n, "missing": len(rows) - n} | {f"sum {c}": np.array([v.sum()]) for c, v in values.items()}
        means = dict(zip(self.columns, floats(state["mean"]), strict=True))
        return {f"squares {c}": np.array([np.square(v - means[c]).sum()]) for c, v in values.items()}

    def combine(self, total: Mapping[str, Sequence[float]], schema: Schema, state: State) -> State:
        if state["phase"] == "sums":
            n = [round(x) for x in total["n"]]
            mean = [total[f"sum {c}"][0] / k if k else 0.0 for c, k in zip(self.columns, n, strict=True)]
            mean = [min(max(m, schema[c].bounds[0]), schema[c].bounds[1]) for c, m in zip(self.columns, mean, strict=True)]
            missing = [round(x) for x in total["missing"]]
            return {"phase": "squares", "shown": state["shown"], "n": n, "missing": missing, "mean": texts(mean)}
        return {"outcome": {"columns": [self._described(i, name, total, state) for i, name in enumerate(self.columns)]}}

    def _described(self, i: int, name: str, total: Mapping[str, Sequence[float]], state: State) -> dict[str, object]:
        (shown, missing_shown), n = state["shown"][i], state["n"][i]
        sd = text(math.sqrt(max(total[f"squares {name}"][0], 0.0) / (n - 1))) if shown and n > 1 else None
        missing = state["missing"][i] if missing_shown else None
        return _row(name, n if shown else None, missing, state["mean"][i] if shown else None, sd)

    def _cells(self, cell: object) -> tuple[str, ...]:
        return tuple(cell(name) for name in self.columns)  # type: ignore[operator]


def _present(name: str) -> str:
    return f"{name} known"


def _missing(name: str) -> str:
    return f"{name} missing"


def _row(name: str, n: int | None, missing: int | None, mean: str | None, sd: str | None) -> dict[str, object]:
    return {"column": name, "n": n, "missing": missing, "mean": mean, "sd": sd}


def _reach(schema: Schema, name: str) -> float:
    return max(map(abs, schema[name].bounds))


def _width(schema: Schema, name: str) -> float:
    low, high = schema[name].bounds
    return high - low
