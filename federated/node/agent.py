"""A node at work: it dials out only, judges what it is offered, and runs each job's machine with journal and jail at its sides."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import field, replace
from typing import Literal

from connectors import snapshot as snapshots
from connectors.snapshot import Snapshot
from federated.node import consents, history, judge, spending
from federated.node.home import Home, read_snapshot
from federated.node.witnessing import Alarm, Witnessing
from federated.transport import Link
from governance import licences, notes
from governance.encoding import canonical, decode, encode, plain, wire
from governance.errors import IntegrityError, KeyongError, Refused, Unavailable
from governance.journal import Transaction
from governance.licences import Granted
from sandbox import local, machine
from sandbox.disclosure import check_difference
from sandbox.jail import Limits, Session, Zygote, seal
from sandbox.machine import Accepting, Dealing, Finished, Local, Signing, Spending, State, Weighing
from sandbox.messages import Admission, Ended, Offer, Post, Relay, approvals, kind_of, step
from sandbox.summing import Plan

log = logging.getLogger("keyong.node")
PRELOAD = ("numpy", "pyarrow", "sandbox.local")
CHECK = 3.0  # seconds for which a starting node waits for what others have seen of its ledger
WAIT = 20.0  # seconds that a long poll may take
BREATH = 0.25  # seconds between two looks at what persons decided, or two polls that offer only what is known
MOST_KNOWN = 100  # jobs that are named as known: the head of a request has a limit
MOST_RUNNING = 64  # jobs that run here at once; more wait at the coordinator
MOST_SEALED = 32  # memory objects that are kept for later jobs; a running one has its own hold on what it reads
LOCAL_STEP = 120.0  # seconds that one local step may take
TURN = "turn"


@wire("keyong/node-turn/v1")
class Turn:
    """A state of a job's machine and what it sends, as the journal keeps them, sealed; what it sends is empty before a local step."""

    state: bytes = field(repr=False)
    post: bytes


