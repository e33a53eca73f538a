"""Key roots: rotations case by case, and the attacks of the TUF specification 1.0.30 by their names."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from functools import cache

import licensing
import pytest

from governance import notes, roots
from governance.encoding import SAFE_INTEGER
from governance.errors import DecodeError, IntegrityError, Refused
from governance.keys import SigningKey, Trust
from governance.licences import Licence, Request, Revocations, covers, in_force, newer
from governance.parties import Invitation, enrol, read_enrolment
from governance.roots import Role, Root, read

UNTIL = 2_000_000_000
NOW = 1_900_000_000


@cache
def made(number: int, suite: str) -> SigningKey:
    return SigningKey.generate(f"officer-{number}", suite)


def key(number: int, suite: str = "ed25519") -> SigningKey:
    """An officer's key, the same in all tests."""
    return made(number, suite)


def role(*numbers: int, threshold: int = 1, suite: str = "ed25519") -> Role:
    return Role(tuple(str(key(n, suite).public) for n in numbers), threshold)


def signed(document: object, *numbers: int, suite: str = "ed25519") -> notes.Note:
    return notes.write(document).signed_by(*(key(n, suite) for n in numbers))


def root(of: Role, *, before: roots.Version | None = None, **changes: object) -> Root:
    """A root in which *of* is every role."""
    fields: dict[str, object] = {"roles": dict.fromkeys(roots.NEEDED, of), "expires": UNTIL, **changes}
    if before is not None:
        return before.next(**fields)
    return Root(**{"version": 1, "previous": (), "suites": ("ed25519",), "withdrawn": (), **fields})


@dataclass
class V:
    """A version to be published: its keys and threshold, who signs, and what is said if it is not accepted."""

    keys: list[int]
    threshold: int
    sigs: list[int]
    says: str = ""


MISSING = "trusted signatures needed"
STRANGERS = "nobody's who could have signed"
ROTATIONS = {  # after python-tuf, tests/test_updater_key_rotations.py
    "1-of-1": [V([1], 1, [1]), V([2], 1, [2, 1]), V([2], 1, [2])],
    "1-of-1, not signed with the old key": [V([1], 1, [1]), V([2], 1, [2], MISSING)],
    "1-of-1, not signed with the new key": [V([1], 1, [1]), V([2], 1, [1], MISSING)],
    "1-of-1, strangers' signatures beside": [V([1], 1, [1]), V([2], 1, [3, 2, 1], STRANGERS)],
    "1-of-1, strangers' signatures instead": [V([1], 1, [1]), V([2], 1, [2, 3, 4], MISSING)],
    "1-of-1, signed twice by one": [V([1], 1, [1]), V([1], 1, [1, 1], STRANGERS)],
    "3-of-5, another three each time": [
        V([0, 1, 2, 3, 4], 3, [0, 2, 4]), V([0, 1, 2, 3, 4], 3, [0, 4, 1]), V([0, 1, 2, 3, 4], 3, [0, 1, 3]), V([0, 1, 2, 3, 4], 3, [0, 1, 3]),
    ],
    "3-of-5, one key exchanged": [V([0, 1, 2, 3, 4], 3, [0, 2, 4]), V([0, 1, 3, 4, 5], 3, [0, 4, 1])],
    "3-of-5, one key exchanged, not signed with 3 new keys": [V([0, 1, 2, 3, 4], 3, [0, 2, 4]), V([0, 1, 3, 4, 5], 3, [0, 2, 4], MISSING)],
    "3-of-5, one key exchanged, not signed with 3 old keys": [V([0, 1, 2, 3, 4], 3, [0, 2, 4]), V([0, 1, 3, 4, 5], 3, [0, 4, 5], MISSING)],
    "3-of-5, one key exchanged, the old one signs too": [
        V([0, 1, 2, 3, 4], 3, [0, 2, 4]), V([0, 1, 3, 4, 5], 3, [0, 2, 4, 5]), V([0, 1, 3, 4, 5], 3, [0, 4, 5]),
    ],
    "3-of-5, all keys exchanged": [
        V([0, 1, 2, 3, 4], 3, [0, 2, 4]), V([5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7]), V([5, 6, 7, 8, 9], 3, [5, 6, 7]),
    ],
    "3-of-5, all keys exchanged, without the old ones": [V([0, 1, 2, 3, 4], 3, [0, 2, 4]), V([5, 6, 7, 8, 9], 3, [5, 6, 7], MISSING)],
    "threshold raised": [V([1, 2, 3], 1, [1]), V([1, 2, 3], 2, [1, 2])],
    "threshold raised, not reached": [V([1, 2, 3], 1, [1]), V([1, 2, 3], 2, [2], MISSING)],
    "threshold lowered": [V([1, 2, 3], 2, [1, 2]), V([1, 2, 3], 1, [1, 2]), V([1, 2, 3], 1, [1])],
    "threshold lowered, the old one not reached": [V([1, 2, 3], 2, [1, 2]), V([1, 2, 3], 1, [1], MISSING)],
    "a key more and a threshold of both": [V([1], 1, [1]), V([1, 2], 2, [1, 2])],
    "the first version itself, not signed enough": [V([1, 2, 3], 2, [1], MISSING)],
}  # fmt: skip


