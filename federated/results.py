"""Results as people use them: a table to read, a picture to look at, a frame to go on with, and the proof behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from governance.errors import DisclosureRefused, Unavailable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

HIDDEN = "*"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a result comes from: enough to find and verify it."""

    job: str
    title: str
    dataset: str
    method: str
    holders: tuple[str, ...]
    survivors: tuple[str, ...]
    signers: tuple[str, ...]
    min_cell: int
    rounds: int
    entry: int | None

    def __str__(self) -> str:
        ledger = f", ledger #{self.entry}" if self.entry is not None else ""
        missing = ", ".join(sorted(set(self.holders) - set(self.survivors)))
        gone = f" (without {missing})" if missing else ""
        return (
            f"{len(self.survivors)} data holders{gone}, computed alike and signed by {len(self.signers)}; exact totals, no noise; only "
            f"cells that several holders fill with {self.min_cell} persons or more were opened; {self.rounds} rounds; "
            f"job {self.job[:12]}{ledger}"
        )


@dataclass(frozen=True, slots=True)
class Result:
    """A released result. Subclasses know their method."""

    outcome: Mapping[str, Any] = field(repr=False)
    suppressed: tuple[str, ...]
    provenance: Provenance

    @property
    def failed(self) -> str | None:
        """Why the method gave no numbers, or None."""
        return self.outcome.get("failed")

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows, as text."""
        raise NotImplementedError

    def summary(self) -> str:
        """The result as text, with its notes."""
        lines = [f"{self.provenance.title}  ({self.provenance.method} on {self.provenance.dataset})", ""]
        lines += [f"no estimate: {self.failed}"] if self.failed else _aligned(*self.table())
        return "\n".join([*lines, "", *self.notes(), str(self.provenance)])

    def notes(self) -> list[str]:
        """What a reader must know beside the numbers."""
        return [f"{HIDDEN} suppressed (too little support): {', '.join(self.suppressed)}"] if self.suppressed else []

    def to_pandas(self) -> pd.DataFrame:
        """The numbers as a data frame; suppressed ones are missing."""
        self._numbers()
        return self._frame(_pandas())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the result on *ax*, or on a new figure."""
        self._numbers()
        return self._draw(ax if ax is not None else _axes())

    def _numbers(self) -> None:
        if self.failed:
            raise DisclosureRefused(f"there are no numbers: {self.failed}")

    def _frame(self, pandas: Any) -> pd.DataFrame:
        raise NotImplementedError

    def _draw(self, ax: Axes) -> Axes:
        raise NotImplementedError

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        if self.failed:
            body = f"<p>no estimate: {escape(str(self.failed))}</p>"
        else:
            head, rows = self.table()
            cells = ["".join(f"<td>{escape(c)}</td>" for c in row) for row in rows]
            body = f"<table><tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr>{''.join(f'<tr>{c}</tr>' for c in cells)}</table>"
        notes = "".join(f"<p><small>{escape(n)}</small></p>" for n in [*self.notes(), str(self.provenance)])
        return f"<h4>{escape(self.provenance.title)}</h4>{body}{notes}"


class DescribeResult(Result):
    """Count, missing, mean and standard deviation by column."""

    __slots__ = ()

    def table(self) -> tuple[list[str], list[list[str]]]:
        rows = [[c["column"], _count(c["n"]), _count(c["missing"]), _number(c["mean"]), _number(c["sd"])] for c in self.outcome["columns"]]
        return ["column", "n", "missing", "mean", "sd"], rows

    def notes(self) -> list[str]:
        required = self.outcome.get("required")
        left_out = f"persons without a value in any of {', '.join(required or ())} are left out: too few to be told apart from the others"
        return [*([left_out] if required else []), *Result.notes(self)]

    def _frame(self, pandas: Any) -> pd.DataFrame:
        numbers = [{**c, "mean": _float(c["mean"]), "sd": _float(c["sd"])} for c in self.outcome["columns"]]
        return pandas.DataFrame(numbers).set_index("column")  # type: ignore[no-any-return]

    def _draw(self, ax: Axes) -> Axes:
        shown = [c for c in self.outcome["columns"] if c["mean"] is not None and c["sd"] is not None]
        ax.errorbar([float(c["mean"]) for c in shown], range(len(shown)), xerr=[float(c["sd"]) for c in shown], fmt="o", capsize=4)
        ax.set_yticks(range(len(shown)), [f"{c['column']} (n={c['n']})" for c in shown])
        ax.set_xlabel("mean ± sd")
        return ax


