"""keyong product …"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from pathlib import Path

import click

from federated.cli import json_option, say
from federated.cli.asset import FILE, KEY, TRUST
from federated.cli.officers import HOME, PUBLISH
from federated.cli.officers import publish as send
from federated.language import said
from governance import known, notes, products
from governance.encoding import build, plain
from governance.handwritten import by_hand, names, read_text
from governance.keys import SigningKey
from governance.products import Algorithm, Demand, Goods, Product, Scenario, Way
from governance.trades import Delivery, Inspection, Order

TAGS = click.option("--tags", default="", help="Comma-separated.")


@click.group()
def command() -> None:
    """Freeze questions as priced products, check jobs against them, and match demands."""


@command.command(epilog="Example: keyong product freeze baseline describe.yaml --asset heart-2024 --title Baseline --tags heart")
@click.argument("name")
@click.argument("file", type=FILE)
@HOME
@click.option("--asset", required=True, help="The registered asset.")
@click.option("--title", required=True, help="For people.")
@TAGS
@click.option("--price", type=FILE, help="The note of its price; without it, it costs nothing.")
@click.option(
    "--goods", type=click.Choice(["statistics", "model", "algorithm"]), default="statistics", show_default=True, help="What is traded."
)
@click.option("--way", type=click.Choice(["posted", "negotiated"]), default="posted", show_default=True, help="How it is traded.")
@click.option("--algorithm", type=FILE, help="The signed package of its method (keyong product algorithm).")
@json_option
def freeze(name: str, file: Path, home: Path, asset: str, title: str, tags: str, price: Path | None, goods: Goods, way: Way,
           algorithm: Path | None, as_json: bool) -> None:  # fmt: skip
    """Freeze a job file as a product on a registered asset, and list it."""
    from federated.market import Offering
    from federated.market import freeze as frozen
    from federated.registry import Registry

    cost = notes.read(read_text(price)).id if price else ""
    offering = Offering(title, _list(tags), cost, goods, way, read_text(algorithm) if algorithm else None)
    text = frozen(Registry.open(home), name, read_text(file), asset=asset, offering=offering)
    product = notes.read(text).document(Product)
    done = said(f"product {name}, version {product.version}, is listed", f"数据产品 {name} 的版本 {product.version} 已上架")
    say({"name": name, "version": product.version, "question": product.question}, done, as_json)


@command.command(epilog="Example: keyong product delist baseline")
@click.argument("name")
@HOME
@json_option
def delist(name: str, home: Path, as_json: bool) -> None:
    """Take a product off the list."""
    from federated.authority import Authority
    from federated.market import delist as taken

    version = notes.read(taken(Authority.open(home), name)).document(Product).version
    say({"name": name, "version": version}, said(f"product {name} is off the list", f"数据产品 {name} 已下架"), as_json)


@command.command(epilog="Example: keyong product check describe.yaml --product baseline.note --dataset heart.note --authority root.note")
@click.argument("file", type=FILE)
@click.option("--product", type=FILE, required=True, help="The product's note.")
@click.option("--dataset", type=FILE, required=True, help="The note of the dataset's entry.")
@TRUST
@json_option
def check(file: Path, product: Path, dataset: Path, authority: Path, as_json: bool) -> None:
    """Check that a job file asks just what a product froze; anything else is refused."""
    from federated.authority import read_trust
    from federated.market import asked, code, entry_of

    what = asked(read_text(file), entry_of(dataset))
    found = products.check(read_text(product), what, read_trust(authority), code=code(what.method.partition("@")[0]))
    say({"product": found.name, "version": found.version}, said(f"it is the product {found.name}, version {found.version}",
        f"与数据产品 {found.name} 的版本 {found.version} 一致"), as_json)  # fmt: skip


@command.command(
    epilog="Example: keyong product demand --title 'Ages of patients' --purpose research --days 30 --key buyer.key --out demand.note"
)
@click.option("--title", required=True, help="What is looked for.")
@click.option("--purpose", required=True, help="For which purpose.")
@click.option("--sorts", default="", help="Comma-separated classes of data; any, unless given.")
@TAGS
@click.option("--days", default=90, show_default=True, help="How long it is open.")
@KEY
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the demand.")
@json_option
def demand(title: str, purpose: str, sorts: str, tags: str, days: int, key: Path, out: Path, as_json: bool) -> None:
    """A buyer's demand, signed with its key."""
    own = SigningKey.load(key)
    with by_hand():
        made = Demand(str(own.public), title, _list(sorts), _list(tags), purpose, int(time.time()) + days * 86400)
        note = notes.write(made).signed_by(own)
        note.document(Demand)
    out.write_text(str(note))
    say({"demand": note.id}, said(f"the demand is in {out}", f"需求已写入 {out}"), as_json)


