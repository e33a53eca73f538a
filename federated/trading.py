"""What happened to products, as a coordinator's ledger and its documents tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from federated.coordinator.register import asked_by
from federated.records import Records
from governance import notes, trades
from governance.errors import IntegrityError
from governance.keys import Trust
from governance.notes import Note
from governance.products import Product
from governance.trades import Delivery, Inspection, Order

ABOUT: Mapping[type, str] = {Product: "", Order: "product", Delivery: "order", Inspection: "subject"}  # the field with an id


def rows(records: Records) -> list[dict[str, Any]]:
    """A row for each time that a product was listed, delisted, ordered, delivered or inspected.

    Raises
    ------
    IntegrityError
        A document is not signed by whom it must be, or is about nothing that came before it.
    """
    signed = {note.id: note for text in records.export.documents if "\n\n" in text for note in [notes.read(text)]}
    products: dict[str, Product] = {}  # by the id of each document about them
    made = []
    for index, entry in enumerate(records.entries):
        if not entry.event.startswith("product."):
            continue
        note = signed[entry.subject]
        document: Any = note.document(*ABOUT)
        about = getattr(document, ABOUT[type(document)], "")
        if about and about not in products:
            raise IntegrityError(f"entry {index} is about nothing that came before it")
        _check(note, document, records, signed)
        product = products[note.id] = products[about] if about else document
        made.append({"entry": index, "at": entry.at, "event": entry.event, "product": product.name, "version": product.version,
                     "document": note.id, "about": about, "finding": getattr(document, "finding", "")})  # fmt: skip
    return made


def _check(note: Note, document: Any, records: Records, signed: Mapping[str, Note]) -> None:
    """Raise unless *note* is signed by whom it must be. The authority's signature under products was looked at when they were read."""
    if isinstance(document, Order):
        party = records.parties.get(document.operator)
        if party is None or party.role != "operator":
            raise IntegrityError("an order is by no operator")
        note.require(Trust((party.key,)))
    elif isinstance(document, Delivery):
        job = next((r.job for r in records.jobs if r.id == document.job and r.released), None)
        if job is None:
            raise IntegrityError("a delivery is by no job that was released")
        order = signed[document.order].document(Order)
        trades.delivered(note, order, signed[order.product].document(Product), asked_by(job), job.operator)
    elif isinstance(document, Inspection):
        note.require_any(*(v.root.trust("regulator") for v in records.roots.versions if "regulator" in v.root.roles))
