"""Audit: every violation that is put into a ledger is found, an honest and quiet ledger gives no finding."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import calls
import coordinators
import licensing
import pytest
from coordinators import KEYS, ROSTER
from trails import DATASET, Trail

from federated import audit, differences, metrics, records
from federated.audit import Limits
from governance import catalogue, chains, complaints, notes
from governance.catalogue import Dataset, Schema
from governance.complaints import Answer
from governance.errors import LicenceRefused
from governance.incidents import Incident
from governance.journal import Journal
from governance.keys import SigningKey
from governance.licences import Revocations
from sandbox import case as cases
from sandbox.messages import Admission, Release

NOW = int(time.time())


def rules(found) -> list[str]:
    return [finding.rule for finding in found]


def looked(trail: Trail, **more: object) -> list[audit.Finding]:
    return audit.audit(trail.read(), now=int(trail.floor.clock()), **more)


# --- a real coordinator


@pytest.fixture
def trail(tmp_path):
    made = Trail(tmp_path)
    yield made
    made.office.journal.close()


def test_a_quiet_ledger_gives_no_finding(trail):
    trail.run("ward == 'a'")
    trail.run("ward == 'b'")
    trail.run("ward in ('a', 'b') and sex == 'male'")
    for _ in range(2):
        trail.submit(purpose="marketing")
    trail.refuse(LicenceRefused(code="licence.column"))
    assert looked(trail) == []


def test_many_refusals_of_one_operator_are_found_wherever_it_was_refused(trail):
    for _ in range(3):
        trail.submit(purpose="marketing")
    trail.refuse(LicenceRefused(code="licence.column"))
    assert looked(trail) == []
    last = trail.refuse(LicenceRefused(code="licence.column"), "east")
    [found] = looked(trail)
    assert (found.rule, found.kind, found.who) == ("refusals.burst", "warning", "House of operator")
    assert len(found.jobs) == len(found.entries) == 5 and found.jobs[-1] == last
    assert looked(trail, limits=Limits(refusals=6)) == []


def test_what_merely_ended_is_no_refusal(trail):
    for _ in range(6):
        trail.office.cancel(trail.submit(), trail.office.parties()["operator"])
    assert looked(trail) == []


def test_questions_one_level_apart_are_found_however_they_are_spelled(trail):
    trail.submit("ward in ('a', 'b', 'c')")
    for where in ("ward in ('a', 'b')", "ward != 'd' and ward != 'c' and ward != 'b'"):
        trail.submit(where)
    assert looked(trail) == []
    trail.submit("ward == 'a' and ward != 'b' and sex == 'male'")
    [found] = looked(trail)
    assert (found.rule, found.kind, len(found.jobs)) == ("questions.near", "warning", 3)
    assert looked(trail, limits=Limits(near=4)) == []


def test_a_licence_that_is_used_up_fast_and_hours_are_found(tmp_path):
    trail = Trail(tmp_path, uses=4)
    for _ in range(2):
        trail.run("ward == 'a'")
    assert looked(trail) == []
    [found] = looked(trail, limits=Limits(least=2))
    assert (found.rule, found.who, len(found.entries)) == ("uses.slope", f"lic-{trail.licence[:12]}", 2)
    hour = (int(trail.floor.clock()) + 8 * 3600) % 86400 // 3600
    assert rules(looked(trail, limits=Limits(hours=(hour, hour + 2)))) == []
    assert rules(looked(trail, limits=Limits(hours=((hour + 2) % 24, (hour + 2) % 24 + 1)))) == ["hours.off"]
    trail.office.journal.close()


def test_a_stale_list_is_found(trail):
    found = audit.audit(trail.read(), now=int(trail.floor.clock()) + 2 * 86_400)
    assert [(f.rule, f.kind) for f in found] == [("list.stale", "warning")]
    assert "nothing runs" in str(found[0])


# --- violations, put into a ledger by hand


class Forged:
    """A ledger in which its owner wrote what it liked; all documents in it are signed as they must be, unless said otherwise."""

    def __init__(self, path, owner: str = "coordinator", *, registered: bool = True) -> None:
        self.path, self.key = path, KEYS[owner]
        self.journal = Journal.create(path / "journal.db", self.key, clock=lambda: self.at)
        self.at, self.texts, self.uses = NOW, [], 0
        if owner == "coordinator":
            for name, role in coordinators.PARTIES.items():
                self.add("party.enrolled", coordinators.enrolment(KEYS[name], role))
        else:
            self.texts += [coordinators.enrolment(KEYS[name], role) for name, role in coordinators.PARTIES.items()]
        self.dataset = str(notes.write(DATASET).signed_by(coordinators.AUTHORITY))
        terms = coordinators.allow(columns=("age", "sex", "ward"), use_count=2)
        self.licence = licensing.link(terms, KEYS["operator"], by=(coordinators.AUTHORITY,))
        self.list(1)
        for text in (self.dataset, str(self.licence)):
            self.add("document.published", text)
        if registered:
            self.register()

    def add(self, event: str, text: str, code: str = "", *, subject: str = "") -> None:
        with self.journal.transaction() as t:
            if event != "document.published" or self.key == KEYS["coordinator"]:
                t.append(event, subject or notes.read(text).id, code)
        self.texts.append(text)

    def register(self) -> None:
        """The dataset becomes an asset; a node's ledger says nothing of it."""
        for event, link in zip(("asset.applied", "asset.registered"), chains.read(coordinators.asset(self.dataset)), strict=True):
            if self.key == KEYS["coordinator"]:
                self.add(event, str(link))
            self.texts.append(str(link))

    def list(self, version: int, *revoked: str, days: int = 1) -> None:
        made = Revocations(version, self.at, self.at + days * 86_400, revoked)
        self.add("document.published", str(notes.write(made).signed_by(coordinators.AUTHORITY)))

    def job(self, *events: str, signers: tuple[str, ...] = ROSTER, use: int = 0, **changes: object) -> str:
        """A job with these events."""
        asked = coordinators.job(self.licence.id, self.dataset).document(cases.Job)
        note = notes.write(replace(asked, **{"catalogue": notes.read(self.dataset).id, **changes})).signed_by(KEYS["operator"])
        release = notes.write(Release(note.id, "00" * 32, ROSTER, ROSTER, "{}")).signed_by(*(KEYS[name] for name in signers))
        self.uses = use or self.uses + 1
        admission = notes.write(Admission(note.id, asked.licence, (self.uses,), (), self.at)).signed_by(KEYS["coordinator"])
        self.texts.append(str(note))
        for event in events:
            if event == "job.admitted":
                self.texts.append(str(admission))
            self.add(event, str(release) if event == "job.released" else str(note))
        return note.id

    def write(self, file) -> None:
        with self.journal.view() as t:
            made = t.budget_export(str(self.key.public))
        documents = {*made.documents, *coordinators.ROOTS.texts, *self.texts}
        file.write_text(records.write(replace(made, documents=tuple(documents))))

    def found(self) -> list[str]:
        self.write(self.path / "records.json")
        found = records.read((self.path / "records.json").read_text(), coordinators.PINNED)
        return rules(f for f in audit.audit(found, now=self.at) if f.kind == "alarm")


