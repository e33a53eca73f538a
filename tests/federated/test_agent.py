"""A node at a coordinator's door: how often it asks, and how soon a person's decision is acted on."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pyarrow as pa
import pytest

from connectors import snapshot
from connectors.tables import TableSource
from federated import problems
from federated.node import judge
from federated.node.agent import Agent, Run
from federated.node.home import Home, snapshot_text
from federated.node.witnessing import Alarm
from governance import chains, notes, proofs
from governance.encoding import canonical, plain
from governance.errors import BudgetExhausted, DisclosureRefused, IntegrityError, LicenceRefused, QuorumLost, Refused, Unavailable
from governance.journal import Journal
from sandbox import spends
from sandbox.job import Job
from sandbox.machine import Accepting, Finished, Proving, Revealing, Spending, accept
from sandbox.messages import Acceptance, Admission, Post, Refusal, Relay
from sandbox.policy import DEFAULT
from tests.federated import coordinators
from tests.federated.coordinators import KEYS, TLS


@pytest.fixture
def agent(place, tmp_path):
    """The node of north, which serves the dataset and leaves every job to a person."""
    Journal.create(tmp_path / "journal.db", KEYS["north"]).close()
    home = Home(tmp_path, KEYS["north"], place.server.url, TLS.certificate, coordinators.ROOTS, KEYS["coordinator"].public)
    home.write_policy(replace(DEFAULT, approval="person"))
    home.snapshots.mkdir()
    rows = pa.table({"id": [str(n) for n in range(30)], "age": [20.0 + n for n in range(30)]})
    kept = snapshot.freeze(TableSource("rows", rows), coordinators.SCHEMA, home.snapshots / "draft")
    kept = replace(kept, path=kept.path.rename(home.snapshots / f"{kept.id}.arrow"))
    with place.link("north") as link:
        made = Agent(home, link)
        with made.journal.transaction() as t:
            t.put("snapshot cohort", snapshot_text(kept))
            t.put("catalogue cohort", notes.read(place.dataset).id)
        yield made
        made.journal.close()


def until(look, seconds=10.0):
    end = time.monotonic() + seconds
    while not look() and time.monotonic() < end:
        time.sleep(0.02)
    return look()


def phase(agent, job):
    with agent.journal.view() as t:
        row = t.job(job)
    return row.phase if row else None


def test_a_job_that_waits_for_a_person_does_not_make_the_node_ask_again_and_again(place, agent, monkeypatch):
    asked, offers = [], agent.link.offers
    monkeypatch.setattr(agent.link, "offers", lambda **how: asked.append(how) or offers(**how))
    monkeypatch.setattr("federated.node.agent.WAIT", 4.0)  # so that the node can be told to stop
    serving = threading.Thread(target=agent.serve)
    serving.start()
    try:
        first = place.submitted()
        assert until(lambda: phase(agent, first) == "waiting")
        before = len(asked)
        time.sleep(2.5)
        assert len(asked) - before <= 2
        second = place.submitted()
        started = time.monotonic()
        assert until(lambda: phase(agent, second) == "waiting"), "a new job is seen at once"
        with agent.journal.transaction() as t:
            t.put_decision(first, "deny", "not our field")
        assert until(lambda: place.office.status(first).phase == "refused"), "a decision is acted on at once"
        assert time.monotonic() - started < 3
        assert place.office.status(first).code == "policy.denied"
        assert place.office.status(second).waiting_for == coordinators.ROSTER
    finally:
        agent.stop()
        serving.join(timeout=20)
    assert not serving.is_alive()


def test_a_refusal_that_was_not_heard_is_told_again(place, agent, monkeypatch):
    """What ended here is not among what the node says it knows, so it is offered until the coordinator has heard of it."""
    with agent.journal.transaction() as t:
        t.put("catalogue cohort", "0" * 64)
    monkeypatch.setattr("federated.node.agent.WAIT", 1.0)
    job = place.submitted()
    offer = next(o for o in agent.link.offers(wait=0.0) if notes.read(o.job).id == job)
    with monkeypatch.context() as cut:
        cut.setattr(agent.link, "url", "https://127.0.0.1:1")  # the line breaks when the offer has come
        agent.consider(offer)
    assert phase(agent, job) == "refused" and place.office.status(job).phase == "offered"
    agent._offered()
    assert (place.office.status(job).phase, place.office.status(job).code) == ("refused", "policy.dataset")


def test_a_job_that_waits_for_a_person_ends_with_its_deadline(place, agent):
    job = place.submitted()
    offer = next(o for o in agent.link.offers(wait=1.0) if notes.read(o.job).id == job)
    agent.consider(offer)
    agent._decided()
    assert phase(agent, job) == "waiting"
    agent.clock = lambda: notes.read(offer.job).document(Job).deadline
    agent._decided()
    assert phase(agent, job) == "expired"


def test_a_node_that_runs_so_many_jobs_at_once_leaves_the_others_where_they_are(place, agent, monkeypatch):
    monkeypatch.setattr("federated.node.agent.MOST_RUNNING", 1)
    monkeypatch.setattr("federated.node.agent.WAIT", 0.0)
    job = place.submitted()
    agent._threads["another"] = threading.current_thread()
    agent._offered()
    assert phase(agent, job) is None
    del agent._threads["another"]
    agent._offered()
    assert phase(agent, job) == "waiting"


def test_a_job_that_cannot_go_on_here_is_told_to_the_others(place, agent, monkeypatch):
    told = []
    job = place.submitted()
    offer = next(o for o in agent.link.offers(wait=1.0) if notes.read(o.job).id == job)
    with agent.journal.transaction() as t:
        t.put_job(job, phase="running", deadline=2_000_000_000, detail="")
        t.put_note("offer", job, canonical(plain(offer)))
    monkeypatch.setattr("federated.node.agent.Run.__init__", lambda self, agent, job: None)
    monkeypatch.setattr("federated.node.agent.Run.run", lambda self: (_ for _ in ()).throw(IntegrityError(code="jail.died")))
    monkeypatch.setattr(agent.link, "post", lambda job, post, wait: told.append(post))
    agent._run(job)
    assert phase(agent, job) == "failed"
    [post] = told
    assert post.step == "stop" and notes.read(post.body).document(Refusal).code == "job.local"


# --- the gate before the opening


@pytest.fixture
def spending(place, agent, monkeypatch):
    """A job of north's that all accepted, and that is spent there; nothing runs by itself."""
    agent.home.write_policy(DEFAULT)
    monkeypatch.setattr(agent, "_start", lambda job: None)
    job = place.submitted()
    agent.consider(next(o for o in agent.link.offers(wait=1.0) if notes.read(o.job).id == job))
    run = Run(agent, job)
    bodies = {name: place.acceptance(job, name).body for name in coordinators.ROSTER} | {"north": run.post.body}
    ids = tuple(notes.read(bodies[name]).id for name in sorted(bodies))
    admission = notes.write(Admission(job, place.licence.id, (1,), ids, int(time.time()))).signed_by(KEYS["coordinator"])
    run._receive(Relay("accept", bodies, {}, str(admission)))
    return run


