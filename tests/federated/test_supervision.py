"""Incidents and complaints: what is missing stops a step, what is late is found, and what was taken cannot be dropped unseen."""

from __future__ import annotations

import json
from dataclasses import replace

import calls
import coordinators
import pytest
from coordinators import AUTHORITY, KEYS
from trails import Trail

from federated import audit, records
from federated.authority import Authority
from federated.coordinator import office
from federated.transport import Link
from governance import complaints, incidents, notes
from governance.complaints import Answer, Complaint, Receipt
from governance.errors import DecodeError, IntegrityError, KeyongError, LicenceRefused, Unavailable, UsageError
from governance.incidents import GRAVE, HOUR, USUAL, Incident
from governance.keys import SigningKey, Trust

DAY = 86_400
TOLD = {"harm": "names of 3 tables", "measures": "licence suspended", "contact": "office@example.org"}
TEXT = "某医院的研究问题指向个人 – one person is asked about"


@pytest.fixture
def trail(tmp_path):
    made = Trail(tmp_path)
    yield made
    made.office.journal.close()


def incident(trail: Trail, version: int, state: str, **more: object) -> Incident:
    blank = {"known": int(trail.floor.start), "grave": False, "harm": "", "measures": "", "contact": "", "licences": ()}
    return Incident("leak", version, state, **{**blank, **more})


def rules(trail: Trail, later: int = 0) -> list[str]:
    return [f.rule for f in audit.audit(trail.read(), now=int(trail.floor.clock()) + later)]


# --- incidents


@pytest.mark.parametrize("state", ["notified", "closed"])
@pytest.mark.parametrize("missing", TOLD)
def test_an_incident_is_not_closed_without_all_three_contents(trail, state, missing):
    with pytest.raises(DecodeError, match=f"missing: {missing}"):
        incident(trail, 3, state, **{**TOLD, missing: "  "})


def test_an_incident_goes_its_way_one_step_after_the_other_and_every_version_stays(trail):
    trail.publish(incident(trail, 1, "open"))
    for wrong in (incident(trail, 2, "notified", **TOLD), incident(trail, 3, "contained"), incident(trail, 2, "contained", known=1),
                  incident(trail, 1, "open", harm="else")):  # fmt: skip
        with pytest.raises(UsageError):
            trail.publish(wrong)
    trail.publish(incident(trail, 2, "contained", grave=True, licences=("ab" * 32,)))
    for wrong in (incident(trail, 3, "contained"), incident(trail, 3, "contained", grave=True)):  # less grave; a licence less
        with pytest.raises(UsageError):
            trail.publish(wrong)
    for version, state in enumerate(("contained", "notified", "notified", "closed"), 3):
        trail.publish(incident(trail, version, state, grave=True, licences=("ab" * 32,), **TOLD))
    with pytest.raises(UsageError):
        trail.publish(incident(trail, 7, "closed", grave=True, licences=("ab" * 32,), **TOLD))
    assert sorted(x.version for x in trail.read().incidents.values()) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(UsageError):
        incidents.follow(None, incident(trail, 1, "contained"))


def test_telling_too_late_is_an_alarm_that_stays(trail):
    trail.publish(incident(trail, 1, "open"))
    assert "incident.overdue" not in rules(trail, USUAL)
    assert "incident.overdue" in rules(trail, USUAL + 60)
    trail.publish(incident(trail, 2, "contained", grave=True))
    assert "incident.overdue" in rules(trail, GRAVE + 60)
    trail.floor.late += GRAVE + HOUR
    trail.publish(incident(trail, 3, "notified", grave=True, **TOLD))
    assert "incident.overdue" in rules(trail)


def test_what_was_told_in_time_is_no_alarm(trail):
    trail.publish(incident(trail, 1, "open"))
    trail.publish(incident(trail, 2, "contained"))
    trail.publish(incident(trail, 3, "notified", **TOLD))
    assert "incident.overdue" not in rules(trail, USUAL + 60)