@pytest.mark.parametrize("versions", ROTATIONS.values(), ids=ROTATIONS)
def test_rotations(versions):
    """A reader who knows all versions but the last follows to the last, or stays where it is."""
    texts: list[str] = []
    before = None
    for version in versions:
        text = str(signed(root(role(*version.keys, threshold=version.threshold), before=before), *version.sigs))
        if version.says:
            with pytest.raises(IntegrityError, match=version.says):
                read([*texts, text])
            if texts:
                with pytest.raises(IntegrityError, match=version.says):
                    read(texts).followed([*texts, text])
            return
        chain = read([*texts, text])
        assert not texts or read(texts).followed([*texts, text]) == chain
        assert chain.newest.root.trust("root") == Trust(tuple(key(n).public for n in version.keys), version.threshold)
        texts.append(text)
        before = chain.newest


FIRST = read([str(signed(root(role(1, 2, 3, threshold=2)), 1, 2, 3))])
SECOND = FIRST.followed([*FIRST.texts, str(signed(root(role(1, 2, 4, threshold=2), before=FIRST.newest), 1, 2))])
THIRD = SECOND.followed([*SECOND.texts, str(signed(root(role(2, 4, 5, threshold=2), before=SECOND.newest), 2, 4))])

PLAN = licensing.plan(key(90), now=NOW)
ALLOW = licensing.rights(PLAN.id, now=NOW, holders=("a", "b", "c"), dataset="heart", not_before=NOW - 9, not_after=NOW + 99)
LICENCE = Licence("", (str(key(90).public),), 1, ALLOW)
REQUEST = Request(str(key(90).public), "heart", {"age": 3}, "research", "describe@1", 10, ("a", "b", "c"))


def judged(numbers: tuple[int, ...], trust: Trust, listed: str | None) -> Licence:
    """The licence under the signatures of the keys with these *numbers*, by the rules that coordinator and nodes judge by."""
    plan = PLAN.signed_by(*(key(n) for n in numbers))
    granted = in_force((str(signed(LICENCE, *numbers)),), trust, plan=str(plan), revocations=listed, now=NOW)
    covers(granted, REQUEST)
    return granted.links[0]


def revocations(version: int = 1, *revoked: str, by: tuple[int, ...] = (1, 2)) -> str:
    return str(signed(Revocations(version, NOW, NOW + 99, revoked), *by))


# --- the attacks, by their names in the TUF specification, 1.5.2


def test_arbitrary_software_a_root_from_strangers_is_not_followed():
    forged = str(signed(root(role(7, 8), before=FIRST.newest), 7, 8))
    with pytest.raises(IntegrityError, match=MISSING):
        FIRST.followed([*FIRST.texts, forged])
    with pytest.raises(IntegrityError, match=MISSING):
        notes.opened(str(signed(LICENCE, 7, 8)), Licence, FIRST.trust)


