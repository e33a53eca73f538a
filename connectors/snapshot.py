"""A snapshot: one dataset of one holder, read once, in its registered form, and frozen.

Jobs read snapshots only, so that two of them see the same persons. A snapshot is an Arrow IPC file that its owner alone may read; it holds
``__person``, a dense code in place of the person key, and the registered columns: doubles for numbers, positions among the levels for
categories and bands, null where missing.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from connectors import normal
from connectors.faults import each, file_blame, quietly
from connectors.source import Source, check_scan
from governance.catalogue import Column, Schema
from governance.errors import IntegrityError, KeyongError, Unavailable, UsageError

PERSON = "__person"
MOST_ROWS = 2**31 - 1  # person codes are int32
_FORM, _ID = b"keyong/form", b"keyong/snapshot"
_TYPES = {"number": pa.float64(), "category": pa.int16(), "band": pa.int16()}
_NEEDS = {"number": "numbers, booleans, or text that holds numbers", "category": "text, numbers or booleans"}


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows in which a column has no value: none at the source, or *unknown*, one that is not registered."""

    missing: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was frozen. How many rows and persons there are is for the holder alone, so it does not print."""

    id: str
    path: Path
    columns: tuple[str, ...]
    rows: int = field(repr=False)
    persons: int = field(repr=False)
    skipped_rows: int = field(repr=False)
    gaps: Mapping[str, Gap] = field(default_factory=dict, repr=False)  # by column of the source; empty where it was not frozen just now


def freeze(source: Source, schema: Schema, path: Path, *, most_rows: int = MOST_ROWS, persons: normal.Persons | None = None) -> Snapshot:
    """Read the columns of *schema* from *source* once and write them to *path* in their registered form.

    The file appears complete and on disk, or not at all; a snapshot that is there already is never replaced. Rows without a person are left
    out and counted.

    Parameters
    ----------
    source
        The holder's table.
    schema
        The registered columns.
    path
        The new file, mode 0600.
    most_rows
        Most rows that the dataset is registered with at one holder.
    persons
        Filled with the persons' keys, for a caller that wants to know them again.

    Raises
    ------
    UsageError
        A column is missing or has a type that cannot hold the registered values, there are too many rows, or *path* is taken.
    """
    _check(source, schema)
    if path.exists():
        raise UsageError(f"there is a snapshot at {path} already; snapshots are never replaced")
    id, persons = secrets.token_hex(16), persons or normal.Persons()
    rows = skipped = 0
    empty, unknown = Counter[str](), Counter[str]()
    form = _form(schema, id)
    batches = each(_normalised(source, schema, form, persons=persons), file_blame(source.name, "readable to its end"))
    with closing(batches), _written(path) as file, ipc.new_file(file, form) as writer:
        for read, kept, strange in batches:
            rows, skipped = rows + kept.num_rows, skipped + read - kept.num_rows
            empty.update({name: kept.column(name).null_count for name in strange})
            unknown.update(strange)
            if rows > min(most_rows, MOST_ROWS):
                raise UsageError(f"{source.name} has more rows than the {most_rows} that the dataset is registered with")
            writer.write_batch(kept)
    gaps = {c.name: Gap(empty[c.name] - unknown[c.name], unknown[c.name]) for c in schema.columns if c.of is None}
    return Snapshot(id, path, tuple(c.name for c in schema.columns), rows, len(persons.codes), skipped, gaps)


def _check(source: Source, schema: Schema) -> None:
    there = source.schema()
    missing = [name for name in schema.sources if name not in there.names]
    if missing:
        hint = f"in the URL, column.{missing[0]}=NAME reads it from a column of another name"
        if len(there.names) == 1:
            hint = "is the delimiter another one? delimiter=%3B reads semicolons, delimiter=%09 tabs"
        registered = ", ".join(schema.sources)
        raise UsageError(f"{source.name} has no column {', '.join(missing)}; the dataset is registered with {registered}; {hint}")
    for name in schema.sources:
        kind, given = "" if name == schema.person else schema[name].kind, there.field(name).type
        if kind and not normal.is_scalar(given):
            raise UsageError(f"column {name} of {source.name} is {given}; a {kind} column needs {_NEEDS[kind]}")
        if not kind and not normal.is_key(given):
            raise UsageError(f"column {name} of {source.name} is {given}; a person key needs text, numbers or bytes")


def _form(schema: Schema, id: str) -> pa.Schema:
    fields = [pa.field(PERSON, pa.int32(), nullable=False), *(pa.field(c.name, _TYPES[c.kind]) for c in schema.columns)]
    return pa.schema(fields, metadata={_FORM: b"1", _ID: id.encode()})


def _normalised(
    source: Source, schema: Schema, form: pa.Schema, *, persons: normal.Persons
) -> Iterator[tuple[int, pa.RecordBatch, Mapping[str, int]]]:
    """For each batch of *source*, how many rows it had, those with a person in registered form, and how many values are not registered."""
    for batch in source.scan(schema.sources):
        codes = persons.encode(batch.column(schema.person))
        named = codes.is_valid()
        arrays = [codes, *_columns(batch, schema.columns)]
        kept = pa.record_batch([array.filter(named) for array in arrays], schema=form)
        strange = {c.name: _unknown(batch.column(c.name), named, kept.column(c.name)) for c in schema.columns if c.of is None}
        yield batch.num_rows, kept, strange


def _unknown(given: pa.Array, named: pa.Array, made: pa.Array) -> int:
    """How many values of the *named* rows there were at the source that have none in registered form."""
    return pc.sum(pc.and_(normal.present(given).filter(named), made.is_null())).as_py() or 0 if made.null_count else 0


def _columns(batch: pa.RecordBatch, columns: Sequence[Column]) -> list[pa.Array]:
    floats = {c.name: normal.numbers(batch.column(c.name), c) for c in columns if c.kind == "number"}
    made = {name: normal.nullable(values) for name, values in floats.items()}
    for column in columns:
        if column.of is not None:
            made[column.name] = normal.bands(floats[column.of], column)
        elif column.kind == "category":
            made[column.name] = normal.levels(batch.column(column.name), column)
    return [made[c.name] for c in columns]


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A new file that gets its name once it is whole and on disk; without its name it ends in ``.part``."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as fault:
        raise Unavailable(f"the snapshot could not be written to {path.parent}, system error {fault.errno}") from None
    finally:
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load(path: Path, columns: Sequence[str], *, id: str | None = None) -> pa.Table:
    """*columns* of the snapshot at *path* after ``__person``, and no others, on memory that is mapped from the file.

    Parameters
    ----------
    path
        A file that `freeze` wrote.
    columns
        Registered columns, in the order wanted.
    id
        The snapshot that must be there.
    """
    return quietly(lambda: _mapped(path, [PERSON, *columns], id), lambda fault: _load_fault(path, fault))


def only(table: pa.Table, codes: Sequence[int]) -> pa.Table:
    """The rows of *table* that are about the persons with *codes*."""
    return table.filter(pc.is_in(table.column(PERSON), pa.array(codes, pa.int32())))


def _mapped(path: Path, names: list[str], id: str | None) -> pa.Table:
    reader = ipc.open_file(pa.memory_map(str(path)))  # not its included_fields: with them Arrow copies
    metadata = reader.schema.metadata or {}
    if metadata.get(_FORM) != b"1" or (id is not None and metadata.get(_ID) != id.encode()):
        raise IntegrityError(f"{path} is not the snapshot{'' if id is None else ' ' + id}")
    check_scan(path, reader.schema, names, batch_rows=1)
    table = reader.read_all().select(names).replace_schema_metadata(None)
    table.validate()
    return table


def _load_fault(path: Path, fault: BaseException) -> KeyongError:
    if isinstance(fault, FileNotFoundError | PermissionError):
        return file_blame(path, "a snapshot")(fault)
    return IntegrityError(f"{path} is not a whole snapshot")
