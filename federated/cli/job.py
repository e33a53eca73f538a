"""keyong job …"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from federated.cli import json_option, say
from federated.interrupt import STATUS
from federated.language import padded, said
from governance.errors import UsageError
from governance.handwritten import read_text

IDENTITY = click.option(
    "--identity", type=click.Path(path_type=Path), default=Path("operator.key"), show_default=True, help="The operator's key."
)
SIGN = click.option(
    "--sign",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="A further key that signs the job, where its licence names it; can be repeated.",
)
WAIT = click.option("--wait/--no-wait", default=False, help="Wait for the end, showing each round.")
FILE = click.argument("file", type=click.Path(path_type=Path, exists=True))


def _checked(_context: click.Context, _option: click.Parameter, out: Path | None) -> Path | None:
    """Before a use of the licence is spent: a place where a result can be written."""
    if out is not None and not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        raise UsageError(f"the result cannot be written to {out}: {out.parent} is no folder in which this account may write")
    return out


OUT = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False, writable=True), callback=_checked, help="Where to write the result bundle."
)


@click.group()
def command() -> None:
    """Plan, submit and watch jobs."""


def _hub(identity: Path, others: tuple[Path, ...] = ()) -> Any:
    from federated.client import connect

    return connect(identity=identity, proxy=os.environ.get("KEYONG_PROXY"), others=others)


@command.command(epilog="Example: keyong job plan model.yaml")
@FILE
@IDENTITY
@SIGN
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the job as the nodes would get it.")
@json_option
def plan(file: Path, identity: Path, sign: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """What a job would read, open and cost, and who must approve; touches no rows and submits nothing."""
    from federated.plan import as_text, planned
    from governance.encoding import canonical, plain

    hub = _hub(identity, sign)
    job = hub.prepare_file(read_text(file))
    made = planned(hub, job)
    if out is not None:
        out.write_text(canonical(plain(hub.offer(job))) + "\n")
    say(made, as_text(made), as_json)


@command.command(epilog="Example: keyong job submit model.yaml --wait --out bundle.json")
@FILE
@IDENTITY
@SIGN
@WAIT
@OUT
@json_option
def submit(file: Path, identity: Path, sign: tuple[Path, ...], wait: bool, out: Path | None, as_json: bool) -> None:
    """Sign a job file and submit it."""
    hub = _hub(identity, sign)
    job = hub.submit(hub.prepare_file(read_text(file)))
    if not wait:
        say(
            {"job": job},
            said(f"job {job[:12]} is submitted; keyong job result {job[:12]}", f"任务 {job[:12]} 已提交；keyong job result {job[:12]}"),
            as_json,
        )
    else:
        _show(hub, job, out, as_json)


@command.command("list", epilog="Example: keyong job list")
@IDENTITY
@json_option
def list_jobs(identity: Path, as_json: bool) -> None:
    """This operator's jobs, newest last."""
    from federated.progress import phase
    from governance.encoding import plain

    rows = _hub(identity).link.jobs()
    text = "\n".join(f"{s.job[:12]}  {padded(phase(s.phase), 10)}  {s.method:<22} {s.title}" for s in rows)
    say([plain(s) for s in rows], text or said("no jobs yet", "尚无任务"), as_json)


@command.command(epilog="Example: keyong job status 3f2a91c0")
@click.argument("job")
@IDENTITY
@json_option
def status(job: str, identity: Path, as_json: bool) -> None:
    """Where a job stands."""
    from federated.progress import line
    from governance.encoding import plain

    hub = _hub(identity)
    found = hub.status(hub.find(job))
    say(plain(found), line(found), as_json)


@command.command(epilog="Example: keyong job result 3f2a91c0 --out bundle.json")
@click.argument("job")
@IDENTITY
@OUT
@json_option
def result(job: str, identity: Path, out: Path | None, as_json: bool) -> None:
    """Wait for a job's end and print its verified result."""
    hub = _hub(identity)
    _show(hub, hub.find(job), out, as_json)


@command.command(epilog="Example: keyong job cancel 3f2a91c0")
@click.argument("job")
@IDENTITY
@json_option
def cancel(job: str, identity: Path, as_json: bool) -> None:
    """End a job that is still open."""
    from federated.progress import phase

    hub = _hub(identity)
    found = hub.find(job)
    now = hub.link.cancel(found)
    if now.phase != "cancelled":
        chinese = f"请修正调用：任务 {found[:12]} 此前已结束：{phase(now.phase, 'zh')}"
        raise UsageError(f"job {found[:12]} has ended before: it is {now.phase}", chinese=chinese)
    say({"job": found, "phase": now.phase}, said(f"{found[:12]} is {now.phase}", f"{found[:12]} {phase(now.phase)}"), as_json)


def _show(hub: Any, job: str, out: Path | None, as_json: bool) -> None:
    from federated.progress import bar

    try:
        with bar(silent=as_json) as progress:
            released = hub.result(job, progress=progress)
    except KeyboardInterrupt:
        commands = f"keyong job result {job[:12]}, keyong job cancel {job[:12]}"
        click.echo(
            said(f"stopped waiting; job {job[:12]} goes on: {commands}", f"已停止等待；任务 {job[:12]} 仍在继续：{commands}"), err=True
        )
        raise SystemExit(STATUS) from None
    if out is not None:
        released.save(out)
    say(released.value.to_dict(), released.summary(), as_json)
