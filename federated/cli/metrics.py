"""keyong metrics …"""

from __future__ import annotations

from pathlib import Path

import click

from federated.cli import json_option, say
from federated.cli.records import now, opened, source


@click.command(epilog="Example: keyong metrics --home coordinator --out keyong.prom")
@source
@json_option
@click.option("--out", type=click.Path(path_type=Path), help="Write here, whole or not at all, instead of printing.")
def command(records: Path | None, home: Path | None, authority: Path | None, out: Path | None, as_json: bool) -> None:
    """Counts of public events, as Prometheus reads them."""
    from federated import metrics

    text = metrics.text(opened(records, home, authority), now=now())
    if out is not None:
        draft = out.with_name(out.name + ".new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(out)
    say({"metrics": text}, text.rstrip("\n") if out is None else str(out), as_json)
