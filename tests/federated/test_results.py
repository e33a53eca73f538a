"""Results as people meet them: text, HTML, frame and picture, with what was suppressed and who stands behind the numbers."""

from __future__ import annotations

import math
from html.parser import HTMLParser

import matplotlib as mpl
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd

from federated.results import Result, result
from governance.errors import DisclosureRefused, KeyongError, Unavailable

TITLE = '<script>alert("四院")</script> & more'
DESCRIBED = {"columns": [
    {"column": "age", "n": 920, "missing": None, "mean": "53.51086956521739", "sd": "9.424685209576858"},
    {"column": "chol", "n": None, "missing": None, "mean": None, "sd": None},
]}  # fmt: skip
COUNTED = {"index": "party", "columns": "vote", "down": ["<left>", "right"], "across": ["a", "b"], "counts": [[30, None], [12, 70]]}
LISTED = {"index": "vote", "columns": None, "down": ["a", "b"], "across": [""], "counts": [[42], [None]]}
FITTED = {"target": "ill", "event": "yes", "n": 865, "events": 474, "loglik": "-480.59820", "steps": 6, "terms": [
    {"term": "Intercept", "coef": "0.5564", "se": "0.8011"}, {"term": "age", "coef": "0.0458", "se": "0.0091"},
    {"term": "sex[<male>]", "coef": "-0.02", "se": "0.5"},
]}  # fmt: skip


def made(method, outcome, *, suppressed=(), survivors="abcd", entry=7) -> Result:
    document = {
        "analysis": f"{method}@1",
        "title": TITLE,
        "dataset": "heart",
        "min_cell": 10,
        "rounds": 3,
        "suppressed": list(suppressed),
        "outcome": outcome,
    }
    return result(document, "f" * 64, holders=tuple("abcd"), survivors=tuple(survivors), signers=["c", "a", "b"], entry=entry)


DESCRIBE = made("describe", DESCRIBED, suppressed=["chol known", "age missing"])
CROSSTAB = made("crosstab", COUNTED, suppressed=["party=<left> & vote=b"])
LIST = made("crosstab", LISTED, suppressed=["vote=b"])
REGRESSION = made("logistic_regression", FITTED)
ALL = [DESCRIBE, CROSSTAB, LIST, REGRESSION]
FAILED = [made(m, {"failed": "suppressed: too few <holders>"}, suppressed=["x"]) for m in ("describe", "crosstab", "logistic_regression")]


# --- text


@pytest.mark.parametrize("shown", ALL, ids=lambda r: type(r).__name__)
def test_a_summary_has_the_numbers_and_what_stands_behind_them(shown):
    text = shown.summary()
    assert str(shown) == text
    for part in (TITLE, "@1 on heart", "signed by 3", "10 persons", "3 rounds", "job ffffffffffff", "ledger #7", "exact totals, no noise"):
        assert part in text


def test_a_suppressed_number_is_a_star_and_is_named():
    text = DESCRIBE.summary()
    assert [line.split() for line in text.splitlines() if line.startswith(("age ", "chol"))] == [
        ["age", "920", "*", "53.5109", "9.42469"], ["chol", "*", "*", "*", "*"]]  # fmt: skip
    assert "* suppressed (too little support): chol known, age missing" in text
    assert "*" not in made("describe", {"columns": [{"column": "x", "n": 9, "missing": 3, "mean": "1.0", "sd": "1.0"}]}).summary()


def test_margins_of_a_table_are_sums_of_what_is_shown():
    rows = [line.split() for line in CROSSTAB.summary().splitlines()]
    assert ["<left>", "30", "*", "30"] in rows
    assert ["right", "12", "70", "82"] in rows
    assert ["opened", "42", "70", "112"] in rows
    assert ["opened", "42"] in [line.split() for line in LIST.summary().splitlines()]


def test_a_regression_has_estimate_error_interval_and_fit():
    text = REGRESSION.summary()
    age = next(line for line in text.splitlines() if line.startswith("age "))
    assert age.split() == ["age", "0.0458", "0.0091", "5.03", "<", "0.0001", "0.0280", "to", "0.0636", "1.047"]
    assert "ill = yes: 474 of 865 persons; log-likelihood -480.5982; 6 Newton steps" in text


@pytest.mark.parametrize(
    "coef, se, shown", [(1e6, 1e5, "exp(1e+06)"), (-3e5, 1e3, "exp(-3e+05)"), (1e-7, 1e-8, "1.000e-07"), (0.0, 1.0, "0.0000")]
)
def test_a_coefficient_of_any_size_can_be_read(coef, se, shown):
    fitted = {**FITTED, "terms": [{"term": "x", "coef": repr(coef), "se": repr(se)}]}
    assert shown in made("logistic_regression", fitted).summary()


