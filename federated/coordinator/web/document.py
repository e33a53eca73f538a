"""The OpenAPI 3.1 document of a set of routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from federated.coordinator.web.openapi import Route
from federated.problems import MEDIA_TYPE, Problem

REF = "#/components/schemas/{model}"
SECURITY = {
    "type": "apiKey", "in": "header", "name": "Signature",
    "description": "An HTTP message signature (RFC 9421) by the Ed25519 key of an enrolled party, with Signature-Input and Content-Digest.",
}  # fmt: skip
REASONS = {
    400: "Not understood, or not signed by whom it must be signed", 401: "Not signed by an enrolled party, or not anew",
    403: "Refused by policy", 404: "Not here, or not yours to see", 409: "Not now: the job stands elsewhere", 413: "Too large",
    415: "Another media type is needed", 421: "Meant for another host", 422: "Not as described here", 500: "The coordinator failed",
    503: "Not now: try again later",
}  # fmt: skip


def document(routes: Sequence[Route], *, title: str, version: str) -> dict[str, Any]:
    """What can be asked at *routes*, and what the answers look like."""
    schemas, definitions = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.spec.path, {})[route.spec.method.lower()] = _operation(route, schemas)
    info = {"title": title, "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}
    components = {
        "schemas": definitions, "securitySchemes": {"signature": SECURITY},
        "responses": {str(status): _problem(reason) for status, reason in REASONS.items()},
    }  # fmt: skip
    return {"openapi": "3.1.0", "info": info, "servers": [{"url": "/"}], "paths": paths, "components": components}


def _problem(reason: str) -> dict[str, Any]:
    return {"description": reason, "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}}


def _schemas(routes: Sequence[Route]) -> tuple[dict[tuple[str, str], Any], dict[str, Any]]:
    """Schemas of bodies and answers by route and part, and the definitions that they refer to."""
    bodies: list[Any] = [((r.name, "body"), "validation", r.parts["body"]) for r in routes if "body" in r.parts]
    answers: list[Any] = [((r.name, "answer"), "serialization", r.answer) for r in routes if r.answer is not None]
    every = [*bodies, *answers, (("", "problem"), "validation", TypeAdapter(Problem))]
    found, rest = TypeAdapter.json_schemas(every, ref_template=REF)
    return {key: schema for (key, _), schema in found.items()}, rest["$defs"]


def _operation(route: Route, schemas: dict[tuple[str, str], Any]) -> dict[str, Any]:
    summary, _, more = (route.call.__doc__ or "").partition("\n")
    operation: dict[str, Any] = {"operationId": route.name, "summary": summary, "description": re.sub(r"\s+", " ", more).strip() or summary}
    operation["security"] = [{"signature": []}] if route.signed else []
    operation["parameters"] = [*_parameters(route, "path"), *_parameters(route, "query")]
    if route.body_media:
        content = {"schema": schemas[route.name, "body"]} if "body" in route.parts else {}
        operation["requestBody"] = {"required": True, "content": {route.body_media: content}}
    operation["responses"] = _responses(route, schemas.get((route.name, "answer")))
    return operation


def _parameters(route: Route, part: str) -> list[dict[str, Any]]:
    if part not in route.parts:
        return []
    schema = route.parts[part].json_schema()
    required = schema.get("required", [])
    return [{"name": n, "in": part, "required": n in required, "schema": s} for n, s in schema["properties"].items()]


def _responses(route: Route, answer: dict[str, Any] | None) -> dict[str, Any]:
    content = {route.answer_media: {"schema": answer} if answer else {}}
    responses: dict[str, Any] = {str(route.spec.status): {"description": "Done", "content": content}}
    if route.spec.empty is not None:
        responses[str(route.spec.empty)] = {"description": "Nothing to tell yet"}
    return responses | {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(_failures(route))}


def _failures(route: Route) -> set[int]:
    failures = {421, 500, 503}
    if route.signed:
        failures |= {400, 401, 403, 413}
    if route.body_media:
        failures |= {400, 403, 413, 415}
    if route.parts:
        failures |= {400, 422}
    if "path" in route.parts:
        failures |= {404}
    return failures | ({409} if route.spec.conflicts else set())
