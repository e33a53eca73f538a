import ast
import string
from pathlib import Path

import pytest

from governance import errors
from governance.errors import BudgetExhausted, KeyongError, UsageError
from governance.texts import TEXTS, text_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("governance", "mpc", "connectors", "sandbox", "federated")
CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, KeyongError)]


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def raised_codes():
    """Every code= that is given as a literal where an error is made, with its place and its keyword names."""
    names = {c.__name__ for c in CLASSES}
    for path in sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", getattr(node.func, "attr", "")) not in names:
                continue
            words = {k.arg: k.value for k in node.keywords}
            if isinstance(code := words.pop("code", None), ast.Constant) and isinstance(code.value, str):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", code.value, frozenset(words), bool(node.args)


@pytest.mark.parametrize("code", TEXTS)
def test_every_code_has_both_texts_with_the_same_placeholders(code):
    english, chinese = TEXTS[code]
    assert english and english.isascii()
    assert any("\u4e00" <= c <= "\u9fff" for c in chinese)
    assert placeholders(english) == placeholders(chinese)


@pytest.mark.parametrize("code", TEXTS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_placeholder_is_filled(code, language):
    names = placeholders(TEXTS[code][0])
    facts = {name: f"<{name}>" for name in names}
    text = text_of(code, language, facts)
    assert all(fact in text for fact in facts.values())
    assert "{" not in text and "?" not in text
    assert text_of(code, language, {}).count("?") >= len(names)


def test_every_code_that_is_raised_has_texts_and_its_facts():
    found = list(raised_codes())
    assert len(found) > 3
    for place, code, facts, has_message in found:
        assert code in TEXTS, f"{place} raises {code}, which has no texts"
        needed = placeholders(TEXTS[code][0]) - ({"detail"} if has_message else set())
        assert None in facts or needed <= facts, f"{place} leaves out {sorted(needed - facts)} of {code}"


@pytest.mark.parametrize("cls", CLASSES)
def test_a_class_says_who_must_act(cls):
    error = cls("the words")
    assert error.code in TEXTS and error.exit_status in {1, 2, 3, 4, 75}
    assert "the words" in error.text("en") and "the words" in error.text("zh")
    assert str(error) == "the words"


def test_exit_states_are_those_of_the_command_line():
    found = {c.__name__: c.exit_status for c in CLASSES}
    assert found == {
        "KeyongError": 1,
        "UsageError": 2,
        "DecodeError": 2,
        **dict.fromkeys(["Refused", "LicenceRefused", "DisclosureRefused", "BudgetExhausted", "QuorumLost"], 3),
        **dict.fromkeys(["ProtocolError", "OutOfTurn", "PeerError", "IntegrityError"], 4),
        "Unavailable": 75,
    }


def test_a_code_brings_its_own_text():
    error = BudgetExhausted(code="licence.used", limit=10)
    assert str(error) == error.text("en") == "the licence's 10 uses are spent; ask the authority for more"
    assert error.text("zh") == "授权的 10 次使用额度已用完，请向授权主体申请增加"
    assert isinstance(error, errors.Refused) and error.exit_status == 3


def test_an_unknown_code_falls_back_to_its_family():
    assert text_of("licence.from-the-future", "en", {"detail": "x"}) == "refused by the licence: x"


def test_wrong_calls_are_value_errors_too():
    assert isinstance(UsageError("x"), ValueError)


def test_a_fact_that_looks_like_a_placeholder_stays_as_it_is():
    assert "{secret}" in text_of("usage", "en", {"detail": "{secret}"})