@pytest.mark.parametrize("ended", [False, True], ids=["while it runs", "after its end"])
def test_a_job_that_is_offered_again_runs_once_and_costs_once(place, agent, spending, ended):
    """By a coordinator that replays it, to a node that was started again meanwhile."""
    if ended:
        agent._end(spending.job, "failed", IntegrityError(code="jail.died"))
    offer = spending.offer
    with agent.journal.view() as t:
        before = t.size(), t.next_use(place.licence.id), t.job(spending.job)
    assert before[1] == 2
    again = Agent(agent.home, agent.link)
    for text in (offer.job, str(notes.read(offer.job).signed_by(KEYS["rival"]))):  # a line more under it is the same job
        assert not again.consider(replace(offer, job=text))
    with agent.journal.view() as t:
        assert (t.size(), t.next_use(place.licence.id), t.job(spending.job)) == before
    assert again._threads == {}
    again.journal.close()


def offered(place, agent):
    """A new job's id, once this node has considered it, and the code of the refusal if there is one."""
    job = place.submitted()
    agent.consider(next(o for o in agent.link.offers(wait=1.0) if notes.read(o.job).id == job))
    with agent.journal.view() as t:
        text = t.note("refusal", job)
    return job, notes.read(text).document(Refusal).code if text else None


def test_rows_that_were_counted_with_other_holders_are_not_counted_with_these(place, agent):
    with agent.journal.transaction() as t:
        t.put_cohort(
            "cohort", judge.read_snapshot(t.get("snapshot cohort"), agent.home.snapshots).id, "roster", frozenset({"north", "other"})
        )
    assert offered(place, agent)[1] == "policy.roster"


