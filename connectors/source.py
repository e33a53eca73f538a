"""What a source of data is, and which connector opens which URL.

Importing this loads no driver: a connector's module is imported when the first URL asks for it. A package of somebody else adds its own by
an entry point in the group ``keyong.connectors`` that is named like the scheme and points to the module that calls `register`.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from governance.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
RENAME = "column."

_HOMES = {"csv": "connectors.files", "duckdb": "connectors.duckdb", "ipc": "connectors.files", "parquet": "connectors.files"}
_SUFFIXES = {
    **dict.fromkeys((".arrow", ".arrows", ".feather", ".ipc"), "ipc"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    ".csv": "csv",
    ".duckdb": "duckdb",
}
_WORKBOOKS = frozenset({".xls", ".xlsx", ".xlsm", ".xlsb", ".ods", ".et"})


class Source(Protocol):
    """One table. It streams: a scan holds about one batch in memory, and closing or dropping it frees what it had opened."""

    @property
    def name(self) -> str:
        """What error texts call it; no password in it."""
        ...

    def schema(self) -> pa.Schema:
        """Names and types of its columns; names are distinct."""
        ...

    def scan(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """All rows once, in batches of at most *batch_rows*, with *columns* in the order asked for (none: rows are only counted)."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """A data URL, taken apart. Host and options may hold a password, so they do not print."""

    scheme: str
    host: str = field(repr=False)
    path: str
    options: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.scheme}://{self.path}"

    @property
    def place(self) -> Path:
        """The path on this machine."""
        if self.host not in ("", "localhost"):
            raise UsageError(f"a {self.scheme} URL names no host: write three slashes, {self.scheme}:///folder/file")
        if not self.path or "\0" in self.path:
            raise UsageError(f"a {self.scheme} URL names a file: {self.scheme}:///folder/file")
        return Path(self.path)


Opener = Callable[[Address], Source]


@dataclass(frozen=True, slots=True)
class _Connector:
    opener: Opener
    options: frozenset[str]


_connectors: dict[str, _Connector] = {}


def register(*schemes: str, options: Sequence[str] = ()) -> Callable[[Opener], Opener]:
    """Open URLs of *schemes* with the decorated function; *options* are the query parameters it reads."""

    def remember(opener: Opener) -> Opener:
        for scheme in schemes:
            _connectors[scheme] = _Connector(opener, frozenset(options))
        return opener

    return remember


def schemes() -> tuple[str, ...]:
    """What can be opened, sorted."""
    return tuple(sorted({"file", *_HOMES, *_connectors, *(point.name for point in _plug_ins())}))


def open(url: str) -> Source:
    """The source at *url*, or at a path whose suffix tells the format.

    A query parameter ``column.age=年龄`` offers the source's own column 年龄 under the registered name age. A wrong URL or a missing file
    is a `UsageError` here; rows are read by `Source.scan` alone.
    """
    address = parse(url)
    connector = _connector(address.scheme)
    names = {key.removeprefix(RENAME): value for key, value in address.options.items() if key.startswith(RENAME)}
    options = {key: value for key, value in address.options.items() if not key.startswith(RENAME)}
    for key in sorted(options.keys() - connector.options):
        known = ", ".join([*sorted(connector.options), f"{RENAME}NAME"])
        raise UsageError(f"{address.name}: there is no option {key}; {address.scheme} has {known}")
    source = connector.opener(replace(address, options=options))
    return Renamed(source, names) if names else source


def parse(url: str) -> Address:
    """Take a URL or a plain path apart; ``file`` and a plain path become the scheme that the suffix stands for."""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", url):
        return Address(_scheme_of(url), "", url, {})
    try:
        parts = urlsplit(url, allow_fragments=False)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict")
        path = _local(unquote(parts.path, errors="strict"))
    except ValueError:
        pairs, path = [], ""
    if not path:
        raise UsageError("a data URL looks like csv:///folder/file.csv?option=value, with % codes for special characters")
    if len(dict(pairs)) != len(pairs):
        raise UsageError(f"{parts.scheme}://{path}: an option is given twice")
    return Address(_scheme_of(path) if parts.scheme == "file" else parts.scheme, parts.netloc, path, dict(pairs))


def _local(path: str) -> str:
    return path[1:] if os.name == "nt" and re.match(r"/[A-Za-z]:", path) else path


def _scheme_of(path: str) -> str:
    """Scheme for the suffix of *path*; a folder holds Parquet files."""
    suffix = Path(path).suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if "\0" not in path and Path(path).is_dir():
        return "parquet"
    if suffix in _WORKBOOKS:
        raise UsageError(f"{path} is a workbook, and those are not read; save the sheet as CSV UTF-8")
    known = ", ".join(schemes())
    raise UsageError(f"the suffix of {path} does not tell its format; write it as a URL, such as csv:///folder/file; there are {known}")


def _connector(scheme: str) -> _Connector:
    if scheme in _HOMES:
        importlib.import_module(_HOMES[scheme])  # and wait, where another thread has begun to load it
    elif scheme not in _connectors:
        for point in _plug_ins(scheme):
            point.load()
    if scheme not in _connectors:
        raise UsageError(f"there is no connector for {scheme}; there are {', '.join(schemes())}")
    return _connectors[scheme]


def _plug_ins(scheme: str | None = None) -> list[EntryPoint]:
    points = entry_points(group="keyong.connectors")
    return [point for point in points if scheme is None or point.name == scheme]


def check_scan(name: object, schema: pa.Schema, columns: Sequence[str], *, batch_rows: int) -> None:
    """Refuse a scan that the table *name* cannot do; a connector calls this first.

    The columns that are there stay out of the error: in a CSV file without a header line their names are a patient's values.
    """
    if batch_rows < 1:
        raise UsageError(f"batch_rows must be at least 1, got {batch_rows}")
    if len(set(columns)) != len(columns):
        raise UsageError(f"{name}: a column is asked for twice")
    there = set(schema.names)
    for column in columns:
        if column not in there:
            raise UsageError(f"{name} has no column {column}")


@dataclass(frozen=True, slots=True)
class Renamed:
    """A source whose columns go by registered names: *names* gives the source's own name for each."""

    source: Source
    names: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.source.name

    def schema(self) -> pa.Schema:
        schema = self.source.schema()
        registered = {old: new for new, old in self.names.items()}
        for new, old in self.names.items():
            if old not in schema.names:
                raise UsageError(f"{self.name} has no column {old}, which {new} should be read from")
            if registered[old] != new:
                raise UsageError(f"{self.name}: {new} and {registered[old]} would both be read from {old}")
            if new in schema.names and new not in registered:
                raise UsageError(f"{self.name} has a column {new} already, besides {old}")
        for position, old in enumerate(schema.names):
            schema = schema.set(position, schema.field(position).with_name(registered.get(old, old)))
        return schema

    def scan(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        check_scan(self.name, self.schema(), columns, batch_rows=batch_rows)
        return self._scan(list(columns), batch_rows)

    def _scan(self, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        for batch in self.source.scan([self.names.get(c, c) for c in columns], batch_rows=batch_rows):
            yield batch.rename_columns(columns) if columns else batch
