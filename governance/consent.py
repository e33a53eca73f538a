"""Consent: whose row a job may read for its purpose, and which sets of persons exact jobs may read one after another.

A dataset's entry in the catalogue says on what basis persons are in it: ``none`` (a statute; nobody is asked), ``opt_out`` (all who did
not object) or ``opt_in`` (those alone who agreed). What a person allows for a purpose is what the newest record says that covers it.
Persons go by pseudonyms that the data holder alone can make. This module decides; it reads no file and no journal.
Source: PIPL, articles 14 to 16 and 47.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from governance import duo
from governance.catalogue import Basis, Slug
from governance.encoding import SAFE_INTEGER, canonical, plain, wire
from governance.errors import DecodeError
from governance.rights import Digest

Persons = frozenset[bytes]
SALT = 32
SIZE = 32  # of a pseudonym


@wire("keyong/consent/v1")
class Consent:
    """What a person allowed, or allows no more: *purposes*, or all of them where none is named, from the time *at* on."""

    person: Digest
    dataset: Slug
    purposes: tuple[Slug, ...]
    allows: bool
    at: Annotated[int, Field(ge=0, le=SAFE_INTEGER)]

    def __post_init__(self) -> None:
        if list(self.purposes) != sorted(set(self.purposes)):
            raise DecodeError("purposes must be sorted and distinct")
        duo.check(self.purposes)

    def covers(self, purpose: str) -> bool:
        """Whether it is about *purpose*: a withdrawal also from one that would take in what was withdrawn (`governance.duo`)."""
        about = duo.covers if self.allows else duo.stopped
        return not self.purposes or any(about(each, purpose) for each in self.purposes)


def key_of(secret: bytes, person: bytes) -> bytes:
    """The person's own key, which opens the pseudonym to the person and to whom the person shows it."""
    return hmac.digest(secret, b"keyong/person\x00" + person, "sha256")


def pseudonym(key: bytes, person: bytes) -> bytes:
    """HMAC-SHA-256 twice, first under the holder's secret: nobody else can try identifiers, and the holder can prove one."""
    return hmac.digest(key, person, "sha256")


def commitment(opening: bytes) -> str:
    """SHA-256 of 32 random bytes and what they hide: all that the ledger holds."""
    return hashlib.sha256(opening).hexdigest()


def payload(record: Consent) -> bytes:
    """What is committed to."""
    return canonical(plain(record)).encode()


# --- who allows what


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom a purpose may read: for ``opt_out`` all but the *named*, for ``opt_in`` the named alone. They may have no row here at all."""

    basis: Basis
    named: Persons = field(repr=False)

    def of(self, persons: Persons) -> Persons:
        """Those of *persons* whose rows may be read."""
        if self.basis == "none":
            return persons
        return persons - self.named if self.basis == "opt_out" else persons & self.named

    def withdrawn(self, before: Rule) -> bool:
        """Whether somebody whom *before* allowed is allowed no more, whether or not there is a row."""
        if self.basis != before.basis:
            return True
        return bool(self.named - before.named if self.basis == "opt_out" else before.named - self.named)


def consenting(records: Iterable[Consent], basis: Basis, purpose: str, *, forgotten: Persons = frozenset()) -> Rule:
    """The rule that *records* make for *purpose*: of each person the newest that covers it, of two of one time the later.

    Who was *forgotten* is never read again, on either basis: with the records went what was agreed to.
    """
    newest: dict[str, Consent] = {}
    for record in records:
        if record.covers(purpose) and (record.person not in newest or record.at >= newest[record.person].at):
            newest[record.person] = record
    named = frozenset(bytes.fromhex(person) for person, record in newest.items() if record.allows == (basis == "opt_in"))
    return Rule(basis, named | forgotten if basis == "opt_out" else named - forgotten)


# --- which sets exact jobs read, one after another


@dataclass(frozen=True, slots=True)
class Frozen:
    """A set of persons that exact jobs have read, and the rule by which it was made."""

    persons: Persons = field(repr=False)
    rule: Rule = field(repr=False)


def choose(allowed: Persons, rule: Rule, frozen: Sequence[Frozen], least: int, *, order: Callable[[bytes], bytes]) -> Persons | None:
    """The persons that an exact job reads now; None where it must wait.

    Parameters
    ----------
    allowed
        Persons with a row, whose rows *rule* allows to be read.
    frozen
        All sets that exact jobs over the dataset have read, for whatever purpose.
    least
        Fewest persons that enter or leave together, min_cell.
    order
        Who leaves with too few who must go: those whom it puts first. Nobody outside may foresee it.

    Notes
    -----
    A new set is read where no sum or difference of totals over the sets can be about fewer than *least* persons. Until then an earlier set
    is read on, where all of it is allowed and nobody has withdrawn since. After a withdrawal others are left out with those who must go, so
    that a batch leaves at once; as many leave where the person who withdrew has no row: who knows of the withdrawal must not learn from
    the totals whether there is one.
    """
    earlier = list(dict.fromkeys(f.persons for f in frozen))
    if not earlier or (allowed not in earlier and in_batches([*earlier, allowed], least)):
        return allowed
    usable = [f.persons for f in frozen if f.persons <= allowed and not rule.withdrawn(f.rule)]
    if usable:
        return max(usable, key=len)
    left = {_left(base, allowed, earlier, least, order) for base in earlier} - set(earlier)  # an earlier one would tell who was in it
    return max((each for each in left if len(each) >= least and in_batches([*earlier, each], least)), key=len, default=None)


def _left(base: Persons, allowed: Persons, earlier: Sequence[Persons], least: int, order: Callable[[bytes], bytes]) -> Persons:
    """What is left of the earlier set *base* once all who must go have left it, each in a batch of those who were in the same sets."""
    alike: dict[tuple[bool, ...], set[bytes]] = defaultdict(set)
    for person in base:
        alike[tuple(person in each for each in earlier)].add(person)
    moved = [pattern for pattern, persons in alike.items() if not persons <= allowed]
    out: set[bytes] = set()
    for pattern in moved or sorted(alike, key=lambda each: len(alike[each]))[-1:]:
        going = alike[pattern] - allowed
        going |= set(heapq.nsmallest(least - len(going), alike[pattern] & allowed, key=order))
        few = not all(pattern) and len(alike[pattern]) - len(going) < least
        out |= alike[pattern] if few else going
    return base - out


def in_batches(sets: Sequence[Persons], least: int) -> bool:
    """Whether the persons who are in some of *sets* and not in others fall into groups of at least *least* that are in the same ones.

    Every linear combination of totals over the sets in which the persons of all sets cancel is then one of totals over such groups.
    """
    core = frozenset.intersection(*sets)
    groups = Counter(tuple(person in each for each in sets) for person in frozenset.union(*sets) - core)
    return all(size >= least for size in groups.values())


# --- records of other systems

FHIR_FIELDS = {
    "R4": {"resourceType", "id", "meta", "status", "scope", "category", "patient", "dateTime", "policyRule", "provision"},
    "R5": {"resourceType", "id", "meta", "status", "category", "subject", "date", "decision", "provision"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a FHIR Consent resource says: *person* is the patient's identifier, *at* the time as it was written."""

    person: str = field(repr=False)
    purposes: tuple[str, ...]
    allows: bool
    at: str