def test_arbitrary_software_one_stolen_key_of_three_brings_nothing():
    """THREATS 30, `au-1of3`: one insider neither issues a licence, nor revokes, nor rotates."""
    with pytest.raises(Refused) as refusal:
        judged((1,), FIRST.trust, revocations())
    assert refusal.value.code == "licence.forged"
    with pytest.raises(IntegrityError, match=MISSING):
        notes.opened(revocations(by=(1,)), Revocations, FIRST.trust)
    with pytest.raises(IntegrityError, match=MISSING):
        FIRST.followed([*FIRST.texts, str(signed(root(role(1), before=FIRST.newest), 1))])


def test_rollback_an_old_root_does_not_come_back():
    assert SECOND.followed(FIRST.texts) is SECOND
    assert THIRD.followed(SECOND.texts).newest.root.version == 3
    assert THIRD.followed([]) is THIRD, "a coordinator that hands over nothing changes nothing"


def test_rollback_versions_rise_by_exactly_one():
    repeated = [*FIRST.texts, *FIRST.texts]
    jumped = [*FIRST.texts, THIRD.texts[2]]
    reordered = [*FIRST.texts, THIRD.texts[2], THIRD.texts[1]]
    for texts in (repeated, jumped, reordered):
        with pytest.raises(IntegrityError, match="does not follow"):
            read(texts)
    with pytest.raises(IntegrityError, match="first version"):
        read(THIRD.texts[1:])


def test_fast_forward_a_version_cannot_be_jumped_over():
    """THREATS 17, `root-ff`: a number that does not count its history is no root, whoever signs it."""
    for version in (3, 250, roots.MOST_VERSIONS):
        with pytest.raises(DecodeError, match="next number"):
            dataclasses.replace(SECOND.newest.root, version=version)
        text = signed(SECOND.newest.root, 1).text.replace('"version":2', f'"version":{version}')
        with pytest.raises(DecodeError, match="next number"):
            FIRST.followed([*FIRST.texts, str(notes.Note(text).signed_by(key(1), key(2)))])
    with pytest.raises(IntegrityError, match="does not follow"):  # a history that was made up
        made_up = dataclasses.replace(SECOND.newest.root, previous=tuple(f"{n:064x}" for n in range(99)), version=100)
        FIRST.followed([*FIRST.texts, str(signed(made_up, 1, 2, 4))])


def test_fast_forward_stolen_revokers_do_not_use_up_the_numbers():
    """After the revokers were exchanged the next list goes on behind the last that was forged. TUF 5.3.11 forgets it instead."""
    kept = newer(None, revocations(5), FIRST.trust)
    with pytest.raises(IntegrityError, match="not newer"):
        newer(kept, revocations(SAFE_INTEGER), FIRST.trust)
    forged = newer(kept, revocations(5 + (1 << 20)), FIRST.trust)
    repaired = revocations(6 + (1 << 20), by=(4, 5))
    assert newer(forged, repaired, THIRD.trust) == repaired


def test_indefinite_freeze_an_expired_root_stops_everything():
    FIRST.check(UNTIL)
    with pytest.raises(Refused) as refusal:
        FIRST.check(UNTIL + 1)
    assert refusal.value.code == "root.expired" and "version 1" in refusal.value.text("en")
    renewed = FIRST.followed([*FIRST.texts, str(signed(root(role(1, 2, 3, threshold=2), before=FIRST.newest, expires=UNTIL + 9), 1, 3))])
    renewed.check(UNTIL + 1)


def test_indefinite_freeze_an_intermediate_version_may_have_expired():
    """TUF 5.3.6: whoever was away for years still follows."""
    old = read([str(signed(root(role(1), expires=1), 1))])
    new = old.followed([*old.texts, str(signed(root(role(2), before=old.newest), 1, 2))])
    new.check(NOW)


