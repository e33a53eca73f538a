"""keyong catalogue …"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from federated.cli import json_option, say
from governance import known, notes
from governance.catalogue import Column, Dataset
from governance.encoding import plain

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
    found = _datasets(identity).values()
    say([as_row(d) for d in found], "\n".join(map(as_line, found)) or "none yet", as_json)


def as_row(d: Dataset) -> dict[str, Any]:
    return {"dataset": d.name, "title": d.title, "version": d.version, "holders": list(d.holders)}


def as_line(d: Dataset) -> str:
    return f"{d.name:<24} v{d.version}  {d.title}  ({len(d.holders)} holders)"


@command.command(epilog="Example: keyong catalogue show heart-disease")
@click.argument("name")
@IDENTITY
@json_option
def show(name: str, identity: Path, as_json: bool) -> None:
    """A dataset's columns with grades, bounds, cut points, levels and codes."""
    found = _datasets(identity)
    known.check("dataset", [name], found)
    say(plain(found[name]), as_text(found[name]), as_json)


def as_text(dataset: Dataset) -> str:
    """A dataset's registered form, for people."""
    head = f"{dataset.title}  ({dataset.name}, version {dataset.version})"
    who = f"holders: {', '.join(dataset.holders)}; up to {dataset.colluding} may collude"
    rows = f"one row for each person, by the column {dataset.schema.person}; at most {dataset.rows} rows at a holder"
    return "\n".join([head, who, rows, "", *map(_line, dataset.schema.columns)])


def _line(c: Column) -> str:
    if c.kind == "number":
        detail = f"{c.low} to {c.high}{c.unit and f' {c.unit}'}, outside: {c.outside}; cut points {', '.join(c.cuts) or 'none'}"
    elif c.codes:
        detail = " | ".join(f"{code} = {level}" for code, level in zip(c.codes, c.levels, strict=True))
    else:
        detail = " | ".join(c.levels) + (f"  of {c.of}" if c.of else "")
    title = f"{c.title}: " if c.title != c.name else ""
    return f"{c.name:<16} {c.kind:<9} grade {c.grade}  {title}{detail}"
