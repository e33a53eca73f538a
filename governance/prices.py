"""Prices of authorised data: what a release costs by its authority's note, in whole fen, and how a charge is divided.

Nothing that is metered depends on rows (PRIVACY 13): licences, products and calls are counted, days are those of the ledger, and a volume
is the number of numbers that the job's contract says it opens. What serves public governance or the public interest costs nothing
(国家发展改革委 发改价格〔2025〕65号), whatever a note says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from governance.catalogue import Label, Slug
from governance.encoding import strict, wire
from governance.errors import DecodeError, UsageError
from governance.parties import Seconds
from governance.rights import WHOLE, Digest, check_split, is_public

Fen = Annotated[int, Field(ge=0, le=10**13)]
Unit = Literal["licence", "product", "call", "day", "number"]
FIXED: tuple[Unit, ...] = ("licence", "product")  # 一次性: paid once, whatever is released afterwards; all others are metered


@wire("keyong/price/v1")
class Price:
    """What one *unit* of a dataset costs, signed by the authority.

    *unit* is a ``licence`` (paid once, with its first release, by whomever it was handed on to), a ``product`` (a question that was not
    paid for under this licence before), a ``call`` (a release), a ``day`` (in which something is released under the licence), or a
    ``number`` (that the release opened). *highest* is the fee standard that *fen* may not exceed (上限收费标准), *ceiling* the revenue that
    all charges under this note may reach together (最高准许收入). *free* are purposes that cost nothing beside the public ones. A licence
    that is granted between *not_before* and *not_after* keeps this price to its end.
    """

    dataset: Slug
    version: Annotated[int, Field(ge=1)]
    unit: Unit
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

    @property
    def mode(self) -> Literal["fixed", "metered"]:
        return "fixed" if self.unit in FIXED else "metered"


def divide(fen: int, split: Mapping[str, int]) -> dict[str, int]:
    """Each organisation's whole fen, all of *fen* together and each within one fen of its exact part.

    *split* is that of a licence: basis points by organisation. Largest remainder (Hamilton's method); of equal remainders the first by
    name gets the fen.
    """
    if fen < 0:
        raise UsageError(f"a charge is not negative, got {fen}")
    check_split(split)
    parts = {name: fen * points // WHOLE for name, points in sorted(split.items())}
    left = fen - sum(parts.values())
    for name in sorted(parts, key=lambda name: -(fen * split[name] % WHOLE))[:left]:
        parts[name] += 1
    return parts


@strict
class Use:
    """A release, as its ledger entry and its signed documents tell it: nothing here was measured at the rows. *split* are the basis points
    of each organisation, where its licence does not say."""

    entry: Annotated[int, Field(ge=0)]
    at: Seconds
    job: Digest
    licence: Digest
    operator: Label
    purpose: Slug
    question: Digest
    numbers: Annotated[int, Field(ge=0)]
    split: dict[str, int] = field(default_factory=dict)
