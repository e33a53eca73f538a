"""What a person at a data holder does about persons: put down what they allow, forget them, and tell them what their records served."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from federated.node import consents, judge
from federated.node.home import Home, served
from governance import consent, duo, known, notes
from governance.consent import Consent, from_fhir
from governance.encoding import SAFE_INTEGER, build, canonical, parse, plain
from governance.errors import DecodeError, UsageError
from governance.handwritten import by_hand
from governance.journal import Transaction, View
from governance.licences import Licence
from governance.uses import Logged, Proof, Shown, Use, check

MOST_BYTES = 1 << 26  # of a file of consents


@dataclass(frozen=True, slots=True)
class Put:
    """What was put down: the index of the ledger's entry, whether the person has a *row* in the data that are served now (None where no
    consent is asked of them, or none are served), and the purposes that are *unknown* here.
    It is for whoever stands at the node; nothing of it leaves."""

    entry: int
    row: bool | None
    unknown: tuple[str, ...]


def put(path: Path, person: str, dataset: str, *, allows: bool, purposes: Sequence[str] = (), now: float | None = None) -> Put:
    """Write down what *person* allows, or allows no more. A withdrawal is never older than what the person said before, whatever the
    clock was then."""
    home, at = Home.open(path), int(time.time() if now is None else now)
    with by_hand():
        record = Consent(consents.pseudonym(home, person).hex(), dataset, tuple(sorted(set(purposes))), allows, at)
        build(Consent, plain(record))
    with closing(home.journal()) as journal, journal.transaction() as t:
        said = [] if allows else [each.record.at for each in t.consents(person=record.person) if each.record.dataset == dataset]
        (entry,) = _written(t, [replace(record, at=max([at, *said]))])
        frozen = served(t, home.snapshots).get(dataset)
        row = consents.has_row(home, frozen.id, bytes.fromhex(record.person)) if frozen else None
        return Put(entry, row, tuple(_unknown(t, record.purposes)))


def _unknown(t: View, purposes: Sequence[str]) -> Iterator[str]:
    """Those of *purposes* that no licence of a job that was offered here names, nor takes in."""
    chains = (judge.read_offer(text).chain for _, text in t.notes("offer"))
    links = {link for chain in chains for link in chain}
    there = {each for link in links for each in notes.read(link).document(Licence).allow.purposes or ()}
    for purpose in purposes:
        if not any(duo.covers(purpose, each) or duo.covers(each, purpose) for each in there):
            yield purpose


def _put(home: Home, records: Sequence[Consent]) -> list[int]:
    """Write records down, all of them or none."""
    with closing(home.journal()) as journal, journal.transaction() as t:
        return _written(t, records)


def _written(t: Transaction, records: Sequence[Consent]) -> list[int]:
    known.check("dataset served here called", {r.dataset for r in records}, (t.get("datasets") or "").split())
    gone = {name.hex() for name in t.forgotten()}
    if any(record.person in gone for record in records):
        raise UsageError("a person was forgotten here, and nothing is put down about them any more")
    return [t.put_consent(record) for record in records]


def listed(path: Path, *, person: str | None = None, dataset: str = "") -> list[dict[str, Any]]:
    """Records by pseudonym."""
    home = Home.open(path)
    of = consents.pseudonym(home, person).hex() if person is not None else ""
    with closing(home.journal()) as journal, journal.view() as t:
        names = [dataset] if dataset else [] if of else (t.get("datasets") or "").split()
        found = t.consents(person=of) if of else [each for name in names for each in t.consents(dataset=name)]
    return [
        {"person": f.record.person, "dataset": f.record.dataset, "purposes": list(f.record.purposes), "allows": f.record.allows,
         "at": f.record.at, "entry": f.entry}
        for f in found if not dataset or f.record.dataset == dataset
    ]  # fmt: skip


def take(path: Path, file: Path, dataset: str, codes: Mapping[str, str]) -> int:
    """Put down the FHIR Consent resources in *file*, one JSON object a line; all of them, or none where one is not understood."""
    home = Home.open(path)
    raw = file.read_bytes()
    if len(raw) > MOST_BYTES:
        raise UsageError(f"the file is larger than {MOST_BYTES} bytes; part it")
    records = [_taken(home, line, dataset, codes, number=number) for number, line in enumerate(raw.splitlines(), 1) if line.strip()]
    _put(home, records)
    return len(records)


def _taken(home: Home, line: bytes, dataset: str, codes: Mapping[str, str], *, number: int) -> Consent:
    try:
        found = from_fhir(_json(line), codes)
        at = _seconds(found.at)
        if at > time.time():
            raise DecodeError("Consent: the time is not come yet")
        made = Consent(consents.pseudonym(home, found.person).hex(), dataset, found.purposes, found.allows, at)
        return build(Consent, plain(made))
    except DecodeError as error:
        raise UsageError(f"line {number}: {error}; nothing was put down") from None


def _json(line: bytes) -> object:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise DecodeError("a field stands there twice")
        return dict(pairs)

    try:
        return json.loads(line, object_pairs_hook=once)
    except DecodeError:
        raise
    except (ValueError, RecursionError):
        raise DecodeError("not JSON") from None


def _seconds(text: str) -> int:
    """A FHIR dateTime with time and zone; less would leave open which of two records is the newer."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 0 <= at.timestamp() <= SAFE_INTEGER:
        raise DecodeError("Consent: a time needs date, time of day and zone")
    return int(at.timestamp())


