"""The specifications' examples run as printed, and what they show is what the code makes."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from governance import (  # noqa: F401 -- kinds are declared before examples run
    certificates,
    checkpoint,
    contingency,
    cosignatures,
    encoding,
    ledger,
    licences,
    merkle,
    notes,
    products,
    proofs,
    quality,
    quorum,
    rights,
    roots,
)
from governance.journal import database
from governance.keys import SigningKey, Trust
from governance.licences import Revocations
from governance.quorum import Policy
from governance.suites import SUITES

SPECS = Path(__file__).parents[2] / "docs/specs"
NOTES, LEDGER, WITNESS, LICENCES = ((SPECS / name).read_text() for name in ("notes.md", "ledger.md", "witness.md", "licences.md"))


def shown(text, language=""):
    """The blocks of *text* in that language."""
    return [body for found, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M) if found == language]


@pytest.mark.parametrize(
    "name, at",
    [
        ("notes.md", 0),
        ("notes.md", 1),
        ("roots.md", 0),
        ("ledger.md", 0),
        ("licences.md", 0),
        ("settlement.md", 0),
        ("budget.md", 0),
        ("witness.md", 0),
        ("registration.md", 0),
        ("certificates.md", 0),
        ("views.md", 0),
        ("products.md", 0),
        ("consent.md", 0),
    ],
)
def test_examples_run(name, at, monkeypatch):
    monkeypatch.setattr(encoding, "KINDS", dict(encoding.KINDS))
    exec(compile(shown((SPECS / name).read_text(), "python")[at], name, "exec"), {"__name__": name})


def test_the_note_that_is_shown():
    (text,) = shown(NOTES)
    keys = SigningKey("authority-1", bytes(range(32))).public, SigningKey("authority-2", bytes(range(1, 33))).public
    assert notes.opened(text, Revocations, Trust(keys, 2)).version == 3
    assert notes.read(text).id in shown(NOTES, "python")[0]


def test_the_ledger_that_is_shown():
    leaves, note, _ = shown(LEDGER)
    hashes = [merkle.leaf_hash(line.encode()) for line in leaves.splitlines()]
    assert [ledger.read_entry(line.encode()).event for line in leaves.splitlines()] == ["job.offered", "job.refused"]
    head = checkpoint.opened(note, SigningKey("hospital-a/node", bytes(range(32))).public)
    assert (head.size, head.root) == (2, merkle.node_hash(*hashes))


def test_the_numbers_are_the_codes():
    events = re.search(r"`event` \| one of (.*) \|", LEDGER)[1]
    assert re.findall(r"`([^`]+)`", events) == list(get_args(ledger.Event))
    roots_page = (SPECS / "roots.md").read_text()
    assert f"at most {roots.MOST_VERSIONS} versions of {roots.LIMIT >> 10} KiB" in roots_page and f"(1 to {roots.MOST_KEYS}," in roots_page
    for name, suite in SUITES.items():
        sizes = re.search(rf"^\| `{name}` \| (.*?) \| (\d+)[^,]*, (\d+)[^,]*, (\d+)", roots_page, re.M)
        assert (int(sizes[2]), int(sizes[3])) == (suite.public_size, suite.private_size)
        assert suite.mark == b"\x01" or suite.mark[1:].decode() in sizes[1]
    assert all(f"`{role}`" in roots_page for role in get_args(roots.RoleName))
    assert f"waits {database.PATIENCE} s" in LEDGER
    assert f"1 to {notes.MOST_SIGNATURES};" in NOTES and f"at most {encoding.DEPTH} levels" in NOTES
    assert (encoding.JSON_LIMIT, encoding.MESSAGE_LIMIT, checkpoint.LIMIT) == (1 << 20, 64 << 20, 64 << 10)


def test_the_proof_that_is_shown():
    (text,) = (body for body in shown(LEDGER) if body.startswith(proofs.KIND))
    entry, head = proofs.verify_entry(proofs.read(text), Policy((SigningKey("hospital-a/node", bytes(range(32))).public,)))
    assert (entry.code, head.size) == ("licence.expired", 2)


def test_the_policy_and_the_message_that_are_shown():
    message, policy = shown(WITNESS)
    a, b, c = (SigningKey(f"hospital-{name}", bytes([number]) * 32) for number, name in enumerate("abc", 1))
    made = quorum.read(policy)
    assert made.logs == (a.public,) and list(made.witnesses.values()) == [b.public, c.public] and made.groups["both"].needed == 2
    header, time, text = message.split("\n", 2)
    line = cosignatures.cosign(text, b, int(time.removeprefix("time ")))
    b.public.verify(line.value[8:], message.encode())
    assert header == "cosignature/v1" and checkpoint.read(notes.Note(text)).size == 1


def test_the_quorums_that_are_shown():
    n, f, k = ([int(cell) for cell in re.findall(r"\d+", row)] for row in re.findall(r"^\| (?:n|f|k)\b(.*)$", WITNESS, re.M))
    assert k == list(map(quorum.needed, n, f)) and len(k) == 7


def test_the_page_of_licences_names_every_field_and_limit():
    rows = {name for line in LICENCES.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line.split("|")[1])}
    for cls in (licences.Licence, rights.Rights, contingency.Contingency):
        assert {field.name for field in fields(cls)} <= rows
    laws = {"_shared": "shrink", "min": "least", "max": "greatest", "_alike": "fixed"}
    for name, law in rights.LAWS.items():
        (row,) = (line for line in LICENCES.splitlines() if re.match(r"\| [^|]*`" + name + "`", line))
        assert laws[law.__name__] in row.split("|")[2], name
    assert f"1 to {licences.MOST_DELEGATES} verifier keys" in LICENCES and f"At most {licences.MOST_LINKS} links" in LICENCES
    assert f"{licences.MOST_TEXT:,} characters" in LICENCES and f"{licences.MOST_FIELDS} names" in LICENCES
    assert f"{licences.MOST_LINES} signature lines" in LICENCES and licences.MOST_LINK == 16 << 10
    for words in (contingency.Trigger, contingency.Contact, contingency.Action, rights.Output):
        assert all(f"`{word}`" in LICENCES for word in get_args(words))
