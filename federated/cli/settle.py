"""keyong settle …"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from federated.cli import json_option, say
from federated.cli.records import folder_of, now, opened, source
from federated.language import said

FIRST = click.option("--first", type=int, default=0, show_default=True, help="Number of the first entry.")
LAST = click.option("--last", type=int, help="Number after the last entry; all entries unless given.")

TABLES = ("release", "dataset", "account")
ROW = "What a row is: a release, a dataset, or one side of a charge."


@click.group()
def command() -> None:
    """What the releases of a ledger cost, and who gets how much."""


@command.command(epilog="Example: keyong settle run --home coordinator --first 0 --last 120 --out statement.note")
@click.option("--home", type=click.Path(path_type=Path, exists=True), required=True, help="The coordinator's folder.")
@FIRST
@LAST
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the signed statement.")
@json_option
def run(home: Path, first: int, last: int | None, out: Path, as_json: bool) -> None:
    """Charge the releases among the entries, and sign the statement with the coordinator's key."""
    from federated import accounts, records
    from governance import notes
    from governance.encoding import plain

    journal, key, roots = folder_of(home)
    with closing(journal), journal.view() as t:
        made = records.export(t, str(key.public), roots)
    stated = accounts.statement(records.of(made, roots.newest), first=first, last=last)
    out.write_text(str(notes.write(stated).signed_by(key)), encoding="utf-8")
    say(plain(stated), accounts.as_text(stated), as_json)


@command.command(epilog="Example: keyong settle verify statement.note records.json --authority authority/root.note")
@click.argument("statement", type=click.Path(path_type=Path, exists=True))
@source
@json_option
def verify(statement: Path, records: Path | None, home: Path | None, authority: Path | None, as_json: bool) -> None:
    """Compute a statement again from the records, and compare it line by line."""
    from federated import accounts
    from governance.encoding import plain
    from governance.handwritten import read_text

    stated = accounts.check(read_text(statement), opened(records, home, authority))
    text = said("the statement is what ledger and prices give", "结算单与账本和价格一致")
    say(plain(stated), f"{text}\n{accounts.as_text(stated)}", as_json)


@command.command(epilog="Example: keyong settle quote offer.json records.json --authority root.note")
@click.argument("offer", type=click.Path(path_type=Path, exists=True))
@source
@json_option
def quote(offer: Path, records: Path | None, home: Path | None, authority: Path | None, as_json: bool) -> None:
    """What a job costs if it is released next, computed from the records: OFFER is what keyong job plan --out wrote."""
    from dataclasses import asdict

    from federated import accounts, offers
    from federated.plan import costs
    from federated.records import unrun
    from governance import licences, notes
    from governance.handwritten import read_text

    found, sent = opened(records, home, authority), offers.read(read_text(offer).strip())
    judged = offers.docket(sent, found.roots.trust, revocations=None)
    asked = unrun(notes.read(sent.job), judged.case, judged.operator)
    made = accounts.quote(asked, licences.read(sent.chain, found.roots.trust), found, now=now())
    price = asdict(made) if made else None
    say(price, costs(price), as_json)


@command.command(epilog="Example: keyong settle export accounts.csv --home coordinator")
@click.argument("file", type=click.Path(path_type=Path))
@source
@FIRST
@LAST
@click.option(
    "--by",
    type=click.Choice(list(TABLES)),
    default="release",
    show_default=True,
    help=ROW,
)
@json_option
def export(file: Path, records: Path | None, home: Path | None, authority: Path | None, first: int, last: int | None, by: str,
           as_json: bool) -> None:  # fmt: skip
    """Write the charges for accounts to FILE: CSV, or JSON where its name ends so."""
    import json

    from federated import accounts

    found = opened(records, home, authority)
    stated = accounts.statement(found, first=first, last=last)
    make, fields = {"release": (accounts.rows, accounts.FIELDS), "dataset": (accounts.by_asset, accounts.ASSETS),
                    "account": (accounts.book, accounts.BOOK)}[by]  # fmt: skip
    table = make(stated, found)
    text = json.dumps(table, ensure_ascii=False, indent=1) + "\n" if file.suffix == ".json" else accounts.as_csv(table, fields)
    file.write_text(text, encoding="utf-8")
    say({"rows": len(table), "file": str(file)}, said(f"{len(table)} rows", f"{len(table)} 行"), as_json)
