"""keyong verify …"""

from __future__ import annotations

from pathlib import Path

import click

from federated.cli import json_option, say


@click.command(epilog="Example: keyong verify bundle.json --authority authority/root.note")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--authority", type=click.Path(path_type=Path, exists=True), required=True, help="The authority's root.note, any version.")
@json_option
def command(file: Path, authority: Path, as_json: bool) -> None:
    """Verify a result bundle offline, up to the authority's keys. It proves who computed what, not that the data were true."""
    from federated.authority import read_root
    from federated.language import said
    from federated.verify import Bundle, as_dict, verify
    from governance.details import in_chinese

    pinned = read_root(authority)
    verified = verify(Bundle.read(file.read_bytes().rstrip(b"\n")), pinned)
    text = "\n".join([*(f"ok  {said(check, in_chinese(check))}" for check in verified.checks), "", verified.result.summary()])
    say(as_dict(verified), text, as_json)
