"""What strangers, single officers and a coordinator after its alarm can do at the coordinator's door: nothing that lasts."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import threading
from dataclasses import replace

import coordinators
import pytest
from coordinators import AUTHORITY, KEYS, ROOTS, ROSTER, STRANGER
from nacl import bindings
from offices import Floor, Nodes

from federated import accounts
from federated.cli import in_json
from federated.coordinator import published
from federated.coordinator.office import Office
from federated.coordinator.web import access
from federated.verify import Bundle, verify
from governance import complaints, notes, roots
from governance.complaints import Complaint
from governance.encoding import build
from governance.errors import DecodeError, IntegrityError, KeyongError, Refused, UsageError
from governance.journal import Journal
from governance.keys import SigningKey, Trust
from governance.licences import Revocations
from governance.notes import Signature
from governance.parties import Invitation, enrol
from governance.roots import NEEDED, Role, Root
from sandbox import machine
from sandbox.messages import Ended, Refusal


@pytest.fixture
def floor(tmp_path):
    made = Floor(tmp_path)
    yield made
    made.office.journal.close()


def following(office: Office, *keys: SigningKey, by: tuple[SigningKey, ...], **more: object) -> str:
    """The key root's next version, with *keys* in the roles that must be filled."""
    roles = {**office.roots.newest.root.roles, **dict.fromkeys(NEEDED, Role(tuple(str(key.public) for key in keys), 1))}
    return str(notes.write(office.roots.newest.next(roles=roles, **more)).signed_by(*by))


# --- lines under documents


def other_lines(key: SigningKey, text: str, count: int) -> tuple[Signature, ...]:
    """Signatures of *text* by *key*, each another one; its suite draws a number for each."""
    return notes.Note(text).signed_by(*[key] * count).signatures


def another_line(key: SigningKey, text: str) -> Signature:
    """A valid signature by an Ed25519 key that is not the one of RFC 8032: the owner may draw the nonce, and no verifier can tell."""
    digest = hashlib.sha512(key.private).digest()
    secret = bytes([digest[0] & 248, *digest[1:31], digest[31] & 127 | 64])
    scalar = bindings.crypto_core_ed25519_scalar_reduce(secret + bytes(32))
    nonce = bindings.crypto_core_ed25519_scalar_reduce(secrets.token_bytes(64))
    point = bindings.crypto_scalarmult_ed25519_base_noclamp(nonce)
    challenge = bindings.crypto_core_ed25519_scalar_reduce(hashlib.sha512(point + key.public.public + text.encode()).digest())
    answer = bindings.crypto_core_ed25519_scalar_add(nonce, bindings.crypto_core_ed25519_scalar_mul(challenge, scalar))
    key.public.verify(point + answer, text.encode())
    return Signature(key.name, key.public.id, point + answer)


@pytest.mark.parametrize("suite", ["sm2-sm3", "ml-dsa-44"])
def test_an_officer_who_signs_again_changes_nothing(tmp_path, suite):
    officer, key = SigningKey.generate("officer", suite), KEYS["coordinator"]
    root = Root(1, (), dict.fromkeys(NEEDED, Role((str(officer.public),), 1)), ("ed25519", suite), (), 2**34)
    office = Office(Journal.create(tmp_path / "j.db", key), key, roots.read([str(notes.write(root).signed_by(officer))]))
    listed = notes.write(notes.read(coordinators.revocations()).document(Revocations))
    first = str(listed.signed_by(officer))
    office.publish(first)
    with office.journal.view() as t:
        kept = t.note("revocations", "current")
    office.publish(str(replace(listed, signatures=other_lines(officer, listed.text, 128))))
    with office.journal.view() as t:
        assert t.note("revocations", "current") == kept == first
    office.journal.close()
    Office(Journal.open(tmp_path / "j.db", key), key, office.roots).journal.close()


def test_a_bundle_verifies_whatever_lines_its_operator_adds_to_its_plan(floor):
    """A second line by one key made every bundle of the past fail."""
    job = floor.submit()
    Nodes(floor, job).run()
    plan = coordinators.plan()
    authority = tuple(line for line in plan.signatures if line.name != "operator")
    floor.office.publish(str(replace(plan, signatures=(*authority, another_line(KEYS["operator"], plan.text)))))
    verify(Bundle.of(floor.bundle(job)), coordinators.PINNED)


