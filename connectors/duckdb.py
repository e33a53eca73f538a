"""One table or view of a DuckDB file. The file is opened read-only, and nothing in it, such as a view, can reach any other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from connectors.faults import ARROW, Blame, each, file_blame, quietly
from connectors.source import BATCH_ROWS, Address, check_scan, register
from governance.errors import DecodeError, KeyongError, Unavailable, UsageError

if TYPE_CHECKING:
    import duckdb

# One set for every connection: DuckDB shares an open file between connections of equal settings only.
SETTINGS = {
    "allow_community_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",  # also keeps a table name from meaning a Python variable of ours
    "memory_limit": "1GB",
    "temp_directory": "",  # rows are never spilled to a disk that nobody watches
    "threads": "2",
    "lock_configuration": "true",
}


@register("duckdb", options=("table", "schema"))
def open_duckdb(address: Address) -> DuckDBSource:
    if not address.options.get("table"):
        raise UsageError(f"{address.name}: say which table, duckdb:///folder/file.duckdb?table=visits")
    source = DuckDBSource(address.place, address.options["table"], namespace=address.options.get("schema", "main"))
    quietly(lambda: _check_file(source.path), file_blame(source.path, "a DuckDB file"))
    return source


@dataclass(frozen=True, slots=True)
class DuckDBSource:
    """The table or view *table* of the DuckDB schema *namespace*."""

    path: Path
    table: str
    namespace: str = "main"

    @property
    def name(self) -> str:
        return f"table {self.table} of {self.path}"

    def schema(self) -> pa.Schema:
        return quietly(self._schema, self._blame(), faults=_faults())

    def scan(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        check_scan(self.name, self.schema(), columns, batch_rows=batch_rows)
        return each(self._scan(list(columns), batch_rows), self._blame(), faults=_faults())

    def _schema(self) -> pa.Schema:
        with self._reader("*", BATCH_ROWS) as reader:
            return reader.schema

    def _scan(self, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        with self._reader(", ".join(map(_quote, columns)) or "true", batch_rows) as reader:
            for batch in reader:
                yield batch if columns else batch.select([])

    @contextmanager
    def _reader(self, selection: str, batch_rows: int) -> Iterator[pa.RecordBatchReader]:
        query = f"SELECT {selection} FROM {_quote(self.namespace)}.{_quote(self.table)}"  # noqa: S608
        with closing(_connect(self.path)) as connection, connection.sql(query).to_arrow_reader(batch_rows) as reader:
            yield reader

    def _blame(self) -> Blame:
        import duckdb  # noqa: PLC0415

        limit = SETTINGS["memory_limit"]
        usage, busy = (duckdb.CatalogException, duckdb.BinderException), (duckdb.IOException, duckdb.ConnectionException)
        cases: dict[tuple[type[BaseException], ...], KeyongError] = {
            usage: UsageError(f"{self.path} has no readable table {self.table} in its schema {self.namespace}"),
            (duckdb.PermissionException,): UsageError(f"{self.name} is a view on something outside the file; make it a table"),
            (duckdb.OutOfMemoryException,): Unavailable(f"{self.name} is a view that takes over {limit} of memory; make it a table"),
            busy: Unavailable(f"{self.path} is in use by another program, or damaged"),
        }
        otherwise = DecodeError(f"{self.name} cannot be read: it is damaged, or it is a view that fails on some row")
        return lambda fault: next((error for classes, error in cases.items() if isinstance(fault, classes)), otherwise)


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    import duckdb  # noqa: PLC0415

    return duckdb.connect(str(path), read_only=True, config=dict(SETTINGS))


def _faults() -> tuple[type[BaseException], ...]:
    import duckdb  # noqa: PLC0415

    return (duckdb.Error, *ARROW)


def _quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _check_file(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(12)[8:] != b"DUCK":
            raise DecodeError(f"{path} is not a DuckDB file")
