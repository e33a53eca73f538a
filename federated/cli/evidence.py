"""keyong evidence …"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from federated.cli import json_option, say
from federated.cli.records import folder_of
from federated.language import said


@click.command(epilog="Example: keyong evidence 4a6c0dd3 --home coordinator --out evidence.json")
@click.argument("job")
@click.option("--home", type=click.Path(path_type=Path, exists=True), required=True, help="The coordinator's folder.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write it.")
@json_option
def command(job: str, home: Path, out: Path, as_json: bool) -> None:
    """Everything about one job in a file that anybody can judge offline, with: keyong verify FILE."""
    from federated import evidence, records
    from federated.coordinator import published

    journal, key, roots = folder_of(home)
    with closing(journal), journal.view() as t:
        found = records.of(records.export(t, str(key.public), roots), roots.newest)
        name = evidence.whole(job, found)
        bundle = published.bundle(t, name, key.name, roots) if t.note("release", name) else None
        made = evidence.collect(name, found, t, bundle)
    out.write_text(evidence.write(made), encoding="utf-8")
    text = said(f"{len(made.entries)} entries about job {name[:12]}", f"任务 {name[:12]} 的 {len(made.entries)} 条账目")
    say({"job": name, "entries": len(made.entries), "file": str(out)}, text, as_json)
