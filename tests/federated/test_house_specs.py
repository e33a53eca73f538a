"""What docs/specs says of datasets, jobs, the protocol and bundles is so: examples run, tables name the fields that there are."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import coordinators
import inmemory
import jobs
import pytest
import records
from offices import Floor, Nodes

from federated.authority import read_dataset
from federated.verify import Bundle, Proof
from governance import notes, proofs
from governance.catalogue import Column, Dataset
from governance.encoding import KINDS, canonical
from sandbox import messages, predicate
from sandbox.analyses import METHODS
from sandbox.job import FILE_FIELDS, Job, read_file
from sandbox.messages import Release, kind_of

SPECS = Path(__file__).parents[2] / "docs" / "specs"


def page(name):
    return (SPECS / f"{name}.md").read_text()


def blocks(name, language):
    return [body for kind, body in re.findall(r"^```(\w*)\n(.*?)^```$", page(name), re.S | re.M) if kind == language]


def plain_blocks(name, start):
    return [body for body in blocks(name, "") if body.startswith(start)]


def section(name, title):
    return page(name).split(f"## {title}\n")[1].split("\n## ")[0]


def fields(cls):
    return {f.name for f in dataclasses.fields(cls)}


def named(text):
    """Names in the first column of a table."""
    return {name for line in text.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def run(name, **given):
    (source,) = blocks(name, "python")
    exec(compile(source, f"{name}.md", "exec"), given)


# --- dataset


def test_the_dataset_file_is_one_and_its_example_runs():
    (text,) = blocks("dataset", "yaml")
    assert read_dataset(text).schema["chol"].grade == 4
    run("dataset", DATASET_FILE=text)


def test_the_dataset_page_names_every_field():
    text = section("dataset", "Fields")
    assert named(text) | {"name", "schema"} == (fields(Dataset) - {"name", "schema"}) | {"dataset", "person", "columns", "name", "schema"}
    columns = section("dataset", "Columns")
    assert all(f"`{name}`" in columns for name in fields(Column) - {"name", "kind"})
    assert named(columns) == {"number", "category", "band"}


# --- job


def test_the_job_file_is_one_and_its_example_runs():
    (text,) = blocks("job", "yaml")
    data = read_file(text)
    assert data["where"] == "age_band >= '40-49' and sex == 'female'"
    run("job")
    assert all(f"`{name}`" in section("job", "The file") for name in FILE_FIELDS)


def test_the_signed_job_has_the_fields_that_are_listed():
    (note,) = plain_blocks("job", "keyong/job/v1")
    example = json.loads(note.split("\n")[1])
    assert example.keys() == fields(Job) == named(section("job", "The note"))
    assert list(example) == sorted(example)
    assert KINDS[note.split("\n")[0]] is Job


def test_the_methods_and_their_parameters_are_those_that_there_are():
    text = section("job", "Methods")
    assert named(text) == {f"{m.name}@{m.version}" for m in METHODS.values()}
    for method in METHODS.values():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{method.name}@")]
        assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == fields(method)


def test_the_grammar_is_the_one_that_is_read():
    text = section("job", "Conditions")
    assert f"at most {predicate.MOST}" in text
    assert set(re.findall(r'"([=!<>]+)"', text)) == {*predicate.COMPARE, "="}


# --- protocol


def test_the_steps_of_the_example_are_those_of_a_run():
    masked, encrypted = (tuple(line.split()[0] for line in block.splitlines()) for block in plain_blocks("protocol", "accept"))
    assert masked == jobs.STEPS == tuple(jobs.finished().relays)
    run = inmemory.Run(jobs.tables(), of=inmemory.texts(records.election().schema, jobs.NARROWED, "abc", protect="threshold"))
    run.finish()
    assert [step for step in encrypted if kind_of(step) != "weigh"] == list(run.relays)[: len(encrypted) - 1]


def test_the_proof_of_a_spend_is_made_and_verified_as_printed(capsys):
    run("witnessing")
    assert capsys.readouterr().out == "0\n"
    (shown,) = plain_blocks("witnessing", proofs.KIND)
    head, log, lines = shown.split("\n\n")
    assert head.split("\n")[2] == "index 2" and log.split("\n")[:2] == ["b", "3"]
    assert lines.split() == ["—", "b", "…", "—", "a", "…", "—", "b", "…", "—", "c", "…"]


def test_every_kind_of_step_and_note_is_described():
    text = page("protocol")
    kinds = {kind_of(name) for name in named(section("protocol", "Steps"))}
    assert kinds == {"accept", "spent", "upload", "consent", "reveal", "abstain", "state", "stop", "deal", "decrypt", "weigh"}
    for cls in (messages.Acceptance, messages.Refusal, messages.Admission, messages.AgreedState, messages.Release):
        assert cls.kind in text
    for state in inmemory.bodies(jobs.finished()).values():
        assert all(f"`{name}`" in text for name in state)


# --- bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    floor = Floor(tmp_path_factory.mktemp("coordinator"))
    job = floor.submit()
    Nodes(floor, job).run()
    yield floor.bundle(job)
    floor.office.journal.close()


def test_the_bundle_example_runs(bundle, capsys):
    run("bundle", BUNDLE_TEXT=canonical(bundle), PINNED=coordinators.PINNED)
    assert "authority signed dataset" in capsys.readouterr().out


def test_the_bundle_has_the_parts_that_are_shown(bundle):
    (text,) = blocks("bundle", "json")
    shown = json.loads(text)
    assert shown.keys() == fields(Bundle) == bundle.keys()
    assert shown["ledger"].keys() == fields(Proof) == bundle["ledger"].keys()
    assert named(section("bundle", "The release")) == fields(Release)
    result = json.loads(notes.read(bundle["release"]).document(Release).result)
    assert all(f"`{name}`" in section("bundle", "The release") for name in result)
