"""How one file becomes record batches: Parquet and Arrow IPC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from connectors.faults import Blame, each, file_blame, quietly
from governance.errors import DecodeError


class Format(Protocol):
    """Reads one file at a time; faults of the file are keyong's errors."""

    suffixes: ClassVar[tuple[str, ...]]

    def schema(self, path: Path) -> pa.Schema: ...

    def batches(self, path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]: ...


@dataclass(frozen=True, slots=True)
class Parquet:
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    def schema(self, path: Path) -> pa.Schema:
        return quietly(lambda: distinct(pq.read_schema(path), path), _parquet_blame(path))

    def batches(self, path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        return each(self._batches(path, list(columns), batch_rows), _parquet_blame(path))

    def _batches(self, path: Path, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=batch_rows, columns=columns)


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
            return distinct(_ipc_reader(file, None).schema, path)

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


def distinct(schema: pa.Schema, path: Path) -> pa.Schema:
    """*schema*, whose names differ; where two do not, the error leaves them out, for they may be values."""
    first: dict[str, int] = {}
    for position, name in enumerate(schema.names, start=1):
        if first.setdefault(name, position) != position:
            raise DecodeError(f"{path}: columns {first[name]} and {position} have the same name")
    return schema


def at_most(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """*batch* in pieces of at most *rows* rows."""
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))
