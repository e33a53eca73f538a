"""keyong audit …"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from federated.cli import json_option, say
from federated.cli.records import now, opened, source
from federated.language import said
from governance.errors import IntegrityError, UsageError

LAST_HOUR = 24


@click.command(epilog="Example: keyong audit records.json --authority authority/root.note")
@source
@click.option("--refusals", default=5, show_default=True, help="Refusals of an operator within an hour that are many.")
@click.option("--near", default=3, show_default=True, help="Questions one level from an earlier one that are many.")
@click.option("--hours", help="Working hours as FROM-TO, such as 8-18, in UTC+8; no rule about hours unless given.")
@json_option
def command(records: Path | None, home: Path | None, authority: Path | None, refusals: int, near: int, hours: str | None,
            as_json: bool) -> None:  # fmt: skip
    """Look for what must not be, and for what to look into, in a ledger's records. Ends with 4 where there is an alarm."""
    from federated import audit

    limits = audit.Limits(refusals=refusals, near=near, hours=_hours(hours))
    found = audit.audit(opened(records, home, authority), now=now(), limits=limits)
    say([audit.as_dict(f) for f in found], "\n".join(map(str, found)) or said("nothing found", "未发现问题"), as_json)
    if any(f.kind == "alarm" for f in found):
        sys.exit(IntegrityError.exit_status)


def _hours(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and 0 <= int(first) < int(last) <= LAST_HOUR):
        raise UsageError(f"working hours read FROM-TO, such as 8-18, got {text}")
    return int(first), int(last)
