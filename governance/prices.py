"""Prices of authorised data: what a release costs by its authority's note, in whole fen, and how a charge is divided.

Nothing that is metered depends on rows (PRIVACY 13): products and calls are counted, days are those of the ledger, and a volume is the
number of numbers that the job's contract says it opens. What serves public governance or the public interest costs nothing (国家发展改革委
发改价格〔2025〕65号), whatever a note says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from governance.catalogue import Label, Slug
from governance.encoding import strict, wire
from governance.errors import DecodeError, UsageError
from governance.parties import Seconds
from governance.rights import WHOLE, Digest, is_public

Fen = Annotated[int, Field(ge=0, le=10**13)]


@wire("keyong/price/v1")
class Price:
    """What one *unit* of a dataset costs, signed by the authority.

    *unit* is a ``call`` (a release), a ``product`` (a question that was not released under this licence before), a ``day`` (in which
    something is released under the licence), or a ``number`` (that the release opened). *highest* is the fee standard that *fen* may not
    exceed (上限收费标准), *ceiling* the revenue that all charges under this note may reach together (最高准许收入). *free* are
    purposes that cost nothing beside the public ones.
    """

    dataset: Slug
    version: Annotated[int, Field(ge=1)]
    unit: Literal["product", "call", "day", "number"]
    fen: Fen
    highest: Fen
    ceiling: Fen
    free: tuple[Slug, ...]
    not_before: Seconds
    not_after: Seconds

    def __post_init__(self) -> None:
        if self.fen > self.highest:
            raise DecodeError("the price is above the highest that may be asked")
        if not self.not_before < self.not_after:
            raise DecodeError("a price ends after it begins")

    def costs(self, purpose: str) -> int:
        """Fen for one unit to *purpose*."""
        return 0 if is_public(purpose) or purpose in self.free else self.fen


@strict
class Share:
    """An organisation's part of each charge, in basis points."""

    organisation: Label
    points: Annotated[int, Field(ge=1, le=WHOLE)]


def check_shares(shares: tuple[Share, ...]) -> None:
    """Distinct organisations, in order of their names, that get all of it together."""
    names = [share.organisation for share in shares]
    if names != sorted(set(names)) or sum(share.points for share in shares) != WHOLE:
        raise DecodeError(f"shares are of distinct organisations in order of their names and make {WHOLE} basis points together")


def divide(fen: int, shares: tuple[Share, ...]) -> Mapping[str, int]:
    """Each organisation's whole fen, all of *fen* together and each within one fen of its exact part.

    Largest remainder (Hamilton's method); of equal remainders the first by name gets the fen.
    """
    if fen < 0:
        raise UsageError(f"a charge is not negative, got {fen}")
    check_shares(shares)
    floors = {share.organisation: fen * share.points // WHOLE for share in shares}
    by_remainder = sorted(shares, key=lambda share: (-(fen * share.points % WHOLE), share.organisation))
    left = fen - sum(floors.values())
    return {name: floor + (name in {share.organisation for share in by_remainder[:left]}) for name, floor in floors.items()}


@strict
class Use:
    """A release, as its ledger entry and its signed documents tell it: nothing here was measured at the rows."""

    entry: Annotated[int, Field(ge=0)]
    at: Seconds
    job: Digest
    licence: Digest
    operator: Label
    purpose: Slug
    question: Digest
    numbers: Annotated[int, Field(ge=0)]
