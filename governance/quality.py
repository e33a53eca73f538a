"""The signed form of a data-quality report: six dimensions, each with its indicators, every count and share as a band.

Bands are made at the holder, before anything is written; no field can hold a count, a share or a value. Fewer than 100 checked values tell
nothing.  Source: GB/T 36344-2018 (规范性、完整性、准确性、一致性、时效性、可访问性; an indicator is the share A/B of checked values that
pass). The bands and levels are ours.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from governance import notes
from governance.catalogue import Label, Slug
from governance.chains import Previous
from governance.encoding import strict, wire
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.keys import VerifyKey
from governance.parties import Seconds
from governance.registration import Size
from governance.rights import Digest

Dimension = Literal["conformity", "completeness", "accuracy", "consistency", "timeliness", "accessibility"]
Share = Literal["too-few", "under-50", "50-to-79", "80-to-89", "90-to-94", "95-to-98", "99-or-more"]
DIMENSIONS: tuple[tuple[Dimension, str], ...] = (
    ("conformity", "规范性"), ("completeness", "完整性"), ("accuracy", "准确性"), ("consistency", "一致性"), ("timeliness", "时效性"),
    ("accessibility", "可访问性"),
)  # fmt: skip
LEAST = 100
SHARES: tuple[tuple[int, Share, int], ...] = (  # from this per cent, the band, its level
    (99, "99-or-more", 5), (95, "95-to-98", 4), (90, "90-to-94", 3), (80, "80-to-89", 2), (50, "50-to-79", 1), (0, "under-50", 1),
)  # fmt: skip
SIZES: tuple[tuple[int, Size], ...] = (
    (1_000_000, "million-or-more"), (100_000, "100000-to-999999"), (10_000, "10000-to-99999"), (1_000, "1000-to-9999"), (100, "100-to-999"),
    (0, "under-100"),
)  # fmt: skip
LEVELS: dict[str, int] = {share: level for _, share, level in SHARES}


@strict
class Indicator:
    """One indicator: what was checked, how many values in a band, and the band of the share that passed."""

    rule: Label
    checked: Size
    passed: Share

    def __post_init__(self) -> None:
        if (self.checked == "under-100") != (self.passed == "too-few"):
            raise DecodeError("a share of fewer than 100 values is not told, and of more it is")


@strict
class Part:
    """A dimension; without indicators it was not checked."""

    dimension: Dimension
    indicators: Annotated[tuple[Indicator, ...], Field(max_length=1000)]

    @property
    def level(self) -> int | None:
        """1 to 5, that of its worst indicator; None where nothing can be told."""
        return min((LEVELS[each.passed] for each in self.indicators if each.passed != "too-few"), default=None)


@wire("keyong/quality/v1")
class Report:
    """A report on one snapshot of a dataset, signed by its holder. *asset* is the id of a registration's link, or empty."""

    dataset: Slug
    schema: Digest
    snapshot: Digest
    asset: Previous
    at: Seconds
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if [part.dimension for part in self.parts] != [name for name, _ in DIMENSIONS]:
            raise DecodeError("a report has the six dimensions, in their order")


def indicator(rule: str, *, passed: int, checked: int) -> Indicator:
    """The bands of *passed* of *checked* values; the numbers themselves go no further."""
    if not 0 <= passed <= checked:
        raise UsageError("of the checked values at most all pass")
    size = next(band for least, band in SIZES if checked >= least)
    if checked < LEAST:
        return Indicator(rule, size, "too-few")
    return Indicator(rule, size, next(band for least, band, _ in SHARES if 100 * passed >= least * checked))


def opened(raw: str | bytes, holder: VerifyKey, *, schema: str) -> Report:
    """A holder's report on just these columns, verified with that holder's key."""
    note = notes.read(raw)
    if not note.signers(holder):
        raise IntegrityError(f"the report is not signed by {holder.name}")
    document = note.document(Report)
    if document.schema != schema:
        raise IntegrityError("the report is on other columns than these")
    return document


def as_text(report: Report, language: str) -> str:
    """The report for people."""
    lines = []
    for part, (english, chinese) in zip(report.parts, DIMENSIONS, strict=True):
        none = {"en": "not told", "zh": "不予说明"}[language]
        level = none if part.level is None else str(part.level)
        lines.append(f"{chinese if language == 'zh' else english}  {level}")
        lines += [f"  {each.rule}: {each.passed} % ({each.checked})" for each in part.indicators if each.passed != "too-few"]
        lines += [f"  {each.rule}: {none}" for each in part.indicators if each.passed == "too-few"]
    return "\n".join(lines)
