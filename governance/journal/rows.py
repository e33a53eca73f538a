"""Rows of the ledger in a journal's tables, and the rows that a journal hands out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from governance.errors import IntegrityError
from governance.journal import schema

PAGE = 1000  # rows read at a time

# Statements of every commit are built once: building one costs more than running it.
HEAD = sa.select(schema.head.c.size, schema.head.c.note)
SET_HEAD = sa.update(schema.head)
HASHES = sa.select(schema.node_hash).where(schema.node_hash.c.position.in_(sa.bindparam("at", expanding=True)))

BETWEEN = sa.select(schema.node_hash).where(
    schema.node_hash.c.position >= sa.bindparam("start"), schema.node_hash.c.position < sa.bindparam("stop")
)


@dataclass(frozen=True, slots=True)
class JobRow:
    """Where a job stands. *number* is its place in the order of arrival; *version* grows with each change."""

    number: int
    job: str
    phase: str
    deadline: int
    detail: str = field(repr=False)
    code: str
    version: int
    ended: bool
    created: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person at this node said about a job, and when."""

    verdict: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class LedgerRows:
    """`governance.ledger.Rows` on one connection."""

    connection: Connection

    def head(self) -> tuple[int, str]:
        row = self.connection.execute(HEAD).one_or_none()
        if row is None:
            raise IntegrityError("the ledger has no head")
        return row.size, row.note

    def set_head(self, size: int, note: str) -> None:
        self.connection.execute(SET_HEAD, {"size": size, "note": note})

    def add(self, leaves: Sequence[tuple[int, bytes]], hashes: Sequence[tuple[int, bytes]]) -> None:
        """In the driver's own words: these are the many rows of a ledger, and handing over each costs more than writing it."""
        mark = "?" if self.connection.dialect.paramstyle == "qmark" else "%s"
        for table, rows in ((schema.entry, leaves), (schema.node_hash, hashes)):
            columns = ", ".join(table.columns.keys())
            self.connection.exec_driver_sql(f"INSERT INTO {table.name} ({columns}) VALUES ({mark}, {mark})", list(rows))  # noqa: S608

    def at(self, positions: Sequence[int]) -> dict[int, bytes]:
        return {row[0]: row[1] for row in self.connection.execute(HASHES, {"at": list(positions)})}

    def between(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        return ((row[0], row[1]) for row in self.connection.execute(BETWEEN, {"start": start, "stop": stop}))

    def leaves(self, start: int) -> Iterator[tuple[int, bytes]]:
        return self._paged(schema.entry, schema.entry.c.number, start)

    def hashes(self) -> Iterator[tuple[int, bytes]]:
        return self._paged(schema.node_hash, schema.node_hash.c.position, 0)

    def _paged(self, table: sa.Table, key: sa.Column[Any], start: int) -> Iterator[tuple[int, bytes]]:
        page = sa.select(table).where(key >= sa.bindparam("start")).order_by(key).limit(PAGE)
        while rows := self.connection.execute(page, {"start": start}).all():
            yield from ((row[0], row[1]) for row in rows)
            start = rows[-1][0] + 1
