"""A node judges an offer by itself, whatever its coordinator thought of it."""

from __future__ import annotations

import time
from dataclasses import replace

import coordinators
import pytest
from coordinators import KEYS, PARTIES, ROSTER, STRANGER, enrolment

from federated.node.home import Home
from federated.node.judge import judge, learn_revocations
from governance.errors import IntegrityError, LicenceRefused, Refused
from governance.journal import Journal
from sandbox.messages import Offer


@pytest.fixture
def home(tmp_path):
    Journal.create(tmp_path / "journal.db", KEYS["north"]).close()
    return Home(tmp_path, KEYS["north"], "https://127.0.0.1:1", None, coordinators.ROOTS, KEYS["coordinator"].public)


def offer(**job):
    dataset, licence = coordinators.dataset(), coordinators.licence()
    text = str(coordinators.job(licence.id, dataset, **job))
    parties = {name: enrolment(KEYS[name], PARTIES[name]) for name in (*ROSTER, "operator", "coordinator")}
    return Offer(coordinators.ROOTS.texts, text, (str(licence),), str(coordinators.plan()), dataset, coordinators.revocations(), parties["operator"], parties["coordinator"],
                 tuple(parties[name] for name in ROSTER))  # fmt: skip


def judged(home, offered):
    journal = home.journal()
    try:
        with journal.transaction() as t:
            learn_revocations(offered.revocations, home, t)
            return judge(offered, home, t, now=int(time.time()))
    finally:
        journal.close()


def test_a_good_offer_comes_as_far_as_the_snapshot_that_this_node_lacks(home):
    with pytest.raises(Refused) as refusal:
        judged(home, offer())
    assert refusal.value.code == "policy.dataset"


def test_a_job_that_names_another_coordinator_than_the_one_joined_is_refused(home):
    with pytest.raises(LicenceRefused) as refusal:
        judged(home, offer(coordinator=STRANGER))
    assert refusal.value.code == "job.coordinator"


def test_another_coordinator_than_the_one_joined_offers_nothing(home):
    annex = replace(offer(coordinator=STRANGER), coordinator=enrolment(STRANGER, "coordinator"))
    with pytest.raises(IntegrityError, match="another coordinator than the one that this node joined"):
        judged(home, annex)
