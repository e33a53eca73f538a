"""What a coordinator answers, apart from what `sandbox.messages` has: written by the coordinator, read by its clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from governance.settlement import Quote


@dataclass(frozen=True, slots=True)
class Health:
    """The coordinator works; *time* is what its clock says, in seconds since 1970."""

    status: Literal["ok"]
    time: float


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the coordinator is (its enrolment note), whom it trusts (the id of the newest version of the key root), and its ledger's size."""

    enrolment: str | None
    root: str
    version: str
    entries: int


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A party that has just been enrolled."""

    name: str
    organisation: str
    role: str
    key: str


@dataclass(frozen=True, slots=True)
class Named:
    """A note and the name it is kept under."""

    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Published:
    """A document that is published now."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that is queued now, by its id."""

    job: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a job costs if it is released after the ledger's first *size* entries; no quote where its licence has no price."""

    size: int
    quote: Quote | None


@dataclass(frozen=True, slots=True)
class Used:
    """How many uses of each link of a licence were taken, the authority's link first."""

    used: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """The latest signed checkpoint of the ledger (C2SP tlog-checkpoint), and the last one that a quorum of data holders cosigned."""

    checkpoint: str
    cosigned: str | None


@dataclass(frozen=True, slots=True)
class Entries:
    """Leaves of the ledger's tree from *start* on, each as it was hashed."""

    start: int
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """Hashes in hexadecimal (RFC 6962, 2.1)."""

    proof: tuple[str, ...]
