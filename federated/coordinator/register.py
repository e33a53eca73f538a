"""The coordinator's copy of the register: each link of an asset's or a certificate's chain, each version of a product, and each order,
delivery and inspection, kept in order, one ledger entry for each."""

from __future__ import annotations

from typing import Any

from federated.coordinator.published import held
from governance import certificates, notes, products, registration, trades
from governance.certificates import Certificate
from governance.chains import read, write
from governance.errors import Refused, Unavailable, UsageError
from governance.journal import Transaction, View
from governance.keys import Trust
from governance.parties import read_enrolment
from governance.products import Asked, Product
from governance.registration import LIVE, Asset
from governance.roots import Chain
from governance.trades import Delivery, Inspection, Order
from sandbox.job import Job

LINKS: dict[str, type[Any]] = {"asset": Asset, "certificate": Certificate}
TRADES: dict[str, type[Any]] = {"product": Product, "order": Order, "delivery": Delivery, "inspection": Inspection}
LISTING = "listing"  # a version of a product by its id; the newest is kept by its name
DAY, MOST_ORDERS = 86400, 1000  # of one operator in a day


def of(t: View, dataset: str) -> str:
    """The chain under which *dataset* was registered last; empty where it never was."""
    return t.note("asset", t.get(f"asset of {dataset}") or "") or ""


def kind_of(note: notes.Note) -> str:
    """``asset``, ``certificate``, ``product``, ``order``, ``delivery``, ``inspection``, or empty for another document."""
    return next((kind for kind, cls in {**LINKS, **TRADES}.items() if note.holds(cls)), "")


def keep(t: Transaction, note: notes.Note, roots: Chain, *, now: int) -> None:
    """Put *note* at the end of its chain, or on the list. What may not come next is refused; what is there changes
    nothing, but that more may sign it: keys change.
    """
    kind = kind_of(note)
    if kind in TRADES:
        _keep_trade(t, kind, note, roots, now)
        return
    trust = roots.trust
    note.require(trust)  # before a whole chain is verified for a stranger
    document = note.document(*(LINKS.values()))
    name: str = document.name
    old = t.note(kind, name)
    if old is not None and note.id in [link.id for link in read(old)]:
        renewed = [link.joined(note.only(*trust.keys)) if link.id == note.id else link for link in read(old)]
        _put(t, kind, name, write(renewed))
        return
    link, event = (_asset if kind == "asset" else _certificate)(old, note, trust)
    _put(t, kind, name, (old or "") + str(link))
    t.append(event, link.id)
    if kind == "asset" and document.step in LIVE:
        t.put(f"asset of {document.manifest.dataset}", name)


def _put(t: Transaction, kind: str, name: str, chain: str) -> None:
    read(chain)  # nothing is kept that cannot be read back
    t.put_note(kind, name, chain, replace=True)


def counted(t: Transaction, what: str, most: int, *, now: int) -> bool:
    """Count one more of what anybody can make, unless there were *most* of it today."""
    day, count = (int(part) for part in (t.get(f"today {what}") or "0 0").split())
    today = now // DAY
    count = count + 1 if day == today else 1
    if count <= most:
        t.put(f"today {what}", f"{today} {count}")
    return count <= most


def _asset(old: str | None, note: notes.Note, trust: Trust) -> tuple[notes.Note, str]:
    chain = registration.follow(old, note, trust)
    before = chain.assets[-2] if len(chain.assets) > 1 else None
    return note.only(*trust.keys, *registration.signers(before, chain.now)), registration.EVENTS[chain.now.step]


def _certificate(old: str | None, note: notes.Note, trust: Trust) -> tuple[notes.Note, str]:
    chain = certificates.follow(old, note, trust)
    before = chain.documents[-2] if len(chain.documents) > 1 else None
    return note.only(*trust.keys, *certificates.signers(before, chain.now)), certificates.EVENTS[chain.now.step]


# --- products, and what happens to them


def _keep_trade(t: Transaction, kind: str, note: notes.Note, roots: Chain, now: int) -> None:
    place = LISTING if kind == "product" else kind
    if t.note(place, note.id) is not None:
        return
    event = {"product": _product, "order": _order, "delivery": _delivery, "inspection": _inspection}[kind](t, note, roots, now)
    t.put_note(place, note.id, str(note))
    t.append(event, note.id)


def _product(t: Transaction, note: notes.Note, roots: Chain, _now: int) -> str:
    name = note.document(Product).name
    document = products.newer(t.note("product", name), str(note), roots.trust)
    t.put_note("product", name, str(note), replace=True)
    return trades.PRODUCT[document.state]


def _order(t: Transaction, note: notes.Note, roots: Chain, now: int) -> str:
    asked = note.document(Order)
    product = _listing(t, asked.product)
    if notes.read(held(t.note("product", product.name))).id != asked.product:
        raise Refused(code="product.frozen", detail="another version")
    order = trades.ordered(note, product)
    operators = {str(p.key) for p in (read_enrolment(text, roots.trust) for _, text in t.notes("enrolment")) if p.role == "operator"}
    if order.operator not in operators:
        raise UsageError("an order is by an enrolled operator")
    if not counted(t, f"orders {order.operator}", MOST_ORDERS, now=now):
        raise Unavailable("no more orders are taken today", retry_after=3600)
    return "product.ordered"


def _delivery(t: Transaction, note: notes.Note, _roots: Chain, _now: int) -> str:
    delivery = note.document(Delivery)
    text, job_text = t.note("order", delivery.order), t.note("job", delivery.job)
    if text is None or job_text is None or t.note("release", delivery.job) is None:
        raise UsageError("a delivery is of an order that is known here, by a job that was released here")
    if any(notes.read(other).document(Delivery).order == delivery.order for _, other in t.notes("delivery")):
        raise UsageError("the order was delivered before")
    order, job = notes.read(text).document(Order), notes.read(job_text).document(Job)
    trades.delivered(note, order, _listing(t, order.product), asked_by(job), job.operator)
    return "product.delivered"


def _inspection(t: Transaction, note: notes.Note, roots: Chain, _now: int) -> str:
    inspection = trades.inspected(note, roots.newest.root.trust("regulator"))
    if all(t.note(kind, inspection.subject) is None for kind in (LISTING, "order", "delivery")):
        raise UsageError("an inspection is of a product, an order or a delivery that is known here")
    return "product.inspected"


def _listing(t: View, name: str) -> Product:
    text = t.note(LISTING, name)
    if text is None:
        raise UsageError("there is no such product on the list here")
    return notes.read(text).document(Product)


def asked_by(job: Job) -> Asked:
    """What a job asks, as far as a product fixes it."""
    return Asked(job.dataset, job.catalogue, job.method, job.purpose, job.where, job.parameters, job.rule, job.min_cell)
