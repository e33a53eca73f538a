"""keyong node …"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from federated.cli import CIPHER, PROXY, json_option, say, token_text
from federated.cli.consent import command as consent
from federated.language import padded, said
from governance.details import in_chinese

if TYPE_CHECKING:
    from governance.journal.sealing import CipherName

HOME = click.option("--home", type=click.Path(path_type=Path), default=Path("node"), show_default=True, help="The node's folder.")


@click.group()
def command() -> None:
    """Serve a data holder's data, and decide what may be done with them."""


@command.command(epilog="Example: keyong node join keyong-join-1.… --home node")
@click.argument("token")
@HOME
@PROXY
@CIPHER
@json_option
def join(token: str, home: Path, proxy: str | None, cipher: CipherName | None, as_json: bool) -> None:
    """Make this node's key and folder, and enrol with the coordinator in the token. One command, and it can be repeated."""
    from federated.node import home as homes

    made = homes.join(home, token_text(token), proxy=proxy, cipher=cipher)
    name, key, root = made.key.name, made.key.public, made.roots.newest.fingerprint
    text = said(
        f"{name} has joined {made.url}\nfingerprint {key.fingerprint}\n"
        f"fingerprint of the authority's key root {root}\nnext: keyong node data add DATASET URL --home {home}",
        f"{name} 已加入 {made.url}\n指纹 {key.fingerprint}\n授权主体密钥根的指纹 {root}\n"
        f"下一步：keyong node data add DATASET URL --home {home}",
    )
    say({"name": name, "key": str(key), "url": made.url, "root": root}, text, as_json)


@command.command(epilog="Example: keyong node rekey keyong-join-1.… --home node")
@click.argument("token")
@HOME
@PROXY
@json_option
def rekey(token: str, home: Path, proxy: str | None, as_json: bool) -> None:
    """Exchange this node's key, which the authority has withdrawn, for a new one; journal and budgets go on. It can be repeated."""
    from federated.node import home as homes

    made = homes.rekey(home, token_text(token), proxy=proxy)
    name, key = made.key.name, made.key.public
    text = said(
        f"{name} has a new key\nfingerprint {key.fingerprint}\nits ledger goes on; jobs that were open have ended",
        f"{name} 已换用新密钥\n指纹 {key.fingerprint}\n其账本继续；原先未完成的任务已结束",
    )
    say({"name": name, "key": str(key)}, text, as_json)


@command.command(epilog="Example: keyong node serve --home node")
@HOME
@PROXY
@json_option
def serve(home: Path, proxy: str | None, as_json: bool) -> None:
    """Work until stopped. The node dials out only; nothing connects to it."""
    from federated.node.serve import serve as work

    work(home, proxy=proxy, as_json=as_json)


@command.command(epilog="Example: keyong node doctor --home node")
@HOME
@PROXY
@json_option
def doctor(home: Path, proxy: str | None, as_json: bool) -> None:
    """Check what this node needs: coordinator, proxy, certificates, clock, kernel, disk, keys, snapshots."""
    from federated.node.doctor import examine

    findings = examine(home, proxy=proxy)
    state = {(True, False): "ok  ", (True, True): "soon"}
    lines = [f"{state.get((f.ok, f.soon), 'FAIL')}  {f.name:<12} {said(f.text, in_chinese(f.text))}" for f in findings]
    say([{"name": f.name, "ok": f.ok, "soon": f.soon, "text": f.text} for f in findings], "\n".join(lines), as_json)
    if not all(f.ok for f in findings):
        raise SystemExit(75)


@command.command(epilog="Example: keyong node status")
@HOME
@json_option
def status(home: Path, as_json: bool) -> None:
    """Jobs at this node, newest last."""
    from federated.node import desk
    from federated.progress import phase

    rows = desk.jobs(home)
    text = [
        f"{r['job'][:12]}  {padded(phase(r['phase']), 10)}  {why}  {r['code']}"
        for r in rows
        for why in [said(r["title"], in_chinese(r["title"])) if r["code"] else r["title"]]
    ]
    say(rows, "\n".join(text) or said("no jobs yet", "尚无任务"), as_json)


@command.command(epilog="Example: keyong node catalogue heart-disease")
@click.argument("dataset", required=False)
@HOME
@PROXY
@json_option
def catalogue(dataset: str | None, home: Path, proxy: str | None, as_json: bool) -> None:
    """The registered form of DATASET, into which a table must be brought before it is added; without it, what is registered."""
    from federated.cli.catalogue import as_line, as_row, as_text
    from federated.node import desk
    from federated.node.home import Home
    from governance import known
    from governance.encoding import plain

    found = {name: entry for name, (entry, _) in desk.catalogue(Home.open(home), proxy=proxy).items()}
    if dataset is None:
        say([as_row(d) for d in found.values()], "\n".join(map(as_line, found.values())) or said("none yet", "尚无"), as_json)
    else:
        known.check("dataset", [dataset], found)
        say(plain(found[dataset]), as_text(found[dataset]), as_json)


