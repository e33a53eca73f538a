"""Products listed, ordered, delivered and inspected: each step is an entry of the ledger, and no step is taken by whom it is not for."""

from __future__ import annotations

import json
from dataclasses import replace

import calls
import coordinators
import pytest
from coordinators import AUTHORITY, KEYS, REGULATOR, STRANGER
from trails import Trail

from federated import records, trading
from federated.coordinator import register
from governance import notes
from governance.errors import DecodeError, IntegrityError, Refused, Unavailable, UsageError
from governance.products import Asked, Product
from governance.trades import Delivery, Inspection, Order
from sandbox.job import Job

DAY = 1_764_000_000
OPERATOR = str(KEYS["operator"].public)


def signed(document: object, key=KEYS["operator"]) -> str:
    return str(notes.write(document).signed_by(key))


class Shop(Trail):
    """A trail whose dataset has a product."""

    def __init__(self, path) -> None:
        super().__init__(path)
        job = notes.read(self.job()).document(Job)
        asked = Asked("cohort", job.catalogue, job.method, "research", "", job.parameters, job.rule, job.min_cell)
        self.product = Product("ages", 1, "Ages", "health", (), "ab" * 32, "cohort", job.catalogue, job.method, asked.question,
                               ("research",), self.price, "listed", "statistics", "posted", "cd" * 32, "")  # fmt: skip

    def send(self, document: object, key=KEYS["operator"]) -> str:
        return self.office.publish(signed(document, key))[1]


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.office.journal.close()


