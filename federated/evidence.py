"""Evidence of one job: everything from which a third party, offline and with the authority's keys alone, comes to the same verdict.

For a released job that is its bundle. For every job it is the signed job, what the authority signed about it, the holders' signed refusals,
and each ledger entry about it with a proof under one signed checkpoint. Where the coordinator refused at the door, the licence is judged
again as of then; where a holder refused, its signature says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from federated import verify as bundles
from federated.coordinator import published
from federated.records import Records
from federated.results import Result
from federated.verify import LIMIT, Bundle, Proof
from governance import licences, notes, registration, roots
from governance.catalogue import Dataset
from governance.encoding import build, canonical, parse, plain, strict
from governance.errors import IntegrityError, Refused, UsageError
from governance.journal import View
from governance.keys import Trust
from governance.ledger import Entry
from governance.licences import Licence, Revocations, day
from governance.notes import Note
from governance.parties import Enrolment, Party, read_enrolment, roster
from governance.roots import Version
from sandbox import case as cases
from sandbox.job import Job
from sandbox.messages import Refusal
from sandbox.policy import Docket, check_licence

VERSION: Literal["evidence/v1"] = "evidence/v1"


@strict
class Evidence:
    """See docs/specs/evidence.md. *revocations* are the lists that were published before the job's last entry, the newest one last;
    *published* are the proofs of their entries, *entries* those of the job's own."""

    keyong: Literal["evidence/v1"]
    roots: tuple[str, ...]
    job: str
    chain: tuple[str, ...]
    plan: str
    dataset: str
    asset: str
    revocations: tuple[str, ...]
    published: tuple[Proof, ...]
    enrolments: dict[str, str]
    refusals: tuple[str, ...]
    entries: tuple[Proof, ...]
    bundle: Bundle | None

    @classmethod
    def of(cls, data: object) -> Evidence:
        with bundles.alarm():
            return build(cls, data)

    @classmethod
    def read(cls, raw: bytes) -> Evidence:
        with bundles.alarm():
            return cls.of(parse(raw, limit=LIMIT))


def is_one(raw: bytes) -> bool:
    """Whether a file says that it is evidence; if not, it should be a bundle."""
    return f'"keyong":"{VERSION}"'.encode() in raw


def write(evidence: Evidence) -> str:
    return canonical(plain(evidence)) + "\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence proves: the job's end, by whom and why, and the result where there is one."""

    phase: str
    code: str
    by: str
    checks: tuple[str, ...]
    result: Result | None


# --- made by the coordinator


def whole(start: str, records: Records) -> str:
    """The whole id of the one job whose id starts so."""
    found = [record.id for record in records.jobs if record.id.startswith(start)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} jobs in the ledger start with {start}; keyong records show lists them")
    return found[0]


def collect(job: str, records: Records, t: View, bundle: Mapping[str, object] | None) -> Evidence:
    """Evidence of *job* from the coordinator's records and journal, in one view of it."""
    record = next(r for r in records.jobs if r.id == job)
    last = record.events[-1][0]
    texts = {note.id: note for text in records.export.documents if "\n\n" in text for note in [notes.read(text)]}
    lists = [(index, name) for name, index in records.published.items() if index < last and texts[name].holds(Revocations)]
    known = records.roots.until(max(v.root.version for v in records.roots.versions if records.published.get(v.id, -1) < last))
    chain = licences.links(record.job.licence, {name: note for name, note in texts.items() if note.holds(Licence)}.get)
    plan = next((allow.plan for allow in (link.document(Licence).allow for link in chain) if allow.plan), "")

    def counted(note: Note | None) -> str:
        return str(published.counted(note, known.trust)) if note else ""

    dataset = records.datasets.get(record.job.catalogue)
    wanted = {*(dataset.holders if dataset else ()), records.origin.name, record.operator.name if record.operator else ""}
    newest = sorted(records.parties.values(), key=lambda party: len(party.withdrawn))
    enrolments = {p.name: _enrolment(p, texts) for p in newest if p.name in wanted}
    return Evidence(
        VERSION, known.texts, str(record.note), tuple(map(counted, chain)), counted(texts.get(plan)),
        counted(texts.get(record.job.catalogue)), registration.counted(records.asset(record.job.dataset, last), known.trust),
        tuple(str(texts[name]) for _, name in sorted(lists)), tuple(_proof(t, index) for index, _ in sorted(lists)), enrolments,
        tuple(text for text, _ in record.refusals), tuple(_proof(t, index) for index, _ in record.events),
        Bundle.of(bundle) if bundle else None,
    )  # fmt: skip


def _enrolment(party: Party, texts: Mapping[str, Note]) -> str:
    return next(str(note) for note in texts.values() if note.holds(Enrolment) and note.document(Enrolment).key == str(party.key))


def _proof(t: View, index: int) -> Proof:
    entry = t.entries(index, 1)[0]
    return Proof(index, entry.leaf.decode(), tuple(h.hex() for h in t.inclusion(index)), t.checkpoint())


# --- judged by anybody


