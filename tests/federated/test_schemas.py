"""JSON Schemas: the published ones are those of the code, and a schema refuses what the reader refuses by a document's form."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import calls
import coordinators
import pytest
from jsonschema import Draft202012Validator
from trails import Trail

from federated import accounts, evidence, schemas
from federated.coordinator import published
from federated.release import Software
from governance import encoding, notes, quality
from governance.certificates import Region, Regions
from governance.complaints import Answer, Complaint, Receipt
from governance.consent import Consent
from governance.costs import Costs
from governance.encoding import build, parse, plain
from governance.errors import KeyongError, LicenceRefused
from governance.grading import Grading
from governance.incidents import Incident
from governance.keys import SigningKey
from governance.parties import Invitation
from governance.products import Algorithm, Demand, Scenario, Scenarios
from governance.registration import Grade
from governance.trades import Delivery, Inspection, Order
from governance.valuation import Pack, Use, Valuation
from sandbox.messages import AgreedState, Earlier

DOCS = Path(__file__).parents[2] / "docs"
SPECS = DOCS / "specs"
PAGES = ("budget", "certificates", "consent", "licences", "notes", "products", "registration", "roots", "settlement")
SHOWN = re.compile(r"^(keyong/[a-z-]+/v1)\n(\{.*\})$", re.M)
KEY = SigningKey("lab", bytes(32))
DAY, ID = 1_764_000_000, "ab" * 32
OWN = {f"keyong/{name}/v1" for name in (
    "ask", "board", "budget-export", "cosignature", "cosignature-refusal", "ended", "fingerprint", "offer", "policy", "status", "use", "use-proof",
    "weight-limit", "witness-answers", "witness-ask", "witness-duty", "witness-turn",
)}  # fmt: skip
PARTS = tuple(quality.Part(name, (quality.indicator("x", passed=9, checked=10),)) for name, _ in quality.DIMENSIONS)
SMALL = (  # kinds of which neither a page nor a trail shows one
    Answer(ID, "It was looked into."),
    Complaint(DAY, {"city": "AAAA"}),
    Receipt(ID, 3, DAY),
    Consent(ID, "cohort", ("research",), True, DAY),
    Costs(str(KEY.public), "cohort", 1, 8000, 6, 20, 3, 50),
    Demand(str(KEY.public), "Ages of patients", ("health",), ("heart",), "research", DAY),
    Algorithm("describe@1", "Describe", ID, ("health",), ("exact",)),
    Delivery(ID, ID, DAY),
    Pack(ID, "cohort", ID, DAY, Use(9, ID, 1, 1, 1, 5, 0, {"North": 5}), ("note",)),
    Valuation(ID, ID, "cost", 1, 2, "licensing", DAY, DAY + 1),
    Scenarios(DAY, (Scenario(ID, "lab", "Ages", (), ("heart",), "research", DAY),)),
    Inspection(ID, "passed", "", DAY),
    Order(str(KEY.public), ID, "research", DAY),
    Grading("cohort", ID, "Li Hua", DAY, (Grade("age", 3),)),
    Incident("leak", 1, "notified", DAY, True, "harm", "measures", "contact", (ID,)),
    Invitation("north", "North Hospital", "holder", str(KEY.public), DAY),
    quality.Report("cohort", ID, ID, "", DAY, PARTS),
    Regions(1, DAY, DAY + 1, (Region("taizhou", (str(KEY.public),), 1, ("health",), ("hold",)),)),
    AgreedState(ID, ID, 0, "{}", False),
    Earlier(ID, "north", ("ward == 'a'",)),
    Software({"keyong-1.0-py3-none-any.whl": ID}),
)


@pytest.fixture(scope="module")
def trail(tmp_path_factory) -> Iterator[Trail]:
    made = Trail(tmp_path_factory.mktemp("coordinator"))
    made.released = made.run("ward == 'a'")
    made.refuse(LicenceRefused(code="licence.column", columns="age"))
    yield made
    made.office.journal.close()


@pytest.fixture(scope="module")
def documents(trail) -> list[tuple[str, Any]]:
    """Kind and data of what a coordinator's ledger, the pages of specifications and the classes themselves show."""
    found = trail.read()
    with trail.office.journal.view() as t:
        bundle = published.bundle(t, trail.released, "coordinator", coordinators.ROOTS)
        proof = evidence.collect(trail.released, found, t, bundle)
        posts = [text for _, text in t.notes("release")]
    stated = accounts.statement(found, first=0, last=len(found.entries))
    texts = [*found.export.documents, *posts]
    made = [(kind, parse(body)) for text in (*texts, *_written()) for kind, body in [text.split("\n")[:2]]]
    files = [("bundle/v1", bundle), ("evidence/v1", plain(proof))]
    return [*made, *_shown(), *files, *((each.kind, plain(each)) for each in (*SMALL, stated, *found.entries))]


