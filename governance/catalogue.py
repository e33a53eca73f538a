"""The catalogue: what a dataset is called, who holds it, and which columns, bounds, levels and cut points are registered for it.

Everything that a job may name comes from here and never from the data: names, levels, shapes and scales are public.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from governance.encoding import strict, wire
from governance.errors import DecodeError, UsageError

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Label = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+$")]
Unit = Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*$")]
Decimal = Annotated[str, Field(pattern=r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?$")]
Region = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]  # ISO 3166-1: HK and MO have codes of their own, as they have rules of their own
HOME = "CN"
Basis = Literal["none", "opt_out", "opt_in"]
MOST_LEVELS = 256


@strict
class Column:
    """One registered column.

    A ``number`` has bounds (values outside are clipped or counted as missing, as registered) and cut points that conditions may use. A
    ``category`` has levels and, where the source is coded, the code of each level. A ``band`` is a registered derived measure: the
    interval of another number column between its cut points, with one level for each interval in rising order.
    """

    name: Name
    kind: Literal["number", "category", "band"]
    title: Label
    unit: Unit
    grade: Annotated[int, Field(ge=1, le=5)]
    low: Decimal | None
    high: Decimal | None
    outside: Literal["clip", "missing"] | None
    cuts: tuple[Decimal, ...]
    levels: tuple[Label, ...]
    codes: tuple[str, ...]
    of: Name | None

    def __post_init__(self) -> None:
        complaint = {"number": self._number, "category": self._category, "band": self._band}[self.kind]()
        if complaint:
            raise DecodeError(f"column {self.name}: {complaint}")

    def _number(self) -> str:
        if self.low is None or self.high is None or self.outside is None or not float(self.low) < float(self.high):
            return "a number column has bounds low < high and says what happens outside"
        return "a number column has no levels" if self.levels or self.codes or self.of else self._rising()

    def _category(self) -> str:
        if not 2 <= len(self.levels) <= MOST_LEVELS or len(set(self.levels)) != len(self.levels):
            return f"a category column has 2 to {MOST_LEVELS} distinct levels"
        if len(self.codes) not in (0, len(self.levels)) or len(set(self.codes)) != len(self.codes):
            return "a category column has one distinct code for each level, or none"
        return "a category column has no bounds or cut points" if self.cuts or self.low or self.high or self.outside or self.of else ""

    def _band(self) -> str:
        if self.of is None or not self.cuts or len(self.levels) != len(self.cuts) + 1 or len(set(self.levels)) != len(self.levels):
            return "a band has a number column, cut points, and one distinct level for each interval"
        return "a band has no bounds or codes" if self.low or self.high or self.outside or self.codes else self._rising()

    def _rising(self) -> str:
        cuts = [float(c) for c in self.cuts]
        return "" if cuts == sorted(set(cuts)) else "cut points must rise"

    @property
    def bounds(self) -> tuple[float, float]:
        """Declared bounds of a number column."""
        if self.low is None or self.high is None:
            raise UsageError(f"column {self.name} is a {self.kind}, it has no bounds")
        return float(self.low), float(self.high)

    @property
    def discrete(self) -> bool:
        return self.kind != "number"

    def interval(self, value: float) -> int:
        """Index of the interval between cut points in which *value* lies; intervals are closed below."""
        return bisect.bisect_right([float(c) for c in self.cuts], value)


def number(name: str, low: str, high: str, *, outside: Literal["clip", "missing"] = "clip", **more: Any) -> Column:
    """A number column with bounds; *more* are the other fields."""
    return _column(name, "number", {"low": low, "high": high, "outside": outside, **more})


def category(name: str, levels: Iterable[str], **more: Any) -> Column:
    """A category column; *more* are the other fields."""
    return _column(name, "category", {"levels": tuple(levels), **more})


def band(name: str, of: str, cuts: Iterable[str], levels: Iterable[str], **more: Any) -> Column:
    """The interval of number column *of*; one level for each interval, in rising order; *more* are the other fields."""
    return _column(name, "band", {"of": of, "cuts": tuple(cuts), "levels": tuple(levels), **more})


def _column(name: str, kind: str, given: dict[str, Any]) -> Column:
    blank: dict[str, Any] = {
        "title": name, "unit": "", "grade": 3, "low": None, "high": None, "outside": None,
        "cuts": (), "levels": (), "codes": (), "of": None,
    }  # fmt: skip
    return Column(**{**blank, **given, "name": name, "kind": kind})


@strict
class Schema:
    """The columns of a dataset, and the column that says which person a row is about."""

    person: Name
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [c.name for c in self.columns]
        if not names or len(set(names)) != len(names) or self.person in names:
            raise DecodeError("a schema has distinct columns, none of them the person key")
        for column in self.columns:
            if column.of is not None and (column.of not in names or self[column.of].kind != "number"):
                raise DecodeError(f"column {column.name}: {column.of} is no number column of this schema")

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise UsageError(f"there is no column {name} in the dataset; it has {', '.join(c.name for c in self.columns)}")

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the columns that must exist at the source, person key first."""
        return (self.person, *(c.name for c in self.columns if c.of is None))


@wire("keyong/dataset/v1")
class Dataset:
    """A dataset's entry in the catalogue, signed by the authority.

    *holders* is the one roster of this dataset: names of the data holders' keys, sorted. *colluding* is c, how many of them may collude
    with operator and coordinator. *rows* bounds the rows at any one holder, for the overflow check. *region* is where the data lie.
    *consent* is the basis on which persons are in it: nobody is asked (a statute), all who did not object, or those alone who agreed; see
    `governance.consent`.
    """

    name: Slug
    version: Annotated[int, Field(ge=1)]
    title: Label
    schema: Schema
    holders: tuple[str, ...]
    colluding: Annotated[int, Field(ge=1, le=20)]
    rows: Annotated[int, Field(ge=1, le=2**40)]
    region: Region = HOME
    consent: Basis = "none"

    def __post_init__(self) -> None:
        if list(self.holders) != sorted(set(self.holders)):
            raise DecodeError("holders must be sorted and distinct")
        if len(self.holders) < self.colluding + 2:
            raise DecodeError(f"{self.colluding} colluding holders need at least {self.colluding + 2} in all")
