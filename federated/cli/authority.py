"""keyong authority …"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from federated import grants
from federated.authority import YEAR, Authority, read_dataset
from federated.cli import json_option, officers, say
from federated.cli.officers import HOME, PUBLISH, entries, publish
from federated.language import said
from governance import known
from governance.handwritten import by_hand, names, read_text
from governance.keys import read_key
from governance.parties import Party, Withdrawn

FILE = click.Path(path_type=Path, exists=True)


@click.group()
def command() -> None:
    """Authorise: enrol parties, publish datasets, grant and revoke licences."""


for each in (officers.root, officers.sign, officers.publish_file, officers.renew, officers.drafts):
    command.add_command(each)


@command.command(epilog="Example: keyong authority init city-authority --keys 3 --threshold 2")
@click.argument("name")
@HOME
@click.option("--keys", default=3, show_default=True, help="How many keys to make.")
@click.option("--threshold", default=2, show_default=True, help="How many of them must sign.")
@click.option("--days", default=YEAR, show_default=True, help="How long the key root's first version is valid.")
@json_option
def init(name: str, home: Path, keys: int, threshold: int, days: int, as_json: bool) -> None:
    """Make the authority's keys, and root.note, the first version of its key root."""
    made = Authority.create(home, name, keys=keys, threshold=threshold, days=days)
    public = [str(k) for k in made.trust.keys]
    head = said(f"{threshold} of these keys must sign:\n", f"须有下列密钥中的 {threshold} 把签名：\n")
    tail = "\n" + said("fingerprint of the key root: ", "密钥根的指纹：") + made.roots.newest.fingerprint
    say({"keys": public, "threshold": threshold, "root": made.roots.newest.fingerprint}, head + "\n".join(public) + tail, as_json)


@command.command(
    epilog="Example: keyong authority enrol hospital-a --organisation 'Hospital A' --role holder --coordinator coordinator.json"
)
@click.argument("name")
@HOME
@click.option("--organisation", required=True, help="The organisation behind the party.")
@click.option("--role", type=click.Choice(["holder", "operator", "coordinator"]), required=True, help="What it will be.")
@click.option(
    "--coordinator", type=click.Path(path_type=Path, exists=True), help="The coordinator's coordinator.json (not for a coordinator)."
)
@click.option("--days", default=7, show_default=True, help="How long the token can be used.")
@click.option("--signed", type=click.Path(path_type=Path, exists=True), help="The invitation's draft, once the others have signed it.")
@json_option
def enrol(name: str, home: Path, organisation: str, role: str, coordinator: Path | None, days: int, signed: Path | None,
          as_json: bool) -> None:  # fmt: skip
    """Make a join token for a party. Give it to the party over a channel that nobody else reads."""
    authority = Authority.open(home)
    if signed is not None:
        token = authority.token(signed, name=name, coordinator=coordinator)
    else:
        token = authority.enrol(name, organisation, role, days=days, coordinator=coordinator)  # type: ignore[arg-type]
    say({"token": token.text(), "root": token.roots.newest.fingerprint}, token.text(), as_json)


@command.command(epilog="Example: keyong authority dataset heart.yaml --coordinator coordinator.json")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--consent", type=click.Choice(["none", "opt_out", "opt_in"]), help="On what basis persons are in it; as in FILE if left out."
)
@HOME
@PUBLISH
@json_option
def dataset(file: Path, consent: str | None, home: Path, coordinator: Path, as_json: bool) -> None:
    """Register a dataset in the catalogue."""
    authority, made = Authority.open(home), read_dataset(read_text(file))
    made = made if consent is None else replace(made, consent=consent)  # type: ignore[arg-type]
    text = authority.sign(made)
    publish(coordinator, text)
    done = said(f"dataset {made.name}, version {made.version}, is registered", f"数据集 {made.name} 的版本 {made.version} 已登记")
    say({"dataset": made.name, "id": authority.keep(text)}, done, as_json)