def test_endless_data_a_chain_has_a_bound():
    for texts in ([], [*FIRST.texts, *["x"] * roots.MOST_VERSIONS]):
        with pytest.raises(DecodeError, match="1 to 256 versions"):
            read(texts)
    with pytest.raises(DecodeError, match="larger than"):
        read(["x" * (roots.LIMIT + 1)])


def test_the_last_version_that_fits_is_reached():
    chain = FIRST
    for _ in range(4):
        chain = chain.followed([*chain.texts, str(signed(chain.newest.next(), 1, 2))])
    assert chain.newest.root.previous == tuple(v.id for v in chain.versions[:-1])
    full = dataclasses.replace(chain.newest.root, version=roots.MOST_VERSIONS, previous=("0" * 64,) * (roots.MOST_VERSIONS - 1))
    assert len(str(notes.write(full))) < roots.LIMIT
    with pytest.raises(DecodeError, match="version"):
        notes.write(dataclasses.replace(full, version=257, previous=("0" * 64,) * 256)).document(Root)


def test_mix_and_match_an_old_root_with_a_new_licence_or_the_other_way():
    """THREATS 16, `root-mix`."""
    new, old = (4, 5), (1, 3)
    assert judged(new, THIRD.trust, revocations(by=(4, 2))) == LICENCE
    for signers, trust in [(new, FIRST.trust), (new, SECOND.trust), (old, SECOND.trust), (old, THIRD.trust)]:
        with pytest.raises(Refused) as refusal:
            judged(signers, trust, None)
        assert refusal.value.code == "licence.forged"


def test_mix_and_match_two_histories_are_an_alarm():
    """Enough stolen root keys can sign a second version 2; whoever has seen the first says so, and goes with neither."""
    other = str(signed(root(role(1, 7, 8, threshold=2), before=FIRST.newest), 1, 2, 7))
    with pytest.raises(IntegrityError, match="two key roots of the same version"):
        THIRD.followed([*FIRST.texts, other])
    with pytest.raises(IntegrityError, match="two key roots"):
        SECOND.followed([str(signed(root(role(7)), 7)), *SECOND.texts[1:]][:1])


def test_key_compromise_a_key_that_was_exchanged_grants_nothing_more():
    assert notes.opened(str(signed(LICENCE, 1, 3)), Licence, FIRST.trust)
    with pytest.raises(IntegrityError, match=MISSING):
        notes.opened(str(signed(LICENCE, 1, 3)), Licence, SECOND.trust)


# --- roles


SPLIT = read([
    str(signed(root(role(1), roles={"root": role(1, 2, 3, threshold=2), "authority": role(2, 3, threshold=2), "revoker": role(4),
                                    "reviewer": role(5), "appraiser": role(6)}), 1, 2))
])  # fmt: skip


@pytest.mark.parametrize("numbers", [(1,), (1, 2), (4,), (5,), (6,), (4, 5, 6, 1)])
def test_no_other_role_signs_a_licence(numbers):
    """SEEDS 16: a reviewer's, an appraiser's, a revoker's or a root key grants nothing."""
    with pytest.raises(IntegrityError, match=MISSING):
        notes.opened(str(signed(LICENCE, *numbers)), Licence, SPLIT.trust)
    assert notes.opened(str(signed(LICENCE, 2, 3)), Licence, SPLIT.trust) == LICENCE


def test_a_revoker_revokes_and_grants_nothing():
    listed = revocations(1, signed(LICENCE).id, by=(4,))
    assert notes.opened(listed, Revocations, SPLIT.trust).version == 1
    with pytest.raises(Refused) as refusal:
        judged((2, 3), SPLIT.trust, listed)
    assert refusal.value.code == "licence.revoked"
    with pytest.raises(Refused) as refusal:
        judged((4,), SPLIT.trust, listed)
    assert refusal.value.code == "licence.forged"
    with pytest.raises(IntegrityError, match=MISSING):
        notes.opened(revocations(by=(1, 2, 3)), Revocations, SPLIT.trust)


