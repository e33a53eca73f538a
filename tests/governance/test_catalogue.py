"""The catalogue: what may be registered, and that nothing else can be read from a signed entry."""

from __future__ import annotations

import bisect
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import notes
from governance.catalogue import Column, Dataset, Schema, band, category, number
from governance.encoding import build, plain
from governance.errors import DecodeError, UsageError

AGE = number("age", "20", "90", cuts=("40", "60"), unit="years")
SEX = category("sex", ("female", "male"), codes=("0", "1"))
BAND = band("age_band", "age", ("40", "60"), ("young", "middle", "old"))
SCHEMA = Schema("patient", (AGE, SEX, BAND))
ENTRY = Dataset("heart", 1, "Heart 心脏", SCHEMA, ("a", "b", "c"), 1, 1000)


def test_an_entry_comes_back_from_its_note_as_it_was():
    assert notes.write(ENTRY).document(Dataset) == ENTRY


@pytest.mark.parametrize("column, changes, says", [
    (AGE, {"low": None}, "bounds"), (AGE, {"high": None}, "bounds"), (AGE, {"outside": None}, "outside"), (AGE, {"low": "90"}, "low < high"),
    (AGE, {"levels": ("x", "y")}, "no levels"), (AGE, {"codes": ("x",)}, "no levels"), (AGE, {"of": "sex"}, "no levels"),
    (AGE, {"cuts": ("60", "40")}, "rise"), (AGE, {"cuts": ("40", "40.0")}, "rise"),
    (SEX, {"levels": ("one",), "codes": ()}, "2 to 256"), (SEX, {"levels": ("a", "a"), "codes": ()}, "distinct"),
    (SEX, {"levels": tuple(map(str, range(257))), "codes": ()}, "2 to 256"), (SEX, {"codes": ("0",)}, "one distinct code"),
    (SEX, {"codes": ("0", "0")}, "one distinct code"), (SEX, {"cuts": ("1",)}, "no bounds"), (SEX, {"low": "1"}, "no bounds"),
    (SEX, {"of": "age"}, "no bounds"),
    (BAND, {"of": None}, "a number column"), (BAND, {"cuts": ()}, "cut points"), (BAND, {"levels": ("young", "old")}, "one distinct level"),
    (BAND, {"levels": ("a", "a", "b")}, "one distinct level"), (BAND, {"low": "1"}, "no bounds"), (BAND, {"codes": ("1", "2", "3")}, "no bounds"),
    (BAND, {"cuts": ("60", "40")}, "rise"),
])  # fmt: skip
def test_a_column_that_is_not_whole_is_refused(column, changes, says):
    with pytest.raises(DecodeError, match=says):
        replace(column, **changes)


@pytest.mark.parametrize("change", [
    {"name": "a b"}, {"name": ""}, {"name": "9a"}, {"name": "a\n"}, {"name": "a" * 65}, {"grade": 0}, {"grade": 6}, {"kind": "text"},
    {"low": "1e3"}, {"low": " 1"}, {"low": "01"}, {"low": "1."}, {"low": "NaN"}, {"high": "1" * 19}, {"title": ""}, {"title": "x" * 65},
    {"unit": 3}, {"outside": "drop"}, {"added": 1},
])  # fmt: skip
def test_a_signed_column_is_read_strictly(change):
    text = notes.write(ENTRY).text
    fields = {"name": "age", "grade": 3, "kind": "number", "low": "20", "high": "90", "title": "age", "unit": "years", "outside": "clip"}
    ((name, value),) = change.items()
    as_json = f'"{value}"'.replace("\n", "\\n") if isinstance(value, str) else str(value)
    old = f'"{name}":' + (f'"{fields[name]}"' if isinstance(fields.get(name), str) else str(fields.get(name)))
    changed = text.replace(old, f'"{name}":{as_json}', 1) if name in fields else text.replace('"codes"', f'"added":{as_json},"codes"', 1)
    assert changed != text
    with pytest.raises(DecodeError, match=name):
        notes.Note(changed).document(Dataset)


@pytest.mark.parametrize("make", [
    lambda: Schema("patient", ()),
    lambda: Schema("age", (AGE,)),
    lambda: Schema("patient", (AGE, AGE)),
    lambda: Schema("patient", (BAND,)),
    lambda: Schema("patient", (SEX, replace(BAND, of="sex"))),
    lambda: replace(ENTRY, holders=("b", "a", "c")),
    lambda: replace(ENTRY, holders=("a", "a", "b")),
    lambda: replace(ENTRY, holders=("a", "b")),
    lambda: replace(ENTRY, colluding=2),
])  # fmt: skip
def test_a_schema_or_entry_that_does_not_hold_together_is_refused(make):
    with pytest.raises(DecodeError):
        make()


@pytest.mark.parametrize(
    "field, value", [("colluding", 0), ("colluding", 21), ("rows", 0), ("version", 0), ("name", "Heart"), ("name", "-h")]
)
def test_an_entrys_limits_hold_on_the_wire(field, value):
    holders = tuple(f"h{i:02}" for i in range(30))
    with pytest.raises(DecodeError, match=field):
        notes.write(replace(ENTRY, holders=holders, **{field: value})).document(Dataset)


def test_columns_are_found_by_name_and_a_wrong_name_is_answered_with_the_right_ones():
    assert SCHEMA["sex"] is SEX
    assert SCHEMA.sources == ("patient", "age", "sex")  # a band is derived, no source has it
    with pytest.raises(UsageError, match="age, sex, age_band"):
        SCHEMA["weight"]


def test_only_a_number_column_has_bounds():
    assert AGE.bounds == (20.0, 90.0)
    with pytest.raises(UsageError, match="no bounds"):
        _ = SEX.bounds
    assert (AGE.discrete, SEX.discrete, BAND.discrete) == (False, True, True)


@given(st.lists(st.integers(-50, 50), unique=True, min_size=1, max_size=6), st.floats(-60, 60))
def test_intervals_are_closed_below(cuts, value):
    cuts = sorted(cuts)
    column = band("b", "x", map(str, cuts), [f"l{i}" for i in range(len(cuts) + 1)])
    assert column.interval(value) == bisect.bisect_right(cuts, value) == sum(value >= c for c in cuts)


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "a\nb", "\x9b31m", "\u202egninnur", "a\u2066b"], ids=["escape", "line", "csi", "override", "isolate"]
)
@pytest.mark.parametrize("field", ["title", "unit", "levels"])
def test_what_a_terminal_obeys_stands_in_no_column(field, text):
    column = plain(category("sex", ("f", "m")))
    with pytest.raises(DecodeError, match=field):
        build(Column, {**column, field: (text, "m") if field == "levels" else text})
