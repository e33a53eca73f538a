"""Keys are exchanged while everything goes on: by several officers one after another, at the coordinator, at nodes and at operators."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import calls
import coordinators
import federations
import pytest
from coordinators import KEYS, TLS, certified
from offices import Floor

from federated import rotation
from federated.authority import Authority, read_root
from federated.client import connect
from federated.coordinator.office import Office
from federated.coordinator.web import Listen, Server
from federated.grants import plan_by
from federated.node import desk
from federated.node import home as homes
from federated.node.agent import Agent
from federated.node.home import Home
from federated.operator import join
from federated.tls import server_pair
from federated.tokens import Token
from federated.verify import Bundle, verify
from governance import chains, notes
from governance.errors import DecodeError, IntegrityError, Refused, UsageError
from governance.journal import Journal
from governance.keys import SigningKey
from governance.parties import Invitation, enrol
from governance.roots import NEEDED, Role
from sandbox.analyses import Describe

HOLDERS = ("north", "south", "east")
DATASET = """
dataset: cohort
version: 1
title: cohort
person: id
holders: [north, south, east]
colluding: 1
rows: 1000
columns:
  age: {kind: number, low: 18, high: 100}
"""


@dataclass
class City:
    """An authority's folder, and a coordinator with nobody but itself enrolled."""

    path: Path
    authority: Path
    card: Path
    office: Office

    def keyong(self, capsys, *arguments, home="authority", code=0):
        printed = calls.keyong(capsys, "authority", *map(str, arguments), "--home", str(self.path / home), "--json", code=code)
        return json.loads(printed.out.splitlines()[-1])

    def folder(self, name: str, *keys: str) -> str:
        """A folder of another officer's: a copy of what is public, and these key files, which are moved there."""
        target = self.path / name
        shutil.copytree(self.authority, target, ignore=shutil.ignore_patterns("*.key", "drafts"))
        for key in keys:
            (self.authority / f"{key}.key").rename(target / f"{key}.key")
        return name


@pytest.fixture
def city(tmp_path):
    authority, key = Authority.create(tmp_path / "authority", "city"), KEYS["coordinator"]
    office = Office(Journal.create(tmp_path / "journal.db", key), key, authority.roots)
    token = authority.enrol("coordinator", "Bureau", "coordinator")
    enrolment = str(enrol(token.invitation, token.once, key))
    office.enrol(enrolment)
    pem, tls_key = certified(tmp_path, server_pair(TLS, ["127.0.0.1", "localhost"]))
    server = Server(office, Listen("127.0.0.1", 0, pem, tls_key))
    server.start()
    card = tmp_path / "coordinator.json"
    card.write_text(json.dumps({"url": server.url, "ca": TLS.certificate, "enrolment": enrolment}))
    yield City(tmp_path, tmp_path / "authority", card, office)
    server.stop()
    office.journal.close()


def settle(city, capsys):
    """Three holders, an operator, a dataset and a licence, all by commands."""
    for name in HOLDERS:
        token = city.keyong(capsys, "enrol", name, "--organisation", f"House {name}", "--role", "holder", "--coordinator", city.card)
        homes.join(city.path / name, token["token"])
    token = city.keyong(capsys, "enrol", "lab", "--organisation", "Lab", "--role", "operator", "--coordinator", city.card)["token"]
    key = join(token, city.path / "lab.key")
    (city.path / "dataset.yaml").write_text(DATASET)
    city.keyong(capsys, "dataset", city.path / "dataset.yaml", "--coordinator", city.card)
    calls.register(capsys, city.path, city.path / "dataset.yaml", key=city.path / HOLDERS[0] / "node.key", authority=city.authority,
                   coordinator=city.card)  # fmt: skip
    (city.path / "plan.note").write_text(str(plan_by(key)))
    city.keyong(capsys, "licence", key.public, "--coordinator", city.card, "--dataset", "cohort", "--columns", "age", "--purposes", "x",
                "--methods", "describe@1", "--plan", city.path / "plan.note")  # fmt: skip


