"""Products are frozen: a job that differs in anything that they fix is refused. Demands are signed, and matched without a ranking."""

from __future__ import annotations

from dataclasses import replace

import pytest
from registered import AUTHORITY, BUYER, HOLDER, NOW, TRUST, signed

from governance import notes, products
from governance.errors import DecodeError, IntegrityError, Refused
from governance.keys import SigningKey
from governance.products import Algorithm, Asked, Demand, Product, check, demanded, matching, newer, scenarios

ASKED = Asked("heart", "cd" * 32, "describe@1", "research", "age >= 40", {"columns": ("age",)}, "exact", 10)
PRODUCT = Product(
    "mean-age",
    1,
    "Mean age",
    "health",
    ("age", "heart"),
    "ab" * 32,
    "heart",
    "cd" * 32,
    "describe@1",
    ASKED.question,
    ("research",),
    "",
    "listed",
    "statistics",
    "posted",
    "12" * 32,
    "",
)
CODE = PRODUCT.code
DEMAND = Demand(str(BUYER.public), "Ages of patients", ("health",), ("heart",), "research", NOW + 1)


def test_a_product_as_it_was_frozen():
    assert check(str(signed(PRODUCT)), ASKED, TRUST, code=CODE) == PRODUCT


@pytest.mark.parametrize("change, says", [
    ({"dataset": "lung"}, "another dataset"), ({"catalogue": "ef" * 32}, "another catalogue"), ({"method": "describe@2"}, "another method"),
    ({"where": "age >= 41"}, "another question"), ({"parameters": {"columns": ("age", "sex")}}, "another question"), ({"rule": "dp"}, "another question"),
    ({"min_cell": 9}, "another question"), ({"purpose": "marketing"}, "another purpose"),
])  # fmt: skip
def test_a_product_with_other_parameters_is_refused(change, says):
    with pytest.raises(Refused, match=says) as refused:
        check(str(signed(PRODUCT)), replace(ASKED, **change), TRUST, code=CODE)
    assert refused.value.code == "product.frozen"


def test_a_product_off_the_list_or_of_somebody_else_is_refused():
    with pytest.raises(Refused, match="not on the list"):
        check(str(signed(replace(PRODUCT, state="delisted"))), ASKED, TRUST, code=CODE)
    with pytest.raises(IntegrityError):
        check(str(notes.write(PRODUCT).signed_by(AUTHORITY[0])), ASKED, TRUST, code=CODE)
    with pytest.raises(Refused, match="another code"):
        check(str(signed(PRODUCT)), ASKED, TRUST, code="34" * 32)


def test_versions_only_rise():
    old, new = str(signed(PRODUCT)), str(signed(replace(PRODUCT, version=2, state="delisted")))
    assert newer(None, old, TRUST) == PRODUCT and newer(old, new, TRUST).version == 2
    for before, after in ((new, old), (old, old), (old, str(signed(replace(PRODUCT, name="other", version=2))))):
        with pytest.raises(IntegrityError, match="does not follow"):
            newer(before, after, TRUST)


@pytest.mark.parametrize("change", [{"tags": ("b", "a")}, {"purposes": ()}, {"purposes": ("b", "a")}])
def test_products_that_are_none(change):
    with pytest.raises(DecodeError):
        replace(PRODUCT, **change)


def test_a_demand_is_its_buyers_and_open():
    raw = str(notes.write(DEMAND).signed_by(BUYER))
    assert demanded(raw, now=NOW) == DEMAND
    with pytest.raises(Refused, match="no longer open"):
        demanded(raw, now=NOW + 2)
    with pytest.raises(IntegrityError):
        demanded(str(notes.write(DEMAND).signed_by(HOLDER)), now=NOW)
    for change in ({"sorts": ("b", "a")}, {"tags": ("a", "a")}, {"buyer": "x"}):
        with pytest.raises(DecodeError):
            replace(DEMAND, **change)


def test_matching_lists_what_fits_by_name():
    others = [replace(PRODUCT, name=f"p{i}", **change) for i, change in enumerate(
        [{"sort": "traffic"}, {"tags": ("age",)}, {"purposes": ("teaching",)}, {"state": "delisted"}, {}])]  # fmt: skip
    assert [p.name for p in matching(DEMAND, [*others[::-1], PRODUCT])] == ["mean-age", "p4"]
    assert [p.name for p in matching(replace(DEMAND, sorts=(), tags=()), [*others, PRODUCT])] == ["mean-age", "p0", "p1", "p4"]
    assert products.Demand.kind == "keyong/demand/v1"


ALGORITHM = Algorithm("describe@1", "Describe", CODE, ("finance", "health"), ("exact",))


@pytest.mark.parametrize("change, says", [
    ({"method": "crosstab@1"}, "another method"), ({"code": "34" * 32}, "another code"), ({"sort": "traffic"}, "class of data"),
    ({"rule": "dp"}, "rule of release"),
])  # fmt: skip
def test_an_algorithm_serves_only_what_it_is_allowed_for(change, says):
    fits = {"method": "describe@1", "code": CODE, "sort": "health", "rule": "exact"}
    ALGORITHM.check(**fits)
    with pytest.raises(Refused, match=says) as refused:
        ALGORITHM.check(**{**fits, **change})
    assert refused.value.code == "product.algorithm"
    with pytest.raises(DecodeError):
        replace(ALGORITHM, sorts=("health", "finance"))


def test_a_list_of_scenarios_is_of_open_demands_and_ranks_nothing():
    other = SigningKey.generate("another-buyer")
    made = [
        str(notes.write(d).signed_by(key))
        for d, key in ((DEMAND, BUYER), (replace(DEMAND, title="About beds", buyer=str(other.public)), other))
    ]
    listed = scenarios([*made, made[0]], now=NOW)
    assert [(s.title, s.buyer) for s in listed.scenarios] == [("About beds", "another-buyer"), (DEMAND.title, BUYER.name)]
    assert scenarios(made[::-1], now=NOW) == listed
    with pytest.raises(Refused, match="no longer open"):
        scenarios(made, now=NOW + 2)
    with pytest.raises(DecodeError, match="order of their titles"):
        replace(listed, scenarios=listed.scenarios[::-1])
