"""Results as people meet them: text, HTML, frame and picture, with what was suppressed and who stands behind the numbers."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib as mpl
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from rich.cells import cell_len

from federated.results import Result, result
from governance.errors import DisclosureRefused, KeyongError, Unavailable

TITLE = '<script>alert("四院")</script> & more'
DESCRIBED = {"columns": [
    {"column": "age", "mean": "53.51086956521739", "missing": None, "n": 920, "sd": "9.424685209576858"},  # sorted, as it is signed
    {"column": "chol", "mean": None, "missing": None, "n": None, "sd": None},
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
        "dealers": [],
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


@pytest.mark.parametrize("number", range(len(ALL)))
def test_a_result_says_that_it_counts_records(number):
    """Nobody links persons across holders, so who is at two of them is counted twice (PRIVACY 11)."""
    assert "10 records or more were opened; who is at two holders has two" in str(ALL[number])
    assert "who is at two holders has two" in ALL[number]._repr_html_()


@pytest.mark.parametrize("shown", ALL, ids=lambda r: type(r).__name__)
def test_a_summary_has_the_numbers_and_what_stands_behind_them(shown):
    text = shown.summary()
    assert str(shown) == text
    for part in (
        TITLE,
        "@1 on heart",
        "signed by 3",
        "10 records",
        "3 rounds",
        "job ffffffffffff",
        "ledger #7",
        "exact totals, no noise",
        "3 rounds of secure sums",
    ):
        assert part in text


def test_a_suppressed_number_is_a_star_and_is_named():
    text = DESCRIBE.summary()
    assert [line.split() for line in text.splitlines() if line.startswith(("age ", "chol"))] == [
        ["age", "920", "*", "53.5109", "9.42469"], ["chol", "*", "*", "*", "*"]]  # fmt: skip
    assert "* suppressed, not zero: too few holders have persons enough there, so nobody opened it: chol known, age missing" in text
    assert "*" not in made("describe", {"columns": [{"column": "x", "n": 9, "missing": 3, "mean": "1.0", "sd": "1.0"}]}).summary()


def test_margins_of_a_table_are_sums_of_what_is_shown():
    rows = [line.split() for line in CROSSTAB.summary().splitlines()]
    assert ["<left>", "30", "*", "30"] in rows
    assert ["right", "12", "70", "82"] in rows
    assert ["opened", "42", "70", "112"] in rows
    assert ["opened", "42"] in [line.split() for line in LIST.summary().splitlines()]


def test_a_margin_over_nothing_opened_is_no_zero():
    rows = [line.split() for line in made("crosstab", {**COUNTED, "counts": [[None, None], [12, None]]}).summary().splitlines()]
    assert ["<left>", "*", "*", "*"] in rows and ["opened", "12", "*", "12"] in rows


def test_a_reason_is_not_told_twice():
    assert [r.notes() for r in FAILED] == [[], [], []]
    assert "x" in made("describe", {"failed": "limit: too many rounds"}, suppressed=["x"]).notes()[0]


def test_where_nothing_was_opened_no_totals_are_spoken_of():
    nothing = replace(FAILED[0], provenance=replace(DESCRIBE.provenance, rounds=1))
    told = nothing.summary("en")
    assert "no total was opened: 1 round of secure sums asked whether several holders have 10 records or more; job ffff" in told
    assert "exact totals" not in told and "were opened" not in told
    told = nothing.summary("zh")
    assert "没有打开任何合计：1 轮安全求和只问了是否有多家持有方各自不少于 10 条记录；任务 ffff" in told
    assert "精确合计" not in told


def test_a_regression_has_estimate_error_interval_and_fit():
    text = REGRESSION.summary()
    age = next(line for line in text.splitlines() if line.startswith("age "))
    assert age.split() == ["age", "0.0458", "0.0091", "5.033", "<0.001", "0.0280", "0.0636", "1.047"]
    assert REGRESSION.table()[0] == ["term", "coef", "std err", "z", "P>|z|", "[0.025", "0.975]", "odds ratio"]  # as statsmodels has them
    assert "0.968" in text and "odds ratio: for one unit more" in text
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


def test_who_dealt_the_keys_is_named_and_who_could_read_what_they_encrypt():
    dealt = replace(DESCRIBE.provenance, dealers=("a", "b"))
    assert str(dealt).splitlines()[-1] == (
        "encrypted under 2 keys, dealt by a, b: these 2 together could read one holder's part, or any 3 holders; nobody else"
    )
    assert "由 a, b 分发：这 2 家合谋能读出某一家的数，任意 3 家持有方合谋也能" in dealt.lines("zh")[-1]
    assert "any 4 holders" in str(replace(dealt, dealers=("a", "b", "c")))


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
    assert all(line in page.text for line in [*shown.notes(), *shown.provenance.lines()])


def test_html_has_the_rows_of_the_table():
    page = Page(CROSSTAB._repr_html_())
    head, rows = CROSSTAB.table()
    assert page.tags.count("th") == len(head)
    assert page.tags.count("td") == sum(map(len, rows))
    assert "<left>" in page.text and "*" in page.text


# --- words, in two languages


def chinese(text):
    return any("\u4e00" <= c <= "\u9fff" for c in text)


@pytest.mark.parametrize("shown", [*ALL, *FAILED], ids=lambda r: type(r).__name__)
def test_words_are_in_the_language_that_is_asked_for_or_else_the_locale_s(shown, monkeypatch):
    lines = [*shown.notes("zh"), *shown.provenance.lines("zh"), *([] if shown.failed else shown.table("zh")[0][-1:])]
    assert all(map(chinese, lines))
    assert not any(chinese(line) for line in [*shown.notes("en"), *shown.provenance.lines("en")])
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert shown.summary() == repr(shown) == shown.summary("zh") != shown.summary("en")
    assert all(line in Page(shown._repr_html_()).text for line in lines)


@pytest.mark.parametrize("reason, says", [
    ("suppressed: too few holders have enough persons with ill=yes & sex=f", "没有估计值：已抑制：下列单元中人数足够的持有方太少：ill=yes & sex=f"),
    ("no convergence within 25 steps", "没有估计值：25 步之内未收敛"),
])  # fmt: skip
def test_why_there_is_no_estimate_is_said_in_chinese(reason, says):
    assert says in made("logistic_regression", {"failed": reason}).summary("zh").splitlines()


def test_columns_stand_under_each_other_with_chinese_letters_too():
    lines = made("crosstab", HOSPITALS).summary("zh").splitlines()[2:7]
    assert {cell_len(line) for line in lines} == {cell_len(lines[0])}


def test_margins_and_persons_without_a_value_are_explained():
    assert (
        "opened: sum of the cells that are shown, not of all persons; persons without a value in party, vote are in no cell"
        in CROSSTAB.summary()
    )
    assert "opened: sum" not in made("crosstab", {**COUNTED, "counts": [[1, 2], [3, 4]]}).summary()
    told = made("describe", {**DESCRIBED, "required": ["age"]}).summary()
    assert "persons without a value in any of age are left out" in told


def test_long_lists_of_suppressed_cells_end_in_a_number():
    note = made("crosstab", COUNTED, suppressed=[f"c{i}" for i in range(20)]).notes()[-1]
    assert note.endswith("c6, c7 and 12 more")


def test_machines_get_where_it_comes_from():
    made = json.loads(json.dumps(DESCRIBE.to_dict()))
    assert made["outcome"] == DESCRIBED and made["suppressed"] == ["chol known", "age missing"]
    assert made["job"] == made["provenance"]["job"] == "f" * 64
    assert (made["provenance"]["survivors"], made["provenance"]["min_cell"], made["provenance"]["entry"]) == (list("abcd"), 10, 7)


# --- frame and picture


def test_a_description_as_a_frame():
    frame = DESCRIBE.to_pandas()
    assert list(frame.columns) == ["n", "missing", "mean", "sd"]
    assert frame.index.name == "column" and list(frame.index) == ["age", "chol"]
    assert frame.loc["age", "mean"] == 53.51086956521739
    assert [str(t) for t in frame.dtypes] == ["Int64", "Int64", "float64", "float64"]
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
    assert [t.get_text() for t in ax.get_yticklabels()] == ["age (n=920)", "chol (n=*)"]
    assert [t.get_text() for t in ax.texts] == ["53.51 ± 9.42", "* suppressed"]
    plt.close("all")


def test_a_suppressed_bar_looks_like_no_number_and_zero_like_one():
    outcome = {**COUNTED, "counts": [[30, None], [0, 70]]}
    ax = made("crosstab", outcome).plot()
    drawn = {(round(p.get_x() + p.get_width() / 2, 3), p.get_hatch()): p.get_height() for p in ax.patches}
    assert drawn == {(-0.2, None): 30, (0.2, "////"): pytest.approx(4.2), (0.8, None): 0, (1.2, None): 70}
    assert sorted(t.get_text() for t in ax.texts) == ["*", "0", "30", "70"]
    assert "* suppressed: not opened, not zero" in [t.get_text() for t in ax.get_legend().get_texts()]
    assert "*" not in str([t.get_text() for t in made("crosstab", {**COUNTED, "counts": [[1, 2], [3, 4]]}).plot().get_legend().get_texts()])
    plt.close("all")


def test_a_forest_plot_shows_odds_ratios():
    ax = REGRESSION.plot()
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "odds ratio, 95 % interval")
    assert [t.get_text() for t in ax.texts] == ["1.05 (1.03, 1.07)", "0.98 (0.368, 2.61)"]
    far = made("logistic_regression", {**FITTED, "terms": [{"term": "x", "coef": "900.0", "se": "1.0"}]}).plot()
    assert (far.get_xscale(), far.get_xlabel()) == ("linear", "coefficient, 95 % interval")
    plt.close("all")


@pytest.fixture
def fonts(monkeypatch):
    """matplotlib's own font alone, whatever this machine has."""
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [f for f in manager.ttflist if "mpl-data" in f.fname])
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    manager._findfont_cached.cache_clear()
    yield
    manager._findfont_cached.cache_clear()


