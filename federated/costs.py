"""Costs of the jobs in a ledger by the holders' own tables, and what was charged: sums over jobs, datasets and organisations agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from federated import accounts
from federated.accounts import Row
from federated.records import Record, Records
from governance import costs, known
from governance.costs import Costs, Work
from governance.errors import UsageError

BY: Mapping[str, tuple[str, ...]] = {"job": ("entry", "job", "dataset"), "dataset": ("dataset",), "organisation": ("organisation",)}
MONEY = ("cost", "revenue")


@dataclass(frozen=True, slots=True)
class Tables:
    """The newest table of each holder for each dataset."""

    newest: Mapping[tuple[str, str], Costs]

    @classmethod
    def read(cls, texts: Iterable[str], records: Records) -> Tables:
        """Tables of holders that the authority enrolled."""
        newest: dict[tuple[str, str], Costs] = {}
        for table in map(costs.opened, texts):
            holders = {key for key, party in records.parties.items() if party.role == "holder"}
            if table.holder not in holders:
                raise UsageError("a cost table is not from a data holder in these records")
            name = (table.holder, table.dataset)
            newest[name] = max(table, newest.get(name, table), key=lambda each: each.version)
        return cls(newest)


def booked(records: Records, tables: Tables) -> Iterator[Row]:
    """What each job that was let in cost each of its holders, whether or not it was released in the end."""
    for record in records.jobs:
        if record.admitted is not None and record.case is not None:
            yield from _of(record, records, tables)


def _of(record: Record, records: Records, tables: Tables) -> Iterator[Row]:
    case, entry = record.case, record.admitted
    if case is None or entry is None:
        return
    work = Work(1 + len(case.analysis.opens(case.dataset.schema)), len(case.columns), case.dataset.rows)
    for party in records.parties.values():
        if party.role == "holder" and party.name in case.dataset.holders:
            table = tables.newest.get((str(party.key), record.job.dataset))
            if table is None:
                raise UsageError(f"{party.organisation} has no cost table for {record.job.dataset} here")
            yield {"entry": entry[0], "job": record.id, "dataset": record.job.dataset, "organisation": party.organisation,
                   "cost": costs.cost(table, work), "revenue": 0}  # fmt: skip


def _charged(records: Records) -> Iterator[Row]:
    """What each organisation gets of each charge; organisations that hold no data may be among them."""
    entries = {r.id: r.admitted[0] for r in records.jobs if r.admitted is not None}
    for line in accounts.statement(records).lines:
        for name, fen in line.parts.items():
            yield {"entry": entries[line.job], "job": line.job, "dataset": records.asked[line.job], "organisation": name, "cost": 0,
                   "revenue": fen}  # fmt: skip


def table(records: Records, tables: Tables, *, by: str) -> list[Row]:
    """A row for each job, dataset or organisation, in the order of the ledger or of names: its cost, and what was charged for it."""
    known.check("table", [by], BY)
    sums: dict[tuple[object, ...], Row] = {}
    for row in (*booked(records, tables), *_charged(records)):
        name = tuple(row[field] for field in BY[by])
        total = sums.setdefault(name, {**{field: row[field] for field in BY[by]}, **dict.fromkeys(MONEY, 0)})
        for field in MONEY:
            total[field] += row[field]
    return [sums[name] for name in sorted(sums)]
