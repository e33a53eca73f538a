"""keyong demo"""

from __future__ import annotations

from pathlib import Path

import click

from federated.cli import in_json


@click.command(epilog="Example: keyong demo")
@click.option("--holders", default=4, type=click.IntRange(3, 4), show_default=True, help="How many of the four hospitals take part.")
@click.option("--serve", is_flag=True, help="Leave the federation running afterwards, until Ctrl-C.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Use this folder and leave it: keys, journals, logs, bundle."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def command(holders: int, serve: bool, keep: Path | None, as_json: bool) -> None:
    """A whole federation on this machine, on real data, the pooled answer beside it."""
    from federated.demo import Demo
    from federated.stage import Silent, Terminal

    stage = Silent() if as_json else Terminal()
    report = Demo(stage, holders=holders, keep=keep, serve=serve).play()
    if as_json:
        click.echo(in_json(report))
