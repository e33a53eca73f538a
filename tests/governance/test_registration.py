"""Registration of assets: every step that may come and every one that may not, who must sign, and that nothing is rewritten."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from registered import AUTHORITY, BUYER, HEART, HOLDER, MANIFEST, NOW, SCHEMA, TRUST, registered, signed, step

from governance import chains, ledger, notes, registration
from governance.catalogue import category
from governance.errors import DecodeError, IntegrityError, LicenceRefused, Refused
from governance.registration import NEXT, Asset, Grade, follow, opened, require_live

STEPS = get_args(registration.Step)


def at_state(state):
    chain = None
    for name in {"": (), "apply": ("apply",), "register": ("apply", "register")}.get(state, ("apply", "register", state)):
        chain = taken(chain, name)
    return chain


def taken(chain, name):
    corrects = opened(chain, TRUST).head if name == "correct" and chain else "0" * 64 if name == "correct" else ""
    return step(chain, name, *([HOLDER] if name in ("apply", "change", "correct") else []), corrects=corrects)


@pytest.mark.parametrize("state", ["", *STEPS])
@pytest.mark.parametrize("name", STEPS)
def test_each_step_after_each_state(state, name):
    chain = at_state(state)
    if name in NEXT[state]:
        assert opened(taken(chain, name), TRUST).now.step == name
    else:
        with pytest.raises(Refused) as refused:
            taken(chain, name)
        assert refused.value.code == "asset.step"


def test_every_step_has_an_event():
    assert set(registration.EVENTS) == set(STEPS)
    assert set(registration.EVENTS.values()) <= set(get_args(ledger.Event))


def test_a_manifest_verifies_offline_with_the_authoritys_key_alone():
    found = opened(registered().encode(), TRUST)
    assert (found.name, found.now.manifest, found.now.manifest.grade) == ("heart-2024", MANIFEST, 3)
    assert str(found) == registered()


def test_no_byte_of_a_chain_can_be_changed():
    raw = registered().encode()
    for at in range(0, len(raw), 7):
        with pytest.raises((DecodeError, IntegrityError, Refused)):
            opened(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :], TRUST)


def test_a_correction_rewrites_nothing_and_the_chain_shows_what_was_wrong():
    wrong = registered()
    right = step(wrong, "correct", HOLDER, manifest=replace(MANIFEST, size="under-100"), corrects=opened(wrong, TRUST).head, reason="typo")
    assert right.startswith(wrong)
    found = opened(right, TRUST)
    assert [each.manifest.size for each in found.assets] == ["1000-to-9999", "1000-to-9999", "under-100"]
    assert (found.now.corrects, found.now.reason) == (found.links[1].id, "typo")
    with pytest.raises(IntegrityError, match="not in the chain"):
        step(wrong, "correct", HOLDER, corrects="ab" * 32)


def test_a_link_cannot_be_left_out_or_swapped():
    chain = chains.read(step(registered(), "change", HOLDER, manifest=replace(MANIFEST, title="Hearts")))
    for links in ((chain[0], chain[2]), (chain[1], chain[0], chain[2]), chain[1:], (*chain, chain[2])):
        with pytest.raises((IntegrityError, Refused)):
            opened(chains.write(links), TRUST)


def test_what_a_holder_says_is_signed_by_the_holder():
    with pytest.raises(IntegrityError, match="0 of the 1"):
        step(None, "apply")
    with pytest.raises(IntegrityError, match="0 of the 1"):
        step(registered(), "change", BUYER)
    with pytest.raises(IntegrityError, match="0 of the 1"):
        step(registered(), "change", BUYER, manifest=replace(MANIFEST, holder=str(BUYER.public)))
    assert opened(step(registered(), "change", HOLDER, BUYER, manifest=replace(MANIFEST, holder=str(BUYER.public))), TRUST)


def test_one_of_two_keys_of_the_authority_is_not_the_authority():
    asset = Asset("heart-2024", "apply", "", NOW, MANIFEST, "", "")
    with pytest.raises(IntegrityError, match="1 of the 2"):
        follow(None, notes.write(asset).signed_by(AUTHORITY[0], HOLDER), TRUST)


@pytest.mark.parametrize("name, more, says", [
    ("change", {"called": "other"}, "another asset"), ("change", {"at": NOW - 1}, "older than"),
    ("cancel", {"manifest": replace(MANIFEST, title="Other")}, "may not change what the holder said"),
])  # fmt: skip
def test_links_that_do_not_fit(name, more, says):
    with pytest.raises(IntegrityError, match=says):
        step(registered(), name, HOLDER, **more)


@pytest.mark.parametrize("change, says", [
    ({"rights": ()}, "rights"), ({"rights": ("process", "hold")}, "rights"), ({"basis": ()}, "legal basis"), ({"grades": ()}, "grades"),
    ({"grades": (Grade("a", 1), Grade("a", 2))}, "grades"), ({"ends": 0}, "period"), ({"holder": "x"}, "verifier key"), ({"size": "1234"}, "size"),
    ({"openness": "free"}, "openness"), ({"responsible": ""}, "responsible"),
])  # fmt: skip
def test_manifests_that_are_none(change, says):
    with pytest.raises(DecodeError, match=says):
        signed(Asset("heart-2024", "apply", "", NOW, replace(MANIFEST, **change), "", "")).document(Asset)


@pytest.mark.parametrize(
    "name, corrects, reason", [("apply", "", "why"), ("cancel", "", ""), ("change", "ab" * 32, "why"), ("correct", "", "why")]
)
def test_only_some_steps_have_a_reason_or_correct_something(name, corrects, reason):
    with pytest.raises(DecodeError):
        Asset("heart-2024", name, "", NOW, MANIFEST, corrects, reason)


@pytest.mark.parametrize("chain, dataset, code", [
    ("", HEART, "asset.unregistered"), (step(None, "apply", HOLDER), HEART, "asset.unregistered"),
    (registered(), replace(HEART, name="lung"), "asset.unregistered"),
    (registered(), replace(HEART, schema=replace(SCHEMA, columns=(*SCHEMA.columns, category("x", ("a", "b"))))), "asset.unregistered"),
    (chains.write([link.only(HOLDER.public, AUTHORITY[0].public) for link in chains.read(registered())]), HEART, "asset.unregistered"),
    (registered(), replace(HEART, holders=("hospital-b", "hospital-c", "hospital-d")), "asset.unregistered"),  # by none of its holders
    (step(registered(), "correct", HOLDER, manifest=replace(MANIFEST, grades=(Grade("age", 2), Grade("sex", 3))), corrects=opened(registered(), TRUST).head),
     HEART, "asset.unregistered"),  # a grade below the catalogue's
    (step(registered(), "correct", HOLDER, manifest=replace(MANIFEST, grades=(Grade("age", 3),)), corrects=opened(registered(), TRUST).head),
     HEART, "asset.unregistered"),
    (step(registered(), "cancel"), HEART, "asset.cancelled"),
])  # fmt: skip
def test_nothing_is_authorised_that_is_not_registered(chain, dataset, code):
    with pytest.raises(Refused) as refused:
        require_live(chain, dataset, TRUST)
    assert refused.value.code == code


def test_a_chain_whose_last_link_is_held_back_is_refused():
    """The authority's list names the link that a cancellation, a change or a correction took the place of."""
    shown = registered()
    with pytest.raises(Refused) as refused:
        require_live(shown, HEART, TRUST, revoked=(opened(shown, TRUST).head,))
    assert refused.value.code == "asset.superseded"


