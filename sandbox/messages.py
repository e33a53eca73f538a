"""What nodes and the coordinator exchange about one job, step by step.

A node *posts* to a step; when the step closes, the coordinator answers with the *relay*: what everybody posted. The coordinator is not
trusted with any of it: notes and envelopes are signed by their senders, and every node checks all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from governance import notes
from governance.encoding import wire
from governance.parties import Seconds
from governance.rights import Digest

Kind = Literal["accept", "spent", "deal", "upload", "consent", "reveal", "decrypt", "abstain", "state", "weigh", "stop"]
OF_A_ROUND = r"[0-9]{1,3}\.[0-9]{1,3}\.(upload|consent|reveal|decrypt|abstain|state|weigh)"
Step = Annotated[str, Field(pattern=rf"^(accept|spent|deal|stop|{OF_A_ROUND})$")]
ENDINGS = ("released", "refused", "failed", "cancelled", "expired")
MOST_WORDS = 2000
Key32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def step(kind: Kind, number: int = 0, attempt: int = 0) -> str:
    """Name of a step: of round *number*, in its *attempt*. A node may post to ``stop`` at any time: it cannot go on."""
    return kind if kind in ("accept", "spent", "deal", "stop") else f"{number}.{attempt}.{kind}"


def kind_of(name: str) -> str:
    return name.rpartition(".")[2]


@wire("keyong/acceptance/v1")
class Acceptance:
    """A node's word that it takes part: its key for this job alone, wiped when the job ends, and the snapshot it will use.

    *by* says who decided: the node by its policy, or a person at its holder.
    """

    job: Digest
    holder: str
    agree: Key32
    snapshot: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    by: Literal["policy", "person"] = "policy"


@wire("keyong/earlier/v1")
class Earlier:
    """The conditions of answers that were given over the rows that the holder uses, by all that its node remembers, whoever asked."""

    job: Digest
    holder: str
    conditions: Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], Field(max_length=128)]


def approvals(acceptances: Iterable[str | bytes]) -> int:
    """At how many holders, each of them another organisation, a person approved the job."""
    return sum(notes.read(each).document(Acceptance).by == "person" for each in acceptances)


@wire("keyong/refusal/v1")
class Refusal:
    """A node's word that it does not, or not any more, and why, in both languages."""

    job: Digest
    holder: str
    code: str
    english: Annotated[str, Field(max_length=MOST_WORDS)]
    chinese: Annotated[str, Field(max_length=MOST_WORDS)]


@wire("keyong/admission/v1")
class Admission:
    """The coordinator's word that all accepted, and which use of each link of the licence this is, the authority's link first."""

    job: Digest
    licence: Digest
    uses: tuple[Annotated[int, Field(ge=1)], ...]
    acceptances: tuple[Digest, ...]
    at: Seconds


@wire("keyong/state/v1")
class AgreedState:
    """What a node computed from a round's total; the next local step runs on it once t nodes signed the same.

    *weighed* says that a signed upload and a masked bit come with it.
    """

    job: Digest
    run: Digest
    round: Annotated[int, Field(ge=0)]
    body: str
    weighed: bool


@wire("keyong/release/v1")
class Release:
    """The result, signed by at least t nodes of the roster."""

    job: Digest
    run: Digest
    holders: tuple[str, ...]
    survivors: tuple[str, ...]
    result: str


@wire("keyong/post/v1")
class Post:
    """One node's contribution to a step: a signed note or envelope, and the masked vectors it speaks of."""

    step: Step
    sender: str
    body: bytes
    payloads: tuple[bytes, ...]


@wire("keyong/relay/v1")
class Relay:
    """All contributions to a step, by sender; with the coordinator's admission note after ``accept``."""

    step: Step
    bodies: dict[str, bytes]
    payloads: dict[str, tuple[bytes, ...]]
    admission: str


@wire("keyong/ended/v1")
class Ended:
    """The job is over: released (then with the release), refused, failed, cancelled or expired."""

    job: Digest
    phase: Literal["released", "refused", "failed", "cancelled", "expired"]
    code: str
    english: str
    chinese: str
    release: str


@wire("keyong/offer/v1")
class Offer:
    """A job as it is offered to a node: only signed texts, which the node verifies by itself.

    *roots* are all versions of the authority's key root, *chain* are the licence's links, *asset* the dataset's registration.
    """

    roots: tuple[str, ...]
    job: str
    chain: tuple[str, ...]
    plan: str
    dataset: str
    asset: str
    revocations: str
    operator: str
    coordinator: str
    holders: tuple[str, ...]


@wire("keyong/status/v1")
class Status:
    """A job as its operator sees it: no step tells more than who is awaited."""

    job: str
    title: str
    dataset: str
    method: str
    operator: str
    phase: str
    step: str
    waiting_for: tuple[str, ...]
    code: str
    english: str
    chinese: str
    created: int
    deadline: int
    version: int

    @property
    def ended(self) -> bool:
        return self.phase in ENDINGS
