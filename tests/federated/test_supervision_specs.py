"""What docs/specs says of records, evidence, incidents and complaints is so: examples run, tables name the fields and rules that there are."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import coordinators
import pytest
from trails import Trail

from federated import audit, evidence, records
from federated.evidence import Evidence
from governance.incidents import Incident
from governance.spending import Export

SPECS = Path(__file__).parents[2] / "docs" / "specs"


def page(name: str) -> str:
    return (SPECS / f"{name}.md").read_text()


def named(text: str) -> set[str]:
    """Names in the first column of the tables."""
    return {name for line in text.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def section(name: str, title: str) -> str:
    return page(name).split(f"## {title}\n")[1].split("\n## ")[0]


def fields(cls: type) -> set[str]:
    return {f.name for f in dataclasses.fields(cls)}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    trail = Trail(tmp_path_factory.mktemp("coordinator"))
    trail.run("ward == 'a'")
    denied = trail.submit(purpose="marketing")
    found = trail.read()
    with trail.office.journal.view() as t:
        proof = evidence.write(evidence.collect(denied, found, t, None)).strip()
    yield {"RECORDS_TEXT": records.write(found.export), "EVIDENCE_TEXT": proof, "PINNED": coordinators.PINNED}
    trail.office.journal.close()


@pytest.mark.parametrize("name", ["records", "evidence", "supervision"])
def test_examples_run(name, given):
    (source,) = re.findall(r"^```python\n(.*?)^```$", page(name), re.S | re.M)
    exec(compile(source, f"{name}.md", "exec"), dict(given))


def test_every_field_and_rule_is_named():
    assert named(section("records", "The file")) == fields(Export)
    assert named(section("records", "Rules")) == set(audit.TEXTS)
    assert named(section("evidence", "Fields")) == fields(Evidence)
    assert named(section("supervision", "Incidents")) == fields(Incident)
