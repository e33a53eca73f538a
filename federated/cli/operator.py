"""keyong operator …"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from federated.cli import PROXY, json_option, say, token_text
from federated.language import said
from federated.operator import join as join_operator
from federated.operator import rekey as rekey_operator
from federated.tokens import Token
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
    text = token_text(token)
    key, root = join_operator(text, identity, proxy=proxy), Token.read(text).roots.newest.fingerprint
    lines = [
        said("enrolled; the authority needs this key for a licence:", "已登记；授权主体签发授权书时需要这把公钥："), str(key.public),
        said(f"fingerprint of the authority's key root {root}", f"授权主体密钥根的指纹 {root}"),
    ]  # fmt: skip
    say({"key": str(key.public), "root": root}, "\n".join(lines), as_json)


@command.command(epilog="Example: keyong operator rekey keyong-join-1.… --identity operator.key")
@click.argument("token")
@IDENTITY
@PROXY
@json_option
def rekey(token: str, identity: Path, proxy: str | None, as_json: bool) -> None:
    """Exchange the operator's key, which the authority has withdrawn, for a new one. It can be repeated."""
    key = rekey_operator(token_text(token), identity, proxy=proxy)
    text = said("enrolled with a new key; the authority needs it for a licence:", "已用新密钥登记；授权主体签发授权书时需要这把公钥：")
    say({"key": str(key.public)}, f"{text}\n{key.public}", as_json)


@command.command(epilog="Example: keyong operator show")
@IDENTITY
@json_option
def show(identity: Path, as_json: bool) -> None:
    """Print the operator's verifier key."""
    key = SigningKey.load(identity).public
    say({"key": str(key), "fingerprint": key.fingerprint}, f"{key}\n{said('fingerprint', '指纹')} {key.fingerprint}", as_json)


@command.command(epilog="Example: keyong operator licences")
@IDENTITY
@PROXY
@json_option
def licences(identity: Path, proxy: str | None, as_json: bool) -> None:
    """The licences of this operator: what each allows, until when, and whether it is in force. They are kept beside the identity, too."""
    from federated.client import connect

    hub = connect(identity=identity, proxy=proxy)
    rows, grants = hub.standing(), hub.grants()
    for row in (each for each in rows if not each["sign"]):
        hub.folder.keep(grants[row["licence"]])  # type: ignore[union-attr]
    say(rows, "\n\n".join(map(_licence, rows)) or said("none yet", "尚无"), as_json)


def _licence(row: Mapping[str, Any]) -> str:
    state = said(f"not in force: {row['en']}", f"无效：{row['zh']}") if row["code"] else said("in force", "有效")
    keys = " ".join(f"--sign {name}.key" for name in row["sign"])
    sign = said(f"\n  a job under it needs {keys}", f"\n  依据它的任务须加 {keys}") if keys else ""
    left = said(f": used {row['used']}, left {row['left']}", f"：已用 {row['used']} 次，剩余 {row['left']} 次")
    purposes, methods, columns = (", ".join(row[name]) for name in ("purposes", "methods", "columns"))
    return said(
        f"lic-{row['licence'][:12]}  {row['dataset']}, {state}\n  for {purposes}, by {methods}\n  columns {columns}\n"
        f"  min_cell {row['min_cell']}, {row['uses']} uses granted{left}; {row['from']} to {row['until']}{sign}",
        f"lic-{row['licence'][:12]}  {row['dataset']}，{state}\n  用途 {purposes}，方法 {methods}\n  字段 {columns}\n"
        f"  最小单元人数 {row['min_cell']}，授权 {row['uses']} 次{left}；{row['from']} 至 {row['until']}{sign}",
    )
