"""Files of one format as one table: a file, all such files in a folder, or those that a pattern names."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from connectors.delimited import Csv
from connectors.faults import file_blame, quietly
from connectors.formats import Format, Ipc, Parquet
from connectors.source import BATCH_ROWS, Address, check_scan, register
from governance.errors import UsageError


@register("parquet")
def open_parquet(address: Address) -> FileSource:
    return _found(FileSource(address.name, address.place, Parquet()))


@register("ipc")
def open_ipc(address: Address) -> FileSource:
    return _found(FileSource(address.name, address.place, Ipc()))


@register("csv", options=("encoding", "delimiter"))
def open_csv(address: Address) -> FileSource:
    return _found(FileSource(address.name, address.place, Csv(**address.options)))


def _found(source: FileSource) -> FileSource:
    source.files()
    return source


@dataclass(frozen=True, slots=True)
class FileSource:
    """Every file of *format* at *place*, in the order of their names. Its columns are those that all of them have."""

    name: str
    place: Path
    format: Format

    def files(self) -> list[Path]:
        """At least one file; hidden ones and those that begin with ``_``, as Spark leaves behind, do not count."""
        if self.place.is_dir():
            found = [p for p in self.place.rglob("*") if p.suffix.lower() in self.format.suffixes and _visible(p.relative_to(self.place))]
        elif self.place.exists() or not glob.has_magic(str(self.place)):
            found = [self.place]
        else:
            found = [Path(p) for p in glob.glob(str(self.place), recursive=True)]
        found = sorted(p for p in found if p.is_file())
        if not found:
            raise UsageError(f"there is no file {self.place}" + (f"/**/*{self.format.suffixes[0]}" if self.place.is_dir() else ""))
        return found

    def schema(self) -> pa.Schema:
        return _common(self._schemas())

    def scan(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        schemas = self._schemas()
        for path, schema in schemas.items():
            check_scan(path, schema, columns, batch_rows=batch_rows)
        shared = _common(schemas)
        return self._scan(list(schemas), pa.schema([shared.field(c) for c in columns]), batch_rows)

    def _schemas(self) -> dict[Path, pa.Schema]:
        return {path: self.format.schema(path) for path in self.files()}

    def _scan(self, paths: Sequence[Path], schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        for path in paths:
            batches = self.format.batches(path, schema.names, batch_rows)
            for batch in batches:
                yield batch if batch.schema.types == schema.types else _cast(batch, schema, path)


def _cast(batch: pa.RecordBatch, schema: pa.Schema, path: Path) -> pa.RecordBatch:
    return quietly(lambda: batch.cast(schema), file_blame(path, "of the same types as the files beside it: a number is too large"))


def _visible(path: Path) -> bool:
    return not any(part.startswith(("_", ".")) for part in path.parts)


def _common(schemas: Mapping[Path, pa.Schema]) -> pa.Schema:
    """Columns that all files have, each with a type that can take all of its values."""
    first, *others = schemas.values()
    return pa.schema([_widest(name, schemas) for name in first.names if all(name in other.names for other in others)])


def _widest(name: str, schemas: Mapping[Path, pa.Schema]) -> pa.Field:
    alone = [pa.schema([(name, schema.field(name).type)]) for schema in schemas.values()]
    clash = UsageError(f"column {name} has types that do not go together in {next(iter(schemas))} and the files beside it")
    return quietly(lambda: pa.unify_schemas(alone, promote_options="permissive").field(name), lambda _: clash)