def test_officers_of_the_authority_do_not_rotate_the_root():
    alone = read([str(signed(root(role(1), roles={"root": role(1), "authority": role(2), "revoker": role(2)}), 1))])
    with pytest.raises(IntegrityError, match=MISSING):
        alone.followed([*alone.texts, str(signed(alone.newest.next(), 2))])


def test_a_role_that_is_not_filled_signs_nothing():
    assert SPLIT.newest.root.trust("reviewer").keys == (key(5).public,)
    with pytest.raises(IntegrityError, match="nobody for the role auditor"):
        SPLIT.newest.root.trust("auditor")


@pytest.mark.parametrize("changes, says", [
    ({"roles": {"root": role(1), "authority": role(1)}}, "lacks revoker"),
    ({"roles": dict.fromkeys(roots.NEEDED, role(1, threshold=2))}, "the role root: need distinct keys"),
    ({"roles": dict.fromkeys(roots.NEEDED, role(1, threshold=0))}, "the role root: need distinct keys"),
    ({"roles": dict.fromkeys(roots.NEEDED, role(1, 1))}, "the role root: need distinct keys"),
    ({"suites": ()}, "ed25519 among them"), ({"suites": ("ed25519", "ed25519")}, "each suite once"), ({"suites": ("sm2-sm3",)}, "ed25519 among"),
    ({"withdrawn": (str(key(1).public),)}, "withdrawn stands in a role"), ({"version": 2}, "next number"),
    ({"roles": {**dict.fromkeys(roots.NEEDED, role(1)), "reviewer": Role(("no key",), 1)}}, "a verifier key reads"),
])  # fmt: skip
def test_a_root_that_cannot_be_is_refused(changes, says):
    with pytest.raises(DecodeError, match=says):
        root(role(1), **changes)


# --- suites


@pytest.mark.parametrize("suite", ["ml-dsa-44", "sm2-sm3"])
def test_downgrade_a_suite_counts_where_the_root_names_it_and_nowhere_else(suite):
    """THREATS 47, `downgrade`: nothing in a note chooses; the key root does."""
    mixed = Role((str(key(1).public), str(key(2, suite).public)), 2)
    with pytest.raises(DecodeError, match=f"of the suite {suite} is not accepted"):
        root(mixed)
    named = root(mixed, suites=("ed25519", suite))
    chain = read([str(notes.write(named).signed_by(key(1), key(2, suite)))])
    assert notes.opened(str(notes.write(LICENCE).signed_by(key(1), key(2, suite))), Licence, chain.trust) == LICENCE
    with pytest.raises(IntegrityError, match=MISSING):  # the same officer, under another suite than the root says
        notes.opened(str(signed(LICENCE, 1, 2)), Licence, chain.trust)
    party = SigningKey.generate("north", suite)
    once = SigningKey.generate("north-invitation")
    invitation = notes.write(Invitation("north", "North", "holder", str(once.public), UNTIL)).signed_by(key(1), key(2, suite))
    with pytest.raises(DecodeError, match="is not accepted here"):
        read_enrolment(str(enrol(str(invitation), once, party)), chain.trust)


@pytest.mark.parametrize("suite", ["ml-dsa-44", "sm2-sm3"])
def test_all_keys_move_to_another_suite(suite):
    moved = FIRST.newest.next(roles=dict.fromkeys(roots.NEEDED, role(1, 2, 3, threshold=2, suite=suite)), suites=("ed25519", suite))
    note = signed(moved, 1, 2).joined(signed(moved, 1, 2, suite=suite))
    chain = FIRST.followed([*FIRST.texts, str(note)])
    assert notes.opened(str(signed(LICENCE, 1, 3, suite=suite)), Licence, chain.trust) == LICENCE
    with pytest.raises(IntegrityError, match=MISSING):
        notes.opened(str(signed(LICENCE, 1, 3)), Licence, chain.trust)


# --- who was let in, and what was released, under earlier versions