@pytest.fixture
def forged(tmp_path):
    made = Forged(tmp_path)
    yield made
    made.journal.close()


ALL = ("job.offered", "job.admitted", "job.released")


def test_an_honest_ledger_gives_no_alarm(forged):
    forged.job(*ALL)
    forged.job(*ALL)
    assert forged.found() == []


def test_a_release_without_admission_or_before_it(forged):
    forged.job("job.offered", "job.released")
    forged.job("job.offered", "job.released", "job.admitted")
    assert forged.found() == ["release.unadmitted"] * 2


def test_a_release_that_too_few_signed_or_a_stranger_did(forged):
    forged.job(*ALL, signers=ROSTER[:2])
    assert forged.found() == ["release.unsigned"]


@pytest.mark.parametrize("change", [
    {"purpose": "marketing"}, {"min_cell": 5}, {"analysis": "crosstab", "parameters": {"index": "sex", "columns": "ward"}},
    {"operator": str(KEYS["rival"].public)},
])  # fmt: skip
def test_a_use_beyond_the_licence(forged, change):
    forged.job(*ALL, **change)
    assert forged.found() == ["licence.beyond"]


def test_a_job_on_a_dataset_that_was_registered_only_afterwards(tmp_path):
    """Its licence, if it names it, names what is no asset."""
    forged = Forged(tmp_path, registered=False)
    forged.job(*ALL)
    forged.register()
    assert forged.found() == ["licence.beyond"]
    forged.job(*ALL)
    assert forged.found() == ["licence.beyond"]
    forged.journal.close()


