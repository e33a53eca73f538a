"""The Dataspace Protocol over HTTP: catalogue and contract negotiation, for participants with a token. It calls nobody.

Every answer is a message of the protocol, errors too.  Source: Dataspace Protocol 2025-1, sections 4.3 (version), 6 and 8 (bindings).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, Response, json, request
from werkzeug.exceptions import HTTPException

from federated.coordinator.web.app import HEADERS
from federated.negotiations import Folder, Talk
from governance.errors import DecodeError, OutOfTurn, PeerError
from governance.registration import Registered
from governance.views import dataspace
from governance.views.dataspace import EVENT, LIMIT, Negotiation
from governance.views.dcat import live

log = logging.getLogger("keyong.dataspace")
PATH = "/dsp"
VERSIONS = {"protocolVersions": [{"version": "2025-1", "path": PATH, "binding": "HTTPS"}]}
NEXT = {  # below a negotiation's address: which message is taken there
    "request": "ContractRequestMessage", "events": EVENT, "agreement/verification": "ContractAgreementVerificationMessage",
    "termination": dataspace.END,
}  # fmt: skip


class Denied(Exception):
    """No participant of this service: there is no negotiation to speak of."""


class Missing(Exception):
    """Not there, or another participant's."""


def make_app(folder: Folder, assets: Callable[[], list[Registered]], *, participant: str, endpoint: str) -> Flask:
    """The service of the provider *participant*, which is reached at *endpoint*; *assets* are its register as it is now."""
    app = Flask("keyong-dataspace", static_folder=None)
    app.url_map.merge_slashes = False
    add = partial(app.add_url_rule, provide_automatic_options=False)
    add("/.well-known/dspace-version", "version", lambda: _made(VERSIONS), methods=["GET"])
    add(f"{PATH}/catalog/request", "catalogue", partial(_catalogue, folder, assets, participant, endpoint), methods=["POST"])
    add(f"{PATH}/catalog/datasets/<name>", "dataset", partial(_dataset, folder, assets, participant), methods=["GET"])
    add(f"{PATH}/negotiations/request", "begin", partial(_begin, folder, assets), methods=["POST"])
    add(f"{PATH}/negotiations/<pid>", "show", partial(_show, folder), methods=["GET"])
    for below, kind in NEXT.items():
        add(f"{PATH}/negotiations/<pid>/{below}", kind, partial(_take, folder, assets, kind), methods=["POST"])
    app.after_request(_headers)
    app.register_error_handler(Exception, _failed)
    return app


def _catalogue(folder: Folder, assets: Callable[[], list[Registered]], participant: str, endpoint: str) -> Response:
    _caller(folder)
    dataspace.read_query(_body())
    return _made(dataspace.catalogue(assets(), participant=participant, endpoint=endpoint))


def _dataset(folder: Folder, assets: Callable[[], list[Registered]], participant: str, name: str) -> Response:
    _caller(folder)
    asset = next((asset for asset in live(assets()) if dataspace.target(asset) == name), None)
    if asset is None:
        raise Missing
    return _made(dataspace.dataset(asset, participant=participant))


def _begin(folder: Folder, assets: Callable[[], list[Registered]]) -> Response:
    caller = _caller(folder)
    return _status(folder.begin(caller, dataspace.read(_body()), assets()), 201)


def _show(folder: Folder, pid: str) -> Response:
    return _status(folder.find(pid, _caller(folder)))


def _take(folder: Folder, assets: Callable[[], list[Registered]], kind: str, pid: str) -> Response:
    caller, message = _caller(folder), dataspace.read(_body())
    if message["@type"] != kind:
        return _failure(400, "dataspace.message", f"this address takes a {kind}")
    return _status(folder.take(pid, caller, message, assets()))


def _caller(folder: Folder) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    caller = folder.who(token) if kind.lower() == "bearer" and token else None
    if caller is None:
        raise Denied
    return caller


def _body() -> bytes:
    """At most one byte more than a message may have; the reader refuses that."""
    return request.stream.read(LIMIT + 1)


def _status(talk: Talk | None, code: int = 200) -> Response:
    if talk is None:
        raise Missing
    return _made(talk.now.status(), code)


def _made(data: Any, code: int = 200) -> Response:
    return Response(json.dumps(data, ensure_ascii=False), code, mimetype="application/json")


def _headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def _failed(error: Exception) -> Response:
    """Every error is a message of the protocol; nothing inside is told."""
    if isinstance(error, Denied):
        response = _failure(401, "dataspace.token", "a token of this service is needed: Authorization: Bearer …")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    if isinstance(error, Missing):
        return _failure(404, "dataspace.missing", "there is nothing of yours at this address")
    if isinstance(error, HTTPException):
        return _failure(error.code or 400, "http", error.name)
    if isinstance(error, (DecodeError, OutOfTurn, PeerError)):  # what else is wrong is wrong here
        return _failure(400, error.code, str(error))
    log.error("failed at %s", request.endpoint, exc_info=error)
    return _failure(500, "http.failed", "the service failed; try again later")


def _failure(status: int, code: str, reason: str) -> Response:
    if request.path.startswith(f"{PATH}/negotiations"):
        pid = (request.view_args or {}).get("pid", "none")
        return _made(Negotiation("none", str(pid)).error(code, reason), status)
    return _made(dataspace.catalogue_error(code, reason), status)