@command.command(
    epilog="Example: keyong authority licence KEY --plan plan.note --dataset heart-disease --columns age,sex --purposes research …"
)
@click.argument("operators", nargs=-1, required=True)
@HOME
@PUBLISH
@click.option("--dataset", required=True, help="The dataset's name in the catalogue.")
@click.option("--columns", required=True, help="Comma-separated.")
@click.option("--purposes", required=True, help="Comma-separated.")
@click.option("--methods", required=True, help="Comma-separated, each name@version.")
@click.option("--min-cell", default=10, show_default=True, help="Fewest persons in a cell at a holder.")
@click.option("--uses", default=100, show_default=True, help="How many jobs may run.")
@click.option("--days", default=90, show_default=True, help="How long it is valid.")
@click.option("--plan", type=FILE, required=True, help="The operator's contingency plan (keyong licence plan).")
@click.option("--threshold", default=1, show_default=True, help="How many of the keys must sign a job.")
@click.option("--approvals", type=int, help="At how many holders a person must approve each job.")
@click.option("--terms", type=FILE, help="Further terms: a YAML file.")
@json_option
def licence(operators: tuple[str, ...], home: Path, coordinator: Path, dataset: str, columns: str, purposes: str, methods: str,
            min_cell: int, uses: int, days: int, plan: Path, threshold: int, approvals: int | None, terms: Path | None,
            as_json: bool) -> None:  # fmt: skip
    """Grant a licence to the operator with this verifier key (keyong operator show), or to several who sign together."""
    authority = Authority.open(home)
    more = {**(grants.read_terms(read_text(terms)) if terms else {}), **({} if approvals is None else {"approvals": approvals})}
    contingency = authority.plan(read_text(plan))
    granted = authority.licence(*operators, dataset=dataset, columns=names(columns), purposes=names(purposes), methods=names(methods),
                                min_cell=min_cell, uses=uses, days=days, plan=contingency, threshold=threshold, terms=more)  # fmt: skip
    listed = [] if (authority.path / "revocations.note").exists() else [authority.revocations()]
    publish(coordinator, contingency, granted, *listed)
    authority.keep(contingency)
    identity = authority.keep(granted)
    say({"licence": identity}, said(f"licence lic-{identity[:12]} is granted", f"授权书 lic-{identity[:12]} 已签发"), as_json)


@command.command(epilog="Example: keyong authority price heart-disease --unit call --fen 1000 --highest 2000 --ceiling 10000000 …")
@click.argument("dataset")
@HOME
@PUBLISH
@click.option("--unit", type=click.Choice(["licence", "product", "call", "day", "number"]), required=True, help="What is counted.")
@click.option("--fen", type=int, required=True, help="For one unit, in whole fen.")
@click.option("--highest", type=int, required=True, help="The fee standard that a unit's price may not exceed, in fen.")
@click.option("--ceiling", type=int, required=True, help="The revenue that all charges under this price may reach together, in fen.")
@click.option("--free", default="", help="Comma-separated purposes that cost nothing, beside public governance and the public interest.")
@click.option("--days", default=365, show_default=True, help="How long it holds.")
@json_option
def price(dataset: str, home: Path, coordinator: Path, unit: str, fen: int, highest: int, ceiling: int, free: str, days: int,
          as_json: bool) -> None:  # fmt: skip
    """Set the price of a dataset, for licences that are granted from now on."""
    authority = Authority.open(home)
    text = authority.price(dataset, unit=unit, fen=fen, highest=highest, ceiling=ceiling, free=names(free), days=days)
    publish(coordinator, text)
    identity = authority.keep(text)
    say({"price": identity}, said(f"the price {identity[:12]} is published", f"价格 {identity[:12]} 已发布"), as_json)