def test_a_licence_that_nobody_granted_or_another_signed(forged):
    forged.job(*ALL, licence="ab" * 32)
    own = licensing.link(coordinators.allow(use_count=10**6), KEYS["operator"], by=(SigningKey.generate("stranger"),))
    forged.texts.append(str(own))
    forged.job(*ALL, licence=own.id)
    assert forged.found() == ["licence.missing"] * 2


def test_more_uses_than_granted_and_one_use_twice(forged):
    for _ in range(3):
        forged.job(*ALL)
    assert forged.found() == ["licence.uses"]
    forged.job(*ALL, use=2)
    assert forged.found() == ["licence.uses"] * 2


def test_a_licence_that_is_over_or_revoked_and_a_list_that_is_stale(forged):
    forged.list(2, forged.licence.id)
    forged.job(*ALL)
    forged.list(3)
    forged.job(*ALL)
    forged.at += 2 * 86_400
    forged.list(4, days=-1)
    forged.job(*ALL, use=1)
    assert forged.found() == ["licence.revoked", "licence.time", "licence.stale", "licence.uses"]


def test_a_second_release_of_one_job(forged):
    job = forged.job(*ALL)
    other = notes.write(Release(job, "00" * 32, ROSTER, ROSTER, '{"other":1}')).signed_by(KEYS["operator"])
    forged.add("job.released", str(other))
    assert forged.found() == ["release.twice"]


def test_documents_without_an_entry_say_nothing(forged):
    late = NOW + 2 * 86_400
    forged.at = late
    forged.job(*ALL)
    before = forged.found()
    assert "licence.stale" in before
    made = [
        notes.write(Revocations(9, NOW, late + 86_400, ())).signed_by(coordinators.AUTHORITY),
        complaints.write("late", coordinators.TRUST, now=NOW),
        notes.write(Answer("ab" * 32, "done")).signed_by(coordinators.AUTHORITY),
        notes.write(Incident("leak", 1, "open", 1, True, "", "", "", ())).signed_by(coordinators.AUTHORITY),
    ]
    forged.texts += map(str, made)
    assert forged.found() == before
    found = records.read((forged.path / "records.json").read_text(), coordinators.PINNED)
    assert not (found.complaints or found.answers or found.incidents) and [x.version for _, x in found.lists] == [1]
    assert [f.rule for f in audit.audit(found, now=late) if f.kind == "warning"] == ["list.stale"]


def test_a_node_that_opened_what_nobody_paid_for(tmp_path):
    node = Forged(tmp_path, "north")
    node.job("job.offered", "job.accepted", "job.spent", "job.released")
    assert node.found() == ["release.unspent"]
    node.journal.close()


def test_a_release_that_is_not_signed_at_all_and_a_job_over_no_dataset(tmp_path, forged):
    job = forged.job("job.offered", "job.admitted")
    made = notes.write(Release(job, "00" * 32, ROSTER, ROSTER, "{}")).signed_by(*(KEYS[name] for name in ROSTER))
    broken = replace(made, signatures=(*made.signatures[:3], replace(made.signatures[3], value=bytes(64))))
    forged.add("job.released", str(broken))
    forged.job(*ALL, catalogue="ab" * 32)
    forged.list(2)
    forged.job("job.offered", "job.admitted", where="nonsense == 1")
    found = forged.found()
    assert sorted(found) == ["licence.beyond", "licence.beyond", "licence.uses", "release.unsigned", "release.unsigned"]


