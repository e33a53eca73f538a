"""keyong incident …"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from federated.authority import Authority
from federated.cli import json_option, say
from federated.cli.officers import HOME, PUBLISH
from federated.cli.officers import publish as send
from federated.language import said

STATES = {"open": "待处置", "contained": "已控制", "notified": "已告知", "closed": "已结案"}


def _contents(function: Callable[..., Any]) -> Callable[..., Any]:
    """The three contents that must be there when those concerned are told."""
    for name, about in (
        ("--contact", "Whom those concerned can ask, and how."),
        ("--measures", "What was done, and what those concerned can do."),
        ("--harm", "What data, why it happened, and what harm is possible."),
    ):
        function = click.option(name, default="", help=about)(function)
    return function


@click.group()
def command() -> None:
    """Open, contain, notify and close security incidents."""


def _step(home: Path, coordinator: Path, as_json: bool, name: str, state: str, **more: Any) -> None:
    from governance import notes
    from governance.encoding import plain
    from governance.incidents import Incident
    from governance.licences import day

    authority = Authority.open(home)
    licences = tuple(map(authority.licence_id, more.pop("licences", ())))
    text = authority.incident(name, state, licences=licences, **more)
    if licences:
        send(coordinator, authority.revocations(*licences))
    send(coordinator, text)
    authority.keep(text)
    made = notes.read(text).document(Incident)
    due = "" if state in ("notified", "closed") else said(f"; tell those concerned by {day(made.due)}", f"；须在 {day(made.due)} 前告知")
    say(plain(made), said(f"incident {name} is {state}", f"事件 {name}：{STATES[state]}") + due, as_json)


@command.command(epilog="Example: keyong incident open leak-2026-03 --grave --coordinator coordinator.json")
@click.argument("name")
@HOME
@PUBLISH
@click.option("--grave", is_flag=True, help="National security or the public interest may be harmed: it is reported within 24 hours.")
@_contents
@json_option
def open(name: str, home: Path, coordinator: Path, grave: bool, as_json: bool, **contents: str) -> None:
    """Put an incident on record as soon as it is known; its deadline runs from then."""
    _step(home, coordinator, as_json, name, "open", grave=grave, **contents)


@command.command(epilog="Example: keyong incident contain leak-2026-03 --licence lic-4a6c0dd3 --coordinator coordinator.json")
@click.argument("name")
@HOME
@PUBLISH
@click.option("--licence", "licences", multiple=True, help="A licence to suspend at once; can be repeated.")
@_contents
@json_option
def contain(name: str, home: Path, coordinator: Path, licences: tuple[str, ...], as_json: bool, **contents: str) -> None:
    """Say that it is contained; suspend licences first, which every node learns at once."""
    _step(home, coordinator, as_json, name, "contained", licences=licences, **contents)


@command.command(epilog="Example: keyong incident notify leak-2026-03 --harm … --measures … --contact … --coordinator coordinator.json")
@click.argument("name")
@HOME
@PUBLISH
@_contents
@json_option
def notify(name: str, home: Path, coordinator: Path, as_json: bool, **contents: str) -> None:
    """Say that those concerned were told; refused without all three contents."""
    _step(home, coordinator, as_json, name, "notified", **contents)


@command.command(epilog="Example: keyong incident close leak-2026-03 --coordinator coordinator.json")
@click.argument("name")
@HOME
@PUBLISH
@_contents
@json_option
def close(name: str, home: Path, coordinator: Path, as_json: bool, **contents: str) -> None:
    """Close it, for good."""
    _step(home, coordinator, as_json, name, "closed", **contents)


@command.command("list", epilog="Example: keyong incident list")
@HOME
@json_option
def list_(home: Path, as_json: bool) -> None:
    """The incidents of this folder, how they stand, and when those concerned must be told."""
    from governance.encoding import plain
    from governance.licences import day

    found = Authority.open(home).incidents()
    lines = [f"{name}  {said(x.state, STATES[x.state])}  {said('due', '期限')} {day(x.due)}" for name, x in found.items()]
    say([{**plain(x), "due": x.due} for x in found.values()], "\n".join(lines) or said("none", "无"), as_json)
