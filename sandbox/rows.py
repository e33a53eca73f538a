"""Rows as arrays: what a local step sees of one record batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

PERSON = "__person"
DTYPES = {pa.float64(): np.dtype("<f8"), pa.int16(): np.dtype("<i2"), pa.int32(): np.dtype("<i4")}
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of the licensed columns.

    *persons* holds dense person codes, shape (rows,). A number column is float64 with NaN for missing; a category or band column
    is int16, the index of the level, with -1 for missing; each of shape (rows,).
    """

    persons: NDArray[np.int32] = field(repr=False)
    columns: Mapping[str, NDArray[np.generic]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.persons)

    def number(self, name: str) -> Floats:
        return np.asarray(self.columns[name], np.float64)

    def codes(self, name: str) -> NDArray[np.int16]:
        return np.asarray(self.columns[name], np.int16)

    def present(self, name: str) -> Mask:
        """Which rows have a value in column *name*."""
        values = self.columns[name]
        return ~np.isnan(values) if values.dtype == np.float64 else values >= 0  # type: ignore[operator, no-any-return]

    def where(self, mask: Mask) -> Rows:
        return Rows(self.persons[mask], {name: values[mask] for name, values in self.columns.items()})


def from_batch(batch: pa.RecordBatch) -> Rows:
    """Arrow columns as arrays, without a copy where nothing is missing."""
    columns = {name: _array(batch.column(name)) for name in batch.schema.names if name != PERSON}
    return Rows(np.asarray(_values(batch.column(PERSON)), np.int32), columns)


def _array(column: pa.Array) -> NDArray[np.generic]:
    values = _values(column)
    if not column.null_count:
        return values
    validity: Any = column.buffers()[0]
    known = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")[column.offset :][: len(column)]
    return np.where(known != 0, values, np.nan if values.dtype == np.float64 else np.array(-1, values.dtype))


def _values(column: pa.Array) -> NDArray[np.generic]:
    """The values' buffer (Arrow columnar format, fixed-size primitive layout). ``to_numpy()`` would import pandas into every jail."""
    buffer: Any = column.buffers()[1] if len(column) else b""
    kind: Any = DTYPES[column.type]
    values: NDArray[np.generic] = np.frombuffer(buffer, kind)
    return values[column.offset :][: len(column)]