def test_a_holder_that_comes_with_another_key_than_before_is_an_alarm(place, agent):
    with agent.journal.transaction() as t:
        t.put_note("peer", "south", str(KEYS["rival"].public))
    assert offered(place, agent)[1] == "integrity"


@pytest.mark.parametrize(
    "earlier, fits", [(("east", "north", "south"), False), (("east", "north", "south", "west"), True)], ids=["fewer", "same"]
)
def test_a_node_helps_to_open_no_set_that_lies_across_an_earlier_one(agent, spending, earlier, fits):
    """Whatever its coordinator proposes; and what it helps to open it writes down before anything of it is sent."""
    plan = spending.state.plan
    with agent.journal.transaction() as t:
        t.put_cohort("cohort", plan.snapshot, "opened", frozenset(earlier))
    following = Revealing(plan, "", b"", 0, coordinators.ROSTER)
    if not fits:
        with pytest.raises(DisclosureRefused) as refusal:
            spending._follow(following, None)
        assert refusal.value.code == "policy.difference"
        assert isinstance(Run(agent, spending.job).state, Spending)
    else:
        spending._follow(following, None)


def test_a_node_writes_down_which_set_it_helps_to_open(agent, spending):
    plan = spending.state.plan
    spending._follow(Revealing(plan, "", b"", 0, ("east", "north", "south")), None)
    with agent.journal.view() as t:
        assert t.cohorts("cohort", plan.snapshot, "opened") == [frozenset({"east", "north", "south"})]
        assert t.entries(t.size() - 1, 1)[0].event == "cohort.fixed"


def proved(run, *witnesses):
    return proofs.read(spends.proved(run.job, KEYS["north"], [KEYS[name] for name in witnesses], int(time.time())))


def test_what_is_spent_waits_for_its_quorum_and_nothing_is_posted(place, agent, spending, monkeypatch):
    posted = []
    monkeypatch.setattr(agent.link, "post", lambda *given, **how: posted.append(given))
    monkeypatch.setattr("federated.node.witnessing.TURN", 0.2)
    with agent.journal.view() as t:
        assert t.entries(int(t.get(f"spent {spending.job}")), 1)[0].event == "job.spent"
    spending._turn()
    assert isinstance(spending.state, Spending) and posted == []
    monkeypatch.setattr(agent.witnessing, "proof", lambda *given, **how: proved(spending, "north", "east"))
    with pytest.raises(QuorumLost):
        spending._turn()
    monkeypatch.setattr(agent.witnessing, "proof", lambda *given, **how: proved(spending, "north", "east", "west"))
    spending._turn()
    again = Run(agent, spending.job)  # as after a crash
    assert isinstance(again.state, Proving) and again.post.step == "spent"
    again._turn()
    assert [post.step for _, post in posted] == ["spent"]


def test_a_job_that_ended_meanwhile_is_not_waited_for(place, agent, spending, monkeypatch):
    monkeypatch.setattr("federated.node.witnessing.TURN", 0.1)
    place.office.cancel(spending.job, place.office.parties()["operator"])
    spending._turn()
    assert isinstance(spending.state, Finished) and phase(agent, spending.job) == "cancelled"


KINDS = ["spent", "deal", "0.0.upload", "0.0.consent", "0.0.reveal", "0.0.decrypt", "0.0.state", "1.0.upload", "1.0.decrypt", "1.0.weigh"]


