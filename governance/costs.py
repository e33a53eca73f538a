"""Cost accounting (公共数据成本核算): what a holder's work on a job costs by its own table, from declared quantities alone.

What a job really took at the rows would tell of them (PRIVACY 13): so a table books fixed minutes for a job and fixed processor seconds for
a round, and what is scanned is the product of the most rows by the catalogue, the columns that the job names, and its most rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Annotated

from pydantic import Field

from governance import notes
from governance.catalogue import Slug
from governance.encoding import wire
from governance.keys import Trust, read_key
from governance.prices import Fen

Booked = Annotated[int, Field(ge=0, le=10**6)]
CELL, GIGABYTE = 8, 10**9  # bytes


@wire("keyong/costs/v1")
class Costs:
    """The cost table of *holder*, a verifier key, which signs it, for its part of *dataset*.

    *hour* is the cost of an hour of work in fen, *minutes* what is booked for each job. *second* is a processor's second in thousandths of
    a fen, *seconds* what is booked for each round; *gigabyte* is what is read in a round, in thousandths of a fen for 10^9 bytes.
    """

    holder: str
    dataset: Slug
    version: Annotated[int, Field(ge=1)]
    hour: Fen
    minutes: Booked
    second: Fen
    seconds: Booked
    gigabyte: Fen

    def __post_init__(self) -> None:
        read_key(self.holder)


@dataclass(frozen=True, slots=True)
class Work:
    """A job as a cost table sees it: at most so many rounds, over so many columns of at most so many rows."""

    rounds: int
    columns: int
    rows: int


def cost(table: Costs, work: Work) -> int:
    """Whole fen, rounded up once."""
    scanned = Fraction(work.rounds * work.columns * work.rows * CELL, GIGABYTE)
    thousandths = work.rounds * table.seconds * table.second + scanned * table.gigabyte
    return ceil(Fraction(table.minutes * table.hour, 60) + thousandths / 1000)


def opened(raw: str | bytes) -> Costs:
    """The table in *raw*, signed by its holder."""
    note = notes.read(raw)
    document = note.document(Costs)
    note.require(Trust((read_key(document.holder),)))
    return document
