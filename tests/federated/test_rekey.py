"""A stolen key of a node or an operator is withdrawn and exchanged under the same name; nothing that was counted is forgotten."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace

import calls
import coordinators
import federations
import pytest
from coordinators import KEYS, PARTIES, ROSTER, coordinator, enrolment, revocations
from offices import Floor

from federated.authority import read_root
from federated.grants import plan_by
from federated.node import home as homes
from federated.node.home import Home
from federated.node.judge import judge, learn_revocations
from federated.node.witnessing import peers_of
from federated.tokens import Token
from federated.verify import Bundle, verify
from governance import notes
from governance.errors import IntegrityError, Refused, UsageError
from governance.journal import Journal
from governance.keys import SigningKey
from governance.licences import key_id, newer
from governance.parties import Withdrawn
from sandbox.analyses import Describe
from sandbox.messages import Offer

NEW = SigningKey.generate("north")
OLD = KEYS["north"].public
LOST = Withdrawn(str(OLD), 20)
LISTED = revocations(2, key_id(str(OLD)), withdrawn=(LOST,))
AGAIN = enrolment(NEW, "holder", withdrawn=(LOST,))


@pytest.fixture
def floor(tmp_path):
    made = Floor(tmp_path)
    yield made
    made.office.journal.close()


# --- the coordinator


def test_a_withdrawn_key_is_not_heard_and_its_jobs_end(floor):
    job = floor.submit()
    floor.office.publish(LISTED)
    assert (floor.office.status(job).phase, floor.office.status(job).code) == ("refused", "party.withdrawn")
    assert "north" in floor.office.parties() and "north" not in floor.office.callers()
    with pytest.raises(Refused) as refusal:
        floor.submit()
    assert refusal.value.code == "party.withdrawn" and "north" in refusal.value.text("zh")
    floor.office.enrol(AGAIN)
    assert floor.office.callers()["north"].key == NEW.public
    assert floor.submit()
    floor.restart()
    assert floor.office.callers()["north"].key == NEW.public and floor.office.callers()["north"].withdrawn == (LOST,)


@pytest.mark.parametrize(("listed", "text", "says"), [
    (None, AGAIN, "not withdrawn here"),
    (LISTED, enrolment(NEW, "holder"), "enrolled already"),
    (LISTED, enrolment(NEW, "operator", withdrawn=(LOST,)), "enrolled already"),
    (LISTED, enrolment(NEW, "holder", withdrawn=(replace(LOST, entries=9),)), "not withdrawn here"),
    (LISTED, enrolment(SigningKey.generate("stranger"), "holder",
                       withdrawn=(Withdrawn(str(SigningKey.generate("stranger").public), 1),)), "never was enrolled"),
], ids=["before the key is withdrawn", "without the authority's word", "in another role", "from another entry on", "of nobody"])  # fmt: skip
def test_enrolments_that_bring_no_new_key(floor, listed, text, says):
    if listed:
        floor.office.publish(listed)
    with pytest.raises(Refused, match=says):
        floor.office.enrol(text)
    assert floor.office.parties()["north"].key == OLD


def test_an_enrolment_of_before_or_a_second_one_is_not_taken(floor):
    with floor.office.journal.view() as t:
        before = t.note("enrolment", "north")
    floor.office.publish(LISTED)
    floor.office.enrol(AGAIN)
    size = len(floor.office.documents("enrolment"))
    assert floor.office.enrol(AGAIN).key == NEW.public, "the same again changes nothing"
    for replayed in (before, enrolment(SigningKey.generate("north"), "holder", withdrawn=(LOST,))):
        with pytest.raises(Refused, match="enrolled already"):
            floor.office.enrol(replayed)
    assert floor.office.callers()["north"].key == NEW.public and len(floor.office.documents("enrolment")) == size
    with floor.office.journal.view() as t:
        assert t.note("former", notes.read(before).id) == before, "a supervisor still reads whose the old key was"


def test_a_withdrawn_key_stays_withdrawn(floor):
    floor.office.publish(LISTED)
    for back in (revocations(3), revocations(3, withdrawn=(replace(LOST, entries=99),))):
        with pytest.raises(UsageError, match="does not come back"):
            floor.office.publish(back)
        with pytest.raises(IntegrityError, match="does not come back"):
            newer(LISTED, back, coordinators.TRUST)


def test_a_thief_gets_through_no_door(tmp_path):
    with coordinator(tmp_path) as place, place.link("north") as stolen:
        assert stolen.jobs() == []
        place.office.publish(LISTED)
        with pytest.raises(Refused) as refusal:
            stolen.jobs()
        assert refusal.value.code.startswith("auth.")


# --- a node


@pytest.fixture
def south(tmp_path):
    key = KEYS["south"]
    Journal.create(tmp_path / "journal.db", key).close()
    return Home(tmp_path, key, "https://127.0.0.1:1", None, coordinators.ROOTS, KEYS["coordinator"].public)


def judged(home, north, listed):
    dataset, licence = coordinators.dataset(), coordinators.licence()
    enrolments = {name: enrolment(KEYS[name], PARTIES[name]) for name in (*ROSTER, "operator", "coordinator")} | {"north": north}
    offered = Offer(coordinators.ROOTS.texts, str(coordinators.job(licence.id, dataset)), (str(licence),), str(coordinators.plan()), dataset, coordinators.asset(),
                    listed, enrolments["operator"], enrolments["coordinator"], tuple(enrolments[name] for name in ROSTER))  # fmt: skip
    with closing(home.journal()) as journal:
        with journal.transaction() as t:
            learn_revocations(listed, home, t)
        with journal.transaction() as t:
            t.put_note("peer", "north", t.note("peer", "north") or str(OLD))
        with journal.view() as t:
            peers = peers_of(t, "south")
        try:
            with journal.transaction() as t:
                t.put("snapshot cohort", homes.snapshot_text(homes.Snapshot("ab" * 32, home.path, ("age",), 1, 1, 0)))
                t.put("catalogue cohort", notes.read(dataset).id)
                judge(offered, home, t, now=int(time.time()))
        finally:
            with journal.view() as t:
                seen = t.note("peer", "north")
    return peers, seen


def test_a_node_takes_the_new_key_on_the_authoritys_word_and_the_old_one_never_again(south):
    first = enrolment(KEYS["north"], "holder")
    assert judged(south, first, revocations())[1] == str(OLD)
    with pytest.raises(Refused) as refusal:  # the coordinator keeps the new enrolment back
        judged(south, first, LISTED)
    assert refusal.value.code == "party.withdrawn"
    peers, seen = judged(south, AGAIN, LISTED)
    assert peers.keys() == {"east", "west"}, "what the old key signs is cosigned no more, and its cosignatures do not count"
    assert seen == str(NEW.public)
    with pytest.raises(IntegrityError, match="another key than it was first seen with"):
        judged(south, enrolment(SigningKey.generate("north"), "holder"), LISTED)


# --- all of it


def test_a_stolen_key_is_exchanged_in_a_running_federation(tmp_path, capsys):
    """Real processes: a job before, a holder's and the operator's keys withdrawn and exchanged, a job after; both bundles verify."""
    with federations.federation(tmp_path) as running:
        pinned, home = read_root(running.path / "authority" / "root.note"), running.path / "authority"
        asked = {"dataset": "cohort", "deadline": "60s"}
        before = running.hub().run(Describe(("age",)), **asked)
        keyong = ["--home", home, "--coordinator", running.card, "--json"]
        node, identity = Home.open(running.home("north")).key, running.path / "operator.key"
        operator = SigningKey.load(identity)
        told = json.loads(calls.keyong(capsys, "authority", "withdraw", node.public, operator.public, *keyong).out)
        assert told["withdrawn"] == [str(node.public), str(operator.public)]
        with pytest.raises(Refused):
            running.hub().link.jobs()

        token = json.loads(
            calls.keyong(capsys, "authority", "enrol", "north", "--organisation", "Hospital north", "--role", "holder", *keyong).out
        )["token"]
        assert "stop that one first" in calls.keyong(capsys, "node", "rekey", token, "--home", running.home("north"), code=2).err
        running.kill("north")
        assert "keyong node rekey" in calls.keyong(capsys, "node", "join", token, "--home", tmp_path / "fresh", code=2).err
        (tmp_path / "empty").mkdir()
        assert "holds no journal" in calls.keyong(capsys, "node", "rekey", token, "--home", tmp_path / "empty", code=2).err
        size = ledger(running.home("north"))
        (running.home("north") / "node.key").rename(tmp_path / "lost.key")  # the one that was stolen may be lost, too
        for _ in range(2):
            made = json.loads(calls.keyong(capsys, "node", "rekey", token, "--home", running.home("north"), "--json").out)
        assert made["key"] == str(Home.open(running.home("north")).key.public) != str(node.public)
        assert ledger(running.home("north")) == size + 1, "the journal goes on, by one entry"
        running.start_node("north")

        token = json.loads(
            calls.keyong(
                capsys, "authority", "enrol", "operator", "--organisation", "Data Operations Ltd", "--role", "operator", *keyong
            ).out
        )["token"]
        assert Token.read(token).withdrawn == (operator.public,)
        for _ in range(2):
            key = json.loads(calls.keyong(capsys, "operator", "rekey", token, "--identity", identity, "--json").out)["key"]
        (tmp_path / "plan.note").write_text(str(plan_by(SigningKey.load(identity))))
        calls.keyong(capsys, "authority", "licence", key, "--dataset", "cohort", "--columns", "age", "--purposes", "research", "--methods",
                     "describe@1", "--plan", tmp_path / "plan.note", *keyong)  # fmt: skip
        after = running.hub().run(Describe(("age",)), **asked)

        lists = (home / "revocations.note").read_text()
        for released in (before, after):
            verify(Bundle.of(released.bundle), pinned, lists)
        hub = running.hub()
        with_new = {name: note for name, note in hub.link.enrolments() if name in before.bundle["enrolments"]}
        verify(Bundle.of({**before.bundle, "enrolments": with_new}), pinned)
        assert with_new != before.bundle["enrolments"]
        late = notes.read(lists)
        early = replace(late.document(coordinators.Revocations), withdrawn=(Withdrawn(str(node.public), before.bundle["ledger"]["index"]),))
        signed = str(notes.write(early).signed_by(*running.authority.keys))
        with pytest.raises(IntegrityError, match="the key of north was withdrawn before entry"):
            verify(Bundle.of(before.bundle), pinned, signed)
        with pytest.raises(IntegrityError, match="trusted signatures"):
            verify(Bundle.of(before.bundle), pinned, str(notes.write(early).signed_by(running.authority.keys[0])))


def ledger(home):
    """Entries of the ledger of a node that stands still."""
    with closing(Home.open(home).journal()) as journal, journal.view() as t:
        return t.size()
