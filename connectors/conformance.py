"""What every source must do, as tests that a connector's author runs with pytest.

    class TestFhir(SourceSuite):
        source = FhirSource(...)
        expected = pa.table(...)      # what the source holds, rows in any order
        empty = FhirSource(...)       # the same columns, no rows

Where the three need a fixture, set them on ``self`` in one with ``autouse=True``. The suite itself imports no pytest.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa

from connectors.source import Source
from governance.errors import UsageError

_MISSING = "no such column 无此列"
_PATIENCE = 5.0  # seconds in which a driver's own threads may let go of a file


def require(condition: bool, says: str) -> None:
    """Fail the running test unless *condition* holds."""
    if not condition:
        raise AssertionError(says)


class SourceSuite:
    """Subclass it, name the subclass ``Test…``, and give it *source*, *expected* and *empty*."""

    source: Source
    expected: pa.Table
    empty: Source

    def test_expected_can_tell(self) -> None:
        """The expected table is rich enough for the other tests to mean something."""
        table = self.expected
        words = [*table.column_names, *(str(value) for row in table.to_pylist() for value in row.values())]
        require(table.num_rows >= 3 and table.num_columns >= 2, "expected needs at least three rows and two columns")
        require(any(column.null_count for column in table.columns), "expected needs a null")
        require(not all(word.isascii() for word in words), "expected needs a column name or a text beyond ASCII")

    def test_name(self) -> None:
        require(isinstance(self.source.name, str) and self.source.name != "", "a source has a name, for error texts")

    def test_schema_is_expected(self) -> None:
        _require_same(self.source.schema(), self.expected.schema)

    def test_batches_have_the_schema(self) -> None:
        for batch in self.source.scan(self.expected.column_names):
            _require_same(batch.schema, self.source.schema())

    def test_rows_are_expected(self) -> None:
        """Every row once, nulls as nulls, texts unharmed."""
        self._require_all(_scan(self.source, self.expected.column_names), "other rows than expected")

    def test_one_column_at_a_time(self) -> None:
        for name in self.expected.column_names:
            require(_rows(_scan(self.source, [name])) == _rows(self.expected.select([name]).to_batches()), "other values than expected")

    def test_columns_come_as_asked(self) -> None:
        backwards = self.expected.column_names[::-1]
        for batch in self.source.scan(backwards):
            require(batch.schema.names == backwards, "columns must come in the order asked for")
        require(_rows(_scan(self.source, backwards)) == _rows(self.expected.select(backwards).to_batches()), "values under another name")

    def test_no_column_counts_rows(self) -> None:
        batches = _scan(self.source, [])
        require(all(batch.num_columns == 0 for batch in batches), "no column was asked for")
        require(sum(batch.num_rows for batch in batches) == self.expected.num_rows, "without columns, batches still count the rows")

    def test_unknown_column(self) -> None:
        """A UsageError that names the column and quotes no value."""
        says = _refusal(self.source, [self.expected.column_names[0], _MISSING])
        require(_MISSING in says, "the error must name the missing column")
        values = {value for row in self.expected.to_pylist() for value in row.values() if isinstance(value, str) and len(value) > 3}
        require(not any(value in says for value in values), "the error quotes a value of a row")

    def test_column_asked_for_twice(self) -> None:
        _refusal(self.source, self.expected.column_names[:1] * 2)

    def test_batch_rows(self) -> None:
        for most in (1, 2, self.expected.num_rows, self.expected.num_rows + 1):
            batches = _scan(self.source, self.expected.column_names, batch_rows=most)
            require(all(batch.num_rows <= most for batch in batches), f"a batch has more than batch_rows={most} rows")
            self._require_all(batches, f"other rows with batch_rows={most}")
            require(
                all(batch.num_rows <= most for batch in _scan(self.source, [], batch_rows=most)), "batch_rows holds without columns too"
            )

    def test_batch_rows_below_one(self) -> None:
        _refusal(self.source, self.expected.column_names, batch_rows=0)

    def test_scan_twice(self) -> None:
        first, second = (_rows(_scan(self.source, self.expected.column_names)) for _ in range(2))
        require(first == second, "a second scan gives other rows")

    def test_two_scans_at_once(self) -> None:
        names = self.expected.column_names
        one, two = self.source.scan(names, batch_rows=1), self.source.scan(names, batch_rows=1)
        pairs = list(zip(one, two, strict=True))
        for taken in zip(*pairs, strict=True):
            self._require_all(taken, "two scans at once disturb each other")

    def test_half_read_scan_is_freed(self) -> None:
        _close(self._half_read())  # whatever a driver opens once and keeps, it has now
        gc.collect()
        before = _open_files()
        for _ in range(5):
            _close(self._half_read())
        require(_settles(lambda: _open_files() <= before), "a scan that was closed halfway keeps a file or a connection open")
        self._require_all(_scan(self.source, self.expected.column_names), "rows are lost after a closed scan")

    def test_finished_scan_is_freed(self) -> None:
        _scan(self.source, self.expected.column_names)
        gc.collect()
        before = _open_files()
        for _ in range(5):
            _scan(self.source, self.expected.column_names)
        require(_settles(lambda: _open_files() <= before), "a scan that was read to its end keeps a file or a connection open")

    def test_no_rows(self) -> None:
        _require_same(self.empty.schema(), self.expected.schema)
        require(not _rows(self.empty.scan(self.expected.column_names)), "the empty source has rows")
        require(sum(batch.num_rows for batch in self.empty.scan([])) == 0, "the empty source has rows when no column is asked for")

    def _require_all(self, batches: Iterable[pa.RecordBatch], says: str) -> None:
        require(_rows(batches) == _rows(self.expected.to_batches()), says)

    def _half_read(self) -> Iterator[pa.RecordBatch]:
        scan = self.source.scan(self.expected.column_names, batch_rows=1)
        require(next(scan).num_rows == 1, "the first batch of a scan with batch_rows=1 has one row")
        return scan


def _scan(source: Source, columns: Sequence[str], *, batch_rows: int = 65_536) -> list[pa.RecordBatch]:
    return list(source.scan(columns, batch_rows=batch_rows))


def _refusal(source: Source, columns: Sequence[str], *, batch_rows: int = 65_536) -> str:
    """What the source says when it refuses a scan, by the first step at the latest."""
    try:
        next(iter(source.scan(columns, batch_rows=batch_rows)), None)
    except UsageError as error:
        return str(error)
    raise AssertionError("a wrong scan must be a UsageError")


def _rows(batches: Iterable[pa.RecordBatch]) -> list[str]:
    """All rows in an order of their own, for a database promises none."""
    return sorted(repr(list(row.values())) for batch in batches for row in batch.to_pylist())


def _require_same(given: pa.Schema, expected: pa.Schema) -> None:
    require(given.names == expected.names, f"columns are {given.names}, not {expected.names}")
    require(given.types == expected.types, f"column types are {given.types}, not {expected.types}")


def _close(scan: Iterator[pa.RecordBatch]) -> None:
    """Close *scan* where it can be closed; in any case the caller has dropped it."""
    close = getattr(scan, "close", None)
    if close is not None:
        close()


def _open_files() -> int:
    """Files and sockets that this process has open; 0 where the system does not tell."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def _settles(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
        gc.collect()
    return True
