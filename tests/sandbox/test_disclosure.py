"""Which totals may be opened: support, and the difference to totals that were opened before (PRIVACY 1 and 4)."""

from __future__ import annotations

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
    "later, colluding", [("abcde", 1), ("abc", 1), ("abce", 1), ("abcdef", 1), ("ab", 1), ("abcdefg", 2), ("abcdefgh", 3)]
)
def test_a_set_that_differs_by_too_few_is_refused(later, colluding):
    with pytest.raises(DisclosureRefused) as refused:
        check_difference(frozenset(later), [frozenset("abcd")], colluding)
    assert refused.value.code == "policy.difference"
    assert str(colluding + 2) in refused.value.text("en") and str(colluding + 2) in refused.value.text("zh")


def test_a_set_that_differs_by_enough_is_not():
    check_difference(frozenset("abcdefg"), [frozenset("abcd")], 1)
    check_difference(frozenset("defg"), [frozenset("abcd")], 1)


@given(NAMES, st.lists(NAMES, max_size=5), st.integers(1, 3))
def test_every_earlier_set_counts_and_both_ways(survivors, earlier, colluding):
    refused = any(0 < len(survivors ^ other) < colluding + 2 for other in earlier)
    for sets in (earlier, earlier[::-1], [*earlier, survivors]):
        if refused:
            with pytest.raises(DisclosureRefused):
                check_difference(survivors, sets, colluding)
        else:
            check_difference(survivors, sets, colluding)
    for other in earlier:
        assert allowed(survivors, other, colluding) == allowed(other, survivors, colluding)


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
