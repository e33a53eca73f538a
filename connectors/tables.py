"""An Arrow table in memory as a source: what `fed.simulate` and tests read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from connectors.source import BATCH_ROWS, check_scan


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
