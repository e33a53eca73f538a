"""keyong settle …"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from federated.cli import json_option, say
from federated.cli.asset import KEY
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


@command.command(epilog="Example: keyong settle rates heart-disease --key hospital-a/node.key --hour 8000 --minutes 6 --out rates.note")
@click.argument("dataset")
@KEY
@click.option("--version", type=int, default=1, show_default=True, help="A later table takes the place of an earlier one.")
@click.option("--hour", type=int, default=0, show_default=True, help="Cost of an hour of work, in fen.")
@click.option("--minutes", type=int, default=0, show_default=True, help="Minutes of work booked for each job.")
@click.option("--second", type=int, default=0, show_default=True, help="Cost of a processor's second, in thousandths of a fen.")
@click.option("--seconds", type=int, default=0, show_default=True, help="Processor seconds booked for each round.")
@click.option("--gigabyte", type=int, default=0, show_default=True, help="Cost of reading 10^9 bytes, in thousandths of a fen.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the signed cost table.")
@json_option
def rates(dataset: str, key: Path, version: int, hour: int, minutes: int, second: int, seconds: int, gigabyte: int, out: Path,
          as_json: bool) -> None:  # fmt: skip
    """A data holder's own cost table, signed. What is booked is fixed beforehand, so it tells nothing of rows."""
    from governance import notes
    from governance.costs import Costs
    from governance.handwritten import by_hand
    from governance.keys import SigningKey

    own = SigningKey.load(key)
    with by_hand():
        note = notes.write(Costs(str(own.public), dataset, version, hour, minutes, second, seconds, gigabyte)).signed_by(own)
        note.document(Costs)
    out.write_text(str(note), encoding="utf-8")
    say({"costs": note.id}, said(f"the cost table is in {out}", f"成本表已写入 {out}"), as_json)


@command.command(epilog="Example: keyong settle costs records.json --authority root.note --table east.note --table west.note --by dataset")
@source
@click.option("--table", "tables", type=click.Path(path_type=Path, exists=True), multiple=True, help="A holder's cost table; repeat it.")
@click.option("--by", type=click.Choice(["job", "dataset", "organisation"]), default="job", show_default=True, help="What a row is.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the table here, as CSV, instead of printing it.")
@json_option
def costs(records: Path | None, home: Path | None, authority: Path | None, tables: tuple[Path, ...], by: str, out: Path | None,
          as_json: bool) -> None:  # fmt: skip
    """What the jobs cost by the holders' own tables, beside what was charged for them."""
    from federated import costs as accounting
    from federated.accounts import as_csv, yuan
    from federated.language import padded
    from governance.handwritten import read_text

    found = opened(records, home, authority)
    table = accounting.table(found, accounting.Tables.read(map(read_text, tables), found), by=by)
    total = {field: sum(row[field] for row in table) for field in accounting.MONEY}
    if out is not None:
        out.write_text(as_csv(table, (*accounting.BY[by], *accounting.MONEY)), encoding="utf-8")
    name = accounting.BY[by][-1] if by != "job" else "job"
    rows = [(str(row[name])[:32], row["cost"], row["revenue"]) for row in table] + [(said("total", "合计"), *total.values())]
    heads = (padded("", 32), f"{said('cost', '成本'):>14}", f"{said('revenue', '收入'):>14}")
    text = ["  ".join(heads), *(f"{padded(label, 32)}  {yuan(cost):>14}  {yuan(revenue):>14}" for label, cost, revenue in rows)]
    say({"rows": table, **total}, "\n".join(text), as_json)


