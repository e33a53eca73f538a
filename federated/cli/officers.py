"""keyong authority root …, sign, publish, renew: for an authority whose keys are in several hands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import click

from federated.authority import YEAR, Authority, read_card
from federated.cli import json_option, say
from federated.drafts import SIGNED, following, legible, listed
from federated.language import said
from governance import chains, notes
from governance.encoding import plain
from governance.licences import day
from governance.roots import RoleName, Root
from governance.suites import SUITES

HOME = click.option("--home", type=click.Path(path_type=Path), default=Path("authority"), show_default=True, help="The authority's folder.")
CARD = click.Path(path_type=Path, exists=True)
PUBLISH = click.option("--coordinator", type=CARD, required=True, help="The coordinator's coordinator.json.")


def publish(coordinator: Path, *texts: str) -> None:
    """Send *texts*, documents and whole chains, to a coordinator; what it has already of a chain changes nothing."""
    from federated.tls import client_files
    from federated.transport import Link

    where = read_card(coordinator)
    with Link(where["url"], where["ca"], None, proxy=os.environ.get("KEYONG_PROXY"), client_cert=client_files(coordinator.parent)) as link:
        for note in (note for text in texts for note in chains.read(text)):
            link.publish(str(note))


def entries(coordinator: Path) -> int:
    """How many entries the ledger of a coordinator has, by its word."""
    from federated.tls import client_files
    from federated.transport import Link

    where = read_card(coordinator)
    with Link(where["url"], where["ca"], None, proxy=os.environ.get("KEYONG_PROXY"), client_cert=client_files(coordinator.parent)) as link:
        return link.identity().entries


@click.group()
def root() -> None:
    """The key root: who may sign what, in versions that follow from each other."""


@root.command("show", epilog="Example: keyong authority root show")
@HOME
@json_option
def show(home: Path, as_json: bool) -> None:
    """The newest version, for people to compare with what they were given."""
    newest = Authority.open(home).roots.newest
    version, until = newest.root.version, day(newest.root.expires)
    lines = [
        said(f"version {version}, valid until {until}", f"版本 {version}，有效期至 {until}"),
        said("fingerprint ", "指纹 ") + newest.fingerprint,
    ]
    for name, role in newest.root.roles.items():
        lines += [said(f"{name}: {role.threshold} of", f"{name}：须有其中 {role.threshold} 把"), *(f"  {key}" for key in role.keys)]
    say({**plain(newest.root), "root": newest.fingerprint}, "\n".join(lines), as_json)


@root.command(epilog="Example: keyong authority root key officer-li --home li")
@click.argument("name")
@HOME
@click.option("--suite", type=click.Choice(list(SUITES)), default="ed25519", show_default=True, help="The kind of key.")
@json_option
def key(name: str, home: Path, suite: str, as_json: bool) -> None:
    """Make an officer's own key, where the officer is; the verifier key that is printed goes into the key root's next version."""
    from federated.rotation import make_key

    made = make_key(home, name, suite)  # type: ignore[arg-type]
    say({"key": str(made), "fingerprint": made.fingerprint}, f"{made}\n{said('fingerprint', '指纹')} {made.fingerprint}", as_json)


@root.command(epilog="Example: keyong authority root rotate --add 'officer-li+…' --remove city-authority-3 --coordinator coordinator.json")
@HOME
@click.option("--coordinator", type=CARD, help="The coordinator's coordinator.json, to publish it at once if enough keys are here.")
@click.option("--add", multiple=True, help="Verifier key to add.")
@click.option("--remove", multiple=True, help="Name of a key to take out; whom it let in stays.")
@click.option("--withdraw", multiple=True, help="Name of a stolen key: taken out everywhere, and its signatures count no more.")
@click.option("--threshold", type=int, help="How many must sign from now on.")
@click.option("--role", "roles", multiple=True, type=click.Choice(get_args(RoleName)),
              help="Which roles to change; root, authority and revoker unless given.")  # fmt: skip
@click.option("--days", default=YEAR, show_default=True, help="How long the version is valid.")
@json_option
def rotate(home: Path, coordinator: Path | None, add: tuple[str, ...], remove: tuple[str, ...], withdraw: tuple[str, ...],
           threshold: int | None, roles: tuple[RoleName, ...], days: int, as_json: bool) -> None:  # fmt: skip
    """Make the key root's next version: other keys, other thresholds, or only a later day until which it is valid."""
    from federated import rotation

    authority = Authority.open(home)
    note = rotation.rotate(authority, roles=roles, add=add, remove=remove, withdraw=withdraw, threshold=threshold, days=days)
    if authority.lacking(note) or coordinator is None:
        _told(authority, note, authority.keep_draft(note), as_json)
        return
    publish(coordinator, str(note))
    newest = rotation.accept(authority, note).roots.newest
    text = said(f"version {newest.root.version} of the key root is published\nfingerprint {newest.fingerprint}",
                f"密钥根的版本 {newest.root.version} 已发布\n指纹 {newest.fingerprint}")  # fmt: skip
    say({"version": newest.root.version, "root": newest.fingerprint, "lacking": []}, text, as_json)


