"""keyong licence …"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from federated.cli import json_option, say
from federated.language import said
from governance.handwritten import names, read_text

IDENTITY = click.option(
    "--identity", type=click.Path(path_type=Path), default=Path("operator.key"), show_default=True, help="The operator's key."
)
FILE = click.Path(path_type=Path, exists=True)
AUTHORITY = click.option("--authority", type=FILE, help="The authority's root.note; the operator's own token where left out.")
TITLES = {
    "datasets": "数据集与字段", "grade": "最高级别", "purposes": "用途", "methods": "方法", "outputs": "发布规则",
    "holders": "数据持有方", "regions": "结果可至", "min_cell": "最小单元人数", "epsilon_job": "单个任务 epsilon",
    "epsilon_year": "每年 epsilon", "releases": "发布次数", "use_count": "使用次数", "not_before": "起始", "not_after": "截止",
    "approvals": "人工批准", "split": "收益分成", "price": "价格", "plan": "应急预案",
}  # fmt: skip


@click.group()
def command() -> None:
    """Narrow a licence, look into it, and judge it off line."""


@command.command(epilog="Example: keyong licence plan plan.yaml --out plan.note")
@click.argument("file", type=FILE)
@IDENTITY
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("plan.note"), show_default=True, help="Where to write it."
)
@json_option
def plan(file: Path, identity: Path, out: Path, as_json: bool) -> None:
    """Sign a contingency plan, which the authority countersigns when it grants a licence with it."""
    from federated.grants import read_plan
    from governance.keys import SigningKey

    note = read_plan(read_text(file), SigningKey.load(identity))
    out.write_text(str(note))
    say({"plan": note.id}, said(f"plan {note.id[:12]} is in {out}", f"预案 {note.id[:12]} 已写入 {out}"), as_json)


@command.command(epilog="Example: keyong licence key project-9 --out project.key")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write it; NAME.key where left out.")
@json_option
def key(name: str, out: Path | None, as_json: bool) -> None:
    """Make a key for a project, to which a part of a licence can be handed on."""
    from governance.handwritten import by_hand
    from governance.keys import SigningKey

    with by_hand():
        made = SigningKey.generate(name)
    made.save(out or Path(f"{name}.key"))
    say({"key": str(made.public)}, str(made.public), as_json)


@command.command(epilog="Example: keyong licence narrow lic-7f3a9c --terms project.yaml --to PROJECT_KEY --uses 20 --out project.licence")
@click.argument("licence")
@IDENTITY
@AUTHORITY
@click.option("--terms", type=FILE, help="What the new link allows: a YAML file.")
@click.option("--purposes", help="Comma-separated.")
@click.option("--methods", help="Comma-separated, each name@version.")
@click.option("--uses", type=int, help="How many jobs may run under it.")
@click.option("--days", type=int, help="How long it is valid.")
@click.option("--to", multiple=True, help="Verifier key of a delegate; those of the licence where left out; can be repeated.")
@click.option("--threshold", default=1, show_default=True, help="How many of the delegates must sign a job.")
@click.option("--sign", type=FILE, multiple=True, help="A further key that signs the link; can be repeated.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it; beside the identity where left out.")
@json_option
def narrow(licence: str, identity: Path, authority: Path | None, terms: Path | None, purposes: str | None, methods: str | None,
           uses: int | None, days: int | None, to: tuple[str, ...], threshold: int, sign: tuple[Path, ...], out: Path | None,
           as_json: bool) -> None:  # fmt: skip
    """Add a link to a licence that allows less: for a project, or for another key. Needs no network."""
    from federated import grants
    from governance import notes
    from governance.keys import SigningKey

    given = grants.read_terms(read_text(terms)) if terms else {}
    lists = {"purposes": purposes, "methods": methods}
    given |= {name: tuple(sorted(set(names(text)))) for name, text in lists.items() if text is not None}
    given |= {} if uses is None else {"use_count": uses}
    given |= {} if days is None else {"not_after": int(time.time()) + days * 86400}
    folder = grants.Folder(identity)
    keys = tuple(SigningKey.load(file) for file in (identity, *sign))
    made = grants.narrow(folder.find(licence), _trust(authority, identity), keys, allow=grants.rights(given), to=to, threshold=threshold)
    file = folder.keep(made) if out is None else out
    if out is not None:
        out.write_text(made.text())
    name = notes.read(made.chain[-1]).id
    say({"licence": name, "file": str(file)}, said(f"lic-{name[:12]} is in {file}", f"lic-{name[:12]} 已写入 {file}"), as_json)


@command.command(epilog="Example: keyong licence check project.licence --authority root.note --job offer.json")
@click.argument("licence")
@IDENTITY
@AUTHORITY
@click.option("--job", type=FILE, help="A job as nodes get it (keyong job plan --out): is it covered, too?")
@click.option("--revocations", type=FILE, help="The current revocation list; the one in the file where left out.")
@json_option
def check(licence: str, identity: Path, authority: Path | None, job: Path | None, revocations: Path | None, as_json: bool) -> None:
    """Judge a licence, and a job under it, off line, as coordinator and nodes do. Exit code 3 with the reason where they would refuse."""
    from dataclasses import replace

    from federated import grants, offers
    from sandbox.policy import check_licence

    trust, now = _trust(authority, identity), int(time.time())
    grant = grants.Folder(identity).find(licence)
    grant = replace(grant, revocations=read_text(revocations)) if revocations is not None else grant
    if job is not None:
        offer = replace(offers.read(job.read_bytes().rstrip(b"\n")), chain=grant.chain, plan=grant.plan)
        granted = check_licence(offers.docket(offer, trust, revocations=grant.revocations or None), trust, now=now)
    else:
        granted = grants.in_force(grant, trust, now=now)
    text = said(f"lic-{granted.id[:12]} is in force", f"lic-{granted.id[:12]} 有效") + (
        said(" and covers the job", "，且覆盖该任务") if job else ""
    )
    say({"licence": granted.id, "links": len(granted.ids), "verdict": "allowed"}, text, as_json)


@command.command(epilog="Example: keyong licence show lic-7f3a9c")
@click.argument("licence")
@IDENTITY
@AUTHORITY
@click.option("--home", type=FILE, help="A node's folder: how many uses are left as far as this node knows.")
@click.option("--as", "form", type=click.Choice(["odrl"]), help="The form of others in which it is printed.")
@json_option
def show(licence: str, identity: Path, authority: Path | None, home: Path | None, form: str | None, as_json: bool) -> None:
    """What a licence allows with all its links together, and who may use it."""
    from federated import grants
    from governance import licences
    from governance.encoding import plain
    from governance.views.odrl import as_odrl

    trust = _trust(authority, identity)
    grant = grants.Folder(identity).find(licence)
    granted = licences.read(grant.chain, trust)
    if form:
        made = as_odrl(granted, trust)
        say(made, json.dumps(made, ensure_ascii=False, indent=2), as_json)
        return
    taken, unknown = (_taken(home, granted.ids), "") if home is not None else _asked(grant, granted.ids, identity)
    links = [
        {"licence": name, "delegates": list(link.delegates), "threshold": link.threshold, "uses": limit,
         "used": taken.get(name), "left": limit - taken[name] if name in taken else None}
        for name, link, limit in zip(granted.ids, granted.links, granted.limits, strict=True)
    ]  # fmt: skip
    say({"licence": granted.id, "allows": plain(granted.rights), "links": links}, _table(granted, links) + unknown, as_json)


def _trust(authority: Path | None, identity: Path) -> Any:
    """The authority's keys: in its own file, or in the token that the operator joined with."""
    from federated.authority import read_trust
    from federated.tokens import Token
    from governance.errors import UsageError

    if authority is not None:
        return read_trust(authority)
    file = identity.with_suffix(".trust")
    if not file.exists():
        raise UsageError(f"whose licence it is must be known: give --authority root.note, or an --identity with its {file.name}")
    return Token.read(file.read_text().strip()).roots.trust


