"""keyong catalogue …"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from federated.cli import json_option, say
from governance import notes
from governance.catalogue import Column, Dataset
from governance.encoding import plain
from governance.errors import UsageError

IDENTITY = click.option(
    "--identity", type=click.Path(path_type=Path), default=Path("operator.key"), show_default=True, help="The operator's key."
)


@click.group()
def command() -> None:
    """List the datasets that are registered."""


def _datasets(identity: Path) -> dict[str, Dataset]:
    from federated.client import connect

    hub = connect(identity=identity)
    return {name: notes.opened(text, Dataset, hub.trust) for name, text in hub.link.documents("dataset")}


@command.command("list", epilog="Example: keyong catalogue list")
@IDENTITY
@json_option
def list_datasets(identity: Path, as_json: bool) -> None:
    """All registered datasets."""
    found = _datasets(identity)
    rows: list[dict[str, Any]] = [
        {"dataset": d.name, "title": d.title, "version": d.version, "holders": list(d.holders)} for d in found.values()
    ]
    say(
        rows,
        "\n".join(f"{r['dataset']:<24} v{r['version']}  {r['title']}  ({len(r['holders'])} holders)" for r in rows) or "none yet",
        as_json,
    )


@command.command(epilog="Example: keyong catalogue show heart-disease")
@click.argument("name")
@IDENTITY
@json_option
def show(name: str, identity: Path, as_json: bool) -> None:
    """A dataset's columns with grades, bounds, cut points and levels."""
    found = _datasets(identity)
    if name not in found:
        raise UsageError(f"there is no dataset {name}; there are {', '.join(found) or 'none'}")
    dataset = found[name]
    holders = ", ".join(dataset.holders)
    head = f"{dataset.title}  ({dataset.name}, version {dataset.version})\nholders: {holders}; up to {dataset.colluding} may collude"
    say(plain(dataset), "\n".join([head, "", *map(_line, dataset.schema.columns)]), as_json)


def _line(c: Column) -> str:
    detail = (
        f"{c.low} to {c.high} {c.unit}, outside: {c.outside}; cut points {', '.join(c.cuts) or 'none'}"
        if c.kind == "number"
        else " | ".join(c.levels)
    )
    return f"{c.name:<16} {c.kind:<9} grade {c.grade}  {detail}"
