"""Rows of the ledger in a journal's tables, and the rows that a journal hands out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from governance.errors import IntegrityError
from governance.merkle import WIDTH

LEVEL = 48  # a tile's place is its level over these bits, and its index below

# In the driver's own words: to build a statement, and to hand over its rows, costs more than running it.
HEAD = "SELECT size, note FROM head"
SET_HEAD = "UPDATE head SET size = {0}, note = {0}"
BUNDLES = "SELECT first, entries FROM bundle WHERE first >= {0} AND first < {0} ORDER BY first"
NEXT = "SELECT min(first) FROM bundle WHERE first >= {0}"
HASHES = "SELECT hashes FROM bundle WHERE first >= {0} AND first < {0} ORDER BY first"
TILES = "SELECT place, hashes FROM tile WHERE place IN ({0})"
PLACES = "SELECT place FROM tile ORDER BY place"
ADD = "INSERT INTO bundle (first, hashes, entries) VALUES ({0}, {0}, {0})"
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
        self._run(SET_HEAD, (size, note))

    def add(self, bundles: Sequence[tuple[int, bytes, bytes]], tiles: Sequence[tuple[int, int, bytes]]) -> None:
        """A tile that was there in part is put in its place."""
        self._run(ADD, list(bundles))
        if tiles:
            self._run(PUT, [(level << LEVEL | index, hashes) for level, index, hashes in tiles])

    def _run(self, statement: str, values: Any) -> Any:
        mark = "?" if self.connection.dialect.paramstyle == "qmark" else "%s"
        return self.connection.exec_driver_sql(statement.format(mark), values)

    def bundles(self, start: int) -> Iterator[tuple[int, bytes]]:
        """In order, from the first one that may hold the entry *start* on; one tile's entries are read at a time."""
        at: int | None = start
        while at is not None:
            first = at // WIDTH * WIDTH
            rows = self._run(BUNDLES, (first, first + WIDTH)).all()
            yield from ((row[0], row[1]) for row in rows)
            at = first + WIDTH if rows else self._run(NEXT, (first + WIDTH,)).scalar_one()

    def tiles(self, names: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Those of leaves are put together from what the bundles hold."""
        found = {name: self._leaves(name[1]) for name in names if name[0] == 0}
        places = tuple(level << LEVEL | index for level, index in names if level)
        if places:
            rows = self._run(TILES.format(", ".join(["{0}"] * len(places))), places)
            found.update({_name(place): hashes for place, hashes in rows})
        return found

    def _leaves(self, index: int) -> bytes:
        return b"".join(self._run(HASHES, (index * WIDTH, index * WIDTH + WIDTH)).scalars())

    def all_tiles(self) -> Iterator[tuple[int, int]]:
        return map(_name, self.connection.exec_driver_sql(PLACES).scalars())


def _name(place: int) -> tuple[int, int]:
    return place >> LEVEL, place % (1 << LEVEL)
