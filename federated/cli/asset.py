"""keyong asset …"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from federated.authority import read_dataset, read_trust
from federated.cli import json_option, say
from federated.cli.officers import HOME, PUBLISH, publish
from federated.language import said
from federated.registry import STATES, Registry, read_manifest, request, signed
from governance import notes, registration
from governance.errors import UsageError
from governance.handwritten import read_text
from governance.keys import SigningKey, read_key
from governance.licences import day
from governance.registration import Registered

FILE = click.Path(path_type=Path, exists=True)
KEY = click.option("--key", type=FILE, required=True, help="The signer's key file.")
OUT = click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the request.")
SENT = click.option("--coordinator", type=FILE, help="Publish at this coordinator, by its coordinator.json.")
TRUST = click.option("--authority", type=FILE, required=True, help="The authority's root.note.")
GRADING = click.option("--grading", type=FILE, help="A person's word on the grades (keyong catalogue grade).")


@click.group()
def command() -> None:
    """Register data assets: apply, register, change, correct, cancel."""


@command.command(epilog="Example: keyong asset apply asset.yaml --dataset heart.yaml --key hospital-a.key --out request.note")
@click.argument("file", type=FILE)
@click.option("--dataset", type=FILE, required=True, help="The dataset file, as it is or will be registered in the catalogue.")
@KEY
@GRADING
@click.option("--after", type=FILE, help="The asset's chain, to ask for a change or a correction.")
@click.option("--corrects", default="", help="Id of the link that was wrong, or its first digits.")
@click.option("--reason", default="", help="Why it is changed or corrected.")
@OUT
@json_option
def apply(file: Path, dataset: Path, key: Path, grading: Path | None, after: Path | None, corrects: str, reason: str,
          out: Path, as_json: bool) -> None:  # fmt: skip
    """The holder's request, signed with its key: a first registration, or after a chain a change or a correction."""
    own, word = SigningKey.load(key), notes.read(read_text(grading)) if grading else None
    name, manifest = read_manifest(read_text(file), read_dataset(read_text(dataset)), own.public, word)
    chain = _unverified(after) if after else None
    text = request(name, manifest, own, after=chain, corrects=_link(chain, corrects), reason=reason)
    out.write_text(text)
    done = said(f"the request is in {out}; the authority accepts it", f"申请已写入 {out}，请交登记机构受理")
    say({"request": notes.read(text).id, "grade": manifest.grade}, done, as_json)


@command.command(epilog="Example: keyong asset sign request.note --key new-holder.key")
@click.argument("file", type=FILE)
@KEY
@json_option
def sign(file: Path, key: Path, as_json: bool) -> None:
    """Sign a request of another: the new holder of an asset or a certificate, or a creditor."""
    note = signed(notes.read(read_text(file)), SigningKey.load(key))
    file.write_text(str(note))
    say({"request": note.id}, said(f"{file} is signed", f"{file} 已签名"), as_json)


def _taken(file: Path, home: Path, grading: Path | None, coordinator: Path | None, as_json: bool, *steps: str) -> None:
    registry = Registry.open(home)
    chain = registry.take(read_text(file), *steps, graded=read_text(grading) if grading else None)
    if coordinator:
        publish(coordinator, *registry.published(chain))
    say({"name": chain.now.name, "state": chain.now.step, "id": chain.head}, _state(chain), as_json)


def _state(chain: Any) -> str:
    return said(
        f"{chain.now.name}: {chain.now.step}, link {chain.head[:12]}", f"{chain.now.name}：{STATES[chain.now.step]}，{chain.head[:12]}"
    )


@command.command(epilog="Example: keyong asset register request.note --coordinator coordinator.json")
@click.argument("file", type=FILE)
@HOME
@GRADING
@SENT
@json_option
def register(file: Path, home: Path, grading: Path | None, coordinator: Path | None, as_json: bool) -> None:
    """Register an asset for which its holder applied."""
    _taken(file, home, grading, coordinator, as_json, "apply")


@command.command(epilog="Example: keyong asset change request.note --coordinator coordinator.json")
@click.argument("file", type=FILE)
@HOME
@GRADING
@SENT
@json_option
def change(file: Path, home: Path, grading: Path | None, coordinator: Path | None, as_json: bool) -> None:
    """Register a change for which the holder asked."""
    _taken(file, home, grading, coordinator, as_json, "change")