@command.command("list", epilog="Example: keyong product list --demand demand.note")
@HOME
@click.option("--demand", type=FILE, help="List only what meets this demand.")
@json_option
def list_products(home: Path, demand: Path | None, as_json: bool) -> None:
    """The products in the authority's folder, by name, and how many there are in each class. There is no ranking."""
    from federated.authority import Authority
    from federated.market import products as kept

    authority = Authority.open(home)
    found = [notes.opened(text, Product, authority.trust) for text in kept(authority).values()]
    if demand is not None:
        found = products.matching(products.demanded(read_text(demand), now=int(time.time())), found)
    rows = [{"name": p.name, "version": p.version, "title": p.title, "sort": p.sort, "method": p.method, "state": p.state} for p in found]
    counts = Counter(p.sort for p in found if p.state == "listed")
    states = {"listed": said("listed", "已上架"), "delisted": said("delisted", "已下架")}
    text = [f"{p.name:<24} v{p.version}  {p.sort}  {p.method}  {states[p.state]}  {p.title}" for p in found]
    text += [said(f"{sort}: {count} listed", f"{sort}：已上架 {count} 项") for sort, count in sorted(counts.items())]
    say({"products": rows, "classes": dict(counts)}, "\n".join(text) or said("none yet", "尚无"), as_json)


@command.command(epilog="Example: keyong product algorithm describe --title Describe --sorts health --outputs exact --out describe.note")
@click.argument("method")
@HOME
@click.option("--title", required=True, help="For people.")
@click.option("--sorts", required=True, help="Comma-separated classes of data for which it is allowed.")
@click.option("--outputs", required=True, help="Comma-separated rules of release for which it is allowed: exact, dp.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the package.")
@json_option
def algorithm(method: str, home: Path, title: str, sorts: str, outputs: str, out: Path, as_json: bool) -> None:
    """Sign a method, as it is installed here, as a package that may be shared."""
    from federated.authority import Authority
    from federated.market import package

    text = package(Authority.open(home), method, title=title, sorts=_list(sorts), outputs=_list(outputs))
    out.write_text(text, encoding="utf-8")
    made = notes.read(text).document(Algorithm)
    done = said(f"the package of {made.method} is in {out}", f"{made.method} 的算法包已写入 {out}")
    say({"method": made.method, "code": made.code}, done, as_json)


@command.command("map", epilog="Example: keyong product map --out products.html")
@HOME
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the page.")
@json_option
def map_of(home: Path, out: Path, as_json: bool) -> None:
    """What is listed, as one page in Chinese and English with a bubble for each class; it loads nothing."""
    from federated.authority import Authority
    from federated.listing import page
    from federated.market import products as kept

    authority = Authority.open(home)
    found = [notes.opened(text, Product, authority.trust) for text in kept(authority).values()]
    out.write_text(page(found), encoding="utf-8")
    listed = sum(p.state == "listed" for p in found)
    say({"listed": listed, "file": str(out)}, said(f"{listed} listed, in {out}", f"已上架 {listed} 项，写入 {out}"), as_json)


