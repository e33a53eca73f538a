"""Where a result comes from, as W3C PROV: who signed what at each stage, from registration to release.

collect: the assets' chains and the snapshots that the holders froze. trade: licence, price, plan, and the operator's job under them.
process: the run over these snapshots by the nodes that took part. share: the release that they signed, and the ledger's entries about it.
Every attribution is a signature that was verified here; what nobody who must have signed it signed is left out, and a signature that is
wrong is an alarm. Nothing is told that a ledger's file does not hold.  Source: PROV-DM and PROV-JSON (W3C, 2013).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from federated.records import Record, Records
from governance import licences, notes
from governance.contingency import Contingency
from governance.errors import IntegrityError, UsageError
from governance.keys import Trust, VerifyKey, read_key
from governance.licences import Licence, key_id
from governance.notes import Note
from governance.parties import Party
from governance.prices import Price
from governance.registration import Asset
from governance.suites import SUITES
from sandbox.messages import Acceptance, Admission

PREFIX = {"keyong": "urn:keyong:"}


@dataclass(slots=True)
class _Graph:
    """A PROV document while it grows; agents are named by digests of their keys, so that no name can be another's."""

    roles: dict[VerifyKey, str]
    trusts: tuple[Trust, ...]
    parties: dict[str, Party]
    parts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))

    def agent(self, key: VerifyKey) -> str:
        name, party = f"keyong:key-{key_id(str(key))}", self.parties.get(str(key))
        organisation = {"keyong:organisation": party.organisation} if party else {}
        self.parts["agent"][name] = {"prov:label": key.name, "keyong:role": self.roles.get(key, ""), **organisation}
        return name

    def entity(self, kind: str, id_: str, stage: str, **about: Any) -> str:
        name = f"keyong:{kind}-{id_}"
        facts = {f"keyong:{key}": value for key, value in about.items()}
        self.parts["entity"][name] = {"prov:type": {"$": f"keyong:{kind}", "type": "prov:QUALIFIED_NAME"}, "keyong:stage": stage, **facts}
        return name

    def document(self, note: Note, stage: str, kind: str, **about: Any) -> str:
        """A signed document, attributed to each known key that signed it; a bad signature by one of them raises."""
        name = self.entity(kind, note.id, stage, **about)
        known = {(key.name, key.id): key for key in self.roles}
        note.signers(*self.roles)
        for line in note.signatures:
            if key := known.get((line.name, line.key_id)):
                self.relate("wasAttributedTo", entity=name, agent=self.agent(key))
        return name

    def activity(self, name: str, stage: str, *, begins: int | None, ends: int | None) -> str:
        times = {"prov:startTime": begins, "prov:endTime": ends}
        self.parts["activity"][name] = {
            **{key: _time(at) for key, at in times.items() if at is not None}, "keyong:stage": stage
        }  # fmt: skip
        return name

    def relate(self, relation: str, **ends: str) -> None:
        made = {f"prov:{end}": name for end, name in ends.items()}
        if made not in self.parts[relation].values():
            self.parts[relation][f"_:{relation}{len(self.parts[relation]) + 1}"] = made


def as_prov(records: Records, job: str) -> dict[str, Any]:
    """The PROV-JSON document of *job* (its whole id), from verified records."""
    record = next((r for r in records.jobs if r.id == job), None)
    if record is None:
        raise UsageError("the records know no such job")
    papers = {note.id: note for text in records.export.documents if "\n\n" in text for note in [notes.read(text)]}
    trusts = records.roots.each(Asset)
    holders = (asset.manifest.holder for _, asset in _assets(papers.values(), trusts))
    graph = _Graph(_roles(records, record, holders), trusts, dict(records.parties))
    run = _process(graph, record, papers)
    dataset = _collect(graph, record, papers, run)
    asked = _trade(graph, record, papers, dataset)
    graph.relate("used", activity=run, entity=asked)
    _share(graph, record, records, run)
    return {"prefix": PREFIX, **graph.parts}


def _roles(records: Records, record: Record, holders: Iterable[str]) -> dict[VerifyKey, str]:
    """Whose signatures can count, and as what: the licence's delegates, *holders* of assets, the authority, parties; not withdrawn keys."""
    granted = records.licences.get(record.job.licence)
    authority = (text for version in records.roots.versions for role in version.root.roles.values() for text in role.keys)
    roles = {
        **dict.fromkeys(granted.delegates if granted else (), "delegate"), **dict.fromkeys(holders, "holder"),
        **dict.fromkeys(authority, "authority"), **{text: party.role for text, party in records.parties.items()},
    }  # fmt: skip
    withdrawn = records.roots.newest.root.withdrawn
    return {read_key(text, tuple(SUITES)): role for text, role in roles.items() if text not in withdrawn}


