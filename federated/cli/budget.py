"""keyong budget …"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from federated.cli import json_option, say
from federated.language import said

HOME = click.option("--home", type=click.Path(path_type=Path), default=Path("node"), show_default=True, help="The node's folder.")


@click.group()
def command() -> None:
    """Look into what was spent of privacy budgets, and find it again from a ledger."""


@command.command(epilog="Example: keyong budget show --home node")
@HOME
@click.option("--releases", is_flag=True, help="List every exact result instead, with condition and numbers.")
@json_option
def show(home: Path, releases: bool, as_json: bool) -> None:
    """What each block, operator and licence has spent here, and what is left."""
    from federated import budgets
    from federated.node import spending
    from federated.node.home import Home
    from federated.progress import phase

    with closing(Home.open(home).journal()) as journal, journal.view() as t:
        history, table = (spending.releases(t), []) if releases else ([], budgets.rows(t.books()))
    if not releases:
        say(table, budgets.as_text(table), as_json)
        return
    lines = [
        f"{r['job'][:12]}  {phase(r['phase'])}  {r['operator']}  {r['method']}  {r['dataset']} {r['snapshot'][:12]}  "
        + said(f"at most {r['numbers']} numbers", f"至多 {r['numbers']} 个数")
        + (said("  asked before", "  曾被问过") if r["repeats"] else "")
        + (f"  {r['where']}" if r["where"] else "")
        for r in history
    ]
    say(history, "\n".join(lines) or said("no exact results yet", "尚无精确结果"), as_json)


@command.command(epilog="Example: keyong budget export budget.json --home node")
@click.argument("file", type=click.Path(path_type=Path))
@HOME
@json_option
def export(file: Path, home: Path, as_json: bool) -> None:
    """Write the ledger's entries and the documents of the budget to FILE, for a check on another machine."""
    from federated.node.home import Home
    from governance import spending

    opened = Home.open(home)
    with closing(opened.journal()) as journal, journal.view() as t:
        made = t.budget_export(str(opened.key.public))
    file.write_text(spending.write_export(made), encoding="utf-8")
    text = said(f"{len(made.leaves)} entries, {len(made.documents)} documents", f"{len(made.leaves)} 条账目，{len(made.documents)} 份文件")
    say({"entries": len(made.leaves), "documents": len(made.documents), "file": str(file)}, text, as_json)


@command.command(epilog="Example: keyong budget recompute budget.json")
@click.argument("exported", type=click.Path(path_type=Path, exists=True), required=False)
@HOME
@json_option
def recompute(exported: Path | None, home: Path, as_json: bool) -> None:
    """Charge everything again from ledger and documents: those in EXPORTED, or those of this node, whose totals must then be the same."""
    from federated import budgets
    from federated.node.home import Home
    from governance import spending
    from governance.handwritten import read_text
    from governance.keys import read_key

    if exported is not None:
        found, books = spending.read_export(read_text(exported))
    else:
        opened = Home.open(home)
        with closing(opened.journal()) as journal, journal.view() as t:
            kept, text = t.books(), spending.write_export(t.budget_export(str(opened.key.public)))
        found, books = spending.read_export(text)
        spending.require_same(kept, books)
    key, table = read_key(found.key), budgets.rows(books)
    head = said(f"whole: {len(found.leaves)} entries of {key.name}, fingerprint {key.fingerprint}",
                f"完整：{key.name} 的 {len(found.leaves)} 条账目，指纹 {key.fingerprint}")  # fmt: skip
    say(table, f"{head}\n{budgets.as_text(table)}", as_json)
