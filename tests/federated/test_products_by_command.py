"""Products as people use them: a job file is frozen, the same one passes, any other is refused, and demands find what is listed."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import calls
import pytest
from test_registry import Desk

from federated import listing
from federated.market import code, keep
from governance import notes
from governance.errors import IntegrityError
from governance.products import Product, Scenarios

JOB = """
keyong: 1
title: mean age
purpose: research
licence: any
dataset: heart
analysis: describe
with: {columns: [age]}
"""


@pytest.fixture
def desk(tmp_path, capsys):
    made = Desk(tmp_path, capsys)
    made.apply()
    made.take("register")
    (tmp_path / "job.yaml").write_text(JOB)
    return made


def freeze(desk, *more, asset="heart-2024", code=0):
    return desk(
        "product",
        "freeze",
        "mean-age",
        desk.path / "job.yaml",
        "--home",
        desk.home,
        "--asset",
        asset,
        "--title",
        "Mean age",
        *more,
        code=code,
    )


def check(desk, code=0):
    product, dataset = desk.home / "products" / "mean-age.note", desk.home / "datasets" / "heart.note"
    return desk(
        "product", "check", desk.path / "job.yaml", "--product", product, "--dataset", dataset, "--authority", desk.trust, code=code
    )


def test_a_job_file_becomes_a_product_and_no_other_passes_for_it(desk):
    assert freeze(desk, "--tags", "age,heart", "--price", desk.home / "datasets" / "heart.note")["version"] == 1
    assert check(desk)["product"] == "mean-age"
    for old, new in (
        ("with:", "where: age >= 40\nwith:"),
        ("with:", "release: {min_cell: 20}\nwith:"),
        ("research", "marketing"),
        ("[age]", "[age, bmi]"),
    ):
        (desk.path / "job.yaml").write_text(JOB.replace(old, new))
        assert check(desk, code=3)["error"] == "product.frozen"
    (desk.path / "job.yaml").write_text(JOB.replace("mean age", "another title"))
    assert check(desk)["version"] == 1, "a title is a job's own"
    assert freeze(desk)["version"] == 2
    assert desk("product", "delist", "mean-age", "--home", desk.home)["version"] == 3
    assert check(desk, code=3)["error"] == "product.frozen"


def test_only_on_a_registered_asset_and_its_dataset(desk):
    assert "no asset" in freeze(desk, asset="other", code=2)["en"]
    (desk.path / "job.yaml").write_text(JOB.replace("dataset: heart", "dataset: lung"))
    assert "is about lung" in freeze(desk, code=2)["en"]
    (desk.path / "job.yaml").write_text(JOB)
    desk("asset", "cancel", "heart-2024", "--reason", "closed", "--home", desk.home)
    assert freeze(desk, code=3)["error"] == "asset.cancelled"


def test_a_demand_finds_what_is_listed(desk):
    freeze(desk, "--tags", "age")
    words = ["product", "demand", "--title", "Ages", "--key", desk.path / "buyer.key", "--out", desk.path / "demand.note", "--purpose"]
    for purpose, found in (("research", ["mean-age"]), ("marketing", [])):
        desk(*words, purpose, "--tags", "age", "--sorts", "health")
        listed = desk("product", "list", "--home", desk.home, "--demand", desk.path / "demand.note")
        assert [row["name"] for row in listed["products"]] == found
    assert "health: 1 listed" in calls.keyong(desk.capsys, "product", "list", "--home", desk.home).out
    desk("product", "delist", "mean-age", "--home", desk.home)
    assert desk("product", "list", "--home", desk.home)["classes"] == {}
    with pytest.raises(IntegrityError, match="does not follow"):
        keep(desk.authority, notes.read((desk.home / "products" / "mean-age.note").read_text()).document(Product))


def algorithm(desk, *, sorts="health", outputs="exact"):
    made = desk("product", "algorithm", "describe", "--home", desk.home, "--title", "Describe", "--sorts", sorts, "--outputs", outputs, "--out",
                desk.path / "describe.note")  # fmt: skip
    return made, ("--algorithm", desk.path / "describe.note")


def test_a_product_is_a_pair_of_data_and_code(desk):
    made, option = algorithm(desk)
    assert made["code"] == code("describe") != code("crosstab")
    for refused in ({"sorts": "traffic"}, {"outputs": "dp"}):
        assert freeze(desk, *algorithm(desk, **refused)[1], code=3)["error"] == "product.algorithm"
    assert freeze(desk, *algorithm(desk)[1], "--goods", "model", "--way", "negotiated")["version"] == 1
    kept = desk.home / "products" / "mean-age.note"
    product = notes.read(kept.read_text()).document(Product)
    assert (product.code, product.algorithm) == (made["code"], notes.read(option[1].read_text()).id)
    assert check(desk)["version"] == 1
    keep(desk.authority, replace(product, version=2, code="ab" * 32))
    assert "another code" in check(desk, code=3)["en"], "what is installed here is not what was frozen"
    desk(
        "product",
        "algorithm",
        "nothing",
        "--home",
        desk.home,
        "--title",
        "x",
        "--sorts",
        "x",
        "--outputs",
        "exact",
        "--out",
        option[1],
        code=2,
    )
    desk(
        "product",
        "algorithm",
        "describe",
        "--home",
        desk.home,
        "--title",
        "x",
        "--sorts",
        "x",
        "--outputs",
        "raw",
        "--out",
        option[1],
        code=2,
    )


def test_the_map_shows_what_is_listed_and_loads_nothing(desk):
    freeze(desk)
    file = desk.path / "products.html"
    assert desk("product", "map", "--home", desk.home, "--out", file)["listed"] == 1
    page = file.read_text()
    assert "mean-age v1" in page and "<circle" in page and "health · 1" in page and "default-src 'none'" in page
    assert not re.search(r"https?:|src=|href=|<script", page)
    product = notes.read((desk.home / "products" / "mean-age.note").read_text()).document(Product)
    many = [replace(product, name=f"p{i:03}", sort=f"s{i % 30}", title="<b>&") for i in range(300)]
    shown = listing.page(many)
    assert shown.count("<circle") == 30 and "<b>&" not in shown and "&lt;b&gt;&amp;" in shown
    assert listing.page(many[::-1]) == shown, "in order of names, whatever comes first"
    desk("product", "delist", "mean-age", "--home", desk.home)
    assert desk("product", "map", "--home", desk.home, "--out", file)["listed"] == 0 and "尚无" in file.read_text()


def test_scenarios_are_listed_as_a_note_and_a_table(desk):
    words = ["product", "demand", "--key", desk.path / "buyer.key", "--purpose", "research", "--out"]
    for name in ("one", "two"):
        desk(*words, desk.path / f"{name}.note", "--title", f"=Ages {name}", "--tags", "age,heart")
    files = [desk.path / "one.note", desk.path / "two.note", "--home", desk.home, "--out", desk.path / "scenarios.note"]
    made = desk("product", "scenarios", *files, "--table", desk.path / "scenarios.csv")["scenarios"]
    read = notes.opened((desk.path / "scenarios.note").read_text(), Scenarios, desk.authority.trust)
    assert [each.title for each in read.scenarios] == [each["title"] for each in made] == ["=Ages one", "=Ages two"]
    assert (desk.path / "scenarios.csv").read_text().splitlines()[1].split(",")[2:5] == ["'=Ages one", "", "age heart"]
    desk("product", "scenarios", *files, "--table", desk.path / "scenarios.json")
    assert json.loads((desk.path / "scenarios.json").read_text()) == made
