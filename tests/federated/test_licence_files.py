"""Licences as files and by commands: terms that people write, links made off line, verdicts with their exit codes, tables."""

from __future__ import annotations

import json
import time

import calls
import coordinators
import licensing
import pytest
from coordinators import AUTHORITY, KEYS, PARTIES, ROSTER, TRUST, enrolment

from federated import grants
from federated.cli import main
from federated.grants import VERSION, Folder, Grant
from governance import licences, notes
from governance.encoding import canonical, plain
from governance.errors import DecodeError, UsageError
from governance.journal import Journal
from governance.keys import SigningKey
from governance.licences import key_id
from governance.rights import Rights
from sandbox.messages import Offer

OPERATOR, PROJECT = KEYS["operator"], SigningKey.generate("project")
TERMS = """
datasets: {cohort: [age]}
purposes: [research, audit]
grade: 3
regions: {CN: "", SG: "%s"}
epsilon_job: "0.5"
epsilon_year: 2
not_after: 2030-01-31
split: {City: 4000, Hospitals: 6000}
""" % ("f" * 64)
PLAN = """
triggers: [leak, intrusion]
contacts: {authority: desk 1, operator: desk 2}
steps: [suspend, notify]
notify_hours: 24
drilled: 2026-01-31
drill_days: 180
"""


@pytest.fixture
def grant():
    root, plan = coordinators.licence(), coordinators.plan()
    return Grant(VERSION, (str(root),), str(plan), (coordinators.asset(),), coordinators.revocations())


@pytest.fixture
def place(tmp_path, grant):
    """An operator's folder with its key, the authority's root.note, and the licence as a file."""
    OPERATOR.save(tmp_path / "operator.key")
    PROJECT.save(tmp_path / "project.key")
    (tmp_path / "root.note").write_text(coordinators.ROOTS.texts[-1])
    (tmp_path / "root.licence").write_text(grant.text())
    return tmp_path


def common(place):
    return "--identity", place / "operator.key", "--authority", place / "root.note"


def keyong(capsys, *arguments, code=0):
    """What a command says to machines."""
    return json.loads(calls.keyong(capsys, *arguments, "--json", code=code).out)


# --- files


def test_a_licence_is_kept_and_found_by_its_id(tmp_path, grant):
    folder = Folder(tmp_path / "operator.key")
    assert folder.grants() == {}
    file = folder.keep(grant)
    name = notes.read(grant.chain[0]).id
    assert file.parent.stat().st_mode & 0o077 == 0
    assert folder.grants() == {name: grant}
    assert folder.find(f"lic-{name[:8]}") == folder.find(str(file)) == grant
    with pytest.raises(UsageError, match="there is no file lic-00, and no licence in "):
        folder.find("lic-00")


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"keyong":"licence/v2"}', b'{"chain":[],"keyong":"licence/v1","plan":""}', b'{ "keyong":"licence/v1"}']
)
def test_what_is_no_licence_file_is_refused(raw):
    with pytest.raises(DecodeError):
        Grant.read(raw)


# --- what people write


def test_terms_are_read_as_they_are_meant():
    assert grants.rights(grants.read_terms(TERMS)) == Rights(
        {"cohort": ("age",)}, 3, ("audit", "research"), regions={"CN": "", "SG": "f" * 64}, epsilon_job=500_000, epsilon_year=2_000_000,
        not_after=1_896_048_000, split={"City": 4000, "Hospitals": 6000},
    )  # fmt: skip
    assert grants.read_terms("{grade: 2, holders:}") == {"grade": 2}


@pytest.mark.parametrize("text, says", [
    ("- 1", "a file of terms has: datasets, grade"), ("grad: 3", "no term grad, did you mean grade?"), ("grade: high", "grade must be a whole number"),
    ("purposes: research", "purposes must be a list"), ("epsilon_job: much", "epsilon_job must be a number"), ("epsilon_job: inf", "epsilon_job must be a number"),
    ("not_after: soon", "not_after must be a date"), ("grade: 6", "grade"), ("regions: {Singapore: }", "regions"), ("split: {City: 1}", "10000 basis points"),
    ("grade: [", "not YAML"),
])  # fmt: skip
def test_terms_that_are_wrong_are_answered_with_what_is_wrong(text, says):
    with pytest.raises(UsageError, match=says):
        grants.rights(grants.read_terms(text))


def test_a_plan_file_becomes_a_plan():
    plan = grants.read_plan(PLAN, OPERATOR).document(licences.contingency.Contingency)
    assert (plan.operator, plan.triggers, plan.drilled) == (str(OPERATOR.public), ("intrusion", "leak"), 1_769_817_600)