def enrolled(*by: int) -> str:
    once = SigningKey.generate("north-invitation")
    invitation = signed(Invitation("north", "North Hospital", "holder", str(once.public), UNTIL), *by)
    return str(enrol(str(invitation), once, SigningKey.generate("north")))


def test_a_party_stays_enrolled_when_keys_are_exchanged():
    text = enrolled(1, 3)
    for chain in (FIRST, SECOND, THIRD):
        assert read_enrolment(text, chain.trust).name == "north"
    with pytest.raises(IntegrityError, match=MISSING):
        read_enrolment(enrolled(4, 5), FIRST.trust)
    with pytest.raises(IntegrityError, match=MISSING):
        read_enrolment(enrolled(1, 5), THIRD.trust)  # no version ever had both


def test_keys_that_were_exchanged_let_nobody_in_any_more():
    with pytest.raises(IntegrityError, match=MISSING):
        read_enrolment(enrolled(1, 3), SECOND.trust, now=NOW)
    assert read_enrolment(enrolled(1, 2, 3), SECOND.trust, now=NOW).name == "north"


def test_a_withdrawn_key_vouches_for_nobody_any_more():
    """THREATS 29, `key-rotate`, for officers: the two others who signed are enough, the stolen key and one more are not."""
    after = FIRST.newest.next(roles=dict.fromkeys(roots.NEEDED, role(1, 2, 4, threshold=2)), withdrawn=(str(key(3).public),))
    chain = FIRST.followed([*FIRST.texts, str(signed(after, 1, 2))])
    assert read_enrolment(enrolled(1, 2, 3), chain.trust).name == "north"
    with pytest.raises(IntegrityError, match=MISSING):
        read_enrolment(enrolled(1, 3), chain.trust)
    forgiven = chain.newest.next(withdrawn=())
    with pytest.raises(IntegrityError, match="does not come back"):
        chain.followed([*chain.texts, str(signed(forgiven, 1, 2))])
    gone = chain.newest.next(
        roles=dict.fromkeys(roots.NEEDED, role(1, 4, 5, threshold=2)), withdrawn=(str(key(2).public), str(key(3).public))
    )
    last = chain.followed([*chain.texts, str(signed(gone, 1, 4, 2))])
    with pytest.raises(IntegrityError, match=MISSING):
        read_enrolment(enrolled(1, 2, 3), last.trust)
    with pytest.raises(IntegrityError, match="have been withdrawn since"):
        FIRST.seen_from(last.newest)


def test_a_verifier_sees_an_older_and_a_newer_version_than_its_own():
    """Forwards by the signatures of each version on the next, backwards by the ids that each version names."""
    for chain in (FIRST, SECOND, THIRD):
        for pin in (FIRST, SECOND, THIRD):
            assert chain.seen_from(pin.newest) == chain.trust
    stranger = read([str(signed(root(role(7)), 7))])
    for chain, pin in [(SECOND, stranger), (stranger, SECOND)]:
        with pytest.raises(IntegrityError, match="another key root"):
            chain.seen_from(pin.newest)
    assert THIRD.until(2) == SECOND


def test_a_version_from_the_authority_stands_for_itself():
    assert roots.pinned(notes.read(THIRD.texts[2])) == THIRD.newest
    with pytest.raises(IntegrityError, match=MISSING):
        roots.pinned(signed(THIRD.newest.root, 2))
    assert re.fullmatch(r"([0-9a-f]{4} ){15}[0-9a-f]{4}", THIRD.newest.fingerprint)
    assert THIRD.newest.fingerprint.replace(" ", "") == THIRD.newest.id


def test_not_one_byte_of_a_chain_can_be_altered():
    text = THIRD.texts[1]
    step = 1 if os.environ.get("KEYONG_SOAK") else 7
    for at in range(0, len(text), step):
        changed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        with pytest.raises((IntegrityError, DecodeError)):
            read([THIRD.texts[0], changed, THIRD.texts[2]])
