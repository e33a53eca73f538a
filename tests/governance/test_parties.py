"""Enrolment: the chain authority, invitation, one-time key, own key; and what a coordinator in the middle cannot change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import notes
from governance.errors import DecodeError, IntegrityError, KeyongError
from governance.keys import SigningKey, Trust
from governance.parties import Enrolment, Invitation, Party, Withdrawn, enrol, read_enrolment, roster

AUTHORITY = [SigningKey.generate(f"authority-{i}") for i in (1, 2, 3)]
TRUST = Trust(tuple(k.public for k in AUTHORITY), 2)
ONCE, NODE, EVIL = SigningKey.generate("north-invitation"), SigningKey.generate("north"), SigningKey.generate("north")
UNTIL = 1000
INVITATION = Invitation("north", "North Hospital", "holder", str(ONCE.public), UNTIL)
INVITED = str(notes.write(INVITATION).signed_by(*AUTHORITY[:2]))
GOOD = str(enrol(INVITED, ONCE, NODE))


def test_a_party_is_who_the_authority_invited_under_the_key_that_it_made_itself():
    party = read_enrolment(GOOD, TRUST, now=UNTIL)
    assert party == Party("north", "North Hospital", "holder", NODE.public)
    assert NODE.private.hex() not in GOOD and ONCE.private.hex() not in GOOD


@pytest.mark.parametrize("forged", [
    str(notes.write(Enrolment(INVITED, str(EVIL.public))).signed_by(EVIL)),  # the coordinator puts its own key in the middle
    str(notes.write(Enrolment(INVITED, str(EVIL.public))).signed_by(SigningKey.generate("north-invitation"), EVIL)),
    str(notes.write(Enrolment(INVITED, str(NODE.public))).signed_by(ONCE)),  # a key whose private half nobody showed
    str(notes.write(Enrolment(INVITED, str(NODE.public))).signed_by(ONCE, EVIL)),
    GOOD.replace(str(NODE.public), str(EVIL.public)),
])  # fmt: skip
def test_another_key_cannot_be_put_in_its_place(forged):
    assert forged != GOOD
    with pytest.raises(IntegrityError):
        read_enrolment(forged, TRUST)


def test_a_wrong_one_time_key_does_not_enrol():
    with pytest.raises(IntegrityError, match="1 of the 2"):
        read_enrolment(str(enrol(INVITED, SigningKey.generate("north-invitation"), NODE)), TRUST)


def test_the_one_time_key_cannot_become_the_partys_own():
    own = SigningKey("north", ONCE.private)
    with pytest.raises(KeyongError, match="distinct"):
        read_enrolment(str(enrol(INVITED, ONCE, own)), TRUST)


def test_an_invitation_names_the_party():
    with pytest.raises(IntegrityError, match="called south"):
        read_enrolment(str(enrol(INVITED, ONCE, SigningKey.generate("south"))), TRUST)


def test_an_invitation_runs_out_and_an_enrolment_does_not():
    with pytest.raises(IntegrityError, match="run out"):
        read_enrolment(GOOD, TRUST, now=UNTIL + 1)
    assert read_enrolment(GOOD, TRUST).name == "north"


def test_one_of_the_authoritys_keys_alone_invites_nobody():
    alone = str(enrol(str(notes.write(INVITATION).signed_by(AUTHORITY[0])), ONCE, NODE))
    with pytest.raises(IntegrityError, match="1 of the 2"):
        read_enrolment(alone, TRUST)
    twice = str(enrol(str(notes.write(INVITATION).signed_by(AUTHORITY[0], AUTHORITY[0])), ONCE, NODE))
    with pytest.raises(IntegrityError, match="1 of the 2"):
        read_enrolment(twice, TRUST)


def test_another_authority_is_nobody_here():
    strange = [SigningKey.generate(f"authority-{i}") for i in (1, 2)]
    with pytest.raises(IntegrityError):
        read_enrolment(str(enrol(str(notes.write(INVITATION).signed_by(*strange)), ONCE, NODE)), TRUST)


@pytest.mark.parametrize("bit", range(8))
def test_no_byte_can_be_changed_by_one_bit(bit):
    raw = GOOD.encode()
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        with pytest.raises(KeyongError):
            read_enrolment(bytes(changed), TRUST)


@settings(max_examples=200)
@given(st.data())
def test_no_part_can_be_left_out_doubled_or_moved(data):
    lines = GOOD.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    changed = data.draw(st.sampled_from([lines[:at] + lines[at + 1 :], [*lines[:at], lines[at][: len(lines[at]) // 2], *lines[at + 1 :]]]))
    with pytest.raises(KeyongError):
        read_enrolment("".join(changed), TRUST)


@pytest.mark.parametrize("field, value", [("name", "North"), ("name", "a b"), ("name", ""), ("role", "authority"), ("organisation", "")])
def test_an_invitation_is_read_strictly(field, value):
    text = notes.write(INVITATION).text.replace(f'"{field}":"{getattr(INVITATION, field)}"', f'"{field}":"{value}"')
    signed = notes.Note(text).signed_by(*AUTHORITY[:2])
    with pytest.raises(DecodeError, match=field):
        read_enrolment(str(enrol(str(signed), ONCE, NODE)), TRUST)


def holder(name: str, organisation: str | None = None, key: SigningKey | None = None) -> Party:
    return Party(name, organisation or f"Hospital {name}", "holder", (key or SigningKey.generate(name)).public)


def test_a_roster_is_the_named_holders_in_order():
    parties = [holder(n) for n in "dcba"] + [Party("e", "Office", "operator", SigningKey.generate("e").public)]
    assert list(roster(parties, ["c", "a", "b"])) == ["a", "b", "c"]


@pytest.mark.parametrize("parties, says", [
    ([holder("a"), holder("b")], "not enrolled as data holders: c"),
    ([holder("a"), holder("b"), Party("c", "Hospital c", "operator", SigningKey.generate("c").public)], "not enrolled as data holders: c"),
    ([holder("a"), holder("b"), holder("c", "Hospital a")], "distinct organisations"),
])  # fmt: skip
def test_puppets_make_no_roster(parties, says):
    with pytest.raises(IntegrityError, match=says):
        roster(parties, "abc")


def test_one_key_under_two_names_makes_no_roster():
    key = SigningKey.generate("a")
    with pytest.raises(IntegrityError, match="distinct keys"):
        roster([holder("a", key=key), holder("b", key=SigningKey("b", key.private)), holder("c")], "abc")


# --- a new key in place of one that was withdrawn

SECOND, THIRD = SigningKey.generate("north"), SigningKey.generate("north")
LOST = Withdrawn(str(NODE.public), 7)


def again(key=SECOND, *withdrawn, by=AUTHORITY[:2], **changes):
    invitation = replace(INVITATION, withdrawn=withdrawn or (LOST,), **changes)
    return str(enrol(str(notes.write(invitation).signed_by(*by)), ONCE, key))


def test_a_party_with_a_new_key_is_who_it_was_and_its_old_key_counts_for_what_came_before():
    before, after = read_enrolment(GOOD, TRUST), read_enrolment(again(), TRUST)
    assert after == Party("north", "North Hospital", "holder", SECOND.public, (LOST,))
    assert [after.as_of(index).key for index in (0, 6, 7, 8)] == [NODE.public, NODE.public, SECOND.public, SECOND.public]
    third = read_enrolment(again(THIRD, LOST, Withdrawn(str(SECOND.public), 9)), TRUST)
    assert [third.as_of(index).key for index in (6, 7, 8, 9)] == [NODE.public, SECOND.public, SECOND.public, THIRD.public]
    assert [(a.key.id, b.key.id) for a in (before, after, third) for b in (before, after, third) if a.follows(b)] == [
        (after.key.id, before.key.id), (third.key.id, before.key.id), (third.key.id, after.key.id),
    ]  # fmt: skip


@pytest.mark.parametrize("changes", [{"name": "north"}, {"organisation": "South Hospital"}, {"role": "operator"}], ids=str)
def test_a_new_key_is_for_the_same_name_organisation_and_role(changes):
    assert read_enrolment(again(**changes), TRUST).follows(read_enrolment(GOOD, TRUST)) == ("name" in changes)


def test_one_officer_exchanges_no_key():
    with pytest.raises(IntegrityError, match="1 of the 2"):
        read_enrolment(again(by=AUTHORITY[:1]), TRUST)


def test_a_withdrawn_key_is_not_enrolled_again():
    with pytest.raises(IntegrityError, match="was withdrawn"):
        read_enrolment(again(NODE), TRUST)


@pytest.mark.parametrize(("withdrawn", "changes", "says"), [
    ((Withdrawn(str(SigningKey.generate("south").public), 7),), {}, "same name only"),
    ((LOST, LOST), {}, "twice"),
    ((Withdrawn(str(SECOND.public), 9), LOST), {}, "order"),
    ((LOST,), {"role": "coordinator"}, "coordinator's key"),
    ((Withdrawn("north", 7),), {}, "reads name"),
], ids=["another party's name", "twice", "order", "coordinator", "no key"])  # fmt: skip
def test_an_invitation_takes_the_place_of_its_own_partys_keys_alone(withdrawn, changes, says):
    with pytest.raises(DecodeError, match=says):
        replace(INVITATION, withdrawn=withdrawn, **changes)