@pytest.mark.parametrize("openness", ["unconditional-free", "conditional-free"])
def test_what_is_free_has_no_price(openness):
    asset = opened(step(step(None, "apply", HOLDER, manifest=replace(MANIFEST, openness=openness)), "register"), TRUST).now
    registration.check_price(asset, None)
    with pytest.raises(LicenceRefused) as refused:
        registration.check_price(asset, "ab" * 32)
    assert refused.value.code == "asset.free"


def test_what_is_paid_for_may_have_a_price():
    registration.check_price(opened(registered(), TRUST).now, "ab" * 32)


def test_chains_are_strung_from_links_in_any_order():
    one, other = (
        registered(),
        step(step(None, "apply", HOLDER, called="lung", manifest=replace(MANIFEST, dataset="lung")), "register", called="lung"),
    )
    links = [*chains.read(one), *chains.read(other)]
    assert sorted(registration.strung(links[::-1])) == sorted([one, other])
    assert registration.of([one, other], "lung") == other and registration.of([one, other], "bones") == ""
    assert registration.of([step(one, "cancel"), other], "heart") == step(one, "cancel")
    again = step(step(None, "apply", HOLDER, called="heart-2"), "register", called="heart-2")
    assert registration.of([step(one, "cancel", at=NOW + 9), again], "heart") == again  # what is live goes before what was


def test_strangers_lines_and_second_ones_fall_away():
    links = chains.read(registered())
    loud = chains.write([link.signed_by(BUYER, AUTHORITY[0]) for link in links])
    assert registration.counted(loud, TRUST) == registered()


def test_a_registered_asset_may_be_authorised():
    assert require_live(registered(), HEART, TRUST).step == "register"


@pytest.mark.parametrize("raw", [b"", b"\xff", b"x" * (1 << 23), "keyong/asset/v1\n", registered() * 200])
def test_chains_that_are_none(raw):
    with pytest.raises(DecodeError):
        opened(raw, TRUST)
