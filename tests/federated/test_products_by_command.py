"""Products as people use them: a job file is frozen, the same one passes, any other is refused, and demands find what is listed."""

from __future__ import annotations

import calls
import pytest
from test_registry import Desk

from federated.market import keep
from governance import notes
from governance.errors import IntegrityError
from governance.products import Product

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
