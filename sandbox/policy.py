"""May this job run here? Licence, purpose, columns, method, and the data holder's own rules. Nothing in the rows decides (PRIVACY 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from governance import duo, licences, notes, registration
from governance.catalogue import Dataset, Slug
from governance.encoding import wire
from governance.errors import IntegrityError, LicenceRefused, Refused
from governance.keys import Trust
from governance.licences import Granted, Request, Revocations
from governance.parties import Party
from governance.registration import Asset
from governance.rights import LEAST_CELL, Method
from sandbox.analyses import METHODS
from sandbox.case import Case
from sandbox.job import LONGEST

METHOD_NAMES = tuple(f"{method.name}@{method.version}" for method in METHODS.values())  # as licences and policies name them


@wire("keyong/policy/v1")
class Policy:
    """A data holder's own rules, on top of every licence. An empty list allows all that the licence allows.

    *approval* says who accepts a job that passes: the node itself, or a person with ``keyong node approve``. Over the same rows, all
    operators together get at most so many exact *releases*, which open at most so many *numbers*.
    """

    approval: Literal["automatic", "person"]
    methods: tuple[Method, ...]
    purposes: tuple[Slug, ...]
    peers: tuple[str, ...]
    min_cell: Annotated[int, Field(ge=LEAST_CELL)]
    releases: Annotated[int, Field(ge=0, le=10**12)] = 10_000
    numbers: Annotated[int, Field(ge=0, le=10**12)] = 1_000_000


DEFAULT = Policy("automatic", (), (), (), 10)


@dataclass(frozen=True, slots=True)
class Docket:
    """What is known about a job when it is judged: all of it signed by others, none of it from rows.

    *chain* are the links of its licence, the authority's first; *plan* is the contingency plan that the licence names; *asset* is the
    chain under which its dataset is registered.
    """

    case: Case
    job: str
    chain: tuple[str, ...]
    plan: str
    asset: str
    revocations: str | None
    operator: Party
    coordinator: Party
    holders: tuple[Party, ...]


def request(case: Case, asset: Asset) -> Request:
    """What the job asks of its licence. Grades are those that were registered, whatever the operator thinks of a column."""
    job, dataset = case.job, case.dataset
    grades = {name: asset.manifest.graded[name] for name in case.columns}
    return Request(job.operator, job.dataset, grades, job.purpose, job.method, job.min_cell, dataset.holders, job.rule,
                   region=job.region, home=dataset.region)  # fmt: skip


def check_standing(
    chain: tuple[str, ...], asset: str, dataset: Dataset, trust: Trust, *, plan: str, revocations: str | None, now: int
) -> tuple[Granted, Asset]:
    """The licence, in force *now*, and the asset under which *dataset* is registered: nothing is computed on another (先登记后授权)."""
    granted = licences.in_force(chain, trust, plan=plan, revocations=revocations, now=now)
    revoked = notes.read(revocations or "").document(Revocations).revoked  # one that is in force has a list
    registered = registration.require_live(asset, dataset, trust, revoked=revoked)
    registration.check_price(registered, granted.rights.price)
    return granted, registered


def check_licence(docket: Docket, trust: Trust, *, now: int) -> Granted:
    """The licence that covers the job; the same verdict at coordinator, node and command line."""
    job, operator = docket.case.job, docket.operator
    note = notes.read(docket.job)
    if note.id != docket.case.id or not _signed(note, operator):
        raise LicenceRefused(code="job.unsigned")
    if operator.role != "operator" or job.operator != str(operator.key):
        raise LicenceRefused(code="licence.bearer", operator=operator.name)
    if job.coordinator != str(docket.coordinator.key):
        raise LicenceRefused(code="job.coordinator", coordinator=docket.coordinator.name)
    granted, asset = check_standing(
        docket.chain, docket.asset, docket.case.dataset, trust, plan=docket.plan, revocations=docket.revocations, now=now
    )
    if asset.manifest.holder not in {str(party.key) for party in docket.holders}:
        raise Refused(code="asset.unregistered", dataset=job.dataset)
    licences.covers(granted, request(docket.case, asset))
    if granted.id != job.licence:
        raise LicenceRefused(code="licence.bearer", operator=operator.name)
    licences.check_signers(note, granted, operator.key)
    licences.check_keys((operator, docket.coordinator, *docket.holders), docket.revocations)
    if operator.organisation == docket.coordinator.organisation:
        raise LicenceRefused(code="licence.same_house", organisation=operator.organisation)
    if not now < job.deadline <= now + LONGEST:
        raise LicenceRefused(code="policy.deadline", most=LONGEST)
    return granted


def _signed(note: notes.Note, operator: Party) -> bool:
    try:
        return bool(note.signers(operator.key))
    except IntegrityError:
        return False


def check_policy(docket: Docket, policy: Policy, *, holder: str) -> None:
    """The own rules of the data holder whose node is called *holder*; its own organisation is no stranger to it."""
    job = docket.case.job
    if policy.methods and job.method not in policy.methods:
        raise Refused(code="policy.method", method=job.method)
    if policy.purposes and not any(duo.covers(each, job.purpose) for each in policy.purposes):
        raise Refused(code="policy.purpose", purpose=job.purpose)
    others = sorted(p.organisation for p in docket.holders if p.name != holder)
    if policy.peers and (strangers := [name for name in others if name not in policy.peers]):
        raise Refused(code="policy.peer", peer=strangers[0])
    if job.min_cell < policy.min_cell:
        raise LicenceRefused(code="policy.least_cell", asked=job.min_cell, minimum=policy.min_cell)
