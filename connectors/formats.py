"""How one file becomes record batches: Parquet, CSV, Arrow IPC."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from pyarrow import ipc

from connectors.faults import Blame, each, file_blame, quietly
from governance.errors import DecodeError, KeyongError, UsageError


class Format(Protocol):
    """Reads one file at a time; faults of the file are keyong's errors."""

    suffixes: ClassVar[tuple[str, ...]]

    def schema(self, path: Path) -> pa.Schema: ...

    def batches(self, path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]: ...


@dataclass(frozen=True, slots=True)
class Parquet:
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    def schema(self, path: Path) -> pa.Schema:
        return quietly(lambda: _distinct(pq.read_schema(path), path), _parquet_blame(path))

    def batches(self, path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        return each(self._batches(path, list(columns), batch_rows), _parquet_blame(path))

    def _batches(self, path: Path, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
                yield batch.select(columns)  # the file's own order otherwise, and with "a" also "a.b"


def _parquet_blame(path: Path) -> Blame:
    return file_blame(path, "a whole Parquet file")


@dataclass(frozen=True, slots=True)
class Ipc:
    """Arrow IPC, as a file or as a stream. What comes from outside is validated, for Arrow itself trusts its offsets."""

    suffixes: ClassVar[tuple[str, ...]] = (".arrow", ".arrows", ".feather", ".ipc")

    def schema(self, path: Path) -> pa.Schema:
        return quietly(lambda: self._schema(path), _ipc_blame(path))

    def batches(self, path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        return each(self._batches(path, list(columns), batch_rows), _ipc_blame(path))

    def _schema(self, path: Path) -> pa.Schema:
        with pa.OSFile(str(path)) as file:
            return _distinct(_ipc_reader(file, None).schema, path)

    def _batches(self, path: Path, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        names = self._schema(path).names
        with pa.OSFile(str(path)) as file:
            reader = _ipc_reader(file, sorted(names.index(c) for c in columns or names[:1]))
            for batch in _ipc_parts(reader):
                batch.validate(full=True)
                yield from at_most(batch.select(columns), batch_rows)


def _ipc_reader(file: pa.OSFile, fields: list[int] | None) -> Any:
    options = ipc.IpcReadOptions(included_fields=fields)
    magic = file.read(6)
    file.seek(0)
    return ipc.open_file(file, options=options) if magic == b"ARROW1" else ipc.open_stream(file, options=options)


def _ipc_parts(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, ipc.RecordBatchFileReader):
        return (reader.get_batch(i) for i in range(reader.num_record_batches))
    return iter(reader)


def _ipc_blame(path: Path) -> Blame:
    return file_blame(path, "a whole Arrow IPC file or stream")


@dataclass(frozen=True, slots=True)
class Csv:
    """Text with a header line. Every column is text: types guessed from the first rows fail on later ones and eat leading zeros.

    An empty field is a missing value, quoted or not.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n' or not self.delimiter.isascii():
            raise UsageError("delimiter must be one ASCII character, such as ; or %09 for a tab")
        if not _extends_ascii(self.encoding):
            raise UsageError("encoding must be the name of one that contains ASCII, such as utf-8, gb18030, gbk or big5")

    def schema(self, path: Path) -> pa.Schema:
        ragged: list[str] = []
        return quietly(lambda: self._schema(path, ragged), self._blame(path, ragged))

    def batches(self, path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        ragged: list[str] = []
        return each(self._batches(path, list(columns), batch_rows, ragged), self._blame(path, ragged))

    def _schema(self, path: Path, ragged: list[str]) -> pa.Schema:
        with _Text(path) as file, self._reader(file, [], ragged) as reader:
            return _distinct(pa.schema([(name, pa.string()) for name in reader.schema.names if name.strip()]), path)

    def _batches(self, path: Path, columns: list[str], batch_rows: int, ragged: list[str]) -> Iterator[pa.RecordBatch]:
        with _Text(path) as file, self._reader(file, columns or self._schema(path, ragged).names[:1], ragged) as reader:
            for batch in reader:
                yield from at_most(batch.select(columns), batch_rows)
            file.check_quotes()

    def _reader(self, file: _Text, columns: list[str], ragged: list[str]) -> Any:
        def complain(row: Any) -> str:
            ragged.append(f"row {row.number}, the header being row 1, has {row.actual_columns} fields instead of {row.expected_columns}")
            return "error"

        text = {"strings_can_be_null": True, "quoted_strings_can_be_null": True, "null_values": [""]}
        return arrow_csv.open_csv(
            io.BufferedReader(file, 1 << 20),
            # one thread: no slower when all columns are text, and only so are rows numbered
            read_options=arrow_csv.ReadOptions(encoding=self.encoding, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=complain),
            convert_options=arrow_csv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), **text),
        )

    def _blame(self, path: Path, ragged: list[str]) -> Blame:
        hint = "older systems often write ?encoding=gb18030"
        usual = file_blame(path, f"a CSV file in {self.encoding} with a header line and every quotation mark closed; {hint}")

        def blame(fault: BaseException) -> KeyongError:
            return DecodeError(f"{path}: {ragged[0]}") if ragged else usual(fault)

        return blame


class _Text(io.RawIOBase):
    """A CSV file with one more line end, so that a header without one is still a table, and a count of its quotation marks."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file: BinaryIO = io.FileIO(path)
        self._ended = False
        self._quotes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._file.read(len(buffer))
        if not chunk and not self._ended:
            self._ended = True
            chunk = b"\n"
        self._quotes += chunk.count(b'"')
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._file.close()
        super().close()

    def check_quotes(self) -> None:
        """Refuse a file whose last quotation mark is never closed: Arrow takes all that follows for one value, rows and all."""
        if self._quotes % 2:
            raise DecodeError(f"{self._path}: a quotation mark is never closed; inside a value it is written twice, and the value quoted")


def _extends_ascii(encoding: str) -> bool:
    """Whether quotation marks and line ends are the same bytes as in ASCII, and nothing else is."""
    ascii = bytes(range(128)) + b"\x1b$B\x1b$)C~{~}"  # what makes ISO 2022 and HZ read the next bytes otherwise
    try:
        return ascii.decode(encoding) == "".join(map(chr, ascii))
    except (LookupError, ValueError):
        return False


def _distinct(schema: pa.Schema, path: Path) -> pa.Schema:
    first: dict[str, int] = {}
    for position, name in enumerate(schema.names, start=1):
        if first.setdefault(name, position) != position:
            raise DecodeError(f"{path}: columns {first[name]} and {position} have the same name")
    return schema


def at_most(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """*batch* in pieces of at most *rows* rows."""
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))
