"""What happened, job by job, as a ledger and its documents tell it: one reader for a journal's owner and for whoever has the exported file.

A file of records holds all entries of a ledger, its signed checkpoint, and the documents that the entries are about. Whoever has the
authority's keys reads the same records from it as the ledger's owner does; audit, settlement and reports are functions of them, and so come
out alike on every machine. Nothing in them depends on a row but the released results.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from federated.coordinator import register
from governance import chains, licences, notes, registration, roots, spending
from governance.catalogue import Dataset
from governance.certificates import Certificate
from governance.complaints import Answer, Complaint
from governance.contingency import Contingency
from governance.encoding import build, canonical, parse, plain
from governance.errors import DecodeError, IntegrityError, KeyongError
from governance.incidents import Incident
from governance.journal import View
from governance.keys import Trust, VerifyKey, read_key
from governance.ledger import Entry
from governance.licences import Granted, Licence, Revocations
from governance.notes import Note
from governance.parties import Enrolment, Party, read_enrolment
from governance.prices import Price, Use
from governance.products import Product
from governance.registration import Asset
from governance.rights import WHOLE
from governance.roots import Chain, Root, Version
from governance.spending import EXPORT_LIMIT, Block, Export, Spend
from governance.trades import Delivery, Inspection, Order
from mpc import secagg
from sandbox import case as cases
from sandbox.case import Case
from sandbox.job import Job
from sandbox.messages import Acceptance, Admission, Offer, Refusal, Release

KIND = "keyong/records/v1"
COORDINATORS = ("enrolment", "entry", "licence", "link", "plan", "list", "price", "job", "denied", "admission", "refusal", "release",
                "step", "former", "complaint", "answer", register.LISTING, "order", "delivery", "inspection")  # fmt: skip
NODES = ("revocations", "refusal", "release")
PUBLISHED = (Dataset, Licence, Contingency, Revocations, Price, Incident, Answer, Product)
READ = (*PUBLISHED, Root, Asset, Certificate, Enrolment, Job, Admission, Acceptance, Refusal, Release, Block, Spend, Complaint,
        Order, Delivery, Inspection)  # fmt: skip
JOBS = ("job.", "cohort.", "total.")  # how events of jobs begin; all others are of documents
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """All that a ledger says of one job. *events* are its entries with their numbers, in order.

    *case* is None where the job fits no published dataset, *operator* where no enrolled party has the key that the job names; a node is
    offered such jobs, and refuses them.
    """

    id: str
    note: Note
    job: Job
    case: Case | None
    operator: Party | None
    admission: Admission | None
    refusals: tuple[tuple[str, Refusal], ...]
    release: Note | None
    events: tuple[tuple[int, Entry], ...]

    def entry(self, *events: str) -> tuple[int, Entry] | None:
        """The first of its entries that is one of *events*."""
        return next(((index, entry) for index, entry in self.events if entry.event in events), None)

    @property
    def admitted(self) -> tuple[int, Entry] | None:
        """Where it was let in: in a coordinator's ledger when all had accepted, in a node's when it was paid for."""
        return self.entry("job.admitted", "job.spent")

    @property
    def released(self) -> tuple[int, Entry] | None:
        return self.entry("job.released")

    @property
    def last(self) -> Entry:
        return self.events[-1][1]

    @property
    def code(self) -> str:
        """The code of its last entry: why it was refused or ended, where it was; empty where the last entry has none."""
        return self.last.code

    @property
    def phase(self) -> str:
        if self.last.event == "job.ended" and self.refusals:
            return "refused"
        ended = {"job.released": "released", "job.refused": "refused", "job.ended": "ended", "job.offered": "open", "job.accepted": "open"}
        return ended.get(self.last.event, "running")

    @property
    def organisation(self) -> str:
        """Who asked."""
        return self.operator.organisation if self.operator else read_key(self.job.operator).name

    @property
    def numbers(self) -> int:
        """The most numbers that it opens, as its method's contract declares."""
        return sum(self.case.analysis.opens(self.case.dataset.schema)) if self.case else 0

    @property
    def question(self) -> str:
        """Digest of what is asked: the same for the same question, whoever asks it and in whatever order its conditions stand."""
        job = self.job
        where = self.case.where.normal if self.case else [job.where]
        return spending.query(
            catalogue=job.catalogue,
            method=job.method,
            parameters=plain(job)["parameters"],
            where=where,
            rule=job.rule,
            min_cell=job.min_cell,
        )

    def use(self, entry: int, at: int, split: dict[str, int]) -> Use:
        """What settlement counts of its release, which is the entry *entry*; *split* are shares where the licence says nothing of them."""
        return Use(entry, at, self.id, self.job.licence, self.organisation, self.job.purpose, self.question, self.numbers, split)


