"""Parties: who they are, which organisation stands behind them, and the chain from the authority to their keys.

The authority signs an invitation that names a party and the public half of a one-time key. The party gets the private half in its join
token, makes its own key at home, and signs it with the one-time key. So the authority never holds a party's key, and a coordinator
that carries the enrolment cannot put another key in its place.

A key that was stolen or lost is withdrawn by the authority's revocation list, from one entry of the coordinator's ledger on, and an
invitation that names it lets the same party come under the same name with a new one. What the old key signed before stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from governance import notes
from governance.catalogue import Label
from governance.encoding import SAFE_INTEGER, strict, wire
from governance.errors import DecodeError, IntegrityError
from governance.keys import SigningKey, Trust, VerifyKey, read_key

Role = Literal["coordinator", "holder", "operator"]
Seconds = Annotated[int, Field(ge=0, le=253_402_300_799)]  # up to the year 9999, which is the last that can be shown


MOST_WITHDRAWN = 16  # keys of one party


@strict
class Withdrawn:
    """A party's key that counts for nothing any more, but in what stands before the entry *entries* of the coordinator's ledger."""

    key: Annotated[str, Field(max_length=256)]
    entries: Annotated[int, Field(ge=0, le=SAFE_INTEGER)]


@wire("keyong/invitation/v1")
class Invitation:
    """The authority's word that whoever holds *key* may enrol as *name*, in place of its *withdrawn* keys, the oldest first."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    organisation: Label
    role: Role
    key: str
    expires: Seconds
    withdrawn: Annotated[tuple[Withdrawn, ...], Field(max_length=MOST_WITHDRAWN)] = ()

    def __post_init__(self) -> None:
        if self.withdrawn and self.role == "coordinator":
            raise DecodeError("a coordinator's key is not exchanged: all that joined it pinned it")
        if any(read_key(each.key).name != self.name for each in self.withdrawn):
            raise DecodeError("an invitation takes the place of keys of the same name only")
        if len({each.key for each in self.withdrawn}) != len(self.withdrawn):
            raise DecodeError("a withdrawn key stands in the invitation twice")
        if list(self.withdrawn) != sorted(self.withdrawn, key=lambda each: each.entries):
            raise DecodeError("withdrawn keys stand in the order in which they were withdrawn")


@wire("keyong/enrolment/v1")
class Enrolment:
    """A party's own key, signed by that key and by the one-time key of the invitation."""

    invitation: str
    key: str


@dataclass(frozen=True, slots=True)
class Party:
    """An enrolled party. *withdrawn* are the keys that it had before, the oldest first."""

    name: str
    organisation: str
    role: Role
    key: VerifyKey
    withdrawn: tuple[Withdrawn, ...] = ()

    def as_of(self, index: int) -> Party:
        """The party with the key that counted when entry *index* of the coordinator's ledger was written."""
        key = next((each.key for each in self.withdrawn if index < each.entries), None)
        return self if key is None else replace(self, key=read_key(key))

    def follows(self, other: Party) -> bool:
        """Whether this is *other* with a newer key."""
        had = tuple(each.key for each in self.withdrawn)
        known = (*(each.key for each in other.withdrawn), str(other.key))
        return (self.name, self.organisation, self.role) == (other.name, other.organisation, other.role) and had[: len(known)] == known


def enrol(invitation: str, once: SigningKey, key: SigningKey) -> notes.Note:
    """Bind *key* to the invitation with its one-time key."""
    return notes.write(Enrolment(invitation, str(key.public))).signed_by(once, key)


def read_enrolment(raw: str, trust: Trust, *, now: int | None = None) -> Party:
    """Verify the chain authority → invitation → one-time key → party's key.

    *now* is given where a party joins; later on an invitation that has run out does not undo the enrolment. Nor does a key root's next
    version: the keys that let a party in still vouch for it, unless they were withdrawn; they let nobody else in.
    """
    note = notes.read(raw)
    document = note.document(Enrolment)
    invited = notes.read(document.invitation)
    invited.require_any(*(() if now is not None else trust.earlier), trust.of(Invitation))
    invitation = invited.document(Invitation)
    key = read_key(document.key)
    if key.name != invitation.name:
        raise IntegrityError(f"the key is called {key.name}, the invitation says {invitation.name}")
    if str(key) in (each.key for each in invitation.withdrawn):
        raise IntegrityError(f"the key of {key.name} was withdrawn; a new one must be made")
    if now is not None and now > invitation.expires:
        raise IntegrityError("the invitation has run out; ask the authority for a new one")
    note.require_only(Trust((read_key(invitation.key), key), threshold=2))
    return Party(invitation.name, invitation.organisation, invitation.role, key, invitation.withdrawn)


def roster(parties: Iterable[Party], holders: Iterable[str]) -> Mapping[str, Party]:
    """The data holders by name; distinct organisations and keys, or `IntegrityError` (PRIVACY 1)."""
    known = {p.name: p for p in parties if p.role == "holder"}
    missing = sorted(set(holders) - known.keys())
    if missing:
        raise IntegrityError(f"not enrolled as data holders: {', '.join(missing)}")
    chosen = {name: known[name] for name in sorted(holders)}
    for what in ({p.organisation for p in chosen.values()}, {p.key.public for p in chosen.values()}):
        if len(what) < len(chosen):
            raise IntegrityError("data holders of one dataset must be distinct organisations with distinct keys")
    return chosen
