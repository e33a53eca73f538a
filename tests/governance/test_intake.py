"""Catalogues that come back: what was exported is read again as drafts, and each wrong line is named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registered import HOLDER, MANIFEST, TRUST, step

from governance import registration
from governance.errors import UsageError
from governance.views import dcat, intake
from governance.views.intake import Draft, from_csv, from_dcat


def asset(name="heart-2024", **changes):
    """A registered asset's verified chain."""
    manifest = replace(MANIFEST, **changes)
    return registration.opened(step(step(None, "apply", HOLDER, manifest=manifest, called=name), "register", called=name), TRUST)


def csv_of(*assets):
    return dcat.as_csv(assets).encode()


def dcat_of(*assets):
    return json.dumps(dcat.as_dcat(assets, publisher="city"), indent=2, ensure_ascii=False).encode()


READERS = pytest.mark.parametrize(("write", "read"), [(csv_of, from_csv), (dcat_of, from_dcat)], ids=["csv", "dcat"])
HEART = Draft("heart-2024", "Heart patients", "health", "Medical records office", ("hold", "process"), ("Regulation 26, article 8",),
              "2023-11-14", "2024-10-27", "1000-to-9999", "conditional-paid", "", "")  # fmt: skip
LABEL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64)


@READERS
def test_what_was_exported_is_read_back(write, read):
    other = asset("lungs", title="肺功能", snapshot="ab" * 32, work="cd" * 32, openness="unconditional-free", rights=("operate",))
    lungs = replace(
        HEART, asset="lungs", title="肺功能", snapshot="ab" * 32, work="cd" * 32, openness="unconditional-free", rights=("operate",)
    )
    assert read(write(asset(), other)) == [HEART, lungs]


@READERS
@given(title=LABEL, responsible=LABEL, basis=st.lists(LABEL, min_size=1, max_size=3))
def test_any_texts_come_back(write, read, title, responsible, basis):
    (draft,) = read(write(asset(title=title, responsible=responsible, basis=tuple(basis))))
    assert (draft.title, draft.responsible, draft.basis) == (title, responsible, tuple(basis))


@pytest.mark.parametrize("title", ["=1+1", "'=1+1", "'", "''x", "-3", "@x", 'a "b", c', "x; y", "a\u2028b"])
def test_what_a_spreadsheet_takes_for_a_formula_comes_back_as_it_was(title):
    (draft,) = from_csv(csv_of(asset(title=title, basis=(title, title))))
    assert (draft.title, draft.basis) == (title, (title, title))
    assert not dcat.as_csv([asset(title=title)]).splitlines()[1].split(",")[2].strip('"').startswith(("=", "-", "@"))


def test_a_spreadsheet_may_have_saved_it():
    text = csv_of(asset()).decode()
    assert from_csv(("\ufeff" + text.replace("\n", "\r\n") + "\r\n").encode()) == [HEART]
    assert from_csv(csv_of()) == []


LINE = csv_of(asset()).decode().splitlines()[1]


@pytest.mark.parametrize(("old", "new", "says"), [
    ("heart-2024", "Heart 2024", "line 2: asset must match"), (",health,", ",,", "line 2: sort"), ("hold process", "hold steal", "line 2: rights.1"),
    ("1000-to-9999", "1234", "line 2: size"), ("conditional-paid", "open", "line 2: openness"), ("2023-11-14", "14/11/2023", "line 2: begins"),
    (",yes,yes,", ",yes,no,", "line 2: whether a licence"), (",yes,yes,", ",yes,1,", "line 2: price_allowed is yes or no"),
    (",register,", ",register,x,", "line 2: there are 20 cells"), ('"Regulation 26, article 8"', "", "line 2: basis"),
    ("Heart patients", "Heart\x07patients", "line 2: title"), ("Heart patients", "", "line 2: title"),
    (LINE, LINE + "\n" + LINE, "line 3: heart-2024 stands there twice"), ('"Regulation', '"Regulation" x"', "line 2: not CSV"),
    ("id,name", "name,id", "the first line names the columns"), ("id,name", "id,more,name", "the first line names the columns"),
])  # fmt: skip
def test_each_wrong_line_is_named(old, new, says):
    text = csv_of(asset()).decode()
    assert old in text
    with pytest.raises(UsageError, match=says):
        from_csv(text.replace(old, new, 1).encode())


def test_all_wrong_lines_are_named_at_once():
    head, line = csv_of(asset()).decode().splitlines()
    with pytest.raises(UsageError, match=r"line 2: size.*; line 4: sort"):
        from_csv("\n".join([head, line.replace("1000-to-9999", "9"), line, line.replace(",health,", ",,")]).encode())


@pytest.mark.parametrize(("change", "says"), [
    ({"dct:license": "x"}, "dataset 1: dct:license is not understood"), ({"dct:title": None}, "dataset 1: dct:title is missing"),
    ({"dct:title": 3}, "dataset 1: title"), ({"dct:temporal": "2024"}, "dataset 1: begins"), ({"dcat:theme": {}}, "dataset 1: sort"),
    ({"keyong:licenceNeeded": False}, "dataset 1: whether a licence"), ({"keyong:licenceNeeded": 1}, "dataset 1: whether a licence"),
    ({"dct:accessRights": {"@id": "PUBLIC"}}, "dataset 1: the access right"), ({"keyong:right": "hold"}, "dataset 1: rights"),
])  # fmt: skip
def test_each_wrong_dataset_is_named(change, says):
    data = json.loads(dcat_of(asset()))
    (dataset,) = data["dcat:dataset"]
    data["dcat:dataset"] = [{k: v for k, v in {**dataset, **change}.items() if v is not None}]
    with pytest.raises(UsageError, match=says):
        from_dcat(json.dumps(data).encode())


@READERS
@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"[]", b"{", b"[" * 100_000, b"{}", b'{"a":1,"a":1}', b"x" * (intake.LIMIT + 1)],
                         ids=["empty", "utf-16", "list", "cut", "deep", "object", "twice", "large"])  # fmt: skip
def test_bytes_that_are_no_catalogue(write, read, raw):
    with pytest.raises(UsageError):
        read(raw)


@pytest.mark.parametrize("change", [{"@context": {}}, {"@type": "Catalog"}, {"dcat:dataset": {}}, {"dcat:dataset": [1]}])
def test_catalogues_of_others_are_refused(change):
    with pytest.raises(UsageError):
        from_dcat(json.dumps({**json.loads(dcat_of(asset())), **change}).encode())


def test_more_assets_than_are_read():
    head, line = csv_of(asset()).decode().splitlines()
    with pytest.raises(UsageError, match="at most"):
        from_csv("\n".join([head, *([line] * (intake.MOST + 1))]).encode())