@dataclass(frozen=True, slots=True)
class Records:
    """A ledger and its documents, read. Documents are by their ids; *published* are numbers of entries by the ids of documents;
    a licence is by the id of its last link."""

    export: Export
    roots: Chain
    entries: tuple[Entry, ...]
    jobs: tuple[Record, ...]
    parties: Mapping[str, Party]
    datasets: Mapping[str, Dataset]
    licences: Mapping[str, Granted]
    prices: Mapping[str, Price]
    lists: tuple[tuple[int, Revocations], ...]
    assets: tuple[tuple[int, Note], ...]
    incidents: Mapping[str, Incident]
    complaints: Mapping[str, Complaint]
    answers: Mapping[str, Answer]
    spends: Mapping[str, Spend]
    published: Mapping[str, int]

    @property
    def origin(self) -> VerifyKey:
        """Whose ledger it is."""
        return read_key(self.export.key)

    @property
    def role(self) -> str:
        """``coordinator`` or ``holder``: a ledger of either says other things."""
        return "coordinator" if any(e.event == "party.enrolled" for e in self.entries) else "holder"

    @property
    def asked(self) -> Mapping[str, str]:
        """The dataset of each job, by the job's id."""
        return {record.id: record.job.dataset for record in self.jobs}

    def root(self, size: int) -> bytes:
        """The ledger's root when it had *size* entries."""
        return spending.root(self.export.leaves[:size])

    def list_before(self, index: int) -> Revocations | None:
        """The newest revocation list that was published before entry *index*."""
        return next((found for at, found in reversed(self.lists) if at < index), None)

    def asset(self, dataset: str, before: int) -> str:
        """The chain under which *dataset* was registered before that entry; empty where it was not. Nothing is verified."""
        return registration.of(registration.strung(note for index, note in self.assets if index < before), dataset)

    def registered(self, dataset: Dataset, before: int) -> Asset | None:
        """The asset that *dataset* was, as the authority signed it under some version of its key root; None where it was none."""
        for trust in self.roots.each(Asset):
            with suppress(KeyongError):
                return registration.require_live(self.asset(dataset.name, before), dataset, trust)
        return None

    def uses(self) -> Iterator[Use]:
        """Every release of an admitted job that enough holders signed, in the order of the ledger: what settlement counts."""
        for index, entry, record in sorted(((*r.released, r) for r in self.jobs if r.released), key=lambda found: found[0]):
            if record.admitted and record.admitted[0] < index and self.signed(record):
                yield record.use(index, entry.at, self.shares(record))

    def signed(self, record: Record) -> bool:
        """Whether as many holders as must have signed the job's release, of those whom its own entry of the catalogue names."""
        if record.release is None or record.case is None:
            return False
        dataset, release = record.case.dataset, record.release.document(Release)
        keys = tuple(party.key for party in self._holders(record))
        try:
            signers = record.release.require(Trust(keys)) if keys else frozenset()
        except KeyongError:
            return False
        return len(signers & set(release.survivors)) >= secagg.threshold(len(dataset.holders), dataset.colluding)

    def shares(self, record: Record) -> dict[str, int]:
        """Equal shares of who holds the dataset by the job's own entry of the catalogue; basis points left over go to the first by name."""
        holders = sorted({party.organisation for party in self._holders(record)})
        each, left = divmod(WHOLE, len(holders)) if holders else (0, 0)
        return {name: each + (i < left) for i, name in enumerate(holders)}

    def _holders(self, record: Record) -> Iterator[Party]:
        names = record.case.dataset.holders if record.case else ()
        return (party for party in self.parties.values() if party.role == "holder" and party.name in names)


# --- from a journal to a file


def export(t: View, key: str, known: Chain) -> Export:
    """Entries, checkpoint and documents of a journal whose key is *key* and whose owner knows the key root *known*."""
    made = t.budget_export(key)
    return replace(made, documents=tuple(sorted({*made.documents, *known.texts, *_coordinators(t), *_nodes(t)})))


def _coordinators(t: View) -> Iterator[str]:
    if not t.notes("enrolment"):  # only a coordinator enrols
        return
    for kind in COORDINATORS:
        yield from (text for _, text in t.notes(kind))
    for kind in register.LINKS:
        yield from (str(link) for _, text in t.notes(kind) for link in chains.read(text))
    for _, text in t.notes("acceptances"):
        yield from json.loads(text).values()