def from_fhir(resource: object, purposes: Mapping[str, str]) -> Foreign:
    """Read a FHIR Consent (R4 or R5) of the strict subset that is understood here; everything else is refused, not guessed.

    *purposes* says which code stands for which purpose of ours. Errors name fields, never values.
    """
    if not isinstance(resource, dict) or resource.get("resourceType") != "Consent":
        raise DecodeError("not a FHIR Consent resource")
    release = "R5" if "subject" in resource else "R4"
    _only(resource, FHIR_FIELDS[release], "Consent")
    if resource.get("status") != "active":
        raise DecodeError("Consent.status: only active consents are understood")
    who, when = ("subject", "date") if release == "R5" else ("patient", "dateTime")
    provision = resource.get("provision") if release == "R4" else _first(resource.get("provision", [{}]), "Consent.provision")
    if not isinstance(provision, dict):
        raise DecodeError("Consent.provision: one provision is needed")
    _only(provision, {"type", "purpose"} if release == "R4" else {"purpose"}, "Consent.provision")
    decision = provision.get("type") if release == "R4" else resource.get("decision")
    if decision not in ("permit", "deny"):
        raise DecodeError("Consent: permit or deny must be said")
    codes = provision.get("purpose", [])
    if not isinstance(codes, list) or ("purpose" in provision and not codes):
        raise DecodeError("Consent.provision.purpose: expected a list of codings")
    named = tuple(sorted({_purpose(code, purposes) for code in codes}))
    at = resource.get(when)
    if not isinstance(at, str):
        raise DecodeError(f"Consent.{when}: the time is missing")
    return Foreign(_identifier(resource.get(who), f"Consent.{who}"), named, decision == "permit", at)


def _only(found: Mapping[str, object], known: Iterable[str], where: str) -> None:
    if found.keys() - set(known):
        raise DecodeError(f"{where}: a field is not understood here")


def _first(found: object, where: str) -> object:
    if not isinstance(found, list) or len(found) != 1:
        raise DecodeError(f"{where}: exactly one is understood")
    return found[0]


def _purpose(coding: object, purposes: Mapping[str, str]) -> str:
    if not isinstance(coding, dict) or not isinstance(coding.get("code"), str):
        raise DecodeError("Consent.provision.purpose: a coding has a code")
    _only(coding, {"system", "code", "display"}, "Consent.provision.purpose")
    if coding["code"] not in purposes:
        raise DecodeError("Consent.provision.purpose: it was not said which purpose a code stands for")
    return purposes[coding["code"]]


def _identifier(reference: object, where: str) -> str:
    identifier = reference.get("identifier") if isinstance(reference, dict) else None
    value = identifier.get("value") if isinstance(identifier, dict) else None
    if not isinstance(reference, dict) or not isinstance(identifier, dict) or not isinstance(value, str) or not value.strip():
        raise DecodeError(f"{where}: an identifier with a value is needed")
    _only(reference, {"identifier", "type", "display"}, where)
    _only(identifier, {"system", "value", "use"}, f"{where}.identifier")
    return value.strip()
