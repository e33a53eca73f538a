"""A route says in types what it takes and gives; checking, errors and the OpenAPI document follow from that.

    @get("/v1/jobs/{job}", roles=("operator", "holder"))
    def job(self, caller: Party, path: OfJob, query: Watch) -> Status:
        \"\"\"How a job stands.\"\"\"

*caller* is who signed the request. *path*, *query* and *body* are pydantic models; a *body* of type ``bytes`` is not JSON. What is
returned is written as its type says, ``bytes`` as they are. There is no web framework in here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from governance.errors import DecodeError, UsageError

JSON, CBOR = "application/json", "application/cbor"
JSON_LIMIT = 1 << 20

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Spec:
    """What a route's decorator says. *empty* is the status of an answer without a body, where there can be one."""

    method: str
    path: str
    roles: tuple[str, ...]
    status: int = 200
    empty: int | None = None
    limit: int = JSON_LIMIT
    conflicts: bool = False


def get(path: str, *, roles: tuple[str, ...] = (), **more: Any) -> Callable[[F], F]:
    """A route to read. *roles* may use it, everybody where they are left out; *more* are fields of `Spec`."""
    return _marked(Spec("GET", path, roles, **more))


def post(path: str, *, roles: tuple[str, ...] = (), **more: Any) -> Callable[[F], F]:
    """A route to change something."""
    return _marked(Spec("POST", path, roles, **more))


def _marked(spec: Spec) -> Callable[[F], F]:
    def mark(function: F) -> F:
        function.spec = spec  # type: ignore[attr-defined]
        return function

    return mark


class Route:
    """One marked method."""

    def __init__(self, spec: Spec, name: str, call: Callable[..., Any]) -> None:
        self.spec, self.name, self.call = spec, name, call
        hints = get_type_hints(call)
        gives = hints.pop("return")
        self.answer: TypeAdapter[Any] | None = None if _is_bytes(gives) else TypeAdapter(gives)
        self.signed = "caller" in hints
        self.raw_body = hints.get("body") is bytes
        self.parts = {part: TypeAdapter(hints[part]) for part in ("path", "query", "body") if part in hints and hints[part] is not bytes}

    @property
    def body_media(self) -> str | None:
        """Media type of the body that the route takes."""
        return CBOR if self.raw_body else JSON if "body" in self.parts else None

    @property
    def answer_media(self) -> str:
        return CBOR if self.answer is None else JSON

    def read(self, path: Mapping[str, str], query: Mapping[str, list[str]], body: bytes) -> dict[str, Any]:
        """The checked parts of a request; raises `UsageError` or `DecodeError` that name a field, never its value."""
        given: dict[str, Any] = {"body": body} if self.raw_body else {}
        if "path" in self.parts:
            given["path"] = _valid("path", self.parts["path"], dict(path))
        if "query" in self.parts:
            given["query"] = _valid("query", self.parts["query"], _flat(query))
        if "body" in self.parts:
            given["body"] = _valid("body", self.parts["body"], body)
        return given

    def write(self, value: Any) -> tuple[int, bytes]:
        """Status and body of the answer *value*."""
        if value is None and self.spec.empty is not None:
            return self.spec.empty, b""
        return self.spec.status, value if self.answer is None else self.answer.dump_json(value)


def _is_bytes(hint: Any) -> bool:
    return hint is bytes or hint == bytes | None


def _flat(query: Mapping[str, list[str]]) -> dict[str, str]:
    if any(len(values) > 1 for values in query.values()):
        raise UsageError("query: a parameter is given twice", code="http.input")
    return {name: values[0] for name, values in query.items()}


def _valid(part: str, adapter: TypeAdapter[Any], given: dict[str, str] | bytes) -> Any:
    try:
        if isinstance(given, dict):
            return adapter.validate_python(given)
        _strict_json(given)
        return adapter.validate_json(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        raise DecodeError("body: not JSON")
    if first["type"] == "extra_forbidden":  # its place would be the caller's own words
        raise UsageError(f"{part}: there is a field that is not known", code="http.input")
    raise UsageError(f"{'.'.join([part, *map(str, first['loc'])])}: {first['msg']}", code="http.input")


def _strict_json(raw: bytes) -> None:
    """No key twice: two readers would see two documents."""
    try:
        json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"body: {error if isinstance(error, DecodeError) else 'not JSON'}") from None


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise DecodeError("a key appears twice")


def routes(desk: object) -> Iterator[Route]:
    """The marked methods of *desk*, in the order in which they are written."""
    for name, function in vars(type(desk)).items():
        if hasattr(function, "spec"):
            yield Route(function.spec, name, getattr(desk, name))
