"""A pack for an appraiser is the ledger's figures and the holders' word; a valuation is an appraiser's alone, and of one pack."""

from __future__ import annotations

import json
from dataclasses import replace

import calls
import coordinators
import pytest
from coordinators import APPRAISER, AUTHORITY, KEYS, STRANGER
from trails import DATASET, Trail

from federated import records, valuing
from federated.coordinator import folder
from governance import chains, notes, quality, registration
from governance.errors import DecodeError, IntegrityError, PeerError, Refused, UsageError
from governance.quality import DIMENSIONS, Part, Report, indicator
from governance.registration import Asset, Grade, Manifest
from governance.valuation import Use, Valuation, appraised
from governance.views import dataspace

DAY = 1_764_000_000
SCHEMA = registration.digest(DATASET.schema)
MANIFEST = Manifest("Ages", "health", str(KEYS["north"].public), "Desk", ("hold",), ("an order",), "cohort", SCHEMA, (Grade("age", 3),), "", "",
                    "", 0, 2**33, "100-to-999", "conditional-paid")  # fmt: skip
PARTS = tuple(Part(name, (indicator("in its bounds", passed=960, checked=1000),)) for name, _ in DIMENSIONS)
REPORT = Report("cohort", SCHEMA, "ef" * 32, "", DAY, PARTS)
TRUST = coordinators.ROOT.trust("appraiser")


def chain(*steps: str) -> str:
    """An asset's chain of links."""
    links: list[notes.Note] = []
    for step in steps:
        reason = "closed" if step == "cancel" else ""
        asset = Asset("ages", step, links[-1].id if links else "", DAY, MANIFEST, "", reason)
        links.append(notes.write(asset).signed_by(AUTHORITY, *([KEYS["north"]] if step == "apply" else [])))
    return chains.write(links)


def report(holder: str = "north", made: Report = REPORT) -> str:
    return str(notes.write(made).signed_by(KEYS[holder]))


def signed(document: object, key=KEYS["coordinator"]) -> str:
    return str(notes.write(document).signed_by(key))


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    made = Trail(tmp_path_factory.mktemp("coordinator"))
    made.run("ward == 'a'")
    made.run(purpose="public-interest")
    yield made
    made.office.journal.close()


@pytest.fixture(scope="module")
def pack(trail):
    return valuing.pack(chain("apply", "register"), trail.read(), [report("north"), report("east")], now=DAY)


def test_a_pack_is_the_ledgers_figures_on_any_machine(trail, pack, tmp_path):
    assert (pack.use.releases, pack.use.questions, pack.use.operators, pack.use.fen) == (2, 2, 1, 1001)
    there = records.read((trail.written(tmp_path) / "records.json").read_text(), coordinators.PINNED)
    assert valuing.check(signed(pack), there) == pack
    more = replace(pack, use=replace(pack.use, releases=3))
    with pytest.raises(IntegrityError, match="figures are not those"):
        valuing.check(signed(more), there)
    with pytest.raises(UsageError, match="goes up to"):
        valuing.check(signed(replace(pack, use=replace(pack.use, size=10**6))), there)
    with pytest.raises(IntegrityError, match="trusted signatures"):
        valuing.check(signed(pack, KEYS["operator"]), there)


@pytest.mark.parametrize("text, says", [
    (report("operator"), "no holder"), (report("other"), "no holder"), (report(made=replace(REPORT, schema="12" * 32)), "other columns"),
    (report(made=replace(REPORT, dataset="lung")), "another dataset"),
], ids=["operator", "other-holder", "columns", "dataset"])  # fmt: skip
def test_a_report_in_a_pack_is_a_holders_and_on_its_data(trail, pack, text, says):
    with pytest.raises(IntegrityError, match=says):
        valuing.check(signed(replace(pack, quality=(text,))), trail.read())


def test_a_pack_is_on_what_is_registered(trail):
    for steps in (("apply",), ("apply", "register", "cancel")):
        with pytest.raises(UsageError, match="not registered now"):
            valuing.pack(chain(*steps), trail.read(), [], now=DAY)
    with pytest.raises(DecodeError):
        Use(1, "ab" * 32, 1, 1, 1, 5, 0, {"North": 4})
    assert quality.opened(report(), KEYS["north"].public, schema=SCHEMA) == REPORT


