"""Evidence: whoever has the authority's keys comes to the same verdict offline, and whatever is changed in it is noticed."""

from __future__ import annotations

from dataclasses import replace

import calls
import coordinators
import licensing
import pytest
from coordinators import KEYS
from trails import Trail, stranger

from federated import evidence, records
from federated.coordinator import published
from federated.evidence import Evidence, verify
from governance import notes
from governance.errors import IntegrityError, KeyongError, LicenceRefused, UsageError
from governance.rights import Rights
from sandbox.messages import Refusal


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    made = Trail(tmp_path_factory.mktemp("coordinator"))
    made.released = made.run("ward == 'a'")
    made.denied = made.submit(purpose="marketing")
    made.refused = made.refuse(LicenceRefused(code="licence.column", columns="age"))
    made.cancelled = made.submit()
    made.office.cancel(made.cancelled, made.office.parties()["operator"])
    made.late = made.submit()
    made.floor.wait(601)
    made.open, made.stopped = made.submit(licence=made.floor.licence.id), made.submit()
    made.office.publish(coordinators.revocations(2, made.licence))
    made.revoked = made.submit()
    yield made
    made.office.journal.close()


def collected(trail, job: str) -> Evidence:
    with trail.office.journal.view() as t:
        found = records.of(records.export(t, str(KEYS["coordinator"].public), coordinators.ROOTS), coordinators.PINNED)
        bundle = published.bundle(t, job, "coordinator", coordinators.ROOTS) if t.note("release", job) else None
        made = evidence.collect(job, found, t, bundle)
    return Evidence.read(evidence.write(made).strip().encode())


@pytest.mark.parametrize(("job", "phase", "code", "by"), [
    ("released", "released", "", ""), ("denied", "refused", "licence.purpose", "coordinator"), ("refused", "refused", "licence.column", "north"),
    ("cancelled", "ended", "job.cancelled", "coordinator"), ("late", "ended", "job.deadline", "coordinator"), ("open", "running", "", ""),
    ("revoked", "refused", "licence.revoked", "coordinator"), ("stopped", "refused", "licence.revoked", "coordinator"),
])  # fmt: skip
def test_the_verdict_is_that_of_the_ledger(trail, job, phase, code, by):
    verdict = verify(collected(trail, getattr(trail, job)), coordinators.PINNED)
    assert (verdict.phase, verdict.code, verdict.by) == (phase, code, by)
    assert (verdict.result is not None) == (job == "released")


def test_another_authority_comes_to_none(trail):
    with pytest.raises(KeyongError):
        verify(collected(trail, trail.denied), stranger())


def test_a_denial_that_the_documents_do_not_give_is_an_alarm(trail):
    """The coordinator cannot say that a licence was revoked which was not, nor judge by a list that came later."""
    made, before = collected(trail, trail.revoked), collected(trail, trail.denied)
    with pytest.raises(IntegrityError, match="do not give the reason"):
        verify(replace(made, revocations=before.revocations, published=before.published), coordinators.PINNED)
    with pytest.raises(IntegrityError, match="not published before"):
        verify(replace(before, revocations=made.revocations, published=made.published), coordinators.PINNED)
    with pytest.raises(IntegrityError, match="without the proof"):
        verify(replace(made, published=()), coordinators.PINNED)
    verify(replace(before, revocations=before.revocations), coordinators.PINNED)


@pytest.mark.parametrize(("code", "left_out"), [
    ("licence.stale", {"revocations": (), "published": ()}), ("licence.plan", {"plan": ""}),
])  # fmt: skip
def test_what_the_coordinator_leaves_out_proves_no_refusal(tmp_path, code, left_out):
    """A job that was good, and that is refused for want of what was there: it is the coordinator's word, and the verdict says so."""
    trail = Trail(tmp_path)
    text = trail.job()
    trail.office._deny(notes.read(text).id, text, "operator", code, ())
    made = collected(trail, notes.read(text).id)
    with pytest.raises(IntegrityError, match="do not give the reason"):
        verify(made, coordinators.PINNED)
    verdict = verify(replace(made, **left_out), coordinators.PINNED)
    assert (verdict.phase, verdict.by) == ("ended", "coordinator") and "only coordinator says" in verdict.checks[-1]
    trail.office.journal.close()