def test_an_admission_that_another_signed_is_none_and_of_two_copies_the_true_one_counts(forged):
    job = forged.job(*ALL)
    for use, key in ((7, SigningKey.generate("coordinator")), (8, KEYS["operator"])):
        forged.texts.append(str(notes.write(Admission(job, forged.licence.id, (use,), (), NOW)).signed_by(key)))
    false = notes.write(Admission(job, forged.licence.id, (9,), (), NOW)).signed_by(KEYS["coordinator"])
    forged.texts.append(str(replace(false, signatures=(replace(false.signatures[0], value=bytes(64)),))))
    broken = replace(forged.licence, signatures=(replace(forged.licence.signatures[0], value=bytes(64)),))
    forged.texts.append(str(broken))
    assert forged.found() == []


def test_an_alarm_ends_the_command_with_four(forged, tmp_path, capsys):
    forged.job("job.offered", "job.released")
    forged.write(tmp_path / "records.json")
    (tmp_path / "root.note").write_text(coordinators.ROOTS.texts[0])
    call = ["audit", tmp_path / "records.json", "--authority", tmp_path / "root.note", "--hours", "0-24", "--json"]
    [found] = json.loads(calls.keyong(capsys, *call, code=4).out)
    assert (found["rule"], found["class"], found["who"]) == ("release.unadmitted", "alarm", "House of operator")


# --- differences


def case(where: str):
    columns = (catalogue.number("age", "18", "100", cuts=("40", "60")), catalogue.band("band", "age", ("40",), ("young", "old")),
               catalogue.category("sex", ("female", "male")))  # fmt: skip
    dataset = notes.write(Dataset("cohort", 1, "cohort", Schema("id", columns), ROSTER, 1, 10_000)).signed_by(coordinators.AUTHORITY)
    asked = coordinators.job("aa" * 32, str(dataset)).document(cases.Job)
    return cases.read(str(notes.write(replace(asked, where=where)).signed_by(KEYS["operator"])), str(dataset))


@pytest.mark.parametrize(("one", "other", "expected"), [
    ("age >= 40", "age >= 60", True),
    ("age >= 40", "band == 'old'", False),  # the same
    ("age >= 60", "band == 'old'", True),
    ("band < 'old'", "", False),  # two intervals less
    ("age < 60", "", True),
    ("sex in ('female', 'male')", "", True),  # those without a sex
    ("sex == 'male'", "", True),
    ("sex == 'male'", "sex == 'female'", False),
    ("sex == 'male' and age < 60", "", False),
    ("sex == 'male' and age < 60", "sex == 'male'", True),
    ("age >= 40 and sex == 'male'", "sex == 'male' and age >= 40", False),
])  # fmt: skip
def test_conditions_are_compared_by_what_they_select(one, other, expected):
    assert differences.near(case(one), case(other)) is expected
    assert differences.near(case(other), case(one)) is expected


def test_conditions_over_other_entries_are_never_near(trail):
    trail.submit("sex == 'male'")
    [record] = trail.read().jobs
    assert not differences.near(record.case, case(""))


# --- metrics


def test_counts_are_those_of_the_records_and_nothing_else(trail):
    trail.run("ward == 'a'")
    for _ in range(5):
        trail.submit(purpose="marketing")
    found = trail.read()
    text = metrics.text(found, now=int(trail.floor.clock()))
    assert f"keyong_ledger_entries {len(found.entries)}\n" in text
    assert 'keyong_jobs{dataset="cohort",operator="House of operator",phase="refused"} 5\n' in text
    assert 'keyong_refusals_total{code="licence.purpose",operator="House of operator"} 5\n' in text
    assert f'keyong_numbers_total{{dataset="cohort",operator="House of operator"}} {found.jobs[0].numbers}\n' in text
    assert 'keyong_findings{class="warning",rule="refusals.burst"} 1\n' in text
    fresh = next(line for line in text.splitlines() if line.startswith("keyong_revocations_fresh_seconds "))
    assert 86_000 < int(fresh.split()[1]) <= 86_400


def test_a_label_cannot_break_its_line():
    assert metrics._escaped('a"\\\nb') == 'a\\"\\\\\\nb'