@command.command(epilog="Example: keyong product scenarios demand.note --out scenarios.note --table scenarios.csv")
@click.argument("demands", type=FILE, nargs=-1)
@HOME
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the signed list.")
@click.option("--table", type=click.Path(path_type=Path), help="Write it here as well: CSV, or JSON where the name ends so.")
@json_option
def scenarios(demands: tuple[Path, ...], home: Path, out: Path, table: Path | None, as_json: bool) -> None:
    """Sign the list of what open DEMANDS look for. There is no ranking."""
    import json

    from federated.accounts import as_csv
    from federated.authority import Authority

    made = products.scenarios(map(read_text, demands), now=int(time.time()))
    out.write_text(Authority.open(home).sign(made), encoding="utf-8")
    rows = plain(made)["scenarios"]
    if table is not None:
        flat = [{name: " ".join(value) if isinstance(value, tuple) else value for name, value in row.items()} for row in rows]
        fields = [field.name for field in dataclasses.fields(Scenario)]
        text = json.dumps(rows, ensure_ascii=False, indent=1) + "\n" if table.suffix == ".json" else as_csv(flat, fields)
        table.write_text(text, encoding="utf-8")
    say({"scenarios": rows}, said(f"scenarios in {out}: {len(rows)}", f"{len(rows)} 项场景已写入 {out}"), as_json)


@command.command(epilog="Example: keyong product publish baseline --coordinator coordinator.json")
@click.argument("name")
@HOME
@PUBLISH
@json_option
def publish(name: str, home: Path, coordinator: Path, as_json: bool) -> None:
    """Tell a coordinator that a product is listed, or delisted: an entry of its ledger."""
    from federated.authority import Authority
    from federated.market import products as kept

    there = kept(Authority.open(home))
    known.check("product in the authority's folder called", [name], there)
    send(coordinator, there[name])
    product = notes.read(there[name])
    say({"product": product.id}, said(f"the product {product.id[:12]} is published", f"数据产品 {product.id[:12]} 已发布"), as_json)


@command.command(epilog="Example: keyong product order baseline.note --purpose research --key operator.key --coordinator coordinator.json")
@click.argument("product", type=FILE)
@click.option("--purpose", required=True, help="For which purpose.")
@KEY
@PUBLISH
@json_option
def order(product: Path, purpose: str, key: Path, coordinator: Path, as_json: bool) -> None:
    """An operator's order of a product on the list: an entry of the coordinator's ledger."""
    own, wanted = SigningKey.load(key), notes.read(read_text(product))
    wanted.document(Product)
    _trade(coordinator, Order(str(own.public), wanted.id, purpose, int(time.time())), own, as_json=as_json)


@command.command(epilog="Example: keyong product deliver ORDER JOB --key operator.key --coordinator coordinator.json")
@click.argument("order")
@click.argument("job")
@KEY
@PUBLISH
@json_option
def deliver(order: str, job: str, key: Path, coordinator: Path, as_json: bool) -> None:
    """The word of who ordered that JOB, which was released, was the product; ORDER and JOB are whole ids."""
    with by_hand():
        made = build(Delivery, {"order": order, "job": job, "at": int(time.time())})
    _trade(coordinator, made, SigningKey.load(key), as_json=as_json)


@command.command(epilog="Example: keyong product inspect ID --finding passed --key regulator.key --coordinator coordinator.json")
@click.argument("subject")
@click.option("--finding", type=click.Choice(["passed", "failed"]), required=True, help="What the inspection found.")
@click.option("--reason", default="", help="Why, in words.")
@click.option("--key", "keys", type=FILE, multiple=True, required=True, help="A regulator's key file; repeat it where several must sign.")
@PUBLISH
@json_option
def inspect(subject: str, finding: str, reason: str, keys: tuple[Path, ...], coordinator: Path, as_json: bool) -> None:
    """A regulator's inspection of a product, an order or a delivery; SUBJECT is its whole id."""
    with by_hand():
        made = build(Inspection, {"subject": subject, "finding": finding, "reason": reason, "at": int(time.time())})
    _trade(coordinator, made, *map(SigningKey.load, keys), as_json=as_json)


def _trade(coordinator: Path, document: Order | Delivery | Inspection, *keys: SigningKey, as_json: bool) -> None:
    note = notes.write(document).signed_by(*keys)
    send(coordinator, str(note))
    say({"document": note.id}, said(f"{note.id} is in the ledger", f"{note.id} 已记入账本"), as_json)


def _list(text: str) -> tuple[str, ...]:
    return tuple(sorted(set(names(text))))
