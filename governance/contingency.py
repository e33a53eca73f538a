"""Contingency plans (一授权一预案): what is done when something goes wrong under a licence, by whom, and how soon.

A licence names its plan by the plan's id, and nobody runs a job under a licence whose plan is not there or was not practised in time. The
operator signs it, who carries it out, and the authority, whose keys every reader has pinned: so one plan serves all data holders of a
licence, and each verifies it offline. A drill makes a new plan, and that a new licence: this is how long a licence lives without practice.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from governance import notes
from governance.catalogue import Label
from governance.encoding import wire
from governance.errors import DecodeError, IntegrityError, LicenceRefused
from governance.keys import Trust, read_key
from governance.notes import Note
from governance.parties import Seconds

Trigger = Literal["intrusion", "key-loss", "leak", "misuse", "order", "outage"]
Contact = Literal["authority", "holder", "operator", "regulator"]
Action = Literal["suspend", "freeze", "rotate", "notify"]
LIMIT = 16 << 10
DAY = 86400


@wire("keyong/plan/v1")
class Contingency:
    """When it starts (*triggers*), whom to reach (offices, not persons), what is done in this order, and the last drill.

    *operator* is the verifier key of the operator who signs it. Whoever must be told is told within *notify_hours*. A drill is due
    *drill_days* after the one at *drilled*.
    """

    operator: str
    triggers: tuple[Trigger, ...]
    contacts: dict[Contact, Label]
    steps: tuple[Action, ...]
    notify_hours: Annotated[int, Field(ge=1, le=72)]
    drilled: Seconds
    drill_days: Annotated[int, Field(ge=1, le=366)]

    def __post_init__(self) -> None:
        if not self.triggers or list(self.triggers) != sorted(set(self.triggers)):
            raise DecodeError("triggers must be sorted and distinct, and one at least")
        if len(set(self.steps)) != len(self.steps) or not {"suspend", "notify"} <= set(self.steps):
            raise DecodeError("steps must be distinct, and suspend and notify among them")
        if not {"authority", "operator"} <= self.contacts.keys():
            raise DecodeError("contacts must name an office of the authority and one of the operator")

    @property
    def due(self) -> int:
        """When the next drill must have been held."""
        return self.drilled + self.drill_days * DAY


def opened(note: Note, trust: Trust) -> Contingency:
    """The plan, signed by the authority and by the operator that it names, and by nobody else; else `IntegrityError`."""
    plan = note.document(Contingency)
    key = read_key(plan.operator)
    lines = len(note.only(*trust.keys).require(trust)), len(note.only(key).signers(key))
    if not lines[1] or sum(lines) != len(note.signatures):
        raise IntegrityError("the plan is not signed by the authority and by the operator that it names alone")
    return plan


def check(text: str, named: str | None, trust: Trust, *, operators: tuple[str, ...], now: int) -> Contingency:
    """The plan that a licence for *operators* names, if it was practised in time; else `LicenceRefused`."""
    note = notes.read(text, limit=LIMIT) if text else None
    try:
        plan = opened(note, trust) if note is not None and note.id == named else None
    except IntegrityError:
        plan = None
    if plan is None:
        raise LicenceRefused(code="licence.plan")
    return check_practised(plan, operators, now=now)


def check_practised(plan: Contingency, operators: tuple[str, ...], *, now: int) -> Contingency:
    """The plan, if it is by one of *operators* and its last drill is not too long ago; else `LicenceRefused`."""
    if plan.operator not in operators:
        raise LicenceRefused(code="licence.plan")
    if not plan.drilled <= now <= plan.due:
        raise LicenceRefused(code="licence.drill", days=plan.drill_days)
    return plan
