"""Who may see what. Every object-level decision of the coordinator's door is made here."""

from __future__ import annotations

import json
import logging

from federated.coordinator import published
from federated.coordinator.office import Office
from governance import licences, notes
from governance.catalogue import Dataset
from governance.contingency import Contingency
from governance.errors import KeyongError, UsageError
from governance.journal import View
from governance.keys import Trust
from governance.parties import Party
from sandbox.job import Job
from sandbox.messages import Status

log = logging.getLogger("keyong.coordinator")
ENROLLED = ("coordinator", "holder", "operator")


def roster(t: View, job: str) -> frozenset[str]:
    """Names of the data holders of a job: those who accepted it, or those who are asked."""
    accepted = t.note("acceptances", job)
    if accepted is not None:
        return frozenset(json.loads(accepted))
    text = t.note("job", job)
    return _holders(t, published.ENTRY, notes.read(text).document(Job).catalogue) if text is not None else frozenset()


def _holders(t: View, kind: str, name: str) -> frozenset[str]:
    text = t.note(kind, name)
    return frozenset(notes.read(text).document(Dataset).holders) if text is not None else frozenset()


def job(office: Office, caller: Party, job_id: str) -> Status:
    """The status of a job that *caller* may see. A job of others looks like one that is not there."""
    with office.journal.view() as t:
        known = t.job(job_id) is not None and t.note("job", job_id) is not None
        member = caller.role == "holder" and caller.name in roster(t, job_id)
    if known and (member or caller.role == "operator"):
        status = office.status(job_id)
        if member or status.operator == caller.name:
            return status
    raise UsageError(code="job.unknown")


def jobs(office: Office, caller: Party) -> list[Status]:
    """The operator's own jobs, or those in whose roster the data holder is."""
    found = office.statuses()
    if caller.role == "operator":
        return [status for status in found if status.operator == caller.name]
    with office.journal.view() as t:
        return [status for status in found if caller.role == "holder" and caller.name in roster(t, status.job)]


def check_member(office: Office, caller: Party, job_id: str) -> None:
    """Raise unless *caller* is in the roster of the job."""
    members = office.roster(job_id)
    if members is None:
        with office.journal.view() as t:
            members = roster(t, job_id)
    if caller.role != "holder" or caller.name not in members:
        raise UsageError(code="job.unknown")


def documents(office: Office, caller: Party, kind: str) -> list[tuple[str, str]]:
    """Published documents. A licence is shown to the delegates of its links and to the holders of its datasets; a plan to its operator."""
    found = office.documents(kind)
    if kind == "plan":
        return [(name, text) for name, text in found if notes.read(text).document(Contingency).operator == str(caller.key)]
    if kind != "licence":
        return found
    with office.journal.view() as t:
        return [
            (name, text) for name, text in found if (granted := _read(t, name, office.trust)) is not None and _concerns(t, caller, granted)
        ]


def _read(t: View, name: str, trust: Trust) -> licences.Granted | None:
    """A licence with its links above; None where it does not read any more, as when it was not signed again since keys changed."""
    try:
        return licences.read(published.chain(t, name, trust), trust)
    except KeyongError as error:
        log.warning("the licence %s is shown to nobody: %s", name, error)
        return None


def _concerns(t: View, caller: Party, licence: licences.Granted) -> bool:
    if caller.role == "holder":
        return any(caller.name in _holders(t, "dataset", name) for name in licence.rights.datasets or ())
    return caller.role == "operator" and str(caller.key) in licence.delegates