def test_a_valuation_is_an_appraisers_of_this_pack_and_for_a_time(pack):
    note = notes.read(signed(pack))
    made = Valuation(pack.asset, note.id, "income", 100, 200, "licensing", DAY, DAY + 10)
    assert appraised(signed(made, APPRAISER), note, TRUST, now=DAY + 5) == made
    for other, key, error, says in [
        (made, STRANGER, IntegrityError, "trusted signatures"), (made, AUTHORITY, IntegrityError, "trusted signatures"),
        (replace(made, pack="cd" * 32), APPRAISER, IntegrityError, "another pack"),
        (replace(made, asset="cd" * 32), APPRAISER, IntegrityError, "another pack"),
        (replace(made, until=DAY + 1), APPRAISER, Refused, "does not hold"),
    ]:  # fmt: skip
        with pytest.raises(error, match=says):
            appraised(signed(other, key), note, TRUST, now=DAY + 5)
    for wrong in ({"low": 300}, {"until": DAY}):
        with pytest.raises(DecodeError):
            replace(made, **wrong)


def test_an_offer_names_a_valuation_and_an_agreement_keeps_it(pack):
    registered = registration.opened(chain("apply", "register"), coordinators.TRUST)
    value = notes.read(signed(Valuation(pack.asset, "cd" * 32, "cost", 1, 2, "licensing", DAY, DAY + 10), APPRAISER)).id
    offered = dataspace.offer(registered, valuation=value)
    named = {"leftOperand": "valuation", "operator": "eq", "rightOperand": value}
    talk = dataspace.Negotiation("urn:consumer", "urn:provider")
    talk = talk.receive(talk.counter(offered), "provider")
    talk = talk.receive(talk.accept(), "consumer")
    agreed = talk.agree(identity="urn:agreement", assigner="urn:provider", assignee="urn:consumer", at=DAY)
    assert named in talk.receive(agreed, "provider").agreed["permission"][0]["constraint"]
    other = dataspace.offer(registered, valuation="cd" * 32)["permission"]
    with pytest.raises(PeerError, match="last offer"):
        talk.receive({**agreed, "agreement": {**agreed["agreement"], "permission": other}}, "provider")


def test_the_commands(tmp_path, capsys):
    trail = Trail(tmp_path)
    trail.run("ward == 'a'")
    trail.run(purpose="public-interest")
    file = trail.written(tmp_path)
    trail.office.journal.close()
    KEYS["coordinator"].save(tmp_path / folder.KEY)
    (tmp_path / folder.TRUST).write_text(json.dumps({"roots": coordinators.ROOTS.texts, "database": None}))
    (tmp_path / folder.CARD).write_text("{}")
    (tmp_path / "ages.chain").write_text(chain("apply", "register"))
    (tmp_path / "quality.note").write_text(report())
    made = ("ages.chain", "--home", tmp_path, "--quality", tmp_path / "quality.note", "--out", tmp_path / "pack.note")
    calls.keyong(capsys, "settle", "pack", tmp_path / made[0], *made[1:])
    calls.keyong(capsys, "settle", "pack", tmp_path / "root.note", *made[1:], code=2)
    APPRAISER.save(tmp_path / "appraiser.key")
    words = ["--approach", "income", "--low", 90000, "--high", 120000, "--purpose", "Licensing", "--key", tmp_path / "appraiser.key"]
    told = calls.keyong(capsys, "settle", "appraise", tmp_path / "pack.note", *words, "--out", tmp_path / "value.note").out
    assert notes.read((tmp_path / "value.note").read_text()).id[:12] in told
    elsewhere = [tmp_path / "pack.note", file / "records.json", "--authority", file / "root.note"]
    shown = calls.keyong(capsys, "settle", "valuation", *elsewhere, "--valuation", tmp_path / "value.note").out
    assert shown == "cohort: 2 releases, 2 questions, 10.01 yuan charged\nvalued at 900.00 to 1200.00 yuan, by income\n"
    told = json.loads(calls.keyong(capsys, "settle", "valuation", *elsewhere, "--json").out)
    assert told["valuation"] is None and told["use"]["fen"] == 1001
    words[3] = 120001
    calls.keyong(capsys, "settle", "appraise", tmp_path / "pack.note", *words, "--out", tmp_path / "wrong.note", code=2)