def _nodes(t: View) -> Iterator[str]:
    """A node keeps what it was offered as it came, so what cannot be read is left out."""
    for kind in NODES:
        yield from (text for _, text in t.notes(kind))
    for _, text in t.notes("offer"):
        offer = build(Offer, parse(text))
        parts = (offer.job, *offer.chain, offer.plan, offer.dataset, offer.revocations, offer.operator, offer.coordinator, *offer.holders)
        for part in (*parts, *_links(offer.asset)):
            with suppress(KeyongError):
                notes.read(part).document(*READ)
                yield part


def _links(chain: str) -> tuple[str, ...]:
    with suppress(KeyongError):
        return tuple(map(str, chains.read(chain)))
    return ()


def write(made: Export) -> str:
    return canonical([KIND, plain(made)]) + "\n"


def read(text: str, pinned: Version) -> Records:
    """The records in an exported file, whose ledger must be one of a party that the authority enrolled, of whose key root *pinned* is any
    version."""
    pair = parse(text.strip(), limit=EXPORT_LIMIT)
    if not isinstance(pair, list) or len(pair) != 2 or pair[0] != KIND:
        raise DecodeError("this is no file of records")
    records = of(build(Export, pair[1]), pinned)
    if records.export.key not in records.parties:
        raise IntegrityError("the ledger is not one of a party that this authority enrolled")
    return records


# --- from a file to records


def of(made: Export, pinned: Version) -> Records:
    """Records of an export. What the authority, an operator or a holder did not sign as it must be counts as not there.

    What was signed under an earlier version of the key root stays what happened; for whom only withdrawn keys vouch is no party any more.
    """
    known = _roots(made, pinned)
    entries, papers = tuple(spending.entries(made)), _found(made.documents, known)
    published = _published(entries, papers)
    bound = _entered(entries)
    papers = {name: paper for name, paper in papers.items() if name in published or not isinstance(paper.document, bound)
              or bool(getattr(paper.document, "parent", ""))}  # fmt: skip
    enrolled = (_party(paper.note, known.trust) for paper in papers.values() if isinstance(paper.document, Enrolment))
    parties = {str(party.key): party for party in enrolled if party}
    lists = sorted(((published.get(name, -1), x) for name, x in _all(papers, Revocations).items()), key=lambda pair: pair[1].version)
    return Records(
        made, known, entries, tuple(_jobs(entries, papers, parties)), parties, _all(papers, Dataset), dict(_granted(papers, known)),
        _all(papers, Price),
        tuple(lists), _assets(papers, published, known),
        _all(papers, Incident), _all(papers, Complaint), _all(papers, Answer),
        {spend.job: spend for spend in _all(papers, Spend).values()}, published,
    )  # fmt: skip


def _roots(made: Export, pinned: Version) -> Chain:
    """The key root that the owner of the ledger knew, which must be the one of which *pinned* is a version."""
    found = [note for text in made.documents if "\n\n" in text and (note := notes.read(text)).holds(Root)]
    known = roots.read(str(note) for note in sorted(found, key=lambda note: note.document(Root).version))
    known.seen_from(pinned)
    return known


def _granted(papers: Mapping[str, _Paper], known: Chain) -> Iterator[tuple[str, Granted]]:
    """Each licence whose links were signed by those who could sign them under some version of the key root."""
    texts = {name: paper.note for name, paper in papers.items() if isinstance(paper.document, Licence)}
    for name in texts:
        found = licences.links(name, texts.get)
        for trust in known.each(Licence) if found else ():
            with suppress(KeyongError):
                yield name, licences.read((str(found[0].only(*trust.keys)), *map(str, found[1:])), trust)
                break


def _party(note: Note, trust: Trust) -> Party | None:
    with suppress(KeyongError):
        return read_enrolment(str(note), trust)
    return None


@dataclass(frozen=True, slots=True)
class _Paper:
    note: Note
    document: Any


def _found(texts: Iterable[str], known: Chain) -> dict[str, _Paper]:
    """Documents by id. Of two copies the one whose signatures hold counts; those of a budget have none, the ledger commits to them."""
    found: dict[str, _Paper] = {}
    for text in texts:
        note = notes.read(text) if "\n\n" in text else Note(text)
        if note.id not in found or not _holds(found[note.id], known):
            found[note.id] = _Paper(note, note.document(*READ))
    return {name: paper for name, paper in found.items() if _holds(paper, known)}


def _holds(paper: _Paper, known: Chain) -> bool:
    """Whether what the authority must have signed, directly or by an invitation, leads to its keys; of others their readers decide."""
    try:
        if isinstance(paper.document, PUBLISHED) and not getattr(paper.document, "parent", ""):
            paper.note.require_any(*known.each(type(paper.document)))
    except KeyongError:
        return False
    return not isinstance(paper.document, Enrolment) or any(_party(paper.note, trust) for trust in known.each(Enrolment))


