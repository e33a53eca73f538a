"""keyong coordinator …"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from federated.cli import CIPHER, json_option, say
from federated.language import said

if TYPE_CHECKING:
    from governance.journal.sealing import CipherName

HOME = click.option(
    "--home", type=click.Path(path_type=Path), default=Path("coordinator"), show_default=True, help="The coordinator's folder."
)


@click.group()
def command() -> None:
    """Relay jobs between nodes."""


@command.command(epilog="Example: keyong coordinator init keyong-join-1.… --url https://keyong.example:8443 --host keyong.example")
@click.argument("token")
@HOME
@click.option("--url", required=True, help="The address under which nodes and operators reach it.")
@click.option("--host", "hosts", multiple=True, help="Names and addresses for its certificate; those of the URL unless given.")
@click.option("--database", help="postgresql+psycopg://… instead of a file in the folder.")
@CIPHER
@json_option
def init(token: str, home: Path, url: str, hosts: tuple[str, ...], database: str | None, cipher: CipherName | None, as_json: bool) -> None:
    """Make the coordinator's key, its journal, and a certificate of its own (put your own in its place if you have one)."""
    from federated.coordinator import folder

    made = folder.create(home, token, url=url, hosts=hosts, database=database, cipher=cipher or "aes-256-gcm")
    card = home / folder.CARD
    text = said(f"{made['name']} is ready; give {card} to the authority for its join tokens\n"
                f"fingerprint of the authority's key root {made['root']}",
                f"{made['name']} 已就绪；请把 {card} 交给授权主体，用于签发加入令牌\n授权主体密钥根的指纹 {made['root']}")  # fmt: skip
    say(made, text, as_json)


@command.command(epilog="Example: keyong coordinator serve --listen 0.0.0.0:8443")
@HOME
@click.option("--listen", default="127.0.0.1:8443", show_default=True, help="Address and port.")
@click.option(
    "--client-ca", type=click.Path(path_type=Path, exists=True), help="PEM: ask every client for a certificate of this authority."
)
@click.option("--patience", default=5.0, show_default=True, help="Seconds to wait for a missing node in a job's first round.")
@json_option
def serve(home: Path, listen: str, client_ca: Path | None, patience: float, as_json: bool) -> None:
    """Work until stopped."""
    from federated.coordinator import folder

    folder.serve(home, listen=listen, client_ca=client_ca, patience=patience, as_json=as_json)
