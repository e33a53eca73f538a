"""keyong operator …"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from federated.cli import PROXY, json_option, say, token_text
from federated.language import language
from federated.operator import join as join_operator
from governance.keys import SigningKey

IDENTITY = click.option(
    "--identity", type=click.Path(path_type=Path), default=Path("operator.key"), show_default=True, help="The key file."
)


@click.group()
def command() -> None:
    """Make an operator's identity."""


@command.command(epilog="Example: keyong operator join keyong-join-1.… --identity operator.key")
@click.argument("token")
@IDENTITY
@PROXY
@json_option
def join(token: str, identity: Path, proxy: str | None, as_json: bool) -> None:
    """Make the operator's key and enrol it."""
    key = join_operator(token_text(token), identity, proxy=proxy)
    say({"key": str(key.public)}, f"enrolled; the authority needs this key for a licence:\n{key.public}", as_json)


@command.command(epilog="Example: keyong operator show")
@IDENTITY
@json_option
def show(identity: Path, as_json: bool) -> None:
    """Print the operator's verifier key."""
    key = SigningKey.load(identity).public
    say({"key": str(key), "fingerprint": key.fingerprint}, f"{key}\nfingerprint {key.fingerprint}", as_json)


@command.command(epilog="Example: keyong operator licences")
@IDENTITY
@PROXY
@json_option
def licences(identity: Path, proxy: str | None, as_json: bool) -> None:
    """The licences of this operator: what each allows, until when, and whether it is in force."""
    from federated.client import connect

    rows = connect(identity=identity, proxy=proxy).standing()
    say(rows, "\n\n".join(map(_licence, rows)) or "none yet", as_json)


def _licence(row: Mapping[str, Any]) -> str:
    state = f"not in force: {row['zh' if language() == 'zh' else 'en']}" if row["code"] else "in force"
    return (
        f"lic-{row['licence'][:12]}  {row['dataset']}, {state}\n  for {', '.join(row['purposes'])}, by {', '.join(row['methods'])}\n"
        f"  columns {', '.join(row['columns'])}\n  min_cell {row['min_cell']}, {row['uses']} uses granted, {row['from']} to {row['until']}"
    )
