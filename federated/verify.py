"""Verify a result bundle offline: who asked, under which licence, who took part, who signed, and that the ledger holds it.

It proves that t nodes of the roster computed the same result from what each of them was given. It does not prove that the data were true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from federated.results import Result, result
from governance import checkpoint, ledger, merkle, notes
from governance.catalogue import Dataset
from governance.encoding import parse, strict
from governance.errors import DecodeError, IntegrityError, LicenceRefused
from governance.keys import Trust, VerifyKey
from governance.licences import Licence, Request, covers
from governance.parties import Party, read_enrolment, roster
from mpc import secagg
from sandbox import case as cases
from sandbox.case import Case
from sandbox.messages import Acceptance, Admission, Release


@strict
class Proof:
    """That a ledger holds a release: RFC 6962 inclusion proof under a signed checkpoint."""

    index: int
    entry: str
    inclusion: tuple[str, ...]
    checkpoint: str


@strict
class Bundle:
    """All that is needed to verify a release; see docs/specs/bundle.md."""

    keyong: str
    job: str
    licence: str
    dataset: str
    enrolments: dict[str, str]
    admission: str
    acceptances: dict[str, str]
    release: str
    ledger: Proof


@dataclass(frozen=True, slots=True)
class Verified:
    """What a bundle proves."""

    checks: tuple[str, ...]
    result: Result


def verify(bundle: Bundle, trust: Trust) -> Verified:
    """Raise unless every link of the bundle holds, up to the authority's keys in *trust*."""
    if bundle.keyong != "bundle/v1":
        raise DecodeError("this is not a bundle of a version that is understood here")
    parties = {name: _party(name, text, trust) for name, text in bundle.enrolments.items()}
    dataset = notes.opened(bundle.dataset, Dataset, trust)
    for text in (bundle.dataset, bundle.licence):
        _known(notes.read(text), trust.keys)
    case = cases.read(bundle.job, bundle.dataset)
    holders = roster(parties.values(), dataset.holders)
    operator = _operator(bundle, case, parties, trust)
    coordinator = next((p for p in parties.values() if p.role == "coordinator"), None)
    if coordinator is None:
        raise IntegrityError("the bundle holds no enrolled coordinator")
    if operator.organisation == coordinator.organisation:
        raise LicenceRefused(code="licence.same_house", organisation=operator.organisation)
    use = _admission(bundle, case, holders, coordinator)
    release, signers = _release(bundle, case, holders)
    _ledger(bundle, coordinator)
    made = result(
        parse(release.result),
        case.id,
        holders=release.holders,
        survivors=release.survivors,
        signers=sorted(signers),
        entry=bundle.ledger.index,
    )
    checks = (
        f"authority signed dataset, licence and {len(parties)} enrolments",
        f"operator {operator.name} ({operator.organisation}) signed the job; the licence covers it (use {use})",
        f"all {len(holders)} data holders accepted it",
        f"{len(signers)} of {len(holders)} data holders computed and signed this result; "
        f"{secagg.threshold(len(holders), dataset.colluding)} are needed",
        f"ledger entry {bundle.ledger.index} holds it, under a checkpoint of {coordinator.name}",
    )
    return Verified(checks, made)


def _known(note: notes.Note, keys: Iterable[VerifyKey]) -> frozenset[str]:
    """Who signed; raise where a line is nobody's, so that not even a signature more than are needed can be altered."""
    signers = note.signers(*keys)
    if len(signers) != len(note.signatures):
        raise IntegrityError("a signature in the bundle is nobody's who could have signed there")
    return signers


def _party(name: str, enrolment: str, trust: Trust) -> Party:
    party = read_enrolment(enrolment, trust)
    if party.name != name:
        raise IntegrityError(f"the enrolment of {party.name} is shown as that of {name}")
    return party


def _operator(bundle: Bundle, case: Case, parties: Mapping[str, Party], trust: Trust) -> Party:
    operator = next((p for p in parties.values() if p.role == "operator" and str(p.key) == case.job.operator), None)
    if operator is None:
        raise IntegrityError("the job's operator is not enrolled")
    notes.read(bundle.job).require(Trust((operator.key,)))
    licence = notes.opened(bundle.licence, Licence, trust)
    if notes.read(bundle.licence).id != case.job.licence or not licence.not_before <= case.job.created <= licence.not_after:
        raise LicenceRefused("the licence is another one, or was not in force when the job was made")
    covers(
        licence, Request(case.job.operator, case.job.dataset, frozenset(case.columns), case.job.purpose, case.job.method, case.job.min_cell)
    )
    return operator


def _admission(bundle: Bundle, case: Case, holders: Mapping[str, Party], coordinator: Party) -> int:
    admission = notes.opened(bundle.admission, Admission, Trust((coordinator.key,)))
    if bundle.acceptances.keys() != holders.keys():
        raise IntegrityError("the acceptances are not those of the dataset's holders")
    for name, party in holders.items():
        acceptance = notes.opened(bundle.acceptances[name], Acceptance, Trust((party.key,)))
        if (acceptance.job, acceptance.holder) != (case.id, name):
            raise IntegrityError(f"the acceptance of {name} is for another job")
    ids = tuple(notes.read(bundle.acceptances[name]).id for name in sorted(holders))
    if (admission.job, admission.licence, admission.acceptances) != (case.id, case.job.licence, ids):
        raise IntegrityError("the admission is for another job")
    if admission.use > (limit := notes.read(bundle.licence).document(Licence).use_count):
        raise LicenceRefused(code="licence.used", limit=limit)
    return admission.use


def _release(bundle: Bundle, case: Case, holders: Mapping[str, Party]) -> tuple[Release, frozenset[str]]:
    note = notes.read(bundle.release)
    release = note.document(Release)
    signers = _known(note, [p.key for p in holders.values()]) & set(release.survivors)
    if (release.job, release.run, release.holders) != (case.id, notes.read(bundle.admission).id, tuple(sorted(holders))):
        raise IntegrityError("the release is of another job or run")
    if len(signers) < secagg.threshold(len(holders), case.dataset.colluding):
        raise IntegrityError(f"only {len(signers)} data holders signed the release")
    return release, signers


def _ledger(bundle: Bundle, coordinator: Party) -> None:
    proof = bundle.ledger
    entry = ledger.read_entry(proof.entry.encode())
    if entry.event != "job.released" or entry.subject != notes.read(bundle.release).id:
        raise IntegrityError("the ledger entry is not about this release")
    head = checkpoint.opened(proof.checkpoint, coordinator.key)
    path = [_hash(text) for text in proof.inclusion]
    merkle.verify_inclusion(path, head.root, leaf=merkle.leaf_hash(proof.entry.encode()), index=proof.index, size=head.size)


def _hash(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if raw.hex() != text:  # one spelling
        raise DecodeError("a hash in the proof is not in lower-case hexadecimal")
    return raw


def as_dict(verified: Verified) -> dict[str, Any]:
    """For machines."""
    p = verified.result.provenance
    return {"verified": True, "job": p.job, "method": p.method, "signers": list(p.signers), "checks": list(verified.checks)}