# --- officers in different places


def test_a_key_is_exchanged_by_officers_in_different_places_and_everybody_follows(city, capsys):
    settle(city, capsys)
    li, wang = city.folder("li", "city-2"), "wang"
    city.folder("safe", "city-3")
    old = read_root(city.authority / "root.note")
    made = city.keyong(capsys, "root", "key", "officer-wang", home=wang)
    draft = city.keyong(capsys, "root", "rotate", "--add", made["key"], "--remove", "city-3", "--coordinator", city.card)
    assert draft["lacking"] == [{"signed": 1, "needed": 2}, {"signed": 1, "needed": 2}], "one officer is here"
    assert city.office.roots.newest.root.version == 1
    assert "1 of the 2 trusted" in city.keyong(capsys, "publish", draft["file"], "--coordinator", city.card, code=4)["en"]
    assert city.keyong(capsys, "sign", draft["file"], home=li)["lacking"] == []
    assert city.keyong(capsys, "sign", draft["file"], home=li)["lacking"] == [], "signing twice adds nothing"
    city.keyong(capsys, "publish", draft["file"], "--coordinator", city.card)
    shown = city.keyong(capsys, "root", "show")
    assert (shown["version"], city.office.roots.newest.root.version) == (2, 2)
    assert shown["root"] == city.office.roots.newest.fingerprint
    assert [k.partition("+")[0] for k in shown["roles"]["authority"]["keys"]] == ["city-1", "city-2", "officer-wang"]

    # the city's own folder has one key now; what stands is signed by two of the new three, since three had signed it
    renewed = city.keyong(capsys, "renew", "--coordinator", city.card)
    assert [d["lacking"] for d in renewed] == [[]] * 5 + [[{"signed": 1, "needed": 2}]], (
        "dataset, plan, licence and both links of the registration stand; the new list lacks one"
    )
    assert city.keyong(capsys, "sign", renewed[-1]["file"], home=li)["lacking"] == []
    city.keyong(capsys, "publish", renewed[-1]["file"], "--coordinator", city.card)

    # node and operator follow, and keep what they saw
    assert desk.catalogue(Home.open(city.path / "north"))["cohort"][0].name == "cohort"
    assert Home.open(city.path / "north").roots.newest.root.version == 2
    hub = connect(identity=city.path / "lab.key")
    assert hub.roots.newest.id == old.id
    assert [row["code"] for row in hub.standing()] == [""]
    assert connect(identity=city.path / "lab.key").roots.newest.root.version == 2


def test_an_officer_who_came_later_signs_with_the_others(city, capsys):
    settle(city, capsys)
    key = city.keyong(capsys, "root", "key", "officer-wang", home="wang")["key"]
    done = city.keyong(capsys, "root", "rotate", "--add", key, "--remove", "city-3", "--coordinator", city.card)
    assert done["version"] == 2 and done["lacking"] == []
    wang = city.path / "wang"
    shutil.copy(city.authority / "root.note", wang / "root.note")
    shutil.copytree(city.authority / "roots", wang / "roots")
    for name in ("city-2", "city-3"):
        (city.authority / f"{name}.key").unlink()
    (city.path / "dataset.yaml").write_text(DATASET.replace("version: 1", "version: 2"))
    told = city.keyong(capsys, "dataset", city.path / "dataset.yaml", "--coordinator", city.card, code=75)["en"]
    assert "1 of 2 have signed" in told
    (file,) = (city.authority / "drafts").glob("*.note")
    assert str(file) in told
    assert city.keyong(capsys, "sign", file, home="wang")["lacking"] == []
    city.keyong(capsys, "publish", file, "--coordinator", city.card)
    assert notes.read(dict(city.office.documents("dataset"))["cohort"]).signers(*city.office.trust.keys) == {"city-1", "officer-wang"}
    assert Authority.open(city.authority).datasets() == ["cohort"]


