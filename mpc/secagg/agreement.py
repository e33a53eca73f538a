"""What members agree on about a first opening, masked or encrypted: that one set is opened, or that an attempt never will be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from governance.errors import PeerError, Unavailable
from mpc.secagg.terms import Round, Terms


class Message(Protocol):
    """What every message of a sum says of itself."""

    @property
    def job(self) -> bytes: ...

    @property
    def root(self) -> bytes: ...

    @property
    def round(self) -> bytes: ...

    @property
    def sender(self) -> str: ...


class Consent(Message, Protocol):
    @property
    def survivors(self) -> tuple[str, ...]: ...


C = TypeVar("C", bound=Consent)


def fits(message: Message, terms: Terms, round: Round) -> bool:
    """Whether the message speaks of this job, roster and round."""
    return (message.job, message.root, message.round) == (terms.job, terms.root, round.digest)


def require_consents(mine: C, consents: Mapping[str, C], terms: Terms) -> None:
    """Raise unless t survivors, ourselves included, consented to the same.

    Raises
    ------
    Unavailable
        Fewer than t equal consents are here and the missing ones may still come.
    PeerError
        So many consented to another set that t equal ones cannot come any more.
    """
    others = {name: consents[name] for name in mine.survivors if name != mine.sender and name in consents}
    differing = [name for name, other in others.items() if _as_if(other, mine.sender) != mine or other.sender != name]
    equal, need = 1 + len(others) - len(differing), terms.threshold
    if equal >= need:
        return
    if len(mine.survivors) - len(differing) < need:
        raise PeerError("consented to another set than we did", parties=differing)
    waiting = [name for name in mine.survivors if name not in others and name != mine.sender]
    raise Unavailable(f"{equal} of {need} equal consents are here", waiting=waiting, need=need)


def _as_if(consent: C, sender: str) -> C:
    same: C = replace(consent, sender=sender)  # type: ignore[type-var]
    return same


def require_abstentions(abstentions: Mapping[str, Message], terms: Terms, round: Round) -> None:
    """Raise `Unavailable` unless n - t + 1 + c members promised not to open the attempt: fewer than t are then left who might."""
    valid = {name for name in terms.points if (a := abstentions.get(name)) and a.sender == name and fits(a, terms, round)}
    if len(valid) < terms.least_abstentions:
        raise Unavailable(
            f"{len(valid)} of {terms.least_abstentions} abstentions are here: the attempt might still be opened",
            waiting=sorted(terms.points.keys() - valid),
            need=terms.least_abstentions,
        )