@pytest.mark.parametrize("kind, limit", published.LIMITS.items(), ids=published.LIMITS)
def test_nothing_is_kept_that_cannot_be_read_back(floor, kind, limit):
    note = floor.licence if kind == "licence" else coordinators.plan()
    document = note.document(published.PUBLISHED[kind])
    lines = tuple(Signature(f"officer-{n}", bytes(4), bytes(limit // 100)) for n in range(100))
    with floor.office.journal.transaction() as t:
        before = t.note(kind, note.id)
        with pytest.raises(DecodeError, match="larger than"):
            published.keep(t, kind, document, replace(note, signatures=(*note.signatures, *lines)), ROOTS)
        assert t.note(kind, note.id) == before


# --- keys that are exchanged


def newcomer(floor: Floor, by: SigningKey) -> str:
    """An open job of an operator whom *by* let in."""
    key, once = KEYS["operator"], SigningKey.generate("x")
    with floor.office.journal.transaction() as t:
        invitation = notes.write(Invitation("operator", "House of operator", "operator", str(once.public), 2**34)).signed_by(by)
        t.put_note("enrolment", "operator", str(enrol(str(invitation), once, key)), replace=True)
    floor.restart()
    return floor.submit()


def test_the_jobs_of_a_party_that_is_out_end_and_the_clockwork_goes_on(floor):
    second = SigningKey.generate("authority-2")
    floor.office.publish(following(floor.office, AUTHORITY, second, by=(AUTHORITY, second)))
    job = newcomer(floor, second)
    floor.office.publish(following(floor.office, AUTHORITY, by=(AUTHORITY,), withdrawn=(str(second.public),)))
    status = floor.office.status(job)
    assert (status.phase, status.code) == ("refused", "party.out")
    floor.office.tick()
    floor.office.publish(coordinators.revocations(2, floor.licence.id))
    with pytest.raises(Refused):
        floor.office._party("operator")


@pytest.mark.parametrize("who", ["operator", "coordinator", "north"])
def test_a_list_ends_each_job_by_itself_whatever_is_wrong_with_another(floor, who):
    job, other = floor.submit(), floor.submit()
    floor.office._parties = {name: party for name, party in floor.office._parties.items() if name != who}
    floor.office.publish(coordinators.revocations(2, floor.licence.id))
    assert [floor.office.status(each).ended for each in (job, other)] == [True, True]
    floor.office.tick()


def test_an_acceptance_by_the_last_holder_ends_the_job_of_a_party_that_is_out(floor):
    job = floor.submit()
    nodes = Nodes(floor, job)
    floor.office._parties.pop("operator")
    nodes.turn()
    assert floor.office.status(job).code == "party.out"
    floor.office.tick()


def test_a_licence_that_was_not_signed_again_is_left_out_and_named_in_the_log(floor, caplog):
    rival, new = coordinators.licence("rival"), SigningKey.generate("authority-2")
    floor.office.publish(str(coordinators.plan("rival")))
    floor.office.publish(str(rival))
    parties = floor.office.parties()
    floor.office.publish(following(floor.office, new, by=(AUTHORITY, new)))
    floor.office.publish(str(floor.licence.signed_by(new)))
    with caplog.at_level(logging.WARNING):
        for name in ("operator", "north"):
            assert [name for name, _ in access.documents(floor.office, parties[name], "licence")] == [floor.licence.id]
        assert access.documents(floor.office, parties["rival"], "licence") == []
    assert rival.id in caplog.text


# --- size


def test_a_version_that_is_too_large_or_by_strangers_is_not_parsed(floor, monkeypatch):
    parsed = []
    document = notes.Note.document
    monkeypatch.setattr(notes.Note, "document", lambda self, *classes: parsed.append(classes) or document(self, *classes))
    body = notes.write(ROOTS.newest.root).text
    for note, says in [
        (notes.Note(body.rstrip("\n") + " " * roots.LIMIT + "\n").signed_by(AUTHORITY), "larger than"),
        (notes.Note("keyong/root/v1\n[" + "{}," * 1000 + "{}]\n").signed_by(STRANGER), "trusted signatures"),
    ]:
        with pytest.raises(KeyongError, match=says):
            floor.office.publish(str(note))
    assert parsed == []


# --- after an alarm


@pytest.mark.parametrize("ask", [
    lambda floor, job: floor.office.complain(str(complaints.write("x", coordinators.TRUST, now=1))),
    lambda floor, job: floor.office.publish(coordinators.revocations(2)),
    lambda floor, job: floor.office.publish(following(floor.office, AUTHORITY, by=(AUTHORITY,))),
    lambda floor, job: floor.office.enrol(coordinators.enrolment(SigningKey.generate("later"), "holder")),
    lambda floor, job: floor.office.cancel(job, floor.office.parties()["operator"]),
    lambda floor, job: floor.submit(),
], ids=["complaint", "list", "root", "enrolment", "cancel", "job"])  # fmt: skip
def test_after_its_alarm_a_coordinator_writes_and_signs_nothing(floor, ask):
    job = floor.submit()
    floor.office.alarm = IntegrityError(code="integrity.rollback", here=1, size=9)
    with floor.office.journal.view() as t:
        before = t.size()
    with pytest.raises(IntegrityError) as alarm:
        ask(floor, job)
    floor.office.tick()
    assert alarm.value is floor.office.alarm
    with floor.office.journal.view() as t:
        assert t.size() == before


# --- complaints that nobody could read


@pytest.mark.parametrize("suite", ["sm2-sm3", "ml-dsa-44"])
def test_a_complaint_that_no_key_of_the_authority_opens_is_not_written(suite):
    with pytest.raises(UsageError, match="nobody could read"):
        complaints.write("a person was harmed", Trust((SigningKey.generate("authority", suite).public,)), now=1)


@pytest.mark.parametrize("boxes", [{}, {"somebody": "AAAA"}], ids=["no box", "a stranger's box"])
def test_a_complaint_that_nobody_can_read_gets_no_receipt(floor, boxes):
    text = notes.write(replace(Complaint(1, {"x": ""}), boxes=boxes)).signed_by(STRANGER)
    with pytest.raises((DecodeError, UsageError), match=r"boxes|nobody could read"):
        floor.office.complain(str(text))
    with floor.office.journal.view() as t:
        assert t.notes("complaint") == []


# --- what others wrote, on a screen and in a sheet

HOSTILE = ("\x9b31m", "\x1b[2J", "\x7f", "\u202egninnur", "a\u2066b")


@pytest.mark.parametrize("text", HOSTILE, ids=["csi", "escape", "delete", "override", "isolate"])
def test_output_for_machines_holds_nothing_that_a_terminal_obeys(text):
    printed = in_json({"title": text})
    assert json.loads(printed) == {"title": text}
    assert all(each.isprintable() for each in printed)


@pytest.mark.parametrize("text", ["two\nlines", "\x9b31m", "\u202egninnur"], ids=["lines", "csi", "override"])
def test_a_refusal_is_one_line_that_a_terminal_does_not_obey(floor, text):
    refusal = machine.refuse(floor.licence.text + "\n" + str(floor.licence.signatures[0]) + "\n", KEYS["north"], UsageError(f"job: {text}"))
    document = notes.read(refusal.body).document(Refusal)
    assert document.english.isprintable() and document.chinese.isprintable()


@pytest.mark.parametrize("mark", ["=", "+", "-", "@", "\t", "＝", "＋", "－", "＠"])
def test_a_sheet_computes_nothing_that_others_wrote(mark):
    _, line = accounts.as_csv([{"name": f"{mark}1+1", "fen": -5}]).splitlines()
    assert line == f"'{mark}1+1,-5"


def test_the_place_of_an_error_is_short_and_holds_nothing_that_a_terminal_obeys():
    with pytest.raises(DecodeError) as refused:
        build(Complaint, {"\x9b\n\u202e" + "x" * 10_000: 1, "at": 1, "boxes": {"a": ""}})
    assert str(refused.value).isprintable() and len(str(refused.value)) < 300


# --- together


def test_parties_that_enrol_at_once_are_all_known(floor):
    texts = [coordinators.enrolment(SigningKey.generate(f"h{n}"), "holder") for n in range(24)]
    threads = [threading.Thread(target=lambda part: [floor.office.enrol(text) for text in part], args=(texts[n::6],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"h{n}" for n in range(24)} <= floor.office.parties().keys()


def test_a_party_is_not_read_and_written_back_beside_another(floor, monkeypatch):
    """Each enrolment is durable and known before the next one begins: the lock is held over both."""
    held = []
    transaction = floor.office.journal.transaction
    monkeypatch.setattr(floor.office.journal, "transaction", lambda: held.append(floor.office._changed._is_owned()) or transaction())
    floor.office.enrol(coordinators.enrolment(SigningKey.generate("later"), "holder"))
    floor.office.publish(following(floor.office, AUTHORITY, by=(AUTHORITY,)))
    floor.submit()
    assert held == [True, True, True]


@pytest.mark.parametrize("name", ROSTER)
def test_a_holder_that_fails_after_it_accepted_ends_the_job_at_once(floor, name):
    job = floor.submit()
    nodes = Nodes(floor, job)
    nodes.post(name)
    stopped = machine.stop(nodes.text, KEYS[name], IntegrityError("a fault of the node's program; see its log"))
    assert isinstance(floor.office.post(job, stopped, wait=0), Ended)
    assert floor.office.status(job).phase == "failed"
