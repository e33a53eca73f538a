"""What the coordinator decides and remembers. Everything it keeps is in its journal; the web layer above only translates.

The coordinator checks what it can, to answer early and clearly; no node relies on that.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from federated.coordinator import enrolled, published, register
from federated.coordinator.board import Board
from federated.coordinator.mailbox import Mailbox
from federated.coordinator.published import held
from federated.coordinator.witnessed import Witnessed
from federated.witnessing import Duty
from governance import complaints, contingency, known, licences, notes
from governance.catalogue import Dataset
from governance.complaints import Complaint, Receipt
from governance.contingency import Contingency
from governance.encoding import decode, encode
from governance.errors import IntegrityError, KeyongError, OutOfTurn, Refused, Unavailable, UsageError
from governance.journal import JobRow, Journal, Transaction, View
from governance.keys import SigningKey, Trust
from governance.licences import MOST_LINK, Granted, Licence
from governance.parties import Party, read_enrolment, roster
from governance.rights import is_public
from governance.roots import Chain
from governance.texts import text_of
from sandbox import case as cases
from sandbox.job import Job
from sandbox.messages import Acceptance, Admission, Ended, Offer, Post, Refusal, Relay, Status, approvals, kind_of, step
from sandbox.policy import Docket, check_licence

log = logging.getLogger("keyong.coordinator")
BOARD = "board"
LARGEST = 1 << 17  # bytes of a complaint
MOST_COMPLAINTS, MOST_DENIED = 1000, 1000  # in a day: complaints come from anybody, jobs that are refused from one operator
MOST_OPEN = 100  # jobs of one operator that wait or run
BRIEF = 0.5  # seconds to wait for more than t signatures; who comes too late to these stays out, and so they get the whole patience:
PATIENT = ("spent", "upload")


@dataclass(slots=True)
class _Live:
    """A running job in memory: posts of the open step are not durable, nodes repeat them until the step closes."""

    board: Board
    row: JobRow
    dataset: str
    snapshots: Mapping[str, str]
    since: float
    public: bool
    posts: dict[str, Post] = field(default_factory=dict)
    relays: dict[str, Relay] = field(default_factory=dict)


class Office:
    """The coordinator's decisions, one lock and one condition around them."""

    def __init__(
        self, journal: Journal, key: SigningKey, joined: Chain, *, patience: float = 5.0, clock: Callable[[], float] = time.time
    ) -> None:
        self.journal, self.key, self.patience, self.clock = journal, key, patience, clock
        self._changed = threading.Condition()
        self._live: dict[str, _Live] = {}
        self.mailbox = Mailbox()
        self._witnessed = Witnessed(journal, key, self.mailbox)
        self.alarm: IntegrityError | None = None
        with journal.view() as t:
            self.roots = joined.followed(text for _, text in t.notes("root"))
            self._listed = published.listed(t.note("revocations", "current"))
            self._parties = enrolled.verified(t, self.roots)
            for row in t.jobs(open_only=True):
                self._live[row.job] = self._resumed(t, row)

    # --- parties and documents

    @property
    def trust(self) -> Trust:
        """Whose signatures count now."""
        return self.roots.trust

    def parties(self) -> dict[str, Party]:
        """Everybody who is enrolled, by name."""
        return dict(self._parties)

    def callers(self) -> dict[str, Party]:
        """Those of them whose key was not withdrawn: nobody else is heard."""
        return enrolled.heard(self._parties, self._listed[1])

    def enrol(self, text: str) -> Party:
        """Keep an enrolment; an invitation serves once. A new key for a party that is here comes once its old one was withdrawn."""
        self._check_sound()
        self.roots.check(int(self.clock()))
        with _sent():
            party = read_enrolment(text, self.trust, now=int(self.clock()))
        with self._changed:
            with self.journal.transaction() as t:
                self._enrol(t, party, text)
            self._parties = {**self._parties, party.name: party}
        return party

    def _enrol(self, t: Transaction, party: Party, text: str) -> None:
        old = t.note("enrolment", party.name)
        if old != text:
            enrolled.check_new(party, self._parties.get(party.name), self._listed[1], taken=old is not None)
            if old is not None:
                t.put_note("former", notes.read(old).id, old)
            t.put_note("enrolment", party.name, text, replace=True)
            t.append("party.enrolled", notes.read(text).id)

    def publish(self, text: str) -> tuple[str, str]:
        """Keep a document that the authority signed; return its kind and id."""
        self._check_sound()
        note = notes.read(text)
        if kind := register.kind_of(note):
            with _sent(), self.journal.transaction() as t:
                register.keep(t, note, self.roots, now=int(self.clock()))
            return kind, note.id
        kind = published.kind_of(note)
        if kind == "root":
            return kind, self._rotate(note)
        with _sent():
            document: Any = notes.opened(text, published.PUBLISHED[kind], self.trust)
            note = published.counted(note, self.trust)
            if isinstance(document, Contingency):
                contingency.opened(note, self.trust)
            if isinstance(document, Licence):
                licences.read((str(note),), self.trust)  # a link below the first comes with the jobs under it
            if isinstance(document, Dataset):
                known.check("enrolled data holder", document.holders, [p.name for p in self.parties().values() if p.role == "holder"])
                roster(self.parties().values(), document.holders)
        with self._changed:
            with self.journal.transaction() as t:
                text = published.keep(t, kind, document, note, self.roots)
            if kind == "revocations":
                self._listed = published.listed(text)
                self.mailbox.stir()
                self._end_where(self._check_licence)  # the nodes do so by themselves
        return kind, note.id

    def _rotate(self, note: notes.Note) -> str:
        """Follow the key root to its next version, and keep all of them: others follow from here."""
        with self._changed:
            if note.id in {version.id for version in self.roots.versions}:
                return note.id
            with _sent():
                chain = published.followed(self.roots, note)
            with self.journal.transaction() as t:
                for each in chain.versions[len(t.notes("root")) :]:
                    t.put_note("root", f"{each.root.version:03}", str(each.note))
                t.append("document.published", note.id)
                parties = enrolled.verified(t, chain)
            self.roots, self._parties = chain, parties
            self._end_where(self._check_parties)
        return note.id

    def _end_where(self, check: Callable[[View, str, _Live], object]) -> None:
        """End the jobs of which *check* says that they cannot go on, each by itself."""
        for job, live in list(self._live.items()):
            try:
                with self.journal.view() as t:
                    check(t, job, live)
            except KeyongError as error:
                self._failed(job, error)

    def _check_licence(self, t: View, job: str, live: _Live) -> Granted:
        docket = self._docket(t, held(t.note("job", job)), self._party(live.row.detail), current=False)
        return check_licence(docket, self.trust, now=int(self.clock()))

    def _check_parties(self, _: View, __: str, live: _Live) -> None:
        for name in (self.key.name, live.row.detail, *live.board.holders):
            self._party(name)

    def _party(self, name: str) -> Party:
        """An enrolled party; `Refused` where it is not, or not any more."""
        if name not in self._parties:
            raise Refused(code="party.out", party=name)
        return self._parties[name]

    def duty(self, witness: str, known: int, *, wait: float) -> Duty:
        """What *witness* is asked to cosign, and the revocation list where it is newer than the one that it knows."""
        requests = self.mailbox.waiting(witness, wait=wait, news=lambda: self._listed[0] > known)
        version, text = self._listed
        return Duty(requests, text if version > known else "")

    def complain(self, text: str) -> str:
        """Keep a complaint, which nobody here can read, and sign a receipt that names its place in the ledger."""
        self._check_sound()
        note = notes.read(text, limit=LARGEST)
        complaints.check_sealed(note.document(Complaint), self.roots.each(Complaint))
        with self.journal.transaction() as t:
            if t.note("complaint", note.id) is None:
                if not self._counted(t, "complaints", MOST_COMPLAINTS):
                    raise Unavailable("no more complaints are taken today", retry_after=3600)
                index = t.append("complaint.received", note.id)
                t.put_note("complaint", note.id, text)
                t.put_note("receipt", note.id, str(notes.write(Receipt(note.id, index, int(self.clock()))).signed_by(self.key)))
            return held(t.note("receipt", note.id))

    def _counted(self, t: Transaction, what: str, most: int) -> bool:
        return register.counted(t, what, most, now=int(self.clock()))

    def documents(self, kind: str) -> list[tuple[str, str]]:
        if kind == "root":
            return [(f"{v.root.version:03}", str(v.note)) for v in self.roots.versions]
        with self.journal.view() as t:
            found = t.notes(kind)
        return [
            (name, str(published.counted(notes.read(text), self.trust)) if kind in ("licence", "plan") else text) for name, text in found
        ]

    # --- jobs

    def submit(self, job_text: str, operator: Party, links: Sequence[str] = ()) -> str:
        """Check and queue a job. The same job again is answered with the same id.

        *links* are those of its licence that the authority did not publish here; they are kept once a job under them passes.
        """
        self._check_sound()
        note = notes.read(job_text)
        self.roots.check(int(self.clock()))
        try:
            with self._changed:
                self._submit(note.id, job_text, operator, links)
        except Refused as error:
            if error.code != "job.unsigned":  # what somebody else wrote is nobody's attempt
                self._deny(note.id, job_text, operator.name, error.code, links)
            raise
        return note.id

    def _submit(self, job_id: str, job_text: str, operator: Party, links: Sequence[str]) -> None:
        with self.journal.transaction() as t:
            if t.note("job", job_id) is not None:
                return
            docket = self._docket(t, job_text, operator, current=True, links=links)
            granted = check_licence(docket, self.trust, now=int(self.clock()))
            if sum(row.detail == operator.name for row in t.jobs(open_only=True)) >= MOST_OPEN:
                raise Unavailable(code="job.queue", most=MOST_OPEN, retry_after=60)
            job = docket.case.job
            for name, text in zip(granted.ids, docket.chain, strict=True):
                if t.note("licence", name) is None:
                    t.put_note("licence", name, text)
            t.put_note("job", job_id, job_text)
            t.put_job(job_id, phase="offered", deadline=job.deadline, detail=operator.name)
            t.append("job.offered", job_id)
            keys = tuple(str(p.key) for p in docket.holders)
            board = Board(job_id, keys, docket.case.dataset.colluding, step("accept"), 0, 0, (), "",
                          docket.case.job.protect)  # fmt: skip
            t.put_sealed(job_id, BOARD, encode(board))
            row = held(t.job(job_id))
        self._live[job_id] = _Live(board, row, job.dataset, {}, self.clock(), is_public(job.purpose))
        self._changed.notify_all()

    def _deny(self, job_id: str, job_text: str, operator: str, code: str, links: Sequence[str]) -> None:
        """Write down what was refused at the door, once, so that attempts can be counted and the refusal be proved; a day has a limit."""
        with self.journal.transaction() as t:
            known = t.note("denied", job_id) or t.note("job", job_id)
            if known is None and self._counted(t, f"denied {operator}", MOST_DENIED):
                t.put_note("denied", job_id, job_text)
                for text in published.chain(t, notes.read(job_text).document(Job).licence, self.trust, links)[1:]:
                    t.put_note("link", notes.read(text, limit=MOST_LINK).id, text, replace=True)
                t.append("job.refused", job_id, code)

    def _docket(self, t: View, job_text: str, operator: Party, *, current: bool, links: Sequence[str] = ()) -> Docket:
        """What is known about a job; *current* says that it must be made for the entry that the catalogue shows today."""
        job = notes.read(job_text).document(Job)
        dataset = t.note("dataset", job.dataset) if current else t.note(published.ENTRY, job.catalogue)
        if dataset is None:
            raise UsageError(f"there is no dataset {job.dataset} in the catalogue")
        chain = published.chain(t, job.licence, self.trust, links)
        case = cases.read(job_text, dataset)
        holders = tuple(roster(self.parties().values(), case.dataset.holders).values())
        plan, revocations = published.plan(t, chain, self.trust), t.note("revocations", "current")
        asset, coordinator = register.of(t, job.dataset), self._party(self.key.name)
        return Docket(case, job_text, chain, plan, asset, revocations, operator, coordinator, holders)

    def offers(self, holder: str, *, known: Collection[str] = (), wait: float) -> list[Offer]:
        """Jobs that wait for *holder*'s answer, apart from those that it knows; blocks up to *wait* seconds for the first.

        What serves the public comes before what does not, and what came first before what came later: a node takes as many as it can run.
        """

        def news() -> list[str]:
            found = [job for job, live in self._live.items() if job not in known and self._awaits(live, holder)]
            return sorted(found, key=lambda job: not self._live[job].public)

        with self._changed:
            jobs = self._changed.wait_for(news, timeout=wait)
        with self.journal.view() as t:
            return [self._offer(t, job) for job in jobs]

    @staticmethod
    def _awaits(live: _Live, holder: str) -> bool:
        return live.board.step == step("accept") and holder in live.board.holders and holder not in live.posts

    def _offer(self, t: View, job_id: str) -> Offer:
        job_text = held(t.note("job", job_id))
        job = notes.read(job_text).document(Job)
        enrolments, row = dict(t.notes("enrolment")), t.job(job_id)
        dataset = held(t.note(published.ENTRY, job.catalogue))
        holders = published.signed(dataset, Dataset, self.roots).holders
        chain, revocations = published.chain(t, job.licence, self.trust), t.note("revocations", "current") or ""
        plan, asset = published.plan(t, chain, self.trust), register.of(t, job.dataset)
        operator, coordinator = enrolments[held(row).detail], enrolments[self.key.name]
        return Offer(self.roots.texts, job_text, chain, plan, dataset, asset, revocations, operator, coordinator,
                     tuple(enrolments[name] for name in holders))  # fmt: skip

    # --- the steps of a job

    def post(self, job: str, post: Post, *, wait: float) -> Relay | Ended | None:
        """Take a post and answer with the relay of its step, or None if that does not close within *wait* seconds."""
        self._check_sound()
        with self._changed:
            if post.step == step("stop"):
                return self._stop(job, post)
            answer = self._answer(job, post)
            if answer is not None:
                return answer
            live = self._live[job]
            with _sent():
                live.board.check(post)
            kept = live.posts.setdefault(post.sender, post)
            if kept != post:
                raise OutOfTurn(f"{post.sender} posted something else to this step before")
            self._guarded(job, live)
            self._changed.wait_for(lambda: self._answer(job, post) is not None, timeout=wait)
            return self._answer(job, post)

    def _stop(self, job: str, post: Post) -> Ended | None:
        """End a job whose holder cannot go on, unless the others can; nobody need wait for its deadline."""
        if job in self._live:
            with _sent():
                reason = self._live[job].board.stopped(post)
            if reason is None:
                return None
            self._refused(job, "expired" if reason.code == "job.deadline" else "failed", reason, post)
        return self.ended(job)

    def _answer(self, job: str, post: Post) -> Relay | Ended | None:
        """The relay of a step that is closed, the request to abstain from an attempt that failed, or the end."""
        if job not in self._live:
            return self.ended(job)
        live = self._live[job]
        if post.step == live.board.step:
            return None
        if post.step in live.relays:
            return live.relays[post.step]
        given_up = f"{post.step.rpartition('.')[0]}.abstain"
        with self.journal.view() as t:
            raw, promises = t.sealed(job, f"relay {post.step}"), t.sealed(job, f"relay {given_up}")
        if raw is not None:
            return live.board.shown(decode(raw, Relay))
        if promises is not None or live.board.step.endswith("abstain"):
            return Relay(live.board.step if promises is None else given_up, {}, {}, "")
        raise OutOfTurn(f"the job is at step {live.board.step}, not {post.step}")

    def _advance(self, job: str, live: _Live) -> None:
        """Close the open step if it can be closed."""
        board = live.board
        waited = self.clock() - live.since
        late = waited >= (self._patience(live) if kind_of(board.step) in PATIENT else min(self.patience, BRIEF))
        refusal = board.refusal(live.posts)
        if refusal is not None:
            self._refused(job, "refused", refusal, live.posts[refusal.holder])
            return
        posts = board.closing(live.posts, late=late, earlier=self._earlier(live))
        if posts is not None:
            self._close(job, live, posts)
        elif board.stalled(live.posts, late=waited >= self._patience(live)):
            self._give_up(job, live)

    def _patience(self, live: _Live) -> float:
        """Seconds to wait in the first round; under threshold protection, where holders come and go, half of the time that is left."""
        return max(self.patience, (live.row.deadline - live.since) / 2) if live.board.protect == "threshold" else self.patience

    def _close(self, job: str, live: _Live, posts: Mapping[str, Post]) -> None:
        relays = {}
        if live.board.step.endswith("reveal"):
            upload = step("upload", 0, live.board.attempt)
            with self.journal.view() as t:
                relays[upload] = decode(t.sealed(job, f"relay {upload}") or b"", Relay)
        board, relay = live.board.close(posts, relays)
        with self.journal.transaction() as t:
            if live.board.step == step("accept"):
                relay = self._admit(t, job, relay)
            elif live.board.step == step("spent"):
                t.put_note("spends", job, json.dumps({name: body.decode() for name, body in sorted(relay.bodies.items())}))
            if board.release:
                self._release(t, job, live, board.release)
            else:
                self._keep(t, job, live, board, relay)
        self._show(job, live, board, relay)

    def _admit(self, t: Transaction, job: str, relay: Relay) -> Relay:
        """Number the use of each link of the licence in the order of this ledger, once all holders have accepted."""
        self.roots.check(int(self.clock()))
        now, text = int(self.clock()), held(t.note("job", job))
        granted = self._check_licence(t, job, self._live[job])  # a person may have taken days
        licences.check_approved(granted, approvals(relay.bodies.values()))
        uses = tuple(t.next_use(link) for link in granted.ids)
        licences.take(t, granted, uses, job)
        acceptances = tuple(notes.read(relay.bodies[name]).id for name in sorted(relay.bodies))
        admission = notes.write(Admission(job, granted.id, uses, acceptances, now)).signed_by(self.key)
        t.put_note("admission", job, str(admission))
        t.put(f"root {job}", str(self.roots.newest.root.version))
        t.put_note("registered", job, register.of(t, notes.read(text).document(Job).dataset))
        t.put_note("acceptances", job, json.dumps({name: body.decode() for name, body in sorted(relay.bodies.items())}))
        t.append("job.admitted", job)
        return replace(relay, admission=str(admission))

    def _keep(self, t: Transaction, job: str, live: _Live, board: Board, relay: Relay | None) -> None:
        """Make the next board and the closed step's relay durable before anybody sees them."""
        if relay is not None:
            t.put_sealed(job, f"relay {relay.step}", encode(relay))
        t.put_sealed(job, BOARD, encode(board))
        t.set_phase(job, "running", live.row.detail)
        if board.number == 0 and kind_of(board.step) in ("reveal", "decrypt"):
            self._record(t, job, live, board)

    def _release(self, t: Transaction, job: str, live: _Live, release: str) -> None:
        t.put_note("release", job, release)
        t.put(f"release {job}", str(t.append("job.released", notes.read(release).id)))
        t.end_job(job, "released", "", live.row.detail)

    def _show(self, job: str, live: _Live, board: Board, relay: Relay | None) -> None:
        """Let the waiting nodes see the next board and the relay of the step that closed."""
        if relay is not None:
            live.relays = {relay.step: board.shown(relay)}  # older ones are in the journal
        if board.release:
            self._live.pop(job)
        elif live.board.step == step("accept"):
            live.snapshots = {name: notes.read(p.body).document(Acceptance).snapshot for name, p in live.posts.items()}
        live.row = replace(live.row, phase="running", version=live.row.version + 1)
        live.board, live.posts, live.since = board, {}, self.clock()
        self._changed.notify_all()

    def _give_up(self, job: str, live: _Live) -> None:
        board = live.board.give_up()
        with self.journal.transaction() as t:
            self._keep(t, job, live, board, None)
        self._show(job, live, board, None)

    def _record(self, t: Transaction, job: str, live: _Live, board: Board) -> None:
        for snapshot in live.snapshots.values():
            t.put_cohort(live.dataset, snapshot, "opened", frozenset(board.survivors))
        t.append("cohort.fixed", job)

    def _earlier(self, live: _Live) -> tuple[frozenset[str], ...]:
        if live.board.survivors or kind_of(live.board.step) not in PATIENT:
            return ()
        with self.journal.view() as t:
            return tuple(c for s in live.snapshots.values() for c in t.cohorts(live.dataset, s, "opened"))

    def _refused(self, job: str, phase: str, refusal: Refusal, post: Post) -> None:
        """End a job by the word of a holder, and keep its signed note."""
        said = f"{refusal.holder}: {refusal.english}", f"{refusal.holder}：{refusal.chinese}"
        self._end(job, phase, refusal.code, *said, note=post.body.decode())

    def _end(self, job: str, phase: str, code: str, english: str, chinese: str, *, note: str = "") -> None:
        with self.journal.transaction() as t:
            if note:
                t.put_note("refusal", job, note)
            t.append("job.ended", job, code)
            t.put_note("ending", job, json.dumps([english, chinese]))
            t.end_job(job, phase, code, held(t.job(job)).detail)
        self._live.pop(job, None)
        self._changed.notify_all()

    def cancel(self, job: str, operator: Party) -> None:
        """End a job of this operator's that is still open."""
        self._check_sound()
        with self._changed:
            if self.status(job).operator != operator.name:
                raise Refused("only the operator that submitted a job may cancel it")
            if job in self._live:
                self._end(job, "cancelled", "job.cancelled", text_of("job.cancelled", "en", {}), text_of("job.cancelled", "zh", {}))

    def tick(self) -> None:
        """Close steps whose patience is over and end jobs whose deadline has passed; called a few times a second."""
        if self.alarm is not None:
            return
        self._be_witnessed()
        with self._changed:
            for job, live in list(self._live.items()):
                self._guarded(job, live)

    def _be_witnessed(self) -> None:
        """Have the ledger cosigned; where a holder saw more of it than is here, this is an older copy, and nothing is done on it."""
        if not self._witnessed.due:
            return
        holders = {name: party.key for name, party in self.callers().items() if party.role == "holder"}
        colluding = max((notes.read(text).document(Dataset).colluding for _, text in self.documents("dataset")), default=0)
        try:
            self._witnessed.turn(holders, colluding)
        except IntegrityError as alarm:
            self.alarm = alarm
            log.error("%s", alarm)

    def _check_sound(self) -> None:
        if self.alarm is not None:
            raise self.alarm

    def _guarded(self, job: str, live: _Live) -> None:
        if self.clock() >= live.row.deadline:
            self._end(job, "expired", "job.deadline", text_of("job.deadline", "en", {}), text_of("job.deadline", "zh", {}))
            return
        try:
            self._advance(job, live)
        except KeyongError as error:
            self._failed(job, error)

    def _failed(self, job: str, error: KeyongError) -> None:
        self._end(job, "refused" if isinstance(error, Refused) else "failed", error.code, error.text("en"), error.text("zh"))

    # --- what may be seen

    def roster(self, job: str) -> frozenset[str] | None:
        """The data holders of a job that is open; None for others."""
        live = self._live.get(job)
        return None if live is None else frozenset(live.board.holders)

    def status(self, job: str) -> Status:
        with self.journal.view() as t:
            row, text = t.job(job), t.note("job", job)
            if row is None or text is None:
                raise UsageError("there is no such job here")
            return self._status(row, notes.read(text).document(Job), t.note("ending", job))

    def _status(self, row: JobRow, job: Job, ending: str | None) -> Status:
        live = self._live.get(row.job)
        english, chinese = json.loads(ending) if ending else ("", "")
        where, waiting = (live.board.step, tuple(sorted(live.board.expected - live.posts.keys()))) if live else ("", ())
        return Status(row.job, job.title, job.dataset, job.method, row.detail, row.phase, where, waiting, row.code, english, chinese,
                      job.created, row.deadline, row.version)  # fmt: skip

    def statuses(self) -> list[Status]:
        with self.journal.view() as t:
            jobs = [row.job for row in t.jobs()]
        return [self.status(job) for job in jobs]

    def watch(self, job: str, version: int | None, *, wait: float) -> Status:
        """The status, as soon as its version is another than *version*, or the job has ended where that is None."""
        with self._changed:
            self._changed.wait_for(lambda: self._moved(job, version), timeout=wait)
        return self.status(job)

    def _moved(self, job: str, version: int | None) -> bool:
        live = self._live.get(job)
        return live is None or (version is not None and live.row.version != version)

    def ended(self, job: str) -> Ended:
        status = self.status(job)
        with self.journal.view() as t:
            release = t.note("release", job) or ""
        phase = status.phase
        if phase not in ("released", "refused", "failed", "cancelled", "expired"):
            raise OutOfTurn("the job has not ended")
        return Ended(job, phase, status.code, status.english, status.chinese, release)  # type: ignore[arg-type]

    def bundle(self, job: str) -> dict[str, object]:
        """Everything that is needed to verify a release offline."""
        with self.journal.view() as t:
            return published.bundle(t, job, self.key.name, self.roots)

    def _resumed(self, t: View, row: JobRow) -> _Live:
        board = decode(held(t.sealed(row.job, BOARD)), Board)
        raw = t.note("acceptances", row.job)
        accepted = json.loads(raw) if raw else {}
        snapshots = {name: notes.read(text).document(Acceptance).snapshot for name, text in accepted.items()}
        job = notes.read(held(t.note("job", row.job))).document(Job)
        return _Live(board, row, job.dataset, snapshots, self.clock(), is_public(job.purpose))


@contextmanager
def _sent() -> Iterator[None]:
    """An alarm in here is about what a caller sent, and not about what is kept here."""
    try:
        yield
    except IntegrityError as error:
        raise IntegrityError(str(error), code="integrity.sent") from None