class CrosstabResult(Result):
    """Counts by one or two columns."""

    __slots__ = ()

    def table(self) -> tuple[list[str], list[list[str]]]:
        across = [a or "n" for a in self.outcome["across"]]
        rows = [[level, *map(_count, row)] for level, row in zip(self.outcome["down"], self.outcome["counts"], strict=True)]
        opened = [[n or 0 for n in row] for row in self.outcome["counts"]]
        if self.outcome["columns"] is None:
            return [self.outcome["index"], *across], [*rows, ["opened", str(sum(map(sum, opened)))]]
        rows = [[*row, str(sum(n))] for row, n in zip(rows, opened, strict=True)]
        foot = ["opened", *(str(sum(column)) for column in zip(*opened, strict=True)), str(sum(map(sum, opened)))]
        return [f"{self.outcome['index']} \\ {self.outcome['columns']}", *across, "opened"], [*rows, foot]

    def _frame(self, pandas: Any) -> pd.DataFrame:
        index = pandas.Index(self.outcome["down"], name=self.outcome["index"])
        columns = pandas.Index([a or "n" for a in self.outcome["across"]], name=self.outcome["columns"])
        return pandas.DataFrame(self.outcome["counts"], index=index, columns=columns, dtype="Int64")  # type: ignore[no-any-return]

    def _draw(self, ax: Axes) -> Axes:
        width = 0.8 / len(self.outcome["across"])
        for i, level in enumerate(self.outcome["across"]):
            counts = [row[i] or 0 for row in self.outcome["counts"]]
            ax.bar([x + i * width for x in range(len(counts))], counts, width, label=level or None)
        ax.set_xticks(range(len(self.outcome["down"])), self.outcome["down"])
        ax.set_xlabel(self.outcome["index"])
        ax.set_ylabel("persons (suppressed cells are left out)")
        if self.outcome["columns"] is not None:
            ax.legend(title=self.outcome["columns"])
        return ax


class LogisticRegressionResult(Result):
    """Coefficients with standard errors, intervals and p-values (Wald, 95 %)."""

    __slots__ = ()

    @property
    def terms(self) -> list[dict[str, Any]]:
        """One dictionary for each coefficient: term, coef, se, lower, upper, p."""
        quantile = NormalDist().inv_cdf(0.975)
        found = []
        for term in self.outcome["terms"]:
            coef, se = float(term["coef"]), float(term["se"])
            ends = {"lower": coef - quantile * se, "upper": coef + quantile * se}
            found.append({"term": term["term"], "coef": coef, "se": se, **ends, "p": math.erfc(abs(coef / se) / math.sqrt(2))})
        return found

    def table(self) -> tuple[list[str], list[list[str]]]:
        rows = [
            [t["term"], _figure(t["coef"]), _figure(t["se"]), f"{t['coef'] / t['se']:.2f}", _p(t["p"]),
             f"{_figure(t['lower'])} to {_figure(t['upper'])}", _odds(t["coef"])]
            for t in self.terms
        ]  # fmt: skip
        return ["term", "coef", "std err", "z", "p", "95 % interval", "odds ratio"], rows

    def notes(self) -> list[str]:
        if self.failed:
            return Result.notes(self)
        o = self.outcome
        fit = f"{o['target']} = {o['event']}: {o['events']} of {o['n']} persons"
        return [f"{fit}; log-likelihood {float(o['loglik']):.4f}; {o['steps']} Newton steps", *Result.notes(self)]

    def _frame(self, pandas: Any) -> pd.DataFrame:
        return pandas.DataFrame(self.terms, columns=["term", "coef", "se", "lower", "upper", "p"])  # type: ignore[no-any-return]

    def _draw(self, ax: Axes) -> Axes:
        terms = [t for t in self.terms if t["term"] != "Intercept"][::-1]
        spread = [[t["coef"] - t["lower"] for t in terms], [t["upper"] - t["coef"] for t in terms]]
        ax.errorbar([t["coef"] for t in terms], range(len(terms)), xerr=spread, fmt="s", capsize=4)
        ax.axvline(0, linewidth=0.8, linestyle="--", color="grey")
        ax.set_yticks(range(len(terms)), [t["term"] for t in terms])
        ax.set_xlabel("coefficient, 95 % interval")
        return ax


RESULTS: dict[str, type[Result]] = {
    "describe": DescribeResult, "crosstab": CrosstabResult, "logistic_regression": LogisticRegressionResult,
}  # fmt: skip


def result(
    released: Mapping[str, Any], job: str, *, holders: Sequence[str], survivors: Sequence[str], signers: Sequence[str], entry: int | None
) -> Result:
    """The result in a release's ``result`` document."""
    method = str(released["analysis"])
    provenance = Provenance(
        job, released["title"], released["dataset"], method, tuple(holders), tuple(survivors), tuple(sorted(signers)),
        released["min_cell"], released["rounds"], entry,
    )  # fmt: skip
    return RESULTS[method.partition("@")[0]](released["outcome"], tuple(released["suppressed"]), provenance)


def _aligned(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))) for row in [head, *rows]
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def _count(n: int | None) -> str:
    return HIDDEN if n is None else str(n)


def _number(text: str | None) -> str:
    return HIDDEN if text is None else f"{float(text):.6g}"


def _float(text: str | None) -> float | None:
    return None if text is None else float(text)


def _p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _figure(x: float) -> str:
    return f"{x:.4f}" if x == 0 or 1e-3 <= abs(x) < 1e6 else f"{x:.3e}"


def _odds(coef: float) -> str:
    """exp(coef), or the formula where that is too large or too small to read: a unit of the feature is then far from its range."""
    return f"{math.exp(coef):.3f}" if abs(coef) < 12 else f"exp({coef:.4g})"


def _pandas() -> Any:
    try:
        import pandas as pd  # noqa: PLC0415
    except ImportError:
        raise Unavailable("to_pandas() needs pandas: pip install pandas") from None
    return pd


def _axes() -> Axes:
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415
    except ImportError:
        raise Unavailable("plot() needs matplotlib: pip install 'keyong[plot]'") from None
    return plt.figure(layout="constrained").add_subplot()
