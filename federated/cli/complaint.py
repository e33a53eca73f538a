"""keyong complaint …"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from federated.authority import Authority, read_card, read_trust
from federated.cli import json_option, say
from federated.cli.officers import HOME, PUBLISH
from federated.cli.officers import publish as send
from federated.cli.records import now
from federated.language import said

FILE = click.Path(path_type=Path, exists=True)
TRUST = click.option("--authority", type=FILE, required=True, help="The authority's root.note, any version.")


@click.group()
def command() -> None:
    """File a complaint that only the authority can read; see that it is not dropped; answer it."""


@command.command(epilog="Example: keyong complaint file letter.txt --coordinator coordinator.json --authority root.note --out receipt")
@click.argument("text", type=FILE)
@PUBLISH
@TRUST
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the receipt.")
@json_option
def file(text: Path, coordinator: Path, authority: Path, out: Path, as_json: bool) -> None:
    """Seal a text to the authority, hand it to the coordinator, and keep its signed receipt."""
    import os

    from federated.transport import Link
    from governance import complaints
    from governance.handwritten import read_text
    from governance.parties import read_enrolment

    trust, where = read_trust(authority), read_card(coordinator)
    note = complaints.write(read_text(text), trust, now=now())
    with Link(where["url"], where["ca"], None, proxy=os.environ.get("KEYONG_PROXY")) as link:
        receipt = link.complain(str(note))
    document = complaints.received(receipt, read_enrolment(where["enrolment"], trust).key, note.id)
    out.write_text(receipt, encoding="utf-8")
    name, index = note.id[:12], document.index
    done = said(f"complaint {name} is entry {index} of the ledger", f"投诉 {name} 已记入账本第 {index} 条")
    say({"complaint": note.id, "entry": document.index}, done, as_json)


@command.command(epilog="Example: keyong complaint check receipt.note records.json --authority root.note")
@click.argument("receipt", type=FILE)
@click.argument("records", type=FILE)
@TRUST
@json_option
def check(receipt: Path, records: Path, authority: Path, as_json: bool) -> None:
    """Whether the ledger still holds the complaint where its owner signed that it does, and what was answered."""
    from federated.cli.records import opened
    from governance import complaints, notes
    from governance.complaints import Receipt
    from governance.handwritten import read_text
    from governance.keys import Trust

    found = opened(records, None, authority)
    document = notes.opened(read_text(receipt), Receipt, Trust((found.origin,)))
    complaints.check(document, found.entries)
    answer = next((x.text for x in found.answers.values() if x.complaint == document.complaint), "")
    text = said(f"entry {document.index} holds it", f"账本第 {document.index} 条即为该投诉")
    say({"entry": document.index, "answer": answer}, f"{text}\n{answer}".rstrip(), as_json)


@command.command(epilog="Example: keyong complaint show records.json --home authority")
@click.argument("records", type=FILE)
@HOME
@json_option
def show(records: Path, home: Path, as_json: bool) -> None:
    """The authority reads the complaints in a ledger's records."""
    from federated.records import read
    from governance import complaints
    from governance.handwritten import read_text

    authority = Authority.open(home)
    found = read(read_text(records), authority.roots.newest)
    answers = {x.complaint: x.text for x in found.answers.values()}
    rows: list[dict[str, Any]] = [
        {"complaint": name, "entry": found.published[name], "text": complaints.opened(complaint, authority.keys[0]),
         "answer": answers.get(name, "")}
        for name, complaint in found.complaints.items()
    ]  # fmt: skip
    lines = [f"{r['complaint'][:12]}  {r['text']}" + (f"\n  → {r['answer']}" if r["answer"] else "") for r in rows]
    say(rows, "\n".join(lines) or said("none", "无"), as_json)


@command.command(epilog="Example: keyong complaint answer 3f9c… --text 'The job was checked: …' --coordinator coordinator.json")
@click.argument("complaint")
@HOME
@PUBLISH
@click.option("--text", required=True, help="What was done; everybody enrolled can read it.")
@click.option("--records", type=FILE, help="The ledger's records, in which a complaint is found by the start of its id.")
@json_option
def answer(complaint: str, home: Path, coordinator: Path, text: str, records: Path | None, as_json: bool) -> None:
    """Publish the answer to a complaint, by its whole id, or by the start of it with the ledger's records."""
    from governance.complaints import Answer
    from governance.encoding import build
    from governance.handwritten import by_hand

    authority = Authority.open(home)
    name = complaint if records is None else _whole(complaint, records, authority)
    with by_hand():
        made = build(Answer, {"complaint": name, "text": text})
    signed = authority.sign(made)
    send(coordinator, signed)
    authority.forget(signed)
    say({"complaint": name}, said("the answer is published", "答复已发布"), as_json)


def _whole(start: str, records: Path, authority: Authority) -> str:
    """The id of the one complaint in *records* that starts so."""
    from federated.records import read
    from governance.errors import UsageError
    from governance.handwritten import read_text

    found = [name for name in read(read_text(records), authority.roots.newest).complaints if start and name.startswith(start)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} complaints in {records} start with {start}; keyong complaint show lists them")
    return found[0]