@command.group()
def data() -> None:
    """The datasets that this node serves."""


@data.command(epilog="Example: keyong node data add heart-disease parquet:///data/heart.parquet")
@click.argument("dataset")
@click.argument("url")
@HOME
@PROXY
@json_option
def add(dataset: str, url: str, home: Path, proxy: str | None, as_json: bool) -> None:
    """Freeze a snapshot of the table at URL in the registered form of DATASET, and serve it from now on."""
    from federated.node import desk

    before = {row["dataset"]: row["rows"] for row in desk.data(home)}.get(dataset)
    made = desk.add_data(home, dataset, url, proxy=proxy)
    warnings = desk.warnings(dataset, made, before=before)
    text = said(
        f"{dataset}: {made.rows} rows frozen as snapshot {made.id[:12]}; {made.skipped_rows} without a person were left out",
        f"{dataset}：{made.rows} 行已冻结为快照 {made.id[:12]}；{made.skipped_rows} 行没有人员标识，未计入",
    )
    lines = [text, *(f"  {said(line, in_chinese(line))}" for line in desk.gaps(made)), *(f"{w['en']}\n{w['zh']}" for w in warnings)]
    data = {"dataset": dataset, "snapshot": made.id, "rows": made.rows, "persons": made.persons, "skipped": made.skipped_rows}
    columns = {name: {"missing": gap.missing, "unknown": gap.unknown} for name, gap in made.gaps.items()}
    say({**data, "columns": columns, "warnings": warnings}, "\n".join(lines), as_json)


@data.command("list", epilog="Example: keyong node data list")
@HOME
@json_option
def list_data(home: Path, as_json: bool) -> None:
    """The snapshots that this node serves."""
    from federated.node import desk

    rows = desk.data(home)
    text = [
        f"{r['dataset']:<24} " + said(f"snapshot {r['snapshot'][:12]}  {r['rows']} rows", f"快照 {r['snapshot'][:12]}  {r['rows']} 行")
        for r in rows
    ]
    say(rows, "\n".join(text) or said("no data yet", "尚无数据"), as_json)


command.add_command(consent)


@command.command(epilog="Example: keyong node approvals")
@HOME
@json_option
def approvals(home: Path, as_json: bool) -> None:
    """Jobs that wait for a person here: who asks, why, for which columns, and what would be opened."""
    from federated.node import desk

    rows = desk.waiting(home)
    say(rows, "\n\n".join(desk.as_text(r) for r in rows) or said("nothing waits", "没有待审核的任务"), as_json)


@command.command(epilog="Example: keyong node approve 3f2a91c0")
@click.argument("job")
@HOME
@json_option
def approve(job: str, home: Path, as_json: bool) -> None:
    """Approve a waiting job. What is approved is the exact text whose hash is the job's id."""
    from federated.node import desk

    found = desk.decide(home, job, "approve", "")
    say({"job": found, "verdict": "approve"}, said(f"{found[:12]} is approved", f"{found[:12]} 已批准"), as_json)


@command.command(epilog="Example: keyong node deny 3f2a91c0 --reason 'not our research field'")
@click.argument("job")
@click.option("--reason", required=True, help="Shown to the operator; say nothing about rows.")
@HOME
@json_option
def deny(job: str, reason: str, home: Path, as_json: bool) -> None:
    """Deny a waiting job."""
    from federated.node import desk

    found = desk.decide(home, job, "deny", reason)
    say({"job": found, "verdict": "deny"}, said(f"{found[:12]} is denied", f"{found[:12]} 已拒绝"), as_json)


@command.command(epilog="Example: keyong node policy --approval person --min-cell 20")
@HOME
@click.option("--approval", type=click.Choice(["automatic", "person"]), help="Who accepts a job that passes.")
@click.option("--min-cell", type=int, help="Fewest persons in a cell here, on top of every licence.")
@click.option("--releases", type=int, help="Most exact results over the same rows, all operators together.")
@click.option("--numbers", type=int, help="Most numbers that these may open.")
@click.option("--methods", help="Comma-separated, each name@version; empty allows all.")
@click.option("--purposes", help="Comma-separated; empty allows all.")
@click.option("--peers", help="Comma-separated organisations; empty allows all.")
@json_option
def policy(home: Path, as_json: bool, **changes: object) -> None:
    """Show or change this data holder's own rules."""
    from federated.node import desk

    before, now = desk.policy(home, {}), desk.policy(home, changes)
    warnings = desk.policy_warnings(before, now)
    shown = {name: ", ".join(value) or said("all", "全部") if isinstance(value, list) else value for name, value in now.items()}
    lines = [*(f"{name}: {value}" for name, value in shown.items()), *(f"{w['en']}\n{w['zh']}" for w in warnings)]
    say(now | ({"warnings": warnings} if warnings else {}), "\n".join(lines), as_json)