# --- complaints


def test_only_the_authority_reads_a_complaint_and_each_of_its_keys_does():
    keys = [SigningKey.generate("one"), SigningKey.generate("two")]
    note = complaints.write(TEXT, Trust(tuple(k.public for k in keys), 2), now=1)
    made = note.document(Complaint)
    assert [complaints.opened(made, key) for key in keys] == [TEXT, TEXT] and TEXT not in str(note)
    with pytest.raises(DecodeError):
        complaints.opened(made, SigningKey("one", keys[1].private))
    with pytest.raises(UsageError, match="not sealed to"):
        complaints.opened(made, SigningKey.generate("three"))
    sizes = {
        len(box)
        for text in ("a", "b" * 1000)
        for box in complaints.write(text, coordinators.TRUST, now=1).document(Complaint).boxes.values()
    }
    assert len(sizes) == 1
    for text in ("", "a" * (complaints.LONGEST + 1)):
        with pytest.raises(UsageError):
            complaints.write(text, coordinators.TRUST, now=1)


def test_a_complaint_has_a_receipt_and_cannot_be_dropped(trail):
    note = complaints.write(TEXT, coordinators.TRUST, now=1)
    text = trail.office.complain(str(note))
    assert trail.office.complain(str(note)) == text
    receipt = complaints.received(text, KEYS["coordinator"].public, note.id)
    found = trail.read()
    complaints.check(receipt, found.entries)
    assert complaints.opened(found.complaints[note.id], AUTHORITY) == TEXT
    with pytest.raises(IntegrityError, match="another complaint"):
        complaints.received(text, KEYS["coordinator"].public, "00" * 32)
    with pytest.raises(IntegrityError):
        complaints.received(text, KEYS["operator"].public, note.id)
    for entries in (found.entries[: receipt.index], found.entries[: receipt.index - 1] + found.entries[receipt.index - 2 :]):
        with pytest.raises(IntegrityError, match="is not the complaint"):
            complaints.check(receipt, entries)
    export = trail.export()
    with pytest.raises(IntegrityError, match=r"complaint\.received, is missing"):
        records.of(replace(export, documents=tuple(d for d in export.documents if d != str(note))), coordinators.PINNED)


def test_a_complaint_that_waits_for_its_answer_is_found(trail):
    note = complaints.write(TEXT, coordinators.TRUST, now=1)
    trail.office.complain(str(note))
    late = complaints.ANSWERED_WITHIN + 60
    assert "complaint.overdue" not in rules(trail) and "complaint.overdue" in rules(trail, late)
    trail.publish(Answer(note.id, "the question was checked"))
    assert "complaint.overdue" not in rules(trail, late)
    with pytest.raises(UsageError, match="answered before"):
        trail.publish(Answer(note.id, "something else"))


def test_anybody_can_complain_but_not_without_end(trail, monkeypatch):
    monkeypatch.setattr(office, "MOST_COMPLAINTS", 2)
    for _ in range(2):
        trail.office.complain(str(complaints.write(TEXT, coordinators.TRUST, now=1)))
    with pytest.raises(Unavailable, match="today"):
        trail.office.complain(str(complaints.write(TEXT, coordinators.TRUST, now=1)))
    trail.floor.late += DAY
    trail.office.complain(str(complaints.write(TEXT, coordinators.TRUST, now=1)))
    with pytest.raises(KeyongError):
        trail.office.complain(coordinators.dataset())


# --- by commands, over the wire


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with coordinators.coordinator(tmp_path_factory.mktemp("coordinator")) as running:
        yield running