@pytest.fixture
def chinese_font(tmp_path):
    """A font of a few square glyphs, of a weight that is not regular."""
    pen = TTGlyphPen(None)
    for corner in ((0, 0), (0, 700), (700, 700), (700, 0)):
        (pen.lineTo if corner != (0, 0) else pen.moveTo)(corner)
    pen.closePath()
    glyphs = {".notdef": pen.glyph()} | {f"uni{ord(c):04X}": pen.glyph() for c in "中四院男女"}
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(list(glyphs))
    font.setupCharacterMap({int(name[3:], 16): name for name in glyphs if name != ".notdef"})
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "WenQuanYi Zen Hei", "styleName": "Medium"})
    font.setupOS2(usWeightClass=500)
    font.setupPost()
    font.save(tmp_path / "wqy-zenhei.ttf")
    return str(tmp_path / "wqy-zenhei.ttf")


HOSPITALS = {"index": "四院", "columns": "四", "down": ["男", "女"], "across": ["四", "院"], "counts": [[30, None], [12, 70]]}


def test_chinese_labels_get_a_font_that_has_them(fonts, chinese_font, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: ["/nowhere/SimHei.ttf", chinese_font])  # newer than matplotlib's list
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that is missing is one
        ax = made("crosstab", HOSPITALS).plot()
        ax.set_title("")
        ax.figure.savefig(tmp_path / "plot.png")
    assert not caplog.records
    labels = [*ax.get_xticklabels(), ax.xaxis.label, *ax.get_legend().get_texts(), ax.get_legend().get_title()]
    assert all(t.get_fontfamily()[-1] == "WenQuanYi Zen Hei" for t in labels)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["男", "女"]
    plt.close("all")


def test_without_such_a_font_there_is_one_warning_that_says_what_to_install(fonts, tmp_path):
    with pytest.warns(UserWarning, match="fonts-noto-cjk") as told:
        ax = made("crosstab", HOSPITALS).plot()
        ax.figure.savefig(tmp_path / "plot.png")
    assert len(told) == 1
    assert [t.get_text() for t in ax.get_xticklabels()] == ["□", "□"]
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
    "library, use, says", [("pandas", "to_pandas", "pip install pandas"), ("matplotlib.pyplot", "plot", "pip install matplotlib")]
)
def test_a_library_that_is_missing_is_named(monkeypatch, library, use, says):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(Unavailable, match=says) as missing:
        getattr(DESCRIBE, use)()
    assert isinstance(missing.value, KeyongError)
