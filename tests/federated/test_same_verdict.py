"""One verdict, three places: coordinator, node and command line judge random chains of licences, and give the same code for each."""

from __future__ import annotations

import collections
import contextlib
import io
import json
import time
from dataclasses import replace

import coordinators
import licensing
import numpy as np
import pytest
from coordinators import AUTHORITY, KEYS, PARTIES, ROSTER, STRANGER, enrolment

from federated.cli import main
from federated.grants import VERSION, Grant
from federated.node.home import Home
from federated.node.judge import judge, learn_revocations
from governance import notes
from governance.catalogue import Dataset
from governance.encoding import canonical, plain
from governance.errors import KeyongError
from governance.journal import Journal
from governance.keys import SigningKey
from governance.licences import Licence, Revocations, key_id
from governance.registration import Grade
from governance.rights import Rights
from sandbox.job import Job
from sandbox.messages import Offer
from sandbox.policy import check_licence

SAMPLE, ALL = 150, 10_000
ALLOWED = "allowed"
POOL = (KEYS["operator"], KEYS["rival"], STRANGER)
NARROWER = (
    {}, {"use_count": 3}, {"purposes": ("audit", "research")}, {"purposes": ("audit",)}, {"methods": ("describe@1",)}, {"methods": ("crosstab@1",)},
    {"datasets": {"cohort": ("age", "bmi")}}, {"datasets": {"lung": ("age",)}}, {"datasets": {"cohort": ()}}, {"grade": 3}, {"grade": 2}, {"min_cell": 10},
    {"min_cell": 12}, {"regions": {"CN": "", "SG": "f" * 64}}, {"regions": {"SG": "f" * 64}}, {"outputs": ("dp", "exact")}, {"outputs": ("dp",)},
    {"holders": (*ROSTER,)}, {"holders": ("east", "north")}, {"split": {"x": 10_000}}, {"split": {"y": 10_000}}, {"price": "a" * 64}, {"plan": "0" * 64},
    {"approvals": 2}, {"epsilon_job": 5},
)  # fmt: skip


def registrations():
    """The dataset's registration, and others under which nothing runs on it, or not at a price."""
    entry, now, bad = notes.read(coordinators.dataset()).document(Dataset), int(time.time()), {"grades": (Grade("age", 2),)}
    good = coordinators.asset()
    return good, (
        "", good.partition("\nkeyong/asset/v1")[0] + "\n", licensing.moved(good, "cancel", AUTHORITY, at=now), coordinators.asset(name="low", **bad),
        coordinators.asset(name="schema", schema="0" * 64), coordinators.asset(name="more", grades=(Grade("age", 3), Grade("bmi", 3))),
        coordinators.asset(name="free", openness="conditional-free"), coordinators.asset(name="high", grades=(Grade("age", 5),)),
        licensing.asset(entry, KEYS["other"], AUTHORITY, at=now), licensing.asset(entry, SigningKey.generate("north"), AUTHORITY, at=now),
    )  # fmt: skip


class Undone(Exception):
    """Nothing of a trial stays in the journal."""


class Trial:
    """A random job under a random licence, most of them with one or two things wrong."""

    def __init__(self, rng, dataset, now):
        self.rng, self.now = rng, now
        self.plan = self.planned()
        self.chain, self.delegates, threshold = self.links(notes.read(self.plan).id if self.plan else "0" * 64)
        signed = self.signers(threshold)
        document = notes.read(str(coordinators.job(self.chain[-1].id, dataset))).document(Job)
        changes = {"purpose": self.often("research", "audit"), "min_cell": self.often(10, 12), "region": self.often("CN", "SG"),
                   "licence": self.often(self.chain[-1].id, "1" * 64)}  # fmt: skip
        self.job = str(notes.write(replace(document, **changes)).signed_by(*signed))
        usual, others = registrations()
        self.asset = self.often(usual, self.pick(others))
        self.revocations = self.revoked()

    def seldom(self, of=12):
        return self.rng.random() < 1 / of

    def often(self, usual, other):
        return other if self.seldom() else usual

    def pick(self, values):
        return values[int(self.rng.integers(len(values)))]

    def planned(self):
        by, drilled = self.often(KEYS["operator"], KEYS["rival"]), self.often(self.now - 9, self.now - 300 * licensing.DAY)
        note = licensing.plan(by, self.often(AUTHORITY, STRANGER), now=self.now, drilled=drilled)
        return self.often(str(note), "")

    def links(self, plan):
        times = {"not_before": self.often(self.now - 5000, self.now + 5000), "not_after": self.often(self.now + 5000, self.now - 4000)}
        allow = licensing.rights(plan, now=self.now, holders=ROSTER, dataset="cohort", **times)
        keys, chain = (KEYS["operator"], *(k for k in POOL[1:] if self.seldom(4))), []
        threshold = self.pick((1, len(keys)))
        chain.append(licensing.link(allow, *keys, by=(self.often(AUTHORITY, STRANGER),), threshold=threshold))
        for _ in range(self.pick((0, 0, 1, 1, 2, 3)) if not self.seldom(20) else 7):
            below = (*self.pick(((POOL[0],), (POOL[0],), POOL[:2], POOL[1:2])),)
            by = keys[:threshold] if not self.seldom() else (STRANGER,)
            parent = chain[-1] if not self.seldom(20) else "2" * 64
            following = self.pick((1, len(below)))
            chain.append(
                licensing.link(Rights(**(self.pick(NARROWER) if self.seldom(2) else {})), *below, by=by, parent=parent, threshold=following)
            )
            keys, threshold = below, following
        return chain, keys, threshold

    def signers(self, threshold):
        found = dict.fromkeys((KEYS["operator"], *self.delegates[:threshold]))
        if self.seldom():
            found = dict.fromkeys((KEYS["operator"],))
        return (*found, STRANGER) if self.seldom(20) and STRANGER not in found else tuple(found)

    def revoked(self):
        ids = [
            *([self.pick(self.chain).id] if self.seldom(15) else []),
            *([notes.read(self.asset[self.asset.rindex("keyong/asset/v1") :]).id] if self.asset and self.seldom(15) else []),
            *([key_id(str(self.pick(self.delegates).public))] if self.seldom(15) else []),
        ]
        due = self.often(self.now + 5000, self.now - 5000)
        text = str(notes.write(Revocations(1, self.now - 9000, due, tuple(sorted(ids)))).signed_by(AUTHORITY))
        return self.often(text, "")

    @property
    def hangs_together(self):
        """Whether the links lead from the one that the job names to the first; else a coordinator finds no licence to judge."""
        above = ["", *(link.id for link in self.chain)]
        named = notes.read(self.job).document(Job).licence
        return named == above[-1] and all(link.document(Licence).parent == up for link, up in zip(self.chain, above, strict=False))

    @property
    def texts(self):
        return tuple(map(str, self.chain))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    path = tmp_path_factory.mktemp("places")
    office = coordinators.filled(path / "office.db")
    (path / "node").mkdir()
    Journal.create(path / "node" / "journal.db", KEYS["north"]).close()
    home = Home(path / "node", KEYS["north"], "https://127.0.0.1:1", None, coordinators.ROOTS, KEYS["coordinator"].public)
    journal = home.journal()
    (path / "root.note").write_text(coordinators.ROOTS.texts[-1])
    parties = {name: enrolment(KEYS[name], PARTIES[name]) for name in (*ROSTER, "operator", "coordinator")}
    yield path, office, home, journal, parties
    journal.close()
    office.journal.close()