@pytest.mark.parametrize("name", KINDS)
def test_nothing_on_a_cancelled_asset_leaves_the_node(place, agent, spending, monkeypatch, name):
    """Its coordinator may hold the cancellation back: the list names the link that it took the place of."""
    posted, run = [], spending
    monkeypatch.setattr(agent.link, "post", lambda *given, **how: posted.append(given))
    run.state, run.post = Proving(run.state.plan, run.state.run, run.state.party, ""), Post(name, "north", b"x", ())
    with agent.journal.transaction() as t:
        judge.learn_revocations(coordinators.revocations(2, chains.read(coordinators.asset())[-1].id), agent.home, t)
    with pytest.raises(Refused) as refusal:
        run._turn()
    assert refusal.value.code == "asset.superseded" and posted == []


@pytest.mark.parametrize("name", KINDS)
def test_nothing_of_a_revoked_licence_leaves_the_node(place, agent, spending, monkeypatch, name):
    """Whatever a job waits with: the list that came in mid-job stops it (PRIVACY 7)."""
    posted, run = [], spending
    monkeypatch.setattr(agent.link, "post", lambda *given, **how: posted.append(given))
    run.state, run.post = Proving(run.state.plan, run.state.run, run.state.party, ""), Post(name, "north", b"x", ())
    run._turn()
    assert len(posted) == 1
    with agent.journal.transaction() as t:
        judge.learn_revocations(coordinators.revocations(2, place.licence.id), agent.home, t)
    with pytest.raises(LicenceRefused) as refusal:
        run._turn()
    assert refusal.value.code == "licence.revoked" and len(posted) == 1


def test_a_node_that_cannot_have_the_list_waits_and_posts_nothing(place, agent, spending, monkeypatch):
    posted, run = [], spending
    monkeypatch.setattr(agent.link, "post", lambda *given, **how: posted.append(given))
    monkeypatch.setattr(agent.link, "documents", lambda kind: (_ for _ in ()).throw(Unavailable("not now")))
    run.state, run.post = Proving(run.state.plan, run.state.run, run.state.party, ""), Post("0.0.reveal", "north", b"x", ())
    agent.witnessing._listed = -1000.0
    run._turn()
    assert posted == []


def test_a_revoked_licence_is_not_spent(place, agent, monkeypatch):
    agent.home.write_policy(DEFAULT)
    monkeypatch.setattr(agent, "_start", lambda job: None)
    job = place.submitted()
    agent.consider(next(o for o in agent.link.offers(wait=1.0) if notes.read(o.job).id == job))
    run = Run(agent, job)
    with agent.journal.transaction() as t:
        judge.learn_revocations(coordinators.revocations(2, place.licence.id), agent.home, t)
    bodies = {name: place.acceptance(job, name).body for name in coordinators.ROSTER} | {"north": run.post.body}
    ids = tuple(notes.read(bodies[name]).id for name in sorted(bodies))
    admission = notes.write(Admission(job, place.licence.id, (1,), ids, int(time.time()))).signed_by(KEYS["coordinator"])
    with pytest.raises(LicenceRefused):
        run._receive(Relay("accept", bodies, {}, str(admission)))
    with agent.journal.view() as t:
        assert t.next_use(place.licence.id) == 1 and isinstance(run.state, Accepting)


@pytest.mark.parametrize("code", ["integrity.rollback", "integrity.fork"])
def test_an_alarm_ends_the_node_and_writes_nothing(place, agent, spending, monkeypatch, code):
    told = []
    monkeypatch.setattr(agent.link, "post", lambda *given, **how: told.append(given))
    monkeypatch.setattr(agent.witnessing, "proof", lambda *given, **how: (_ for _ in ()).throw(Alarm(code=code, here=1, size=2)))
    with agent.journal.view() as t:
        before = t.size()
    agent._run(spending.job)
    assert agent.stopping.is_set() and told == [] and phase(agent, spending.job) == "running"
    with agent.journal.view() as t:
        assert t.size() == before
    with pytest.raises(IntegrityError) as alarm:
        agent.serve()
    assert alarm.value.code == code


