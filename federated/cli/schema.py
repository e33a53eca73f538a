"""keyong schema …"""

from __future__ import annotations

from pathlib import Path

import click

from federated.cli import json_option, say
from federated.language import said


@click.command(epilog="Example: keyong schema licence")
@click.argument("name", default="")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the schema, or all of them, into this folder.")
@json_option
def command(name: str, out: Path | None, as_json: bool) -> None:
    """The JSON Schema of a kind of document; without a name, which there are."""
    from federated import schemas

    found = schemas.names()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        chosen = [name] if name else list(found)
        for each in chosen:
            (out / f"{each}.json").write_text(schemas.text(each), encoding="utf-8")
        say({"schemas": chosen}, said(f"{len(chosen)} schemas are in {out}", f"{len(chosen)} 份模式已写入 {out}"), as_json)
    elif name:
        say(schemas.schema(name), schemas.text(name).rstrip("\n"), as_json)
    else:
        say(found, "\n".join(f"{each:<14}{kind}" for each, kind in found.items()), as_json)
