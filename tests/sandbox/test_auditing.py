"""The audit between jobs: trackers leave nobody over without support, and honest series pass."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import inmemory
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inmemory import Run, key

from governance import catalogue, notes
from governance.catalogue import Schema
from governance.encoding import parse
from governance.errors import DisclosureRefused, KeyongError, PeerError
from sandbox import auditing, predicate
from sandbox import case as cases
from sandbox.analyses import Crosstab, Describe, LogisticRegression
from sandbox.auditing import MOST_EARLIER, PRIME
from sandbox.case import SUPPRESSED
from sandbox.messages import Earlier
from sandbox.predicate import Predicate
from sandbox.selection import cells

SCHEMA = Schema("id", (
    catalogue.number("age", "0", "100", cuts=("30", "50", "70")),
    catalogue.band("age_band", "age", ["30", "50", "70"], ["<30", "30-49", "50-69", "70+"]),
    catalogue.category("sex", ["female", "male"]), catalogue.category("ill", ["no", "yes"]),
    catalogue.category("ward", list("abcdef")),
))  # fmt: skip
DESCRIBE = Describe(("age",))
HOLDERS = 4


def where(text):
    return predicate.parse(text, SCHEMA)


def left_over(new, *earlier):
    return auditing.left_over(where(new), tuple(map(where, earlier)), SCHEMA)


def table(holder, *, alone=0):
    """Ages 20, 40, 60 and 80, both sexes, both classes and six wards, all together and twelve times over; and at the first holder persons of
    the one kind of which there are few: *alone* of them, men of 20 in ward f who are ill.
    """
    kinds = [
        k for k in itertools.product((20, 40, 60, 80), ("female", "male"), ("no", "yes"), "abcdef") if k != (20, "male", "yes", "f")
    ] * 12
    kinds += [(20, "male", "yes", "f")] * (alone if holder == "a" else 0)
    ages, sexes, ill, wards = zip(*kinds, strict=True)
    bands = ["<30" if a < 30 else "30-49" if a < 50 else "50-69" if a < 70 else "70+" for a in ages]
    return inmemory.table(SCHEMA, {"age": ages, "age_band": bands, "sex": sexes, "ill": ill, "ward": wards})


TABLES = {name: table(name, alone=3) for name in "abcd"}
THE_FEW = "age < 30 and sex == 'male' and ill == 'yes' and ward == 'f'"


def released(new, *earlier, analysis=DESCRIBE, tables=TABLES):
    """The outcome of a job over condition *new* after answers about *earlier* ones."""
    of = cases.read(*inmemory.texts(SCHEMA, analysis, "abcd", where=new), earlier)
    return inmemory.pooled(of, list(tables.values()))["outcome"]


def refused(*conditions, **more):
    outcome = released(*conditions, **more)
    return outcome.get("failed") == SUPPRESSED


# --- trackers


ILL = "ill == 'yes'"
TRACKERS = {
    "a disease, then without one person": ["ill == 'yes' and sex == 'male' and age < 30 and ward != 'f'", "ill == 'yes' and sex == 'male' and age < 30"],
    "the other way round": ["ill == 'yes' and sex == 'male' and age < 30", "ill == 'yes' and sex == 'male' and age < 30 and ward != 'f'"],
    "spelled by a band": ["ill == 'yes' and sex == 'male' and age < 30", "ill == 'yes' and sex == 'male' and age_band == '<30' and ward in ('a', 'b', 'c', 'd', 'e')"],
    "sex by age": [
        "ill == 'yes' and ward == 'f'", "ill == 'yes' and ward == 'f' and sex == 'female'", "ill == 'yes' and ward == 'f' and sex == 'male' and age >= 30",
    ],
    "sex by age, overlapping": [
        "ill == 'yes' and ward == 'f'", "ill == 'yes' and ward == 'f' and age >= 30", "ill == 'yes' and ward == 'f' and age < 30 and sex == 'female'",
    ],
    "four answers and one block": [
        "ill == 'yes' and sex == 'male' and ward == 'f'", "ill == 'yes' and sex == 'male' and ward == 'f' and age >= 70",
        "ill == 'yes' and sex == 'male' and ward == 'f' and age_band == '50-69'", "ill == 'yes' and sex == 'male' and ward == 'f' and age_band == '30-49'",
    ],
    "levels that overlap": [
        "age < 30 and sex == 'male' and ill == 'yes' and ward in ('e', 'f')", "age < 30 and sex == 'male' and ill == 'yes' and ward in ('d', 'e')",
        "age < 30 and sex == 'male' and ill == 'yes' and ward == 'd'",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TRACKERS)
def test_the_last_answer_that_would_leave_a_few_over_is_suppressed(name):
    *earlier, last = TRACKERS[name]
    assert not any(refused(new, *earlier[:i]) for i, new in enumerate(earlier))
    assert refused(last, *earlier)
    assert not refused(last)


@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.parametrize("alone", [0, 1, 9])
def test_the_suppression_says_nothing_of_whether_the_person_is_there(name, alone):
    *earlier, last = TRACKERS[name]
    assert refused(last, *earlier, tables={n: table(n, alone=alone) for n in "abcd"})


def test_what_is_left_over_with_support_is_opened():
    *earlier, last = TRACKERS["a disease, then without one person"]
    many = {n: inmemory.table(SCHEMA, {"age": [20] * 40, "age_band": ["<30"] * 40, "sex": ["male"] * 40, "ill": ["yes"] * 40, "ward": list("af") * 20})
            for n in "abcd"}  # fmt: skip
    assert released(last, *earlier, tables=many)["columns"][0]["n"] == 160
    short = {**many, "b": many["b"].slice(0, 19), "c": many["c"].slice(0, 19), "d": many["d"].slice(0, 19)}  # nine of ward f each
    assert refused(last, *earlier, tables=short)


@pytest.mark.parametrize(
    "analysis", [Crosstab("sex"), Crosstab("age_band", "sex"), LogisticRegression("ill", ("age",)), DESCRIBE], ids=lambda a: a.name
)
def test_every_method_is_held_against_earlier_ones(analysis):
    assert refused("ward == 'f'", "ward == 'f' and age >= 30", "ward == 'f' and age < 30 and ill == 'no'",
                   "ward == 'f' and age < 30 and ill == 'yes' and sex == 'female'", analysis=analysis)  # fmt: skip


# --- honest work


SERIES = {
    "the demo": [("", DESCRIBE), ("", LogisticRegression("ill", ("age", "sex"))), ("", Crosstab("age_band", "sex")), ("", DESCRIBE)],
    "a table, then regressions": [
        ("", Crosstab("age_band", "sex")), ("", LogisticRegression("ill", ("age",))), ("", LogisticRegression("ill", ("sex",))),
        ("", LogisticRegression("ill", ("age", "sex"))),
    ],
    "the same again": [(ILL, DESCRIBE), (ILL, DESCRIBE), ("ill != 'no'", Crosstab("sex"))],
    "subgroups": [
        ("", DESCRIBE), ("sex == 'male'", DESCRIBE), ("age >= 50", DESCRIBE), ("age >= 50 and sex == 'male'", DESCRIBE),
        ("ward in ('a', 'b')", DESCRIBE), (ILL, Crosstab("age_band", "sex")),
    ],
    "one ward after another": [(f"ward == '{w}'", DESCRIBE) for w in "abcdef"],
}  # fmt: skip


@pytest.mark.parametrize("name", SERIES)
def test_an_honest_series_passes(name):
    asked = []
    for text, analysis in SERIES[name]:
        assert "failed" not in released(text, *asked, analysis=analysis), (text, asked)
        asked.append(text)


@pytest.mark.parametrize(
    "spelling", ["ill == 'yes'", "ill != 'no'", "ill in ('yes')", "ill == 'yes' and ill != 'no'", "age >= 30 and ill == 'yes' and age < 30"]
)
def test_the_same_cohort_in_other_words_asks_for_nothing_more(spelling):
    assert left_over(spelling, ILL) == () or "age" in spelling


def test_what_follows_from_earlier_answers_tells_nothing_new():
    assert left_over("ill == 'yes' and sex == 'male'", "sex == 'male'", "sex == 'male' and ill == 'no'") != ()  # who has no class is left
    assert left_over("age < 50", "age < 30", "age >= 30 and age < 50") == ()
    assert left_over("ward in ('a', 'b')", "ward == 'a'", "ward == 'b'") == ()
    assert len(left_over("sex == 'female'", "")) == 1


@pytest.mark.parametrize("alone", [0, 1, 9])
@pytest.mark.parametrize("order", list(itertools.permutations(["", "sex == 'male'", "sex == 'female'"])), ids=str)
def test_everybody_less_men_and_women_are_not_those_whose_sex_is_missing(order, alone):
    """Whether one is there or not: nothing is opened that would tell of whom no sex is recorded."""

    def made(n):
        sexes = ["male"] * 30 + ["female"] * 30 + [None] * (alone if n == "a" else 0)
        size = len(sexes)
        return inmemory.table(
            SCHEMA, {"age": [40] * size, "age_band": ["30-49"] * size, "sex": sexes, "ill": ["yes"] * size, "ward": ["a"] * size}
        )

    tables = {n: made(n) for n in "abcd"}
    assert [refused(new, *order[:i], tables=tables) for i, new in enumerate(order)] == [False, False, True]


# --- those who contribute


VIRAL = Schema("id", (catalogue.number("viral", "0", "1000000"), catalogue.category("sex", ["female", "male"]),
                      catalogue.category("ill", ["no", "yes"]), catalogue.category("ward", list("abcdef"))))  # fmt: skip


def outcomes(tables, analysis, *conditions):
    """Of one job after another."""
    found = []
    for i, text in enumerate(conditions):
        of = cases.read(*inmemory.texts(VIRAL, analysis, "abcd", where=text), conditions[:i])
        found.append(inmemory.pooled(of, list(tables.values())))
    return found


@pytest.mark.parametrize("alone", [0, 1, 9])
def test_who_is_left_over_and_has_a_value_needs_support(alone):
    """Ward f has twenty patients at each holder, of whom few have a value: the second answer, less the first, would be theirs."""
    tables = {n: inmemory.table(VIRAL, {"viral": [100.0] * 40 + [999.0] * (n_alone := alone if n == "a" else 0) + [None] * (20 - n_alone),
                                        "sex": ["male"] * 60, "ill": ["yes"] * 60, "ward": ["a"] * 40 + ["f"] * 20}) for n in "abcd"}  # fmt: skip
    for conditions in ((ILL, "ill == 'yes' and ward != 'f'"), ("ill == 'yes' and ward != 'f'", ILL)):
        first, second = outcomes(tables, Describe(("viral",)), *conditions)
        assert first["outcome"]["columns"][0]["n"] == (160 + (alone if conditions[0] == ILL else 0))
        assert second["outcome"]["columns"][0]["n"] is None


@pytest.mark.parametrize("alone", [0, 1, 9])
@pytest.mark.parametrize("analysis", [Crosstab("sex"), Crosstab("ward", "sex"), LogisticRegression("ill", ("sex",))], ids=repr)
def test_a_cell_less_the_same_cell_of_an_earlier_table_is_not_of_a_few(analysis, alone):
    """Ward f has a few women: neither two tables nor two regressions tell how many."""
    women = {n: alone if n == "a" else 0 for n in "abcd"}
    tables = {n: inmemory.table(VIRAL, {"viral": [1.0] * 280, "sex": ["male"] * 80 + ["female"] * 80 + ["female"] * few + ["male"] * (120 - few),
                                        "ill": ["no", "yes"] * 140, "ward": ["a"] * 160 + ["f"] * 120}) for n, few in women.items()}  # fmt: skip
    first, second = outcomes(tables, analysis, "", "ward != 'f'")
    assert "failed" not in first["outcome"] or analysis.name == "logistic_regression"
    if analysis == Crosstab("sex"):
        assert second["suppressed"] == ["sex=female"]
    elif analysis.name == "crosstab":  # in the cells of ward a nobody is left over, and the catalogue says so
        assert not {"ward=a & sex=female", "ward=a & sex=male"} & set(second["suppressed"])
    else:
        assert "failed" in second["outcome"]


# --- what is found, against a plain search


texts = st.lists(st.sampled_from(["age < 30", "age >= 50", "age < 70", "sex == 'male'", "sex == 'female'", ILL, "ill == 'no'", "ward == 'a'",
                                  "ward != 'a'", "ward in ('a', 'b')"]), max_size=3).map(" and ".join)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(texts, st.lists(texts, max_size=5))
def test_every_sum_and_difference_of_three_answers_and_every_block_is_found(new, earlier):
    """With fractions over all atoms of the catalogue: what a combination leaves over holds a set that is asked for, or the new cohort."""
    atoms = list(itertools.product(range(-1, 4), range(-1, 2), range(-1, 2), range(-1, 6)))  # of a column, first those who have no value
    names = ("age", "sex", "ill", "ward")

    def row(text):
        found = cells(SCHEMA, where(text))
        return [int(all(cell in found.get(name, {cell}) for name, cell in zip(names, atom, strict=True))) for atom in atoms]

    rows = np.array([row(t) for t in (new, *earlier)])
    asked = [set(np.flatnonzero([sum(c * int(b) for c, b in zip(found, atom, strict=True)) % PRIME for atom in rows.T]))
             for found in left_over(new, *earlier)] + [set(np.flatnonzero(rows[0]))]  # fmt: skip
    old = [list(map(Fraction, map(int, r))) for r in rows[1:]]
    if rank([*old, list(map(Fraction, map(int, rows[0])))]) == rank(old):
        assert left_over(new, *earlier) == ()
        return
    for signs in itertools.product((-1, 0, 1), repeat=len(earlier)):
        if sum(map(abs, signs)) <= 2:
            left = set(np.flatnonzero(rows[0] + sum((s * r for s, r in zip(signs, rows[1:], strict=True)), np.zeros(len(atoms), int))))
            assert not left or any(a and a <= left for a in asked) or not rows[0].any()
    blocks = {tuple(atom): set(np.flatnonzero((atom == rows.T).all(axis=1))) for atom in rows.T if atom.any()}
    for block in blocks.values():
        unit = [Fraction(int(i in block)) for i in range(len(atoms))]
        all_rows = [*old, list(map(Fraction, map(int, rows[0])))]
        if rank([*all_rows, unit]) == rank(all_rows) and rank([*old, unit]) > rank(old):
            assert any(a == block for a in asked)


def rank(rows):
    rows, found = [list(r) for r in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        at = next((r for r in range(found, len(rows)) if rows[r][column]), None)
        if at is None:
            continue
        rows[found], rows[at] = rows[at], rows[found]
        for other in range(found + 1, len(rows)):
            factor = rows[other][column] / rows[found][column]
            if factor:
                rows[other] = [x - factor * y for x, y in zip(rows[other], rows[found], strict=True)]
        found += 1
    return found


def test_too_many_conditions_are_refused_before_anything_is_summed():
    wards = [", ".join(map(repr, some)) for n in range(1, 7) for some in itertools.combinations("abcdef", n)]
    many = [f"age >= {age} and ward in ({some})" for age in (30, 50, 70) for some in wards]
    with pytest.raises(DisclosureRefused) as refusal:
        left_over("sex == 'male'", *many[: MOST_EARLIER + 1])
    assert refusal.value.code == "policy.conditions"


def test_a_long_list_is_refused_before_the_long_work(monkeypatch):
    """Any holder may name 128 conditions: they are counted before they are solved, and a refusal is remembered."""

    def solved(blocks):
        raise AssertionError("the whole system was solved")

    monkeypatch.setattr(auditing, "_reduced", solved)
    rng = np.random.default_rng(7)
    picked = [[level for level in "abcdef" if rng.random() < 0.5] or ["a"] for _ in range(MOST_EARLIER)]
    ages = ["30", "50", "70"]
    many = tuple(
        f"age >= {ages[i % 3]} and ward in ({', '.join(map(repr, p))}) and sex == '{('male', 'female')[i % 2]}'"
        for i, p in enumerate(picked)
    )
    many = tuple(dict.fromkeys(many))
    for _ in range(2):
        with pytest.raises(DisclosureRefused, match="conditions"):
            left_over("ill == 'yes'", *many)


def test_many_groups_and_then_everybody_is_no_long_list():
    schema = Schema("id", (catalogue.category("code", [f"c{i}" for i in range(40)]),))
    earlier = tuple(predicate.parse(f"code == 'c{i}'", schema) for i in range(40))
    assert len(auditing.left_over(Predicate(), earlier, schema)) == 1  # who has no code


def test_cells_and_sets_are_bounded_together():
    codes = [catalogue.category(name, [f"{name}{i}" for i in range(32)]) for name in ("first", "second")]
    schema = Schema("id", (*codes, catalogue.category("ward", list("abcdef"))))
    of = inmemory.texts(schema, Crosstab("first", "second"), "abcd", where="")
    earlier = tuple(f"ward != '{w}'" for w in "abcde")
    assert len(cases.read(*of, earlier[:1]).within()) == 1024
    with pytest.raises(DisclosureRefused):
        cases.read(*of, earlier).within()


# --- at the nodes


LAST, WHOLE = "ill == 'yes' and ward != 'f'", "ill == 'yes'"
FEW = {n: inmemory.table(SCHEMA, {"age": [40] * 43, "age_band": ["30-49"] * 43, "sex": ["male"] * 43, "ill": ["yes"] * 43,
                                  "ward": ["a"] * 40 + ["f"] * (3 if n == "a" else 0) + ["b"] * (0 if n == "a" else 3)}) for n in "abcd"}  # fmt: skip
ENTRY = inmemory.texts(SCHEMA, DESCRIBE, "abcd", where=LAST)


def run(**remembered):
    return Run(FEW, of=ENTRY, journal=True, earlier=remembered)


def test_the_tracker_is_suppressed_in_the_secure_sum_whoever_of_the_nodes_remembers_the_first_answer():
    for remembered in ({"c": (WHOLE,)}, {n: (WHOLE,) for n in "abcd"}, {"a": ("age >= 70",), "b": ("ill != 'no'",)}):
        result = parse(run(**remembered).finish().result)
        assert result["outcome"] == {"failed": SUPPRESSED}
    opened = parse(run(a=("age >= 70",)).finish().result)
    assert opened["outcome"]["columns"][0]["n"] == 169


def test_a_node_that_remembers_no_answer_hears_of_it_from_the_others():
    following = run(c=(WHOLE,)).to("spent")
    relay = following.close()
    assert {following.received(n, relay)[0].plan.earlier for n in "abcd"} == {(WHOLE,)}


@pytest.mark.parametrize("lie", ["left out", "of another job", "of another holder", "unsigned", "twice", "no condition", "not readable"])
def test_nobody_can_hide_what_was_answered_before(lie):
    """The coordinator cannot leave a holder's word out or put another in its place; a holder cannot hide what another remembers."""
    following = run(c=(WHOLE,)).to("spent")
    relay = following.close()
    document = notes.read(relay.payloads["c"][0]).document(Earlier)
    made = {
        "left out": (), "of another job": (replace(document, job="0" * 64),), "of another holder": (replace(document, holder="b"),),
        "unsigned": (document,), "twice": (document, document), "no condition": (replace(document, conditions=("x == 'y'",)),), "not readable": (),
    }[lie]  # fmt: skip
    parts = tuple(str(notes.write(d).signed_by(key("d" if lie == "unsigned" else "c"))).encode() for d in made)
    changed = replace(relay, payloads={**relay.payloads, "c": (b"x",) if lie == "not readable" else parts})
    if lie == "no condition":  # what the catalogue does not know was answered of rows that were registered otherwise
        assert following.received("a", changed)[0].plan.earlier == ()
        return
    with pytest.raises(KeyongError):
        following.received("a", changed)


def test_two_lists_do_not_make_one_sum():
    """A holder that tells some of the others another list: their masks are of other rounds, and nothing opens."""
    following = run(c=(WHOLE,)).to("spent")
    relay = following.close()
    document = replace(notes.read(relay.payloads["c"][0]).document(Earlier), conditions=("ward == 'a'",))
    other = replace(relay, payloads={**relay.payloads, "c": (str(notes.write(document).signed_by(key("c"))).encode(),)})
    for name in "abcd":
        following.deliver(name, other if name == "b" else relay)
    shown = following.close()
    with pytest.raises(PeerError, match="round or state"):
        following.received("a", shown)


def test_a_board_takes_no_word_about_another_job():
    following = run().to("spent")
    post = following.posts["c"]
    for changes in ({"job": "0" * 64}, {"holder": "b"}):
        said = notes.write(replace(notes.read(post.payloads[0]).document(Earlier), **changes)).signed_by(key("c"))
        with pytest.raises(PeerError):
            following.board.check(replace(post, payloads=(str(said).encode(),)))
    with pytest.raises(KeyongError):
        following.board.check(replace(post, payloads=()))
