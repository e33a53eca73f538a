"""Records: the same from a journal and from its file, and nothing is read that was not signed or is not complete."""

from __future__ import annotations

import json
from dataclasses import replace

import coordinators
import licensing
import pytest
from coordinators import KEYS
from trails import Trail, stranger

from federated import records
from federated.coordinator import office
from governance import notes
from governance.encoding import canonical, plain
from governance.errors import DecodeError, IntegrityError, LicenceRefused
from governance.keys import SigningKey
from governance.prices import Price
from governance.rights import Rights
from governance.roots import NEEDED, Role, pinned
from sandbox.messages import Release


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    made = Trail(tmp_path_factory.mktemp("coordinator"))
    made.released = made.run("ward != 'a'")
    made.public = made.run(purpose="public-interest")
    made.denied = made.submit(purpose="marketing")
    made.refused = made.refuse(LicenceRefused(code="licence.revoked"))
    made.cancelled = made.submit()
    made.office.cancel(made.cancelled, made.office.parties()["operator"])
    yield made
    made.office.journal.close()


def test_a_job_s_record_says_who_asked_what_and_what_became_of_it(trail):
    found = {r.id: r for r in trail.read().jobs}
    assert list(found) == [trail.released, trail.public, trail.denied, trail.refused, trail.cancelled]
    assert [r.phase for r in found.values()] == ["released", "released", "refused", "refused", "ended"]
    assert [r.code for r in found.values()] == ["", "", "licence.purpose", "licence.revoked", "job.cancelled"]
    one = found[trail.released]
    assert (one.organisation, one.job.licence, one.job.purpose) == ("House of operator", trail.licence, "research")
    assert one.numbers == sum(one.case.analysis.opens(one.case.dataset.schema)) > 0
    assert one.admission.uses == (1,)
    assert [e.event for _, e in one.events] == ["job.offered", "job.admitted", "cohort.fixed", "job.released"]
    assert one.release.document(Release).job == trail.released
    assert [refusal.holder for _, refusal in found[trail.refused].refusals] == ["north"]


def test_the_file_gives_the_same_records_as_the_journal(trail):
    here = trail.read()
    there = records.read(records.write(trail.export()), coordinators.PINNED)
    assert there == here and records.rows(there) == records.rows(here)
    assert list(there.uses()) == list(here.uses()) and len(list(there.uses())) == 2


def test_a_node_s_ledger_gives_records_too(trail, tmp_path):
    """What a node was offered, whatever it was."""
    from governance.journal import Journal
    from sandbox.messages import Offer

    with trail.office.journal.view() as t:
        job, enrolments = t.note("job", trail.released), dict(t.notes("enrolment"))
        licence, lists = t.note("licence", trail.licence), t.note("revocations", "current")
    holders = tuple(enrolments[name] for name in coordinators.ROSTER)
    plan = str(coordinators.plan())
    offer = Offer(
        coordinators.ROOTS.texts,
        job,
        (licence,),
        plan,
        trail.dataset,
        coordinators.asset(),
        lists,
        enrolments["operator"],
        enrolments["coordinator"],
        holders,
    )
    other = trail.job(purpose="else")
    hostile = replace(offer, job=other, operator="no note", dataset="none", chain=("",))
    journal = Journal.create(tmp_path / "node.db", KEYS["north"])
    with journal.transaction() as t:
        for each in (offer, hostile):
            name = notes.read(each.job).id
            t.put_note("offer", name, canonical(plain(each)))
            t.append("job.offered", name)
            t.append("job.refused", name, "licence.revoked")
    with journal.view() as t:
        made = records.export(t, str(KEYS["north"].public), coordinators.ROOTS)
    found = records.read(records.write(made), coordinators.PINNED)
    assert [(r.phase, r.code, r.organisation) for r in found.jobs] == [("refused", "licence.revoked", "House of operator")] * 2
    assert found.role == "holder"
    journal.close()


@pytest.mark.parametrize("part", ["price", "licence", "job", "release"])
def test_a_document_that_is_left_out_is_missed(trail, part):
    export = trail.export()
    with trail.office.journal.view() as t:
        gone = {text for _, text in t.notes(part)}
    with pytest.raises(IntegrityError, match="is missing"):
        records.read(records.write(replace(export, documents=tuple(d for d in export.documents if d not in gone))), coordinators.PINNED)


def test_an_entry_that_is_left_out_or_changed_is_noticed(trail):
    export = trail.export()
    shorter = replace(export, leaves=export.leaves[:-1])
    changed = replace(export, leaves=(*export.leaves[:-1], export.leaves[-1].replace("cancelled", "deadline")))
    for made in (shorter, changed):
        with pytest.raises(IntegrityError, match="not those under the checkpoint"):
            records.read(records.write(made), coordinators.PINNED)


