"""Settlement of a ledger: under which price each licence stands, the statement over a range, and its tables for accounts.

All of it follows from the records, so the coordinator that signs a statement and whoever checks it compute the same fen.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from federated.language import padded, said
from federated.records import Record, Records
from governance import notes, settlement
from governance.errors import UsageError
from governance.keys import Trust
from governance.licences import Granted, day
from governance.settlement import Quote, Statement, Terms
from governance.views.dcat import inert

FIELDS = ("entry", "day", "job", "licence", "operator", "dataset", "purpose", "price", "quantity", "fen", "uncharged")
BOOK = ("entry", "day", "account", "debit", "credit")
ASSETS = ("dataset", "releases", "quantity", "fen", "uncharged")
Row = dict[str, Any]


def terms(records: Records) -> Mapping[str, Terms]:
    """What each licence says of money, by licence; one that was granted while its dataset had no price is not there, and costs nothing."""
    found = ((name, terms_of(licence, records)) for name, licence in records.licences.items())
    return {name: each for name, each in found if each is not None}


def terms_of(licence: Granted, records: Records) -> Terms | None:
    price = licence.rights.price or _price(records, licence)
    if price not in records.prices:
        return None
    split = {name: points for name, points in (licence.rights.split or {}).items() if points}
    return Terms(price, records.prices[price], split, licence.ids[0])


def _price(records: Records, licence: Granted) -> str:
    """Id of the price note of its one dataset that was in force and the newest when it was granted; one over several datasets has to name
    its price."""
    datasets, granted = list(licence.rights.datasets or ()), records.published.get(licence.ids[0], -1)
    at = records.entries[granted].at if granted >= 0 else 0
    known = [(price.version, name) for name, price in records.prices.items() if [price.dataset] == datasets
             and records.published.get(name, granted) < granted and price.not_before <= at <= price.not_after]  # fmt: skip
    return max(known)[1] if known else ""


def statement(records: Records, *, first: int = 0, last: int | None = None) -> Statement:
    """The statement over the entries from *first* up to, not including, *last*, or all of them."""
    last = len(records.entries) if last is None else last
    if not 0 <= first <= last <= len(records.entries):
        raise UsageError(f"the ledger has {len(records.entries)} entries; a range of them runs upwards")
    of = terms(records)
    uses = (use for use in records.uses() if use.entry < last and use.licence in of)
    return settlement.settle(uses, of, origin=records.origin.name, first=first, last=last, root=records.root(last))


def check(text: str, records: Records) -> Statement:
    """The statement in *text*, if the ledger's owner signed it and it is what the records give."""
    trust = Trust((records.origin,))
    stated = notes.opened(text, Statement, trust)
    if stated.last > len(records.entries):
        raise UsageError(f"the statement goes up to entry {stated.last}, the records have {len(records.entries)}")
    return settlement.verify(text, trust, statement(records, first=stated.first, last=stated.last))


def quote(record: Record, licence: Granted, records: Records, *, now: int) -> Quote | None:
    """What the job in *record* costs if it is released next, at the time *now*; None where its licence has no price."""
    of, use = terms(records), record.use(len(records.entries), now, records.shares(record))
    own = terms_of(licence, records)
    if own is None:
        return None
    return settlement.quote((u for u in records.uses() if u.licence in of), {**of, use.licence: own}, use)


# --- for accounts


def rows(stated: Statement, records: Records) -> list[Row]:
    """A row for each line, with the day (UTC) and dataset of the release, and each organisation's part in a column of its own."""
    organisations = sorted({name for line in stated.lines for name in line.parts})
    datasets = records.asked
    return [
        {
            "entry": line.entry, "day": day(records.entries[line.entry].at)[:10], "job": line.job, "licence": line.licence,
            "operator": line.operator, "dataset": datasets[line.job], "purpose": line.purpose, "price": line.price,
            "quantity": line.quantity, "fen": line.fen, "uncharged": line.uncharged,
            **{f"part {name}": line.parts.get(name, 0) for name in organisations},
        }
        for line in stated.lines
    ]  # fmt: skip


def by_asset(stated: Statement, records: Records) -> list[Row]:
    """Uses, quantities and revenue of each dataset: what its books need for a period. All datasets together are the statement's total."""
    found: dict[str, Row] = {}
    datasets = records.asked
    for line in stated.lines:
        name = datasets[line.job]
        row = found.setdefault(name, {"dataset": name, "releases": 0, "quantity": 0, "fen": 0, "uncharged": 0})
        row["releases"] += 1
        for field in ("quantity", "fen", "uncharged"):
            row[field] += getattr(line, field)
    return [found[name] for name in sorted(found)]


def book(stated: Statement, records: Records) -> list[Row]:
    """Double entry: each charge debited to its operator and credited to those who get it, a row for each side."""
    return [
        {"entry": p.entry, "day": day(records.entries[p.entry].at)[:10], "account": p.account, "debit": p.debit, "credit": p.credit}
        for p in stated.postings
    ]


def as_csv(table: Iterable[Row], fields: Iterable[str] = ()) -> str:
    """UTF-8 text with a head line; the columns of the first row, or *fields* where there is none."""
    table = list(table)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(table[0]) if table else list(fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in table)
    return out.getvalue()


def _cell(value: Any) -> Any:
    return inert(value) if isinstance(value, str) else value


def as_text(stated: Statement) -> str:
    """Who owes and who gets how much, for people."""
    owed, due = stated.owed, stated.due
    lines = [said(f"entries {stated.first} to {stated.last} of {stated.origin}, {len(stated.lines)} releases",
                  f"{stated.origin} 账本第 {stated.first} 至 {stated.last} 条，发布 {len(stated.lines)} 次")]  # fmt: skip
    lines += [f"{said('owes', '应付')}  {padded(name, 32)} {yuan(fen):>16}" for name, fen in owed.items()]
    lines += [f"{said('gets', '应收')}  {padded(name, 32)} {yuan(fen):>16}" for name, fen in due.items()]
    return "\n".join(lines)


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02}"
