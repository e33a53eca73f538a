"""The web application: routes on Flask, the gate before them, problem documents for everything that goes wrong, and headers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from federated.coordinator.web import gate
from federated.coordinator.web.api import Desk
from federated.coordinator.web.document import document
from federated.coordinator.web.gate import Gate
from federated.coordinator.web.openapi import JSON, Route, routes
from federated.problems import MEDIA_TYPE, problem_of, status_of, write
from governance.errors import DecodeError, IntegrityError, KeyongError, Refused, Unavailable, UsageError

log = logging.getLogger("keyong.coordinator")
PIECE = 1 << 16  # bytes read or written at a time: the server would copy a whole answer twice
HEADERS = {
    "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
    "Server": "keyong",
}  # fmt: skip
TRANSPORT = {"Strict-Transport-Security": "max-age=31536000"}


def make_app(desk: Desk, *, names: frozenset[str]) -> Flask:
    """The WSGI application of a coordinator that is reached under the host *names*."""
    app = Flask("keyong", static_folder=None)
    app.url_map.merge_slashes = False  # no redirects: a signature is for one address
    door, known = Gate(desk.office), list(routes(desk))
    for route in known:
        where = route.spec.path.replace("{", "<").replace("}", ">")
        view = partial(_answer, route, door)
        app.add_url_rule(where, route.name, view, methods=[route.spec.method], provide_automatic_options=False)
    text = json.dumps(document(known, title="keyong coordinator", version="1"), ensure_ascii=False).encode()
    app.add_url_rule("/openapi.json", "openapi", lambda: Response(text, mimetype=JSON), provide_automatic_options=False)
    app.before_request(partial(_check_host, names))
    app.after_request(_headers)
    app.register_error_handler(Exception, _failed)
    return app


def _check_host(names: frozenset[str]) -> None:
    """A request that was signed for another host must not be taken here."""
    host = request.headers.get("Host", "")
    if host.rpartition(":")[0].strip("[]").lower() not in names and host.strip("[]").lower() not in names:
        raise UsageError(code="http.host")


def _answer(route: Route, door: Gate, **path: str) -> Response:
    given: dict[str, Any] = {}
    signed = None
    if route.signed:
        given["caller"], signed = door.admit(gate.Request(request.method, _url(), dict(request.headers)))
        g.caller = given["caller"].name
        if given["caller"].role not in route.spec.roles:
            raise Refused(code="auth.role", role=given["caller"].role)
    body = _body(route)
    if signed is not None:
        signed.check(body)
    status, raw = route.write(route.call(**given, **route.read(path, request.args.to_dict(flat=False), body)))
    return Response(_pieces(raw), status, {"Content-Type": route.answer_media, "Content-Length": str(len(raw))})


def _url() -> str:
    """What was asked for, not decoded. The scheme stands for any: it is not signed."""
    return f"https://{request.headers.get('Host', '')}{request.environ.get('REQUEST_URI', '')}"


def _body(route: Route) -> bytes:
    if route.body_media and request.mimetype != route.body_media:
        raise UsageError(code="http.type", type=route.body_media)
    if (request.content_length or 0) > route.spec.limit:
        raise UsageError(code="http.size", limit=route.spec.limit)
    return b"".join(iter(partial(request.stream.read, PIECE), b""))


def _pieces(raw: bytes) -> Iterator[bytes]:
    return (raw[at : at + PIECE] for at in range(0, len(raw), PIECE))


def _headers(response: Response) -> Response:
    response.headers.update(HEADERS | (TRANSPORT if request.is_secure else {}))
    return response


def _failed(error: Exception) -> Response:
    """The last stop of every error: nothing but a problem document leaves, and nothing inside is told."""
    if isinstance(error, HTTPException):
        return _http_problem(error)
    if not isinstance(error, KeyongError) or status_of(error) == 500:  # an alarm about what is kept here is not the caller's fault
        log.error("failed at %s", request.endpoint, exc_info=error)
        return _problem(KeyongError(code="http.failed"))
    if isinstance(error, IntegrityError):
        log.warning("integrity alarm at %s, from %s: %s", request.endpoint, g.get("caller", "a stranger"), error)
    return _problem(error)


def _http_problem(error: HTTPException) -> Response:
    made: KeyongError
    if error.code == 404:
        made = UsageError(code="http.path")
    elif error.code == 405:
        made = UsageError(code="http.method", method=request.method)
    else:
        made = DecodeError("not a request as HTTP has it")
    response = _problem(made)
    response.headers.update([(name, value) for name, value in error.get_headers() if name == "Allow"])
    return response


def _problem(error: KeyongError) -> Response:
    status = status_of(error)
    response = Response(write(problem_of(error)), status, mimetype=MEDIA_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Signature realm="keyong"'
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(max(1, round(float(str(error.facts.get("retry_after", 1))))))
    return response
