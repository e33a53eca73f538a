"""What a licence allows, as a closed set of constraints, and how two of them meet. Pure; every party computes the same.

Each field has one of four laws: sets shrink to what both name, ceilings fall, floors rise, and fixed fields must be alike. A field that is
None says nothing. So the rights of a chain of licences are their meet, in any order and however often one of them is counted, and no link
can allow what one above it does not. There is no expression to evaluate: a meet takes time linear in its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from governance import duo
from governance.catalogue import Label, Name, Region, Slug
from governance.encoding import strict
from governance.errors import DecodeError, LicenceRefused
from governance.parties import Seconds

Method = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}@[1-9][0-9]{0,5}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Basis = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]  # digest of a document; empty where none is needed
Output = Literal["exact", "dp"]
Millionths = Annotated[int, Field(ge=0, le=10**12)]
Share = Annotated[int, Field(ge=0, le=10_000)]
LEAST_CELL = 3
WHOLE = 10_000  # basis points
PUBLIC = ("public-governance", "public-interest")  # purposes that are never charged, and all that begin so


@strict
class Rights:
    """What one link of a licence says. None: this link does not narrow the field.

    *datasets* are columns by dataset, *grade* is the highest grade of a column, *outputs* are rules of release, *holders* names of nodes.
    *regions* are ISO 3166 codes of where results may go, each with the digest of the document that is the legal basis of a transfer across
    the border. *epsilon_job* and *epsilon_year* are in millionths. *approvals* is how many holders' organisations must have had a person
    approve a job. *split* shares revenue out in basis points, by organisation; *price* and *plan* are ids of notes.
    """

    datasets: dict[Slug, tuple[Name, ...]] | None = None
    grade: Annotated[int, Field(ge=1, le=5)] | None = None
    purposes: tuple[Slug, ...] | None = None
    methods: tuple[Method, ...] | None = None
    outputs: tuple[Output, ...] | None = None
    holders: tuple[str, ...] | None = None
    regions: dict[Region, Basis] | None = None
    min_cell: Annotated[int, Field(ge=LEAST_CELL, le=10**6)] | None = None
    epsilon_job: Millionths | None = None
    epsilon_year: Millionths | None = None
    releases: Annotated[int, Field(ge=1, le=10**9)] | None = None
    use_count: Annotated[int, Field(ge=1, le=10**9)] | None = None
    not_before: Seconds | None = None
    not_after: Seconds | None = None
    approvals: Annotated[int, Field(ge=0, le=100)] | None = None
    split: dict[Label, Share] | None = None
    price: Digest | None = None
    plan: Digest | None = None

    def __post_init__(self) -> None:
        for name in ("purposes", "methods", "outputs", "holders"):
            _in_order(name, getattr(self, name))
        duo.check(self.purposes or ())
        for dataset, columns in (self.datasets or {}).items():
            _in_order(f"datasets.{dataset}", columns)
        if self.split:
            check_split(self.split)


def check_split(split: Mapping[str, int]) -> None:
    """All of it goes to somebody, and nobody gets less than nothing."""
    if min(split.values(), default=0) < 0 or sum(split.values()) != WHOLE:
        raise DecodeError(f"split must add up to {WHOLE} basis points")


def _in_order(name: str, values: tuple[str, ...] | None) -> None:
    """A set has one spelling."""
    if values is not None and list(values) != sorted(set(values)):
        raise DecodeError(f"{name} must be sorted and distinct")


def _shared(a: Any, b: Any) -> Any:
    """What both name; of what stands under a name, what both allow."""
    if isinstance(a, dict):
        return {name: (_alike if isinstance(a[name], str) else _shared)(a[name], b[name]) for name in sorted(a.keys() & b.keys())}
    return tuple(sorted(set(a) & set(b)))


def _alike(a: Any, b: Any) -> Any:
    """The one value; the empty one, which no document can hold, where two links disagree."""
    return a if a == b else type(a)()


LAWS: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType({
    "datasets": _shared, "grade": min, "purposes": _shared, "methods": _shared, "outputs": _shared, "holders": _shared, "regions": _shared,
    "min_cell": max, "epsilon_job": min, "epsilon_year": min, "releases": min, "use_count": min, "not_before": max, "not_after": min,
    "approvals": max, "split": _alike, "price": _alike, "plan": _alike,
})  # fmt: skip
REQUIRED = frozenset(LAWS) - {"epsilon_job", "epsilon_year", "releases", "approvals", "split", "price"}
FIXED = frozenset(name for name, law in LAWS.items() if law is _alike)


def meet(a: Rights, b: Rights) -> Rights:
    """What both allow: the greatest lower bound of *a* and *b*."""
    return Rights(**{name: _met(law, getattr(a, name), getattr(b, name)) for name, law in LAWS.items()})


def _met(law: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else law(a, b)


def within(a: Rights, b: Rights) -> bool:
    """Whether *a* allows nothing that *b* does not."""
    return meet(a, b) == meet(a, a)


def check_usable(rights: Rights) -> None:
    """Raise `LicenceRefused` with the first field that a licence must have and this one lacks, or on which its links disagree."""
    for name in LAWS:
        value = getattr(rights, name)
        if name in FIXED and value in ("", {}):
            raise LicenceRefused(code="licence.conflict", field=name)
        if value is None and name in REQUIRED:
            raise LicenceRefused(code="licence.empty", field=name)
        if isinstance(value, (tuple, dict)) and not value:
            raise LicenceRefused(code="licence.empty", field=name)


def is_public(purpose: str) -> bool:
    """Whether *purpose* is one that the public pays for by law, so that no operator is charged."""
    return any(purpose == code or purpose.startswith(f"{code}-") for code in PUBLIC)
