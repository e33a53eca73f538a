"""Lineage: every stage of a result is there with those who signed it, a PROV reader takes it, and what nobody signed is not told."""

from __future__ import annotations

import json
from dataclasses import replace

import calls
import coordinators
import pytest
from coordinators import KEYS, ROSTER
from prov.model import ProvActivity, ProvAgent, ProvDocument, ProvEntity, ProvGeneration
from trails import Trail

from federated import lineage, records
from governance import notes, registration
from governance.errors import IntegrityError, UsageError
from governance.keys import SigningKey
from sandbox.messages import Acceptance

STAGES = ("collect", "trade", "process", "share")


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    made = Trail(tmp_path_factory.mktemp("coordinator"))
    made.released = made.run("ward == 'a'")
    made.denied = made.submit(purpose="marketing")
    yield made
    made.office.journal.close()


@pytest.fixture(scope="module")
def document(trail):
    return lineage.as_prov(trail.read(), trail.released)


def read(document) -> ProvDocument:
    return ProvDocument.deserialize(content=json.dumps(document), format="json")


def test_a_prov_reader_takes_it_and_gives_the_same_back(trail, document):
    found = read(document)
    again = json.loads(found.serialize(format="json"))
    for part, kind in (("entity", ProvEntity), ("agent", ProvAgent), ("activity", ProvActivity)):
        assert again[part].keys() == document[part].keys() == {str(each.identifier) for each in found.get_records(kind)}
    (generated,) = found.get_records(ProvGeneration)
    (release,) = (name for name in document["entity"] if name.startswith("keyong:release-"))
    assert [str(value) for _, value in generated.formal_attributes if value] == [release, f"keyong:run-{trail.released}"]


def test_every_relation_is_between_what_is_there(document):
    there = {name for part in ("entity", "agent", "activity") for name in document[part]}
    relations = [each for part, found in document.items() if part.startswith(("was", "used")) for each in found.values()]
    assert relations and all(end in there for each in relations for end in each.values())


def test_each_stage_names_those_who_signed(document):
    assert dict(lineage.stages(document)) == {
        "collect": sorted([*ROSTER, "authority"]), "trade": ["authority", "operator"], "process": sorted([*ROSTER, "coordinator"]),
        "share": sorted([*ROSTER, "coordinator"]),
    }  # fmt: skip


def test_snapshot_and_asset_lead_to_the_release(document):
    """From the release, over what was used and derived, to the registration of the asset's dataset and each holder's snapshot."""
    step = {
        "wasGeneratedBy": ("prov:entity", "prov:activity"), "used": ("prov:activity", "prov:entity"),
        "wasDerivedFrom": ("prov:generatedEntity", "prov:usedEntity"),
    }  # fmt: skip
    edges = [(each[a], each[b]) for part, (a, b) in step.items() for each in document[part].values()]
    found = {name for name in document["entity"] if "release" in name}
    while more := {b for a, b in edges if a in found} - found:
        found |= more
    kinds = sorted(name.split(":")[1].rsplit("-", 1)[0] for name in found)
    assert kinds.count("snapshot") == len(ROSTER)
    assert {"dataset", "job", "licence", "plan", "admission", "run"} <= set(kinds)


def test_a_refused_job_has_a_lineage_that_ends_there(trail):
    made = lineage.as_prov(trail.read(), trail.denied)
    assert not [name for name in made["entity"] if "release" in name or "acceptance" in name]
    assert "licence.purpose" in [about.get("keyong:code") for about in made["entity"].values()]
    read(made)


def test_what_the_holder_did_not_sign_is_not_told(trail):
    """A stranger's acceptance among the documents of the file adds nothing, nor does its asset."""
    export, stranger = trail.export(), SigningKey.generate("north")
    forged = notes.write(Acceptance(trail.released, "north", "ab" * 32, "cd" * 16)).signed_by(stranger)
    other = notes.write(replace(registration.newest(coordinators.asset()), step="apply", previous="", at=1)).signed_by(
        KEYS["east"], stranger
    )
    with_it = replace(export, documents=tuple(sorted({*export.documents, str(forged), str(other)})))
    assert lineage.as_prov(records.of(with_it, coordinators.PINNED), trail.released) == lineage.as_prov(trail.read(), trail.released)


def test_a_signature_that_is_wrong_is_an_alarm(trail):
    export = trail.export()
    text = next(t for t in export.documents if "keyong/acceptance" in t and trail.released in t and '"holder":"north"' in t)
    note = notes.read(text)
    (line,) = note.signatures
    bad = replace(note, signatures=(replace(line, value=bytes(len(line.value))),))
    changed = replace(export, documents=tuple(sorted({*export.documents, str(bad)} - {text})))
    with pytest.raises(IntegrityError, match="does not verify"):
        lineage.as_prov(records.of(changed, coordinators.PINNED), trail.released)


def test_a_job_that_is_not_there(trail):
    with pytest.raises(UsageError, match="no such job"):
        lineage.as_prov(trail.read(), "ab" * 32)


def test_the_command_says_the_same_on_another_machine(trail, document, tmp_path, capsys):
    trail.written(tmp_path)
    words = [trail.released[:12], tmp_path / "records.json", "--authority", tmp_path / "root.note", "--out", tmp_path / "prov.json"]
    told = calls.keyong(capsys, "records", "lineage", *words).out
    assert told.startswith("collect   authority, east, north, south, west\ntrade     authority, operator\n")
    assert json.loads((tmp_path / "prov.json").read_text()) == document
    assert "0 jobs" in calls.keyong(capsys, "records", "lineage", "zz", *words[1:], code=2).err