def verify(evidence: Evidence, pinned: Version, revocations: str | None = None) -> Verdict:
    """The verdict on the job, for whoever trusts any version of the authority's key root, and may have a newer revocation list.

    It is an `IntegrityError` where something is not signed, not in the ledger, or does not give the verdict.
    """
    with bundles.alarm():
        trust = roots.read(evidence.roots).seen_from(pinned)
        enrolled = {name: read_enrolment(text, trust) for name, text in evidence.enrolments.items()}
        first = min((proof.index for proof in evidence.entries), default=0)
        parties = bundles.then(enrolled, first, bundles.listed(revocations, trust, pinned))
        note = notes.read(evidence.job)
        job = note.document(Job)
        operator, coordinator = bundles.named("operator", job.operator, parties), bundles.named("coordinator", job.coordinator, parties)
        note.require(Trust((operator.key,)))
        events = _events(evidence, note, coordinator)
        holders = [parties[name] for name in (_dataset(evidence, trust).holders if evidence.refusals else ()) if name in parties]
        refusals = [_refusal(text, note.id, holders) for text in evidence.refusals]
    index, last = events[-1]
    checks = (
        f"operator {operator.name} ({operator.organisation}) signed the job",
        f"{len(events)} ledger entries about it are under a checkpoint of {coordinator.name}, the last is {last.event} (entry {index})",
    )
    if last.event == "job.released":
        return _released(evidence, note, index, (pinned, revocations), checks)
    if last.event not in ("job.refused", "job.ended"):
        return Verdict("running", "", "", checks, None)
    for holder, refusal in refusals:
        if refusal.code != last.code:
            raise IntegrityError("the ledger says another reason than the data holder that refused")
        return Verdict("refused", last.code, holder, (*checks, f"data holder {holder} signed the refusal"), None)
    if last.event == "job.refused" or last.code.startswith(("licence.", "asset.")):
        _rejudged(evidence, parties, trust, index, last)
        shown = {"licence.stale": "", "licence.plan": evidence.plan, "asset.unregistered": evidence.asset}
        if not shown.get(last.code, "shown"):
            said = f"only {coordinator.name} says that the document which this reason asks for was missing"
            return Verdict("ended", last.code, coordinator.name, (*checks, said), None)
        said = f"the licence, judged again as of {day(last.at)}, gives the same refusal"
        return Verdict("refused", last.code, coordinator.name, (*checks, said), None)
    if last.code == "job.deadline" and last.at < job.deadline:
        raise IntegrityError("the ledger says that the deadline had passed before it had")
    return Verdict("ended", last.code, coordinator.name, checks, None)


def _events(evidence: Evidence, note: Note, coordinator: Party) -> list[tuple[int, Entry]]:
    """The job's entries in the order of the ledger, each of them proved."""
    about = {note.id, *([notes.read(evidence.bundle.release).id] if evidence.bundle else [])}
    events = [(proof.index, bundles.proved(proof, coordinator)) for proof in evidence.entries]
    if not events or [index for index, _ in events] != sorted({index for index, _ in events}):
        raise IntegrityError("the entries are not those of one job in their order")
    if any(entry.subject not in about for _, entry in events):
        raise IntegrityError("an entry is about another job")
    return events


def _released(evidence: Evidence, note: Note, index: int, by: tuple[Version, str | None], checks: tuple[str, ...]) -> Verdict:
    if evidence.bundle is None or notes.read(evidence.bundle.job).id != note.id or evidence.bundle.ledger.index != index:
        raise IntegrityError("the bundle is not that of the job")
    verified = bundles.verify(evidence.bundle, *by)
    return Verdict("released", "", "", (*checks, *verified.checks), verified.result)


def _dataset(evidence: Evidence, trust: Trust) -> Dataset:
    """The catalogue entry that the job was made for, as the authority signed it."""
    note = notes.read(evidence.dataset)
    if note.id != notes.read(evidence.job).document(Job).catalogue:
        raise IntegrityError("the catalogue entry is not the one that the job was made for")
    note.require(trust)
    return note.document(Dataset)


def _refusal(text: str, job: str, holders: Sequence[Party]) -> tuple[str, Refusal]:
    note = notes.read(text)
    refusal = note.document(Refusal)
    party = next((each for each in holders if each.name == refusal.holder), None)
    if party is None or refusal.job != job:
        raise IntegrityError("a refusal is not by a data holder of this job")
    note.require_only(Trust((party.key,)))
    return party.name, refusal


def _rejudged(evidence: Evidence, parties: Mapping[str, Party], trust: Trust, index: int, last: Entry) -> None:
    """Raise unless the licence, judged as of the entry, gives the very code that stands in it."""
    with bundles.alarm():
        case = cases.read(evidence.job, evidence.dataset)
        _dataset(evidence, trust)
        operator = bundles.named("operator", case.job.operator, parties)
        coordinator = bundles.named("coordinator", case.job.coordinator, parties)
        holders = tuple(roster(parties.values(), case.dataset.holders).values())
        lists = _list(evidence, coordinator, index)
        docket = Docket(case, evidence.job, evidence.chain, evidence.plan, evidence.asset, lists, operator, coordinator, holders)
    try:
        check_licence(docket, trust, now=last.at)
        code = ""
    except Refused as refusal:
        code = refusal.code
    if code != last.code:
        raise IntegrityError(f"the documents do not give the reason in the ledger, {last.code}, but {code or 'none'}")


def _list(evidence: Evidence, coordinator: Party, index: int) -> str | None:
    """The newest revocation list that is proved to have been published before entry *index*."""
    if len(evidence.published) != len(evidence.revocations):
        raise IntegrityError("a revocation list comes without the proof of its entry")
    newest = None
    for text, proof in zip(evidence.revocations, evidence.published, strict=True):
        entry = bundles.proved(proof, coordinator)
        if (entry.event, entry.subject) != ("document.published", notes.read(text).id) or proof.index >= index:
            raise IntegrityError("a revocation list was not published before the refusal")
        newest = max(newest or (-1, ""), (proof.index, text))
    return newest[1] if newest else None