@click.command(epilog="Example: keyong authority sign drafts/3f2a91c0.note --home li")
@click.argument("file", type=CARD)
@HOME
@json_option
def sign(file: Path, home: Path, as_json: bool) -> None:
    """Read a draft in FILE, and sign it there with the keys that are in this folder. It is shown: what is signed is what is shown."""
    from federated.rotation import countersign

    authority = Authority.open(home)
    note = countersign(authority, file)
    file.write_text(str(note))
    if not as_json:
        above = [*legible(plain(note.document(*SIGNED))), "", said("the text that is signed:", "所签正文：")]
        say(None, "\n".join([*above, note.text]), as_json=False)
    _told(authority, note, file, as_json)


@click.command("publish", epilog="Example: keyong authority publish drafts/3f2a91c0.note --coordinator coordinator.json")
@click.argument("file", type=CARD)
@HOME
@PUBLISH
@json_option
def publish_file(file: Path, home: Path, coordinator: Path, as_json: bool) -> None:
    """Publish a draft that enough have signed, and keep it: a version of the key root, a dataset, a licence or a revocation list."""
    from federated.drafts import read_draft
    from federated.rotation import accept

    authority, note = Authority.open(home), read_draft(file)
    publish(coordinator, str(note))
    accept(authority, note)
    say({"id": note.id}, said(f"{note.id[:12]} is published", f"{note.id[:12]} 已发布"), as_json)


@click.command(epilog="Example: keyong authority renew --coordinator coordinator.json")
@HOME
@PUBLISH
@json_option
def renew(home: Path, coordinator: Path, as_json: bool) -> None:
    """Sign anew what stands, after keys have changed: datasets, licences, and the revocation list."""
    from federated.rotation import accept, renewed

    authority = Authority.open(home)
    done: list[dict[str, Any]] = []
    for note in renewed(authority):
        lacking = authority.lacking(note)
        if not lacking:
            publish(coordinator, str(note))
            accept(authority, note)
        done.append({"id": note.id, "file": str(authority.keep_draft(note)) if lacking else "", "lacking": _lacking(lacking)})
    text = [said(f"{d['id'][:12]} is published", f"{d['id'][:12]} 已发布") if not d["lacking"]
            else said(f"{d['file']} lacks signatures", f"{d['file']} 尚缺签名") for d in done]  # fmt: skip
    say(done, "\n".join(text) or said("nothing stands yet", "尚无须重签的文件"), as_json)


@click.command(epilog="Example: keyong authority drafts --home authority")
@HOME
@json_option
def drafts(home: Path, as_json: bool) -> None:
    """Drafts that wait in the folder: of what kind, who signed them, who has not, and what comes next."""
    authority = Authority.open(home)
    rows = [_waiting(authority, file, note) for file, note in listed(home)]
    say(rows, "\n".join(map(_row, rows)) or said("none", "无"), as_json)


def _waiting(authority: Authority, file: Path, note: notes.Note) -> dict[str, Any]:
    document = note.document(*SIGNED)
    lacking = authority.lacking(note)
    then = f"keyong authority sign {file} --home …" if lacking else following(note, file)
    return {"file": str(file), "kind": type(document).__name__.lower(), "name": _name(document), **authority.signers(note),
            "lacking": _lacking(lacking), "next": then}  # fmt: skip


def _row(row: dict[str, Any]) -> str:
    signed, unsigned = ", ".join(row["signed"]) or "-", ", ".join(row["unsigned"]) or "-"
    who = said(f"signed by {signed}; not yet by {unsigned}", f"已签：{signed}；未签：{unsigned}")
    return f"{row['file']}  {row['kind']} {row['name']}  {who}\n  {said('next: ', '下一步：')}{row['next']}"


def _name(document: Any) -> str:
    """What people call a document: its name, or what it is about."""
    return str(next((getattr(document, field) for field in ("name", "dataset", "version") if hasattr(document, field)), ""))


def _told(authority: Authority, note: notes.Note, file: Path, as_json: bool) -> None:
    """Where a draft is, and how many signed it of how many who must; a key root's version is signed by the old keys and by the new."""
    lacking = authority.lacking(note)
    counts = "; ".join(said(f"{have} of {need} signed", f"已签 {have} / 须签 {need}") for have, need in lacking)
    then = following(note, file)
    enough = said(f"enough have signed; next: {then}", f"签名已足；下一步：{then}")
    state = f"{counts}{said('; once enough have: ', '；足数后：')}{then}" if counts else enough
    say({"file": str(file), "id": note.id, "lacking": _lacking(lacking), "root": note.holds(Root)}, f"{file}: {state}", as_json)


def _lacking(counts: list[tuple[int, int]]) -> list[dict[str, int]]:
    return [{"signed": have, "needed": need} for have, need in counts]
