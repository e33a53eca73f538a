"""A table as one sealed memory file: written once by the node, mapped read-only by every jail, changed by nobody."""

from __future__ import annotations

import os

import pyarrow as pa

from sandbox.jail import kernel

BATCH_ROWS = 65_536


def seal(table: pa.Table) -> int:
    """Write *table* as an Arrow IPC file into sealed memory; return the descriptor, which the caller closes.

    Batches have 65,536 rows however the table is chunked, so that sums over batches do not depend on where it came from.
    """
    descriptor = kernel.memfd("keyong-table")
    try:
        with os.fdopen(os.dup(descriptor), "wb", buffering=0) as file:
            _write(table.unify_dictionaries(), file)
        kernel.add_seals(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _write(table: pa.Table, file: object) -> None:
    with pa.ipc.new_file(file, table.schema) as writer:
        for first in range(0, table.num_rows, BATCH_ROWS):
            writer.write_table(table.slice(first, BATCH_ROWS).combine_chunks())


def opened(descriptor: int) -> pa.Table:
    """The table in a sealed memory file, without a copy; closes *descriptor*.

    The mapping is never undone: it lasts as long as the jail.
    """
    size = os.fstat(descriptor).st_size
    address = kernel.map_shared(descriptor, size)
    os.close(descriptor)
    return pa.ipc.open_file(pa.foreign_buffer(address, size)).read_all()
