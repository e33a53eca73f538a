"""keyong release …"""

from __future__ import annotations

from pathlib import Path

import click

from federated.cli import json_option, say
from federated.cli.ledger import KEY, POLICY, policy_of
from federated.language import said

FOLDER = click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
HOME = click.option(
    "--home", type=click.Path(path_type=Path), default=Path("releases"), show_default=True, help="The folder of key and ledger."
)


@click.group()
def command() -> None:
    """Sign releases of this software, and verify them offline."""


@command.command(epilog="Example: keyong release init --home releases")
@HOME
@click.option("--name", default="keyong-releases", show_default=True, help="The name of the key and of its ledger.")
@json_option
def init(home: Path, name: str, as_json: bool) -> None:
    """Make the key that signs releases, and their ledger."""
    from federated import release

    key = release.create(home, name).public
    say({"key": str(key)}, str(key), as_json)


@command.command(epilog="Example: keyong release sign dist --home releases")
@FOLDER
@HOME
@json_option
def sign(folder: Path, home: Path, as_json: bool) -> None:
    """Sign the files in FOLDER, and put the note and the ledger's proof beside them."""
    from federated import release

    made = release.sign(folder, home)
    say({"files": made.files}, "\n".join(f"{digest}  {name}" for name, digest in made.files.items()), as_json)


@command.command(epilog="Example: keyong release verify dist --key keyong-releases+…")
@FOLDER
@KEY
@POLICY
@json_option
def verify(folder: Path, key: str | None, policy: Path | None, as_json: bool) -> None:
    """Verify a release offline: its files are those that were signed, and the ledger of releases holds it."""
    from dataclasses import asdict

    from federated import release
    from governance.licences import day

    found = release.verify(folder, policy_of(key, policy))
    lines = [f"ok  {digest}  {name}" for name, digest in found.files.items()]
    text = said(f"entry {found.index} of {found.log}, {day(found.at)}", f"{found.log} 的第 {found.index} 条，{day(found.at)}")
    say(asdict(found), "\n".join([*lines, text]), as_json)