def test_a_holder_that_has_nothing_to_do_with_the_dataset_refuses_nothing(trail):
    made = collected(trail, trail.refused)
    enrolments = made.enrolments | {"other": dict(trail.office.documents("enrolment"))["other"]}
    with pytest.raises(IntegrityError, match="not by a data holder of this job"):
        verify(replace(made, refusals=(_refusal(trail.refused, "licence.column", "other"),), enrolments=enrolments), coordinators.PINNED)


def test_entries_and_documents_of_other_jobs_are_no_evidence(trail):
    one, other = collected(trail, trail.refused), collected(trail, trail.denied)
    for wrong in (
        replace(one, entries=other.entries), replace(one, entries=()), replace(one, entries=one.entries[::-1]), replace(one, job=other.job),
        replace(one, refusals=(_refusal(trail.refused, "licence.purpose"),)), replace(one, refusals=(_refusal(trail.denied, "licence.column"),)),
        replace(one, refusals=(_refusal(trail.refused, "licence.column", "operator"),)), replace(one, enrolments={}),
        replace(collected(trail, trail.released), bundle=None),
        replace(collected(trail, trail.released), entries=collected(trail, trail.released).entries[:-1] + one.entries[-1:]),
        replace(collected(trail, trail.released), bundle=replace(collected(trail, trail.released).bundle, job=one.job)),
    ):  # fmt: skip
        with pytest.raises(IntegrityError):
            verify(wrong, coordinators.PINNED)


def test_a_deadline_that_had_not_passed_is_an_alarm(tmp_path):
    """The coordinator ended the job before the deadline that the operator signed."""
    own = Trail(tmp_path)
    job = own.submit()
    with own.office._changed:
        own.office._end(job, "expired", "job.deadline", "late", "逾期")
    with pytest.raises(IntegrityError, match="before it had"):
        verify(collected(own, job), coordinators.PINNED)
    own.office.journal.close()


def _refusal(job: str, code: str, holder: str = "north") -> str:
    return str(notes.write(Refusal(job, holder, code, "no", "否")).signed_by(KEYS[holder]))


@pytest.mark.parametrize("job", ["denied", "refused"])
def test_a_changed_byte_is_noticed(trail, job):
    text = evidence.write(collected(trail, getattr(trail, job))).strip()
    whole = verify(Evidence.read(text.encode()), coordinators.PINNED)
    for at in range(7, len(text), max(1, len(text) // 60)):
        changed = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
        try:
            verdict = verify(Evidence.read(changed.encode()), coordinators.PINNED)
        except KeyongError:
            continue
        assert (verdict.phase, verdict.code, verdict.by) == (whole.phase, whole.code, whole.by)  # an enrolment that nothing asks for


def test_the_command_verifies_it_on_another_machine(trail, tmp_path, capsys):
    (tmp_path / "root.note").write_text(coordinators.ROOTS.texts[0])
    for job, says in (("refused", "data holder north signed the refusal"), ("released", "data holders computed and signed this result")):
        (tmp_path / "evidence.json").write_text(evidence.write(collected(trail, getattr(trail, job))))
        assert says in calls.keyong(capsys, "verify", tmp_path / "evidence.json", "--authority", tmp_path / "root.note").out


def test_a_job_is_named_by_the_start_of_its_id(trail):
    found = trail.read()
    assert evidence.whole(trail.denied[:12], found) == trail.denied
    with pytest.raises(UsageError, match="jobs in the ledger start with"):
        evidence.whole("", found)


def test_a_denial_under_a_licence_that_was_handed_on_is_judged_again(tmp_path):
    """The links that came with the job go with its evidence, although no job under them ever ran."""
    own = Trail(tmp_path)
    below = licensing.link(Rights(purposes=("public-interest",)), KEYS["operator"], by=(KEYS["operator"],), parent=own.licence)
    with own.office.journal.view() as t:
        top = t.note("licence", own.licence)
    denied = own.submit(licence=below.id, links=(top, str(below)))
    made = collected(own, denied)
    assert made.chain == (top, str(below))
    verdict = verify(made, coordinators.PINNED)
    assert (verdict.phase, verdict.code) == ("refused", "licence.purpose")
    own.office.journal.close()
