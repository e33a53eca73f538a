"""A node judges an offer by itself, whatever its coordinator thought of it."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

import coordinators
import pytest
from coordinators import KEYS, PARTIES, ROSTER, STRANGER, enrolment

from federated.node.doctor import _dated, _drills
from federated.node.home import Home
from federated.node.judge import check_in_force, judge, learn_revocations
from governance import chains, notes
from governance.contingency import Contingency
from governance.encoding import canonical, plain
from governance.errors import IntegrityError, LicenceRefused, Refused
from governance.journal import Journal
from governance.licences import day
from governance.roots import read
from sandbox.messages import Offer


@pytest.fixture
def home(tmp_path):
    Journal.create(tmp_path / "journal.db", KEYS["north"]).close()
    return Home(tmp_path, KEYS["north"], "https://127.0.0.1:1", None, coordinators.ROOTS, KEYS["coordinator"].public)


def offer(asset="", **job):
    dataset, licence = coordinators.dataset(), coordinators.licence()
    text = str(coordinators.job(licence.id, dataset, **job))
    parties = {name: enrolment(KEYS[name], PARTIES[name]) for name in (*ROSTER, "operator", "coordinator")}
    return Offer(coordinators.ROOTS.texts, text, (str(licence),), str(coordinators.plan()), dataset, asset or coordinators.asset(), coordinators.revocations(), parties["operator"], parties["coordinator"],
                 tuple(parties[name] for name in ROSTER))  # fmt: skip


def judged(home, offered):
    journal = home.journal()
    try:
        with journal.transaction() as t:
            learn_revocations(offered.revocations, home, t)
        with journal.transaction() as t:
            return judge(offered, home, t, now=int(time.time()))
    finally:
        journal.close()


def test_a_good_offer_comes_as_far_as_the_snapshot_that_this_node_lacks(home):
    with pytest.raises(Refused) as refusal:
        judged(home, offer())
    assert refusal.value.code == "policy.dataset"


def test_doctor_finds_the_drill_that_is_due_first(home):
    with closing(home.journal()) as journal, journal.transaction() as t:
        assert t.jobs() == []
        offered = offer()
        t.put_job("ab" * 32, phase="judging", deadline=2**33, detail="x")
        t.put_note("offer", "ab" * 32, canonical(plain(offered)))
    plan = notes.read(offered.plan).document(Contingency)
    assert _drills(home) == (plan.due, f"the plan of operator must be practised by {day(plan.due)}")
    found = _dated("drills", lambda: (int(time.time()) + 10 * 86400 + 60, "x"))
    assert (found.ok, found.soon, found.text) == (True, True, "x; 10 days left")


def test_a_job_that_names_another_coordinator_than_the_one_joined_is_refused(home):
    with pytest.raises(LicenceRefused) as refusal:
        judged(home, offer(coordinator=STRANGER))
    assert refusal.value.code == "job.coordinator"


def test_another_coordinator_than_the_one_joined_offers_nothing(home):
    annex = replace(offer(coordinator=STRANGER), coordinator=enrolment(STRANGER, "coordinator"))
    with pytest.raises(IntegrityError, match="another coordinator than the one that this node joined"):
        judged(home, annex)


def test_a_coordinator_that_hides_a_cancellation_has_nothing_computed(home):
    """The list that the node saw names the link that the cancellation took the place of; without a fresh list nothing runs."""
    cancelled = coordinators.revocations(2, chains.read(coordinators.asset())[-1].id)
    for offered, code in ((replace(offer(), revocations=cancelled), "asset.superseded"), (offer(), "asset.superseded")):
        with pytest.raises(Refused) as refusal:
            judged(home, offered)
        assert refusal.value.code == code, "an older list does not bring it back"


def test_a_cancellation_in_mid_job_opens_nothing_more(home):
    offered, journal = offer(), home.journal()
    with journal.transaction() as t:
        learn_revocations(offered.revocations, home, t)
        check_in_force(offered, home, t, now=time.time())
        learn_revocations(coordinators.revocations(2, chains.read(offered.asset)[-1].id), home, t)
        with pytest.raises(Refused) as refusal:
            check_in_force(offered, home, t, now=time.time())
    assert refusal.value.code == "asset.superseded"
    journal.close()


@pytest.mark.parametrize("look", [judge, check_in_force], ids=["judged", "at the gate"])
def test_a_key_root_that_is_over_by_the_witnesses_time_serves_no_more(home, look):
    """Though this node's own clock was set back."""
    offered, now = offer(), int(time.time())
    short = read([str(notes.write(replace(coordinators.ROOT, expires=now + 100)).signed_by(coordinators.AUTHORITY))])
    home = replace(home, roots=short)
    journal = home.journal()
    with journal.transaction() as t:
        learn_revocations(offered.revocations, home, t)
        for witness in ("south", "east"):
            t.put_cosigned(witness, 1, now + 300)
        with pytest.raises(Refused) as refusal:
            look(offered, home, t, now=now)
        assert refusal.value.code == "root.expired"
    journal.close()