class Agent:
    """One node. `serve` returns when `stop` was called, and raises where a witness has seen what this node's journal does not hold."""

    def __init__(self, home: Home, link: Link, *, clock: Callable[[], float] = time.time) -> None:
        self.home, self.link, self.clock = home, link, clock
        self.journal = home.journal()
        self.stopping = threading.Event()
        self.witnessing = Witnessing(home, self.journal, link, clock=clock, stopping=self.stopping)
        self._alarm: Alarm | None = None
        self._threads: dict[str, threading.Thread] = {}
        self._memory: dict[tuple[str, tuple[str, ...]], tuple[str, int]] = {}
        self._memory_lock = threading.Lock()
        self._zygote = Zygote(PRELOAD)

    def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Resume what was under way, then take offers until told to stop."""
        self.home.sweep()
        with self._zygote:
            self._hold_against_peers()
            self._resume()
            works = ((self._decided, BREATH), (self._offered, 0.0), (self._witness, 0.0))
            loops = [threading.Thread(target=self._again, args=each, name=each[0].__name__.strip("_"), daemon=True) for each in works]
            for thread in loops:
                thread.start()
            ready()
            self.stopping.wait()
            for thread in (*self._threads.values(), *loops):
                thread.join(timeout=WAIT + 5)
        if self._alarm is not None:
            raise self._alarm

    def stop(self) -> None:
        self.stopping.set()

    def _hold_against_peers(self) -> None:
        """Before anything is served: a journal that was brought back from a copy is noticed by those who saw more of it."""
        try:
            self.witnessing.check(wait=CHECK)
        except Alarm:
            raise
        except (Unavailable, IntegrityError) as error:  # nothing can leave without a quorum, whenever they are heard
            log.warning("other nodes could not be asked what they have seen of this one: %s", error)

    def _sound(self, alarm: Alarm) -> None:
        """This journal is not the one that others know: nothing more is served, and nothing is written in it."""
        log.error("%s", alarm)
        self._alarm = alarm
        self.stop()

    def _witness(self) -> None:
        self.witnessing.answer(wait=WAIT)

    def _again(self, work: Callable[[], None], pause: float) -> None:
        """Do *work* again and again until told to stop; what goes wrong is written down."""
        while not self.stopping.wait(pause):
            try:
                work()
            except Unavailable as error:
                log.warning("the coordinator does not answer: %s", error)
                self.stopping.wait(1.0)
            except Exception:  # outermost loop of a thread
                log.exception("an offer or a decision could not be acted on")
                self.stopping.wait(1.0)

    def _offered(self) -> None:
        """Wait for offers that are new here, and consider them."""
        now = self.clock()
        with self.journal.view() as t:
            known = [row.job for row in t.jobs(open_only=True) if row.deadline > now]
        offers = self.link.offers(known=known[-MOST_KNOWN:], wait=WAIT)
        news = [self.consider(offer) for offer in offers if len(self._threads) < MOST_RUNNING and not self.stopping.is_set()]
        if offers and not any(news):
            self.stopping.wait(BREATH)

    def _resume(self) -> None:
        """Go on with open jobs: judge again what was not judged to the end, run what was accepted; what waits for a person waits on."""
        with self.journal.view() as t:
            found = [(row, t.note("offer", row.job)) for row in t.jobs(open_only=True)]
        for row, offer in found:
            if row.phase == "running":
                self._start(row.job)
            elif row.phase == "judging" and offer is not None:
                self._answer(row.job, judge.read_offer(offer))

    # --- judging

    def consider(self, offer: Offer) -> bool:
        """Write an offer down, judge it, and start it, queue it for a person, or refuse it; False for one that is known."""
        job = notes.read(offer.job).id
        with self.journal.transaction() as t:
            if t.job(job) is not None:
                refusal = t.note("refusal", job)
                if refusal is None:
                    return False  # its thread repeats what it posted, or a person decides
                return self._tell(job, Post(step("accept"), self.home.key.name, refusal.encode(), ()))
            document = notes.read(offer.job).document(judge.Job)
            t.put_job(job, phase="judging", deadline=document.deadline, detail=document.title)
            t.put_note("offer", job, canonical(plain(offer)))
            t.append("job.offered", job)
        self._answer(job, offer)
        return True

    def _answer(self, job: str, offer: Offer) -> None:
        try:
            docket, _ = self._judged(offer)
        except KeyongError as error:
            self._refuse(job, offer, error)
            return
        if self.home.policy().approval == "person":
            with self.journal.transaction() as t:
                t.set_phase(job, "waiting", docket.case.job.title)
            log.info("job %s waits for a person: keyong node approvals", job[:12])
        else:
            self._accept(job, offer, docket)

    def _judged(self, offer: Offer) -> tuple[judge.Docket, Granted]:
        with self.journal.transaction() as t:  # by itself: a refusal undoes what is written with it
            home = self.home.learn(t, offer.roots)
            judge.learn_revocations(offer.revocations, home, t)
        with self.journal.transaction() as t:
            return judge.judge(offer, home, t, now=int(self.clock()))

    def _decided(self) -> None:
        """Start or refuse the jobs about which a person decided; those that waited beyond their deadline are over."""
        with self.journal.view() as t:
            rows = [row for row in t.jobs(open_only=True) if row.phase == "waiting"]
            waiting = [(row, t.decision(row.job), t.note("offer", row.job)) for row in rows]
        for row, decision, text in waiting:
            job = row.job
            if self.clock() >= row.deadline:
                self._end(job, "expired", Unavailable(code="job.deadline"))
            elif decision is not None and text is not None:
                offer = judge.read_offer(text)
                if decision.verdict == "approve":
                    self._reconsidered(job, offer)
                else:
                    self._refuse(job, offer, Refused(code="policy.denied", reason=decision.reason))

    def _refuse(self, job: str, offer: Offer, error: KeyongError) -> None:
        refusal = machine.refuse(offer.job, self.home.key, error)
        with self.journal.transaction() as t:
            t.put_note("refusal", job, refusal.body.decode())
            t.append("job.refused", job, error.code)
            t.end_job(job, "refused", error.code, error.text("en"))
        log.info("job %s refused: %s", job[:12], error)
        self._tell(job, refusal)

    def _tell(self, job: str, refusal: Post) -> bool:
        """Post a refusal, or the word to stop; False where it does not get through. A refused job is then offered, and refused, again."""
        try:
            self.link.post(job, refusal, wait=0.0)
        except KeyongError as error:
            log.warning("the word about job %s did not reach the coordinator: %s", job[:12], error)
            return False
        return True

    def _reconsidered(self, job: str, offer: Offer) -> None:
        """Judge again what a person approved, by today's revocation list: the licence may have been revoked meanwhile."""
        current, versions = dict(self.link.documents("revocations")), tuple(text for _, text in self.link.documents("root"))
        try:
            docket, _ = self._judged(replace(offer, roots=versions, revocations=current.get("current", "")))
        except KeyongError as error:
            self._refuse(job, offer, error)
        else:
            self._accept(job, offer, docket, by="person")

    def _accept(self, job: str, offer: Offer, docket: judge.Docket, *, by: Literal["policy", "person"] = "policy") -> None:
        try:
            with self.journal.transaction() as t:
                kept = self._snapshot(t, docket.case.dataset.name)
                keys = tuple(str(p.key) for p in docket.holders)
                plan = Plan(offer.job, offer.dataset, self.home.key.name, keys, kept.id)
                state, post = machine.accept(plan, self.home.key, by)
                t.append("job.accepted", job)
                t.set_phase(job, "running", docket.case.job.title)
                _keep(t, job, state, post)
        except Refused as error:
            self._refuse(job, offer, error)
        else:
            self._start(job)

    def _snapshot(self, t: Transaction, dataset: str) -> Snapshot:
        kept = read_snapshot(t.get(f"snapshot {dataset}"), self.home.snapshots)
        if kept is None:
            raise Refused(code="policy.dataset", dataset=dataset)
        return kept

    # --- running

    def _start(self, job: str) -> None:
        thread = threading.Thread(target=self._run, args=(job,), name=f"job {job[:8]}", daemon=True)
        self._threads[job] = thread
        thread.start()

    def _run(self, job: str) -> None:
        """Outermost loop of a job's thread: whatever goes wrong ends this job, is written down, and touches no other."""
        try:
            Run(self, job).run()
        except Alarm as alarm:
            self._sound(alarm)
        except KeyongError as error:
            self._give_up(job, "refused" if isinstance(error, Refused) else "failed", error)
        except Exception:
            log.exception("job %s ended here by a fault of this program", job[:12])
            self._give_up(job, "failed", IntegrityError("a fault of the node's program; see its log"))
        finally:
            self._threads.pop(job, None)

    def _give_up(self, job: str, phase: str, error: KeyongError) -> None:
        """End a job here, and say so: the others need not wait. Where that does not get through, they learn of it by the deadline."""
        log.warning("job %s ended here: %s", job[:12], error)
        self._end(job, phase, error)
        with self.journal.view() as t:
            offer = t.note("offer", job)
        if offer is not None:
            self._tell(job, machine.stop(judge.read_offer(offer).job, self.home.key, error))

    def _end(self, job: str, phase: str, error: KeyongError) -> None:
        with self.journal.transaction() as t:
            row = t.job(job)
            if row is not None and not row.ended:
                t.append("job.ended", job, error.code)
                t.end_job(job, phase, error.code, error.text("en"))

    def jail(self, plan: Plan) -> Session:
        """A jail over the licensed columns of the job's snapshot, with the rows of the job's persons."""
        data = self._sealed(plan)
        try:
            return self._zygote.open("sandbox.local:program", local.spec(plan.job, plan.dataset, plan.earlier), data, limits=Limits())
        finally:
            os.close(data)

    def _sealed(self, plan: Plan) -> int:
        """The memory object of the snapshot, set of columns and set of persons (PRIVACY 17), as a descriptor that the caller closes.

        One is kept for each snapshot and set of columns: where the persons are other ones, the object of before goes.
        """
        with self.journal.view() as t:
            consent, persons = consents.read_by(t, plan.case)
        name = (plan.snapshot, plan.case.columns)
        with self._memory_lock:
            kept = self._memory.get(name)
            if kept is None or kept[0] != consent:
                table = snapshots.load(self.home.snapshots / f"{plan.snapshot}.arrow", plan.case.columns)
                if persons is not None:
                    table = snapshots.only(table, consents.codes(self.home, plan.snapshot, persons))
                self._memory[name] = consent, seal(table)
                if kept is not None:
                    os.close(kept[1])
                if len(self._memory) > MOST_SEALED:
                    os.close(self._memory.pop(next(iter(self._memory)))[1])
            return os.dup(self._memory[name][1])