@pytest.fixture(scope="module")
def desk(place, tmp_path_factory):
    """The authority's folder, the coordinator's card, and a letter."""
    home = tmp_path_factory.mktemp("authority")
    AUTHORITY.save(home / "authority.key")
    (home / "root.note").write_text(coordinators.ROOTS.texts[0])
    card = {
        "url": place.server.url,
        "ca": coordinators.TLS.certificate,
        "enrolment": dict(place.office.documents("enrolment"))["coordinator"],
    }
    (home / "card.json").write_text(json.dumps(card))
    (home / "letter.txt").write_text(TEXT)
    authority = Authority.open(home)
    authority.keep(place.dataset)
    (home / "assets").mkdir()
    (home / "assets" / "cohort-asset.chain").write_text(coordinators.asset())
    for _ in range(2):  # the place has published its own first list
        authority.revocations()
    return home


def exported(place, home):
    with place.office.journal.view() as t:
        (home / "records.json").write_text(records.write(records.export(t, str(KEYS["coordinator"].public), coordinators.ROOTS)))


def test_a_complaint_from_the_letter_to_the_answer(place, desk, capsys):
    sent = ["--coordinator", desk / "card.json"]
    trust = ["--authority", desk / "root.note"]
    made = calls.keyong(capsys, "complaint", "file", desk / "letter.txt", *sent, *trust, "--out", desk / "receipt", "--json").out
    name = json.loads(made)["complaint"]
    exported(place, desk)
    answering = ["--text", "it was checked", "--home", desk, *sent, "--records", desk / "records.json"]
    for start in ("", "no", name[:12] + "0" * 52):
        told = calls.keyong(capsys, "complaint", "answer", start, *answering, "--json", code=2)
        assert "complaints in" in told.out and "start with" in told.out
    calls.keyong(capsys, "complaint", "answer", name[:12], *answering)
    exported(place, desk)
    assert "it was checked" in calls.keyong(capsys, "complaint", "check", desk / "receipt", desk / "records.json", *trust).out
    assert TEXT in calls.keyong(capsys, "complaint", "show", desk / "records.json", "--home", desk).out
    receipt = notes.read((desk / "receipt").read_text()).document(Receipt)
    wrong = notes.write(replace(receipt, index=receipt.index - 1)).signed_by(KEYS["coordinator"])
    (desk / "wrong").write_text(str(wrong))
    calls.keyong(capsys, "complaint", "check", desk / "wrong", desk / "records.json", *trust, code=4)


def test_an_incident_suspends_its_licence_at_once_and_needs_its_contents(place, desk, capsys):
    sent = ["--home", desk, "--coordinator", desk / "card.json"]
    assert "tell those concerned by" in calls.keyong(capsys, "incident", "open", "leak", "--grave", *sent).out
    text = place.job()
    calls.keyong(capsys, "incident", "contain", "leak", "--licence", place.licence.id, *sent)
    with Link(place.server.url, coordinators.TLS.certificate, KEYS["operator"]) as link, pytest.raises(LicenceRefused) as refusal:
        link.submit(text)
    assert refusal.value.code == "licence.revoked"
    assert "missing: harm, measures, contact" in calls.keyong(capsys, "incident", "notify", "leak", *sent, code=2).err
    early = calls.keyong(capsys, "incident", "close", "leak", *sent, code=2).err
    assert "an incident is closed only with all three contents, which keyong incident notify gives" in early
    assert "Value error" not in early
    contents = [part for name, value in TOLD.items() for part in (f"--{name}", value)]
    calls.keyong(capsys, "incident", "notify", "leak", *contents, *sent)
    assert "is closed" in calls.keyong(capsys, "incident", "close", "leak", *sent).out
    assert "closed" in calls.keyong(capsys, "incident", "list", "--home", desk).out
    price = ["--unit", "call", "--fen", 1000, "--highest", 2000, "--ceiling", 10**6, *sent]
    assert "is published" in calls.keyong(capsys, "authority", "price", "cohort", *price).out
    assert "above the highest" in calls.keyong(capsys, "authority", "price", "cohort", *price, "--fen", 3000, code=2).err