@pytest.mark.parametrize("old, new, says", [
    ("steps: [suspend, notify]", "", "lacks: steps"), ("notify_hours: 24", "notify_hours: x", "notify_hours must be a whole"), ("[suspend, notify]", "[suspend]", "suspend and notify"),
    ("drilled: 2026-01-31", "drilled: x", "drilled must be a date"), ("drill_days", "drill_day", "did you mean drill_days"), (PLAN, "[]", "a plan has"),
    ("notify_hours: 24", "notify_hours: 100", "at most 72"),
])  # fmt: skip
def test_a_plan_file_that_is_wrong_is_answered_with_what_is_wrong(old, new, says):
    with pytest.raises(UsageError, match=says):
        grants.read_plan(PLAN.replace(old, new), OPERATOR)


# --- narrowing


def test_a_link_is_made_off_line_and_holds(grant):
    made = grants.narrow(grant, TRUST, (OPERATOR,), allow=Rights(use_count=2), to=(str(PROJECT.public),))
    below = grants.narrow(made, TRUST, (PROJECT,), allow=Rights(grade=2))
    granted = grants.in_force(below, TRUST, now=int(time.time()))
    assert (granted.rights.use_count, granted.rights.grade) == (2, 2)
    assert granted.links[2].delegates == granted.links[1].delegates == (str(PROJECT.public),)


def test_two_sign_where_two_must(grant):
    both = grants.narrow(grant, TRUST, (OPERATOR,), allow=Rights(), to=(str(PROJECT.public), str(OPERATOR.public)), threshold=2)
    with pytest.raises(UsageError, match="2 of the delegates' keys must sign, 1 are here"):
        grants.narrow(both, TRUST, (OPERATOR,), allow=Rights())
    assert len(grants.narrow(both, TRUST, (OPERATOR, PROJECT), allow=Rights()).chain) == 3


@pytest.mark.parametrize("allow, field", [(Rights(use_count=10**6), "use_count"), (Rights(purposes=("audit", "research")), "purposes"), (Rights(min_cell=3), "min_cell"),
                                          (Rights(plan="0" * 64), "plan")])  # fmt: skip
def test_a_link_that_would_allow_more_is_not_made(grant, allow, field):
    with pytest.raises(UsageError, match=f"does not allow so much of: {field}"):
        grants.narrow(grant, TRUST, (OPERATOR,), allow=allow)


def test_a_link_that_would_last_longer_says_until_when_it_may(grant):
    last = licences.read(grant.chain, TRUST).rights.not_after
    with pytest.raises(UsageError, match=f"valid until {licences.day(last)}: give fewer --days") as error:
        grants.narrow(grant, TRUST, (OPERATOR,), allow=Rights(not_after=last + 1))
    assert f"授权书本身有效期至 {licences.day(last)}：请减小 --days" in error.value.text("zh")


@pytest.mark.parametrize("more", [{"to": ("no key",)}, {"to": (str(PROJECT.public),), "threshold": 2}])
def test_delegates_must_be_keys_that_can_sign(grant, more):
    with pytest.raises(UsageError):
        grants.narrow(grant, TRUST, (OPERATOR,), allow=Rights(), **more)


# --- commands


def test_a_key_for_a_project_is_made_and_can_be_read(capsys, place):
    made = keyong(capsys, "licence", "key", "project-9", "--out", place / "p9.key")
    assert str(SigningKey.load(place / "p9.key").public) == made["key"]
    assert "1 to 100 characters" in keyong(capsys, "licence", "key", "not a name", code=2)["en"]


def test_a_project_gets_a_part_of_a_licence_by_commands(capsys, place):
    (place / "terms.yaml").write_text("datasets: {cohort: [age]}\ngrade: 3\n")
    made = keyong(capsys, "licence", "narrow", place / "root.licence", *common(place), "--terms", place / "terms.yaml", "--uses", 5, "--days", 1,
                  "--purposes", "research", "--methods", "describe@1", "--to", str(PROJECT.public), "--out", place / "project.licence")  # fmt: skip
    shown = keyong(capsys, "licence", "show", place / "project.licence", *common(place))
    assert shown["licence"] == made["licence"] and shown["allows"]["use_count"] == 5
    assert [link["uses"] for link in shown["links"]] == [1000, 5]
    kept = keyong(
        capsys,
        "licence",
        "narrow",
        place / "project.licence",
        "--identity",
        place / "project.key",
        "--authority",
        place / "root.note",
        "--uses",
        1,
    )
    assert kept["file"].startswith(str(place / "project.licences"))
    judged = ("licence", "check", f"lic-{kept['licence'][:8]}", "--identity", place / "project.key", "--authority", place / "root.note")
    assert keyong(capsys, *judged)["links"] == 3
    (place / "list.note").write_text(coordinators.revocations(2, key_id(str(PROJECT.public))))
    assert keyong(capsys, *judged, "--revocations", place / "list.note", code=3)["error"] == "licence.key"


