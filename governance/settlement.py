"""Settlement: what the releases in a range of a ledger cost, and who gets how much: a pure function, so that anybody computes the same.

Charges are made in the order of the ledger from the beginning of each price note, whatever range is asked for: two statements over one
ledger never disagree. Where the charges under a note reach its ceiling, the rest is shown as not charged. A quote is the charge of a job
as though it were released next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from governance import notes
from governance.catalogue import Label, Slug
from governance.encoding import plain, strict, wire
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import Trust
from governance.prices import Fen, Price, Unit, Use, divide
from governance.rights import Digest

DAY = 86400


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence says of money: the id of its price note, that note, who gets how many basis points of each charge (empty: each use's
    own *split*), and the id of its first link, under which a price for the whole licence is paid once."""

    price: str
    note: Price
    split: Mapping[str, int]
    top: str


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
        return summed((line.operator, line.fen) for line in self.lines)

    @property
    def due(self) -> Mapping[str, int]:
        """Fen that each organisation gets; all of them together what all operators owe."""
        return summed(part for line in self.lines for part in line.parts.items())

    @property
    def postings(self) -> Iterator[Posting]:
        """Double entry: each charge is debited to its operator and credited to those who get it."""
        for line in self.lines:
            if line.fen:
                yield Posting(line.entry, line.operator, line.fen, 0)
                yield from (Posting(line.entry, name, 0, fen) for name, fen in line.parts.items() if fen)


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a charge in an organisation's account, in fen."""

    entry: int
    account: str
    debit: int
    credit: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What a job costs if it is released next: *quantity* units at *each* fen, *fen* charged and *uncharged* above the ceiling, of which
    *left* is left; *free* are the purposes that cost nothing beside the public ones."""

    price: str
    unit: Unit
    each: int
    quantity: int
    fen: int
    uncharged: int
    left: int
    free: tuple[str, ...]
    parts: Mapping[str, int]


def summed(parts: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for name, fen in parts:
        sums[name] = sums.get(name, 0) + fen
    return dict(sorted(sums.items()))


@dataclass(slots=True)
class _Meter:
    """What was charged under each price note, and what has been paid for once and for all."""

    spent: dict[str, int] = field(default_factory=dict)
    paid: set[tuple[object, ...]] = field(default_factory=set)

    def charge(self, use: Use, of: Terms) -> Line:
        once: dict[Unit, tuple[object, ...]] = {
            "licence": (of.price, of.top),
            "product": (of.price, use.licence, use.question),
            "day": (of.price, use.licence, use.at // DAY),
        }
        quantity = {"call": 1, "number": use.numbers}.get(of.note.unit, 0)
        each, spent = of.note.costs(use.purpose), self.spent.get(of.price, 0)
        if of.note.unit in once:
            quantity = int(once[of.note.unit] not in self.paid)
            self.paid |= {once[of.note.unit]} if each else set()  # what cost nothing pays for nothing that comes later
        fen = min(quantity * each, of.note.ceiling - spent)
        self.spent[of.price] = spent + fen
        return Line(use.entry, use.job, use.licence, use.operator, use.purpose, of.price, quantity, fen, quantity * each - fen,
                    divide(fen, of.split or use.split))  # fmt: skip


def charges(uses: Iterable[Use], terms: Mapping[str, Terms]) -> Iterator[Line]:
    """A line for each of *uses*, which are all from the ledger's beginning on and in its order; *terms* by licence."""
    last, meter = -1, _Meter()
    for use in uses:
        if use.entry <= last:
            raise UsageError("uses come in the order of the ledger")
        last = use.entry
        if use.licence not in terms:
            raise UsageError(f"the licence {use.licence[:12]} has no price")
        yield meter.charge(use, terms[use.licence])


def quote(uses: Iterable[Use], terms: Mapping[str, Terms], asked: Use) -> Quote:
    """What *asked* would be charged after *uses*, which are all so far."""
    *before, line = charges((*uses, asked), terms)
    note = terms[asked.licence].note
    left = note.ceiling - sum(each.fen for each in before if each.price == line.price)
    return Quote(line.price, note.unit, note.costs(asked.purpose), line.quantity, line.fen, line.uncharged, left, note.free, line.parts)


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
