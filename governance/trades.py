"""What happens to a product on its list: ordered by an operator, delivered by a job, inspected by the regulator (订购、交付、监管).

Each document becomes one entry of the coordinator's ledger; listing and delisting are versions of the product itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from governance import notes
from governance.catalogue import Slug
from governance.encoding import wire
from governance.errors import IntegrityError, Refused
from governance.keys import Trust, read_key
from governance.parties import Seconds
from governance.products import Asked, Product, same
from governance.rights import Digest

PRODUCT = {"listed": "product.listed", "delisted": "product.delisted"}  # events by state


@wire("keyong/order/v1")
class Order:
    """An operator's order of the product whose note has the id *product*; signed with the operator's key."""

    operator: str
    product: Digest
    purpose: Slug
    at: Seconds

    def __post_init__(self) -> None:
        read_key(self.operator)


@wire("keyong/delivery/v1")
class Delivery:
    """The word of who ordered that the *job* was what *order* is about; signed with the order's key."""

    order: Digest
    job: Digest
    at: Seconds


@wire("keyong/inspection/v1")
class Inspection:
    """A regulator's finding on a product, an order or a delivery, by the id of its note."""

    subject: Digest
    finding: Literal["passed", "failed"]
    reason: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
    at: Seconds


def ordered(note: notes.Note, product: Product) -> Order:
    """The order in *note*, signed by its operator, of a product that is on the list and for this purpose."""
    order = note.document(Order)
    note.require(Trust((read_key(order.operator),)))
    if product.state != "listed":
        raise Refused(code="product.frozen", detail="it is not on the list")
    if order.purpose not in product.purposes:
        raise Refused(code="product.frozen", detail="another purpose")
    return order


def delivered(note: notes.Note, order: Order, product: Product, asked: Asked, operator: str) -> Delivery:
    """The delivery in *note*, signed by who ordered: a job of the same *operator* that *asked* just what the product froze."""
    delivery = note.document(Delivery)
    note.require(Trust((read_key(order.operator),)))
    if operator != order.operator:
        raise IntegrityError("the job is another operator's than the order")
    same(product, asked)
    if asked.purpose != order.purpose:
        raise Refused(code="product.frozen", detail="another purpose")
    return delivery


def inspected(note: notes.Note, regulator: Trust) -> Inspection:
    """The inspection in *note*, signed by the *regulator*."""
    note.require(regulator)
    return note.document(Inspection)
