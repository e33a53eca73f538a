"""Results as people use them: a table to read, a picture to look at, a frame to go on with, and the proof behind them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from federated import pictures
from federated.language import padded, said
from governance.details import in_chinese
from governance.errors import DisclosureRefused, Unavailable
from mpc import secagg

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

HIDDEN = "*"
MOST_NAMED = 8


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
    dealers: tuple[str, ...]
    min_cell: int
    rounds: int
    entry: int | None

    def lines(self, language: str | None = None) -> list[str]:
        """What stands behind the numbers, in words."""
        missing = ", ".join(sorted(set(self.holders) - set(self.survivors)))
        gone = said(f" (without {missing})", f"（不含 {missing}）", language) if missing else ""
        ledger = said(f", ledger #{self.entry}", f"，账本第 {self.entry} 条", language) if self.entry is not None else ""
        n, signed = len(self.survivors), len(self.signers)
        who = said(
            f"{n} data holders{gone}, computed alike and signed by {signed}", f"{n} 家数据持有方{gone}，{signed} 家复算一致并签名", language
        )
        job = said(f"; job {self.job[:12]}{ledger}", f"；任务 {self.job[:12]}{ledger}", language)
        if self.rounds == 1:
            return [
                who,
                said(f"no total was opened: 1 round of secure sums asked whether several holders have {self.min_cell} records or more{job}",
                     f"没有打开任何合计：1 轮安全求和只问了是否有多家持有方各自不少于 {self.min_cell} 条记录{job}", language),
                *self._keys(language),
            ]  # fmt: skip
        return [
            who + said("; exact totals, no noise", "；精确合计，未加噪声", language),
            said(f"only cells that several holders fill with {self.min_cell} records or more were opened; who is at two holders has two",
                 f"只打开了有多家持有方各自不少于 {self.min_cell} 条记录的单元；同一人在两家即为两条", language),
            said(f"{self.rounds} rounds of secure sums: whether there are persons enough, then the totals{job}",
                 f"{self.rounds} 轮安全求和：先看人数是否足够，再求合计{job}", language),
            *self._keys(language),
        ]  # fmt: skip

    def _keys(self, language: str | None) -> list[str]:
        """Who dealt the keys of an encrypted job, where it was one (PRIVACY 6)."""
        dealers, n = ", ".join(self.dealers), len(self.dealers)
        t = secagg.threshold(len(self.holders), n - 1)
        return [
            said(f"encrypted under {n} keys, dealt by {dealers}: these {n} together could read one holder's part, or any {t} holders; "
                 "nobody else",
                 f"用 {n} 把密钥加密，由 {dealers} 分发：这 {n} 家合谋能读出某一家的数，任意 {t} 家持有方合谋也能；此外谁都不能", language),
        ] if dealers else []  # fmt: skip

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """A released result. Subclasses know their method. Texts are in the locale's language unless one, ``"en"`` or ``"zh"``, is given."""

    outcome: Mapping[str, Any] = field(repr=False)
    suppressed: tuple[str, ...]
    provenance: Provenance

    @property
    def failed(self) -> str | None:
        """Why the method gave no numbers, or None."""
        return self.outcome.get("failed")

    def table(self, language: str | None = None) -> tuple[list[str], list[list[str]]]:
        """Headings and rows, as text."""
        raise NotImplementedError

    def summary(self, language: str | None = None) -> str:
        """The result as text, with its notes."""
        p = self.provenance
        head = said(f"{p.title}  ({p.method} on {p.dataset})", f"{p.title}（{p.dataset} 上的 {p.method}）", language)
        body = [self._no_estimate(language)] if self.failed else _aligned(*self.table(language))
        return "\n".join([head, "", *body, "", *self.notes(language), *p.lines(language)])

    def notes(self, language: str | None = None) -> list[str]:
        """What a reader must know beside the numbers."""
        if not self.suppressed or str(self.failed).startswith("suppressed"):  # the reason says it then
            return []
        more = len(self.suppressed) - MOST_NAMED
        named = ", ".join(said(cell, in_chinese(cell), language) for cell in self.suppressed[:MOST_NAMED])
        cells = named + (said(f" and {more} more", f" 等，另有 {more} 个", language) if more > 0 else "")
        return [said(f"{HIDDEN} suppressed, not zero: too few holders have persons enough there, so nobody opened it: {cells}",
                     f"{HIDDEN} 已抑制，并非零：人数足够的持有方太少，任何人都没有打开：{cells}", language)]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """For machines: the outcome as it was signed, what is suppressed, and where it comes from."""
        return {
            "job": self.provenance.job,
            "outcome": self.outcome,
            "suppressed": list(self.suppressed),
            "provenance": asdict(self.provenance),
        }

    def _no_estimate(self, language: str | None = None) -> str:
        return said(f"no estimate: {self.failed}", f"没有估计值：{in_chinese(self.failed or '')}", language)

    def to_pandas(self) -> pd.DataFrame:
        """The numbers as a data frame; suppressed ones are missing."""
        self._numbers()
        return self._frame(_pandas())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the result on *ax*, or on a new figure."""
        self._numbers()
        ax = ax if ax is not None else pictures.axes()
        self._draw(ax)
        return ax

    def _numbers(self) -> None:
        if self.failed:
            raise DisclosureRefused(f"there are no numbers: {self.failed}")

    def _frame(self, pandas: Any) -> pd.DataFrame:
        raise NotImplementedError

    def _draw(self, ax: Axes) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        if self.failed:
            body = f"<p>{escape(self._no_estimate())}</p>"
        else:
            head, rows = self.table()
            cells = ["".join(f"<td>{escape(c)}</td>" for c in row) for row in rows]
            body = f"<table><tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr>{''.join(f'<tr>{c}</tr>' for c in cells)}</table>"
        notes = "".join(f"<p><small>{escape(n)}</small></p>" for n in [*self.notes(), *self.provenance.lines()])
        return f"<h4>{escape(self.provenance.title)}</h4>{body}{notes}"


@dataclass(frozen=True, slots=True, repr=False)
class Returned(ABC):
    """What `run` returns, of a federation (`Released`) as of a simulation (`Simulated`): a result, and what proves it."""

    value: Result

    @abstractmethod
    def verify(self) -> Any:
        """Verify the proof. Raises; never returns False."""

    @abstractmethod
    def save(self, path: str | Path) -> None:
        """Write the proof to a file."""

    @property
    def outcome(self) -> Mapping[str, Any]:
        return self.value.outcome

    @property
    def suppressed(self) -> tuple[str, ...]:
        return self.value.suppressed

    @property
    def provenance(self) -> Provenance:
        return self.value.provenance

    @property
    def failed(self) -> str | None:
        return self.value.failed

    def summary(self, language: str | None = None) -> str:
        return self.value.summary(language)

    def to_dict(self) -> dict[str, Any]:
        return self.value.to_dict()

    def to_pandas(self) -> pd.DataFrame:
        return self.value.to_pandas()

    def plot(self, ax: Axes | None = None) -> Axes:
        return self.value.plot(ax)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self.value._repr_html_()


class DescribeResult(Result):
    """Count, missing, mean and standard deviation by column."""

    __slots__ = ()

    def table(self, language: str | None = None) -> tuple[list[str], list[list[str]]]:
        rows = [[c["column"], _count(c["n"]), _count(c["missing"]), _number(c["mean"]), _number(c["sd"])] for c in self.outcome["columns"]]
        return said("column n missing mean sd", "字段 人数 缺失 均值 标准差", language).split(), rows

    def notes(self, language: str | None = None) -> list[str]:
        required = ", ".join(self.outcome.get("required") or ())
        left_out = said(
            f"persons without a value in any of {required} are left out: they are too few to be told apart from the others",
            f"在 {required} 中任一字段缺失的人未计入：人数太少，分开统计会暴露他们", language,
        )  # fmt: skip
        return [*([left_out] if required else []), *Result.notes(self, language)]

    def _frame(self, pandas: Any) -> pd.DataFrame:
        numbers = [{**c, "mean": _float(c["mean"]), "sd": _float(c["sd"])} for c in self.outcome["columns"]]
        types = {"n": "Int64", "missing": "Int64", "mean": "float64", "sd": "float64"}
        return pandas.DataFrame(numbers).set_index("column")[list(types)].astype(types)  # type: ignore[no-any-return]

    def _draw(self, ax: Axes) -> None:
        pictures.means(ax, self.provenance.title, self.outcome["columns"], hidden=HIDDEN)


class CrosstabResult(Result):
    """Counts by one or two columns."""

    __slots__ = ()

    def table(self, language: str | None = None) -> tuple[list[str], list[list[str]]]:
        shown = said("opened", "已打开", language)
        across = [a or said("n", "人数", language) for a in self.outcome["across"]]
        rows = [[level, *map(_count, row)] for level, row in zip(self.outcome["down"], self.outcome["counts"], strict=True)]
        counts = self.outcome["counts"]
        whole = _opened(n for row in counts for n in row)
        if self.outcome["columns"] is None:
            return [self.outcome["index"], *across], [*rows, [shown, whole]]
        rows = [[*row, _opened(n)] for row, n in zip(rows, counts, strict=True)]
        foot = [shown, *(_opened(column) for column in zip(*counts, strict=True)), whole]
        return [f"{self.outcome['index']} \\ {self.outcome['columns']}", *across, shown], [*rows, foot]

    def notes(self, language: str | None = None) -> list[str]:
        if self.failed:
            return Result.notes(self, language)
        names = self.outcome["index"] + (f", {self.outcome['columns']}" if self.outcome["columns"] else "")
        margins = said("opened: sum of the cells that are shown, not of all persons; ", "“已打开”只是所示单元之和，并非总人数；", language)
        missing = said(f"persons without a value in {names} are in no cell", f"{names} 缺失的人不在任何单元中", language)
        return [(margins if self.suppressed else "") + missing, *Result.notes(self, language)]

    def _frame(self, pandas: Any) -> pd.DataFrame:
        index = pandas.Index(self.outcome["down"], name=self.outcome["index"])
        columns = pandas.Index([a or "n" for a in self.outcome["across"]], name=self.outcome["columns"])
        return pandas.DataFrame(self.outcome["counts"], index=index, columns=columns, dtype="Int64")  # type: ignore[no-any-return]

    def _draw(self, ax: Axes) -> None:
        pictures.bars(ax, self.provenance.title, self.outcome, hidden=HIDDEN)


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

    def table(self, language: str | None = None) -> tuple[list[str], list[list[str]]]:
        rows = [
            [t["term"], _figure(t["coef"]), _figure(t["se"]), f"{t['coef'] / t['se']:.3f}", _p(t["p"]), _figure(t["lower"]),
             _figure(t["upper"]), _odds(t["coef"])]
            for t in self.terms
        ]  # fmt: skip
        head = said("term|coef|std err|z|P>¦z¦|[0.025|0.975]|odds ratio", "项|系数|标准误|z|P>¦z¦|[0.025|0.975]|优势比", language)
        return [name.replace("¦", "|") for name in head.split("|")], rows

    def notes(self, language: str | None = None) -> list[str]:
        if self.failed:
            return Result.notes(self, language)
        o, loglik = self.outcome, float(self.outcome["loglik"])
        fit = said(
            f"{o['target']} = {o['event']}: {o['events']} of {o['n']} persons; log-likelihood {loglik:.4f}; {o['steps']} Newton steps",
            f"{o['target']} = {o['event']}：{o['n']} 人中 {o['events']} 人；对数似然 {loglik:.4f}；{o['steps']} 步牛顿迭代",
            language,
        )
        read = said("odds ratio: for one unit more of a number, or for a level against the first; persons who lack a value are left out",
                    "优势比：数值每增加一个单位，或该取值相对于首个取值；有缺失值的人未计入", language)  # fmt: skip
        return [fit, read, *Result.notes(self, language)]

    def _frame(self, pandas: Any) -> pd.DataFrame:
        return pandas.DataFrame(self.terms, columns=["term", "coef", "se", "lower", "upper", "p"])  # type: ignore[no-any-return]

    def _draw(self, ax: Axes) -> None:
        pictures.forest(ax, self.provenance.title, self.terms)


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
        tuple(released["dealers"]), released["min_cell"], released["rounds"], entry,
    )  # fmt: skip
    return RESULTS[method.partition("@")[0]](released["outcome"], tuple(released["suppressed"]), provenance)


def _aligned(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(cell_len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["  ".join(padded(c, w, left=i == 0) for i, (c, w) in enumerate(zip(row, widths, strict=True))) for row in [head, *rows]]
    return [lines[0], "-" * cell_len(lines[0]), *lines[1:]]


def _count(n: int | None) -> str:
    return HIDDEN if n is None else str(n)


def _opened(counts: Iterable[int | None]) -> str:
    """Sum of the cells that were opened; of none there is no sum."""
    opened = [n for n in counts if n is not None]
    return str(sum(opened)) if opened else HIDDEN


def _number(text: str | None) -> str:
    return HIDDEN if text is None else f"{float(text):.6g}"


def _float(text: str | None) -> float | None:
    return None if text is None else float(text)


def _p(p: float) -> str:
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


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
