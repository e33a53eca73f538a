"""The algebra of rights: its four laws, that a meet is a greatest lower bound, and that a link allows nothing that one above it does not."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import permutations

import numpy as np
import pytest

from governance.encoding import build, plain
from governance.errors import DecodeError, LicenceRefused
from governance.keys import SigningKey
from governance.licences import Granted, Licence, Request, covers
from governance.rights import FIXED, LAWS, REQUIRED, Rights, check_usable, is_public, meet, within

TRIPLES = 8_000  # a tenth of a million in all under `soak`
DIGESTS = ("a" * 64, "b" * 64)
FULL = Rights({"heart": ("age", "sex")}, 3, ("audit", "research"), ("describe@1",), ("exact",), ("a", "b", "c"), {"CN": ""}, 10, 10**5, 10**6,
              50, 9, 100, 200, 0, {"City": 4000, "Hospitals": 6000}, DIGESTS[0], DIGESTS[1])  # fmt: skip


def subset(rng, words):
    """A random subset, in order; None, which says nothing, three times in ten."""
    return None if rng.random() < 0.3 else tuple(w for w in words if rng.random() < 0.7)


def whole(rng, low, high):
    return None if rng.random() < 0.3 else int(rng.integers(low, high))


def pick(rng, values):
    return None if rng.random() < 0.3 else values[int(rng.integers(len(values)))]


def rights(rng):
    tables, regions = subset(rng, ("heart", "lung")), subset(rng, ("CN", "HK", "SG"))
    return Rights(
        None if tables is None else {t: subset(rng, ("age", "bmi", "sex")) or () for t in tables}, whole(rng, 1, 6),
        subset(rng, ("audit", "research")), subset(rng, ("crosstab@1", "describe@1")), subset(rng, ("dp", "exact")), subset(rng, "abcd"),
        None if regions is None else {r: ("", *DIGESTS)[int(rng.integers(3))] for r in regions}, whole(rng, 3, 8), whole(rng, 0, 5),
        whole(rng, 0, 5), whole(rng, 1, 5), whole(rng, 1, 5), whole(rng, 0, 5), whole(rng, 0, 5), whole(rng, 0, 4),
        pick(rng, ({"x": 10_000}, {"x": 1, "y": 9_999})), pick(rng, DIGESTS), pick(rng, DIGESTS),
    )  # fmt: skip


def triples(count, seed):
    rng = np.random.default_rng(seed)
    return ((rights(rng), rights(rng), rights(rng)) for _ in range(count))


def hold_the_laws(count, seed):
    for a, b, c in triples(count, seed):
        ab = meet(a, b)
        assert ab == meet(b, a)
        assert meet(ab, c) == meet(a, meet(b, c))
        assert meet(a, a) == a
        assert within(ab, a) and within(ab, b)
        assert within(c, ab) is (within(c, a) and within(c, b))  # the greatest lower bound, so that no more is taken than must be


def test_the_meet_is_associative_commutative_idempotent_and_the_greatest_lower_bound():
    hold_the_laws(TRIPLES, 0)


@pytest.mark.soak
def test_the_laws_hold_for_a_hundred_thousand_triples():
    hold_the_laws(100_000 - TRIPLES, 1)


def test_what_says_nothing_narrows_nothing():
    assert meet(Rights(), FULL) == meet(FULL, Rights()) == FULL
    assert all(getattr(Rights(), field.name) is None for field in fields(Rights))


@pytest.mark.parametrize("name, a, b, both", [
    ("datasets", {"h": ("x", "y"), "l": ("z",)}, {"h": ("w", "x")}, {"h": ("x",)}), ("grade", 2, 4, 2), ("purposes", ("a", "b"), ("b", "c"), ("b",)),
    ("methods", ("describe@1",), ("describe@2",), ()), ("outputs", ("dp", "exact"), ("dp",), ("dp",)), ("holders", ("a", "b"), ("b",), ("b",)),
    ("regions", {"CN": "", "SG": DIGESTS[0]}, {"SG": DIGESTS[0]}, {"SG": DIGESTS[0]}), ("regions", {"SG": DIGESTS[0]}, {"SG": DIGESTS[1]}, {"SG": ""}),
    ("min_cell", 10, 20, 20), ("epsilon_job", 5, 4, 4), ("epsilon_year", 5, 4, 4), ("releases", 5, 4, 4), ("use_count", 5, 4, 4),
    ("not_before", 5, 4, 5), ("not_after", 5, 4, 4), ("approvals", 1, 2, 2), ("split", {"x": 10_000}, {"y": 10_000}, {}),
    ("price", DIGESTS[0], DIGESTS[0], DIGESTS[0]), ("plan", *DIGESTS, ""),
])  # fmt: skip
def test_each_field_has_its_law(name, a, b, both):
    assert getattr(meet(Rights(**{name: a}), Rights(**{name: b})), name) == both


def test_every_field_has_a_law_and_every_law_a_field():
    assert LAWS.keys() == {field.name for field in fields(Rights)}
    assert {"split", "price", "plan"} == FIXED


# --- what an empty or open field means


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_field_that_a_licence_must_have_is_named_where_it_lacks(name):
    check_usable(FULL)
    with pytest.raises(LicenceRefused) as refused:
        check_usable(replace(FULL, **{name: None}))
    assert (refused.value.code, refused.value.facts) == ("licence.empty", {"field": name})


@pytest.mark.parametrize("name", ["datasets", "purposes", "methods", "outputs", "holders", "regions"])
def test_a_set_of_which_nothing_is_left_is_named(name):
    other = {"datasets": {"lung": ("age",)}, "methods": ("crosstab@1",), "outputs": ("dp",), "regions": {"SG": ""}}.get(name, ("other",))
    with pytest.raises(LicenceRefused) as refused:
        check_usable(meet(FULL, Rights(**{name: other})))
    assert (refused.value.code, refused.value.facts) == ("licence.empty", {"field": name})


@pytest.mark.parametrize("name, other", [("split", {"Somebody": 10_000}), ("price", "c" * 64), ("plan", "c" * 64)])
def test_what_is_fixed_cannot_be_changed_below(name, other):
    with pytest.raises(LicenceRefused) as refused:
        check_usable(meet(FULL, Rights(**{name: other})))
    assert (refused.value.code, refused.value.facts) == ("licence.conflict", {"field": name})


def test_the_first_field_is_named_whatever_the_order_of_the_links():
    links = FULL, Rights(plan="c" * 64), Rights(holders=("z",)), Rights(price="c" * 64)
    named = set()
    for a, b, c, d in permutations(links):
        with pytest.raises(LicenceRefused) as refused:
            check_usable(meet(meet(a, b), meet(c, d)))
        named.add((refused.value.code, refused.value.facts["field"]))
    assert named == {("licence.empty", "holders")}


# --- monotone: whatever a child allows, its parent allows


OPERATOR = str(SigningKey.generate("operator").public)
ALL = ("a", "b", "c", "d")
ROOT = Rights({"heart": ("age", "bmi", "sex"), "lung": ("age", "bmi", "sex")}, 5, ("audit", "research"), ("crosstab@1", "describe@1"),
              ("dp", "exact"), ALL, {"CN": "", "HK": DIGESTS[0], "SG": DIGESTS[0]}, 3, use_count=9, not_before=0, not_after=9, plan=DIGESTS[0])  # fmt: skip


def asked(rng):
    one = lambda words: words[int(rng.integers(len(words)))]  # noqa: E731
    columns = {name: int(rng.integers(1, 4)) for name in ("age", "bmi", "sex") if rng.random() < 0.4}
    holders = tuple(h for h in ALL if rng.random() < 0.3)
    return Request(OPERATOR, one(("heart", "lung")), columns, one(("audit", "research")), one(("crosstab@1", "describe@1")), 0, holders,
                   one(("dp", "exact")), int(rng.integers(4)), one(("CN", "SG")))  # fmt: skip


def allowed(allow, request):
    """With the min_cell that is the licence's, as a job must ask."""
    try:
        covers(Granted(("",), (Licence("", (OPERATOR,), 1, allow),), allow), replace(request, min_cell=allow.min_cell))
    except LicenceRefused:
        return False
    return True


