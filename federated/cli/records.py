"""keyong records …, and how every command that reads records is told where they are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federated.cli import json_option, say
from federated.language import padded, said
from governance.errors import UsageError

if TYPE_CHECKING:
    from federated.records import Records
    from governance.journal import Journal
    from governance.keys import SigningKey
    from governance.roots import Chain

HOME = click.option("--home", type=click.Path(path_type=Path, exists=True), help="A coordinator's or a node's folder.")
AUTHORITY = click.option(
    "--authority", type=click.Path(path_type=Path, exists=True), help="The authority's root.note, any version; needed with a file."
)


def source(function: Callable[..., Any]) -> Callable[..., Any]:
    """Records come from a file with the authority's keys, or from a folder."""
    file = click.argument("records", type=click.Path(path_type=Path, exists=True), required=False)
    return file(HOME(AUTHORITY(function)))


def folder_of(home: Path) -> tuple[Journal, SigningKey, Chain]:
    """Journal, key and key root of a coordinator's or node's folder."""
    from federated.coordinator import folder
    from federated.node.home import Home
    from governance.keys import SigningKey

    if (home / folder.CARD).exists():
        journal = folder.journal(home)
        with journal.view() as t:
            return journal, SigningKey.load(home / folder.KEY), folder.pinned(home)[0].followed(text for _, text in t.notes("root"))
    node = Home.open(home)
    return node.journal(), node.key, node.roots


def opened(file: Path | None, home: Path | None, authority: Path | None) -> Records:
    """The records that a command was told to read."""
    from federated import records
    from federated.authority import read_root
    from governance.handwritten import read_text

    if (file is None) == (home is None):
        raise UsageError("name a file of records, or a folder with --home")
    if file is not None:
        if authority is None:
            raise UsageError("a file of records is read with the authority's keys: --authority root.note")
        return records.read(read_text(file), read_root(authority))
    journal, key, roots = folder_of(home or Path())
    with closing(journal), journal.view() as t:
        made = records.export(t, str(key.public), roots)
    return records.of(made, roots.newest)


def now() -> int:
    return int(time.time())


@click.group()
def command() -> None:
    """What happened, job by job; write it to a file from which others read the same."""


@command.command(epilog="Example: keyong records show --home coordinator")
@source
@json_option
def show(records: Path | None, home: Path | None, authority: Path | None, as_json: bool) -> None:
    """A line for each job."""
    from federated.progress import phase
    from federated.records import rows
    from governance.licences import day

    table = rows(opened(records, home, authority))
    lines = [
        f"{r['events'][0]['entry']:>6}  {day(r['events'][0]['at'])}  {r['job'][:12]}  {phase(r['phase'])}  {r['operator']}  {r['method']}  "
        f"{r['dataset']}" + (f"  {r['where']}" if r["where"] else "") + (f"  {r['code']}" if r["code"] else "")
        for r in table
    ]
    say(table, "\n".join(lines) or said("no jobs yet", "尚无任务"), as_json)


@command.command(epilog="Example: keyong records trades records.json --authority root.note")
@source
@json_option
def trades(records: Path | None, home: Path | None, authority: Path | None, as_json: bool) -> None:
    """A line for each time that a product was listed, delisted, ordered, delivered or inspected."""
    from federated.trading import rows
    from governance.licences import day

    table = rows(opened(records, home, authority))
    lines = [
        f"{r['entry']:>6}  {day(r['at'])}  {r['event']:<18} {r['product']} v{r['version']}  {r['document'][:12]}  {r['about'][:12]}  "
        f"{r['finding']}".rstrip()
        for r in table
    ]
    say(table, "\n".join(lines) or said("none yet", "尚无"), as_json)


@command.command(epilog="Example: keyong records export records.json --home coordinator")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--home", type=click.Path(path_type=Path, exists=True), required=True, help="A coordinator's or a node's folder.")
@json_option
def export(file: Path, home: Path, as_json: bool) -> None:
    """Write all entries of the ledger and the documents that they are about to FILE."""
    from federated import records

    journal, key, roots = folder_of(home)
    with closing(journal), journal.view() as t:
        made = records.export(t, str(key.public), roots)
    file.write_text(records.write(made), encoding="utf-8")
    text = said(f"{len(made.leaves)} entries, {len(made.documents)} documents", f"{len(made.leaves)} 条账目，{len(made.documents)} 份文件")
    say({"entries": len(made.leaves), "documents": len(made.documents), "file": str(file)}, text, as_json)


STAGES = {"collect": "归集", "trade": "交易", "process": "加工", "share": "共享"}


@command.command("lineage", epilog="Example: keyong records lineage 4a6c0dd3 records.json --authority root.note --out prov.json")
@click.argument("job")
@source
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the W3C PROV-JSON document.")
@json_option
def show_lineage(job: str, records: Path | None, home: Path | None, authority: Path | None, out: Path, as_json: bool) -> None:
    """Where a job's result comes from, as W3C PROV: who signed what from registration to release."""
    from federated import lineage
    from federated.evidence import whole

    found = opened(records, home, authority)
    name = whole(job, found)
    made = lineage.as_prov(found, name)
    out.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    signed = dict(lineage.stages(made))
    lines = [f"{padded(said(stage, STAGES[stage]), 10)}{', '.join(names) or said('nobody', '无')}" for stage, names in signed.items()]
    say({"job": name, "signed": signed, "file": str(out)}, "\n".join(lines), as_json)
