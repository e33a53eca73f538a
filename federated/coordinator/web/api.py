"""What can be asked of a coordinator, under ``/v1``. Each method translates; what is decided is decided in the office and in `access`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import metadata
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from federated.answers import Enrolled, Entries, Head, Health, Identity, Named, Proof, Published, Quoted, Submitted, Used
from federated.coordinator.office import Office
from federated.coordinator.quotes import Quotes
from federated.coordinator.web import access
from federated.coordinator.web.access import ENROLLED
from federated.coordinator.web.openapi import get, post
from federated.coordinator.web.waiting import LONGEST, Waiting
from federated.witnessing import LIMIT, MOST, Answers, Ask, Duty, Turn
from governance.encoding import MESSAGE_LIMIT, SAFE_INTEGER, decode, encode
from governance.errors import OutOfTurn, Refused, Unavailable
from governance.licences import MOST_LINKS
from governance.parties import Party
from sandbox.messages import Ended, Offer, Post, Relay, Status

Wait = Annotated[float, Field(ge=0, le=LONGEST, description="Seconds to wait for something to tell")]
Number = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
JOB = "/v1/jobs/{job}"


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NoteIn(_Closed):
    """A signed note."""

    note: str


class JobIn(_Closed):
    """A job, signed by its operator; and the links of its licence that the authority did not publish, if there are any."""

    job: str
    links: list[str] = Field(default_factory=list, max_length=MOST_LINKS)


class LicenceIn(_Closed):
    """The id of a licence; and its links that the authority did not publish, if there are any."""

    licence: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    links: list[str] = Field(default_factory=list, max_length=MOST_LINKS)


class OfJob(_Closed):
    job: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="Id of the job: the SHA-256 of its text")]


class OfKind(_Closed):
    kind: Literal["root", "dataset", "licence", "plan", "revocations", "asset", "certificate", "price", "incident", "answer", "product"]


class Watch(_Closed):
    version: Annotated[Number | None, Field(description="Wait until the version is another than this; without it, until the job ends")] = (
        None
    )
    wait: Wait = 0.0


class Waits(_Closed):
    wait: Wait = 0.0


class Wants(_Closed):
    want: Annotated[int, Field(ge=1, le=MOST, description="Answers to wait for")] = 1
    wait: Wait = 0.0


class News(_Closed):
    known: Annotated[
        str, Field(pattern=r"^([0-9a-f]{64}(,[0-9a-f]{64})*)?$", description="Ids of jobs to leave out, with commas between them")
    ] = ""
    wait: Wait = 0.0


class Page(_Closed):
    start: Number = 0
    count: Annotated[int, Field(ge=1, le=1000)] = 1000


class Included(_Closed):
    index: Number
    size: Number


class Grown(_Closed):
    old: Number
    new: Number


class Desk:
    """The endpoints of one coordinator. *healthy* says whether its clockwork runs."""

    def __init__(self, office: Office, waiting: Waiting, healthy: Callable[[], bool]) -> None:
        self.office, self.waiting, self.healthy = office, waiting, healthy
        self.quotes = Quotes(office)

    # --- open to everybody

    @get("/v1/health")
    def health(self) -> Health:
        """Whether the coordinator works: its journal can be read and its clockwork runs."""
        with self.office.journal.view() as t:
            t.size()
        if not self.healthy():
            raise Unavailable("the clockwork does not run", retry_after=5)
        if self.office.alarm is not None:
            raise Unavailable(f"nothing is done here: {self.office.alarm}", retry_after=60)
        return Health("ok", round(self.office.clock(), 3))

    @get("/v1/identity")
    def identity(self) -> Identity:
        """Who the coordinator is, whom it trusts, and how many entries its ledger has."""
        enrolment = dict(self.office.documents("enrolment")).get(self.office.key.name)
        with self.office.journal.view() as t:
            return Identity(enrolment, self.office.roots.newest.id, _version(), t.size())

    @post("/v1/enrolments", status=201)
    def enrol(self, body: NoteIn) -> Enrolled:
        """Enrol a party.

        The note proves itself: it is signed by the one-time key of an invitation by the authority, and by the party's own key.
        """
        party = self.office.enrol(body.note)
        return Enrolled(party.name, party.organisation, party.role, str(party.key))

    @post("/v1/documents", status=201)
    def publish(self, body: NoteIn) -> Published:
        """Publish what the authority signed: the key root's next version, a dataset, a licence, a contingency plan, a revocation list.

        A price, an incident, the answer to a complaint, an asset's or certificate's next link, and a product are published alike; so are
        an operator's order of a product and its word that it was delivered, and a regulator's inspection.
        """
        return Published(*self.office.publish(body.note))

    @post("/v1/complaints", status=201)
    def complain(self, body: NoteIn) -> Named:
        """Take a complaint, sealed to the authority, from anybody; a receipt that names its entry in the ledger."""
        return Named("receipt", self.office.complain(body.note))

    # --- for every enrolled party

    @get("/v1/enrolments", roles=ENROLLED)
    def enrolments(self, caller: Party) -> list[Named]:
        """Everybody who is enrolled, with the note that proves it."""
        return [Named(name, note) for name, note in self.office.documents("enrolment")]

    @get("/v1/documents", roles=ENROLLED)
    def documents(self, caller: Party, query: OfKind) -> list[Named]:
        """Published documents of one kind; of an asset or a certificate, its whole chain.

        A licence is shown to the delegates of its links and to the holders of its datasets, a contingency plan to its operator.
        """
        return [Named(name, note) for name, note in access.documents(self.office, caller, query.kind)]

    # --- jobs

    @post("/v1/jobs", roles=("operator",), status=201)
    def submit(self, caller: Party, body: JobIn) -> Submitted:
        """Submit a job, with the links of its licence that the authority did not publish. The same job again has the same id."""
        return Submitted(self.office.submit(body.job, caller, body.links))

    @post("/v1/quotes", roles=("operator",))
    def quote(self, caller: Party, body: JobIn) -> Quoted:
        """What a job would cost if it were released next; nothing is submitted."""
        return self.quotes.of(body.job, caller, body.links)

    @post("/v1/uses", roles=("operator",))
    def uses(self, caller: Party, body: LicenceIn) -> Used:
        """How many uses of each link of a licence were taken."""
        return self.quotes.used(body.licence, caller, body.links)

    @get("/v1/jobs", roles=("holder", "operator"))
    def jobs(self, caller: Party) -> list[Status]:
        """The operator's own jobs, or those of the data holder's rosters, in the order of their arrival."""
        return access.jobs(self.office, caller)

    @get(JOB, roles=("holder", "operator"))
    def job(self, caller: Party, path: OfJob, query: Watch) -> Status:
        """How a job stands; with *version*, as soon as it stands otherwise."""
        now = access.job(self.office, caller, path.job)
        if now.ended or query.version not in (None, now.version):
            return now

        def ask(seconds: float) -> Status:
            return self.office.watch(path.job, query.version, wait=seconds)

        return self.waiting.until(query.wait, ask, done=lambda s: s.ended or query.version not in (None, s.version), party=caller.name)

    @get(f"{JOB}/bundle", roles=("holder", "operator"), conflicts=True)
    def bundle(self, caller: Party, path: OfJob) -> dict[str, Any]:
        """Everything that is needed to verify the job's release offline."""
        if access.job(self.office, caller, path.job).phase != "released":
            raise OutOfTurn("the job has no release")
        return dict(self.office.bundle(path.job))

    @post(f"{JOB}/cancel", roles=("operator",), conflicts=True)
    def cancel(self, caller: Party, path: OfJob) -> Status:
        """End a job of one's own; one that has ended stays as it is."""
        access.job(self.office, caller, path.job)
        self.office.cancel(path.job, caller)
        return self.office.status(path.job)

    # --- for data holders

    @get("/v1/offers", roles=("holder",))
    def offers(self, caller: Party, query: News) -> list[Offer]:
        """Jobs that wait for the data holder's answer, apart from those it knows."""
        known = frozenset(query.known.split(","))

        def ask(seconds: float) -> list[Offer]:
            return self.office.offers(caller.name, known=known, wait=seconds)

        return self.waiting.until(query.wait, ask, done=bool, party=caller.name)

    @post(f"{JOB}/posts", roles=("holder",), empty=202, limit=MESSAGE_LIMIT, conflicts=True)
    def posts(self, caller: Party, path: OfJob, query: Waits, body: bytes) -> bytes | None:
        """Post to a step of a job.

        Takes a ``keyong/post/v1`` of the caller's own. Gives the ``keyong/relay/v1`` of the step once it is closed, or a
        ``keyong/ended/v1``; nothing where the step is still open: post the same again.
        """
        given = decode(body, Post)
        if given.sender != caller.name:
            raise Refused("a data holder posts for itself only")
        access.check_member(self.office, caller, path.job)

        def ask(seconds: float) -> Relay | Ended | None:
            return self.office.post(path.job, given, wait=seconds)

        answer = self.waiting.until(query.wait, ask, done=lambda found: found is not None, party=caller.name)
        return None if answer is None else encode(answer)

    # --- witnesses

    @post("/v1/cosignatures", roles=("holder",), limit=LIMIT)
    def cosignatures(self, caller: Party, query: Wants, body: bytes) -> bytes:
        """Ask other data holders to cosign the newest checkpoint of one's own ledger.

        Takes a ``keyong/witness-ask/v1``. Gives the ``keyong/witness-answers/v1`` so far, as soon as there are *want* of them. A newer
        request takes the place of an older one.
        """
        box, ask = self.office.mailbox, decode(body, Ask, limit=LIMIT)
        asked = box.put(caller.name, ask)

        def heard(seconds: float) -> Answers:
            return Answers(box.answers(caller.name, asked, want=query.want, wait=seconds))

        return encode(self.waiting.until(query.wait, heard, done=lambda a: len(a.answers) >= query.want, party=caller.name))

    @post("/v1/witness", roles=("holder",), limit=LIMIT)
    def witness(self, caller: Party, query: Waits, body: bytes) -> bytes:
        """Answer what one was asked to cosign, and take what is asked next.

        Takes a ``keyong/witness-turn/v1``, gives a ``keyong/witness-duty/v1``, which also brings a newer revocation list.
        """
        turn = decode(body, Turn, limit=LIMIT)
        self.office.mailbox.answer(caller.name, turn.answers)

        def ask(seconds: float) -> Duty:
            return self.office.duty(caller.name, turn.revocations, wait=seconds)

        return encode(self.waiting.until(query.wait, ask, done=lambda d: bool(d.requests or d.revocations), party=caller.name))

    # --- the ledger

    @get("/v1/ledger/checkpoint", roles=ENROLLED)
    def checkpoint(self, caller: Party) -> Head:
        """The latest signed checkpoint of the coordinator's ledger (C2SP tlog-checkpoint), and the last one that holders cosigned."""
        with self.office.journal.view() as t:
            return Head(t.checkpoint(), t.note("cosigned", self.office.key.name))

    @get("/v1/ledger/entries", roles=ENROLLED)
    def entries(self, caller: Party, query: Page) -> Entries:
        """Up to *count* entries from *start* on."""
        with self.office.journal.view() as t:
            return Entries(query.start, tuple(entry.leaf.decode() for entry in t.entries(query.start, query.count)))

    @get("/v1/ledger/inclusion", roles=ENROLLED)
    def inclusion(self, caller: Party, query: Included) -> Proof:
        """Proof that entry *index* is in the tree of *size* entries."""
        with self.office.journal.view() as t:
            return Proof(tuple(digest.hex() for digest in t.inclusion(query.index, query.size)))

    @get("/v1/ledger/consistency", roles=ENROLLED)
    def consistency(self, caller: Party, query: Grown) -> Proof:
        """Proof that the tree of *new* entries starts with the tree of *old* ones."""
        with self.office.journal.view() as t:
            return Proof(tuple(digest.hex() for digest in t.consistency(query.old, query.new)))


@cache
def _version() -> str:
    return metadata.version("keyong")
