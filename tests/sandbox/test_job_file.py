"""The job file that people write, and the signed job that it becomes."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import notes
from governance.encoding import build, parse, plain
from governance.errors import DecodeError, UsageError
from governance.keys import SigningKey
from sandbox.job import LONGEST, Job, least_cell, nonce, parameters, read_file, seconds

EXAMPLES = Path(__file__).parents[2] / "examples" / "heart"
FILE = """
keyong: 1
title: 四院心脏病风险模型
purpose: research
licence: lic-7f3a
dataset: heart-disease
where: "age_band >= '40-49'"
analysis: logistic_regression
with: {target: disease, features: [age, chol, sex]}
release: {rule: exact, min_cell: 10}
deadline: 10m
"""
OPERATOR, COORDINATOR = SigningKey.generate("operator"), SigningKey.generate("coordinator")
JOB = Job("四院", str(OPERATOR.public), str(COORDINATOR.public), "research", "0" * 64, "heart", "1" * 64, "sex == 'male'", "describe", 1,
          {"columns": ("age",)}, "secagg", "exact", 10, 1, 2, "0" * 32, "CN")  # fmt: skip


def test_a_job_file_is_read_as_it_is_written():
    data = read_file(FILE)
    assert data["where"] == "age_band >= '40-49'"
    assert data["with"] == {"target": "disease", "features": ["age", "chol", "sex"]}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_example_is_a_job_file_or_says_that_it_is_none(path):
    if path.stem == "dataset":
        with pytest.raises(UsageError, match="keyong: 1"):
            read_file(path.read_text())
    else:
        assert read_file(path.read_text())["dataset"] == "heart-disease"


@pytest.mark.parametrize("old, new, says", [
    ("keyong: 1", "keyong: 2", "starts with keyong: 1"), ("keyong: 1", "", "starts with keyong: 1"), ("keyong: 1", "- a", "not YAML"),
    ("purpose: research", "", "lacks: purpose"), ("dataset: heart-disease", "", "lacks: dataset"), ("licence: lic-7f3a", "", "lacks: licence"),
    ("analysis: logistic_regression", "", "lacks: analysis"), ("deadline: 10m", "deadlin: 10m", "no field deadlin, did you mean deadline?"),
    ("deadline: 10m", "1: x", "no field 1"), ("title: 四院心脏病风险模型", "title: [", "not YAML: line 5, column 8: "),
    ("title: 四院心脏病风险模型", "title: 2024-13-45", "not YAML"), (FILE, "[" * 5000, "not YAML"),
    ("deadline: 10m", "deadline: !!python/object/apply:os.system ['true']", "not YAML"), (FILE, "", "starts with keyong: 1"),
    (FILE, "[1, 2]", "starts with keyong: 1"), ("purpose: research", "purpose:", "lacks: purpose"),
    ("title: 四院心脏病风险模型", "title: 5", "title must be text, in quotes"), ("purpose: research", "purpose: [x]", "purpose must be text"),
    ("licence: lic-7f3a", "licence: 123", "licence must be text"), ("where: \"age_band >= '40-49'\"", "where: 5", "where must be text"),
    ("with: {target: disease, features: [age, chol, sex]}", "with: [1, 2]", "field with must be a map"),
    ("with: {target: disease, features: [age, chol, sex]}", "with: abc", "field with must be a map"),
    ("release: {rule: exact, min_cell: 10}", "release: 5", "release must be a map"),
    ("release: {rule: exact, min_cell: 10}", "release: {protect: threshold}", "protect is no part of release, it stands beside it: protect: … in a job file, protect=… in a call"),
    ("release: {rule: exact, min_cell: 10}", "release: {deadline: 10m}", "deadline is no part of release"),
    ("release: {rule: exact, min_cell: 10}", "min_cell: 10", "min_cell is a part of release; write release: {min_cell: …}"),
    ("rule: exact", "rule: dp", "releases under the rule exact"), ("rule: exact", "ruel: exact", "releases under the rule exact"),
    ("release: {rule: exact, min_cell: 10}", "protect: treshold", "no protection treshold, did you mean threshold?"),
    ("release: {rule: exact, min_cell: 10}", "release: [a]", "release must be a map"),
    ("min_cell: 10", "min_cell: ten", "min_cell of release must be a whole number"), ("rule: exact", "rule: 1", "rule of release must be text"),
])  # fmt: skip
def test_a_file_that_is_wrong_is_answered_with_what_is_wrong(old, new, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        read_file(FILE.replace(old, new))


@pytest.mark.parametrize(("release", "least"), [("{min_cell: 20}", 20), ("{min_cell: }", 10), ("{rule: }", 10), ("", 10)])
def test_what_is_left_empty_is_the_licences(release, least):
    assert least_cell(read_file(FILE.replace("{rule: exact, min_cell: 10}", release)), 10) == least


def test_where_a_field_goes_is_said_in_chinese():
    with pytest.raises(UsageError) as wrong:
        read_file(FILE.replace("rule: exact", "protect: threshold"))
    assert wrong.value.text("zh") == "请修正调用：protect 不属于 release，应与它并列：任务文件中写 protect: …，调用时写 protect=…"
    with pytest.raises(UsageError) as wrong:
        read_file(FILE.replace("release: {rule: exact, min_cell: 10}", "rule: exact"))
    assert wrong.value.text("zh") == "请修正调用：rule 属于 release；请写 release: {rule: …}"


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text):
    with contextlib.suppress(UsageError):
        assert read_file(text)["keyong"] == 1


@pytest.mark.parametrize("given_, made", [
    ("90s", 90), ("10m", 600), ("2h", 7200), ("7d", LONGEST), (" 1h ", 3600), ("１０m", 600),
])  # fmt: skip
def test_a_deadline_is_a_duration(given_, made):
    assert seconds(given_) == made


@pytest.mark.parametrize(
    "wrong", ["", "m", "0", "0s", 90, "90", "-5m", "1.5h", "8d", "10 m", "1w", "soon", "1e3", True, "²", "9" * 5000, "9" * 5000 + "s"]
)
def test_a_deadline_that_is_none_is_refused(wrong):
    with pytest.raises(UsageError, match="deadline"):
        seconds(wrong)


def test_parameters_are_signed_without_floats():
    made = parameters({"columns": ["a", "b"], "target": "x", "max_iter": 5, "tol": 1e-05, "flag": True, "event": None})
    assert made == {"columns": ("a", "b"), "target": "x", "max_iter": 5, "tol": "1e-05", "flag": True, "event": None}
    assert notes.write(replace(JOB, parameters=made)).document(Job).parameters == made


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, object(), [["a"]], b"x"])
def test_a_parameter_that_cannot_be_signed_is_refused(value):
    with pytest.raises(UsageError, match="parameter x"):
        parameters({"x": value})


def test_a_job_is_the_same_after_it_was_signed_and_its_id_is_that_of_its_text():
    note = notes.write(JOB).signed_by(OPERATOR)
    assert notes.read(str(note)).document(Job) == JOB
    assert notes.read(str(note)).id == note.id != notes.write(replace(JOB, nonce=nonce())).id


@pytest.mark.parametrize("field, value", [
    ("title", ""), ("purpose", "Research"), ("licence", "lic-7f3a"), ("dataset", "Heart"), ("catalogue", "1" * 63), ("where", "x" * 1001),
    ("analysis", "os.system"), ("version", 0), ("version", True), ("parameters", {"x": {"y": 1}}), ("protect", "none"), ("rule", "dp"),
    ("min_cell", 2), ("min_cell", "10"), ("created", -1), ("deadline", 2**40), ("nonce", "0" * 31), ("nonce", "G" * 32),
])  # fmt: skip
def test_a_signed_job_is_read_strictly(field, value):
    data = {**plain(JOB), field: value}
    with pytest.raises(DecodeError, match=f"{field}|another type than declared"):
        build(Job, parse(notes.canonical(data)))


@pytest.mark.parametrize("field", [name for name in plain(JOB)])
def test_nothing_in_a_job_has_a_default(field):
    with pytest.raises(DecodeError, match=f"{field}: Field required"):
        build(Job, {name: value for name, value in plain(JOB).items() if name != field})
