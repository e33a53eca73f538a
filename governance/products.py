"""Data products: one question on one registered asset, frozen and priced; and demand notes, by which buyers say what they look for.

A product fixes everything on which its answer depends but the rows. A job that differs in any of it is another product.
Matching lists what fits by name; there is no ranking that anybody could buy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from governance import notes
from governance.catalogue import Label, Slug
from governance.chains import Previous
from governance.encoding import canonical, strict, wire
from governance.errors import DecodeError, IntegrityError, Refused
from governance.keys import Trust, read_key
from governance.parties import Seconds
from governance.rights import Digest, Method, Output

Goods = Literal["statistics", "model", "algorithm"]  # 统计结果、模型、算法
Way = Literal["posted", "negotiated"]  # 挂牌、协议


@wire("keyong/algorithm/v1")
class Algorithm:
    """A method that may be shared: its source by its digest, the classes of data and the rules of release for which it is allowed.

    Signed by the authority once it was reviewed.
    """

    method: Method
    title: Label
    code: Digest
    sorts: tuple[Slug, ...]
    outputs: tuple[Output, ...]

    def __post_init__(self) -> None:
        _sorted("sorts", self.sorts)
        _sorted("outputs", self.outputs)

    def check(self, *, method: str, code: str, sort: str, rule: str) -> None:
        """Raise `Refused` unless the package is of this source, and for this class of data and rule of release."""
        for what, fits in (
            ("another method", method == self.method), ("another code", code == self.code),
            ("not for this class of data", sort in self.sorts), ("not for this rule of release", rule in self.outputs),
        ):  # fmt: skip
            if not fits:
                raise Refused(code="product.algorithm", detail=what)


@wire("keyong/product/v1")
class Product:
    """A product, signed by the authority.

    *asset* is the id of the registration's link, *catalogue* that of the dataset's entry, *question* the digest of what is asked, *price*
    the id of the note of its price (or empty: it costs nothing). *state* says whether it is on the list (上架、下架). *goods* and *way* are
    what is traded and how (交易标的、交易方式). *code* is the digest of the method's source: a product is a pair of data and code;
    *algorithm* is the id of the signed package that the code is from (or empty).
    """

    name: Slug
    version: Annotated[int, Field(ge=1)]
    title: Label
    sort: Slug
    tags: tuple[Slug, ...]
    asset: Digest
    dataset: Slug
    catalogue: Digest
    method: Method
    question: Digest
    purposes: tuple[Slug, ...]
    price: Previous
    state: Literal["listed", "delisted"]
    goods: Goods
    way: Way
    code: Digest
    algorithm: Previous

    def __post_init__(self) -> None:
        _sorted("tags", self.tags)
        _sorted("purposes", self.purposes)
        if not self.purposes:
            raise DecodeError("a product says for which purposes it is")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a job asks, as far as a product fixes it. Its title, deadline and nonce are its own."""

    dataset: str
    catalogue: str
    method: str
    purpose: str
    where: str
    parameters: Mapping[str, Any]
    rule: str
    min_cell: int

    @property
    def question(self) -> str:
        """SHA-256 of condition, parameters and release rule in canonical JSON."""
        parts = {"where": self.where, "parameters": dict(self.parameters), "rule": self.rule, "min_cell": self.min_cell}
        return hashlib.sha256(canonical(parts).encode()).hexdigest()


def check(product: str, asked: Asked, trust: Trust, *, code: str) -> Product:
    """The product, if it is the authority's, on the list, *asked* is just what it froze, and *code* the digest of its method's source here;
    else `Refused`."""
    document = notes.opened(product, Product, trust)
    if document.state != "listed":
        raise Refused(code="product.frozen", detail="it is not on the list")
    same(document, asked)
    if code != document.code:
        raise Refused(code="product.frozen", detail="another code of its method")
    return document


def same(document: Product, asked: Asked) -> None:
    """Raise `Refused` unless *asked* is just what the product froze."""
    for what in ("dataset", "catalogue", "method", "question"):
        if getattr(asked, what) != getattr(document, what):
            raise Refused(code="product.frozen", detail=f"another {what}")
    if asked.purpose not in document.purposes:
        raise Refused(code="product.frozen", detail="another purpose")


def newer(old: str | None, new: str, trust: Trust) -> Product:
    """The product in *new*, which must have a higher version than *old*, and its name."""
    document = notes.opened(new, Product, trust)
    before = None if old is None else notes.opened(old, Product, trust)
    if before is not None and (before.name != document.name or before.version >= document.version):
        raise IntegrityError(f"version {document.version} of the product {document.name} does not follow the one at hand")
    return document


@wire("keyong/demand/v1")
class Demand:
    """What *buyer* (a verifier key) looks for, until when; signed with that key. Empty *sorts* or *tags* mean any."""

    buyer: str
    title: Label
    sorts: tuple[Slug, ...]
    tags: tuple[Slug, ...]
    purpose: Slug
    until: Seconds

    def __post_init__(self) -> None:
        read_key(self.buyer)
        _sorted("sorts", self.sorts)
        _sorted("tags", self.tags)


def demanded(raw: str | bytes, *, now: int) -> Demand:
    """The demand in *raw*, signed by its buyer and still open."""
    note = notes.read(raw)
    document = note.document(Demand)
    note.require(Trust((read_key(document.buyer),)))
    if now > document.until:
        raise Refused("the demand is no longer open")
    return document


@strict
class Scenario:
    """One demand as it stands on a list of scenarios (应用场景需求清单), by the id of its note."""

    demand: Digest
    buyer: str
    title: Label
    sorts: tuple[Slug, ...]
    tags: tuple[Slug, ...]
    purpose: Slug
    until: Seconds


@wire("keyong/scenarios/v1")
class Scenarios:
    """What is looked for, in the order of titles; signed by the authority. The list ranks nothing."""

    at: Seconds
    scenarios: tuple[Scenario, ...]

    def __post_init__(self) -> None:
        order = [(each.title, each.demand) for each in self.scenarios]
        if order != sorted(set(order)):
            raise DecodeError("scenarios are distinct, in the order of their titles")


def scenarios(demands: Iterable[str], *, now: int) -> Scenarios:
    """The list of what *demands*, signed notes that are open, look for."""
    found = {notes.read(raw).id: demanded(raw, now=now) for raw in demands}
    listed = (Scenario(name, read_key(d.buyer).name, d.title, d.sorts, d.tags, d.purpose, d.until) for name, d in found.items())
    return Scenarios(now, tuple(sorted(listed, key=lambda each: (each.title, each.demand))))


def matching(demand: Demand, products: Iterable[Product]) -> list[Product]:
    """Listed products of a wanted class, with all wanted tags, for the purpose; by name."""
    found = [
        each
        for each in products
        if each.state == "listed"
        and (not demand.sorts or each.sort in demand.sorts)
        and set(demand.tags) <= set(each.tags)
        and demand.purpose in each.purposes
    ]
    return sorted(found, key=lambda each: each.name)


def _sorted(what: str, values: tuple[str, ...]) -> None:
    if list(values) != sorted(set(values)):
        raise DecodeError(f"{what} are sorted and distinct")
