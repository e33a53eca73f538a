"""The specifications' examples run as printed, and what they show is what the code makes."""

import re
from pathlib import Path
from typing import get_args

import pytest

from governance import checkpoint, encoding, ledger, merkle, notes
from governance.journal import database
from governance.keys import SigningKey, Trust
from governance.licences import Revocations

SPECS = Path(__file__).parents[2] / "docs/specs"
NOTES, LEDGER = ((SPECS / name).read_text() for name in ("notes.md", "ledger.md"))


def shown(text, language=""):
    """The blocks of *text* in that language."""
    return [body for found, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M) if found == language]


@pytest.mark.parametrize("name, at", [("notes.md", 0), ("notes.md", 1), ("ledger.md", 0), ("settlement.md", 0), ("budget.md", 0), ("consent.md", 0)])
def test_examples_run(name, at, monkeypatch):
    monkeypatch.setattr(encoding, "KINDS", dict(encoding.KINDS))
    exec(compile(shown((SPECS / name).read_text(), "python")[at], name, "exec"), {"__name__": name})


def test_the_note_that_is_shown():
    (text,) = shown(NOTES)
    keys = SigningKey("authority-1", bytes(range(32))).public, SigningKey("authority-2", bytes(range(1, 33))).public
    assert notes.opened(text, Revocations, Trust(keys, 2)).version == 3
    assert notes.read(text).id in shown(NOTES, "python")[0]


def test_the_ledger_that_is_shown():
    leaves, note = shown(LEDGER)
    hashes = [merkle.leaf_hash(line.encode()) for line in leaves.splitlines()]
    assert [ledger.read_entry(line.encode()).event for line in leaves.splitlines()] == ["job.offered", "job.refused"]
    head = checkpoint.opened(note, SigningKey("hospital-a/node", bytes(range(32))).public)
    assert (head.size, head.root) == (2, merkle.node_hash(*hashes))


def test_the_numbers_are_the_codes():
    events = re.search(r"`event` \| one of (.*) \|", LEDGER)[1]
    assert re.findall(r"`([^`]+)`", events) == list(get_args(ledger.Event))
    assert f"waits {database.PATIENCE} s" in LEDGER
    assert f"1 to {notes.MOST_SIGNATURES};" in NOTES and f"at most {encoding.DEPTH} levels" in NOTES
    assert (encoding.JSON_LIMIT, encoding.MESSAGE_LIMIT, checkpoint.LIMIT) == (1 << 20, 64 << 20, 64 << 10)
