"""Contingency plans: what one must say, who signs it, and how long a licence lives without a drill."""

from __future__ import annotations

from dataclasses import fields

import licensing
import pytest

from governance import contingency, notes
from governance.contingency import DAY, Contingency
from governance.encoding import build, plain
from governance.errors import DecodeError, IntegrityError, LicenceRefused
from governance.keys import SigningKey, Trust

AUTHORITY, OPERATOR, STRANGER = (SigningKey.generate(name) for name in ("authority", "operator", "stranger"))
TRUST = Trust((AUTHORITY.public,))
NOW = 1_800_000_000
NOTE = licensing.plan(OPERATOR, AUTHORITY, now=NOW)
PLAN = NOTE.document(Contingency)


def check(note=NOTE, *, named=None, operators=(str(OPERATOR.public),), now=NOW):
    return contingency.check(str(note), named or note.id, TRUST, operators=operators, now=now)


def test_a_plan_that_was_practised_is_good_until_the_next_drill():
    assert check() == check(now=PLAN.due) == PLAN
    assert PLAN.due - PLAN.drilled == 180 * DAY
    for now in (PLAN.due + 1, PLAN.drilled - 1):
        with pytest.raises(LicenceRefused) as refusal:
            check(now=now)
        assert (refusal.value.code, refusal.value.facts) == ("licence.drill", {"days": 180})


@pytest.mark.parametrize("changes", [
    {"triggers": ()}, {"triggers": ("misuse", "leak")}, {"triggers": ("leak", "leak")}, {"triggers": ("fire",)}, {"contacts": {"operator": "x"}}, {"contacts": {"authority": "x"}},
    {"contacts": {"authority": "x", "operator": ""}}, {"contacts": {"authority": "x", "operator": "y", "press": "z"}}, {"steps": ("suspend",)}, {"steps": ("notify",)},
    {"steps": ("suspend", "notify", "suspend")}, {"steps": ("suspend", "notify", "panic")}, {"notify_hours": 0}, {"notify_hours": 73}, {"drill_days": 0},
    {"drill_days": 367}, {"drilled": -1}, {"more": 1},
])  # fmt: skip
def test_a_plan_says_all_that_it_must_and_nothing_else(changes):
    with pytest.raises(DecodeError):
        build(Contingency, {**plain(PLAN), **changes})


@pytest.mark.parametrize("name", [f.name for f in fields(Contingency)])
def test_nothing_can_be_left_out_of_a_plan(name):
    with pytest.raises(DecodeError):
        build(Contingency, {field: value for field, value in plain(PLAN).items() if field != name})


@pytest.mark.parametrize("note", [
    NOTE.only(OPERATOR.public), NOTE.only(AUTHORITY.public), NOTE.signed_by(STRANGER), NOTE.signed_by(AUTHORITY), NOTE.signed_by(OPERATOR),
    licensing.plan(OPERATOR, SigningKey.generate("authority"), now=NOW), licensing.plan(STRANGER, AUTHORITY, now=NOW), licensing.plan(AUTHORITY, AUTHORITY, now=NOW),
    notes.write(PLAN).signed_by(SigningKey.generate("operator"), AUTHORITY),
])  # fmt: skip
def test_authority_and_operator_sign_it_and_nobody_else(note):
    with pytest.raises(LicenceRefused) as refusal:
        check(note)
    assert refusal.value.code == "licence.plan"


def test_two_of_three_of_the_authority_sign_it():
    keys = [SigningKey.generate(f"authority-{i}") for i in (1, 2, 3)]
    trust = Trust(tuple(key.public for key in keys), 2)
    assert contingency.opened(licensing.plan(OPERATOR, *keys[1:], now=NOW), trust).operator == str(OPERATOR.public)
    with pytest.raises(IntegrityError):
        contingency.opened(licensing.plan(OPERATOR, keys[1], now=NOW), trust)


def test_another_plan_than_the_one_that_is_named_is_none():
    for named in ("0" * 64, licensing.plan(OPERATOR, AUTHORITY, now=NOW, notify_hours=1).id):
        with pytest.raises(LicenceRefused) as refusal:
            check(named=named)
        assert refusal.value.code == "licence.plan"


def test_no_byte_of_a_plan_can_be_changed():
    raw = str(NOTE).encode()
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1
        with pytest.raises((LicenceRefused, DecodeError)):
            contingency.check(bytes(changed), NOTE.id, TRUST, operators=(str(OPERATOR.public),), now=NOW)


def test_a_plan_has_a_limit_of_size():
    with pytest.raises(DecodeError, match="larger than"):
        contingency.check("x" * (contingency.LIMIT + 1), NOTE.id, TRUST, operators=(), now=NOW)