def test_a_token_is_made_once_the_others_signed_its_invitation(city, capsys):
    li = city.folder("li", "city-2")
    city.folder("safe", "city-3")
    asked = ["enrol", "north", "--organisation", "House of North", "--role", "holder", "--coordinator", city.card]
    assert "keyong authority sign" in city.keyong(capsys, *asked, code=75)["en"]
    (file,) = (city.authority / "drafts").glob("*.note")
    assert "lacks signatures" in city.keyong(capsys, *asked, "--signed", file, code=2)["en"]
    city.keyong(capsys, "sign", file, home=li)
    assert "not for south" in city.keyong(capsys, "enrol", "south", *asked[2:], "--signed", file, code=2)["en"]
    token = city.keyong(capsys, *asked, "--signed", file)
    assert token["root"] == city.office.roots.newest.fingerprint
    assert homes.join(city.path / "north", token["token"]).key.name == "north"
    assert not list((city.authority / "drafts").glob("*.once")), "the one-time key is in the token alone"
    assert not file.exists(), "and its draft is done"
    calls.keyong(capsys, "authority", *map(str, asked), "--signed", str(file), "--home", str(city.authority), code=2)


def test_other_roles_and_thresholds(city, capsys):
    reviewer = city.keyong(capsys, "root", "key", "reviewer", home="other")["key"]
    done = city.keyong(capsys, "root", "rotate", "--role", "reviewer", "--add", reviewer, "--coordinator", city.card)
    assert done["version"] == 2
    one = city.keyong(capsys, "root", "rotate", "--role", "revoker", "--threshold", 1, "--coordinator", city.card)
    assert one["version"] == 3
    roles = city.keyong(capsys, "root", "show")["roles"]
    assert roles["reviewer"] == {"keys": [reviewer], "threshold": 1}
    assert {name: role["threshold"] for name, role in roles.items()} == {"root": 2, "authority": 2, "revoker": 1, "reviewer": 1}
    for wrong in (["--remove", "nobody"], ["--threshold", 4], ["--add", "no key"], ["--role", "auditor"]):
        assert city.keyong(capsys, "root", "rotate", *wrong, code=2)["error"] == "usage"


def test_a_stolen_key_is_withdrawn_and_parties_that_need_it_are_out(city, capsys):
    settle(city, capsys)
    two = replace(Authority.open(city.authority), keys=tuple(k for k in Authority.open(city.authority).keys if k.name != "city-1"))
    token = two.enrol("west", "House West", "holder", coordinator=city.card)
    homes.join(city.path / "west", token.text())
    assert "west" in city.office.parties()
    city.keyong(capsys, "root", "rotate", "--withdraw", "city-3", "--coordinator", city.card)
    assert city.office.parties().keys() == {"coordinator", "lab", *HOLDERS}
    shown = city.keyong(capsys, "root", "show")
    assert [k.partition("+")[0] for k in shown["withdrawn"]] == ["city-3"]
    assert all(len(role["keys"]) == 2 for role in shown["roles"].values())
    again = Office(city.office.journal, KEYS["coordinator"], Authority.open(city.authority).roots.until(1))
    assert again.parties().keys() == city.office.parties().keys() and again.roots == city.office.roots


def test_an_invitation_is_not_published_and_nothing_is_kept_of_it(city, capsys):
    authority = Authority.open(city.authority)
    file = authority.keep_draft(authority.draft(Invitation("north", "North", "holder", str(KEYS["north"].public), 2**33)))
    assert city.keyong(capsys, "publish", file, "--coordinator", city.card, code=2)["error"] == "decode"
    before = sorted(city.authority.rglob("*"))
    assert rotation.accept(authority, notes.read(file.read_text())) == authority
    assert sorted(city.authority.rglob("*")) == before


