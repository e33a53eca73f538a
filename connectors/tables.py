"""A table in memory as a source: what `fed.simulate` and tests read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from connectors.source import BATCH_ROWS, check_scan
from governance.errors import UsageError


@dataclass(frozen=True, slots=True)
class TableSource:
    """*table*, in the order of its rows."""

    name: str
    table: pa.Table = field(repr=False)

    def schema(self) -> pa.Schema:
        return self.table.schema

    def scan(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        check_scan(self.name, self.table.schema, columns, batch_rows=batch_rows)
        batches = self.table.to_batches(max_chunksize=batch_rows)
        return (batch.select(list(columns)) for batch in batches)


def as_arrow(name: str, table: object) -> pa.Table:
    """*table* of the holder *name*, an Arrow table or a pandas frame, as an Arrow table. The index of a frame is left out."""
    pandas = sys.modules.get("pandas")  # nobody has a frame without it
    if pandas is not None and isinstance(table, pandas.DataFrame):
        table = _from_frame(name, table)
    if not isinstance(table, pa.Table):
        raise UsageError(f"the table of {name} must be a pandas DataFrame or a pyarrow Table, not {type(table).__name__}")
    if twice := sorted({c for c in table.column_names if table.column_names.count(c) > 1}):
        raise UsageError(f"the table of {name} has two columns {', '.join(twice)}")
    return table


def _from_frame(name: str, frame: Any) -> pa.Table:
    """*frame*, with the names of intervals (as `pandas.cut` makes them) in place of intervals."""
    try:
        if not frame.columns.is_unique:
            raise ValueError("it has two columns of the same name")
        frame = frame.copy(deep=False)
        for column, kind in frame.dtypes.items():
            if getattr(getattr(kind, "categories", None), "closed", None):
                frame[column] = frame[column].cat.rename_categories(str)
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise UsageError(f"the table of {name} cannot be read: {'; '.join(map(str, error.args))}") from None