def _taken(home: Path, ids: tuple[str, ...]) -> dict[str, int]:
    from contextlib import closing

    from federated.node.home import Home

    with closing(Home.open(home).journal()) as journal, journal.view() as t:
        return {name: t.next_use(name) - 1 for name in ids}


def _asked(grant: Any, ids: tuple[str, ...], identity: Path) -> tuple[dict[str, int], str]:
    """Uses as the coordinator counts them, where the operator joined one; and why they are not known, if it does not answer."""
    from federated.client import connect
    from governance.errors import Unavailable

    if not identity.with_suffix(".trust").exists():
        return {}, ""
    try:
        return dict(zip(ids, connect(identity=identity).uses(ids[-1], grant.chain[1:]), strict=True)), ""
    except Unavailable as error:
        return {}, "\n" + said(f"what is left is not known: {error.text('en')}", f"剩余次数未知：{error.text('zh')}")


def _table(granted: Any, links: list[dict[str, Any]]) -> str:
    from federated.language import padded
    from governance.keys import read_key
    from governance.rights import LAWS, is_public

    rows = [(said("licence", "授权书"), f"lic-{granted.id[:12]}")]
    rows += [(said(name, TITLES[name]), _shown(name, getattr(granted.rights, name))) for name in LAWS]
    free = [purpose for purpose in granted.rights.purposes or () if is_public(purpose)]
    rows += [(said("free of charge", "不收费"), ", ".join(free))] if free else []
    for number, link in enumerate(links, 1):
        delegates = ", ".join(read_key(key).name for key in link["delegates"])
        known = link["left"] is not None
        left = said(f": used {link['used']}, left {link['left']}", f"：已用 {link['used']} 次，剩余 {link['left']} 次") if known else ""
        rows.append((said(f"link {number}", f"第 {number} 级"),
                     said(f"lic-{link['licence'][:12]}, {link['threshold']} of {delegates}, {link['uses']} uses{left}",
                          f"lic-{link['licence'][:12]}，{delegates} 中的 {link['threshold']} 方，{link['uses']} 次{left}")))  # fmt: skip
    return "\n".join(f"{padded(name, 18)}{value}" for name, value in rows)