def test_what_a_folder_refuses(city, capsys, tmp_path):
    calls.keyong(capsys, "authority", "root", "key", "a b", "--home", str(tmp_path / "x"), code=2)
    city.keyong(capsys, "root", "key", "li", home="x")
    assert "already" in city.keyong(capsys, "root", "key", "li", home="x", code=2)["en"]
    wrong = tmp_path / "wrong.note"
    for text in ("", "x\n\n— a b\n", str(notes.Note("keyong/job/v1\n{}\n").signed_by(KEYS["north"]))):
        wrong.write_text(text)
        assert city.keyong(capsys, "sign", wrong, code=2)["error"] == "usage"
    authority = Authority.open(city.authority)
    tampered = str(rotation.rotate(authority)).replace("— city-2 ", "— city-1 ", 1)
    wrong.write_text(tampered)
    city.keyong(capsys, "sign", wrong)
    forged = notes.read(str(rotation.rotate(authority)))
    lines = tuple(replace(line, value=bytes(64)) for line in forged.signatures)
    wrong.write_text(str(replace(forged, signatures=lines)))
    assert city.keyong(capsys, "sign", wrong, code=4)["error"] == "integrity"
    wrong.write_text("{}")
    assert calls.keyong(capsys, "verify", str(wrong), "--authority", str(city.card), code=2)
    with pytest.raises(UsageError, match=r"not the root\.note of an authority"):
        wrong.write_text(str(notes.write(coordinators.ROOT).signed_by(coordinators.AUTHORITY)).replace("keyong/root/", "keyong/toor/"))
        read_root(wrong)


def test_a_folder_shows_people_what_they_sign(city, capsys):
    authority = Authority.open(city.authority)
    file = authority.keep_draft(rotation.rotate(replace(authority, keys=authority.keys[:1])))
    li = city.path / city.folder("li", "city-2")
    assert "1 of 2 signed; 1 of 2 signed" in calls.keyong(capsys, "authority", "root", "rotate", "--home", str(li)).out
    (li / "city-2.key").rename(city.authority / "city-2.key")
    told = calls.keyong(capsys, "authority", "sign", str(file), "--home", str(city.authority)).out
    assert '"version":2' in told and "enough have signed" in told
    text = calls.keyong(capsys, "authority", "publish", str(file), "--coordinator", str(city.card), "--home", str(city.authority)).out
    assert "is published" in text
    shown = calls.keyong(capsys, "authority", "root", "show", "--home", str(city.authority)).out
    assert "version 2" in shown and "authority: 2 of" in shown
    assert (
        "nothing stands yet"
        in calls.keyong(capsys, "authority", "renew", "--coordinator", str(city.card), "--home", str(city.authority)).out
    )
    rotated = calls.keyong(capsys, "authority", "root", "rotate", "--coordinator", str(city.card), "--home", str(city.authority)).out
    assert "version 3 of the key root is published" in rotated


# --- the coordinator


AUTHORITY, ROOTS = coordinators.AUTHORITY, coordinators.ROOTS
NEW = SigningKey.generate("authority-2")


def following(chain=ROOTS, *keys, **changes):
    """The next version, with the key NEW in every role unless *changes* say otherwise."""
    changes = {"roles": dict.fromkeys(NEEDED, Role((str(NEW.public),), 1)), **changes}
    return notes.write(chain.newest.next(**changes)).signed_by(*(keys or (AUTHORITY, NEW)))


SECOND = ROOTS.followed([*ROOTS.texts, str(following())])


@pytest.fixture
def floor(tmp_path):
    made = Floor(tmp_path)
    yield made
    made.office.journal.close()


def test_a_coordinator_keeps_every_version_and_takes_none_back(floor):
    office, stranger = floor.office, SigningKey.generate("stranger")
    size = len(office.documents("root"))
    assert office.publish(str(following().signed_by(stranger))) == ("root", SECOND.newest.id), "a stranger's line falls away"
    assert office.publish(str(following())) == ("root", SECOND.newest.id), "the same again changes nothing"
    assert office.roots == SECOND and len(office.documents("root")) == size + 1
    assert office.publish(ROOTS.texts[0]) == ("root", ROOTS.newest.id), "an older one that it has changes nothing"
    assert office.roots == SECOND
    other = SigningKey.generate("other")
    for forged in (following(ROOTS, AUTHORITY, NEW, expires=2**33), following(SECOND, other), following(SECOND, AUTHORITY)):
        with pytest.raises(IntegrityError) as alarm:
            office.publish(str(forged))
        assert alarm.value.code == "integrity.sent"
    floor.restart()
    assert floor.office.roots == SECOND
    with floor.office.journal.view() as t:
        assert [e.event for e in t.entries() if e.subject == SECOND.newest.id] == ["document.published"]