def _process(graph: _Graph, record: Record, papers: dict[str, Note]) -> str:
    """The run: who took part with which snapshot, and who admitted it."""
    admitted, end = record.admitted, record.released
    begins = admitted[1].at if admitted else record.events[0][1].at
    run = graph.activity(f"keyong:run-{record.id}", "process", begins=begins, ends=end[1].at if end else None)
    for note in papers.values():
        if note.holds(Acceptance) and (accepted := note.document(Acceptance)).job == record.id and _by(graph, note, accepted.holder):
            said = graph.document(note, "process", "acceptance", holder=accepted.holder, by=accepted.by)
            frozen = graph.entity("snapshot", accepted.snapshot, "collect", holder=accepted.holder)
            graph.relate("wasDerivedFrom", generatedEntity=said, usedEntity=frozen)
            graph.relate("used", activity=run, entity=frozen)
            for agent in _signers(graph, said):
                graph.relate("wasAttributedTo", entity=frozen, agent=agent)
                graph.relate("wasAssociatedWith", activity=run, agent=agent)
        elif note.holds(Admission) and record.admission is not None and note.document(Admission) == record.admission:
            graph.relate("used", activity=run, entity=graph.document(note, "process", "admission"))
    return run


def _by(graph: _Graph, note: Note, holder: str) -> bool:
    """Whether the party called *holder* signed."""
    return any(note.signers(party.key) for party in graph.parties.values() if (party.name, party.role) == (holder, "holder"))


def _signers(graph: _Graph, entity: str) -> list[str]:
    return [each["prov:agent"] for each in graph.parts["wasAttributedTo"].values() if each["prov:entity"] == entity]


def _collect(graph: _Graph, record: Record, papers: dict[str, Note], run: str) -> str | None:
    """The dataset's entry, and the chains of the assets that were registered over it before the job."""
    if (note := papers.get(record.job.catalogue)) is None:
        return None
    dataset = graph.document(note, "collect", "dataset", name=record.job.dataset)
    graph.relate("used", activity=run, entity=dataset)
    for link, asset in _assets(papers.values(), graph.trusts):
        if asset.manifest.dataset == record.job.dataset and asset.at <= record.job.created:
            name = graph.document(link, "collect", "asset", name=asset.name, step=asset.step, at=_time(asset.at))
            graph.relate("wasDerivedFrom", generatedEntity=name, usedEntity=dataset)
            if asset.previous in papers:
                graph.relate("wasDerivedFrom", generatedEntity=name, usedEntity=f"keyong:asset-{asset.previous}")
    return dataset


def _assets(papers: Iterable[Note], trusts: tuple[Trust, ...]) -> Iterator[tuple[Note, Asset]]:
    """Links of assets that the authority signed under some version of its key root."""
    for note in papers:
        if note.holds(Asset):
            with suppress(IntegrityError):
                note.require_any(*trusts)
                yield note, note.document(Asset)


def _trade(graph: _Graph, record: Record, papers: dict[str, Note], dataset: str | None) -> str:
    """The licence from the authority's link to the last, the notes that it names, and the operator's job."""
    job = graph.document(record.note, "trade", "job", method=record.job.method, purpose=record.job.purpose)
    above = dataset
    for note in licences.links(record.job.licence, {name: note for name, note in papers.items() if note.holds(Licence)}.get):
        link, allow = graph.document(note, "trade", "licence"), note.document(Licence).allow
        for name, cls, kind in ((allow.plan, Contingency, "plan"), (allow.price, Price, "price")):
            if name and (named := papers.get(name)) is not None and named.holds(cls):
                graph.relate("wasDerivedFrom", generatedEntity=link, usedEntity=graph.document(named, "trade", kind))
        if above:
            graph.relate("wasDerivedFrom", generatedEntity=link, usedEntity=above)
        above = link
    if above:
        graph.relate("wasDerivedFrom", generatedEntity=job, usedEntity=above)
    return job


def _share(graph: _Graph, record: Record, records: Records, run: str) -> None:
    """The release, and each entry of the ledger about the job."""
    release = graph.document(record.release, "share", "release") if record.release else None
    if release:
        graph.relate("wasGeneratedBy", entity=release, activity=run)
    owner = graph.agent(records.origin)
    for index, entry in record.events:
        name = graph.entity("entry", str(index), "share", event=entry.event, code=entry.code, at=_time(entry.at))
        graph.relate("wasAttributedTo", entity=name, agent=owner)
        subject = release if entry.event == "job.released" and release else f"keyong:job-{record.id}"
        graph.relate("wasDerivedFrom", generatedEntity=name, usedEntity=subject)


def stages(document: dict[str, Any]) -> Iterable[tuple[str, list[str]]]:
    """Names of those who signed at each stage, for people."""
    labels = {name: about["prov:label"] for name, about in document["agent"].items()}
    for stage in ("collect", "trade", "process", "share"):
        here = {name for name, about in document["entity"].items() if about["keyong:stage"] == stage}
        signed = document.get("wasAttributedTo", {}).values()
        yield stage, sorted({labels[each["prov:agent"]] for each in signed if each["prov:entity"] in here})


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