def _shown(name: str, value: Any) -> str:
    from governance.licences import day

    if value is None:
        return said("not limited", "不限")
    if name in ("not_before", "not_after"):
        return day(value)
    if name.startswith("epsilon"):
        return f"{value / 1e6:g}"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {', '.join(inner) if isinstance(inner, tuple) else inner}".rstrip(": ") for key, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@command.command(epilog="Example: keyong licence draft --agreement dataspace/negotiations/….json --assets authority/assets …")
@click.option("--agreement", type=FILE, required=True, help="The file of a finalised negotiation.")
@click.option("--assets", type=FILE, required=True, help="The authority's folder of assets, or a copy of it.")
@click.option("--authority", type=FILE, required=True, help="The authority's root.note.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the terms.")
@json_option
def draft(agreement: Path, assets: Path, authority: Path, out: Path, as_json: bool) -> None:
    """Terms of a licence from a finalised agreement, for keyong authority licence --terms. They grant nothing until the authority signs."""
    import yaml

    from federated import grants, negotiations
    from federated.authority import read_trust

    talk = negotiations.read(agreement)
    asset, made = negotiations.terms(talk, negotiations.assets(assets, read_trust(authority)))
    text = yaml.safe_dump(made, allow_unicode=True, sort_keys=False) if made else "{}\n"
    grants.rights(grants.read_terms(text))
    out.write_text(f"# {asset.now.manifest.dataset}: {talk.now.agreed['@id']}, {talk.participant}\n{text}", encoding="utf-8")
    about = {"dataset": asset.now.manifest.dataset, "participant": talk.participant, "terms": made}
    done = said(f"draft terms for {about['dataset']} are in {out}; they grant nothing until the authority signs a licence with them",
                f"{about['dataset']} 的条款草稿已写入 {out}；授权主体据此签发授权书之前不授予任何权利")  # fmt: skip
    say(about, done, as_json)
