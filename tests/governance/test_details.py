"""Details of our own are said in Chinese inside a Chinese text; what others wrote is left as it is."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from governance import details
from governance.details import SENTENCES, in_chinese
from governance.errors import KeyongError, QuorumLost, Refused, UsageError
from governance.texts import TEXTS
from sandbox.analyses import METHODS

SOURCES = [
    p
    for package in ("governance", "mpc", "connectors", "sandbox", "federated")
    for p in (Path(__file__).parents[2] / package).rglob("*.py")
]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def names(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("english", SENTENCES)
def test_both_sides_say_the_same(english):
    chinese = SENTENCES[english]
    assert not CHINESE.search(english)
    assert CHINESE.search(chinese)
    assert names(english) == names(chinese)
    filled = re.sub(r"\{own2?\}", "dataset", english).replace("{", "<").replace("}", ">")
    assert in_chinese(filled) != filled


@pytest.fixture(scope="module")
def written():
    """Every literal text of the sources as one, with a mark where an expression stands; adjacent literals are one text."""
    text = "\n".join(p.read_text() for p in SOURCES if p.name != "details.py")
    text = re.sub(r'"\s*\n?\s*f?"(?=[^"\n])', "", text)
    return text + re.sub(r"\{+[^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*\}+", "{}", text)


@pytest.mark.parametrize("english", SENTENCES)
def test_each_is_said_somewhere(english, written):
    """A sentence that was reworded at its source would fall back to English unseen."""
    parts = [part.strip() for part, _, _, _ in string.Formatter().parse(english.removesuffix("none")) if part]
    parts = english.split(" or ") if english.startswith(("number or", "category or")) else parts  # joined where they are said
    assert all(part in written for part in parts), parts


@pytest.mark.parametrize("error, says", [
    (UsageError(code="job.parameter", detail="there is no column hdl in the dataset; it has age, sex"), "分析参数有误：数据集中没有字段 hdl；现有字段：age, sex"),
    (UsageError(code="job.parameter", detail="sex is a number column; a category or band column is needed here"), "分析参数有误：字段 sex 是数值字段；此处需要分类或分段字段"),
    (UsageError(code="job.predicate", detail="45 is no registered cut point of age; those are none"), "筛选条件不被允许：45 不是 age 已登记的切点；该字段没有切点"),
    (QuorumLost("2 nodes computed this state, 3 must agree before it is used"), "在线的数据持有方不足：2 个节点算出该状态；须有 3 个一致方可使用"),
    (KeyongError("there are no numbers: limit: too many rounds"), "keyong 出错：没有数值：限度：轮次过多"),
])  # fmt: skip
def test_a_text_in_chinese_is_chinese_throughout(error, says):
    assert error.text("zh") == says
    assert not CHINESE.search(error.text("en"))


def test_what_others_wrote_stays_as_it_is():
    assert in_chinese("a reason that a person gave") == "a reason that a person gave"
    assert in_chinese("{secret} is no level of {0}; those are {x}") == "{secret} 不是 {0} 的取值；其取值为：{x}"
    assert in_chinese("a round takes long") == "a round takes long"
    assert in_chinese("there is no gadget x; there are: y") == "there is no gadget x; there are: y", "no sentence is half in Chinese"
    assert in_chinese("x" * 100_000 + " takes y") == "x" * 100_000 + " takes y"


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_what_a_method_discloses_is_said_in_chinese(method):
    """Word for word: a text that was changed has no Chinese until that is changed too."""
    assert CHINESE.search(in_chinese(method.discloses))
    assert method.discloses in SENTENCES


@pytest.mark.parametrize(
    "code", ["policy.method", "policy.least_cell", "policy.denied", "licence.column", "licence.early", "job.parameter", "licence.stale"]
)
def test_a_refusal_that_was_kept_in_english_is_found_again(code):
    facts = {
        name: f"the {name}" if name in ("reason", "columns", "allowed", "start", "next_update") else "12" for name in names(TEXTS[code][0])
    }
    facts |= {"detail": "cut points must rise"} if "detail" in facts else {}
    refusal = Refused(code=code, **facts)
    assert in_chinese(refusal.text("en")) == refusal.text("zh")


class Counting:
    """The patterns of the module, each of which counts how often it is tried."""

    def __init__(self, patterns):
        self.tried, self.patterns = 0, [(Tried(self, pattern), chinese) for pattern, chinese in patterns]


class Tried:
    def __init__(self, counting, pattern):
        self.counting, self.pattern = counting, pattern

    def fullmatch(self, sentence):
        self.counting.tried += 1
        return self.pattern.fullmatch(sentence)


@pytest.mark.parametrize("said", ["column x: a is not ", "line 1: ", "column a.b: ", "{own}: ", "the role a: line 1: "])
@pytest.mark.parametrize("times", [2, 5, 15, 80])
def test_what_strangers_nest_is_looked_up_a_few_times(said, times, monkeypatch):
    """It took twice as long with each repeat: anybody could stop a coordinator with a kilobyte."""
    counting = Counting(details._patterns())
    monkeypatch.setattr(details, "_patterns", lambda: counting.patterns)
    in_chinese(said * times + "z")
    assert 0 < counting.tried <= details.MOST * len(counting.patterns)


def test_the_end_of_a_fact_is_looked_for_once():
    """Each atomic group has one fact that may hold spaces, and one fact in all stands outside: no text makes ends be tried with others."""
    for pattern, _ in details._patterns():
        first, *groups = re.split(r"\(\?>", pattern.pattern)
        assert ".+?" not in first and all(group.count(">.+?") <= 1 for group in groups), pattern.pattern
        assert len(re.findall(r"(?:\.|\])\+\)", pattern.pattern)) <= 1, pattern.pattern