@command.command(epilog="Example: keyong settle pack heart-2024.chain --home coordinator --quality quality.note --out pack.note")
@click.argument("asset", type=click.Path(path_type=Path, exists=True))
@click.option("--home", type=click.Path(path_type=Path, exists=True), required=True, help="The coordinator's folder.")
@click.option("--quality", type=click.Path(path_type=Path, exists=True), multiple=True, help="A holder's report on quality; repeat it.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the signed pack.")
@json_option
def pack(asset: Path, home: Path, quality: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """What an appraiser is given on a registered ASSET: its use by the ledger, and reports on its quality."""
    from federated import valuing
    from governance import notes
    from governance.encoding import plain
    from governance.handwritten import read_text

    found = opened(None, home, None)
    journal, key, _ = folder_of(home)
    journal.close()
    made = valuing.pack(read_text(asset), found, map(read_text, quality), now=now())
    text = str(notes.write(made).signed_by(key))
    valuing.check(text, found)
    out.write_text(text, encoding="utf-8")
    say(plain(made.use), said(f"the pack is in {out}", f"估价资料已写入 {out}"), as_json)


@command.command(epilog="Example: keyong settle appraise pack.note --approach income --low 900000 --high 1200000 --purpose Licensing …")
@click.argument("pack", type=click.Path(path_type=Path, exists=True))
@click.option("--approach", type=click.Choice(["cost", "income", "market"]), required=True, help="How it was valued.")
@click.option("--low", type=int, required=True, help="The least value, in fen.")
@click.option("--high", type=int, required=True, help="The greatest value, in fen.")
@click.option("--purpose", required=True, help="For which purpose.")
@click.option("--days", default=365, show_default=True, help="How long it holds.")
@KEY
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the valuation.")
@json_option
def appraise(pack: Path, approach: str, low: int, high: int, purpose: str, days: int, key: Path, out: Path, as_json: bool) -> None:
    """An appraiser's own value of the asset in a pack, signed with a key of the key root's appraiser."""
    from governance import notes
    from governance.encoding import build
    from governance.handwritten import by_hand, read_text
    from governance.keys import SigningKey
    from governance.valuation import Pack, Valuation

    of = notes.read(read_text(pack))
    fields = {"asset": of.document(Pack).asset, "pack": of.id, "approach": approach, "low": low, "high": high, "purpose": purpose,
              "at": now(), "until": now() + days * 86400}  # fmt: skip
    with by_hand():
        note = notes.write(build(Valuation, fields)).signed_by(SigningKey.load(key))
    out.write_text(str(note), encoding="utf-8")
    say({"valuation": note.id}, said(f"the valuation {note.id[:12]} is in {out}", f"估价 {note.id[:12]} 已写入 {out}"), as_json)


@command.command(epilog="Example: keyong settle valuation pack.note records.json --authority root.note --valuation valuation.note")
@click.argument("pack", type=click.Path(path_type=Path, exists=True))
@source
@click.option("--valuation", "value", type=click.Path(path_type=Path, exists=True), help="An appraiser's valuation of the pack.")
@json_option
def valuation(pack: Path, records: Path | None, home: Path | None, authority: Path | None, value: Path | None, as_json: bool) -> None:
    """Check a pack against the records, and an appraiser's valuation of it."""
    from federated import valuing
    from federated.accounts import yuan
    from governance import notes
    from governance import valuation as valued
    from governance.encoding import plain
    from governance.handwritten import read_text

    found, text = opened(records, home, authority), read_text(pack)
    made = valuing.check(text, found)
    use = made.use
    lines = [said(f"{made.dataset}: {use.releases} releases, {use.questions} questions, {yuan(use.fen)} yuan charged",
                  f"{made.dataset}：发布 {use.releases} 次，不同问题 {use.questions} 个，收费 {yuan(use.fen)} 元")]  # fmt: skip
    given = None
    if value is not None:
        given = valued.appraised(read_text(value), notes.read(text), found.roots.newest.root.trust("appraiser"), now=now())
        lines += [said(f"valued at {yuan(given.low)} to {yuan(given.high)} yuan, by {given.approach}",
                       f"估价 {yuan(given.low)} 至 {yuan(given.high)} 元，方法 {given.approach}")]  # fmt: skip
    say({"use": plain(made.use), "valuation": plain(given) if given else None}, "\n".join(lines), as_json)