def test_a_child_allows_nothing_that_its_parent_does_not():
    rng, found = np.random.default_rng(2), [0, 0]
    for a, b, _ in triples(3_000, 3):
        parent = meet(ROOT, a)
        child = meet(parent, b)
        assert child.min_cell >= parent.min_cell
        for one in (asked(rng) for _ in range(4)):
            if allowed(child, one):
                found[0] += 1
                assert allowed(parent, one)
            found[1] += allowed(parent, one)
    assert 100 < found[0] < found[1]


# --- as documents


def test_rights_are_read_as_they_are_written():
    assert build(Rights, plain(FULL)) == FULL
    assert build(Rights, plain(Rights())) == Rights()


@pytest.mark.parametrize("changes, says", [
    ({"purposes": ("research", "audit")}, "sorted"), ({"holders": ("a", "a")}, "distinct"), ({"datasets": {"heart": ("sex", "age")}}, "sorted"),
    ({"split": {"x": 9_999}}, "10000 basis points"), ({"split": {"x": -1, "y": 10_001}}, "split"), ({"regions": {"cn": ""}}, "regions"), ({"regions": {"CN": "x"}}, "regions"),
    ({"outputs": ("raw",)}, "outputs"), ({"grade": 6}, "grade"), ({"grade": True}, "another type"), ({"min_cell": 2}, "min_cell"), ({"use_count": 0}, "use_count"),
    ({"epsilon_job": -1}, "epsilon_job"), ({"epsilon_year": 0.5}, "epsilon_year"), ({"plan": ""}, "plan"), ({"more": 1}, "more"),
])  # fmt: skip
def test_nothing_else_can_be_written(changes, says):
    with pytest.raises(DecodeError, match=says):
        build(Rights, {**plain(FULL), **changes})


def test_public_purposes_are_known_by_their_code():
    assert [is_public(p) for p in ("public-interest", "public-governance-floods", "public-interests", "research")] == [
        True,
        True,
        False,
        False,
    ]