def test_another_authority_finds_nothing_that_it_signed(trail):
    with pytest.raises(IntegrityError, match="another key root"):
        records.read(records.write(trail.export()), stranger())


def test_the_ledger_of_somebody_who_is_not_enrolled_is_not_read(trail, tmp_path):
    from governance.journal import Journal

    key = SigningKey.generate("somebody")
    journal = Journal.create(tmp_path / "own.db", key)
    with journal.view() as t:
        made = records.export(t, str(key.public), coordinators.ROOTS)
    with pytest.raises(IntegrityError, match="not one of a party"):
        records.read(records.write(made), coordinators.PINNED)
    journal.close()


@pytest.mark.parametrize("text", ["[]", "{}", canonical(["keyong/budget-export/v1", {}])])
def test_another_file_is_no_file_of_records(text):
    with pytest.raises(DecodeError, match="no file of records"):
        records.read(text, coordinators.PINNED)


def test_a_day_has_a_limit_of_what_is_written_down_of_one_operator(tmp_path, monkeypatch):
    monkeypatch.setattr(office, "MOST_DENIED", 2)
    own = Trail(tmp_path)
    for _ in range(3):
        own.submit(purpose="marketing")
    assert len(own.read().jobs) == 2
    own.floor.late += 86_400
    own.submit(purpose="marketing")
    assert len(own.read().jobs) == 3
    own.office.journal.close()


def test_what_is_refused_at_the_door_is_written_down_once_and_only_if_it_is_the_operator_s(trail, tmp_path):
    own = Trail(tmp_path)
    size = len(own.read().entries)
    text = own.job(purpose="marketing")
    for _ in range(3):
        with pytest.raises(LicenceRefused):
            own.office.submit(text, own.office.parties()["operator"])
        with pytest.raises(LicenceRefused):
            own.office.submit(text, own.office.parties()["rival"])
    found = own.read()
    assert len(found.entries) == size + 1 and [r.code for r in found.jobs] == ["licence.purpose"]
    assert json.dumps(records.rows(found)[0])
    own.office.journal.close()


def test_documents_hold_that_were_signed_under_an_earlier_version_of_the_key_root(tmp_path):
    """For whoever trusts the first version or the second; and the new key alone signs from then on."""
    trail = Trail(tmp_path)
    trail.run()
    key = SigningKey.generate("second")
    second = coordinators.ROOTS.newest.next(roles=dict.fromkeys(NEEDED, Role((str(key.public),), 1)))
    note = notes.write(second).signed_by(coordinators.AUTHORITY, key)
    trail.office.publish(str(note))
    price = Price("cohort", 2, "call", 1, 2000, 10**6, (), 0, 2**33)
    identity = trail.office.publish(str(notes.write(price).signed_by(key)))[1]
    with trail.office.journal.view() as t:
        text = records.write(records.export(t, str(KEYS["coordinator"].public), trail.office.roots))
    for known in (coordinators.PINNED, pinned(note)):
        found = records.read(text, known)
        assert identity in found.prices and trail.price in found.prices and trail.licence in found.licences
    third = trail.office.roots.newest.next(withdrawn=(str(coordinators.AUTHORITY.public),))
    chain = trail.office.roots.followed([*trail.office.roots.texts, str(notes.write(third).signed_by(key))])
    with trail.office.journal.view() as t:
        found = records.of(records.export(t, str(KEYS["coordinator"].public), chain), chain.newest)
    assert (found.parties, found.jobs[0].operator) == ({}, None) and trail.licence in found.licences
    trail.office.journal.close()


def test_a_link_whose_parent_is_missing_is_no_licence(tmp_path):
    trail = Trail(tmp_path)
    top = coordinators.licence(use_count=7)
    below = licensing.link(Rights(use_count=5), KEYS["operator"], by=(KEYS["operator"],), parent=top)
    export = trail.export()
    found = records.of(replace(export, documents=(*export.documents, str(below))), coordinators.PINNED)
    assert below.id not in found.licences
    found = records.of(replace(export, documents=(*export.documents, str(top), str(below))), coordinators.PINNED)
    assert below.id not in found.licences, "the authority's link has no entry"
    trail.office.publish(str(top))
    export = trail.export()
    found = records.of(replace(export, documents=(*export.documents, str(below))), coordinators.PINNED)
    assert found.licences[below.id].ids == (top.id, below.id)
    other = licensing.link(Rights(use_count=4), KEYS["operator"], by=(KEYS["rival"],), parent=top)
    found = records.of(replace(export, documents=(*export.documents, str(top), str(other))), coordinators.PINNED)
    assert other.id not in found.licences
    trail.office.journal.close()
