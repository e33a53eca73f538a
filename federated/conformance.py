"""Which requirements this version holds: each row of docs/requirements, the test that holds it, and what the last whole run recorded.

A row counts as held where it says so itself and where every test that it names passed in a run that is on record, with the very source
that the test has now, and all that tests share. A test that was changed since, that failed or that was never run leaves its row open. The
record is written by ``make test`` and is part of the project; nothing else writes it. It holds a digest of the product's source, too.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from governance.encoding import build, strict
from governance.errors import DecodeError, UsageError

Status = Literal["held", "open", "outside"]

PACKAGES = ("governance", "mpc", "connectors", "sandbox", "federated")
REQUIREMENTS, RECORD = Path("docs/requirements"), Path("tests/record.json")
ROW = re.compile(r"\| (\d+) \|")
NAMED = re.compile(r"\b(tests/[\w/]+\.py::\w+(?:::\w+)?)")
SOURCE = re.compile(r"Rows here are called `([A-Z]+-(?:\d\.)?)1`")  # PRIVACY-1, THREATS-2.1


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row: what is asked, which tests hold it, and what the row says of itself."""

    id: str
    requirement: str
    tests: tuple[str, ...]
    claims: str

    @property
    def source(self) -> str:
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A requirement and how it stands by the record; *why* it is open, where it is."""

    requirement: Requirement
    status: Status
    why: str


@strict
class Record:
    """Of the last whole run: a digest of the *product* that was tested, and of each of the *tests* that passed."""

    product: str
    tests: dict[str, str]


def house() -> Path:
    """The checkout that this program runs from: requirements and tests are not part of an installed package."""
    root = Path(__file__).resolve().parent.parent
    if not (root / REQUIREMENTS).is_dir():
        raise UsageError("requirements and tests are in the project's checkout; run keyong from there, or name it with --root")
    return root


def requirements(root: Path) -> list[Requirement]:
    """All rows of the tables in docs/requirements."""
    pages = sorted((root / REQUIREMENTS).glob("*.md"))
    if not pages:
        raise UsageError(f"there are no requirements in {root / REQUIREMENTS}")
    return sorted((row for page in pages for row in _rows(page)), key=lambda row: (row.id.rstrip("0123456789"), len(row.id), row.id))


def _rows(page: Path) -> Iterable[Requirement]:
    text = page.read_text()
    prefix = SOURCE.search(text)
    if prefix is None:
        raise DecodeError(f"{page.name} does not say what its rows are called")
    for line in text.splitlines():
        if ROW.match(line):
            cells = line.strip("| ").split(" | ")
            if len(cells) != 5:
                raise DecodeError(f"{page.name}: row {cells[0]} has {len(cells)} cells instead of number, demand, answer, tests and status")
            yield Requirement(prefix[1] + cells[0], cells[1], tuple(NAMED.findall(cells[3])), cells[4].replace("**", ""))


def verdicts(root: Path) -> list[Verdict]:
    """How each requirement stands by the record of the last whole run of the tests."""
    record, known = read_record(root).tests, Digests(root)
    return [_verdict(each, record, known) for each in requirements(root)]


def _verdict(each: Requirement, record: Mapping[str, str], known: Digests) -> Verdict:
    claim, _, rest = each.claims.partition(":")
    claim, _, more = claim.partition(",")
    if claim.strip() == "outside":
        return Verdict(each, "outside", rest.strip() or more.strip())
    if claim.strip() != "held":
        return Verdict(each, "open", each.claims)
    unproved = [test for test in each.tests if known[test] is None or record.get(test) != known[test]]
    if unproved or not each.tests:
        return Verdict(each, "open", f"not on record as it is now: {', '.join(unproved)}" if unproved else "no test")
    return Verdict(each, "held", more.strip())


class Digests(dict[str, str | None]):
    """SHA-256 of what a test is, by ``file::function`` or ``file::Class::function``; None where there is no such test.

    That is its own source, all of its file but other tests, and the modules that tests share.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self._files: dict[str, dict[str, str]] = {}
        self._shared = _digest(path for path in (root / "tests").rglob("*.py") if not path.name.startswith("test_"))

    def __missing__(self, test: str) -> str | None:
        file, _, name = test.partition("::")
        if file not in self._files:
            path = self._root / file
            self._files[file] = sources(path.read_text()) if path.is_file() else {}
        source = self._files[file].get(name)
        self[test] = None if source is None else hashlib.sha256((self._shared + source).encode()).hexdigest()
        return self[test]


def sources(text: str) -> dict[str, str]:
    """For each test in a file its own source, and what is no test's; the line where it stands does not matter."""
    lines, tests = text.splitlines(), {}
    for node in ast.parse(text).body:
        for function in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
                first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
                name = f"{node.name}::{function.name}" if isinstance(node, ast.ClassDef) else function.name
                tests[name] = range(first - 1, function.end_lineno or first)
    taken = {number for span in tests.values() for number in span}
    common = "\n".join(line for number, line in enumerate(lines) if number not in taken and line.strip())
    return {name: "\n".join([*(lines[number] for number in span), common]) for name, span in tests.items()}


def product(root: Path) -> str:
    """Digest of the product's source."""
    return _digest(path for package in PACKAGES for path in (root / package).rglob("*.py"))


def _digest(paths: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(hashlib.sha256(f"{path.parent.name}/{path.name}".encode()).digest() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def read_record(root: Path) -> Record:
    """What the last whole run wrote down."""
    path = root / RECORD
    if not path.is_file():
        return Record("", {})
    try:
        return build(Record, json.loads(path.read_text()))
    except (ValueError, DecodeError):
        raise DecodeError(f"{RECORD} is not a record of tests; make test writes it again") from None


def record(root: Path, *, passed: Iterable[str], failed: Iterable[str], skipped: Iterable[str] = ()) -> None:
    """Write down how a whole run ended for the tests that requirements name; what was skipped stays as it was, all else is gone."""
    known, failures, old = Digests(root), set(failed), read_record(root).tests
    named = {test for each in requirements(root) for test in each.tests}
    fresh = {test: digest for test in set(passed) - failures if (digest := known[test]) is not None}
    left = {test: old[test] for test in set(skipped) - failures if test in old}
    kept = {test: digest for test, digest in (left | fresh).items() if test in named}
    (root / RECORD).write_text(json.dumps({"product": product(root), "tests": kept}, indent=0, sort_keys=True) + "\n")