def test_a_licence_is_judged_off_line(capsys, place, grant):
    told = keyong(capsys, "licence", "check", place / "root.licence", *common(place))
    assert told["verdict"] == "allowed"
    (place / "list.note").write_text(coordinators.revocations(2, notes.read(grant.chain[0]).id))
    refused = keyong(capsys, "licence", "check", place / "root.licence", *common(place), "--revocations", place / "list.note", code=3)
    assert refused["error"] == "licence.revoked"


def offered(grant, **changes):
    dataset = coordinators.dataset()
    job = coordinators.job(notes.read(grant.chain[-1]).id, dataset, **changes)
    parties = {name: enrolment(KEYS[name], PARTIES[name]) for name in (*ROSTER, "operator", "coordinator")}
    return Offer(coordinators.ROOTS.texts, str(job), grant.chain, grant.plan, dataset, grant.assets[0], grant.revocations, parties["operator"], parties["coordinator"],
                 tuple(parties[name] for name in ROSTER))  # fmt: skip


def test_a_job_is_judged_off_line(capsys, place, grant):
    (place / "offer.json").write_text(canonical(plain(offered(grant))) + "\n")
    assert keyong(capsys, "licence", "check", place / "root.licence", *common(place), "--job", place / "offer.json")["verdict"] == "allowed"
    (place / "offer.json").write_text(canonical(plain(offered(grant, deadline=-5))))
    refused = keyong(capsys, "licence", "check", place / "root.licence", *common(place), "--job", place / "offer.json", code=3)
    assert refused["error"] == "policy.deadline"


def test_whose_licence_it_is_must_be_said(capsys, place):
    assert (
        "give --authority" in keyong(capsys, "licence", "show", place / "root.licence", "--identity", place / "operator.key", code=2)["en"]
    )


def test_a_table_says_what_is_allowed_and_what_is_left(capsys, place, monkeypatch):
    plan = licensing.plan(OPERATOR, AUTHORITY, now=int(time.time()))
    root = coordinators.licence(
        plan=plan.id, purposes=("public-interest", "research"), epsilon_job=500_000, regions={"CN": "", "SG": "f" * 64}
    )
    (place / "a.licence").write_text(Grant(VERSION, (str(root),), str(plan), (coordinators.asset(),), "").text())
    home = place / "node"
    home.mkdir()
    Journal.create(home / "journal.db", KEYS["north"]).close()
    monkeypatch.setattr("federated.node.home.Home.open", classmethod(lambda cls, path: _Home(path)))
    with Journal.open(home / "journal.db", KEYS["north"]).transaction() as t:
        t.take_use(root.id, 1, "a" * 64, 9)
    for language, words in (("en", ("purposes          public-interest, research", "epsilon_job       0.5", "price             not limited", "free of charge    public-interest",
                                    "datasets          cohort: age", f"regions           CN; SG: {'f' * 64}", "1 of operator, 1000 uses: used 1, left 999")),
                            ("zh", ("用途", "不限", "不收费", "剩余 999 次"))):  # fmt: skip
        monkeypatch.setenv("LC_ALL", language)
        main(["licence", "show", str(place / "a.licence"), "--authority", str(place / "root.note"), "--home", str(home)])
        told = capsys.readouterr().out
        assert all(word in told for word in words), told


class _Home:
    def __init__(self, path):
        self.path = path

    def journal(self):
        return Journal.open(self.path / "journal.db", KEYS["north"])


def test_a_licence_is_shown_as_an_odrl_agreement(place, capsys):
    shown = ["licence", "show", place / "root.licence", "--authority", place / "root.note", "--as", "odrl"]
    made = json.loads(calls.keyong(capsys, *shown).out)
    assert made == json.loads(calls.keyong(capsys, *shown, "--json").out)
    assert (made["@type"], made["assignee"]) == ("Agreement", ["urn:keyong:party:operator"])
    assert {rule["action"] for rule in made["permission"]} == {"aggregate"}
    assert {rule["action"] for rule in made["prohibition"]} == {"extract", "reproduce", "distribute"}