def test_what_stands_is_signed_anew_and_old_lines_stay_for_old_bundles(floor):
    licence = floor.licence
    floor.office.publish(str(following()))
    with pytest.raises(Refused) as refusal:
        floor.submit()
    assert refusal.value.code == "licence.forged", "the old key grants nothing any more"
    floor.office.publish(str(licence.signed_by(NEW)))
    floor.office.publish(str(coordinators.plan().signed_by(NEW)))
    links = chains.read(coordinators.asset())
    for link in links:
        floor.office.publish(str(link.signed_by(NEW)))
        floor.office.publish(str(link.signed_by(NEW)))
    kept = chains.read(dict(floor.office.documents("asset"))["cohort-asset"])
    assert [(link.id, len(link.signatures)) for link in kept] == [(link.id, len(link.signatures) + 1) for link in links]
    with floor.office.journal.view() as t:
        assert notes.read(t.note("licence", licence.id)).signers(AUTHORITY.public, NEW.public) == {"authority", "authority-2"}
    assert notes.read(dict(floor.office.documents("licence"))[licence.id]).signers(AUTHORITY.public, NEW.public) == {"authority-2"}
    with pytest.raises(IntegrityError):
        floor.submit()  # the revocation list is the old revoker's
    floor.office.publish(str(notes.read(coordinators.revocations(2)).signed_by(NEW)))
    assert floor.submit()


def test_nothing_begins_under_an_expired_root(floor):
    last = int(floor.clock()) + 5
    short = following(ROOTS, AUTHORITY, roles=ROOTS.newest.root.roles, expires=last)
    floor.office.publish(str(short))
    job = floor.submit()
    floor.wait(6)
    newcomer = coordinators.enrolment(SigningKey.generate("newcomer"), "holder")
    for late in (floor.submit, lambda: floor.office.enrol(newcomer)):
        with pytest.raises(Refused) as refusal:
            late()
        assert refusal.value.code == "root.expired"
    with pytest.raises(Refused), floor.office.journal.transaction() as t:
        floor.office._admit(t, job, None)
    longer = notes.write(floor.office.roots.newest.next(expires=last + 99)).signed_by(AUTHORITY)
    floor.office.publish(str(longer))
    assert floor.submit()


def test_an_enrolment_that_was_altered_is_an_alarm_and_not_a_withdrawal(floor):
    with floor.office.journal.transaction() as t:
        forged = coordinators.enrolment(SigningKey.generate("north"), "holder").replace("House of north", "House of n0rth")
        t.put_note("enrolment", "north", forged, replace=True)
    with pytest.raises(IntegrityError):
        floor.restart()


# --- a node


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "north"
    path.mkdir()
    Journal.create(path / homes.JOURNAL, KEYS["north"]).close()
    KEYS["north"].save(path / homes.KEY)
    coordinator = coordinators.enrolment(KEYS["coordinator"], "coordinator")
    token = Token("https://127.0.0.1:1", None, ROOTS, coordinator, "", SigningKey("north-invitation", bytes(32)))
    homes.write_private(path / homes.TRUST, token.text())
    return Home.open(path)


def learned(home, texts):
    journal = home.journal()
    try:
        with journal.transaction() as t:
            return home.learn(t, texts)
    finally:
        journal.close()


def test_a_node_keeps_the_newest_version_and_no_coordinator_brings_an_older_one_back(home):
    assert learned(home, ROOTS.texts).roots == ROOTS
    assert learned(home, SECOND.texts).roots == SECOND
    for old in (ROOTS.texts, (), SECOND.texts):
        assert learned(home, old).roots == SECOND, "from the journal, though this process began with the first"
    assert Home.open(home.path).roots == SECOND
    journal = home.journal()
    with journal.view() as t:
        assert [(e.event, e.subject) for e in t.entries()] == [("root.followed", SECOND.newest.id)]
    journal.close()


