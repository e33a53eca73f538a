"""Verify a result bundle offline: who asked, under which licence, who took part, who signed, and that the ledger holds it.

It proves that t nodes of the roster computed the same result from what each of them was given. It does not prove that the data were true.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from federated.results import Result, result
from governance import checkpoint, contingency, licences, merkle, notes, registration, roots
from governance.catalogue import Dataset
from governance.contingency import Contingency
from governance.encoding import build, canonical, parse, strict
from governance.errors import DecodeError, IntegrityError, LicenceRefused, QuorumLost, Refused, UsageError
from governance.keys import Trust
from governance.ledger import Entry, read_entry
from governance.licences import Granted, Revocations
from governance.parties import Party, read_enrolment, roster
from governance.registration import Asset
from governance.rights import check_usable
from governance.roots import Version
from mpc import secagg
from sandbox import case as cases
from sandbox import spends
from sandbox.job import Job
from sandbox.messages import Acceptance, Admission, Release, approvals
from sandbox.policy import request

VERSION = "bundle/v1"
LIMIT = 1 << 24
T = TypeVar("T")


@contextmanager
def alarm() -> Iterator[None]:
    """Bytes of a bundle that are not what they should be were altered: that is an alarm, not a fault of the caller."""
    try:
        yield
    except (DecodeError, UsageError) as error:
        raise IntegrityError(f"the bundle was altered: {error}") from None


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

    keyong: Literal["bundle/v1"]
    roots: tuple[str, ...]
    job: str
    chain: tuple[str, ...]
    plan: str
    dataset: str
    asset: str
    enrolments: dict[str, str]
    admission: str
    acceptances: dict[str, str]
    spends: dict[str, str]
    release: str
    ledger: Proof

    @classmethod
    def read(cls, raw: bytes) -> Bundle:
        """A bundle's file. `DecodeError` where it is no bundle of this version, `IntegrityError` where it is one that was altered."""
        if len(raw) > LIMIT:
            raise DecodeError(f"a bundle has at most {LIMIT} bytes")
        try:
            _check_version(json.loads(raw, parse_int=str, parse_float=str))
        except (ValueError, RecursionError) as error:
            raise error if isinstance(error, DecodeError) else DecodeError("this is no bundle: it is not JSON") from None
        with alarm():
            return cls.of(parse(raw, limit=LIMIT))

    @classmethod
    def of(cls, data: object) -> Bundle:
        """The bundle that was read from JSON."""
        _check_version(data)
        with alarm():
            return build(cls, data)


def _check_version(data: object) -> None:
    if not isinstance(data, Mapping) or data.get("keyong") != VERSION:
        raise DecodeError("this is no bundle of a version that is understood here")


@dataclass(frozen=True, slots=True)
class Verified:
    """What a bundle proves."""

    checks: tuple[str, ...]
    result: Result


@dataclass(frozen=True, slots=True)
class _Signed:
    """What a bundle says, once every signature line and every link between its parts was checked."""

    job: Job
    licence: Granted
    plan: Contingency
    approvals: int
    dataset: Dataset
    asset: Asset
    operator: Party
    coordinator: Party
    admission: Admission
    release: Release
    signers: tuple[str, ...]


def verify(bundle: Bundle, pinned: Version, revocations: str | None = None) -> Verified:
    """Raise unless every link of the bundle holds, up to the authority's key root, of which *pinned* is any version.

    The documents must be signed by those who could sign when the job was admitted; *pinned* may be older or newer (docs/specs/roots.md).
    A party's key that was withdrawn counts where the release stands in the ledger before that: by the enrolments, and by the list
    *revocations*, which may be newer than they are.
    """
    with alarm():
        chain = roots.read(bundle.roots)
        trust = chain.seen_from(pinned)
        signed = _signed(bundle, trust, listed(revocations, trust, pinned))
    _in_force(chain.newest, signed.admission)
    case = cases.read(bundle.job, bundle.dataset)  # all signatures hold: what is not understood here is of another version
    _licensed(signed, case)
    made = result(
        _answer(signed, case), case.id, holders=signed.release.holders, survivors=signed.release.survivors, signers=signed.signers,
        entry=bundle.ledger.index,
    )  # fmt: skip
    holders = len(signed.dataset.holders)
    needed = secagg.threshold(holders, signed.dataset.colluding)
    checks = (
        f"authority signed dataset, licence and {len(bundle.enrolments)} enrolments, "
        f"under version {chain.newest.root.version} of its key root",
        f"operator {signed.operator.name} ({signed.operator.organisation}) signed the job; the licence covers it "
        f"(use {signed.admission.uses[-1]})",
        f"the dataset is registered as the asset {signed.asset.name}, and is not cancelled",
        f"all {holders} data holders accepted it",
        f"{len(signed.signers)} of {holders} data holders computed and signed this result; {needed} are needed",
        f"each of them had spent the job in its own ledger, which {needed} of {holders} cosigned",
        f"ledger entry {bundle.ledger.index} holds it, under a checkpoint of {signed.coordinator.name}",
    )
    return Verified(checks, made)