def _shown() -> Iterator[tuple[str, Any]]:
    """Documents that stand in pages as they are signed; not those of which the page leaves something out."""
    for page in sorted(DOCS.rglob("*.md")):
        found = SHOWN.findall(page.read_text())
        yield from ((kind, parse(body)) for kind, body in found if kind in schemas.kinds() and "…" not in body)


def _written() -> list[str]:
    """What the examples of the specifications write, as they run."""
    texts: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        write = notes.write
        patch.setattr(notes, "write", lambda document: texts.append(write(document).text) or write(document))
        patch.setattr(encoding, "KINDS", dict(encoding.KINDS))
        for name in PAGES:
            (source, *_) = re.findall(r"^```python\n(.*?)^```$", (SPECS / f"{name}.md").read_text(), re.S | re.M)
            exec(compile(source, f"{name}.md", "exec"), {"__name__": name})
    return texts


def of(documents, name: str) -> list[Any]:
    return [json.loads(json.dumps(data)) for kind, data in documents if kind == schemas.names()[name]]


def valid(name: str, data: Any) -> bool:
    return Draft202012Validator(schemas.schema(name)).is_valid(data)


def read(name: str, data: Any) -> bool:
    try:
        build(schemas.kinds()[schemas.names()[name]], parse(encoding.canonical(data)))
    except KeyongError:
        return False
    return True


def paths(data: Any, so_far: tuple = ()) -> Iterator[tuple]:
    """The place of every value in *data*; of lists the first."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data[:1]) if isinstance(data, list) else ():
        yield (*so_far, key)
        yield from paths(value, (*so_far, key))


def changed(data: Any, path: tuple, value: Any) -> Any:
    made = at = copy.deepcopy(data)
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return made


def test_the_published_schemas_are_those_of_the_code():
    files = {path.stem: path.read_text() for path in (SPECS / "schemas").glob("*.json")}
    assert files == {name: schemas.text(name) for name in schemas.names()}


def test_no_kind_of_document_is_left_out():
    """Every kind that can be written as JSON has a schema, but messages and what a node or a coordinator keeps for itself."""
    left = {
        kind
        for kind, cls in encoding.KINDS.items()
        if kind.startswith("keyong/")
        and not kind.startswith("keyong/node-")
        and kind.count("/") == 2
        and '"binary"' not in json.dumps(encoding.shape(cls))
    }
    assert left - schemas.kinds().keys() <= OWN


def test_the_page_shows_what_there_is():
    page = (SPECS / "schemas.md").read_text()
    (source,) = re.findall(r"^```python\n(.*?)^```$", page, re.S | re.M)
    exec(compile(source, "schemas.md", "exec"), {})
    assert f"$ keyong schema receipt\n{schemas.text('receipt')}```" in page
    assert dict(re.findall(r"^\| \[`(.*?)`\]\(schemas/.*\) \| `(.*?)` \|$", page, re.M)) == schemas.names()


@pytest.mark.parametrize("name", schemas.names())
def test_a_schema_is_one(name):
    Draft202012Validator.check_schema(schemas.schema(name))


@pytest.mark.parametrize("name", schemas.names())
def test_every_document_validates(documents, name):
    found = of(documents, name)
    assert found and all(valid(name, data) and read(name, data) for data in found)


@pytest.mark.parametrize("name", schemas.names())
def test_what_the_reader_refuses_by_its_form_the_schema_refuses(documents, name):
    """A field too many, one too few, a value of another type, at each place of a document: and the schema never refuses what is read."""
    data = max(of(documents, name), key=lambda d: len(json.dumps(d)))
    wrong = [{**data, "extra": 1}, *({k: v for k, v in data.items() if k != key} for key in data), [], "x", None]
    wrong += [changed(data, path, value) for path in paths(data) for value in (1.5, {"extra": {"extra": 1.5}}, [[1.5]])]
    assert [m for m in wrong if valid(name, m) or read(name, m)] == []
    other = [changed(data, path, value) for path in paths(data) for value in (None, "", "x", 0, -1, 2**53, True, [], {}, ["x"])]
    assert [m for m in other if read(name, m) and not valid(name, m)] == []


def test_an_integer_that_others_would_read_otherwise_is_refused(documents):
    (data, *_) = of(documents, "admission")
    assert not valid("admission", {**data, "uses": [2**53]}) and valid("admission", {**data, "uses": [2**53 - 1]})


def test_the_command_lists_prints_and_writes(tmp_path, capsys):
    listed = calls.keyong(capsys, "schema").out
    assert "licence       keyong/licence/v1\n" in listed and len(listed.splitlines()) == len(schemas.names())
    assert json.loads(calls.keyong(capsys, "schema", "licence").out) == schemas.schema("licence")
    calls.keyong(capsys, "schema", "--out", tmp_path)
    assert {p.stem for p in tmp_path.iterdir()} == schemas.names().keys()
    assert "did you mean licence" in calls.keyong(capsys, "schema", "license", code=2).err
