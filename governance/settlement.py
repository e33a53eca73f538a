"""Settlement: what the releases in a range of a ledger cost, and who gets how much: a pure function, so that anybody computes the same.

Charges are made in the order of the ledger from the beginning of each price note, whatever range is asked for: two statements over one
ledger never disagree. Where the charges under a note reach its ceiling, the rest is shown as not charged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from governance import notes
from governance.catalogue import Label, Slug
from governance.encoding import plain, strict, wire
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import Trust
from governance.prices import Fen, Price, Share, Use, divide
from governance.rights import Digest

DAY = 86400


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence says of money: its price note and who shares what is charged."""

    price: str
    note: Price
    shares: tuple[Share, ...]


@strict
class Line:
    """What one release costs: *quantity* units, *fen* charged and *uncharged* above the ceiling, divided among organisations."""

    entry: Annotated[int, Field(ge=0)]
    job: Digest
    licence: Digest
    operator: Label
    purpose: Slug
    price: Digest
    quantity: Annotated[int, Field(ge=0)]
    fen: Fen
    uncharged: Fen
    parts: dict[str, Fen]

    def __post_init__(self) -> None:
        if sum(self.parts.values()) != self.fen:
            raise DecodeError("the parts of a charge make it up exactly")


@wire("keyong/statement/v1")
class Statement:
    """Charges for the releases among the entries *first* up to, not including, *last* of the ledger *origin*.

    *root* is the ledger's root at the size *last*, in hex: whoever has that ledger can compute the statement again.
    """

    origin: Label
    first: Annotated[int, Field(ge=0)]
    last: Annotated[int, Field(ge=0)]
    root: Digest
    lines: tuple[Line, ...]

    @property
    def owed(self) -> Mapping[str, int]:
        """Fen that each operator owes."""
        return _sums((line.operator, line.fen) for line in self.lines)

    @property
    def due(self) -> Mapping[str, int]:
        """Fen that each organisation gets; all of them together what all operators owe."""
        return _sums(part for line in self.lines for part in line.parts.items())


def _sums(parts: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for name, fen in parts:
        sums[name] = sums.get(name, 0) + fen
    return dict(sorted(sums.items()))


def charges(uses: Iterable[Use], terms: Mapping[str, Terms]) -> Iterator[Line]:
    """A line for each of *uses*, which are all from the ledger's beginning on and in its order; *terms* by licence."""
    last, spent = -1, dict.fromkeys((t.price for t in terms.values()), 0)
    questions: set[tuple[str, str]] = set()
    days: set[tuple[str, int]] = set()
    for use in uses:
        if use.entry <= last:
            raise UsageError("uses come in the order of the ledger")
        last = use.entry
        if use.licence not in terms:
            raise UsageError(f"the licence {use.licence[:12]} has no price")
        of = terms[use.licence]
        if not of.note.not_before <= use.at <= of.note.not_after:
            raise IntegrityError(f"the price of entry {use.entry} was not in force when it was released")
        counted = {
            "call": 1,
            "product": int((use.licence, use.question) not in questions),
            "day": int((use.licence, use.at // DAY) not in days),
            "number": use.numbers,
        }[of.note.unit]
        questions.add((use.licence, use.question))
        days.add((use.licence, use.at // DAY))
        asked = counted * of.note.costs(use.purpose)
        fen = min(asked, of.note.ceiling - spent[of.price])
        spent[of.price] += fen
        yield Line(
            use.entry, use.job, use.licence, use.operator, use.purpose, of.price, counted, fen, asked - fen, dict(divide(fen, of.shares))
        )


def settle(uses: Iterable[Use], terms: Mapping[str, Terms], *, origin: str, first: int, last: int, root: bytes) -> Statement:
    """The statement over a range; *uses* are all releases before *last*, from the ledger's beginning on."""
    if not 0 <= first <= last:
        raise UsageError(f"a range runs from 0 on upwards, got {first} to {last}")
    lines = tuple(line for line in charges(uses, terms) if first <= line.entry)
    if lines and lines[-1].entry >= last:
        raise UsageError(f"entry {lines[-1].entry} is beyond the range")
    return Statement(origin, first, last, root.hex(), lines)


def verify(text: str, trust: Trust, own: Statement) -> Statement:
    """The statement in *text*, signed by *trust*, if it is what one computed oneself from the ledger."""
    stated = notes.opened(text, Statement, trust)
    if (stated.origin, stated.first, stated.last, stated.root) != (own.origin, own.first, own.last, own.root):
        raise IntegrityError("the statement is about another range or another history of the ledger")
    for theirs, ours in zip(stated.lines, own.lines, strict=False):
        if plain(theirs) != plain(ours):
            raise IntegrityError(f"the statement charges entry {ours.entry} otherwise than ledger and prices say")
    if len(stated.lines) != len(own.lines):
        raise IntegrityError("the statement has other lines than the ledger has releases")
    return stated