@pytest.fixture(scope="module")
def sold(tmp_path_factory):
    """A product that was listed, ordered, delivered, inspected and delisted."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.ids = [shop.publish(shop.product)]
    shop.ids.append(shop.send(Order(OPERATOR, shop.ids[0], "research", DAY)))
    shop.done = shop.run()
    shop.ids.append(shop.send(Delivery(shop.ids[1], shop.done, DAY)))
    shop.ids.append(shop.send(Inspection(shop.ids[2], "passed", "", DAY), REGULATOR))
    shop.ids.append(shop.publish(replace(shop.product, version=2, state="delisted")))
    yield shop
    shop.office.journal.close()


def test_every_change_of_state_has_an_entry(sold):
    rows = trading.rows(sold.read())
    assert [row["event"] for row in rows] == [f"product.{e}" for e in ("listed", "ordered", "delivered", "inspected", "delisted")]
    assert [row["document"] for row in rows] == sold.ids
    assert [row["about"] for row in rows] == ["", *sold.ids[:3], ""]
    assert [row["version"] for row in rows] == [1, 1, 1, 1, 2] and rows[3]["finding"] == "passed"
    entries = sold.read().entries
    assert all((entries[row["entry"]].event, entries[row["entry"]].subject) == (row["event"], row["document"]) for row in rows)


def test_another_machine_reads_the_same_and_the_command_shows_it(sold, tmp_path, capsys):
    file = sold.written(tmp_path)
    elsewhere = [file / "records.json", "--authority", file / "root.note"]
    assert json.loads(calls.keyong(capsys, "records", "trades", *elsewhere, "--json").out) == trading.rows(sold.read())
    assert "product.ordered" in calls.keyong(capsys, "records", "trades", *elsewhere).out
    assert trading.rows(records.read((file / "records.json").read_text(), coordinators.PINNED)) == trading.rows(sold.read())


def test_what_is_there_already_changes_nothing(sold):
    before = sold.read().entries
    for text in [t for _, t in sold.office.documents("order")] + [t for _, t in sold.office.documents("delivery")]:
        sold.office.publish(text)
    assert sold.read().entries == before


def test_an_order_is_for_what_is_listed_by_an_enrolled_operator(shop):
    first = shop.publish(shop.product)
    order = Order(OPERATOR, first, "research", DAY)
    before = shop.read().entries
    for document, key, error, says in [
        (order, KEYS["rival"], IntegrityError, "trusted signatures"),
        (replace(order, operator=str(STRANGER.public)), STRANGER, UsageError, "enrolled operator"),
        (replace(order, operator=str(KEYS["north"].public)), KEYS["north"], UsageError, "enrolled operator"),
        (replace(order, purpose="marketing"), KEYS["operator"], Refused, "another purpose"),
        (replace(order, product="cd" * 32), KEYS["operator"], UsageError, "no such product"),
    ]:
        with pytest.raises(error, match=says):
            shop.send(document, key)
    assert shop.read().entries == before
    second = shop.publish(replace(shop.product, version=2))
    with pytest.raises(Refused, match="another version"):
        shop.send(order)
    gone = shop.publish(replace(shop.product, version=3, state="delisted"))
    for name, says in ((second, "another version"), (gone, "not on the list")):
        with pytest.raises(Refused, match=says):
            shop.send(replace(order, product=name))
    with pytest.raises(IntegrityError):
        shop.office.publish(signed(replace(shop.product, version=4), STRANGER))
    with pytest.raises(IntegrityError, match="does not follow"):
        shop.office.publish(signed(replace(shop.product, version=2, title="Other"), AUTHORITY))


def test_orders_of_a_day_have_a_limit(shop, monkeypatch):
    monkeypatch.setattr(register, "MOST_ORDERS", 1)
    order = Order(OPERATOR, shop.publish(shop.product), "research", DAY)
    shop.send(order)
    with pytest.raises(Unavailable, match="no more orders"):
        shop.send(replace(order, at=DAY + 1))
    shop.floor.wait(86400)
    shop.send(replace(order, at=DAY + 1))


def test_a_delivery_is_the_product_by_a_job_that_was_released(shop):
    order = shop.send(Order(OPERATOR, shop.publish(shop.product), "research", DAY))
    open_job, other = shop.submit(), shop.run("ward == 'a'")
    for document, key, error, says in [
        (Delivery(order, open_job, DAY), KEYS["operator"], UsageError, "released here"),
        (Delivery(order, "cd" * 32, DAY), KEYS["operator"], UsageError, "released here"),
        (Delivery("cd" * 32, other, DAY), KEYS["operator"], UsageError, "known here"),
        (Delivery(order, other, DAY), KEYS["operator"], Refused, "another question"),
    ]:
        with pytest.raises(error, match=says):
            shop.send(document, key)
    done, public = shop.run(), shop.run(purpose="public-interest")
    for document, key, error, says in [
        (Delivery(order, done, DAY), KEYS["rival"], IntegrityError, "trusted signatures"),
        (Delivery(order, public, DAY), KEYS["operator"], Refused, "another purpose"),
    ]:
        with pytest.raises(error, match=says):
            shop.send(document, key)
    rivals = shop.send(Order(str(KEYS["rival"].public), notes.read(signed(shop.product)).id, "research", DAY), KEYS["rival"])
    with pytest.raises(IntegrityError, match="another operator"):
        shop.send(Delivery(rivals, done, DAY), KEYS["rival"])
    shop.send(Delivery(order, done, DAY))
    with pytest.raises(UsageError, match="delivered before"):
        shop.send(Delivery(order, done, DAY + 1))


def test_only_the_regulator_inspects_and_what_is_there(shop):
    product = shop.publish(shop.product)
    with pytest.raises(IntegrityError, match="trusted signatures"):
        shop.send(Inspection(product, "passed", "", DAY), AUTHORITY)
    with pytest.raises(UsageError, match="known here"):
        shop.send(Inspection("cd" * 32, "passed", "", DAY), REGULATOR)
    shop.send(Inspection(product, "failed", "no basis is named", DAY), REGULATOR)
    with pytest.raises(DecodeError):
        notes.read(signed(Inspection(product, "lost", "", DAY), REGULATOR)).document(Inspection)


def test_a_ledger_that_its_owner_wrote_wrongly_is_an_alarm(shop):
    """Somebody who keeps a ledger can write what nobody signed; whoever reads the records finds it."""
    product = shop.publish(shop.product)
    forged = signed(Order(OPERATOR, product, "research", DAY), KEYS["coordinator"])
    with shop.office.journal.transaction() as t:
        t.put_note("order", notes.read(forged).id, forged)
        t.append("product.ordered", notes.read(forged).id)
    with pytest.raises(IntegrityError, match="trusted signatures"):
        trading.rows(shop.read())


@pytest.mark.parametrize("document, says", [
    (Order(str(KEYS["north"].public), "cd" * 32, "research", DAY), "nothing that came before"),
    (Inspection("cd" * 32, "passed", "", DAY), "nothing that came before"),
], ids=["order", "inspection"])  # fmt: skip
def test_what_is_about_nothing_is_an_alarm(shop, document, says):
    text = signed(document, KEYS["north"])
    with shop.office.journal.transaction() as t:
        t.put_note(register.kind_of(notes.read(text)), notes.read(text).id, text)
        t.append("product.ordered", notes.read(text).id)
    with pytest.raises(IntegrityError, match=says):
        trading.rows(shop.read())


def test_the_commands_of_a_trade(tmp_path, capsys):
    with coordinators.coordinator(tmp_path) as place:
        card = tmp_path / "coordinator.json"
        card.write_text(json.dumps({"url": place.server.url, "ca": coordinators.TLS.certificate, "enrolment": "x"}))
        job = notes.read(place.job()).document(Job)
        asked = Asked("cohort", job.catalogue, job.method, "research", "", job.parameters, job.rule, job.min_cell)
        product = signed(Product("ages", 1, "Ages", "health", (), "ab" * 32, "cohort", job.catalogue, job.method, asked.question,
                                 ("research",), "", "listed", "statistics", "posted", "cd" * 32, ""), AUTHORITY)  # fmt: skip
        place.office.publish(product)
        for name, text in (("product.note", product), ("operator.key", None), ("regulator.key", None)):
            key = KEYS["operator"] if name.startswith("operator") else REGULATOR
            (tmp_path / name).write_text(text) if text else key.save(tmp_path / name)
        where = ("--coordinator", card, "--json")
        own = ("--key", tmp_path / "operator.key", *where)

        def product_of(*words, code=0):
            return json.loads(calls.keyong(capsys, "product", *words, code=code).out or "{}")

        order = product_of("order", tmp_path / "product.note", "--purpose", "research", *own)["document"]
        assert [name for name, _ in place.office.documents("order")] == [order]
        calls.keyong(capsys, "product", "order", tmp_path / "product.note", "--purpose", "marketing", *own, code=3)
        calls.keyong(capsys, "product", "deliver", order, "ab" * 32, *own, code=2)
        calls.keyong(capsys, "product", "deliver", "x", "y", *own, code=2)
        inspect = ("inspect", order, "--finding", "passed", "--key", tmp_path / "regulator.key", *where)
        made = product_of(*inspect)["document"]
        assert [name for name, _ in place.office.documents("inspection")] == [made]
        calls.keyong(capsys, "product", "inspect", order, "--finding", "failed", *own, code=4)
