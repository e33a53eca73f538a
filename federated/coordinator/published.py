"""The documents that a coordinator hands on: which there are, whose signature lines under them count, and what goes with a job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from governance import contingency, incidents, licences, notes, registration
from governance.catalogue import Dataset
from governance.complaints import Answer
from governance.contingency import Contingency
from governance.encoding import JSON_LIMIT
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.incidents import Incident
from governance.journal import Transaction, View
from governance.keys import Trust, read_key
from governance.licences import MOST_LINK, MOST_LINKS, Licence, Revocations
from governance.prices import Price
from governance.roots import LIMIT as ROOT_LIMIT
from governance.roots import Chain, Root
from sandbox.job import Job

PUBLISHED: dict[str, type] = {
    "root": Root, "dataset": Dataset, "licence": Licence, "plan": Contingency, "revocations": Revocations,
    "price": Price, "incident": Incident, "answer": Answer,
}  # fmt: skip
ENTRY = "entry"  # a dataset's entry by its id: a job keeps to the one it was made for
ISSUED = {"dataset": ENTRY, "revocations": "list", "incident": "step"}  # one is current, each that ever was is kept
LIMITS = {"licence": MOST_LINK, "plan": contingency.LIMIT}  # characters of what is read with less than the usual limit
T = TypeVar("T")


def kind_of(note: notes.Note) -> str:
    for kind, cls in PUBLISHED.items():
        if note.holds(cls):
            return kind
    raise DecodeError(f"only these documents can be published: {', '.join(PUBLISHED)}")


def counted(note: notes.Note, trust: Trust) -> notes.Note:
    """*note* with the lines alone of those who sign such a document: the authority's, and under a plan its operator's.

    A licence below the first link is its delegates', and stays as it is; so does what none of them signed, for the verdict on it.
    """
    document: Any = note.document(*PUBLISHED.values())
    if isinstance(document, Licence) and document.parent:
        return note
    operator = [read_key(document.operator)] if isinstance(document, Contingency) else []
    kept = note.only(*trust.of(type(document)).keys, *operator)
    return kept if kept.signatures else note


def listed(text: str | None) -> tuple[int, str]:
    """A revocation list with its version."""
    return (notes.read(text).document(Revocations).version, text) if text else (0, "")


def name_of(kind: str, document: Any, note_id: str) -> str:
    """Under which name a document is kept; the next one of that name takes its place."""
    if kind in ("dataset", "incident"):
        return str(document.name)
    return {"revocations": "current", "answer": getattr(document, "complaint", "")}.get(kind, note_id)


def keep(t: Transaction, kind: str, document: Any, note: notes.Note, roots: Chain) -> str:
    """Put *note* in its place, and return it as it is kept: more may sign what is there when keys have changed."""
    name = name_of(kind, document, note.id)
    old = t.note(kind, name)
    again = old is not None and notes.read(old).id == note.id
    if not again:
        _check_newer(kind, old, document, roots)
        t.append("document.published", note.id)
    text = str(notes.read(held(old)).joined(note) if again else note)
    notes.read(text, limit=LIMITS.get(kind, JSON_LIMIT))  # nothing is kept that cannot be read back
    t.put_note(kind, name, text, replace=True)
    if kind in ISSUED:
        t.put_note(ISSUED[kind], note.id, text, replace=True)
    return text


def _check_newer(kind: str, old: str | None, document: Any, roots: Chain) -> None:
    """Versions only rise: a replayed old document is refused."""
    if old is None:
        return
    if kind == "incident":
        incidents.follow(signed(old, Incident, roots), document)
    elif kind == "answer":
        raise UsageError("the complaint was answered before")
    elif signed(old, PUBLISHED[kind], roots).version >= document.version:
        raise UsageError(f"version {document.version} of the {kind} is not newer than the one published")
    elif kind == "revocations" and not set(signed(old, Revocations, roots).withdrawn) <= set(document.withdrawn):
        raise UsageError("a key that was withdrawn does not come back")


def signed(text: str, cls: type[T], roots: Chain) -> T:
    """A document that is kept here, signed by those who could sign it under some version of the key root."""
    note = notes.read(text)
    note.require_any(*roots.each(cls))
    return note.document(cls)


def followed(roots: Chain, note: notes.Note) -> Chain:
    """*roots* with the version in *note*. What is too large, or not signed by those whose word counts now, is not even parsed."""
    notes.read(str(note), limit=ROOT_LIMIT)
    now = roots.newest.root.trust("root")
    note.require(now)
    return roots.followed([*roots.texts, str(note.only(*now.keys, *note.document(Root).trust("root").keys))])


def chain(t: View, last: str, trust: Trust, links: Sequence[str] = ()) -> tuple[str, ...]:
    """The links of the licence whose last one is *last*, the authority's first: those that are kept, and *links*.

    The first has the lines of those whose signatures count by *trust*: it may have been signed again since keys changed.
    """
    sent = {notes.read(text, limit=MOST_LINK).id: text for text in links[:MOST_LINKS]}

    def note_of(name: str) -> notes.Note | None:
        text = t.note("licence", name) or sent.get(name)
        return notes.read(text, limit=MOST_LINK) if text is not None else None

    found = licences.links(last, note_of)
    if not found:
        raise UsageError("the licence is not known here; the authority must publish it")
    return str(counted(found[0], trust)), *map(str, found[1:])


def plan(t: View, links: tuple[str, ...], trust: Trust) -> str:
    """The contingency plan that the licence names, if it was published; nothing is verified here."""
    named = (notes.read(text).document(Licence).allow.plan for text in links)
    text = t.note("plan", next(filter(None, named), ""))
    return str(counted(notes.read(text), trust)) if text else ""


def bundle(t: View, job: str, coordinator: str, roots: Chain) -> dict[str, object]:
    """Everything that is needed to verify a release offline, from the journal of the *coordinator* of this name."""
    release = t.note("release", job)
    if release is None:
        raise UsageError("the job has no release (yet)")
    text = held(t.note("job", job))
    document = notes.read(text).document(Job)
    dataset = held(t.note(ENTRY, document.catalogue))
    enrolments, row = dict(t.notes("enrolment")), held(t.job(job))
    parties = {*notes.read(dataset).document(Dataset).holders, row.detail, coordinator}
    versions = roots.until(int(held(t.get(f"root {job}"))))
    links = chain(t, document.licence, versions.trust)
    return {
        "keyong": "bundle/v1", "roots": versions.texts, "job": text, "chain": links, "plan": plan(t, links, versions.trust),
        "dataset": str(counted(notes.read(dataset), versions.trust)),
        "asset": registration.counted(held(t.note("registered", job)), versions.trust),
        "enrolments": {name: enrolments[name] for name in sorted(parties)},
        "admission": t.note("admission", job), "acceptances": json.loads(held(t.note("acceptances", job))),
        "spends": json.loads(held(t.note("spends", job))), "release": release, "ledger": _proof(t, int(held(t.get(f"release {job}")))),
    }  # fmt: skip


def _proof(t: View, index: int) -> dict[str, object]:
    entry = t.entries(index, 1)[0]
    return {
        "index": index,
        "entry": entry.leaf.decode(),
        "inclusion": [h.hex() for h in t.inclusion(index)],
        "checkpoint": t.checkpoint(),
    }


def held(value: T | None) -> T:
    """What the journal must hold; if it does not, somebody changed it."""
    if value is None:
        raise IntegrityError("the journal lacks a document that it must hold")
    return value
