"""Reports over records: a year's figures, the yearly disclosure, a month's monitoring, a licence's scorecard, and its exit.

Every figure is counted from a ledger and its documents, so whoever has those computes the same table. Numbers are of public events and
declared quantities; none is of rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from federated import accounts
from federated.audit import audit
from federated.records import Record, Records
from governance.errors import UsageError
from governance.licences import Granted, day
from governance.settlement import Line

Row = dict[str, Any]


def period(text: str) -> tuple[int, int]:
    """First and last second of a year, ``2026``, or a month, ``2026-03`` (UTC)."""
    try:
        year, month = (int(part) for part in (text.split("-") if "-" in text else (text, 0)))
        start = datetime(year, month or 1, 1, tzinfo=UTC)
        after = datetime(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"a period reads 2026 or 2026-03, got {text}") from None
    return int(start.timestamp()), int(after.timestamp()) - 1


def _asked(records: Records, when: tuple[int, int]) -> list[Record]:
    """Jobs whose first entry is in the period."""
    return [r for r in records.jobs if when[0] <= r.events[0][1].at <= when[1]]


def _released(records: Records, when: tuple[int, int]) -> list[Record]:
    return [r for r in records.jobs if r.released and when[0] <= r.released[1].at <= when[1]]


def _fen(records: Records, when: tuple[int, int]) -> list[tuple[str, str, int]]:
    """Operator, dataset and charge of each release in the period."""
    lines = accounts.statement(records).lines
    datasets = records.asked
    return [(x.operator, datasets[x.job], x.fen) for x in lines if when[0] <= records.entries[x.entry].at <= when[1]]


def stats(records: Records, when: tuple[int, int]) -> Row:
    """One row of figures for the whole ledger."""
    asked, released = _asked(records, when), _released(records, when)
    return {
        "from": day(when[0])[:10], "to": day(when[1])[:10], "ledger": records.origin.name, **_counts(asked, released),
        "operators": len({r.organisation for r in asked}), "datasets": len({r.job.dataset for r in released}),
        "fen": sum(fen for _, _, fen in _fen(records, when)),
    }  # fmt: skip


def _counts(asked: Iterable[Record], released: Iterable[Record]) -> Row:
    """*refused* are jobs that policy said no to, *ended* those that merely stopped; what is asked and released may be of different days."""
    asked, released = list(asked), list(released)
    return {
        "jobs": len(asked), "released": len(released), "refused": sum(r.phase == "refused" for r in asked),
        "ended": sum(r.phase == "ended" for r in asked), "numbers": sum(r.numbers for r in released),
        "questions": len({r.question for r in released}),
    }  # fmt: skip


def disclose(records: Records, when: tuple[int, int]) -> dict[str, list[Row]]:
    """The yearly disclosure: a table of operators and one of implementers, the organisations that hold the data.

    The totals of jobs, releases, numbers and fen over operators are those of `stats`.
    """
    asked, released, fen = _asked(records, when), _released(records, when), _fen(records, when)
    enrolled = {p.organisation for p in records.parties.values() if p.role == "operator"}
    names = sorted({r.organisation for r in (*asked, *released)} | enrolled)
    valid = [x for x in records.licences.values() if (x.rights.not_before or 0) <= when[1] and (x.rights.not_after or 0) >= when[0]]
    own = {name: [x for x in valid if name in _delegates(records, x)] for name in names}
    operators = [
        {
            "operator": name, "licences": len(own[name]),
            "datasets": ", ".join(sorted({each for x in own[name] for each in x.rights.datasets or ()})),
            "purposes": ", ".join(sorted({r.job.purpose for r in released if r.organisation == name})),
            **_counts([r for r in asked if r.organisation == name], [r for r in released if r.organisation == name]),
            "fen": sum(amount for who, _, amount in fen if who == name),
        }
        for name in names
    ]  # fmt: skip
    return {"operators": operators, "implementers": _implementers(records, when, released)}


def _delegates(records: Records, licence: Granted) -> list[str]:
    """Who may use a licence: the delegates of its last link, by organisation."""
    keys = licence.links[-1].delegates
    return sorted({records.parties[key].organisation if key in records.parties else key.partition("+")[0] for key in keys})


def _implementers(records: Records, when: tuple[int, int], released: list[Record]) -> list[Row]:
    parts = [(records.entries[x.entry].at, x.parts) for x in accounts.statement(records).lines]
    newest = {d.name: d for d in sorted(records.datasets.values(), key=lambda d: d.version)}
    return [
        {
            "organisation": party.organisation, "datasets": ", ".join(sorted(n for n, d in newest.items() if party.name in d.holders)),
            "releases": sum(r.case is not None and party.name in r.case.dataset.holders for r in released),
            "fen": sum(of.get(party.organisation, 0) for at, of in parts if when[0] <= at <= when[1]),
        }
        for party in sorted(records.parties.values(), key=lambda p: p.organisation) if party.role == "holder"
    ]  # fmt: skip


def monitor(records: Records, when: tuple[int, int]) -> list[Row]:
    """What each operator asked, got and was refused in the period, by code."""
    asked, released = _asked(records, when), _released(records, when)
    rows = []
    for name in sorted({r.organisation for r in (*asked, *released)}):
        own = [r for r in asked if r.organisation == name]
        codes = sorted({r.code for r in own if r.code})
        rows.append({
            "operator": name, **_counts(own, [r for r in released if r.organisation == name]),
            "codes": ", ".join(f"{code} {sum(r.code == code for r in own)}" for code in codes),
        })  # fmt: skip
    return rows


# --- a licence


def licence_of(start: str, records: Records) -> str:
    """The whole id of the one published licence whose id starts so."""
    found = [name for name in records.licences if name.startswith(start.removeprefix("lic-"))]
    if len(found) != 1:
        raise UsageError(f"{len(found)} licences in the records start with {start}")
    return found[0]


def _under(name: str, records: Records) -> list[Record]:
    """The jobs under a licence, or under one that was handed on from it."""
    below = {each for each, licence in records.licences.items() if name in licence.ids}
    return [r for r in records.jobs if r.job.licence in below]


def _lines(name: str, records: Records) -> list[Line]:
    return [x for x in accounts.statement(records).lines if name in records.licences[x.licence].ids]


def evaluate(name: str, records: Records, *, now: int) -> Row:
    """A licence's scorecard: how it was used, what was refused under it, and what an audit finds about it."""
    licence = records.licences[name]
    own = _under(name, records)
    jobs = {r.id for r in own}
    found = [f for f in audit(records, now=now) if jobs & set(f.jobs)]
    used = sum(r.admitted is not None for r in own)
    return {
        "licence": name, "operator": ", ".join(_delegates(records, licence)), "dataset": ", ".join(licence.rights.datasets or ()),
        "until": day(licence.rights.not_after or 0),
        "revoked": _revoked(name, records), **_counts(own, [r for r in own if r.released]), "used": used, "left": licence.limits[-1] - used,
        "fen": sum(x.fen for x in _lines(name, records)),
        "alarms": sum(f.kind == "alarm" for f in found), "warnings": sum(f.kind == "warning" for f in found),
        "rules": ", ".join(sorted({f.rule for f in found})),
    }  # fmt: skip


def _revoked(name: str, records: Records) -> bool:
    listed = records.list_before(len(records.entries))
    return listed is not None and listed.names(records.licences[name])


def leave(name: str, records: Records, *, now: int) -> dict[str, Any]:
    """What remains to be done so that a licence is over, and what was derived under it: each result that must be deleted or handed back.

    It is *closed* once it is revoked or expired and no job under it is under way.
    """
    own = _under(name, records)
    running = [r.id for r in own if r.phase in ("open", "running")]
    over = _revoked(name, records) or now > (records.licences[name].rights.not_after or 0)
    lines = _lines(name, records)
    return {
        "closed": over and not running, "over": over, "running": running,
        "artefacts": [{"job": r.id, "release": r.release.id, "title": r.job.title, "entry": r.released[0]}
                      for r in own if r.released and r.release],
        "settlement": {"releases": len(lines), "fen": sum(x.fen for x in lines), "uncharged": sum(x.uncharged for x in lines),
                       "last": len(records.entries)},
        "scorecard": evaluate(name, records, now=now),
    }  # fmt: skip