class Run:
    """One job's machine, driven: local step, journal, post, relay, and again."""

    def __init__(self, agent: Agent, job: str) -> None:
        self.agent, self.job, self.key = agent, job, agent.home.key
        with agent.journal.view() as t:
            row, offer = t.job(job), t.note("offer", job)
            turn = t.sealed(job, TURN)
        if row is None or turn is None or offer is None:
            raise IntegrityError("the journal lacks the state of an open job")
        self.deadline, self.offer = row.deadline, judge.read_offer(offer)
        kept = decode(turn, Turn)
        self.state: State = decode(kept.state, *machine.STATES)
        self.post = decode(kept.post, Post) if kept.post else None
        self._jail: Session | None = None

    def run(self) -> None:
        try:
            while not isinstance(self.state, Finished) and not self.agent.stopping.is_set():
                if self.agent.clock() >= self.deadline:
                    raise Unavailable(code="job.deadline")
                self._turn()
        finally:
            if self._jail is not None:
                self._jail.close()

    def _turn(self) -> None:
        if isinstance(self.state, Local):
            self._compute(self.state)
            return
        if isinstance(self.state, Dealing):
            following = self.state.dealt(self.key)  # seconds, and so not within a transaction
            with self.agent.journal.transaction() as t:
                self._become(t, *following)
            return
        if isinstance(self.state, Spending):
            self._prove(self.state)
            return
        if self.post is None:
            raise IntegrityError("the journal lacks the post of an open job")
        try:
            self._check_gate(self.post)
            answer = self.agent.link.post(self.job, self.post, wait=min(WAIT, max(0.0, self.deadline - self.agent.clock())))
        except Unavailable as error:
            if error.code == "job.deadline":
                raise
            self._wait(error)
            return
        if isinstance(answer, Ended):
            self._ended(answer)
        elif answer is not None:
            self._receive(answer)

    def _check_gate(self, post: Post) -> None:
        """Nothing that could help to open a total leaves this node once its licence is revoked, stale or over (PRIVACY 7)."""
        if kind_of(post.step) not in ("accept", "abstain"):
            self.agent.witnessing.refresh()
            with self.agent.journal.view() as t:
                judge.check_in_force(self.offer, self.agent.home, t, now=self.agent.clock())

    def _prove(self, state: Spending) -> None:
        """Wait until others have seen this node's ledger as far as the job's spend, and show that they have."""
        with self.agent.journal.view() as t:
            spent = t.get(spent_at(self.job))
        if spent is None:
            raise IntegrityError("the journal lacks the place of a job's spend")
        try:
            proof = self.agent.witnessing.proof(int(spent), state.plan.witnesses(state.plan.me), wait=self.deadline - self.agent.clock())
            status = None if proof is not None else self.agent.link.status(self.job)
        except Unavailable as error:
            self._wait(error)
            return
        if proof is not None:
            with self.agent.journal.transaction() as t:
                self._become(t, *state.proved(str(proof), self.key))
        elif status is not None and status.ended and status.phase != "released":
            self._ended(Ended(self.job, status.phase, status.code, status.english, status.chinese, ""))  # type: ignore[arg-type]

    def _wait(self, error: Unavailable) -> None:
        log.info("job %s waits for the coordinator: %s", self.job[:12], error)
        self.agent.stopping.wait(0.25)

    def _compute(self, state: Local) -> None:
        with self.agent.journal.view() as t:
            consents.check(t, state.plan.case)
        if self._jail is None:
            self._jail = self.agent.jail(state.plan)
        answer = self._jail.ask(state.question, expect=state.expect, wall=LOCAL_STEP)
        with self.agent.journal.transaction() as t:
            consents.check(t, state.plan.case)
            if isinstance(state, Weighing):
                self._become(t, *self._weighed(t, state, answer))
            else:
                self._become(t, *state.computed(answer, self.key))

    def _weighed(self, t: Transaction, state: Weighing, answer: bytes) -> tuple[Signing, Post]:
        """Hold the weight against this node's limit for the rows; a no is written down with the state that says it."""
        case, snapshot = state.plan.case, state.plan.snapshot
        limit = history.limit(t, case.dataset.name, snapshot)
        following, post = state.computed(answer, self.key, limit.draw(case.job.min_cell))
        if following.plan.light and not state.plan.light:
            history.put_limit(t, case.dataset.name, snapshot, limit.after_no())
        return following, post

    def _receive(self, relay: Relay) -> None:
        state = self.state
        if kind_of(relay.step) == "abstain" and not isinstance(state, machine.Abstaining):
            self._abstain()
            return
        if isinstance(state, Accepting):
            admitted, admission = state.receive(relay, self.agent.home.coordinator)
            with self.agent.journal.transaction() as t:
                judge.check_in_force(self.offer, self.agent.home, t, now=self.agent.clock())
                earlier = self._spend(t, state.plan, admission, approvals(relay.bodies[name] for name in state.plan.holders))
                self._become(t, replace(admitted, plan=replace(state.plan, earlier=earlier)), None)
        elif isinstance(state, machine.Waiting):
            self._follow(*state.receive(relay, self.key))  # may take seconds, and so not within a transaction

    def _follow(self, following: State, post: Post | None) -> None:
        """Write the next state down before anything of it is sent."""
        if isinstance(self.state, Signing) and post is None:  # nothing is, before the local step is done, and the relay can be had again
            self.state, self.post = following, None
            return
        with self.agent.journal.transaction() as t:
            self._guard(t, following)
            self._become(t, following, post)

    def _spend(self, t: Transaction, plan: Plan, admission: Admission, approved: int) -> tuple[str, ...]:
        """A use of each link of the licence, budget and roster are spent durably before anything is computed, once enough approved.

        Returns the conditions of earlier jobs against which this one is held.
        """
        granted = licences.read(self.offer.chain, self.agent.home.current(t).trust)
        licences.check_approved(granted, approved)
        roster, dataset = frozenset(plan.holders), plan.case.dataset.name
        consent = consents.spend(t, self.agent.home, plan.case, plan.snapshot)
        earlier = judge.check_history(t, plan.case, plan.snapshot, roster)
        licences.take(t, granted, admission.uses, self.job)
        t.spend(spending.exact(t, plan.case, plan.snapshot, plan.keys, self.agent.home.policy(), licence=granted, consent=consent))
        t.put_cohort(dataset, plan.snapshot, "roster", roster)
        t.put(judge.min_cell_of(dataset, plan.snapshot), str(plan.case.job.min_cell))
        t.put(spent_at(self.job), str(t.append("job.spent", self.job)))
        return earlier

    def _guard(self, t: Transaction, following: State) -> None:
        """Before this node helps to open a total, and as it does: the set must fit those of earlier totals."""
        consents.check(t, following.plan.case)
        survivors = machine.fixing(following)
        if survivors is not None:
            case, snapshot = following.plan.case, following.plan.snapshot
            check_difference(survivors, t.cohorts(case.dataset.name, snapshot, "opened"), case.dataset.colluding)
            if not isinstance(following, machine.Consenting):
                t.put_cohort(case.dataset.name, snapshot, "opened", survivors)
                t.append("cohort.fixed", self.job)
        if isinstance(following, (Signing, Weighing)):
            t.append("total.opened", self.job)

    def _abstain(self) -> None:
        if isinstance(self.state, (machine.Uploading, machine.Consenting)):
            with self.agent.journal.transaction() as t:
                self._become(t, *self.state.abstain(self.key))
        else:
            self.agent.stopping.wait(0.5)  # this node may have unmasked: it cannot promise, and waits

    def _become(self, t: Transaction, state: State, post: Post | None) -> None:
        _keep(t, self.job, state, post)
        self.state, self.post = state, post

    def _ended(self, ended: Ended) -> None:
        plan = self.state.plan
        if ended.job != self.job or (ended.phase == "released") != bool(ended.release):
            raise IntegrityError("the coordinator says that the job ended in a way that it cannot have")
        done = machine.finished(plan, ended)
        with self.agent.journal.transaction() as t:
            if done is not None:
                t.put_note("release", self.job, done.release)
                t.append("job.released", notes.read(done.release).id)
                t.end_job(self.job, "released", "", plan.case.job.title)
                self.state = done
                return
            t.append("job.ended", self.job, ended.code)
            t.end_job(self.job, ended.phase, ended.code, ended.english)
        self.state = Finished(plan, "")


def spent_at(job: str) -> str:
    """Name of the journal's setting that says at which entry a job was spent."""
    return f"spent {job}"


def _keep(t: Transaction, job: str, state: State, post: Post | None) -> None:
    """Journal a state and what it sends; the one before is gone."""
    t.put_sealed(job, TURN, encode(Turn(encode(state), encode(post) if post is not None else b"")))
