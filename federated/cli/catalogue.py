"""keyong catalogue …"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click

from federated.authority import read_dataset
from federated.cli import json_option, say
from federated.language import padded, said
from federated.registry import Registry
from governance import grading, known, notes
from governance.catalogue import Column, Dataset
from governance.details import in_chinese
from governance.encoding import plain
from governance.errors import UsageError
from governance.handwritten import by_hand, read_text
from governance.keys import SigningKey
from governance.registration import Grade, Registered, digest, opened

IDENTITY = click.option(
    "--identity", type=click.Path(path_type=Path), default=Path("operator.key"), show_default=True, help="The operator's key."
)
FILE = click.Path(path_type=Path, exists=True)
OUTSIDE = {"clip": "截到界上", "missing": "按缺失计"}


@click.group()
def command() -> None:
    """List the datasets that are registered, grade columns, export the catalogue, and import one as drafts."""


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


@command.command(epilog="Example: keyong catalogue grade heart.yaml")
@click.argument("file", type=FILE)
@click.option("--set", "settled", multiple=True, help="COLUMN=GRADE as the person says; may be given again.")
@click.option("--person", default="", help="Who settles these grades, by name.")
@click.option("--key", type=FILE, help="The key with which the person's word is signed: the data holder's.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the person's word.")
@json_option
def grade(file: Path, settled: tuple[str, ...], person: str, key: Path | None, out: Path | None, as_json: bool) -> None:
    """Propose a grade for each column of a dataset file, with reasons; with --set, sign a person's word on them. Reads no row."""
    dataset = read_dataset(read_text(file))
    word = _word(dataset, settled, person) if settled else None
    if word is None and out is not None:
        raise UsageError(f"nothing is settled, so nothing is written to {out}: give --set, or leave --out")
    if word is not None:
        if key is None or out is None:
            raise UsageError("a person's word is signed with --key and written to --out")
        out.write_text(str(notes.write(word).signed_by(SigningKey.load(key))))
    final = {each.column: each.grade for each in grading.settled(dataset.schema, word)}
    signed = {each.column for each in word.grades} if word else set()
    rows = [
        {"column": p.column, "grade": final[p.column], "proposed": p.grade, "known": bool(p.reasons), "reasons": _why(p, person, signed)}
        for p in grading.propose(dataset.schema)
    ]
    lines = [f"{r['column']:<16} {r['grade']}  {'; '.join(r['reasons'])}" for r in rows]  # type: ignore[arg-type]
    written = [] if out is None else [said(f"the word of {person} is in {out}", f"{person} 的认定已写入 {out}")]
    say(rows, "\n".join([*lines, *written]), as_json)


def _why(proposal: grading.Proposal, person: str, signed: set[str]) -> list[str]:
    """Everything that speaks of a column: rules, the catalogue where it is stricter, a person."""
    found = [said(reason.english, reason.chinese) for reason in proposal.reasons]
    if proposal.reasons and proposal.declared > max(reason.grade for reason in proposal.reasons):
        found.append(said(f"registered with grade {proposal.declared}", f"目录登记为 {proposal.declared} 级"))
    if proposal.column in signed:
        found.append(said(f"said by {person}", f"由 {person} 认定"))
    return found or [said("unknown: highest until a person says", "未识别：在人工定级前按最高级")]


def _word(dataset: Dataset, settled: tuple[str, ...], person: str) -> grading.Grading:
    given = dict(part.partition("=")[::2] for part in settled)
    known.check(f"column of {dataset.name} called", given, [c.name for c in dataset.schema.columns])
    if not all(grade in ("1", "2", "3", "4", "5") for grade in given.values()) or not person:
        raise UsageError("--set reads COLUMN=GRADE with a grade of 1 to 5, and --person says who settles it")
    grades = tuple(Grade(column, int(given[column])) for column in sorted(given))
    with by_hand():
        return grading.Grading(dataset.name, digest(dataset.schema), person, int(time.time()), grades)


@command.command(epilog="Example: keyong catalogue export --as dcat --home authority")
@click.option("--as", "form", type=click.Choice(["dcat", "csv", "dataspace"]), required=True, help="The form.")
@click.option(
    "--home", type=click.Path(path_type=Path, exists=True), help="The authority's folder; without it, what the coordinator shows."
)
@IDENTITY
@click.option("--participant", default="", help="Identifier of the participant, for dataspace; else made of the authority's name.")
@click.option("--endpoint", default="", help="URL of the participant's service, for dataspace.")
@json_option
def export(form: str, home: Path | None, identity: Path, participant: str, endpoint: str, as_json: bool) -> None:
    """Print the registered assets as a DCAT-AP catalogue, as CSV, or as a Dataspace Protocol catalogue. Sizes are bands."""
    from governance.views import dataspace, dcat

    publisher, assets = _assets(home, identity)
    if form == "dataspace" and not endpoint:
        raise UsageError("a Dataspace Protocol catalogue names the URL of its service: --endpoint")
    if form == "csv":
        text = dcat.as_csv(assets)
        say({"csv": text}, text.rstrip(), as_json)
        return
    participant = participant or f"urn:keyong:party:{publisher}"
    made = (
        dataspace.catalogue(assets, participant=participant, endpoint=endpoint)
        if form == "dataspace"
        else dcat.as_dcat(assets, publisher=publisher)
    )
    say(made, json.dumps(made, ensure_ascii=False, indent=2), as_json)


def _assets(home: Path | None, identity: Path) -> tuple[str, list[Registered]]:
    """The authority's name and the verified chains of its folder, or of the coordinator."""
    if home is not None:
        registry = Registry.open(home)
        return registry.authority.trust.keys[0].name, list(registry.assets().values())
    from federated.client import connect

    hub = connect(identity=identity)
    return hub.trust.keys[0].name, [opened(text, hub.trust) for _, text in hub.link.documents("asset")]


@command.command("import", epilog="Example: keyong catalogue import catalogue.csv --as csv --out drafts")
@click.argument("file", type=FILE)
@click.option("--as", "form", type=click.Choice(["csv", "dcat"]), required=True, help="The form.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder for the drafts.")
@json_option
def import_drafts(file: Path, form: str, out: Path, as_json: bool) -> None:
    """Read a catalogue back: a draft of an application for each asset, for keyong asset apply. All or nothing; wrong lines are named."""
    from governance.views import intake

    drafts = intake.from_csv(file.read_bytes()) if form == "csv" else intake.from_dcat(file.read_bytes())
    files = {out / f"{draft.asset}.yaml": intake.as_yaml(draft) for draft in drafts}
    if there := [path for path in files if path.exists()]:
        raise UsageError(f"{there[0]} is there already; name another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    lines = [f"{path}  {draft.title}" for path, draft in zip(files, drafts, strict=True)]
    done = said(
        "drafts only: the holder completes each and signs it with keyong asset apply",
        "仅为草稿：由持有方补全后以 keyong asset apply 签名申请",
    )
    say([str(path) for path in files], "\n".join([*lines, done]), as_json)
