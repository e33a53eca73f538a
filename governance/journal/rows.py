"""Rows of the ledger in a journal's tables, and the rows that a journal hands out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from governance.errors import IntegrityError
from governance.journal import schema
from governance.merkle import WIDTH

LEVEL = 48  # a tile's place is its level over these bits, and its index below

# Statements of every commit are built once, or are in the driver's own words: building one costs more than running it.
HEAD = "SELECT size, note FROM head"
SET_HEAD = "UPDATE head SET size = {0}, note = {0}"
BUNDLES = (
    sa.select(schema.bundle)
    .where(schema.bundle.c.first >= sa.bindparam("start"), schema.bundle.c.first < sa.bindparam("stop"))
    .order_by(schema.bundle.c.first)
)
NEXT = sa.select(sa.func.min(schema.bundle.c.first)).where(schema.bundle.c.first >= sa.bindparam("start"))
TILES = sa.select(schema.tile).where(schema.tile.c.place.in_(sa.bindparam("at", expanding=True)))
PLACES = sa.select(schema.tile.c.place).order_by(schema.tile.c.place)
ADD = "INSERT INTO bundle (first, entries) VALUES ({0}, {0})"
PUT = "INSERT INTO tile (place, hashes) VALUES ({0}, {0}) ON CONFLICT (place) DO UPDATE SET hashes = excluded.hashes"


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
        row = self.connection.exec_driver_sql(HEAD).one_or_none()
        if row is None:
            raise IntegrityError("the ledger has no head")
        return row[0], row[1]

    def set_head(self, size: int, note: str) -> None:
        self._write(SET_HEAD, (size, note))

    def add(self, bundles: Sequence[tuple[int, bytes]], tiles: Sequence[tuple[int, int, bytes]]) -> None:
        """A tile that was there in part is put in its place."""
        self._write(ADD, list(bundles))
        self._write(PUT, [(level << LEVEL | index, hashes) for level, index, hashes in tiles])

    def _write(self, statement: str, values: Any) -> None:
        mark = "?" if self.connection.dialect.paramstyle == "qmark" else "%s"
        self.connection.exec_driver_sql(statement.format(mark), values)

    def bundles(self, start: int) -> Iterator[tuple[int, bytes]]:
        """In order, from the first one that may hold the entry *start* on; one tile's entries are read at a time."""
        at: int | None = start
        while at is not None:
            first = at // WIDTH * WIDTH
            rows = self.connection.execute(BUNDLES, {"start": first, "stop": first + WIDTH}).all()
            yield from ((row[0], row[1]) for row in rows)
            at = first + WIDTH if rows else self.connection.execute(NEXT, {"start": first + WIDTH}).scalar_one()

    def tiles(self, names: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        found = self.connection.execute(TILES, {"at": [level << LEVEL | index for level, index in names]})
        return {_name(place): hashes for place, hashes in found}

    def all_tiles(self) -> Iterator[tuple[int, int]]:
        return map(_name, self.connection.execute(PLACES).scalars())


def _name(place: int) -> tuple[int, int]:
    return place >> LEVEL, place % (1 << LEVEL)