def test_a_dropout_is_named():
    assert "3 data holders (without d), computed alike" in made("describe", DESCRIBED, survivors="abc").summary()
    assert "4 data holders, computed alike" in DESCRIBE.summary()


def test_no_ledger_no_entry():
    assert "ledger" not in made("describe", DESCRIBED, entry=None).summary()


# --- HTML


class Page(HTMLParser):
    """Tags and visible text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not attrs

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("shown", [*ALL, *FAILED], ids=lambda r: type(r).__name__)
def test_html_shows_texts_and_never_runs_them(shown):
    page = Page(shown._repr_html_())
    assert set(page.tags) <= {"h4", "p", "small", "table", "tr", "th", "td"}
    assert TITLE in page.text
    assert str(shown.provenance) in page.text


def test_html_has_the_rows_of_the_table():
    page = Page(CROSSTAB._repr_html_())
    head, rows = CROSSTAB.table()
    assert page.tags.count("th") == len(head)
    assert page.tags.count("td") == sum(map(len, rows))
    assert "<left>" in page.text and "*" in page.text


# --- frame and picture


def test_a_description_as_a_frame():
    frame = DESCRIBE.to_pandas()
    assert list(frame.columns) == ["n", "missing", "mean", "sd"]
    assert frame.index.name == "column" and list(frame.index) == ["age", "chol"]
    assert frame.loc["age", "mean"] == 53.51086956521739
    assert frame.loc["chol"].isna().all() and math.isnan(frame["missing"].astype(float).iloc[0])


def test_a_table_as_a_frame():
    frame = CROSSTAB.to_pandas()
    assert (frame.index.name, frame.columns.name) == ("party", "vote")
    assert frame.loc["right"].tolist() == [12, 70]
    assert frame.loc["<left>", "b"] is pd.NA
    assert LIST.to_pandas()["n"].tolist()[0] == 42
    assert str(frame.dtypes.iloc[0]) == "Int64"


def test_a_regression_as_a_frame():
    frame = REGRESSION.to_pandas()
    assert list(frame.columns) == ["term", "coef", "se", "lower", "upper", "p"]
    row = frame.set_index("term").loc["age"]
    assert row["lower"] == pytest.approx(0.0458 - 1.959963984540054 * 0.0091, rel=1e-12)
    assert row["upper"] == pytest.approx(0.0458 + 1.959963984540054 * 0.0091, rel=1e-12)
    assert row["p"] == pytest.approx(math.erfc(0.0458 / 0.0091 / math.sqrt(2)), rel=1e-12)


@pytest.mark.parametrize("shown", ALL, ids=lambda r: type(r).__name__)
def test_a_picture_is_drawn_where_it_is_wanted(shown, tmp_path):
    figure, ax = plt.subplots()
    assert shown.plot(ax) is ax
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
    labels = [t.get_text() for t in [*ax.get_xticklabels(), *ax.get_yticklabels()]]
    assert any(name in label for name in ("age", "right", "a") for label in labels)
    assert shown.plot().figure is not figure
    plt.close("all")


def test_a_picture_leaves_suppressed_numbers_out():
    _, ax = plt.subplots()
    DESCRIBE.plot(ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["age (n=920)"]
    _, ax = plt.subplots()
    CROSSTAB.plot(ax)
    assert sorted(p.get_height() for p in ax.patches) == [0, 12, 30, 70]
    assert "suppressed" in ax.get_ylabel()
    plt.close("all")


# --- no numbers


@pytest.mark.parametrize("shown", FAILED, ids=lambda r: type(r).__name__)
def test_without_numbers_it_says_why(shown):
    assert shown.failed == "suppressed: too few <holders>"
    assert "no estimate: suppressed: too few <holders>" in shown.summary()
    for use in (shown.to_pandas, shown.plot):
        with pytest.raises(DisclosureRefused, match="there are no numbers"):
            use()


@pytest.mark.parametrize(
    "library, use, says", [("pandas", "to_pandas", "pip install pandas"), ("matplotlib.pyplot", "plot", r"keyong\[plot\]")]
)
def test_a_library_that_is_missing_is_named(monkeypatch, library, use, says):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(Unavailable, match=says) as missing:
        getattr(DESCRIBE, use)()
    assert isinstance(missing.value, KeyongError)
