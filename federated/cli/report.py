"""keyong report …"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from federated.cli import json_option, say
from federated.cli.records import now, opened, source
from federated.language import padded, said

OUT = click.option("--out", type=click.Path(path_type=Path), help="Write the table here, too: CSV, or JSON where the name ends so.")
YEAR = click.option("--year", required=True, help="The year, such as 2026 (UTC).")
Table = list[dict[str, Any]]


@click.group()
def command() -> None:
    """Tables of a year or a month, and of a licence, computed from records."""


def _table(table: Table, out: Path | None, as_json: bool, whole: object = None) -> None:
    from federated import accounts

    if out is not None:
        text = json.dumps(whole or table, ensure_ascii=False, indent=1) + "\n" if out.suffix == ".json" else accounts.as_csv(table)
        out.write_text(text, encoding="utf-8")
    say(whole or table, _shown(table) or said("nothing in this period", "该时期内没有记录"), as_json)


def _shown(table: Table) -> str:
    """For people, in yuan: one row as a list of its figures, more as columns."""
    from rich.cells import cell_len

    from federated.accounts import yuan

    rows = [{"yuan" if name == "fen" else name: yuan(x) if name == "fen" else str(x) for name, x in row.items()} for row in table]
    if len(rows) == 1:
        return "\n".join(f"{padded(name, 16)}{value}" for name, value in rows[0].items() if value)
    lines = [list(rows[0]), *(list(row.values()) for row in rows)] if rows else []
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(padded, line, widths)).rstrip() for line in lines)


@command.command(epilog="Example: keyong report stats --year 2026 --home coordinator")
@source
@YEAR
@OUT
@json_option
def stats(records: Path | None, home: Path | None, authority: Path | None, year: str, out: Path | None, as_json: bool) -> None:
    """Jobs, releases, refusals, declared numbers and revenue of a year."""
    from federated import reports

    _table([reports.stats(opened(records, home, authority), reports.period(year))], out, as_json)


@command.command(epilog="Example: keyong report disclose --year 2026 --home coordinator --table operators --out operators.csv")
@source
@YEAR
@click.option("--table", type=click.Choice(["operators", "implementers"]), default="operators", show_default=True, help="Which table.")
@OUT
@json_option
def disclose(records: Path | None, home: Path | None, authority: Path | None, year: str, table: str, out: Path | None,
             as_json: bool) -> None:  # fmt: skip
    """The yearly disclosure, due by 31 March: a table of operators and one of the organisations that hold the data."""
    from federated import reports

    _table(reports.disclose(opened(records, home, authority), reports.period(year))[table], out, as_json)


@command.command(epilog="Example: keyong report monitor --month 2026-03 --home coordinator")
@source
@click.option("--month", required=True, help="The month, such as 2026-03 (UTC).")
@OUT
@json_option
def monitor(records: Path | None, home: Path | None, authority: Path | None, month: str, out: Path | None, as_json: bool) -> None:
    """What each operator asked, got and was refused in a month."""
    from federated import reports

    _table(reports.monitor(opened(records, home, authority), reports.period(month)), out, as_json)


def _licence(name: str, of: Callable[..., dict[str, Any]], found: Any) -> dict[str, Any]:
    from federated import reports

    return of(reports.licence_of(name, found), found, now=now())


@command.command(epilog="Example: keyong report licence lic-4a6c0dd3 --home coordinator")
@click.argument("licence_id", metavar="LICENCE")
@source
@OUT
@json_option
def licence(licence_id: str, records: Path | None, home: Path | None, authority: Path | None, out: Path | None, as_json: bool) -> None:
    """A licence's scorecard: how it was used, what was refused under it, what an audit finds."""
    from federated import reports

    _table([_licence(licence_id, reports.evaluate, opened(records, home, authority))], out, as_json)


@command.command(epilog="Example: keyong report exit lic-4a6c0dd3 --home coordinator --out exit.json")
@click.argument("licence_id", metavar="LICENCE")
@source
@OUT
@json_option
def exit(licence_id: str, records: Path | None, home: Path | None, authority: Path | None, out: Path | None, as_json: bool) -> None:
    """What a licence leaves behind when it ends: every result under it, what is owed, and what still runs."""
    from federated import reports

    made = _licence(licence_id, reports.leave, opened(records, home, authority))
    _table(made["artefacts"], out, as_json, made)
