"""A DuckDB file is read and nothing else: no other file, no setting, no variable of ours, no value in an error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import connectors
from connectors.duckdb import SETTINGS, DuckDBSource
from governance.errors import DecodeError, Unavailable, UsageError

CANARY = "CANARY-0042"


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """A database with a table and views that should not work."""
    outside = tmp_path / "outside.csv"
    outside.write_text(f"patient\n{CANARY}\n")
    path = tmp_path / "clinic.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE visits AS SELECT '{CANARY}-' || range AS patient, range AS age FROM range(300000)")
        connection.execute(f"CREATE VIEW outside AS FROM read_csv('{outside}')")
        connection.execute("CREATE VIEW failing AS SELECT CAST(patient AS INTEGER) AS age FROM visits")
        connection.execute(
            "CREATE VIEW failing_late AS SELECT CASE WHEN age < 250000 THEN 1 ELSE CAST(patient AS INTEGER) END AS age FROM visits"
        )
        connection.execute("CREATE TABLE gone AS SELECT 1 AS x; CREATE VIEW dangling AS FROM gone; DROP TABLE gone")
        connection.execute("CREATE VIEW hungry AS SELECT string_agg(patient || repeat('x', 9000), ',') AS patient FROM visits")
    return path


def test_streams(clinic: Path) -> None:
    """One batch is there before the table has been read."""
    scan = connectors.open(f"duckdb://{clinic}?table=visits").scan(["patient"], batch_rows=1000)
    assert next(scan).num_rows == 1000


@pytest.mark.parametrize(
    ("table", "kind", "says"),
    [
        ("nowhere", UsageError, "no readable table nowhere"),
        ("dangling", UsageError, "no readable table dangling"),
        ('visits" WHERE age < 1 --', UsageError, "no readable table"),
        ("outside", UsageError, "a view on something outside the file"),
        ("failing", DecodeError, "fails on some row"),
        ("failing_late", DecodeError, "fails on some row"),
        ("hungry", Unavailable, "make it a table"),
        ("CANARY_TABLE", UsageError, "no readable table CANARY_TABLE"),
    ],
)
def test_what_cannot_be_read(clinic: Path, table: str, kind: type[Exception], says: str) -> None:
    CANARY_TABLE = pa.table({"patient": [CANARY]})  # noqa: F841 - DuckDB would find a variable of this name and take it for a table
    with pytest.raises(kind, match=says) as caught:
        source = DuckDBSource(clinic, table)
        list(source.scan(source.schema().names))
    assert CANARY not in str(caught.value) and caught.value.__context__ is None


def test_the_file_is_not_written(clinic: Path) -> None:
    before = clinic.read_bytes()
    source = DuckDBSource(clinic, "visits")
    list(source.scan(source.schema().names))
    assert clinic.read_bytes() == before and {p.name for p in clinic.parent.iterdir()} == {"clinic.duckdb", "outside.csv"}


@pytest.mark.parametrize(
    "statement",
    [
        "FROM read_csv('/etc/passwd')", "FROM '/etc/passwd'", "FROM glob('/etc/*')", "SELECT content FROM read_text('/etc/passwd')",
        "COPY (SELECT 1) TO '{}/out.csv'", "EXPORT DATABASE '{}/out'", "ATTACH '{}/other.duckdb'", "INSTALL httpfs", "LOAD httpfs",
        "SET enable_external_access = true", "RESET enable_external_access", "SET lock_configuration = false", "SET memory_limit = '99GB'",
        "CREATE TABLE mine AS SELECT 1", "DELETE FROM visits", "FROM duckdb_secrets()",
    ],
)  # fmt: skip
def test_the_connection_is_hardened(clinic: Path, statement: str) -> None:
    with duckdb.connect(str(clinic), read_only=True, config=SETTINGS) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(clinic.parent)).fetchall()


def test_no_table_named(clinic: Path) -> None:
    for url in (f"duckdb://{clinic}", f"duckdb://{clinic}?table=", str(clinic)):
        with pytest.raises(UsageError, match="say which table"):
            connectors.open(url)


@contextmanager
def opened_elsewhere(path: Path, *, read_only: bool) -> Iterator[None]:
    """Another program that has the file open."""
    code = f"import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only={read_only}); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "open\n"
    yield
    other.communicate("")


def test_a_file_in_use(clinic: Path) -> None:
    source = connectors.open(f"duckdb://{clinic}?table=visits")
    with opened_elsewhere(clinic, read_only=True):
        assert source.schema().names == ["patient", "age"]
    with opened_elsewhere(clinic, read_only=False), pytest.raises(Unavailable, match="in use"):
        source.schema()


def test_a_file_in_use_by_this_process(clinic: Path) -> None:
    with duckdb.connect(str(clinic)), pytest.raises(Unavailable, match="in use"):
        connectors.open(f"duckdb://{clinic}?table=visits").schema()
