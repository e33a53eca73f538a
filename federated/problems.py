"""Errors on their way: RFC 9457 problem documents, made of our errors at the coordinator and turned back into them at the client.

    {"type": "urn:keyong:error:LicenceRefused", "title": "licence refused", "status": 403, "detail": "the licence was revoked …",
     "code": "licence.revoked", "texts": {"en": "the licence was revoked …", "zh": "授权书已被授权主体撤销"}, "facts": {}}

*type* is the class of the error, which says who must act; *code* is the case. *facts* fill the texts and are public by contract.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from governance import errors
from governance.errors import DecodeError, KeyongError, ProtocolError, Refused, Unavailable, UsageError
from governance.texts import TEXTS

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:keyong:error:"
CLASSES = {c.__name__: c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, KeyongError)}
BY_CODE = {
    "auth.role": 403, "http.path": 404, "job.unknown": 404, "http.method": 405, "http.size": 413, "http.type": 415, "http.host": 421,
    "http.input": 422, "http.failed": 500, "integrity.sent": 400,
}  # fmt: skip
BY_CLASS: tuple[tuple[type[KeyongError], int], ...] = (
    (Refused, 403), (ProtocolError, 409), (Unavailable, 503), (UsageError, 400), (DecodeError, 400),
)  # fmt: skip
RESERVED = frozenset({"self", "message", "code"})


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, and who can do what about it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    texts: dict[str, str]
    facts: dict[str, str | int | float]


@cache
def _adapter() -> TypeAdapter[Problem]:
    return TypeAdapter(Problem)


def status_of(error: KeyongError) -> int:
    """The HTTP status that *error* is answered with."""
    if error.code in BY_CODE:
        return BY_CODE[error.code]
    if error.code.startswith("auth."):
        return 401
    return next((status for cls, status in BY_CLASS if isinstance(error, cls)), 500)


def problem_of(error: KeyongError) -> Problem:
    """The document that tells of *error*."""
    name = type(error).__name__
    facts = {key: value if isinstance(value, (int, float)) else str(value) for key, value in error.facts.items()}
    texts = {language: error.text(language) for language in ("en", "zh")}
    title = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return Problem(TYPE + name, title, status_of(error), str(error), error.code, texts, facts)


def write(problem: Problem) -> bytes:
    """Its JSON."""
    return _adapter().dump_json(problem)


def error_of(raw: bytes, status: int) -> KeyongError:
    """The error in the body of an answer with *status*, whoever wrote it: a coordinator, or a proxy on the way."""
    try:
        problem = _adapter().validate_json(raw)
    except ValidationError:
        return _foreign(status)
    cls = CLASSES.get(problem.type.removeprefix(TYPE), KeyongError)
    facts: dict[str, Any] = {name: value for name, value in problem.facts.items() if name not in RESERVED}
    if problem.code not in TEXTS and problem.code.partition(".")[0] not in TEXTS:
        return cls(problem.detail, **facts)  # a newer coordinator's code
    return cls("" if problem.detail == problem.texts.get("en") else problem.detail, code=problem.code, **facts)


def _foreign(status: int) -> KeyongError:
    message = f"something that is not a coordinator answered with status {status}: a proxy, or a wrong address"
    return Unavailable(message, retry_after=5) if status >= 500 or status in (407, 408, 429) else UsageError(message)
