"""Which connector opens which URL, and what a wrong URL says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pyarrow as pa
import pytest

import connectors
from connectors import source as registry
from connectors.source import parse
from connectors.tables import TableSource
from governance.errors import UsageError

TABLE = pa.table({"patient": ["a", "b"], "age": [1, 2]})


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    path = tmp_path / "visits.csv"
    path.write_text("patient,age,sex\na,1,0\n")
    return path


@pytest.fixture
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_connectors", dict(registry._connectors))


def test_schemes_are_known_before_any_driver_is_loaded() -> None:
    code = "import connectors, sys; print(*connectors.schemes()); print(*{'pyarrow', 'duckdb', 'numpy', 'pydantic'} & sys.modules.keys())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    assert out == "csv duckdb file ipc parquet\n\n"


def test_files_do_not_load_duckdb(visits: Path) -> None:
    code = "import connectors, sys; print(connectors.open(sys.argv[1]).schema().names, 'duckdb' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code, str(visits)], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert run.stdout == "['patient', 'age', 'sex'] False\n"


@pytest.mark.parametrize(
    ("url", "scheme", "path", "options"),
    [
        ("parquet:///data/x", "parquet", "/data/x", {}),
        ("file:///data/x.PQ", "parquet", "/data/x.PQ", {}),
        ("CSV:///数据/就诊.csv?encoding=gb18030&column.age=年龄", "csv", "/数据/就诊.csv", {"encoding": "gb18030", "column.age": "年龄"}),
        ("csv:///%E6%95%B0%E6%8D%AE/a%3Fb%25c%23d", "csv", "/数据/a?b%c#d", {}),
        ("csv:///a#b.csv?delimiter=", "csv", "/a#b.csv", {"delimiter": ""}),
        ("duckdb://localhost/x?table=a+b%2Bc%26d", "duckdb", "/x", {"table": "a b+c&d"}),
        ("data/x.csv", "csv", "data/x.csv", {}),
        ("x?y=%41.feather", "ipc", "x?y=%41.feather", {}),
        ("C:\\data\\x.parquet", "parquet", "C:\\data\\x.parquet", {}),
        ("visits-*.parquet", "parquet", "visits-*.parquet", {}),
    ],
)
def test_addresses(url: str, scheme: str, path: str, options: dict[str, str]) -> None:
    address = parse(url)
    assert (address.scheme, address.path, address.options) == (scheme, path, options)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "names a file"),
        ("visits", "does not tell its format"),
        ("visits.sav", "does not tell its format.*csv, duckdb, file, ipc, parquet"),
        ("visits.xlsx", "is a workbook, and those are not read; save the sheet as CSV UTF-8"),
        ("file:///data/visits.XLS", "save the sheet as CSV UTF-8"),
        ("file:///data/visits", "does not tell its format"),
        ("fhir://host/base", "no connector for fhir; there are csv, duckdb, file, ipc, parquet"),
        ("csv://", "looks like"),
        ("csv:///x.csv?encoding", "looks like"),
        ("csv:///x.csv?a=%FF", "looks like"),
        ("csv:///%FF.csv", "looks like"),
        ("csv://[bad/x.csv", "looks like"),
        ("csv:///x.csv?encoding=a&encoding=b", "given twice"),
        ("csv:///x.csv?secret=1", "no option secret; csv has delimiter, encoding, column.NAME"),
        ("parquet:///x?encoding=gbk", "no option encoding; parquet has column.NAME"),
        ("csv://data/x.csv", "three slashes"),
        ("duckdb://user:hunter2@host/x.duckdb?table=t", "three slashes"),
        ("csv:///a%00b.csv", "names a file"),
    ],
)
def test_wrong_urls(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        connectors.open(url)
    assert "hunter2" not in str(caught.value)


def test_an_address_does_not_print_secrets() -> None:
    address = parse("postgresql://user:hunter2@host/db?password=hunter2")
    assert "hunter2" not in repr(address) + address.name


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("column.years=Age", "no column Age, which years should be read from"),
        ("column.years=age&column.age_too=age", "would both be read from age"),
        ("column.age=sex", "has a column age already, besides sex"),
    ],
)
def test_wrong_renaming(visits: Path, query: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        connectors.open(f"csv://{visits}?{query}").schema()


def test_columns_can_change_places(visits: Path) -> None:
    source = connectors.open(f"csv://{visits}?column.age=sex&column.sex=age")
    assert [batch.to_pylist() for batch in source.scan(["age", "sex"])] == [[{"age": "0", "sex": "1"}]]
    with pytest.raises(UsageError, match="no column 性别"):
        source.scan(["性别"])


@pytest.mark.usefixtures("_registry")
def test_a_connector_of_ones_own() -> None:
    @connectors.register("memory", "ram", options=("rows",))
    def open_memory(address: connectors.Address) -> connectors.Source:
        return TableSource(address.name, TABLE.slice(0, int(address.options.get("rows", "2"))))

    assert {"memory", "ram"} < set(connectors.schemes())
    source = connectors.open("ram://anywhere/x?rows=1&column.years=age")
    assert [batch.to_pylist() for batch in source.scan(["years"])] == [[{"years": 1}]]
    with pytest.raises(UsageError, match=r"no option colour; memory has rows, column\.NAME"):
        connectors.open("memory://anywhere/x?colour=red")


@pytest.fixture
def _plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that is installed beside keyong and announces two schemes, one of which it then does not register."""
    (tmp_path / "clinic_plug_in.py").write_text(
        "from connectors import register\nfrom connectors.tables import TableSource\nimport pyarrow as pa\n"
        "register('clinic')(lambda address: TableSource(address.name, pa.table({'patient': ['a']})))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(name, "clinic_plug_in", "keyong.connectors") for name in ("clinic", "forgotten")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "keyong.connectors" else [])
    yield
    sys.modules.pop("clinic_plug_in", None)


@pytest.mark.usefixtures("_registry", "_plug_in")
def test_a_plug_in_is_loaded_when_its_url_is_opened() -> None:
    assert "clinic" in connectors.schemes() and "clinic_plug_in" not in sys.modules
    assert connectors.open("clinic://x/y").schema().names == ["patient"]
    with pytest.raises(UsageError, match="no connector for forgotten"):
        connectors.open("forgotten://x/y")
