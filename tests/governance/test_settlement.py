"""Prices, statements and contributions: every fen is accounted for, the public pays nothing, and anybody computes the same."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import notes
from governance.contribution import MOST_GROUPS, coalitions, contributions
from governance.encoding import build, canonical, parse, plain
from governance.errors import DecodeError, DisclosureRefused, IntegrityError, UsageError
from governance.keys import SigningKey, Trust
from governance.prices import Price, Share, Use, divide
from governance.rights import PUBLIC, WHOLE
from governance.settlement import DAY, Line, Statement, Terms, charges, settle, verify

PRICE = Price("heart", 1, "call", 1001, 2000, 10**6, ("teaching",), 0, 10**9)
SHARES = (Share("Bureau", 3333), Share("Hospital A", 3334), Share("Hospital B", 3333))
LICENCE, QUESTION = "aa" * 32, "bb" * 32
TERMS = {LICENCE: Terms("cc" * 32, PRICE, SHARES)}


def use(entry: int, **changes) -> Use:
    plainly = {"at": 1000, "job": f"{entry:064x}", "licence": LICENCE, "operator": "Ops", "purpose": "research", "question": QUESTION,
               "numbers": 7}  # fmt: skip
    return Use(entry, **{**plainly, **changes})


def priced(**changes) -> dict[str, Terms]:
    return {LICENCE: Terms("cc" * 32, replace(PRICE, **changes), SHARES)}


def fen(uses, terms=TERMS) -> list[int]:
    return [line.fen for line in charges(uses, terms)]


# --- dividing


def shares_of(points: list[int]) -> tuple[Share, ...]:
    return tuple(Share(f"{i:03}", p) for i, p in enumerate(points))


def test_every_fen_is_divided_and_each_part_is_within_one_fen_of_exact():
    rng = np.random.default_rng(20)
    for _ in range(20_000):
        points = np.diff([0, *sorted(rng.choice(np.arange(1, WHOLE), size=rng.integers(0, 8), replace=False)), WHOLE]).tolist()
        amount, shares = int(rng.integers(0, 10**12)), shares_of(points)
        parts = divide(amount, shares)
        assert sum(parts.values()) == amount
        assert all(abs(parts[s.organisation] - Fraction(amount * s.points, WHOLE)) < 1 for s in shares)


def test_the_largest_remainder_gets_the_fen_and_of_equals_the_first():
    assert divide(1001, SHARES) == {"Bureau": 334, "Hospital A": 334, "Hospital B": 333}
    assert divide(1, shares_of([5000, 5000])) == {"000": 1, "001": 0}
    assert divide(0, SHARES) == dict.fromkeys(("Bureau", "Hospital A", "Hospital B"), 0)


@pytest.mark.parametrize("shares", [(), SHARES[:2], SHARES[::-1], (SHARES[0],) * 3, (Share("A", WHOLE), Share("B", 1))])
def test_shares_that_do_not_make_a_whole_are_refused(shares):
    with pytest.raises(DecodeError):
        divide(100, shares)


def test_a_negative_charge_is_refused():
    with pytest.raises(UsageError):
        divide(-1, SHARES)


# --- prices


@given(st.sampled_from([*PUBLIC, "public-interest-research"]), st.sampled_from(["product", "call", "day", "number"]), st.integers(0, 10**6))
def test_what_serves_the_public_costs_nothing(purpose, unit, numbers):
    assert fen([use(1, purpose=purpose, numbers=numbers)], priced(unit=unit)) == [0]
    assert PRICE.costs("teaching") == 0


@pytest.mark.parametrize("changes", [{"fen": 2001}, {"not_after": 0}])
def test_a_price_above_the_standard_or_without_time_is_refused(changes):
    with pytest.raises(DecodeError):
        replace(PRICE, **changes)


def test_units():
    uses = [use(1), use(2, question="dd" * 32), use(3), use(4, at=1000 + DAY, numbers=0)]
    assert fen(uses) == [1001] * 4
    assert fen(uses, priced(unit="product")) == [1001, 1001, 0, 0]
    assert fen(uses, priced(unit="day")) == [1001, 0, 0, 1001]
    assert fen(uses, priced(unit="number")) == [7007, 7007, 7007, 0]


def test_all_charges_together_stay_below_the_ceiling_and_the_rest_is_shown():
    lines = list(charges([use(i) for i in range(5)], priced(ceiling=2500)))
    assert [(line.fen, line.uncharged) for line in lines] == [(1001, 0), (1001, 0), (498, 503), (0, 1001), (0, 1001)]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["research", "teaching", *PUBLIC])), max_size=30))
def test_no_charge_is_above_price_or_ceiling(rows):
    uses = [use(i, numbers=numbers, purpose=purpose) for i, (numbers, purpose) in enumerate(rows)]
    lines = list(charges(uses, priced(unit="number", ceiling=10**7)))
    assert sum(line.fen for line in lines) <= 10**7
    assert all(line.fen + line.uncharged == line.quantity * PRICE.costs(line.purpose) for line in lines)


@pytest.mark.parametrize("uses, error", [
    ([use(2), use(1)], UsageError),
    ([use(1, licence="ee" * 32)], UsageError),
    ([use(1, at=10**9 + 1)], IntegrityError),
])  # fmt: skip
def test_uses_out_of_order_without_price_or_out_of_its_time_are_refused(uses, error):
    with pytest.raises(error):
        list(charges(uses, TERMS))


# --- statements

KEY = SigningKey.generate("coordinator")
TRUST = Trust((KEY.public,))
USES = [use(i) for i in range(3, 20, 4)]
ROOT = bytes(32)


def stated(first=0, last=20, terms=TERMS) -> Statement:
    return settle([u for u in USES if u.entry < last], terms, origin="coordinator", first=first, last=last, root=ROOT)


def test_what_operators_owe_is_what_organisations_get():
    made = stated()
    assert made.owed == {"Ops": 5005}
    assert sum(made.due.values()) == 5005
    assert build(Statement, parse(canonical(plain(made)))) == made


def test_two_halves_make_the_whole_also_where_a_ceiling_is_reached():
    low = priced(ceiling=2500)
    assert stated(0, 9, low).lines + stated(9, 20, low).lines == stated(0, 20, low).lines


def test_a_statement_is_verified_by_computing_it_again():
    text = str(notes.write(stated()).signed_by(KEY))
    assert verify(text, TRUST, stated()) == stated()
    other = replace(
        stated(), lines=tuple(replace(x, fen=x.fen + 1, parts={**x.parts, "Bureau": x.parts["Bureau"] + 1}) for x in stated().lines)
    )
    for forged, says in [(other, "charges entry 3 otherwise"), (replace(stated(), lines=stated().lines[:2]), "other lines"),
                         (replace(stated(), root="11" * 32), "another history"), (stated(0, 24), "another range")]:  # fmt: skip
        with pytest.raises(IntegrityError, match=says):
            verify(str(notes.write(forged).signed_by(KEY)), TRUST, stated())
    with pytest.raises(IntegrityError):
        verify(str(notes.write(stated()).signed_by(SigningKey.generate("coordinator"))), TRUST, stated())


@pytest.mark.parametrize("first, last", [(-1, 25), (25, 24), (0, 19)])
def test_a_range_must_hold_its_uses(first, last):
    with pytest.raises(UsageError):
        settle(USES, TERMS, origin="coordinator", first=first, last=last, root=ROOT)


def test_parts_that_do_not_make_a_charge_up_are_no_line():
    with pytest.raises(DecodeError):
        Line(1, "aa" * 32, LICENCE, "Ops", "research", "cc" * 32, 1, 5, 0, {"Bureau": 4})


# --- contributions

GROUPS = {name: tuple(f"{name}{i}" for i in range(3)) for name in "abcd"}


def utilities(groups, rng) -> dict[frozenset[str], int]:
    return {chosen: int(rng.integers(0, 1000)) if chosen else 0 for chosen in coalitions(groups)}


def test_shapley_values_are_those_of_all_orders():
    made = utilities(GROUPS, np.random.default_rng(21))
    for got in contributions(GROUPS, made, colluding=1):
        added = [
            made[frozenset(order[: order.index(got.group) + 1])] - made[frozenset(order[: order.index(got.group)])]
            for order in permutations(GROUPS)
        ]
        assert got.shapley == Fraction(sum(added), len(added))
        assert got.left_out == made[frozenset(GROUPS)] - made[frozenset(GROUPS) - {got.group}]


@pytest.mark.parametrize("count", [2, 5, MOST_GROUPS])
def test_they_add_up_to_the_utility_of_all(count):
    groups = {f"g{i:02}": tuple(f"{i}-{j}" for j in range(3)) for i in range(count)}
    made = utilities(groups, np.random.default_rng(count))
    assert sum(c.shapley for c in contributions(groups, made, colluding=1)) == made[frozenset(groups)]


def test_a_group_of_few_holders_is_refused_unless_there_is_noise():
    single = {name: (name,) for name in "abc"}
    made = utilities(single, np.random.default_rng(22))
    with pytest.raises(DisclosureRefused) as refused:
        contributions(single, made, colluding=1)
    assert refused.value.code == "policy.contribution"
    assert len(contributions(single, made, colluding=1, noised=True)) == 3


@pytest.mark.parametrize("groups", [
    {"a": "xyz"},
    {f"g{i}": (f"{i}a", f"{i}b", f"{i}c") for i in range(MOST_GROUPS + 1)},
    {"a": "xyz", "b": "zvw"},
])  # fmt: skip
def test_groups_are_few_and_disjoint(groups):
    with pytest.raises(UsageError):
        contributions(groups, {}, colluding=1)


def test_a_missing_utility_is_named():
    made = utilities(GROUPS, np.random.default_rng(23))
    with pytest.raises(UsageError, match="a, b"):
        contributions(GROUPS, {k: v for k, v in made.items() if k != {"a", "b"}}, colluding=1)
