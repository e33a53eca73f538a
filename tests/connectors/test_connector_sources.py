"""The shared suite for every source of ours, each opened by its URL as a hospital would."""

from __future__ import annotations

import csv
import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

import connectors
from connectors.conformance import SourceSuite
from connectors.tables import TableSource

TYPED = pa.table(
    {
        "patient": pa.array(["患者甲", "P-0002", "P-0003", None, "P-0003"]),
        "年龄": pa.array([63, None, 2**40, -1, 0], pa.int64()),
        "note": pa.array(['said "no, thanks"', "first line\nsecond line", None, "", "  "]),
        "chol": pa.array([233.5, None, float("inf"), 0.1, -0.0]),
        "ill": pa.array([True, False, None, True, True]),
        "dose": pa.array([Decimal("1.50"), None, Decimal("0.00"), Decimal("-3.25"), Decimal("9.99")], pa.decimal128(9, 2)),
        "seen": pa.array([datetime.date(2024, 2, 29), None, None, None, datetime.date(1999, 1, 1)]),
        'odd "name.x': pa.array([1, 2, None, 4, 5], pa.int32()),
    }
)
TEXT = pa.table(
    {
        "编号": pa.array(["0001", "患者乙", None, "0001", " 4 "]),
        "note": pa.array(['said "no; thanks", twice', "first line\nsecond line", None, "x", None]),
        'odd "name': pa.array(["1", None, "1e999", "NaN", "NULL"]),
    }
)


def write_csv(path: Path, table: pa.Table, *, encoding: str = "utf-8", delimiter: str = ",") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(table.column_names)
        writer.writerows(["" if v is None else v for v in row.values()] for row in table.to_pylist())


class Opened(SourceSuite):
    """Writes the table and an empty one of the same columns, and opens both by URL."""

    expected = TYPED
    url: str

    @pytest.fixture(autouse=True)
    def _open(self, tmp_path: Path) -> None:
        for name, table in (("full", self.expected), ("empty", self.expected.slice(0, 0))):
            (tmp_path / name).mkdir()
            self.write(tmp_path / name, table)
            setattr(self, "source" if name == "full" else "empty", connectors.open(self.url.format(tmp_path / name)))

    def write(self, folder: Path, table: pa.Table) -> None:
        raise NotImplementedError


class TestParquet(Opened):
    url = "parquet://{}/visits.parquet"

    def write(self, folder: Path, table: pa.Table) -> None:
        pq.write_table(table, folder / "visits.parquet", row_group_size=2)


class TestPlainPath(TestParquet):
    url = "{}/visits.parquet"


class TestFolder(Opened):
    """As Spark and monthly exports leave it: sub-folders, an empty part, a part whose integers are narrower, files that are no part."""

    url = "file://{}"

    def write(self, folder: Path, table: pa.Table) -> None:
        (folder / "2024").mkdir()
        narrow = table.slice(3).set_column(1, "年龄", table.slice(3)["年龄"].cast(pa.int16()))
        pq.write_table(table.slice(0, 0), folder / "part-0.parquet")
        pq.write_table(table.slice(0, 3), folder / "part-1.parquet")
        pq.write_table(narrow.append_column("only here", pa.nulls(len(narrow))), folder / "2024" / "part-2.parquet")
        (folder / "_SUCCESS").touch()
        (folder / "_old.parquet").write_bytes(b"left over")
        (folder / ".part-1.parquet.crc").write_bytes(b"crc")


class TestPattern(Opened):
    url = "parquet://{}/visits-*.parquet"

    def write(self, folder: Path, table: pa.Table) -> None:
        pq.write_table(table.slice(0, 1), folder / "visits-1.parquet")
        pq.write_table(table.slice(1).select(table.column_names[::-1]), folder / "visits-2.parquet")
        pq.write_table(table, folder / "other.parquet")


class TestIpcFile(Opened):
    url = "file://{}/visits.arrow"

    def write(self, folder: Path, table: pa.Table) -> None:
        with ipc.new_file(folder / "visits.arrow", table.schema) as writer:
            writer.write_table(table, max_chunksize=2)


class TestIpcStream(Opened):
    url = "ipc://{}/visits"

    def write(self, folder: Path, table: pa.Table) -> None:
        with ipc.new_stream(folder / "visits", table.schema) as writer:
            writer.write_table(table, max_chunksize=2)


class TestIpcCodes(TestIpcFile):
    """Dictionary-encoded text, as pandas writes categoricals."""

    expected = TYPED.set_column(0, "patient", TYPED["patient"].dictionary_encode().unify_dictionaries())


class TestParquetCodes(TestParquet):
    expected = TestIpcCodes.expected


class TestCsv(Opened):
    expected = TEXT
    url = "csv://{}/visits.csv"

    def write(self, folder: Path, table: pa.Table) -> None:
        write_csv(folder / "visits.csv", table)


class TestCsvChinese(Opened):
    expected = TEXT
    url = "file://{}/就诊 表.csv?encoding=gb18030&delimiter=%3B"

    def write(self, folder: Path, table: pa.Table) -> None:
        write_csv(folder / "就诊 表.csv", table, encoding="gb18030", delimiter=";")


class TestCsvUnicode(Opened):
    """What Excel calls Unicode text."""

    expected = TEXT
    url = "csv://{}/visits.txt?encoding=utf-16&delimiter=%09"

    def write(self, folder: Path, table: pa.Table) -> None:
        write_csv(folder / "visits.txt", table, encoding="utf-16", delimiter="\t")


class TestRenamed(Opened):
    expected = TEXT.rename_columns(["patient", "note", "备注"])
    url = "csv://{}/visits.csv?column.patient=%E7%BC%96%E5%8F%B7&column.备注=odd+%22name"

    def write(self, folder: Path, table: pa.Table) -> None:
        write_csv(folder / "visits.csv", table.rename_columns(TEXT.column_names))


class TestDuckDB(Opened):
    url = "duckdb://{}/clinic.duckdb?table=%E5%B0%B1%E8%AF%8A+%22x"

    def write(self, folder: Path, table: pa.Table) -> None:
        with duckdb.connect(str(folder / "clinic.duckdb")) as connection:
            connection.register("given", table)
            connection.execute('CREATE TABLE "就诊 ""x" AS SELECT * FROM given')


class TestDuckDBView(Opened):
    url = "file://{}/clinic.duckdb?table=visits&schema=%E5%8C%BB%E9%99%A2"

    def write(self, folder: Path, table: pa.Table) -> None:
        with duckdb.connect(str(folder / "clinic.duckdb")) as connection:
            connection.register("given", table)
            connection.execute(
                'CREATE SCHEMA "医院"; CREATE TABLE held AS SELECT * FROM given; CREATE VIEW "医院".visits AS FROM main.held'
            )


class TestTable(SourceSuite):
    source = TableSource("in memory", TYPED)
    expected = TYPED
    empty = TableSource("in memory", TYPED.slice(0, 0))