@pytest.mark.parametrize("code", ["integrity.rollback", "integrity.fork"])
def test_a_coordinator_cannot_stop_a_sound_node_with_an_alarm_of_its_own_making(place, agent, spending, monkeypatch, code):
    raw = problems.write(problems.problem_of(IntegrityError(code=code, here=3, size=99)))
    monkeypatch.setattr(agent.link, "cosignatures", lambda *given, **how: (_ for _ in ()).throw(problems.error_of(raw, 500)))
    agent._hold_against_peers()
    agent._run(spending.job)
    assert not agent.stopping.is_set() and phase(agent, spending.job) == "failed", "its job ends, and no other"


def test_a_node_starts_where_nobody_can_be_asked(place, agent, monkeypatch):
    monkeypatch.setattr(agent.witnessing, "check", lambda **how: (_ for _ in ()).throw(Unavailable("not now")))
    monkeypatch.setattr("federated.node.agent.WAIT", 0.5)
    serving = threading.Thread(target=lambda: agent.serve(agent.stop))
    serving.start()
    serving.join(timeout=20)
    assert not serving.is_alive()


def test_known_jobs_are_left_out_of_the_offers(place, http, ask):
    jobs = [place.submitted() for _ in range(2)]
    with place.link("east") as link:
        everything = {notes.read(o.job).id for o in link.offers(wait=0.0)}
        assert everything >= set(jobs)
        assert {notes.read(o.job).id for o in link.offers(known=jobs[:1], wait=0.0)} == everything - {jobs[0]}
        assert link.offers(known=sorted(everything), wait=0.0) == []
    for wrong in ("0" * 63, "0" * 64 + ",", "A" * 64):
        answer = ask("east", "GET", f"/v1/offers?known={wrong}")
        assert (answer.status_code, json.loads(answer.content)["code"]) == (422, "http.input")


# --- what is spent, and when


def accepted_here(place, agent, monkeypatch, **allow):
    """A job under a licence that says *allow*, which a person here approved; as the node goes on with it."""
    monkeypatch.setattr(agent, "_start", lambda job: None)  # the test takes its turns
    granted = coordinators.licence(**allow)
    place.office.publish(str(granted))
    text = str(coordinators.job(granted.id, place.dataset))
    job = place.office.submit(text, place.office.parties()["operator"])
    agent.consider(next(offer for offer in place.office.offers("north", wait=0) if offer.job == text))
    with agent.journal.transaction() as t:
        t.put_decision(job, "approve", "")
    agent._decided()
    return granted, Run(agent, job)


def admitted(place, run, granted, persons, **changes):
    """What the coordinator relays once all accepted, with *persons* among the others who approved."""
    plan = run.state.plan
    bodies = {
        name: accept(replace(plan, me=name), KEYS[name], "person" if name in persons else "policy")[1].body for name in coordinators.ROSTER
    }
    bodies["north"] = run.post.body
    document = Admission(run.job, granted.id, (1,), tuple(notes.read(bodies[n]).id for n in sorted(bodies)), int(time.time()))
    return Relay("accept", bodies, {}, str(notes.write(replace(document, **changes)).signed_by(KEYS["coordinator"])))


def uses(agent, granted):
    with agent.journal.view() as t:
        return t.next_use(granted.id) - 1


def test_a_node_spends_nothing_where_persons_at_too_few_holders_approved(place, agent, monkeypatch):
    granted, run = accepted_here(place, agent, monkeypatch, approvals=2)
    assert notes.read(run.post.body).document(Acceptance).by == "person"
    with pytest.raises(LicenceRefused) as refusal:
        run._receive(admitted(place, run, granted, ()))
    assert (refusal.value.code, uses(agent, granted)) == ("licence.approvals", 0)
    run._receive(admitted(place, run, granted, ("south",)))
    assert uses(agent, granted) == 1


def test_a_node_spends_a_use_of_each_link_and_no_other(place, agent, monkeypatch):
    granted, run = accepted_here(place, agent, monkeypatch, use_count=3)
    for numbers, error in (((1, 1), IntegrityError), ((), IntegrityError), ((4,), BudgetExhausted)):
        with pytest.raises(error):
            run._receive(admitted(place, run, granted, (), uses=numbers))
    assert uses(agent, granted) == 0
    run._receive(admitted(place, run, granted, (), uses=(3,)))
    assert uses(agent, granted) == 3
