"""keyong catalogue …"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from federated.cli import json_option, say
from federated.language import padded, said
from governance import known, notes
from governance.catalogue import Column, Dataset
from governance.details import in_chinese
from governance.encoding import plain

IDENTITY = click.option(
    "--identity", type=click.Path(path_type=Path), default=Path("operator.key"), show_default=True, help="The operator's key."
)
OUTSIDE = {"clip": "截到界上", "missing": "按缺失计"}


@click.group()
def command() -> None:
    """List the datasets that are registered."""


def _datasets(identity: Path) -> dict[str, Dataset]:
    from federated.client import connect

    hub = connect(identity=identity, proxy=os.environ.get("KEYONG_PROXY")).follow()
    return {name: notes.opened(text, Dataset, hub.trust) for name, text in hub.link.documents("dataset")}


@command.command("list", epilog="Example: keyong catalogue list")
@IDENTITY
@json_option
def list_datasets(identity: Path, as_json: bool) -> None:
    """All registered datasets."""
    found = _datasets(identity).values()
    say([as_row(d) for d in found], "\n".join(map(as_line, found)) or said("none yet", "尚无"), as_json)


def as_row(d: Dataset) -> dict[str, Any]:
    return {"dataset": d.name, "title": d.title, "version": d.version, "holders": list(d.holders)}


def as_line(d: Dataset) -> str:
    return f"{d.name:<24} v{d.version}  {d.title}  " + said(f"({len(d.holders)} holders)", f"（{len(d.holders)} 家持有方）")


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
    holders, person = ", ".join(dataset.holders), dataset.schema.person
    head = said(
        f"{dataset.title}  ({dataset.name}, version {dataset.version})", f"{dataset.title}（{dataset.name}，版本 {dataset.version}）"
    )
    who = said(f"holders: {holders}; up to {dataset.colluding} may collude", f"持有方：{holders}；其中至多 {dataset.colluding} 家可能合谋")
    rows = said(f"one row for each person, by the column {person}; at most {dataset.rows} rows at a holder",
                f"每人一行，以字段 {person} 区分；每家至多 {dataset.rows} 行")  # fmt: skip
    return "\n".join([head, who, rows, "", *map(_line, dataset.schema.columns)])


def _line(c: Column) -> str:
    if c.kind == "number":
        cuts, unit = ", ".join(c.cuts), c.unit and f" {c.unit}"
        detail = said(f"{c.low} to {c.high}{unit}, outside: {c.outside}; cut points {cuts or 'none'}",
                      f"{c.low} 至 {c.high}{unit}，超出者{OUTSIDE[c.outside or '']}；切点 {cuts or '无'}")  # fmt: skip
    elif c.codes:
        detail = " | ".join(f"{code} = {level}" for code, level in zip(c.codes, c.levels, strict=True))
    else:
        detail = " | ".join(c.levels) + (said(f"  of {c.of}", f"  依据 {c.of}") if c.of else "")
    title = c.title + said(": ", "：") if c.title != c.name else ""
    grade = said(f"grade {c.grade}", f"{c.grade} 级")
    return f"{c.name:<16} {padded(said(c.kind, in_chinese(c.kind)), 9)} {grade}  {title}{detail}"
