"""keyong node consent …"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from federated.cli import json_option, say
from federated.language import said
from governance.handwritten import names
from governance.licences import day

HOME = click.option("--home", type=click.Path(path_type=Path), default=Path("node"), show_default=True, help="The node's folder.")
DATASET = click.option("--dataset", required=True, help="The dataset, which this node serves.")
PURPOSES = click.option("--purposes", default="", help="Comma-separated; all where it is left out.")


def _person(given: str) -> str:
    """The identifier; with ``-`` it is read from standard input, so that no list of processes and no history of a shell shows it."""
    return sys.stdin.readline().strip() if given == "-" else given


@click.group("consent")
def command() -> None:
    """What persons allow to be done with their records, and what it was used for. PERSON may be -, to be read from standard input."""


@command.command(epilog="Example: keyong node consent grant - --dataset heart-disease --purposes research")
@click.argument("person")
@DATASET
@PURPOSES
@HOME
@json_option
def grant(person: str, dataset: str, purposes: str, home: Path, as_json: bool) -> None:
    """Put down that PERSON allows the use of the own record."""
    _put(home, person, dataset, purposes, as_json, allows=True)


@command.command(epilog="Example: keyong node consent withdraw - --dataset heart-disease")
@click.argument("person")
@DATASET
@PURPOSES
@HOME
@json_option
def withdraw(person: str, dataset: str, purposes: str, home: Path, as_json: bool) -> None:
    """Put down that PERSON allows it no more: no job reads the record from now on. What was released before stays (PIPL 15)."""
    _put(home, person, dataset, purposes, as_json, allows=False)


def _put(home: Path, person: str, dataset: str, purposes: str, as_json: bool, *, allows: bool) -> None:
    from federated.node import persons

    put = persons.put(home, _person(person), dataset, allows=allows, purposes=names(purposes))
    text = [said(f"put down, ledger entry {put.entry}", f"已记录，账目 {put.entry}")]
    if put.row is False:
        text.append(said(f"but no row of {dataset} that is served now is this person's: check the identifier",
                         f"但目前提供的 {dataset} 中没有此人的记录：请核对标识"))  # fmt: skip
    for name in put.unknown:
        text.append(said(f"but no licence under which a job came here names the purpose {name}: check how it is spelled",
                         f"但迄今任务所依据的授权书均未写明用途 {name}：请核对写法"))  # fmt: skip
    row = {"entry": put.entry, "allows": allows, "row": put.row, "unknown": list(put.unknown)}
    say(row, "\n".join(text), as_json)


@command.command("list", epilog="Example: keyong node consent list --dataset heart-disease")
@click.option("--person", help="Of this person alone.")
@click.option("--dataset", default="", help="About this dataset alone.")
@HOME
@json_option
def list_consents(person: str | None, dataset: str, home: Path, as_json: bool) -> None:
    """Records by pseudonym, oldest first."""
    from federated.node import persons

    rows = persons.listed(home, person=None if person is None else _person(person), dataset=dataset)
    every = said("all purposes", "全部用途")
    text = [
        f"{r['entry']:>6}  {day(r['at'])}  {r['person'][:12]}  {r['dataset']}  "
        f"{said('allows', '同意') if r['allows'] else said('withdrawn', '撤回')}  {', '.join(r['purposes']) or every}"
        for r in rows
    ]
    say(rows, "\n".join(text) or said("no records yet", "尚无记录"), as_json)


@command.command("import", epilog="Example: keyong node consent import consents.ndjson --dataset heart-disease --purpose HRESCH=research")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@DATASET
@click.option("--purpose", "codes", multiple=True, help="CODE=PURPOSE: which purpose a code in the file stands for; repeatable.")
@HOME
@json_option
def import_consents(file: Path, dataset: str, codes: tuple[str, ...], home: Path, as_json: bool) -> None:
    """Put down the FHIR Consent resources (R4 or R5) in FILE, one a line; all, or none where one is not understood."""
    from federated.node import persons
    from governance.errors import UsageError

    pairs = [code.partition("=") for code in codes]
    if any(not code or not purpose for code, _, purpose in pairs):
        raise UsageError("--purpose is CODE=PURPOSE")
    taken = persons.take(home, file, dataset, {code: purpose for code, _, purpose in pairs})
    say({"records": taken}, said(f"{taken} records put down", f"已记录 {taken} 条"), as_json)


@command.command(epilog="Example: keyong node consent forget -")
@click.argument("person")
@HOME
@json_option
def forget(person: str, home: Path, as_json: bool) -> None:
    """Destroy all records of PERSON and what opens the ledger's commitments to them. The row is never read again; the proofs hold."""
    from federated.node import persons

    persons.forget(home, _person(person))
    say({"forgotten": True}, said("forgotten", "已删除"), as_json)


@command.command(epilog="Example: keyong node consent uses - --out proofs")
@click.argument("person")
@click.option("--out", type=click.Path(path_type=Path), help="Write one proof for each job into this folder.")
@HOME
@json_option
def uses(person: str, out: Path | None, home: Path, as_json: bool) -> None:
    """The jobs that read the record of PERSON, with proofs that the person can check elsewhere and that tell of nobody else."""
    from federated.node import persons
    from federated.tokens import write_private

    rows: list[dict[str, Any]] = []
    for each in persons.uses(home, _person(person)):
        row = {
            "job": each.job,
            "title": each.title,
            "purpose": each.purpose,
            "operator": each.operator,
            "at": each.at,
            "release": each.release,
        }
        if out is not None:
            out.mkdir(mode=0o700, parents=True, exist_ok=True)
            row["proof"] = str(out / f"{each.job[:16]}.json")
            write_private(out / f"{each.job[:16]}.json", persons.write_proof(each.proof))
        rows.append(row)
    text = [f"{r['job'][:12]}  {day(r['at'])}  {r['operator']}  {r['purpose']}  {_end(r['release'])}  {r['title']}" for r in rows]
    say(rows, "\n".join(text) or said("no job read the record", "没有任务读取过该记录"), as_json)


def _end(release: int | None) -> str:
    return said("no result", "无结果") if release is None else said(f"result in entry {release}", f"结果见账目 {release}")


@command.command(epilog="Example: keyong node consent check proof.json -")
@click.argument("proof", type=click.Path(path_type=Path, exists=True))
@click.argument("person")
@json_option
def check(proof: Path, person: str, as_json: bool) -> None:
    """Check offline that PROOF shows a use of the record of PERSON, by the ledger of the data holder whose fingerprint is printed."""
    from federated.node import persons
    from governance.handwritten import read_text

    shown = persons.verified(read_text(proof), _person(person))
    operator = str(shown.text["operator"]).partition("+")[0]
    title, purpose, node = shown.text["title"], shown.text["purpose"], shown.node
    text = said(
        f"proved: {node.name}, fingerprint {node.fingerprint}, used the record on {day(shown.at)}\n"
        f"for {title}, purpose {purpose}, operator {operator}; {_end(shown.released)}",
        f"已证明：{node.name}（指纹 {node.fingerprint}）于 {day(shown.at)} 使用了该记录\n"
        f"任务：{title}，用途 {purpose}，运营单位 {operator}；{_end(shown.released)}",
    )
    say({"node": node.name, "key": str(node), "job": shown.job, "title": title, "purpose": purpose, "operator": operator, "at": shown.at,
         "release": shown.released}, text, as_json)  # fmt: skip
