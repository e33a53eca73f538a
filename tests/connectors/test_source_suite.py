"""The suite bites: each broken source fails exactly the tests that name what is broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from connectors.conformance import SourceSuite
from connectors.source import check_scan
from connectors.tables import TableSource
from governance.errors import UsageError

TABLE = pa.table({"patient": ["P-0001", "患者乙", None, "P-0003"], "age": [63, None, 41, 41]})
ALL = [name for name in dir(SourceSuite) if name.startswith("test_")]


class Broken(TableSource):
    """A good source in which a subclass breaks one thing."""

    def __init__(self, table: pa.Table = TABLE) -> None:
        super().__init__("broken", table)


class RowLost(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        return iter(list(super().scan(columns, batch_rows=batch_rows))[:-1])


class NullsFilled(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        for batch in super().scan(columns, batch_rows=batch_rows):
            filled = [pc.fill_null(c, 0 if pa.types.is_integer(c.type) else "") for c in batch.columns]
            yield pa.record_batch(filled, schema=batch.schema) if columns else batch


class OwnOrder(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        check_scan(self.name, self.table.schema, columns, batch_rows=batch_rows)
        return super().scan([c for c in self.table.column_names if c in columns], batch_rows=batch_rows)


class Swapped(Broken):
    """The right names on the wrong values."""

    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        check_scan(self.name, self.table.schema, columns, batch_rows=batch_rows)
        own = [c for c in self.table.column_names if c in columns]
        return (b.rename_columns(list(columns)) if columns else b for b in super().scan(own, batch_rows=batch_rows))


class BareKeyError(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        if not set(columns) <= set(self.table.column_names):
            raise KeyError("no such column")
        return super().scan(columns, batch_rows=batch_rows)


class Unnamed(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        if not set(columns) <= set(self.table.column_names):
            raise UsageError("a column is missing")
        return super().scan(columns, batch_rows=batch_rows)


class Quoting(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        for column in columns:
            if column not in self.table.column_names:
                raise UsageError(f"no column {column} in {self.table.to_pylist()}")
        return super().scan(columns, batch_rows=batch_rows)


class Twice(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        return super().scan(list(dict.fromkeys(columns)), batch_rows=batch_rows)


class LargeBatches(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        check_scan(self.name, self.table.schema, columns, batch_rows=batch_rows)
        return super().scan(columns)


class AnyBatchRows(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        return super().scan(columns, batch_rows=max(batch_rows, 1))


class AllWhenNone(Broken):
    """What Arrow's own CSV reader does with an empty list of columns."""

    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        return super().scan(columns or self.table.column_names, batch_rows=batch_rows)


class NothingWhenNone(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        return super().scan(columns, batch_rows=batch_rows) if columns else iter(())


class OtherTypes(Broken):
    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        wide = {"patient": pa.large_string(), "age": pa.int64()}
        for batch in super().scan(columns, batch_rows=batch_rows):
            yield batch.cast(pa.schema([(c, wide[c]) for c in columns])) if columns else batch


class OneScan(Broken):
    """A cursor that all scans share."""

    def __init__(self, table: pa.Table = TABLE) -> None:
        super().__init__(table)
        _shared.clear()

    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        _shared["cursor"] = super().scan(columns, batch_rows=batch_rows)
        while (batch := next(_shared["cursor"], None)) is not None:
            yield batch


class Leaking(Broken):
    """Keeps what it opened when a scan is closed halfway."""

    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        file = Path(__file__).open("rb")  # noqa: SIM115
        _leaked.append(file)
        yield from super().scan(columns, batch_rows=batch_rows)
        file.close()


class NeverEmpty(Broken):
    """Invents a row where there is none."""

    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        source = self if self.table.num_rows else Broken()
        return TableSource.scan(source, columns, batch_rows=batch_rows)


class Nameless(Broken):
    def __init__(self, table: pa.Table = TABLE) -> None:
        TableSource.__init__(self, "", table)


_shared: dict[str, Any] = {}
_leaked: list[Any] = []
ROWS = {
    "test_batch_rows", "test_columns_come_as_asked", "test_finished_scan_is_freed", "test_half_read_scan_is_freed",
    "test_no_column_counts_rows", "test_one_column_at_a_time", "test_rows_are_expected", "test_two_scans_at_once",
}  # fmt: skip
CASES: list[tuple[type[Broken], set[str]]] = [
    (Broken, set()),
    (RowLost, ROWS - {"test_finished_scan_is_freed"}),
    (NullsFilled, ROWS - {"test_finished_scan_is_freed", "test_no_column_counts_rows"}),
    (OwnOrder, {"test_columns_come_as_asked"}),
    (Swapped, {"test_columns_come_as_asked"}),
    (BareKeyError, {"test_unknown_column"}),
    (Unnamed, {"test_unknown_column"}),
    (Quoting, {"test_unknown_column"}),
    (Twice, {"test_column_asked_for_twice"}),
    (LargeBatches, {"test_batch_rows", "test_half_read_scan_is_freed"}),
    (AnyBatchRows, {"test_batch_rows_below_one"}),
    (AllWhenNone, {"test_no_column_counts_rows"}),
    (NothingWhenNone, {"test_no_column_counts_rows"}),
    (OtherTypes, {"test_batches_have_the_schema"}),
    (OneScan, {"test_two_scans_at_once"}),
    (Leaking, {"test_half_read_scan_is_freed"}),
    (NeverEmpty, {"test_no_rows"}),
    (Nameless, {"test_name"}),
]


@pytest.fixture(autouse=True)
def _tidy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("connectors.conformance._PATIENCE", 0.1)
    yield
    for file in _leaked:
        file.close()
    _leaked.clear()


def failures(source: type[Broken], expected: pa.Table = TABLE) -> set[str]:
    found = set()
    for test in ALL:
        suite = SourceSuite()
        suite.source, suite.expected, suite.empty = source(), expected, source(TABLE.slice(0, 0))
        try:
            getattr(suite, test)()
        except (AssertionError, KeyError, ValueError, pa.ArrowException):
            found.add(test)
    return found


@pytest.mark.parametrize(("source", "expected"), CASES, ids=[source.__name__ for source, _ in CASES])
def test_what_is_broken_is_what_fails(source: type[Broken], expected: set[str]) -> None:
    assert failures(source) == expected


def test_every_test_of_the_suite_can_fail() -> None:
    caught = set().union(*(expected for _, expected in CASES))
    other_schema = failures(Broken, TABLE.rename_columns(["patient", "years"]))
    changing = failures(Changing)
    assert set(ALL) - caught - other_schema - changing == {"test_expected_can_tell"}


class Changing(Broken):
    """Rows come and go between scans."""

    def scan(self, columns: Sequence[str], *, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        _shared["scans"] = _shared.get("scans", 0) + 1
        return iter(list(super().scan(columns, batch_rows=batch_rows))[_shared["scans"] % 2 :])


@pytest.mark.parametrize(
    "poor",
    [
        pytest.param(TABLE.slice(0, 2), id="two rows"),
        pytest.param(TABLE.select(["patient"]), id="one column"),
        pytest.param(TABLE.slice(3).take([0, 0, 0]), id="no null"),
        pytest.param(TABLE.take([0, 2, 3]), id="ASCII only"),
    ],
)
def test_a_poor_expectation_is_refused(poor: pa.Table) -> None:
    suite = SourceSuite()
    suite.source, suite.expected, suite.empty = TableSource("poor", poor), poor, TableSource("none", poor.slice(0, 0))
    with pytest.raises(AssertionError, match="expected needs"):
        suite.test_expected_can_tell()
