"""The guide and the code agree, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

import connectors
from connectors.snapshot import freeze, load
from connectors.source import _connector, parse
from connectors.tables import TableSource
from governance.catalogue import Schema, band, category, number

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
NAMES = ["connect-data.md", "connect-data.zh.md"]


def text(name: str) -> str:
    return (GUIDES / name).read_text(encoding="utf-8")


def urls(name: str) -> list[str]:
    return re.findall(r"[a-z]+://[^\s`']+", text(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_url_has_a_connector_with_these_options(name: str) -> None:
    addresses = [parse(url) for url in urls(name)]
    for address in addresses:
        assert address.place.is_absolute()
        assert {key for key in address.options if not key.startswith("column.")} <= _connector(address.scheme).options
    assert {address.scheme for address in addresses} | {"file"} == set(connectors.schemes())
    assert {url.split(":")[0] for url in urls(name)} == set(connectors.schemes())


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_documented(name: str) -> None:
    shown = {key for url in urls(name) for key in parse(url).options}
    for scheme in set(connectors.schemes()) - {"file"}:
        assert _connector(scheme).options <= shown
    assert any(key.startswith("column.") for key in shown)


def test_the_languages_say_the_same() -> None:
    english, chinese = (text(name) for name in NAMES)
    for pattern in (r"^#+ ", r"^\|", r"^```", r"[a-z]+://[^\s`']+", r"`keyong[^`]*`"):
        assert len(re.findall(pattern, english, re.MULTILINE)) == len(re.findall(pattern, chinese, re.MULTILINE)), pattern
    assert urls(NAMES[0]) == urls(NAMES[1])


def test_values_become_what_the_guide_says(tmp_path: Path) -> None:
    texts = ["", "NaN", "inf", "1e999", "63", " .7 ", "1e3", "1,200", "n/a", "true", "-5"]
    schema = Schema("p", (number("x", "0", "100"), number("y", "0", "100", outside="missing"), band("age", "x", ("50",), ("a", "b"))))
    table = pa.table({"p": list(map(str, range(len(texts)))), "x": texts, "y": texts})
    read = load(freeze(TableSource("guide", table), schema, tmp_path / "n").path, ["x", "y", "age"])
    assert read["x"].to_pylist() == [None, None, None, None, 63, 0.7, 100, None, None, None, 0]
    assert read["y"].to_pylist() == [None, None, None, None, 63, 0.7, None, None, None, None, None]
    assert read["age"].to_pylist() == [None, None, None, None, 1, 0, 1, None, None, None, 0]


@pytest.mark.parametrize(
    ("codes", "values", "expected"),
    [
        (("0", "1"), pa.array(["0", " 1 ", "1.0", "2", "", None]), [0, 1, 1, None, None, None]),
        (("0", "1"), pa.array([False, True, None]), [0, 1, None]),
        (("true", "false"), pa.array([True, False]), [0, 1]),
        (("0", "1"), pa.array([0.0, 1.0, 0.5]), [0, 1, None]),
        ((), pa.array(["女", "男", "0"]), [0, 1, None]),
        (("1", "1.0"), pa.array(["1", "1.0", "1.00"]), [0, 1, 0]),
    ],
)
def test_levels_become_what_the_guide_says(codes: tuple[str, ...], values: pa.Array, expected: list[int | None], tmp_path: Path) -> None:
    schema = Schema("p", (category("sex", ("女", "男"), codes=codes),))
    table = pa.table({"p": [*map(str, range(len(values)))], "sex": values})
    assert load(freeze(TableSource("guide", table), schema, tmp_path / "n").path, ["sex"])["sex"].to_pylist() == expected
