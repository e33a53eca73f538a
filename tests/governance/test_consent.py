"""Whose row a purpose may read, which sets are read one after another, and what other systems' records say."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import consent
from governance.consent import Consent, Frozen, Rule, choose, consenting, from_fhir, in_batches
from governance.encoding import build, plain
from governance.errors import DecodeError


def person(number: int) -> bytes:
    return number.to_bytes(32, "big")


def people(*numbers: int) -> frozenset[bytes]:
    return frozenset(map(person, numbers))


def record(number: int, allows: bool, *purposes: str, at: int = 1) -> Consent:
    return Consent(person(number).hex(), "heart", tuple(sorted(purposes)), allows, at)


ALL = people(*range(40))


# --- the rule


def test_without_a_record_the_basis_decides():
    assert consenting([], "none", "research").of(ALL) == ALL
    assert consenting([], "opt_out", "research").of(ALL) == ALL
    assert consenting([], "opt_in", "research").of(ALL) == frozenset()


@pytest.mark.parametrize("basis", ["opt_out", "opt_in"])
def test_the_newest_record_that_covers_the_purpose_decides(basis):
    records = [
        record(1, True, at=1), record(1, False, "trade", at=2), record(2, False, at=5), record(2, True, at=3),
        record(3, False, at=4), record(3, True, at=4),
    ]  # fmt: skip
    some = people(1, 2, 3)
    assert consenting(records, basis, "research").of(some) == people(1, 3)
    assert consenting(records, basis, "trade").of(some) == people(3)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from(["", "a", "b"]), st.integers(0, 3)), max_size=30),
       st.sampled_from(["opt_out", "opt_in"]))  # fmt: skip
def test_what_a_person_allows_is_the_last_word_and_nobody_elses(given_records, basis):
    records = [record(who, allows, *filter(None, [purpose]), at=at) for who, allows, purpose, at in given_records]
    allowed = consenting(records, basis, "a").of(people(*range(6)))
    for who in range(6):
        own = sorted((r for r in records if r.person == person(who).hex() and r.covers("a")), key=lambda r: r.at)
        assert (person(who) in allowed) == (own[-1].allows if own else basis == "opt_out")


@pytest.mark.parametrize("basis", ["opt_out", "opt_in"])
def test_who_was_forgotten_is_not_read_whatever_the_records_say(basis):
    rule = consenting([record(1, True), record(2, True)], basis, "a", forgotten=people(1))
    assert rule.of(people(1, 2)) == people(2)


def test_a_withdrawal_counts_whether_or_not_there_is_a_row():
    for basis, none, one in (("opt_out", people(), people(99)), ("opt_in", people(99), people())):
        assert Rule(basis, one).withdrawn(Rule(basis, none)) and not Rule(basis, none).withdrawn(Rule(basis, one))
    assert Rule("opt_in", ALL).withdrawn(Rule("opt_out", frozenset()))


@pytest.mark.parametrize("purposes", [("b", "a"), ("a", "a")])
def test_a_record_has_one_spelling(purposes):
    with pytest.raises(DecodeError, match="sorted and distinct"):
        Consent("0" * 64, "heart", purposes, True, 1)


def test_a_pseudonym_is_made_under_the_secret_and_opened_by_the_persons_own_key():
    one, other = (consent.key_of(bytes([n]) * 32, b"4711") for n in (1, 2))
    assert consent.pseudonym(one, b"4711") != consent.pseudonym(other, b"4711")
    assert len({consent.pseudonym(consent.key_of(b"s", name), name) for name in (b"1", b"2", b"12")}) == 3


# --- sets, one after another


def secretly(person):
    return consent.pseudonym(b"secret", person)


def run(steps, least=10, basis="opt_out"):
    """What an exact job reads after each step: the persons with a row and the exceptions of then."""
    frozen, read = [], []
    for rows, named in steps:
        rule = Rule(basis, named)
        chosen = choose(rule.of(rows), rule, frozen, least, order=secretly)
        assert chosen is None or chosen <= rule.of(rows)
        if chosen is not None and chosen not in [f.persons for f in frozen]:
            frozen.append(Frozen(chosen, rule))
        read.append(None if chosen is None else len(chosen))
    return read


def test_who_withdraws_leaves_at_once_and_with_a_batch():
    assert run([(ALL, people(*range(n))) for n in (0, 1, 1)]) == [40, 30, 30], "one, and nine others"
    assert run([(ALL, people(*range(n))) for n in (0, 9, 10)]) == [40, 30, 20]
    assert run([(ALL, people(*range(n))) for n in (0, 10, 10)]) == [40, 30, 30], "ten are a batch by themselves"
    assert run([(ALL, people(*range(n))) for n in (0, 12)]) == [40, 28]


def test_a_holder_of_few_persons_waits_when_no_batch_is_left():
    assert run([(ALL, people(*range(n))) for n in (0, 1, 2, 3, 4, 25)]) == [40, 30, 20, 10, None, None]
    assert run([(people(*range(19)), people()), (people(*range(19)), people(1))]) == [19, None]


def test_who_comes_back_is_read_again_with_the_others():
    assert run([(ALL, people()), (ALL, people(1)), (ALL, people())]) == [40, 30, 40]


def test_who_left_with_another_and_then_withdraws_changes_as_much_as_anybody():
    """Else a total that stays as it was would tell that this person was in the data."""
    frozen = [Frozen(ALL, Rule("opt_out", people()))]
    first = choose(ALL - people(1), Rule("opt_out", people(1)), frozen, 10, order=secretly)
    frozen.append(Frozen(first, Rule("opt_out", people(1))))
    cover = int.from_bytes(min(ALL - first - people(1)), "big")
    for who in (cover, 2 if person(2) in first else 3, 999):
        rule = Rule("opt_out", people(1, who))
        then = choose(rule.of(ALL), rule, frozen, 10, order=secretly)
        assert (len(first), len(then)) == (30, 20) and then < first


@given(st.lists(st.tuples(st.integers(0, 45), st.booleans()), min_size=1, max_size=8), st.integers(2, 6))
def test_sets_after_any_withdrawals_and_returns_are_in_batches(changes, least):
    named, frozen = set(), [Frozen(ALL, Rule("opt_out", frozenset()))]
    for who, out in changes:
        (named.add if out else named.discard)(person(who))
        rule = Rule("opt_out", frozenset(named))
        chosen = choose(rule.of(ALL), rule, frozen, least, order=secretly)
        if chosen is not None:
            assert not chosen & rule.named
            frozen.append(Frozen(chosen, rule))
    assert len(frozen) == 1 or in_batches([f.persons for f in frozen], least)


def test_additions_wait_without_stopping_anybody():
    rows = [people(*range(n)) for n in (20, 21, 29, 30)]
    assert run([(each, people()) for each in rows]) == [20, 20, 20, 30]
    assert run([(ALL, people(*range(n))) for n in (20, 21, 29, 30)], basis="opt_in") == [20, 20, 20, 30]


def test_as_many_leave_for_a_person_without_a_row():
    """PRIVACY 3: whoever knows of a withdrawal does not learn from what is read whether the person is in the data."""
    there, not_there = ([(ALL, people()), (ALL, people(who)), (ALL, people(who))] for who in (1, 999))
    assert run(there) == run(not_there) == [40, 30, 30]


def test_rows_that_are_gone_count_as_changes_of_persons():
    assert run([(ALL, people()), (ALL - people(1), people()), (ALL - people(*range(10)), people())]) == [40, 30, 20]


def test_the_first_set_is_read_as_it_is():
    assert run([(people(1), people())]) == [1] and run([(ALL, people())], basis="opt_in") == [0]


def test_another_basis_begins_with_a_batch():
    frozen = [Frozen(ALL, Rule("opt_out", frozenset()))]
    assert len(choose(ALL, Rule("opt_in", ALL), frozen, 10, order=secretly)) == 30
    assert choose(people(*range(20)), Rule("opt_in", people(*range(20))), frozen, 10, order=secretly) == people(*range(20))


def test_four_sets_that_differ_by_enough_in_pairs_still_single_a_person_out():
    """All but 1..10, all but 11..20, all but 1..21: together they tell of person 21."""
    rows = people(*range(1, 60))
    sets = [rows, rows - people(*range(1, 11)), rows - people(*range(11, 21)), rows - people(*range(1, 22))]
    assert min(len(a ^ b) for a, b in itertools.combinations(sets, 2)) >= 10
    assert in_batches(sets[:3], 10) and not in_batches(sets, 10)


@given(st.lists(st.frozensets(st.integers(0, 7)), min_size=2, max_size=5), st.integers(1, 4))
def test_no_combination_of_totals_is_about_fewer_persons_than_a_batch(sets, least):
    """Whatever can be added up of the totals over sets in batches, with the persons of all sets cancelled, weighs groups of *least*."""
    if not in_batches(sets, least):
        return
    differences = np.array([[(p in s) - (p in sets[0]) for p in range(8)] for s in sets[1:]])
    rng = np.random.default_rng(1)
    for _ in range(20):
        weights = rng.integers(-2, 3, len(differences)) @ differences
        for value in set(weights.tolist()) - {0}:
            assert np.count_nonzero(weights == value) >= least


# --- FHIR

R4 = {
    "resourceType": "Consent", "status": "active", "scope": {"text": "research"}, "category": [{"text": "research"}],
    "patient": {"identifier": {"system": "urn:oid:1.2", "value": "4711"}}, "dateTime": "2026-01-02T03:04:05+08:00",
    "provision": {"type": "permit", "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}]},
}  # fmt: skip
R5 = {
    "resourceType": "Consent", "status": "active", "category": [{"text": "research"}], "decision": "deny",
    "subject": {"identifier": {"value": " 4711 "}}, "date": "2026-01-02T03:04:05Z",
}  # fmt: skip
CODES = {"HRESCH": "research"}


def test_both_releases_are_read():
    one, other = from_fhir(R4, CODES), from_fhir(R5, CODES)
    assert (one.person, one.purposes, one.allows, one.at) == ("4711", ("research",), True, "2026-01-02T03:04:05+08:00")
    assert (other.person, other.purposes, other.allows, other.at) == ("4711", (), False, "2026-01-02T03:04:05Z")
    assert "4711" not in repr(one)


def changed(resource, path, value):
    made = json.loads(json.dumps(resource))
    *way, last = path.split(".")
    at = made
    for name in way:
        at = at[int(name)] if name.isdigit() else at[name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return made


@pytest.mark.parametrize(
    "resource, says",
    [
        ([], "not a FHIR Consent"),
        (changed(R4, "resourceType", "Patient"), "not a FHIR Consent"),
        (changed(R4, "status", "draft"), "only active"),
        (changed(R4, "verification", []), "not understood"),
        (changed(R4, "modifierExtension", []), "not understood"),
        (changed(R4, "provision.provision", []), "not understood"),
        (changed(R4, "provision.period", {}), "not understood"),
        (changed(R4, "provision.purpose.0.extension", []), "not understood"),
        (changed(R4, "provision.purpose.0.code", "TREAT"), "not said which purpose"),
        (changed(R4, "provision.purpose", []), "list of codings"),
        (changed(R4, "provision.purpose", {}), "list of codings"),
        (changed(R4, "provision.purpose", ["HRESCH"]), "has a code"),
        (changed(R4, "provision.type", "maybe"), "permit or deny"),
        (changed(R4, "provision", None), "one provision"),
        (changed(R4, "dateTime", None), "time is missing"),
        (changed(R4, "patient", {"reference": "Patient/1"}), "identifier"),
        (changed(R4, "patient.identifier.value", " "), "identifier"),
        (changed(R4, "patient.reference", "Patient/2"), "not understood"),
        (changed(R4, "patient.identifier.period", {}), "not understood"),
        (changed(R4, "decision", "deny"), "not understood"),
        (changed(R5, "decision", None), "permit or deny"),
        (changed(R5, "provision", [{}, {}]), "exactly one"),
        (changed(R5, "provision", [{"type": "permit"}]), "not understood"),
        (changed(R5, "grantor", []), "not understood"),
    ],
)
def test_what_is_not_understood_is_refused_without_a_word_of_whom(resource, says):
    with pytest.raises(DecodeError, match=says) as refusal:
        from_fhir(resource, CODES)
    assert "4711" not in str(refusal.value)


def test_a_record_travels():
    one = record(1, True, "research")
    assert build(Consent, plain(one)) == one