# --- whose words these are, and that they are about each other


def _signed(bundle: Bundle, trust: Trust, withdrawn: Mapping[str, int]) -> _Signed:
    parties = then({name: _party(name, text, trust) for name, text in bundle.enrolments.items()}, bundle.ledger.index, withdrawn)
    job = notes.read(bundle.job).document(Job)
    operator, coordinator = named("operator", job.operator, parties), named("coordinator", job.coordinator, parties)
    dataset, (licence, plan) = _opened(bundle.dataset, Dataset, trust), _licence(bundle, operator, trust)
    if (job.catalogue, job.licence) != (notes.read(bundle.dataset).id, licence.id):
        raise IntegrityError("dataset and licence are not those that the job names")
    holders = roster(parties.values(), dataset.holders)
    if parties.keys() != {*holders, operator.name, coordinator.name}:
        raise IntegrityError("there is an enrolment of a party that had no part in the job")
    admission = _admission(bundle, holders, coordinator)
    release, signers = _release(bundle, holders, dataset.colluding)
    _spends(bundle, holders, dataset.colluding, release.survivors)
    _ledger(bundle, coordinator)
    approved = approvals(bundle.acceptances.values())
    asset, by = _registered(bundle, dataset, holders, trust), tuple(sorted(signers))
    return _Signed(job, licence, plan, approved, dataset, asset, operator, coordinator, admission, release, by)


def _licence(bundle: Bundle, operator: Party, trust: Trust) -> tuple[Granted, Contingency]:
    """The chain, the plan that it names, and who signed the job: whoever altered one of them altered the bundle."""
    try:
        licence = licences.read(bundle.chain, trust)
        licences.check_signers(notes.read(bundle.job), licence, operator.key)
    except LicenceRefused as refusal:
        raise IntegrityError(str(refusal)) from None
    plan = notes.read(bundle.plan)
    if plan.id != licence.rights.plan:
        raise IntegrityError("the contingency plan is not the one that the licence names")
    return licence, contingency.opened(plan, trust)


def _registered(bundle: Bundle, dataset: Dataset, holders: Mapping[str, Party], trust: Trust) -> Asset:
    """The asset under which the dataset was registered when the job was admitted."""
    try:
        asset = registration.require_live(bundle.asset, dataset, trust)
    except Refused as refusal:
        raise IntegrityError(str(refusal)) from None
    if registration.counted(bundle.asset, trust) != bundle.asset or asset.manifest.holder not in {str(p.key) for p in holders.values()}:
        raise IntegrityError("the dataset's registration bears other signatures than it must, or is not by one of its holders")
    return asset


def _in_force(version: Version, admission: Admission) -> None:
    if admission.at > version.root.expires:
        raise IntegrityError("the key root had expired when the job was admitted")


def _opened(text: str, cls: type[T], trust: Trust) -> T:
    """The document, signed by *trust* and nobody else: not even a signature more than are needed can be altered or added."""
    note = notes.read(text)
    note.require_only(trust.of(cls))
    return note.document(cls)


def _party(name: str, enrolment: str, trust: Trust) -> Party:
    party = read_enrolment(enrolment, trust)
    if party.name != name:
        raise IntegrityError(f"the enrolment of {party.name} is shown as that of {name}")
    return party


def listed(revocations: str | None, trust: Trust, pinned: Version) -> Mapping[str, int]:
    """The keys that a list withdraws, which *trust* signed, or those whom the *pinned* version names, which may be a newer one."""
    if revocations is not None:
        notes.read(revocations).require_any(*(each.of(Revocations) for each in (trust, roots.Chain((pinned,)).trust)))
    return licences.withdrawn(revocations)


def then(parties: Mapping[str, Party], index: int, withdrawn: Mapping[str, int]) -> dict[str, Party]:
    """The parties with the keys that counted at entry *index* of the coordinator's ledger; none of them may have been withdrawn by then."""
    found = {name: party.as_of(index) for name, party in parties.items()}
    for name, party in found.items():
        if index >= withdrawn.get(str(party.key), index + 1):
            raise IntegrityError(f"the key of {name} was withdrawn before entry {index} of the ledger")
    return found


def named(role: str, key: str, parties: Mapping[str, Party]) -> Party:
    """The party whom the job names in *role*; another one of that role has no say."""
    party = next((p for p in parties.values() if p.role == role and str(p.key) == key), None)
    if party is None:
        raise IntegrityError(f"the {role} that the job names is not enrolled")
    return party


def _admission(bundle: Bundle, holders: Mapping[str, Party], coordinator: Party) -> Admission:
    job = notes.read(bundle.job)
    if bundle.acceptances.keys() != holders.keys():
        raise IntegrityError("the acceptances are not those of the dataset's holders")
    for name, party in holders.items():
        acceptance = _opened(bundle.acceptances[name], Acceptance, Trust((party.key,)))
        if (acceptance.job, acceptance.holder) != (job.id, name):
            raise IntegrityError(f"the acceptance of {name} is for another job")
    admission = _opened(bundle.admission, Admission, Trust((coordinator.key,)))
    ids = tuple(notes.read(bundle.acceptances[name]).id for name in sorted(holders))
    if (admission.job, admission.licence, admission.acceptances) != (job.id, job.document(Job).licence, ids):
        raise IntegrityError("the admission is for another job")
    return admission


