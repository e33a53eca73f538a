"""keyong conformance …"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from federated.cli import json_option, say
from federated.language import padded, said

if TYPE_CHECKING:
    from federated.conformance import Verdict

MARKS = {"held": "✓", "open": "·", "outside": "–"}


@click.command(epilog="Example: keyong conformance --status open")
@click.option(
    "--root", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The project's checkout; this program's own if left out."
)
@click.option("--status", type=click.Choice(list(MARKS)), help="Only requirements that stand so.")
@click.option("--standards", is_flag=True, help="The standards that are spoken, each with its tests.")
@click.option("--source", help="Only requirements whose name starts so, such as PRIVACY or THREATS-1.")
@json_option
def command(root: Path | None, status: str | None, standards: bool, source: str | None, as_json: bool) -> None:
    """Each requirement beside the test that holds it, by the record of the last whole run of the tests."""
    from federated import conformance

    root = root or conformance.house()
    rows = [
        row for row in conformance.verdicts(root)
        if row.status == (status or row.status) and row.requirement.id.startswith(source or "")
        and (row.requirement.source == "STANDARDS") == standards
    ]  # fmt: skip
    data = [
        {"id": row.requirement.id, "source": row.requirement.source, "requirement": row.requirement.requirement,
         "test": row.requirement.tests[0] if row.requirement.tests else None, "tests": list(row.requirement.tests),
         "status": row.status, "why": row.why}
        for row in rows
    ]  # fmt: skip
    lines = [line for row in rows for line in _lines(row, standards)]
    counts = {mark: sum(row.status == mark for row in rows) for mark in MARKS}
    total = said(f"{counts['held']} held, {counts['open']} open, {counts['outside']} outside this software",
                 f"已满足 {counts['held']} 项，未满足 {counts['open']} 项，不属本软件 {counts['outside']} 项")  # fmt: skip
    say(data, "\n".join([*lines, "", total, *_other(root)]), as_json)


def _other(root: Path) -> list[str]:
    """Where the product is not the one that was tested."""
    from federated import conformance

    same = conformance.product(root) == conformance.read_record(root).product
    return [] if same else [said("the product was changed since that run: make test", "自该次运行以来产品代码已有改动：请运行 make test")]


def _lines(row: Verdict, tests: bool) -> list[str]:
    """A row, with its tests below it."""
    name = row.requirement.requirement
    return [f"{MARKS[row.status]} {padded(row.requirement.id, 14)}{name}", *(f"    {test}" for test in row.requirement.tests if tests)]
