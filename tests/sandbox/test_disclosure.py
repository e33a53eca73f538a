"""Which totals may be opened: support, and the difference to totals that were opened before (PRIVACY 1 and 4)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import DisclosureRefused
from sandbox.analyses.contract import COHORT, Finding
from sandbox.disclosure import check_difference, check_roster, findings

NAMES = st.frozensets(st.sampled_from("abcdefgh"), min_size=3)


@pytest.mark.parametrize("colluding", [1, 2, 5])
def test_a_cell_needs_one_more_holder_than_may_collude_and_the_cohort_two(colluding):
    for holders in range(colluding + 4):
        found = findings({"cell": holders, COHORT: holders}, colluding)
        assert found == {"cell": Finding(holders, holders >= colluding + 1), COHORT: Finding(holders, holders >= colluding + 2)}


def test_the_same_set_again_tells_nothing_new():
    check_difference(frozenset("abcd"), [frozenset("abcd")], 1)
    check_difference(frozenset("abcd"), [], 1)


@pytest.mark.parametrize(
    "later, colluding",
    [("abcde", 1), ("abc", 1), ("abce", 1), ("abcdef", 1), ("ab", 1), ("abcdefg", 2), ("abcdefgh", 3), ("defg", 1), ("efgh", 1)],
)
def test_a_set_that_differs_by_too_few_or_lies_across_is_refused(later, colluding):
    with pytest.raises(DisclosureRefused) as refused:
        check_difference(frozenset(later), [frozenset("abcd")], colluding)
    assert refused.value.code == "policy.difference"
    assert str(colluding + 2) in refused.value.text("en") and str(colluding + 2) in refused.value.text("zh")


def test_a_set_within_another_that_differs_by_enough_is_not():
    check_difference(frozenset("abcdefg"), [frozenset("abcd")], 1)
    check_difference(frozenset("abcd"), [frozenset("abcdefg")], 1)
    check_difference(frozenset("abcdefg"), [frozenset("abcd"), frozenset("abcdefghij")], 1)


def test_three_sets_of_which_any_two_differ_by_enough_do_not_tell_one_holders_part():
    """With a colluding, the second and third total less the first would be f's part and twice a's."""
    first, second, third = (frozenset("abcdef") - frozenset(left_out) for left_out in ("a", "bc", "de"))
    assert all(len(x ^ y) >= 3 for x, y in ((first, second), (first, third), (second, third)))
    assert not allowed(second, first, 1)
    assert not allowed(third, first, 1)


@given(NAMES, NAMES, st.integers(1, 3))
def test_it_does_not_matter_which_set_was_first(one, other, colluding):
    assert allowed(one, other, colluding) == allowed(other, one, colluding)


@given(st.lists(NAMES, min_size=1, max_size=8), st.integers(1, 2))
def test_no_combination_of_totals_is_about_one_honest_holder(asked, colluding):
    """Of all totals that are let through, whatever was asked: what cancels all honest holders but one cancels that one too."""
    opened: list[frozenset[str]] = []
    for survivors in asked:
        if len(survivors) >= colluding + 2 and all(allowed(survivors, other, colluding) for other in opened):
            opened.append(survivors)
    totals = np.array([[name in survivors for name in "abcdefgh"] for survivors in opened], float)
    for honest in range(8 if opened else 0):
        for liars in combinations([i for i in range(8) if i != honest], colluding):
            rest = [i for i in range(8) if i != honest and i not in liars]
            alone = np.linalg.matrix_rank(totals[:, [*rest, honest]]) - np.linalg.matrix_rank(totals[:, rest])
            assert alone == 0, (opened, honest, liars)


def allowed(a, b, colluding):
    try:
        check_difference(a, [b], colluding)
    except DisclosureRefused:
        return False
    return True


def test_one_roster_for_a_snapshot_whoever_asks():
    check_roster(frozenset("abc"), [])
    check_roster(frozenset("abc"), [frozenset("abc"), frozenset("abc")])
    for other in ("ab", "abcd", "abd"):
        with pytest.raises(DisclosureRefused) as refused:
            check_roster(frozenset("abc"), [frozenset("abc"), frozenset(other)])
        assert refused.value.code == "policy.roster"
