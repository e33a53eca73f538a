"""What an appraiser values an asset by, and the value that it signs. Appraisal is a licensed profession: nothing here computes a value.

A pack holds figures of use from a ledger and holders' reports on quality, in bands; it is signed by the ledger's owner, who alone is behind
the figures: whoever has the records computes them again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from governance import notes, quality
from governance.catalogue import Label, Slug
from governance.encoding import strict, wire
from governance.errors import DecodeError, IntegrityError, Refused
from governance.keys import Trust, VerifyKey
from governance.parties import Seconds
from governance.prices import Fen
from governance.rights import Digest

Count = Annotated[int, Field(ge=0, le=10**9)]


@strict
class Use:
    """How a dataset was used up to entry *size* of a ledger: releases, different questions, operators, and what was charged; who got it."""

    size: Count
    root: Digest
    releases: Count
    questions: Count
    operators: Count
    fen: Fen
    uncharged: Fen
    parts: dict[Label, Fen]

    def __post_init__(self) -> None:
        if sum(self.parts.values()) != self.fen:
            raise DecodeError("the parts of what was charged make it up exactly")


@wire("keyong/pack/v1")
class Pack:
    """What an appraiser is given on *asset*, a registration's link by its id: its use, and ``keyong/quality/v1`` notes on its columns."""

    asset: Digest
    dataset: Slug
    schema: Digest
    at: Seconds
    use: Use
    quality: tuple[str, ...]


@wire("keyong/valuation/v1")
class Valuation:
    """An appraiser's value of *asset* between *low* and *high* fen, by the approach of cost, income or market (成本法、收益法、市场法)."""

    asset: Digest
    pack: Digest
    approach: Literal["cost", "income", "market"]
    low: Fen
    high: Fen
    purpose: Label
    at: Seconds
    until: Seconds

    def __post_init__(self) -> None:
        if self.low > self.high or self.at >= self.until:
            raise DecodeError("a valuation is from low to high, and holds for a time")


def opened(raw: str | bytes, owner: VerifyKey, holders: tuple[VerifyKey, ...]) -> Pack:
    """The pack in *raw*, signed by the ledger's *owner*, each report in it by one of *holders* and on the pack's columns."""
    pack = notes.opened(raw, Pack, Trust((owner,)))
    for text in pack.quality:
        note = notes.read(text)
        signers = [key for key in holders if note.signers(key)]
        if not signers:
            raise IntegrityError("a report on quality is by no holder of the dataset")
        if quality.opened(text, signers[0], schema=pack.schema).dataset != pack.dataset:
            raise IntegrityError("a report on quality is on another dataset")
    return pack


def appraised(raw: str | bytes, pack: notes.Note, appraiser: Trust, *, now: int) -> Valuation:
    """The valuation in *raw*, signed by the key root's *appraiser*, of just this *pack*, and still holding."""
    note = notes.read(raw)
    note.require(appraiser)
    valuation = note.document(Valuation)
    if (valuation.pack, valuation.asset) != (pack.id, pack.document(Pack).asset):
        raise IntegrityError("the valuation is of another pack")
    if not valuation.at <= now <= valuation.until:
        raise Refused("the valuation does not hold at this time")
    return valuation