@command.command(epilog="Example: keyong asset correct request.note --coordinator coordinator.json")
@click.argument("file", type=FILE)
@HOME
@GRADING
@SENT
@json_option
def correct(file: Path, home: Path, grading: Path | None, coordinator: Path | None, as_json: bool) -> None:
    """Register a correction for which the holder asked. What was wrong stays in the chain."""
    _taken(file, home, grading, coordinator, as_json, "correct")


@command.command(epilog="Example: keyong asset cancel heart-2024 --reason 'the holder closed' --coordinator coordinator.json")
@click.argument("name")
@HOME
@click.option("--reason", required=True, help="Why.")
@SENT
@json_option
def cancel(name: str, home: Path, reason: str, coordinator: Path | None, as_json: bool) -> None:
    """Cancel an asset's registration, for good; jobs on it end."""
    registry = Registry.open(home)
    chain = registry.cancel(name, reason)
    if coordinator:
        publish(coordinator, *registry.published(chain))
    say({"name": name, "state": "cancel", "id": chain.head}, _state(chain), as_json)


@command.command(epilog="Example: keyong asset show heart-2024.chain --authority root.note")
@click.argument("file", type=FILE)
@TRUST
@json_option
def show(file: Path, authority: Path, as_json: bool) -> None:
    """Verify an asset's chain with the authority's keys alone, and show every link of it."""
    found = registration.opened(read_text(file), read_trust(authority))
    rows = [
        {"id": link.id, "step": asset.step, "at": asset.at, "holder": read_key(asset.manifest.holder).name, "title": asset.manifest.title,
         "grade": asset.manifest.grade, "size": asset.manifest.size, "openness": asset.manifest.openness,
         "responsible": asset.manifest.responsible, "corrects": asset.corrects, "reason": asset.reason}
        for link, asset in zip(found.links, found.assets, strict=True)
    ]  # fmt: skip
    say({"name": found.name, "state": found.now.step, "links": rows}, "\n".join([found.name, *map(_row, rows)]), as_json)


def _row(row: dict[str, Any]) -> str:
    why = f"  {row['reason']}" if row["reason"] else ""
    wrong = said(f" of {row['corrects'][:12]}", f"（更正 {row['corrects'][:12]}）") if row["corrects"] else ""
    step = said(row["step"], STATES[row["step"]])
    facts = f"{row['holder']}  {row['title']}  {row['size']}  {said('grade', '级别')} {row['grade']}  {row['openness']}"
    return f"{row['id'][:12]}  {day(row['at'])}  {step}{wrong}  {facts}{why}"


@command.command("list", epilog="Example: keyong asset list")
@HOME
@json_option
def list_assets(home: Path, as_json: bool) -> None:
    """The assets in the authority's folder, and their states."""
    found = Registry.open(home).assets()
    rows = [{"name": name, "state": chain.now.step, "title": chain.now.manifest.title, "id": chain.head} for name, chain in found.items()]
    text = [f"{row['name']:<24} {said(row['state'], STATES[row['state']]):<9} {row['title']}" for row in rows]
    say(rows, "\n".join(text) or said("none yet", "尚无"), as_json)


@command.command("publish", epilog="Example: keyong asset publish --coordinator coordinator.json")
@HOME
@PUBLISH
@json_option
def publish_all(home: Path, coordinator: Path, as_json: bool) -> None:
    """Send every chain of the folder, of assets and certificates, to a coordinator that lacks some of it."""
    texts = Registry.open(home).chains()
    publish(coordinator, *texts)
    say({"chains": len(texts)}, said(f"{len(texts)} chains are published", f"已发布 {len(texts)} 条登记链"), as_json)


def _unverified(file: Path) -> Registered:
    """A chain to which a request is added: the authority that accepts the request verifies it."""
    from governance import chains

    links = chains.read(read_text(file))
    return Registered(links, chains.linked(links, registration.Asset))


def _link(chain: Registered | None, start: str) -> str:
    """The whole id of the one link that begins so."""
    found = [link.id for link in chain.links if link.id.startswith(start)] if chain and start else []
    if start and len(found) != 1:
        raise UsageError(f"{len(found)} links of the chain (--after) begin with {start}; keyong asset show lists them")
    return found[0] if found else ""
