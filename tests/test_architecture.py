"""How the house is built: who may import whom, which libraries live in one room, and how large a piece may be.

The rules are functions over a folder of packages, so that the last tests can show that each of them bites.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from governance.texts import TEXTS

HOUSE = Path(__file__).parents[1]
BELOW = {  # what each package may import, besides itself
    "federated": {"sandbox", "connectors", "mpc", "governance"}, "sandbox": {"connectors", "mpc", "governance"}, "connectors": {"governance"},
    "mpc": {"governance"}, "governance": set(),
}  # fmt: skip
ROOMS = {  # libraries, and the folders or files in which alone they may be imported
    "phe": {"mpc/he"}, "tenseal": {"mpc/he"}, "gmpy2": {"mpc/he", "mpc/sharing"}, "opendp": {"mpc/dp"},
    "sqlite3": {"governance/journal"}, "sqlalchemy": {"governance/journal"}, "alembic": {"governance/journal"},
    "psycopg": {"connectors", "governance/journal"}, "adbc_driver_manager": {"connectors"},
    "flask": {"federated/coordinator/web"}, "werkzeug": {"federated/coordinator/web"}, "cheroot": {"federated/coordinator/web"},
    "segno": {"federated/page.py"}, "joserfc": {"governance/views"}, "rfc3161_client": {"governance/anchors.py"},
    "duckdb": {"connectors"}, "httpx2": {"federated/transport.py"},
    "ctypes": {"sandbox/jail", "governance/sm2.py"}, "multiprocessing": {"sandbox/jail"}, "resource": {"sandbox/jail"}, "mmap": {"sandbox/jail"},
    "subprocess": {"sandbox/jail", "federated/local.py"},  # the latter starts the parties of a demo
    "pickle": set(), "cPickle": set(), "cloudpickle": set(), "dill": set(), "shelve": set(), "marshal": set(),
    "requests": set(), "niquests": set(), "httpx": set(),
    "random": set(),
}  # fmt: skip
ISOLATION = {"fork", "forkpty", "unshare", "setns", "execv", "execve", "execvp", "system", "popen", "posix_spawn", "chroot"}
MOST_LINES, LONGEST_FUNCTION = 600, 60

Rule = Callable[[Path], Iterator[str]]


def files(house: Path) -> Iterator[tuple[str, ast.Module, str]]:
    """Path, tree and text of each source file."""
    for package in BELOW:
        for path in sorted((house / package).rglob("*.py")):
            text = path.read_text()
            yield path.relative_to(house).as_posix(), ast.parse(text), text


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of every module that is imported anywhere, in a function or for a type, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif (
            isinstance(node, ast.Call)
            and called(node) in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def arrows(house: Path) -> Iterator[str]:
    """Imports point downwards, and are absolute."""
    for path, tree, _ in files(house):
        package = path.partition("/")[0]
        for line, name in imported(tree):
            top = name.partition(".")[0]
            if name.startswith(".") or (top in BELOW and top != package and top not in BELOW[package]):
                yield f"{path}:{line} imports {name}"


def rooms(house: Path) -> Iterator[str]:
    """Some libraries are imported in one room only; some nowhere."""
    for path, tree, _ in files(house):
        for line, name in imported(tree):
            allowed = ROOMS.get(name.partition(".")[0])
            if allowed is not None and not any(path == room or path.startswith(f"{room}/") for room in allowed):
                yield f"{path}:{line} imports {name}"


def isolation(house: Path) -> Iterator[str]:
    """Processes are forked, isolated and replaced by the jail alone."""
    for path, tree, _ in files(house):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ISOLATION
                and getattr(node.value, "id", "") == "os"
                and not path.startswith("sandbox/jail/")
            ):
                yield f"{path}:{node.lineno} uses os.{node.attr}"
            if isinstance(node, ast.Call) and called(node) in ("eval", "exec") and isinstance(node.func, ast.Name):
                yield f"{path}:{node.lineno} calls {called(node)}"


def asserts(house: Path) -> Iterator[str]:
    """`assert` can be switched off; a check cannot."""
    for path, tree, _ in files(house):
        yield from (f"{path}:{node.lineno} asserts" for node in ast.walk(tree) if isinstance(node, ast.Assert))


def sizes(house: Path) -> Iterator[str]:
    for path, tree, text in files(house):
        if (lines := text.count("\n")) > MOST_LINES:
            yield f"{path} has {lines} lines"
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    yield f"{path}:{node.lineno} {node.name} has {length} lines"


def codes(house: Path) -> Iterator[str]:
    """Every error code has texts."""
    for path, tree, _ in files(house):
        for node in ast.walk(tree):
            for keyword in getattr(node, "keywords", []) if isinstance(node, ast.Call) else []:
                value = keyword.value
                if keyword.arg == "code" and isinstance(value, ast.Constant) and value.value and value.value not in TEXTS:
                    yield f"{path}:{node.lineno} raises the code {value.value}, which has no texts"


def docstrings(house: Path) -> Iterator[str]:
    """Every module says what it is."""
    yield from (f"{path} has no docstring" for path, tree, text in files(house) if text.strip() and not ast.get_docstring(tree))


RULES: list[Rule] = [arrows, rooms, isolation, asserts, sizes, codes, docstrings]


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.__name__)
def test_the_house_keeps_its_rules(rule):
    assert list(rule(HOUSE)) == []


def test_all_packages_are_looked_at():
    seen = {path.partition("/")[0] for path, _, _ in files(HOUSE)}
    assert seen == set(BELOW)
    assert len(list(files(HOUSE))) > 80


def test_what_a_room_is_for_is_there():
    """A room whose library is nowhere would be a rule about nothing."""
    used = {name.partition(".")[0] for _, tree, _ in files(HOUSE) for _, name in imported(tree)}
    assert {"sqlalchemy", "flask", "duckdb", "httpx2", "ctypes", "subprocess", "phe", "gmpy2", "opendp"} <= used


def natural(name: str) -> tuple[object, ...]:
    """Constants, classes, functions; Z32 before Z128."""
    parts = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
    return not name.isupper(), not name[0].isupper(), parts


def test_public_names_are_there():
    import connectors
    import federated
    from mpc import dp, he, secagg, sharing
    from sandbox import analyses

    for package in (federated, connectors, dp, he, he.paillier, secagg, sharing, analyses):
        assert package.__all__ == sorted(package.__all__, key=natural)
        assert all(hasattr(package, name) for name in package.__all__)


# --- each rule bites


@pytest.mark.parametrize("rule, path, source", [
    (arrows, "governance/x.py", "import mpc.secagg"), (arrows, "mpc/x.py", "from connectors import source"), (arrows, "connectors/x.py", "from mpc.rings import ring"),
    (arrows, "connectors/x.py", "from sandbox import case"), (arrows, "sandbox/x.py", "def f():\n    import federated.client"),
    (arrows, "mpc/x.py", "if TYPE_CHECKING:\n    from sandbox.case import Case"), (arrows, "mpc/x.py", "importlib.import_module('federated.client')"),
    (arrows, "sandbox/x.py", "from . import case"), (arrows, "governance/x.py", "from ..mpc import rings"),
    (rooms, "mpc/x.py", "import phe.paillier"), (rooms, "sandbox/x.py", "import tenseal as ts"), (rooms, "federated/x.py", "import sqlite3"),
    (rooms, "connectors/x.py", "from sqlalchemy import select"), (rooms, "federated/coordinator/x.py", "from flask import Flask"),
    (rooms, "sandbox/x.py", "import duckdb"), (rooms, "federated/transports.py", "import httpx2"), (rooms, "federated/coordinator/web/x.py", "import httpx2"),
    (rooms, "governance/x.py", "import ctypes.util"), (rooms, "federated/x.py", "import multiprocessing.pool"), (rooms, "federated/localx.py", "import subprocess"),
    (rooms, "sandbox/jail/x.py", "import pickle"), (rooms, "federated/x.py", "def f():\n    from pickle import loads"), (rooms, "mpc/x.py", "import random"),
    (isolation, "federated/x.py", "import os\nos.fork()"), (isolation, "sandbox/x.py", "f = os.unshare"), (isolation, "mpc/x.py", "eval('1')"),
    (isolation, "sandbox/jail/x.py", "exec('x = 1')"), (isolation, "connectors/x.py", "import os\nos.system('ls')"),
    (asserts, "mpc/x.py", "def f(x):\n    assert x > 0"),
    (sizes, "mpc/x.py", "x = 1\n" * 601), (sizes, "mpc/x.py", "def f():\n" + "    x = 1\n" * 60), (sizes, "mpc/x.py", "class A:\n  async def f():\n" + "    x = 1\n" * 60),
    (codes, "mpc/x.py", "raise UsageError(code='no.such')"), (codes, "mpc/x.py", "error(message, code='no.such', limit=3)"),
    (docstrings, "mpc/x.py", "x = 1"),
])  # fmt: skip
def test_each_rule_bites(tmp_path, rule, path, source):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source + "\n")
    (found,) = rule(tmp_path)
    assert found.startswith(path)


@pytest.mark.parametrize("path, source", [
    ("federated/x.py", "from sandbox import case\nfrom mpc import secagg\nimport connectors"), ("mpc/he/bfv.py", "import tenseal"),
    ("governance/journal/x.py", "import sqlite3, sqlalchemy as sa"), ("federated/coordinator/web/x.py", "from flask import g"),
    ("connectors/x.py", "import duckdb"), ("federated/transport.py", "import httpx2"), ("sandbox/jail/x.py", "import ctypes, os\nos.fork()"),
    ("federated/local.py", "import subprocess"), ("mpc/x.py", "raise UsageError(code='usage')\nprefork = 1"),
    ("mpc/y.py", "def f():\n" + "    x = 1\n" * 59), ("mpc/z.py", "# assert nothing\ntext = 'import pickle'"),
])  # fmt: skip
def test_no_rule_bites_the_innocent(tmp_path, path, source):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(textwrap.dedent(f'"""A module."""\n{source}\n'))
    for rule in RULES:
        assert list(rule(tmp_path)) == []
