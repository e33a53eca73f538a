"""The OpenAPI document is right, and the running coordinator does what it says: schemathesis tries, signed by a party of each role."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from pathlib import Path

import hypothesis.strategies as st
import pytest
import requests
import schemathesis
from schemathesis.engine import events, from_schema

import federated
from federated.problems import BY_CODE, CLASSES, Problem, error_of, problem_of, status_of, write
from federated.signatures import Signer
from governance import errors
from governance.encoding import encode
from governance.errors import DecodeError, KeyongError, LicenceRefused, Refused, Unavailable, UsageError
from governance.texts import TEXTS
from sandbox.messages import Post
from tests.federated.coordinators import KEYS, TLS, coordinator

PHASES = {"examples", "coverage", "fuzzing", "stateful"}
ANSWERED = {  # what each role gets a good answer for, whatever schemathesis comes upon by chance
    "operator": {"health", "identity", "enrolments", "documents", "jobs", "job", "cancel", "checkpoint", "entries"},
    "north": {"health", "identity", "enrolments", "documents", "jobs", "job", "offers", "checkpoint", "entries"},
}
NOT_IN_A_SCHEMA = ["2xx", "400", "401", "403", "404", "409"]  # that a note must be signed, no schema can say: hence 400


class Signs(requests.auth.AuthBase):
    """Signs what schemathesis sends."""

    def __init__(self, name: str) -> None:
        self.signer = Signer(KEYS[name])

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        raw = body.encode() if isinstance(body, str) else body
        request.headers.update(self.signer.headers(request.method, request.url, raw, now=time.time()))
        return request


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with coordinator(tmp_path_factory.mktemp("coordinator")) as running:
        (running.path / "ca.pem").write_text(TLS.certificate)
        running.server._waiting._most = 0  # waits of up to a minute are allowed, and tried: all are over at once
        yield running


@pytest.fixture
def document(place):
    answer = requests.get(place.server.url + "/openapi.json", verify=str(place.path / "ca.pem"), timeout=10)
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def operations(document):
    return {op["operationId"]: (path, method, op) for path, item in document["paths"].items() for method, op in item.items()}


def test_the_document_is_valid(document):
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()


def test_every_reference_leads_somewhere(document):
    for reference in re.findall(r"'\$ref': '#/([^']*)'", str(document)):
        found = document
        for step in reference.split("/"):
            found = found[step]


def test_what_is_open_and_what_is_signed(document):
    opened = {name for name, (_, _, op) in operations(document).items() if not op["security"]}
    assert opened == {"health", "identity", "enrol", "publish", "complain"}


def test_every_operation_is_described(document):
    for name, (_, _, operation) in operations(document).items():
        assert operation["summary"].endswith("."), name
        assert {"421", "500", "503"} < operation["responses"].keys(), name


def tried(place, document, name, examples):
    """A schemathesis run by *name*: failures, and operations with a good answer by phase."""
    posts = st.builds(Post, st.just("accept"), st.just(name), st.binary(), st.just(()))
    schemathesis.openapi.media_type("application/cbor", posts.map(encode))
    place.submitted()  # is offered to the holder
    job = place.submitted()
    place.office.cancel(job, place.office.parties()["operator"])  # nobody waits for the end of one that has ended
    for _, _, operation in operations(document).values():
        for parameter in operation["parameters"]:
            if parameter["name"] == "job":
                parameter["examples"] = {"one": {"value": job}}
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=place.server.url, tls_verify=str(place.path / "ca.pem"), continue_on_failure=True)
    schema.config.generation.update(max_examples=examples)
    schema.config.checks.positive_data_acceptance.expected_statuses = NOT_IN_A_SCHEMA
    schema.auth.set_from_requests(Signs(name))
    failures, answered = [], defaultdict(set)
    for event in from_schema(schema).execute():
        assert not isinstance(event, (events.NonFatalError, events.FatalError)), event.info.format()
        if isinstance(event, events.ScenarioFinished):
            record = event.recorder
            answered[event.phase.value] |= {
                record.cases[n].value.operation.definition.raw["operationId"]
                for n, i in record.interactions.items()
                if i.response is not None and i.response.status_code < 300
            }
            failures += [
                f"{event.label}: {check.name}: {check.failure_info.failure.message}\n{check.failure_info.code_sample}"
                for checks in record.checks.values()
                for check in checks
                if check.failure_info
            ]
    return failures, answered


@pytest.mark.parametrize("name", ANSWERED)
def test_the_coordinator_does_what_the_document_says(place, document, name):
    failures, answered = tried(place, document, name, examples=18)
    assert not failures, "\n\n".join(failures[:5])
    assert answered.keys() >= PHASES
    assert set().union(*answered.values()) >= ANSWERED[name]


def test_a_document_that_is_wrong_would_be_noticed(place, document):
    """The run above can fail: it does, where the document promises another type, and where it knows of no refusal."""
    document["components"]["schemas"]["Health"]["properties"]["time"] = {"type": "string"}
    document["paths"] = {p: i for p, i in document["paths"].items() if p in ("/v1/health", "/v1/offers")}
    del document["paths"]["/v1/offers"]["get"]["responses"]["403"]
    failures, _ = tried(place, document, "operator", examples=2)
    assert {line.split(": ")[1] for line in failures} >= {"response_schema_conformance", "status_code_conformance"}


def test_routes_and_codes_are_in_the_documentation(document):
    text = (Path(federated.__file__).parents[1] / "docs" / "specs" / "api.md").read_text()
    for path, item in document["paths"].items():
        assert all(f"`{method.upper()} {path}" in text for method in item), path
    for code in (*BY_CODE, *(c for c in TEXTS if c.startswith(("auth.", "http.")))):
        assert f"`{code}`" in text, code


# --- problem documents --------------------------------------------------------------------------

ERRORS = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, KeyongError)]


@pytest.mark.parametrize("cls", ERRORS)
def test_every_error_survives_the_way(cls):
    error = cls("four holders are needed", least=4, retry_after=2.5)
    back = error_of(write(problem_of(error)), status_of(error))
    assert (type(back), back.code, str(back), back.facts) == (cls, error.code, str(error), error.facts)
    assert back.text("zh") == error.text("zh")


@pytest.mark.parametrize("code", TEXTS)
def test_every_code_survives_the_way(code):
    error = Refused(code=code, columns="age", operator="operator")
    back = error_of(write(problem_of(error)), 403)
    assert (back.code, str(back), back.text("en"), back.text("zh")) == (code, str(error), error.text("en"), error.text("zh"))


def test_a_code_from_a_newer_coordinator_is_understood_by_its_class():
    problem = Problem("urn:keyong:error:LicenceRefused", "", 403, "the licence says no", "novel.rule", {"en": "", "zh": ""}, {})
    back = error_of(write(problem), 403)
    assert (type(back), back.code, str(back)) == (LicenceRefused, "licence", "the licence says no")


def test_facts_cannot_take_the_place_of_arguments():
    problem = Problem("urn:keyong:error:Refused", "", 403, "no", "refused", {}, {"self": 1, "message": "x", "code": "y", "limit": 3})
    back = error_of(write(problem), 403)
    assert (str(back), back.code, back.facts) == ("no", "refused", {"limit": 3})


def test_a_class_from_a_newer_coordinator_is_an_error_still():
    problem = Problem("urn:keyong:error:Novel", "", 403, "no", "usage", {"en": "", "zh": ""}, {})
    assert type(error_of(write(problem), 403)) is KeyongError


@pytest.mark.parametrize("raw", [b"", b"<html>", b"{}", b'{"status": "x"}'])
@pytest.mark.parametrize("status, cls", [(502, Unavailable), (407, Unavailable), (429, Unavailable), (404, UsageError), (301, UsageError)])
def test_what_a_proxy_answers_is_understood(raw, status, cls):
    assert type(error_of(raw, status)) is cls


def test_only_errors_of_ours_are_made():
    assert {c.__name__ for c in ERRORS} == CLASSES.keys()
    assert "DecodeError" in CLASSES and DecodeError in ERRORS and "Exception" not in CLASSES
