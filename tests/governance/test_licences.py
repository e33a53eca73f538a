"""Licences: one test for each reason to refuse, and that nobody can write, widen, wear or revive one."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import notes
from governance.encoding import canonical, plain
from governance.errors import DecodeError, IntegrityError, KeyongError, LicenceRefused
from governance.keys import SigningKey, Trust
from governance.licences import Licence, Request, Revocations, check, covers, newer

AUTHORITY = SigningKey.generate("authority")
TRUST = Trust((AUTHORITY.public,))
OPERATOR, THIEF = SigningKey.generate("operator"), SigningKey.generate("thief")
START, END, DUE = 1000, 2000, 1800
LICENCE = Licence(str(OPERATOR.public), "heart", ("age", "sex"), ("research",), ("describe@1", "crosstab@1"), 10, 5, START, END)
REQUEST = Request(str(OPERATOR.public), "heart", frozenset({"age"}), "research", "describe@1", 10)


def signed(document, *keys):
    return str(notes.write(document).signed_by(*(keys or (AUTHORITY,))))


NOTE = signed(LICENCE)
NONE_REVOKED = signed(Revocations(3, 900, DUE, ()))


def judged(licence=NOTE, request=REQUEST, *, trust=TRUST, revocations=NONE_REVOKED, now=1500):
    return check(licence, request, trust, revocations=revocations, now=now)


def test_what_is_granted_is_granted():
    assert judged() == LICENCE
    assert judged(now=START) == judged(now=DUE) == LICENCE


@pytest.mark.parametrize("code, changes", [
    ("licence.forged", {"licence": signed(LICENCE, THIEF)}),
    ("licence.forged", {"licence": signed(LICENCE, SigningKey.generate("authority"))}),
    ("licence.bearer", {"request": replace(REQUEST, operator=str(THIEF.public))}),
    ("licence.early", {"now": START - 1}),
    ("licence.expired", {"now": END + 1}),
    ("licence.revoked", {"revocations": signed(Revocations(4, 900, DUE, (notes.read(NOTE).id,)))}),
    ("licence.stale", {"now": DUE + 1}),
    ("licence.stale", {"revocations": None}),
    ("licence.dataset", {"request": replace(REQUEST, dataset="lung")}),
    ("licence.purpose", {"request": replace(REQUEST, purpose="marketing")}),
    ("licence.method", {"request": replace(REQUEST, method="describe@2")}),
    ("licence.column", {"request": replace(REQUEST, columns=frozenset({"age", "name"}))}),
    ("licence.min_cell", {"request": replace(REQUEST, min_cell=9)}),
])  # fmt: skip
def test_each_reason_to_refuse_has_its_code(code, changes):
    with pytest.raises(LicenceRefused) as refused:
        judged(**changes)
    assert refused.value.code == code
    assert all(refused.value.text(language) and "?" not in refused.value.text(language) for language in ("en", "zh"))


def test_a_refusal_names_what_is_missing_and_nothing_else():
    with pytest.raises(LicenceRefused, match="name, weight"):
        judged(request=replace(REQUEST, columns=frozenset({"weight", "age", "name"})))


@pytest.mark.parametrize("bit", range(8))
def test_no_byte_can_be_changed_by_one_bit(bit):
    raw = NOTE.encode()
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        with pytest.raises(KeyongError):
            judged(bytes(changed))


@given(st.binary(max_size=64), st.integers(0, len(NOTE)))
def test_no_bytes_can_be_put_in(inserted, at):
    changed = NOTE.encode()[:at] + inserted + NOTE.encode()[at:]
    if inserted:
        with pytest.raises(KeyongError):
            judged(changed)


@pytest.mark.parametrize("wider", [
    {"columns": ("age", "name", "sex")}, {"purposes": ("marketing", "research")}, {"methods": ("all@1",)}, {"min_cell": 3}, {"use_count": 10**9},
    {"not_after": 10**9}, {"operator": str(THIEF.public)}, {"dataset": "lung"}, {"not_before": 0},
])  # fmt: skip
def test_an_operator_cannot_widen_its_licence(wider):
    text = notes.write(replace(LICENCE, **wider)).text
    with pytest.raises(LicenceRefused, match="not signed by the authority"):
        judged(str(notes.Note(text, notes.read(NOTE).signatures).signed_by(OPERATOR)))


@pytest.mark.parametrize("name", [f.name for f in fields(Licence)])
def test_nothing_can_be_left_out_of_a_licence(name):
    kept = {field: value for field, value in plain(LICENCE).items() if field != name}
    text = f"{Licence.kind}\n{canonical(kept)}\n"
    with pytest.raises(DecodeError, match=f"{name}: Field required"):
        judged(str(notes.Note(text).signed_by(AUTHORITY)))


def test_time_does_not_matter_to_what_a_licence_covers():
    covers(LICENCE, replace(REQUEST, columns=frozenset({"age", "sex"})))
    with pytest.raises(LicenceRefused, match="marketing"):
        covers(LICENCE, replace(REQUEST, purpose="marketing"))


@pytest.mark.parametrize("field, value", [("min_cell", 2), ("use_count", 0), ("methods", ("describe",)), ("purposes", ("Research",)),
                                          ("columns", ("a b",)), ("not_after", 2**40), ("not_before", -1)])  # fmt: skip
def test_even_the_authority_cannot_sign_what_is_out_of_range(field, value):
    with pytest.raises(DecodeError, match=field):
        judged(signed(replace(LICENCE, **{field: value})))


def test_a_licence_far_in_the_future_is_refused_like_any_other():
    latest = 253_402_300_799
    with pytest.raises(LicenceRefused, match="9999-12-31 23:59 UTC"):
        judged(signed(replace(LICENCE, not_before=latest, not_after=latest)))


def test_one_of_two_keys_is_not_two_of_two():
    keys = [SigningKey.generate(f"authority-{i}") for i in (1, 2, 3)]
    trust = Trust(tuple(k.public for k in keys), 2)
    both, lists = signed(LICENCE, *keys[:2]), signed(Revocations(1, 900, DUE, ()), *keys[1:])
    assert judged(both, trust=trust, revocations=lists) == LICENCE
    for alone in (
        signed(LICENCE, keys[0]),
        signed(LICENCE, keys[0], keys[0]),
        signed(LICENCE, keys[0], SigningKey.generate("authority-2")),
    ):
        with pytest.raises(LicenceRefused, match="not signed by the authority"):
            judged(alone, trust=trust, revocations=lists)


# --- revocations


def test_a_revocation_list_must_be_the_authoritys():
    with pytest.raises(IntegrityError):
        judged(revocations=signed(Revocations(9, 900, DUE, ()), THIEF))


def test_another_licences_revocation_revokes_nothing_here():
    assert judged(revocations=signed(Revocations(4, 900, DUE, ("0" * 64,)))) == LICENCE


def test_an_old_list_does_not_replace_a_newer_one():
    old, new = (signed(Revocations(v, 900, DUE, ("0" * 64,) * (v - 3))) for v in (3, 4))
    assert newer(None, old, TRUST) == old
    assert newer(old, new, TRUST) == new
    assert newer(new, new, TRUST) == new
    with pytest.raises(IntegrityError, match="version 3"):
        newer(new, old, TRUST)


def test_two_lists_of_one_version_do_not_replace_each_other():
    one, other = (signed(Revocations(4, 900, DUE, ids)) for ids in ((), ("0" * 64,)))
    with pytest.raises(IntegrityError, match="version 4"):
        newer(one, other, TRUST)


def test_a_list_that_the_authority_did_not_sign_is_not_newer():
    with pytest.raises(IntegrityError):
        newer(NONE_REVOKED, signed(Revocations(9, 900, DUE, ()), THIEF), TRUST)
