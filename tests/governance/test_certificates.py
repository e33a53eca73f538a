"""Certificates: who must sign, what may follow what, when one is in force, and what another region's is worth here."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from registered import AUTHORITY, BANK, BUYER, HOLDER, NOW, TRUST, issued, moved, registered, revocations, signed, step

from governance import certificates, ledger, notes, printed, registration
from governance.certificates import Certificate, Region, Regions, check_in_force, opened, recognised
from governance.errors import DecodeError, IntegrityError, Refused
from governance.keys import SigningKey, Trust

BUYERS, BANKS = {"holder": str(BUYER.public)}, {"creditor": str(BANK.public)}
TAKEN = {
    "transfer": ((HOLDER, BUYER), BUYERS),
    "pledge": ((HOLDER, BANK), BANKS),
    "release": ((BANK,), {}),
    "cancel": ((), {}),
    "issue": ((), {}),
}


def taken(chain, name):
    keys, changes = TAKEN[name]
    return moved(chain, name, *keys, **changes)


@pytest.mark.parametrize("state", ["issue", "pledge", "release", "cancel"])
@pytest.mark.parametrize("name", get_args(certificates.Step))
def test_each_step_after_each_state(state, name):
    chain = issued()
    for before in {"issue": (), "release": ("pledge", "release")}.get(state, (state,)):
        chain = taken(chain, before)
    if name in certificates.NEXT[state]:
        assert opened(taken(chain, name), TRUST).now.step == name
    else:
        with pytest.raises(Refused) as refused:
            taken(chain, name)
        assert refused.value.code == ("certificate.pledged" if state == "pledge" and name in ("transfer", "pledge") else "certificate.step")


def test_every_step_has_an_event():
    assert set(certificates.EVENTS) == set(get_args(certificates.Step))
    assert set(certificates.EVENTS.values()) <= set(get_args(ledger.Event))


@pytest.mark.parametrize("state, code", [("apply", "asset.unregistered"), ("cancel", "asset.cancelled")])
def test_only_for_what_is_registered(state, code):
    chain = step(None, "apply", HOLDER) if state == "apply" else step(registered(), "cancel")
    with pytest.raises(Refused) as refused:
        certificates.issue(registration.opened(chain, TRUST), at=NOW, ends=NOW + 1)
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["transfer", "pledge", "release"])
def test_both_sides_sign(name):
    chain = taken(issued(), "pledge") if name == "release" else issued()
    keys, changes = TAKEN[name]
    for key in keys:
        with pytest.raises(IntegrityError, match="0 of the 1"):
            moved(chain, name, *(k for k in keys if k is not key), **changes)


def test_a_certificate_is_transferred_once():
    chain = issued()
    old = opened(chain, TRUST)
    second = replace(old.now, step="transfer", previous=old.head, number=old.number, holder=str(BANK.public))
    once = taken(chain, "transfer")
    with pytest.raises(Refused) as refused:
        certificates.follow(once, signed(second, HOLDER, BANK), TRUST)
    assert refused.value.code == "certificate.spent"
    assert [d.holder for d in opened(once, TRUST).documents] == [str(HOLDER.public), str(BUYER.public)]  # its history is in it


def test_a_pledged_certificate_is_not_transferred_until_the_creditor_releases_it():
    pledged = taken(issued(), "pledge")
    with pytest.raises(Refused) as refused:
        taken(pledged, "transfer")
    assert refused.value.code == "certificate.pledged"
    assert opened(taken(taken(pledged, "release"), "transfer"), TRUST).now.holder == str(BUYER.public)


@pytest.mark.parametrize("changes, says", [
    ({"title": "Other"}, "another certificate"), ({"at": NOW - 1}, "older"), ({"rights": ("hold", "operate", "process")}, "more than"),
    ({"ends": NOW + 10**8}, "more than"), ({"begins": NOW - 1}, "more than"), ({"holder": str(HOLDER.public)}, "another holder"), ({"number": "ab" * 32}, "another number"),
])  # fmt: skip
def test_a_link_that_does_not_fit(changes, says):
    with pytest.raises(IntegrityError, match=says):
        moved(issued(), "transfer", HOLDER, BUYER, **{**BUYERS, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"creditor": str(BANK.public)},
        {"rights": ()},
        {"ends": 0},
        {"holder": "x"},
        {"step": "pledge", "creditor": "x"},
        {"number": "ab" * 32},
    ],
)
def test_certificates_that_are_none(changes):
    with pytest.raises(DecodeError):
        replace(opened(issued(), TRUST).now, **changes)


def test_status_is_the_chain_and_a_fresh_list():
    found = opened(issued(), TRUST)
    check_in_force(found.head, found.now, revocations(), TRUST, now=NOW)
    for chain, listed, now, code in (
        (found, revocations(found.head), NOW, "certificate.superseded"), (opened(taken(issued(), "cancel"), TRUST), revocations(), NOW, "certificate.cancelled"),
        (found, None, NOW, "certificate.stale"), (found, revocations(), NOW + 2 * 86400, "certificate.stale"),
        (found, revocations(at=NOW - 10), NOW - 5, "certificate.expired"), (found, revocations(at=NOW + 10**9), NOW + 10**9, "certificate.expired"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            check_in_force(chain.head, chain.now, listed, TRUST, now=now)
        assert refused.value.code == code


@pytest.mark.parametrize("name", ["transfer", "pledge", "release", "cancel"])
@pytest.mark.parametrize("how", ["chain", "page"])
def test_a_certificate_that_is_shown_without_its_last_link_fails_by_the_list(name, how):
    before = taken(issued(), "pledge") if name == "release" else issued()
    whole, old = opened(taken(before, name), TRUST), opened(before, TRUST)
    listed = revocations(*(link.id for link in whole.links[:-1]))
    text = before if how == "chain" else printed.pack(old.links[-1])
    with pytest.raises(Refused) as refused:
        check_in_force(*certificates.shown(text, TRUST), listed, TRUST, now=NOW)
    assert refused.value.code == "certificate.superseded"
    with pytest.raises(Refused) as refused:
        recognised(text, "taizhou", regions=known(region()), revocations=listed, trust=HOMES, now=NOW)
    assert refused.value.code == "certificate.superseded"
    if name != "cancel":
        check_in_force(*certificates.shown(str(whole), TRUST), listed, TRUST, now=NOW)


# --- between regions

HOME = SigningKey("other-city", bytes([9] * 32))
HOMES = Trust((HOME.public,))


def region(**changes):
    fields = {
        "region": "taizhou",
        "keys": tuple(str(k.public) for k in AUTHORITY),
        "threshold": 2,
        "sorts": ("health",),
        "rights": ("hold", "operate"),
        **changes,
    }
    return Region(**fields)


def known(*regions, ends=NOW + 86400):
    return str(notes.write(Regions(1, NOW - 1, ends, regions)).signed_by(HOME))


def test_a_certificate_of_another_region_is_recognised_and_never_widens():
    found = recognised(issued(), "taizhou", regions=known(region()), revocations=revocations(), trust=HOMES, now=NOW)
    page = printed.pack(opened(issued(), TRUST).links[-1])
    assert recognised(page, "taizhou", regions=known(region()), revocations=revocations(), trust=HOMES, now=NOW) == found
    assert (found.region, found.rights, found.certificate.rights) == ("taizhou", ("hold",), ("hold", "process"))
    with pytest.raises(IntegrityError):  # by itself the own authority's key opens nothing foreign, and the foreign one nothing of ours
        opened(issued(), HOMES)
    with pytest.raises(IntegrityError):
        recognised(
            issued(), "taizhou", regions=str(signed(Regions(1, NOW, NOW, (region(),)))), revocations=revocations(), trust=HOMES, now=NOW
        )


@pytest.mark.parametrize("listed, code", [
    (known(region(sorts=("traffic",))), "certificate.foreign"), (known(region(rights=("operate",))), "certificate.foreign"),
    (known(region(region="elsewhere")), "certificate.foreign"), (known(region(), ends=NOW - 1), "certificate.stale"),
])  # fmt: skip
def test_regions_are_recognised_by_class_and_for_a_time(listed, code):
    with pytest.raises(Refused) as refused:
        recognised(issued(), "taizhou", regions=listed, revocations=revocations(), trust=HOMES, now=NOW)
    assert refused.value.code == code


def test_a_foreign_certificate_needs_its_regions_fresh_list():
    own = notes.write(notes.read(revocations()).document(certificates.Revocations)).signed_by(HOME)
    with pytest.raises(IntegrityError):
        recognised(issued(), "taizhou", regions=known(region()), revocations=str(own), trust=HOMES, now=NOW)


def test_lists_of_regions_that_are_none():
    with pytest.raises(DecodeError):
        Regions(1, NOW, NOW, (region(), region()))
    with pytest.raises(ValueError, match="threshold"):
        region(threshold=3)
    assert Certificate.kind == "keyong/certificate/v1"