@command.command(epilog="Example: keyong authority revoke lic-7f3a… --coordinator coordinator.json")
@click.argument("licences", nargs=-1)
@HOME
@PUBLISH
@click.option("--restore", multiple=True, help="Id of a suspended licence to bring back.")
@click.option("--days", default=30, show_default=True, help="How long the list is fresh; a stale one stops every job.")
@json_option
def revoke(licences: tuple[str, ...], home: Path, coordinator: Path, restore: tuple[str, ...], days: int, as_json: bool) -> None:
    """Publish the next revocation list: with LICENCES, or verifier keys, added. Without any, it only renews the list."""
    authority = Authority.open(home)
    text = authority.revocations(*map(authority.licence_id, licences), restore=tuple(map(authority.licence_id, restore)), days=days)
    publish(coordinator, text)
    say({"revoked": list(licences)}, said("the revocation list is published", "撤销清单已发布"), as_json)


command.add_command(revoke, "suspend")


@command.command(epilog="Example: keyong authority withdraw 'hospital-a+5f0e…' --coordinator coordinator.json")
@click.argument("keys", nargs=-1, required=True)
@HOME
@PUBLISH
@click.option("--records", type=FILE, help="A coordinator's records (keyong records export), to name parties instead of their keys.")
@click.option("--days", default=30, show_default=True, help="How long the list is fresh; a stale one stops every job.")
@json_option
def withdraw(keys: tuple[str, ...], home: Path, coordinator: Path, records: Path | None, days: int, as_json: bool) -> None:
    """Withdraw stolen or lost keys of holders or operators for good: from now on they count for nothing. Then enrol the parties again."""
    authority, before = Authority.open(home), entries(coordinator)
    enrolled = _enrolled(authority, records) if records else {}
    known.check("party in the records called", [key for key in keys if records and "+" not in key], enrolled)
    with by_hand():
        named = (enrolled[key].key if key in enrolled else read_key(key) for key in keys)
        found = {str(key): key.name for key in named}
    text = authority.revocations(withdraw=tuple(Withdrawn(key, before) for key in found), days=days)
    publish(coordinator, text)
    names_ = ", ".join(found.values())
    done = said(f"the keys of {names_} count no more from entry {before} of the coordinator's ledger on; give new tokens with: "
                "keyong authority enrol",
                f"{names_} 的密钥自协调方账本第 {before} 条记录起停用；请用 keyong authority enrol 发放新令牌")  # fmt: skip
    say({"withdrawn": list(found), "entries": before}, done, as_json)


@command.command(epilog="Example: keyong authority parties records.json")
@click.argument("records", type=FILE)
@HOME
@json_option
def parties(records: Path, home: Path, as_json: bool) -> None:
    """Who is enrolled, by a coordinator's records: names, organisations, roles, keys and their fingerprints, and whether withdrawn."""
    authority = Authority.open(home)
    gone = {each.key for each in authority.listed().withdrawn}
    rows = [
        {"name": name, "organisation": party.organisation, "role": party.role, "key": str(party.key), "fingerprint": party.key.fingerprint,
         "withdrawn": str(party.key) in gone}
        for name, party in _enrolled(authority, records).items()
    ]  # fmt: skip
    text = [f"{r['name']}  {r['organisation']}  {r['role']}{said('  withdrawn', '  已停用') if r['withdrawn'] else ''}\n"
            f"  {r['key']}\n  {said('fingerprint', '指纹')} {r['fingerprint']}" for r in rows]  # fmt: skip
    say(rows, "\n".join(text) or said("none", "无"), as_json)


def _enrolled(authority: Authority, records: Path) -> Mapping[str, Party]:
    """By their names; of a party whose key was exchanged, as it is with its newest."""
    from federated.records import read

    found = read(read_text(records), authority.roots.newest).parties.values()
    return {party.name: party for party in sorted(found, key=lambda party: (party.name, len(party.withdrawn)))}


@command.command(epilog="Example: keyong authority licences")
@HOME
@json_option
def licences(home: Path, as_json: bool) -> None:
    """The licences that were granted, and which of them are revoked."""
    rows = Authority.open(home).licences()
    until, revoked = said("until", "有效期至"), said("revoked", "已撤销")
    text = [
        f"lic-{r['licence'][:12]}  {r['operator']:<16} {r['dataset']:<20} {until} {r['until']}{f'  {revoked}' if r['revoked'] else ''}"
        for r in rows
    ]
    say(rows, "\n".join(text) or said("none yet", "尚无"), as_json)
