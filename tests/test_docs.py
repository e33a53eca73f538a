"""The documentation says what the program does: commands, options, error codes, examples, links, tests that are named."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from federated.authority import read_dataset
from federated.cli import main_group
from federated.conformance import Requirement, requirements
from governance.texts import TEXTS
from sandbox.job import read_file

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDES = DOCS / "guides"
TEXT = {"", ".cfg", ".csv", ".css", ".html", ".js", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
BUILT = {"build", "dist"}
MARKS = re.compile("|".join([r"(?<![\w.~/-])/" + r"(?:work|farm)\b", r"(?<![\w.~/-])/" + r"root/\w", r"\bTO" + r"DO\b", r"\bX" + r"XX\b"]))


@cache
def files() -> list[Path]:
    """Text files of the project, not of a tool or an environment beside it."""
    found: list[Path] = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [
            name for name in inner if not name.startswith(".") and not name.endswith((".egg-info", "__pycache__")) and name not in BUILT
        ]
        found += [path for name in names if (path := Path(folder) / name).suffix in TEXT]
    return sorted(found)


def pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    """Bodies of the fenced blocks in *language*; none for one that is shown without its name."""
    return [body for fence, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if fence == language]


# --- commands


def commands(group: click.Group = main_group, path: tuple[str, ...] = ("keyong",)) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            yield " ".join((*path, name)), command


def options(command: click.Command) -> set[str]:
    found = [p for p in command.params if isinstance(p, click.Option)]
    return {name for option in found for name in (*option.opts, *option.secondary_opts)}


COMMANDS = dict(commands())


def sections(text: str) -> dict[str, str]:
    """Body by heading of the third level."""
    parts = re.split(r"^### (.+)$", text, flags=re.MULTILINE)
    return {head: body.split("\n## ")[0] for head, body in zip(parts[1::2], parts[2::2], strict=True)}


def test_every_command_is_documented_and_no_other() -> None:
    assert sections((DOCS / "commands.md").read_text()).keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented_and_no_other(command: str) -> None:
    rows = re.findall(r"^\| (`-.*?) \|", sections((DOCS / "commands.md").read_text())[command], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"--[\w-]+", row)} == options(COMMANDS[command])


def shown_commands(text: str) -> list[list[str]]:
    """Command lines of keyong in shell blocks, and in sessions that begin with a dollar sign."""
    lines = "\n".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    lines += [line.removeprefix("$ ") for body in blocks(text, "") for line in body.splitlines() if line.startswith("$ ")]
    return [shlex.split(line.partition(" > ")[0], comments=True) for line in lines if line.startswith("keyong ")]


def wrong_call(words: list[str]) -> str:
    """What is wrong with a shown command line; empty if nothing is."""
    name = next((" ".join(words[:n]) for n in range(len(words), 1, -1) if " ".join(words[:n]) in COMMANDS), None)
    if name is None:
        return f"no such command: {' '.join(words)}"
    unknown = {word for word in words if word.startswith("-") and word != "-"} - options(COMMANDS[name])
    return f"{name} has no {', '.join(sorted(unknown))}" if unknown else ""


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_shown_commands_are_right(page: Path) -> None:
    assert [wrong for words in shown_commands(page.read_text()) if (wrong := wrong_call(words))] == []


def test_a_wrong_command_would_be_noticed() -> None:
    session = "```sh\nkeyong node jion TOKEN\n```\n```\n$ keyong node status --hom x\n```\n"
    assert [bool(wrong_call(words)) for words in shown_commands(session)] == [True, True]
    assert wrong_call(["keyong", "node", "data", "add", "d", "csv:///x", "--home", "n"]) == ""


# --- errors


def test_every_code_is_documented_with_its_texts_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (DOCS / "errors.md").read_text(), re.MULTILINE)
    assert {code: (english, chinese) for code, _, english, chinese in rows} == TEXTS
    assert len(rows) == len(TEXTS)


# --- links and languages


def anchors(text: str) -> set[str]:
    """Names of a page's headings, as in links to them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(page: Path, text: str) -> list[str]:
    """Relative links of *text* that lead nowhere."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    return [link for link in found if not re.match(r"[a-z]+:", link) and not _leads_somewhere(page, text, *link.partition("#")[::2])]


def _leads_somewhere(page: Path, text: str, path: str, anchor: str) -> bool:
    target = page.parent / path if path else page
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target.read_text() if path else text)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page, page.read_text()) == []


def test_a_broken_link_would_be_noticed() -> None:
    text = "# Here\n[a](nowhere.md) [b](#here) [c](#there) [d](https://example.org/x) [e](../README.md)"
    assert broken(DOCS / "README.md", text) == ["nowhere.md", "#there"]


@pytest.mark.parametrize("page", [p for p in GUIDES.glob("*.md") if not p.stem.endswith(".zh")], ids=name_of)
def test_guides_have_a_twin_in_chinese_that_shows_the_same(page: Path) -> None:
    english, chinese = page.read_text(), page.with_suffix(".zh.md").read_text()
    for pattern in (r"^#+ ", r"^\|", r"^- ", r"^```\w*$"):
        assert len(re.findall(pattern, english, re.MULTILINE)) == len(re.findall(pattern, chinese, re.MULTILINE)), pattern
    assert [c[:3] for c in shown_commands(english)] == [c[:3] for c in shown_commands(chinese)]


def test_no_chinese_guide_is_alone() -> None:
    names = {page.name for page in GUIDES.glob("*.md")}
    assert {name.replace(".zh.md", ".md") for name in names} <= names


def test_every_page_can_be_found() -> None:
    index = (DOCS / "README.md").read_text() + (DOCS / "decisions" / "README.md").read_text()
    shown = set(re.findall(r"\]\((?:[a-z]+/)?([\w.-]+\.md)[)#]", index))
    hidden = {page.name for page in DOCS.rglob("*.md") if page.parent.name != "changes"} - shown - {"README.md"}
    assert hidden == set()


# --- examples


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_python_compiles(page: Path) -> None:
    for number, body in enumerate(blocks(page.read_text(), "python"), 1):
        compile(body, f"{page.name}, block {number}", "exec")


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_job_and_dataset_files_are_read(page: Path) -> None:
    for body in blocks(page.read_text(), "yaml"):
        if body.startswith("keyong:"):
            read_file(body)
        elif body.startswith("dataset:"):
            read_dataset(body)


# --- tests that pages name, and requirements


def names_in(path: Path) -> set[str]:
    """Names of the tests in a file: functions, and methods after their class."""
    tree = ast.parse(path.read_text())
    methods = {f"{c.name}::{f.name}" for c in tree.body if isinstance(c, ast.ClassDef) for f in c.body if isinstance(f, ast.FunctionDef)}
    return methods | {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def named_tests(text: str) -> list[tuple[str, str]]:
    return re.findall(r"\b(tests/[\w/]+\.py)::([\w:]+)", text)


def test_every_test_that_is_named_exists() -> None:
    for file, name in {found for page in pages() for found in named_tests(page.read_text())}:
        assert (ROOT / file).exists(), file
        assert name in names_in(ROOT / file), f"{file}::{name}"


@pytest.mark.parametrize("row", requirements(ROOT), ids=lambda row: row.id)
def test_every_requirement_has_a_status_and_what_is_open_names_no_test(row: Requirement) -> None:
    assert re.match(r"(held|partly|open|outside)\b", row.claims)
    assert not row.claims.startswith("open") or not row.tests or "until there are" in row.claims


# --- marks that are for us alone


def test_no_marks_of_a_workshop() -> None:
    marked = {name_of(path): MARKS.findall(path.read_text(encoding="utf-8", errors="replace")) for path in files()}
    assert {name: found for name, found in marked.items() if found} == {}


def test_such_a_mark_would_be_noticed() -> None:
    assert len(MARKS.findall("cd /" + "work/x; ls /" + "root/y; # TO" + "DO, X" + "XX")) == 4
    assert MARKS.findall("https://example.org/work/x, home/root/y, below a folder such as `/root`") == []
