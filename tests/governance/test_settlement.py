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
from governance.prices import FIXED, Price, Use, divide
from governance.rights import PUBLIC, WHOLE
from governance.settlement import DAY, Line, Statement, Terms, charges, quote, settle, verify

PRICE = Price("heart", 1, "call", 1001, 2000, 10**6, ("teaching",), 0, 10**9)
SPLIT = {"Bureau": 3333, "Hospital A": 3334, "Hospital B": 3333}
LICENCE, QUESTION = "aa" * 32, "bb" * 32
TERMS = {LICENCE: Terms("cc" * 32, PRICE, SPLIT, LICENCE)}


def use(entry: int, **changes) -> Use:
    plainly = {"at": 1000, "job": f"{entry:064x}", "licence": LICENCE, "operator": "Ops", "purpose": "research", "question": QUESTION,
               "numbers": 7}  # fmt: skip
    return Use(entry, **{**plainly, **changes})


def priced(**changes) -> dict[str, Terms]:
    return {LICENCE: Terms("cc" * 32, replace(PRICE, **changes), SPLIT, LICENCE)}


def fen(uses, terms=TERMS) -> list[int]:
    return [line.fen for line in charges(uses, terms)]


# --- dividing


def split_of(points: list[int]) -> dict[str, int]:
    return {f"{i:03}": p for i, p in enumerate(points)}


def test_every_fen_is_divided_and_each_part_is_within_one_fen_of_exact():
    """200,000 random charges and splits among one to eight organisations."""
    rng = np.random.default_rng(20)
    cuts = np.sort(rng.integers(0, WHOLE + 1, size=(200_000, 7)), axis=1)
    sizes, amounts = rng.integers(0, 8, size=200_000), rng.integers(0, 10**12, size=200_000)
    for row, size, amount in zip(cuts, sizes.tolist(), amounts.tolist(), strict=True):
        points = np.diff(row[:size], prepend=0, append=WHOLE).tolist()
        parts = list(divide(amount, split_of(points)).values())
        assert sum(parts) == amount
        assert all(abs(part * WHOLE - amount * p) < WHOLE for part, p in zip(parts, points, strict=True))


def test_the_largest_remainder_gets_the_fen_and_of_equals_the_first():
    assert divide(1001, SPLIT) == {"Bureau": 334, "Hospital A": 334, "Hospital B": 333}
    assert divide(1, split_of([5000, 5000])) == {"000": 1, "001": 0}
    assert divide(0, SPLIT) == dict.fromkeys(("Bureau", "Hospital A", "Hospital B"), 0)


@pytest.mark.parametrize(
    "split", [{}, {"A": 9999}, {"A": WHOLE, "B": 1}, {"A": WHOLE + 1, "B": -1}], ids=["none", "less", "more", "negative"]
)
def test_a_split_that_does_not_make_a_whole_is_refused(split):
    with pytest.raises(DecodeError):
        divide(100, split)


def test_a_negative_charge_is_refused():
    with pytest.raises(UsageError):
        divide(-1, SPLIT)


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
    assert fen(uses, priced(unit="licence")) == [1001, 0, 0, 0]
    assert [unit for unit in ("licence", "product", "call", "day", "number") if replace(PRICE, unit=unit).mode == "fixed"] == list(FIXED)


def test_a_licence_is_paid_for_once_by_whomever_it_was_handed_on_to():
    below = "dd" * 32
    terms = {name: Terms("cc" * 32, replace(PRICE, unit="licence"), SPLIT, LICENCE) for name in (LICENCE, below)}
    other = {**terms, "ee" * 32: Terms("cc" * 32, replace(PRICE, unit="licence"), SPLIT, "ee" * 32)}
    assert fen([use(1, licence=below), use(2), use(3, licence=below), use(4, licence="ee" * 32)], other) == [1001, 0, 0, 1001]


@pytest.mark.parametrize("unit", ["licence", "product", "day"])
@pytest.mark.parametrize("purpose", ["public-interest", "teaching"])
def test_what_cost_nothing_pays_for_nothing_that_comes_after_it(unit, purpose):
    uses = [use(1, purpose=purpose), use(2), use(3, purpose=purpose), use(4)]
    assert fen(uses, priced(unit=unit)) == [0, 1001, 0, 0]


@given(
    st.lists(
        st.tuples(st.sampled_from(["research", "teaching", *PUBLIC]), st.integers(0, 9), st.sampled_from("ab")), min_size=1, max_size=20
    ),
    st.sampled_from(["licence", "product", "call", "day", "number"]),
    st.integers(0, 5000),
)
def test_a_quote_is_what_is_charged_afterwards(rows, unit, ceiling):
    terms = priced(unit=unit, ceiling=ceiling)
    uses = [use(i, purpose=p, numbers=n, question=q * 64, at=1000 + i * DAY // 3) for i, (p, n, q) in enumerate(rows)]
    lines = list(charges(uses, terms))
    for i, line in enumerate(lines):
        asked = quote(uses[:i], terms, uses[i])
        assert (asked.quantity, asked.fen, asked.uncharged, asked.parts) == (line.quantity, line.fen, line.uncharged, line.parts)
        assert asked.left == ceiling - sum(x.fen for x in lines[:i]) >= line.fen
        assert asked.each * asked.quantity == asked.fen + asked.uncharged


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
])  # fmt: skip
def test_uses_out_of_order_or_without_price_are_refused(uses, error):
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
    accounts: dict[str, int] = {}
    for posting in made.postings:
        assert posting.debit > 0 == posting.credit or posting.credit > 0 == posting.debit
        accounts[posting.account] = accounts.get(posting.account, 0) + posting.debit - posting.credit
    assert sum(accounts.values()) == 0
    assert accounts == {**made.owed, **{name: -fen for name, fen in made.due.items()}}
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
