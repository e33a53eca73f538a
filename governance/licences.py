"""Licences: what the authority allows an operator to compute, verified offline up to the authority's pinned key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from governance import notes
from governance.catalogue import Name, Slug
from governance.encoding import wire
from governance.errors import IntegrityError, LicenceRefused
from governance.keys import Trust
from governance.parties import Seconds

Method = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}@[1-9][0-9]{0,5}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LEAST_CELL = 3
STEP = 1 << 20  # most by which the version of a revocation list rises at once


@wire("keyong/licence/v1")
class Licence:
    """What *operator* (a verifier key) may compute on *dataset*, and until when. Its id is the note's."""

    operator: str
    dataset: Slug
    columns: tuple[Name, ...]
    purposes: tuple[Slug, ...]
    methods: tuple[Method, ...]
    min_cell: Annotated[int, Field(ge=LEAST_CELL, le=10**6)]
    use_count: Annotated[int, Field(ge=1, le=10**9)]
    not_before: Seconds
    not_after: Seconds


@wire("keyong/revocations/v1")
class Revocations:
    """Ids of revoked licences. A list older than *next_update* is stale, and stale means no."""

    version: Annotated[int, Field(ge=1)]
    issued: Seconds
    next_update: Seconds
    revoked: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What a job asks of its licence."""

    operator: str
    dataset: str
    columns: frozenset[str]
    purpose: str
    method: str
    min_cell: int


def check(licence: str, request: Request, trust: Trust, *, revocations: str | None, now: int) -> Licence:
    """The licence, if it is the authority's, in force, and covers *request*; else `LicenceRefused` with the first reason.

    The same verdict and code at coordinator, node and command line: nothing but the arguments decides.
    """
    document = in_force(licence, trust, revocations=revocations, now=now)
    covers(document, request)
    return document


def in_force(licence: str, trust: Trust, *, revocations: str | None, now: int) -> Licence:
    """The licence, if it is the authority's and holds *now*; else `LicenceRefused`."""
    note = notes.read(licence)
    try:
        note.require(trust)
    except IntegrityError:
        raise LicenceRefused(code="licence.forged") from None
    document = note.document(Licence)
    for refusal in _not_in_force(note.id, document, trust, revocations, now):
        raise refusal
    return document


def covers(licence: Licence, request: Request) -> None:
    """Raise `LicenceRefused` with the first thing in *request* that *licence* does not allow, whatever the time."""
    for refusal in _uncovered(licence, request):
        raise refusal


def _not_in_force(licence_id: str, licence: Licence, trust: Trust, revocations: str | None, now: int) -> Iterator[LicenceRefused]:
    if now < licence.not_before:
        yield LicenceRefused(code="licence.early", start=day(licence.not_before))
    if now > licence.not_after:
        yield LicenceRefused(code="licence.expired", end=day(licence.not_after))
    listed = None if revocations is None else notes.opened(revocations, Revocations, trust)
    if listed is None or now > listed.next_update:
        yield LicenceRefused(code="licence.stale", next_update=day(listed.next_update) if listed else "ever")
    elif licence_id in listed.revoked:
        yield LicenceRefused(code="licence.revoked")


def _uncovered(licence: Licence, request: Request) -> Iterator[LicenceRefused]:
    if request.operator != licence.operator:
        yield LicenceRefused(code="licence.bearer", operator=request.operator.partition("+")[0])
    if request.dataset != licence.dataset:
        yield LicenceRefused(code="licence.dataset", dataset=request.dataset)
    if request.purpose not in licence.purposes:
        yield LicenceRefused(code="licence.purpose", purpose=request.purpose, allowed=", ".join(licence.purposes))
    if request.method not in licence.methods:
        yield LicenceRefused(code="licence.method", method=request.method, allowed=", ".join(licence.methods))
    if missing := sorted(request.columns - set(licence.columns)):
        yield LicenceRefused(code="licence.column", columns=", ".join(missing))
    if request.min_cell != licence.min_cell:  # a free choice would let its bisection count one holder's persons
        yield LicenceRefused(code="licence.min_cell", asked=request.min_cell, minimum=licence.min_cell)


def newer(old: str | None, new: str, trust: Trust) -> str:
    """The revocation list to keep: versions only rise (a replayed old list is refused), by no more than *STEP* at once.

    The one at hand was signed by who could sign it when it came; the keys may have changed since. No list can use up the numbers.
    """
    document = notes.opened(new, Revocations, trust)
    kept = 0 if old is None else notes.read(old).document(Revocations).version
    if old != new and not kept < document.version <= kept + STEP:
        raise IntegrityError(f"revocation list version {document.version} is not newer than the one at hand")
    return new


def day(seconds: int) -> str:
    """UTC time for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
