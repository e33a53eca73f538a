"""Requirements and the record of tests: what is held follows from a run that passed, and from nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from federated import conformance
from governance.errors import DecodeError, UsageError

TEST = """def test_a_forged_licence() -> None:
    assert refused()
"""
PAGE = """# Rules

Rows here are called `PRIVACY-1` and so on.

| # | attack | held by | test | status |
|---|---|---|---|---|
| 1 | a licence is forged | signatures | `tests/test_rules.py::test_a_forged_licence` | held |
| 2 | a licence is forged twice | — | `tests/test_rules.py::test_a_forged_licence` | partly: once only |
| 3 | a node lies | — | — | outside: nothing can see it |
| 4 | nothing is tested | hope | — | held |
"""
NAME = "tests/test_rules.py::test_a_forged_licence"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "docs/requirements").mkdir(parents=True)
    (tmp_path / "docs/requirements/rules.md").write_text(PAGE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_rules.py").write_text(TEST)
    return tmp_path


def status(house: Path) -> dict[str, str]:
    return {row.requirement.id: row.status for row in conformance.verdicts(house)}


def test_nothing_is_held_before_a_run(house: Path) -> None:
    assert status(house) == {"PRIVACY-1": "open", "PRIVACY-2": "open", "PRIVACY-3": "outside", "PRIVACY-4": "open"}


def test_what_passed_is_held_where_the_row_says_so(house: Path) -> None:
    conformance.record(house, passed=[NAME, "tests/test_rules.py::test_of_nothing"], failed=[])
    assert status(house) == {"PRIVACY-1": "held", "PRIVACY-2": "open", "PRIVACY-3": "outside", "PRIVACY-4": "open"}
    assert list(conformance.read_record(house).tests) == [NAME]


def test_a_changed_test_reads_as_open_and_a_moved_one_does_not(house: Path) -> None:
    conformance.record(house, passed=[NAME], failed=[])
    (house / "tests/test_rules.py").write_text("\n\n" + TEST + "\n\ndef test_more(): pass\n")
    assert status(house)["PRIVACY-1"] == "held"
    (house / "tests/test_rules.py").write_text(TEST.replace("refused()", "True"))
    assert status(house)["PRIVACY-1"] == "open"
    (house / "tests/test_rules.py").unlink()
    assert status(house)["PRIVACY-1"] == "open"


@pytest.mark.parametrize("file, text", [
    ("tests/test_rules.py", "import pytest\n\npytestmark = pytest.mark.skip\n\n\n" + TEST), ("tests/conftest.py", "def refused(): return 1\n"),
])  # fmt: skip
def test_what_a_test_shares_with_others_is_part_of_it(house: Path, file: str, text: str) -> None:
    conformance.record(house, passed=[NAME], failed=[])
    (house / file).write_text(text)
    assert status(house)["PRIVACY-1"] == "open"


def test_what_a_whole_run_did_not_pass_is_off_the_record(house: Path) -> None:
    conformance.record(house, passed=[NAME], failed=[])
    conformance.record(house, passed=[], failed=[], skipped=[NAME])  # what it needs was not there
    assert status(house)["PRIVACY-1"] == "held"
    conformance.record(house, passed=[NAME], failed=[NAME])  # one of its parameters failed
    assert status(house)["PRIVACY-1"] == "open"
    conformance.record(house, passed=[NAME], failed=[])
    conformance.record(house, passed=[], failed=[])
    assert status(house)["PRIVACY-1"] == "open"


def test_a_class_and_a_decorator_belong_to_the_source() -> None:
    found = conformance.sources("import x\n\nclass TestA:\n    @mark\n    def test_b(self): pass\n\ndef test_c(): pass\n")
    assert found == {
        "TestA::test_b": "    @mark\n    def test_b(self): pass\nimport x\nclass TestA:",
        "test_c": "def test_c(): pass\nimport x\nclass TestA:",
    }


def test_a_product_that_was_changed_since_the_run_is_said(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from federated.cli import main

    conformance.record(house, passed=[NAME], failed=[])
    main(["conformance", "--root", str(house)])
    assert "changed since" not in capsys.readouterr().out
    (house / "governance").mkdir()
    (house / "governance/notes.py").write_text("")
    main(["conformance", "--root", str(house)])
    assert capsys.readouterr().out.endswith("the product was changed since that run: make test\n")


@pytest.mark.parametrize("damage", [("PRIVACY-1` and", "rules` and"), ("| held |", "|")], ids=["no name", "a cell too few"])
def test_a_page_that_is_no_table_is_refused(house: Path, damage: tuple[str, str]) -> None:
    (house / "docs/requirements/rules.md").write_text(PAGE.replace(*damage, 1))
    with pytest.raises(DecodeError):
        conformance.verdicts(house)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"product": "", "tests": {"a": 1}}'])
def test_a_record_that_is_none_is_refused(house: Path, text: str) -> None:
    (house / conformance.RECORD).write_text(text)
    with pytest.raises(DecodeError):
        conformance.verdicts(house)


def test_a_folder_without_requirements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        conformance.verdicts(tmp_path)


def test_every_row_of_this_project_is_listed_once() -> None:
    ids = [row.id for row in conformance.requirements(conformance.house())]
    rows = {"PRIVACY-": 20, "THREATS-1.": 48, "THREATS-2.": 27, "SEEDS-": 96, "STANDARDS-": 31}
    assert sorted(ids) == sorted(f"{prefix}{number}" for prefix, last in rows.items() for number in range(1, last + 1))


def test_the_command_prints_each_requirement_with_its_test(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from federated.cli import main

    conformance.record(house, passed=[NAME], failed=[])
    main(["conformance", "--root", str(house), "--json"])
    first = json.loads(capsys.readouterr().out)[0]
    assert first == {"id": "PRIVACY-1", "source": "PRIVACY", "requirement": "a licence is forged", "test": NAME, "tests": [NAME],
                     "status": "held", "why": ""}  # fmt: skip
    main(["conformance", "--root", str(house), "--status", "open", "--source", "PRIVACY"])
    assert (
        capsys.readouterr().out
        == "· PRIVACY-2     a licence is forged twice\n· PRIVACY-4     nothing is tested\n\n0 held, 2 open, 0 outside this software\n"
    )


def test_standards_are_printed_with_their_tests_and_apart(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from federated.cli import main

    (house / "docs/requirements/standards.md").write_text(PAGE.replace("PRIVACY-1", "STANDARDS-1"))
    conformance.record(house, passed=[NAME], failed=[])
    main(["conformance", "--root", str(house), "--standards", "--status", "held"])
    assert capsys.readouterr().out == f"✓ STANDARDS-1   a licence is forged\n    {NAME}\n\n1 held, 0 open, 0 outside this software\n"
    main(["conformance", "--root", str(house), "--json"])
    assert {row["source"] for row in json.loads(capsys.readouterr().out)} == {"PRIVACY"}


def test_every_standard_names_the_tests_that_hold_it() -> None:
    """Also one that is spoken in part: the part that is has a test."""
    rows = [row for row in conformance.requirements(conformance.house()) if row.source == "STANDARDS"]
    known = conformance.Digests(conformance.house())
    assert rows and all(row.tests and all(known[test] for test in row.tests) for row in rows)


def test_the_page_of_standards_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    from federated.cli import main

    main(["conformance", "--standards"])
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    page = (conformance.house() / "docs/requirements/standards.md").read_text()
    shown = page.split("$ keyong conformance --standards\n")[1].split("```")[0].splitlines()
    assert shown[-1] == "…" and [line[1:] for line in shown[:-1]] == [line[1:] for line in lines[: len(shown) - 1]]
