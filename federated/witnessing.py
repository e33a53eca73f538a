"""What nodes and the coordinator exchange about witnessing. The coordinator is a mailbox: what it carries proves itself, or is refused.

hospital-a  POST /v1/cosignatures   Ask: my newest checkpoint, for these witnesses      -> Answers, as they come in
hospital-b  POST /v1/witness        Turn: my answers so far, and the list that I know   -> Duty: what there is to cosign
"""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import Field

from governance.encoding import encode, strict, wire
from governance.rights import Digest
from governance.witness import Cosignature, Refusal, Request

LIMIT = 1 << 20  # bytes of any of these messages
MOST = 128  # witnesses of a log, or logs of a witness

Name = Annotated[str, Field(min_length=1, max_length=100)]


@wire("keyong/witness-ask/v1")
class Ask:
    """A ledger's request, and those who are asked."""

    witnesses: Annotated[tuple[Name, ...], Field(max_length=MOST)]
    request: Request


@wire("keyong/witness-answers/v1")
class Answers:
    """What the witnesses have answered to a request so far, by name."""

    answers: dict[Name, Cosignature | Refusal]


@strict
class Answer:
    """A witness's answer to the request with the id *request*."""

    request: Digest
    answer: Cosignature | Refusal


@wire("keyong/witness-turn/v1")
class Turn:
    """A witness's answers to what it was asked before, and the version of the revocation list that it knows."""

    answers: Annotated[tuple[Answer, ...], Field(max_length=MOST)]
    revocations: Annotated[int, Field(ge=0)]


@wire("keyong/witness-duty/v1")
class Duty:
    """Requests that wait for a witness, and a revocation list that is newer than the one it knows, or nothing."""

    requests: Annotated[tuple[Request, ...], Field(max_length=MOST)]
    revocations: str


def id_of(request: Request) -> str:
    """By which an answer finds its request."""
    return hashlib.sha256(encode(request)).hexdigest()