def test_a_node_follows_whatever_lines_more_the_versions_that_it_knows_are_shown_with(home):
    """Not every coordinator need have every officer's line."""
    one, two = SigningKey.generate("one"), SigningKey.generate("two")
    third = SECOND.newest.next(roles=dict.fromkeys(NEEDED, Role((str(one.public), str(two.public)), 1)))
    fourth = notes.write(replace(SECOND.newest.next(), version=4, previous=(*third.previous, notes.write(third).id))).signed_by(NEW, one)
    few, all_of_them = (str(notes.write(third).signed_by(NEW, *keys)) for keys in ((one,), (one, two)))
    learned(home, [*SECOND.texts, few])
    assert learned(home, [*SECOND.texts, all_of_them, str(fourth)]).roots.newest.root.version == 4
    assert Home.open(home.path).roots.newest.root.version == 4


def test_a_folder_without_a_journal_yet_trusts_what_it_joined_with(home):
    (home.path / homes.JOURNAL).unlink()
    assert Home.open(home.path).roots == ROOTS


def test_a_node_stays_where_it_is_when_it_is_shown_a_forged_or_forked_version(home):
    learned(home, SECOND.texts)
    other = SigningKey.generate("other")
    forged = [*SECOND.texts, str(following(SECOND, other))]
    forked = [*ROOTS.texts, str(following(ROOTS, AUTHORITY, roles=ROOTS.newest.root.roles))]
    for texts in (forged, forked, ["x"], [*SECOND.texts, "x"]):
        with pytest.raises((IntegrityError, DecodeError)):
            learned(home, texts)
        assert Home.open(home.path).roots == SECOND


def test_a_node_refuses_a_frozen_coordinators_offer(home, floor):
    """The licence of a stolen key, under the root that still named it: the node has seen the next one."""
    floor.submit()
    (offer,) = floor.office.offers("north", wait=0)
    journal = home.journal()
    agent = Agent.__new__(Agent)
    agent.home, agent.journal, agent.clock = home, journal, floor.clock
    try:
        agent._judged(offer)
    except Refused as refusal:
        assert refusal.code == "policy.dataset", "all signatures hold; only the data are not here"
    learned(home, SECOND.texts)
    with pytest.raises(IntegrityError, match="1 trusted signatures needed"):
        agent._judged(offer)
    expired = following(SECOND, NEW, expires=int(floor.clock()) - 1)
    with pytest.raises(Refused) as refusal:
        agent._judged(replace(offer, roots=(*SECOND.texts, str(expired))))
    assert refusal.value.code == "root.expired"
    journal.close()


# --- all of it


def test_a_running_federation_goes_on_after_a_rotation(tmp_path, capsys):
    """Real processes: a job before, keys exchanged, a job after; every bundle verifies under the old root.note and the new."""
    with federations.federation(tmp_path) as running:
        hub = running.hub()
        before = hub.run(Describe(("age",)), dataset="cohort", deadline="60s")
        home, first = running.path / "authority", read_root(running.path / "authority" / "root.note")
        keyong = ["--coordinator", str(running.card), "--home", str(home), "--json"]
        key = rotation.make_key(tmp_path / "li", "officer-li", "ml-dsa-44")
        calls.keyong(capsys, "authority", "root", "rotate", "--add", str(key), "--remove", "authority-3", "--threshold", "2", *keyong)
        calls.keyong(capsys, "authority", "renew", *keyong)
        second = read_root(home / "root.note")
        assert "ml-dsa-44" in second.root.suites
        after = hub.run(Describe(("age",)), dataset="cohort", deadline="60s")
        for released in (before, after):
            for pin in (first, second):
                verify(Bundle.of(released.bundle), pin)
        assert [len(r.bundle["roots"]) for r in (before, after)] == [1, 2]
        assert Home.open(running.home("north")).roots.newest.id == second.id
