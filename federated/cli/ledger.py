"""keyong ledger …"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from federated.cli import json_option, say
from federated.language import said
from governance.encoding import plain
from governance.errors import UsageError
from governance.journal import Journal
from governance.licences import day

if TYPE_CHECKING:
    from governance.checkpoint import Checkpoint
    from governance.quorum import Policy

HOME = click.option("--home", type=click.Path(path_type=Path, exists=True), required=True, help="A node's or coordinator's folder.")
KEY = click.option("--key", metavar="VKEY", help="The verifier key of the log: name+hash+key.")
POLICY = click.option(
    "--policy", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Logs, witnesses and quorum (C2SP tlog-policy)."
)


@click.group()
def command() -> None:
    """Look into a ledger, and prove or check it."""


def _journal(home: Path) -> closing[Journal]:
    from federated.coordinator import folder
    from federated.node.home import Home

    return closing(folder.journal(home) if (home / folder.CARD).exists() else Home.open(home).journal())


@command.command(epilog="Example: keyong ledger show --home node --last 20")
@HOME
@click.option("--last", default=50, show_default=True, help="How many entries.")
@json_option
def show(home: Path, last: int, as_json: bool) -> None:
    """The newest entries."""
    with _journal(home) as journal, journal.view() as t:
        start = max(0, t.size() - last)
        rows = [{"index": start + i, **plain(entry)} for i, entry in enumerate(t.entries(start, last))]
    say(rows, "\n".join(f"{r['index']:>6}  {day(r['at'])}  {r['event']:<20} {r['subject'][:12]}  {r['code']}" for r in rows), as_json)


@command.command(epilog="Example: keyong ledger prove 17 --home node > 17.tlog-proof")
@click.argument("index", type=int)
@HOME
@json_option
def prove(index: int, home: Path, as_json: bool) -> None:
    """A proof that the ledger holds an entry, for anybody to verify offline (C2SP tlog-proof)."""
    from governance import proofs

    with _journal(home) as journal, journal.view() as t:
        if not 0 <= index < t.size():
            raise UsageError(f"the ledger has {t.size()} entries")
        proof = proofs.prove(t, index)
    say({"index": index, "entry": proof.data.decode(), "proof": str(proof)}, str(proof).removesuffix("\n"), as_json)


@command.command(epilog="Example: keyong ledger verify 17.tlog-proof --policy policy.txt")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@KEY
@POLICY
@json_option
def verify(file: Path, key: str | None, policy: Path | None, as_json: bool) -> None:
    """Verify a proof that `prove` printed, offline."""
    from governance import proofs

    proof = proofs.read(file.read_bytes())
    entry, head = proofs.verify_entry(proof, policy_of(key, policy))
    row = {"index": proof.index, "log": head.origin, "size": head.size, **plain(entry)}
    text = said(f"entry {proof.index} of {head.origin}", f"{head.origin} 的第 {proof.index} 条")
    say(row, f"{text}: {day(entry.at)}  {entry.event}  {entry.subject}  {entry.code}", as_json)


@command.command(epilog="Example: keyong ledger export public --home node")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@HOME
@json_option
def export(folder: Path, home: Path, as_json: bool) -> None:
    """Write the ledger as static files for others to follow (C2SP tlog-tiles); what is there already is added to."""
    from governance import tiles
    from governance.quorum import Policy

    with _journal(home) as journal, journal.view() as t:
        head = tiles.export(t, folder, Policy((journal.owner,)))
    _tell(head, "exported", "已导出", as_json)


@command.command(epilog="Example: keyong ledger monitor public --policy policy.txt --seen last.note")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@KEY
@POLICY
@click.option("--seen", type=click.Path(path_type=Path, dir_okay=False), help="Keep the checkpoint here, and hold the next one against it.")
@json_option
def monitor(folder: Path, key: str | None, policy: Path | None, seen: Path | None, as_json: bool) -> None:
    """Check a copy of an exported ledger, without a network and without its owner: every entry, tile and signature."""
    from governance import tiles

    before = seen.read_text() if seen is not None and seen.exists() else ""
    head, note = tiles.monitor(folder, policy_of(key, policy), seen=before)
    if seen is not None:
        seen.write_text(note)
    _tell(head, "whole", "完整", as_json)


@command.command(epilog="Example: keyong ledger fsck --home coordinator")
@HOME
@json_option
def fsck(home: Path, as_json: bool) -> None:
    """Hash every entry again, and check every stored hash and the signed checkpoint."""
    with _journal(home) as journal:
        head = journal.fsck()
    _tell(head, "whole", "完整", as_json)


@command.command(epilog="Example: keyong ledger anchor stamps --home node")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--home", type=click.Path(path_type=Path, exists=True), help="A node's or coordinator's folder.")
@click.option("--verify", "verifying", is_flag=True, help="Verify the reply in FOLDER; with --home, hold the ledger against it.")
@KEY
@click.option("--ca", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="PEM of the time-stamp authority's root.")
@json_option
def anchor(folder: Path, home: Path | None, verifying: bool, key: str | None, ca: Path | None, as_json: bool) -> None:
    """Have a time-stamp authority (RFC 3161) confirm when the ledger was what it is: write the question, or verify the reply."""
    if verifying:
        head, at = _anchored(folder, home, key, ca)
        english = f"{head.size} entries of {head.origin} were there, root {head.root.hex()}"
        text = said(english, f"{head.origin} 当时已有 {head.size} 条记录，根 {head.root.hex()}")
        say({"log": head.origin, "size": head.size, "root": head.root.hex(), "at": at}, f"{day(at)}  {text}", as_json)
        return
    if home is None:
        raise UsageError("say whose ledger (--home)")
    from governance import anchors, checkpoint, notes

    with _journal(home) as journal, journal.view() as t:
        note = t.checkpoint()
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "checkpoint").exists():
        raise UsageError(f"{folder.name} holds a checkpoint already: take a folder for each")
    (folder / "checkpoint").write_text(note)
    (folder / "query.tsq").write_bytes(anchors.query(note))
    _tell(checkpoint.read(notes.read(note)), "to be anchored", "待锚定", as_json)


def _anchored(folder: Path, home: Path | None, key: str | None, ca: Path | None) -> tuple[Checkpoint, int]:
    from governance import anchors, checkpoint
    from governance.errors import IntegrityError
    from governance.keys import read_key

    if key is None or ca is None:
        raise UsageError("give the log's key (--key) and the authority's root (--ca)")
    for name in ("checkpoint", "reply.tsr"):
        if not (folder / name).exists():
            raise UsageError(f"there is no {name} in {folder.name}")
    note = (folder / "checkpoint").read_bytes()[: checkpoint.LIMIT + 1]
    head = checkpoint.opened(note, read_key(key))
    with (folder / "reply.tsr").open("rb") as file:
        at = anchors.require(note.decode(), file.read(anchors.LIMIT + 1), anchors.roots(ca.read_bytes()))
    if home is not None:
        with _journal(home) as journal, journal.view() as t:
            if head.size > t.size() or t.root(head.size) != head.root:
                raise IntegrityError(f"the ledger is not the one that was anchored with {head.size} entries")
    return head, at


def _tell(head: Checkpoint, english: str, chinese: str, as_json: bool) -> None:
    text = said(f"{english}: {head.size} entries, root {head.root.hex()}", f"{chinese}：{head.size} 条，根 {head.root.hex()}")
    say({"size": head.size, "root": head.root.hex()}, text, as_json)


def policy_of(key: str | None, policy: Path | None) -> Policy:
    """What a command was told of the log that it verifies."""
    from governance import quorum
    from governance.keys import read_key

    if (key is None) == (policy is None):
        raise UsageError("give the log's key (--key) or a policy with its witnesses (--policy)")
    return quorum.Policy((read_key(key),)) if key is not None else quorum.read(policy.read_bytes())  # type: ignore[union-attr]