def _release(bundle: Bundle, holders: Mapping[str, Party], colluding: int) -> tuple[Release, frozenset[str]]:
    least = secagg.threshold(len(holders), colluding)
    note = notes.read(bundle.release)
    release = note.document(Release)
    signers = note.require_only(Trust(tuple(p.key for p in holders.values()))) & set(release.survivors)
    if (release.job, release.run, release.holders) != (notes.read(bundle.job).id, notes.read(bundle.admission).id, tuple(sorted(holders))):
        raise IntegrityError("the release is of another job or run")
    if len(signers) < least:
        raise IntegrityError(f"only {len(signers)} data holders signed the release")
    return release, signers


def _spends(bundle: Bundle, holders: Mapping[str, Party], colluding: int, survivors: tuple[str, ...]) -> None:
    """Whoever is in the totals has spent the job in its own ledger, as a quorum of the roster has seen it."""
    if not set(survivors) <= bundle.spends.keys() <= holders.keys():
        raise IntegrityError("the proofs that the job was spent are not those of the holders in the release")
    keys = tuple(str(holders[name].key) for name in sorted(holders))
    for name, proof in bundle.spends.items():
        try:
            spends.require(proof, notes.read(bundle.job).id, spends.policy_of(keys, name, colluding))
        except QuorumLost as few:
            raise IntegrityError(str(few)) from None


def _ledger(bundle: Bundle, coordinator: Party) -> None:
    entry = proved(bundle.ledger, coordinator)
    if entry.event != "job.released" or entry.subject != notes.read(bundle.release).id:
        raise IntegrityError("the ledger entry is not about this release")


def proved(proof: Proof, coordinator: Party) -> Entry:
    """The entry that *proof* shows to be in the coordinator's ledger, under a checkpoint that nobody else signed."""
    entry = read_entry(proof.entry.encode())
    notes.read(proof.checkpoint, limit=checkpoint.LIMIT).require_only(Trust((coordinator.key,)))
    head = checkpoint.opened(proof.checkpoint, coordinator.key)
    path = [_hash(text) for text in proof.inclusion]
    merkle.verify_inclusion(path, head.root, leaf=merkle.leaf_hash(proof.entry.encode()), index=proof.index, size=head.size)
    return entry


def _hash(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if raw.hex() != text:  # one spelling
        raise DecodeError("a hash in the proof is not in lower-case hexadecimal")
    return raw


# --- what they were allowed to do


def _licensed(signed: _Signed, case: cases.Case) -> None:
    job, licence, admission = signed.job, signed.licence, signed.admission
    if signed.operator.organisation == signed.coordinator.organisation:
        raise LicenceRefused(code="licence.same_house", organisation=signed.operator.organisation)
    check_usable(licence.rights)
    start, end = licence.rights.not_before or 0, licence.rights.not_after or 0
    if not start <= job.created <= end:
        raise LicenceRefused("the licence was not in force when the job was made")
    if not start <= admission.at <= end or admission.at >= job.deadline:
        raise IntegrityError("the job was admitted when the licence was not in force, or after its deadline")
    contingency.check_practised(signed.plan, licence.links[0].delegates, now=admission.at)
    registration.check_price(signed.asset, licence.rights.price)
    licences.covers(licence, request(case, signed.asset))
    licences.check_approved(licence, signed.approvals)
    if len(admission.uses) != len(licence.ids):
        raise IntegrityError("the admission does not number a use of each link of the licence")
    for use, limit in zip(admission.uses, licence.limits, strict=True):
        if use > limit:
            raise LicenceRefused(code="licence.used", limit=limit)


def _answer(signed: _Signed, case: cases.Case) -> dict[str, Any]:
    """What was released, which says what it answers: exactly what the job asked."""
    job = signed.job
    asked = {
        "analysis": job.method, "parameters": job.parameters, "where": job.where, "dataset": job.dataset, "title": job.title,
        "purpose": job.purpose, "min_cell": job.min_cell, "dealers": list(case.dealers),
    }  # fmt: skip
    with alarm():
        released = parse(signed.release.result)
    if not isinstance(released, dict) or released.keys() != asked.keys() | {"rounds", "suppressed", "outcome"}:
        raise IntegrityError("the release is not a result")
    if canonical({name: released[name] for name in asked}) != canonical(asked):
        raise IntegrityError("the release answers another question than the job's")
    return released


def as_dict(verified: Verified) -> dict[str, Any]:
    """For machines."""
    p = verified.result.provenance
    return {"verified": True, "job": p.job, "method": p.method, "signers": list(p.signers), "checks": list(verified.checks)}