def _assets(papers: Mapping[str, _Paper], published: Mapping[str, int], known: Chain) -> tuple[tuple[int, Note], ...]:
    """Links of assets that the authority signed under some version of its key root."""
    found = []
    for name, paper in papers.items():
        with suppress(IntegrityError):
            if isinstance(paper.document, Asset) and paper.note.require_any(*known.each(Asset)):
                found.append((published.get(name, -1), paper.note))
    return tuple(found)


def _all(papers: Mapping[str, _Paper], cls: type[T]) -> dict[str, T]:
    return {name: paper.document for name, paper in papers.items() if isinstance(paper.document, cls)}


def _published(entries: Iterable[Entry], papers: Mapping[str, _Paper]) -> dict[str, int]:
    """Numbers of the entries about documents, by the documents' ids; every document must be there."""
    published: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if not entry.event.startswith(JOBS):
            if entry.subject not in papers:
                raise _missing(index, entry)
            published.setdefault(entry.subject, index)
    return published


def _entered(entries: Iterable[Entry]) -> tuple[type, ...]:
    """Kinds of documents that say something by their entry alone: a coordinator enters all that it publishes; a node gets its documents
    with offers. A licence's link below the authority's comes with its job."""
    coordinator = any(entry.event == "party.enrolled" for entry in entries)
    return (*PUBLISHED, Complaint) if coordinator else (Complaint, Answer, Incident)


def _missing(index: int, entry: Entry) -> IntegrityError:
    return IntegrityError(f"the document of entry {index}, {entry.event}, is missing")


def _jobs(entries: Iterable[Entry], papers: Mapping[str, _Paper], parties: Mapping[str, Party]) -> Iterator[Record]:
    """A record for every job that has an entry, in the order of their first ones."""
    events: dict[str, list[tuple[int, Entry]]] = {}
    releases: dict[str, Note] = {}
    for index, entry in enumerate(entries):
        if not entry.event.startswith(JOBS):
            continue
        paper, job = papers.get(entry.subject), entry.subject
        if entry.event == "job.released":
            if paper is None or not isinstance(paper.document, Release):
                raise _missing(index, entry)
            job = paper.document.job
            releases.setdefault(job, paper.note)  # the first one, as `Record.released`; audit names every other
        if job not in papers or not isinstance(papers[job].document, Job):
            raise _missing(index, entry)
        events.setdefault(job, []).append((index, entry))
    refusals = _by_job(papers, Refusal)
    admissions = _by_job(papers, Admission)
    for job, happened in events.items():
        note, document = papers[job].note, papers[job].document
        admission = next((p.document for p in admissions.get(job, []) if _by(p.note, document.coordinator)), None)
        refused = tuple((str(p.note), p.document) for p in refusals.get(job, []))
        yield Record(job, note, document, _case(note, document, papers), parties.get(document.operator), admission, refused,
                     releases.get(job), tuple(happened))  # fmt: skip


def _by_job(papers: Mapping[str, _Paper], cls: type) -> dict[str, list[_Paper]]:
    found: dict[str, list[_Paper]] = {}
    for paper in papers.values():
        if isinstance(paper.document, cls):
            found.setdefault(paper.document.job, []).append(paper)  # type: ignore[attr-defined]
    return found


def _by(note: Note, key: str) -> bool:
    """Whether the owner of *key* signed."""
    with suppress(KeyongError):
        return bool(note.signers(read_key(key)))
    return False


def _case(note: Note, job: Job, papers: Mapping[str, _Paper]) -> Case | None:
    """The job over its catalogue entry, if the authority signed that and the job fits it."""
    entry = papers.get(job.catalogue)
    with suppress(KeyongError):
        return cases.read(str(note), str(entry.note)) if entry else None
    return None


def unrun(note: Note, case: Case, operator: Party) -> Record:
    """The record of a job of which the ledger says nothing yet."""
    return Record(note.id, note, case.job, case, operator, None, (), None, ())


# --- for people and machines


def rows(records: Records) -> list[dict[str, Any]]:
    """A row for each job, in the order of the ledger."""
    return [
        {
            "job": r.id, "title": r.job.title, "operator": r.organisation, "licence": r.job.licence, "dataset": r.job.dataset,
            "method": r.job.method, "purpose": r.job.purpose, "where": r.job.where, "phase": r.phase, "code": r.code, "numbers": r.numbers,
            "release": r.release.id if r.release else "", "events": [{"entry": i, "event": e.event, "at": e.at} for i, e in r.events],
        }
        for r in records.jobs
    ]  # fmt: skip
