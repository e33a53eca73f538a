"""keyong ledger …"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from federated.cli import json_option, say
from federated.language import said
from governance.encoding import plain
from governance.errors import UsageError
from governance.journal import Journal
from governance.licences import day

HOME = click.option("--home", type=click.Path(path_type=Path, exists=True), required=True, help="A node's or coordinator's folder.")


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


@command.command(epilog="Example: keyong ledger prove 17 --home node")
@click.argument("index", type=int)
@HOME
@json_option
def prove(index: int, home: Path, as_json: bool) -> None:
    """An entry with its inclusion proof and the signed checkpoint."""
    with _journal(home) as journal, journal.view() as t:
        found = t.entries(index, 1)
        if not found:
            raise UsageError(f"the ledger has {t.size()} entries")
        proof: dict[str, Any] = {
            "index": index,
            "entry": found[0].leaf.decode(),
            "inclusion": [h.hex() for h in t.inclusion(index)],
            "checkpoint": t.checkpoint(),
        }
    say(proof, "\n".join([proof["entry"], "", *proof["inclusion"], "", proof["checkpoint"]]), as_json)


@command.command(epilog="Example: keyong ledger fsck --home coordinator")
@HOME
@json_option
def fsck(home: Path, as_json: bool) -> None:
    """Hash every entry again, and check every stored hash and the signed checkpoint."""
    with _journal(home) as journal:
        head = journal.fsck()
    text = said(f"whole: {head.size} entries, root {head.root.hex()}", f"完整：{head.size} 条，根 {head.root.hex()}")
    say({"size": head.size, "root": head.root.hex()}, text, as_json)
