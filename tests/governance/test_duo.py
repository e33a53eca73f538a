"""Purposes by the codes of the Data Use Ontology: what covers what, and that nothing else is taken for a code."""

from __future__ import annotations

import licensing
import pytest

from governance import duo, licences
from governance.consent import Consent, consenting
from governance.errors import DecodeError, LicenceRefused
from governance.keys import SigningKey
from governance.licences import Granted, Licence, Request
from governance.rights import Rights

DIABETES, CANCER = "duo-ds-mondo-0005148", "duo-ds-mondo-0004992"
CODES = ("duo-nres", "duo-gru", "duo-hmb", "duo-poa", DIABETES, CANCER)
WHO = bytes(32)


@pytest.mark.parametrize(("code", "below"), [
    ("duo-nres", set(CODES)), ("duo-gru", set(CODES) - {"duo-nres"}), ("duo-hmb", {"duo-hmb", DIABETES, CANCER}), ("duo-poa", {"duo-poa"}),
    (DIABETES, {DIABETES}),
])  # fmt: skip
def test_a_code_covers_itself_and_those_below_it(code, below):
    assert {each for each in CODES if duo.covers(code, each)} == below
    assert not duo.covers(code, "research") and not duo.covers("research", code)


def test_other_purposes_are_themselves_alone():
    assert duo.covers("research", "research") and not duo.covers("research", "research-2")
    assert duo.covers("duopoly", "duopoly"), "which is no code"


@pytest.mark.parametrize("unknown", ["duo", "duo-ds", "duo-npoa", "duo-npuncu", "duo-0000006", "duo-ds-mondo-1", f"{DIABETES}-x"])
def test_an_unknown_code_is_refused_everywhere(unknown):
    for wrong in (
        lambda: duo.covers(unknown, unknown), lambda: Rights(purposes=(unknown,)), lambda: Consent("0" * 64, "heart", (unknown,), True, 1),
    ):  # fmt: skip
        with pytest.raises(DecodeError, match="begins with duo"):
            wrong()


def rule(*records, purpose, basis="opt_in"):
    made = [Consent(WHO.hex(), "heart", (code,), allows, at) for at, (code, allows) in enumerate(records)]
    return bool(consenting(made, basis, purpose).of(frozenset([WHO])))


def test_consent_reaches_down_and_a_withdrawal_up_as_well():
    assert rule(("duo-hmb", True), purpose=DIABETES) and not rule((DIABETES, True), purpose="duo-hmb")
    assert not rule((DIABETES, True), purpose=CANCER) and not rule(("duo-hmb", True), purpose="duo-poa")
    said = ("duo-hmb", True), (DIABETES, False)
    assert not rule(*said, purpose=DIABETES) and rule(*said, purpose="duo-poa") is False
    assert not rule(*said, purpose="duo-hmb"), "whoever wants no research on a disease is in none that may be about it"
    assert not rule(("duo-gru", False), purpose=DIABETES, basis="opt_out") and rule(("duo-poa", False), purpose=DIABETES, basis="opt_out")


def test_a_withdrawal_stops_whatever_is_not_known_to_lie_outside():
    """Type 2 diabetes is a kind of diabetes, and no order of diseases is known here; nor what a house calls research."""
    diabetes, type_2 = "duo-ds-mondo-0005015", DIABETES
    for withdrawn, asked in ((diabetes, type_2), (type_2, diabetes)):
        assert not rule((withdrawn, False), purpose=asked, basis="opt_out")
        assert not rule(("duo-hmb", True), (withdrawn, False), purpose=asked)
    for withdrawn in ("duo-nres", "duo-gru"):
        assert not rule((withdrawn, False), purpose="public-interest", basis="opt_out")
    for withdrawn, asked in (
        ("duo-poa", "public-interest"),
        (DIABETES, "public-interest"),
        ("marketing", "duo-gru"),
        ("duo-poa", DIABETES),
    ):
        assert rule((withdrawn, False), purpose=asked, basis="opt_out")


def test_a_licence_covers_the_codes_below_its_own():
    key, holders = SigningKey.generate("operator"), ("north", "south")

    def covered(allowed, asked):
        allow = licensing.rights("ab" * 32, now=1_800_000_000, holders=holders, purposes=(allowed,))
        request = Request(str(key.public), "trial", {"age": 3}, asked, "describe@1", 10, holders)
        licences.covers(Granted(("0" * 64,), (Licence("", (str(key.public),), 1, allow),), allow), request)

    covered("duo-hmb", DIABETES)
    for allowed, asked in ((DIABETES, "duo-hmb"), ("duo-poa", DIABETES), ("research", "duo-hmb")):
        with pytest.raises(LicenceRefused) as refusal:
            covered(allowed, asked)
        assert refusal.value.code == "licence.purpose"
    with pytest.raises(DecodeError, match="begins with duo"):
        covered("duo-gru", "duo-npoa")
