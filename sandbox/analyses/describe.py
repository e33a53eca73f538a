"""Count, missing values, mean and standard deviation of number columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from governance.catalogue import Schema
from sandbox.analyses.contract import COHORT, Finding, State, Statistic, distinct, floats, need, text, texts
from sandbox.predicate import Predicate
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
    Counts and sums in one round, then squared deviations from the agreed mean, which is stable where sums of squares are not (Chan,
    Golub & LeVeque, American Statistician 1983). ``sd`` divides by n - 1. Reference: ``pandas.DataFrame.describe``, of the persons who
    have a value in all the columns that the result says are required.
    """

    columns: tuple[str, ...]

    name: ClassVar[str] = "describe"
    version: ClassVar[int] = 1
    discloses: ClassVar[str] = (
        "for each column: how many persons have a value, how many have none, and the sum and the squared deviations of the values; "
        "four numbers for each column, each over at least c + 1 holders with min_cell persons. Where too few holders have enough persons "
        "without a value in some column, persons without one are left out of the whole job, so that no two counts tell how many they are"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", distinct("columns", self.columns, most=64))

    def reads(self, schema: Schema) -> tuple[str, ...]:
        return tuple(need(schema, name, ["number"]).name for name in self.columns)

    def cells(self, schema: Schema) -> tuple[str, ...]:
        return tuple(cell for name in self.columns for cell in (_present(name), _missing(name)))

    def members(self, rows: Rows, schema: Schema, state: State | None = None) -> Mapping[str, Mask]:
        cohort = _complete(rows, state["required"] if state else ())
        cells = {COHORT: cohort}
        for name in self.columns:
            cells[_present(name)] = cohort & rows.present(name)
            cells[_missing(name)] = cohort & ~rows.present(name)
        return cells

    def inside(self, schema: Schema) -> Mapping[str, Predicate]:
        return {}

    def opens(self, schema: Schema) -> tuple[int, ...]:
        k = len(self.columns)
        return (0, 3 * k, k) if k > 1 else (3, 1)

    def depth(self, schema: Schema) -> Mapping[str, int]:
        known = {_present(name): 3 for name in self.columns}  # persons, sum and squares
        return {COHORT: sum(self.opens(schema)), **known, **{_missing(name): 1 for name in self.columns}}

    def over(self, schema: Schema, state: State) -> Mapping[str, int]:
        return {}

    def weighs(self, schema: Schema) -> tuple[str, ...]:
        return ()

    def start(self, schema: Schema, support: Mapping[str, Finding], state: State | None = None) -> State:
        """Where too few lack a value, nobody who does takes part: the counts of two columns would tell how many by their difference."""
        thin = [name for name in self.columns if not support[_missing(name)].supported]
        if state is None and thin and len(self.columns) > 1:
            return {"phase": "support", "required": thin}
        required = state["required"] if state else list(self.columns) if thin else []
        counted = [name for name in self.columns if name not in required and name not in thin]
        shown = [name for name in self.columns if support[_present(name)].supported and name in (*required, *counted)]
        if not shown:
            return self._outcome({"required": required, "shown": [], "n": [], "missing": [], "mean": []}, [])
        return {"phase": "sums", "required": required, "shown": shown, "counted": [name for name in shown if name in counted]}

    def statistics(self, schema: Schema, state: State, rows: int) -> tuple[Statistic, ...]:
        if state["phase"] == "support":
            return (Statistic("holders", 1.0, (COHORT, *self.cells(schema)), holders=True),)
        known = tuple(map(_present, state["shown"]))
        if state["phase"] == "squares":
            return tuple(Statistic(f"squares {c}", rows * _width(schema, c) * _width(schema, c), (_present(c),)) for c in state["shown"])
        counts = [Statistic("n", rows, known)]
        if state["counted"]:
            counts.append(Statistic("missing", rows, tuple(map(_missing, state["counted"]))))
        return (*counts, *(Statistic(f"sum {c}", rows * _reach(schema, c), (_present(c),)) for c in state["shown"]))

    def local(self, rows: Rows, schema: Schema, state: State) -> Mapping[str, Floats]:
        rows = rows.where(_complete(rows, state["required"]))
        values = {name: rows.number(name)[rows.present(name)] for name in state["shown"]}
        if state["phase"] == "squares":
            means = dict(zip(state["shown"], floats(state["mean"]), strict=True))
            return {f"squares {c}": np.array([np.square(v - means[c]).sum()]) for c, v in values.items()}
        n = {name: float(len(v)) for name, v in values.items()}
        missing = np.array([len(rows) - n[name] for name in state["counted"]])
        sums = {f"sum {c}": np.array([v.sum()]) for c, v in values.items()}
        return {"n": np.array(list(n.values())), "missing": missing, **sums}

    def combine(self, total: Mapping[str, Sequence[float]], schema: Schema, state: State) -> State:
        if state["phase"] == "squares":
            return self._outcome(state, [total[f"squares {name}"][0] for name in state["shown"]])
        n = [round(x) for x in total["n"]]
        mean = [total[f"sum {c}"][0] / k if k else 0.0 for c, k in zip(state["shown"], n, strict=True)]
        mean = [min(max(m, schema[c].bounds[0]), schema[c].bounds[1]) for c, m in zip(state["shown"], mean, strict=True)]
        counted = dict(zip(state["counted"], (round(x) for x in total.get("missing", ())), strict=True))
        missing = [counted.get(name) for name in state["shown"]]
        return {**state, "phase": "squares", "n": n, "missing": missing, "mean": texts(mean)}

    def _outcome(self, state: State, squares: Sequence[float]) -> State:
        described = {}
        for name, n, missing, mean, square in zip(state["shown"], state["n"], state["missing"], state["mean"], squares, strict=True):
            sd = text(math.sqrt(max(square, 0.0) / (n - 1))) if n > 1 else None
            described[name] = {"column": name, "n": n, "missing": missing, "mean": mean, "sd": sd}
        blank = {"n": None, "missing": None, "mean": None, "sd": None}
        columns = [described.get(name, {"column": name, **blank}) for name in self.columns]
        return {"outcome": {"required": state["required"] if len(self.columns) > 1 else [], "columns": columns}}


def _complete(rows: Rows, required: Sequence[str]) -> Mask:
    mask = np.ones(len(rows), np.bool_)
    for name in required:
        mask &= rows.present(name)
    return mask


def _present(name: str) -> str:
    return f"{name} known"


def _missing(name: str) -> str:
    return f"{name} missing"


def _reach(schema: Schema, name: str) -> float:
    return max(map(abs, schema[name].bounds))


def _width(schema: Schema, name: str) -> float:
    low, high = schema[name].bounds
    return high - low