def code_of(call):
    try:
        call()
    except KeyongError as error:
        return error.code
    return ALLOWED


def at_the_coordinator(office, trial):
    def judged():
        with office.journal.transaction() as t:
            for kind, name, text in (
                ("plan", notes.read(trial.plan).id if trial.plan else "", trial.plan),
                ("revocations", "current", trial.revocations),
            ):
                if text:
                    t.put_note(kind, name, text, replace=True)
            if not trial.revocations:
                t._connection.exec_driver_sql("DELETE FROM note WHERE kind = 'revocations'")
            for link in trial.chain:
                t.put_note("licence", link.id, str(link), replace=True)
            t.put_note("asset", "shown", trial.asset, replace=True)
            t.put("asset of cohort", "shown")
            operator = office.parties()["operator"]
            raise Undone(code_of(lambda: check_licence(office._docket(t, trial.job, operator, current=True), office.trust, now=trial.now)))

    try:
        judged()
    except Undone as done:
        return done.args[0]


def at_a_node(home, journal, trial, offer):
    def judged():
        with journal.transaction() as t:
            t._connection.exec_driver_sql("DELETE FROM note WHERE kind = 'revocations'")
            learn_revocations(offer.revocations, home, t)
            code = code_of(lambda: judge(offer, home, t, now=trial.now))
            raise Undone(ALLOWED if code == "policy.dataset" else code)  # as far as the snapshot, which this node lacks

    try:
        judged()
    except Undone as done:
        return done.args[0]


def on_the_command_line(path, trial, offer):
    (path / "a.licence").write_text(Grant(VERSION, trial.texts, trial.plan, (), trial.revocations).text())
    (path / "offer.json").write_text(canonical(plain(offer)) + "\n")
    told, status = io.StringIO(), 0
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(io.StringIO()):
        try:
            main(
                [
                    "licence",
                    "check",
                    str(path / "a.licence"),
                    "--authority",
                    str(path / "root.note"),
                    "--job",
                    str(path / "offer.json"),
                    "--json",
                ]
            )
        except SystemExit as end:
            status = end.code
    data = json.loads(told.getvalue())
    if "verdict" in data:
        return ALLOWED
    assert status == 3, data
    return data["error"]


def differ(places, count, seed):
    path, office, home, journal, parties = places
    rng, seen, dataset = np.random.default_rng(seed), collections.Counter(), coordinators.dataset()
    for _ in range(count):
        trial = Trial(rng, dataset, int(time.time()))
        offer = Offer(coordinators.ROOTS.texts, trial.job, trial.texts, trial.plan, dataset, trial.asset, trial.revocations, parties["operator"], parties["coordinator"],
                      tuple(parties[name] for name in ROSTER))  # fmt: skip
        codes = at_a_node(home, journal, trial, offer), on_the_command_line(path, trial, offer)
        assert codes[0] == codes[1], (codes, trial.texts)
        assert at_the_coordinator(office, trial) in ([codes[0]] if trial.hangs_together else ["usage", "licence.size"]), (
            codes,
            trial.texts,
        )
        seen[codes[0]] += 1
    return seen


def test_a_sample_of_chains_gets_one_verdict_everywhere(places):
    seen = differ(places, SAMPLE, 5)
    assert seen[ALLOWED] > 5 and len(seen) > 10, seen


@pytest.mark.soak
def test_ten_thousand_chains_get_one_verdict_everywhere(places):
    seen = differ(places, ALL, 6)
    assert seen[ALLOWED] > 100 and len(seen) > 20, seen