def forget(path: Path, person: str) -> None:
    """Destroy a person's records and all that opens the ledger's commitments to them; the row is never read again."""
    home = Home.open(path)
    name = consents.pseudonym(home, person).hex()
    with closing(home.journal()) as journal, journal.transaction() as t:
        t.forget(name)


# --- what a record served


@dataclass(frozen=True, slots=True)
class Served:
    """A job that read the person's record."""

    job: str
    title: str
    purpose: str
    operator: str
    at: int
    release: int | None
    proof: Proof


def uses(path: Path, person: str) -> list[Served]:
    """The jobs that read the record of *person*, oldest first, each with its proof."""
    home = Home.open(path)
    name, key = consents.pseudonym(home, person), consent.key_of(home.consent_key(), consents.identifier(person))
    with closing(home.journal()) as journal, journal.view() as t:
        if name in t.forgotten():
            raise UsageError("the person was forgotten here, and with the records went what proves their use")
        at = {e.subject: i for i, e in enumerate(t.entries(0, t.size())) if e.event in ("consent.used", "job.released")}
        found = (_served(t, home, row.job, name=name, key=key, at=at) for row in t.jobs())
        return [each for each in found if each is not None]


def _served(t: View, home: Home, job: str, *, name: bytes, key: bytes, at: Mapping[str, int]) -> Served | None:
    found, offer, released = consents.set_of(t, job), t.note("offer", job), t.note("release", job)
    if found is None or offer is None or name not in found[0].frozen.persons:
        return None
    kept, text = found[0], judge.read_offer(offer).job
    salt, place, path = kept.tree.opening(kept.persons.index(name))
    use = _logged(t, at[notes.write(Use(job, kept.tree.root.hex())).id])
    ends = () if released is None else (_logged(t, at[notes.read(released).id]),)
    proof = Proof(str(home.key.public), text, key.hex(), salt.hex(), place, tuple(h.hex() for h in path), use, ends, t.checkpoint())
    asked = notes.read(text).document(judge.Job)
    when = t.entries(use.index, 1)[0].at
    return Served(job, asked.title, asked.purpose, asked.operator.partition("+")[0], when, ends[0].index if ends else None, proof)


def _logged(t: View, index: int) -> Logged:
    return Logged(index, t.entries(index, 1)[0].leaf.decode(), tuple(h.hex() for h in t.inclusion(index)))


def write_proof(proof: Proof) -> str:
    return canonical([proof.kind, plain(proof)]) + "\n"  # type: ignore[attr-defined]


def read_proof(text: str) -> Proof:
    pair = parse(text.removesuffix("\n"))
    if not isinstance(pair, list) or len(pair) != 2 or pair[0] != Proof.kind:  # type: ignore[attr-defined]
        raise DecodeError("expected a pair of keyong/use-proof/v1 and its fields")
    return build(Proof, pair[1])


def verified(text: str, person: str) -> Shown:
    """What a proof shows about *person*; it needs nothing of the node, and raises where it shows nothing."""
    return check(read_proof(text), consents.identifier(person))
