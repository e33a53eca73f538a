"""Licences: what the authority allows an operator to compute, handed on from link to link, verified offline up to the authority's keys.

A licence is a chain. The authority signs the first link; whom a link names as delegates may sign the next, which can only narrow it; a job
is signed by the delegates of the last. What is allowed is the meet of all links (`governance.rights`). A stolen chain is of no use without
a delegate's key. Whatever is done with a chain is bounded beforehand: by links, bytes and signature lines.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from governance import contingency, duo, notes
from governance.catalogue import HOME
from governance.encoding import wire
from governance.errors import DecodeError, IntegrityError, LicenceRefused, Refused
from governance.keys import Trust, VerifyKey, read_keys
from governance.notes import Note
from governance.parties import Party, Seconds, Withdrawn
from governance.rights import Basis, Digest, Output, Rights, check_usable, meet

if TYPE_CHECKING:
    from governance.journal import Transaction

MOST_LINKS, MOST_LINK, MOST_TEXT = 6, 16 << 10, 16 << 10  # links; characters of one, and of all without their signatures
MOST_LINES, MOST_FIELDS = 16, 320  # signature lines of all links, and names with a value in them
MOST_DELEGATES = 8
MOST_WITHDRAWN = 1024  # keys
STEP = 1 << 20  # most by which the version of a revocation list rises at once


@wire("keyong/licence/v1")
class Licence:
    """One link: whom it is granted to, and what it says. Its id is the note's; *parent* is the id of the link above, empty in the first.

    *threshold* of the *delegates*, verifier keys, must sign a job under this link, or a link below it.
    """

    parent: Basis
    delegates: tuple[str, ...]
    threshold: Annotated[int, Field(ge=1)]
    allow: Rights

    def __post_init__(self) -> None:
        if not 1 <= len(self.delegates) <= MOST_DELEGATES:
            raise DecodeError(f"a licence has 1 to {MOST_DELEGATES} delegates")
        keys = read_keys(self.delegates).values()
        if not len(self.delegates) == len({key.public for key in keys}) >= self.threshold:
            raise DecodeError("delegates must have distinct names and keys, and be enough for the threshold")

    @property
    def trust(self) -> Trust:
        """Whose signatures count under this link."""
        return Trust(tuple(read_keys(self.delegates).values()), self.threshold)


@wire("keyong/revocations/v1")
class Revocations:
    """What is revoked: ids of licences, digests of keys (`key_id`), links of assets and certificates of whose place another took.

    A list older than *next_update* is stale, and stale means no. *withdrawn* are keys of parties that were stolen or lost. They stay in
    every later list.
    """

    version: Annotated[int, Field(ge=1)]
    issued: Seconds
    next_update: Seconds
    revoked: tuple[Digest, ...]
    withdrawn: Annotated[tuple[Withdrawn, ...], Field(max_length=MOST_WITHDRAWN)] = ()

    def __post_init__(self) -> None:
        if len({each.key for each in self.withdrawn}) != len(self.withdrawn):
            raise DecodeError("a withdrawn key stands in the list twice")

    def names(self, granted: Granted) -> bool:
        """Whether a link of the licence is revoked, or a key that one of them names."""
        return not {*granted.ids, *map(key_id, granted.delegates)}.isdisjoint(self.revoked)


@dataclass(frozen=True, slots=True)
class Granted:
    """A chain whose signatures hold: its links from the authority's on, their ids, and what they allow together."""

    ids: tuple[str, ...]
    links: tuple[Licence, ...]
    rights: Rights

    @property
    def id(self) -> str:
        """The id that a job names: the last link's."""
        return self.ids[-1]

    @property
    def delegates(self) -> tuple[str, ...]:
        """Verifier keys of all links."""
        return tuple(key for link in self.links for key in link.delegates)

    @property
    def limits(self) -> tuple[int, ...]:
        """How many jobs may run under each link; every release is an exact one, so that their number is a limit, too."""
        least, limits = 10**9, []
        for allow in (link.allow for link in self.links):
            least = min(least, allow.use_count or least, allow.releases or least)
            limits.append(least)
        return tuple(limits)


@dataclass(frozen=True, slots=True)
class Request:
    """What a job asks of its licence: *columns* with their grades, and the regions where it is asked and where the data lie."""

    operator: str
    dataset: str
    columns: Mapping[str, int]
    purpose: str
    method: str
    min_cell: int
    holders: tuple[str, ...]
    output: Output = "exact"
    epsilon: int = 0
    region: str = HOME
    home: str = HOME


def links(last: str, note_of: Callable[[str], Note | None]) -> tuple[Note, ...]:
    """The links up from the one with the id *last*, the authority's first; none where *note_of* lacks one. Nothing is verified.

    More than a licence may have are cut off after one too many, so that `read` refuses them.
    """
    found: list[Note] = []
    while last and len(found) <= MOST_LINKS:
        note = note_of(last)
        if note is None:
            return ()
        found.insert(0, note)
        last = note.document(Licence).parent
    return tuple(found)


@functools.lru_cache(maxsize=64)
def read(chain: tuple[str, ...], trust: Trust) -> Granted:
    """The chain, if every link is signed by those who may sign it and by nobody else; else `LicenceRefused`. A good one is read once."""
    trusted, parent, rights, links = trust, "", Rights(), []
    found = _within_limits(chain)
    for number, note in enumerate(found, 1):
        try:
            note.require_only(trusted)
        except IntegrityError:
            raise LicenceRefused(code="licence.link" if parent else "licence.forged", number=number) from None
        link = note.document(Licence)
        if link.parent != parent:
            raise LicenceRefused(code="licence.link", number=number)
        trusted, parent, rights = link.trust, note.id, meet(rights, link.allow)
        links.append(link)
    return Granted(tuple(note.id for note in found), tuple(links), rights)


def _within_limits(chain: tuple[str, ...]) -> list[Note]:
    """The notes of *chain*, before anything is verified: what is too much is refused for its size alone."""
    found = [notes.read(text, limit=MOST_LINK) for text in chain] if 1 <= len(chain) <= MOST_LINKS else []
    lines, text = sum(len(note.signatures) for note in found), "".join(note.text for note in found)
    if not found or lines > MOST_LINES or len(text) > MOST_TEXT or text.count('":') > MOST_FIELDS:
        raise LicenceRefused(code="licence.size", links=MOST_LINKS, limit=MOST_TEXT, lines=MOST_LINES)
    return found


def in_force(chain: tuple[str, ...], trust: Trust, *, plan: str, revocations: str | None, now: int) -> Granted:
    """The licence, if it is the authority's and holds *now*, with its plan; else `LicenceRefused` with the first reason.

    The same verdict and code at coordinator, node and command line: nothing but the arguments decides.
    """
    granted = read(chain, trust)
    check_usable(granted.rights)
    for refusal in _not_in_force(granted, trust, revocations, now):
        raise refusal
    contingency.check(plan, granted.rights.plan, trust, operators=granted.links[0].delegates, now=now)
    return granted


def covers(granted: Granted, request: Request) -> None:
    """Raise `LicenceRefused` with the first thing in *request* that the licence does not allow, whatever the time."""
    for refusal in _uncovered(granted, request):
        raise refusal


def _not_in_force(granted: Granted, trust: Trust, revocations: str | None, now: int) -> Iterator[LicenceRefused]:
    start, end = granted.rights.not_before or 0, granted.rights.not_after or 0
    if now < start:
        yield LicenceRefused(code="licence.early", start=day(start))
    if now > end:
        yield LicenceRefused(code="licence.expired", end=day(end))
    listed = None if revocations is None else notes.opened(revocations, Revocations, trust)
    if listed is None or now > listed.next_update:
        yield LicenceRefused(code="licence.stale", next_update=day(listed.next_update) if listed else "ever")
    elif not set(listed.revoked).isdisjoint(granted.ids):
        yield LicenceRefused(code="licence.revoked")
    elif not set(listed.revoked).isdisjoint(map(key_id, granted.delegates)):
        yield LicenceRefused(code="licence.key")


def _uncovered(granted: Granted, request: Request) -> Iterator[LicenceRefused]:
    allow = granted.rights
    columns = (allow.datasets or {}).get(request.dataset)
    if request.operator not in granted.delegates:
        yield LicenceRefused(code="licence.bearer", operator=request.operator.partition("+")[0])
    if columns is None:
        yield LicenceRefused(code="licence.dataset", dataset=request.dataset)
    if not any(duo.covers(each, request.purpose) for each in allow.purposes or ()):
        yield LicenceRefused(code="licence.purpose", purpose=request.purpose, allowed=", ".join(allow.purposes or ()))
    if request.method not in (allow.methods or ()):
        yield LicenceRefused(code="licence.method", method=request.method, allowed=", ".join(allow.methods or ()))
    if missing := sorted(request.columns.keys() - set(columns or ())):
        yield LicenceRefused(code="licence.column", columns=", ".join(missing))
    if high := sorted(name for name, grade in request.columns.items() if grade > (allow.grade or 0)):
        yield LicenceRefused(code="licence.grade", columns=", ".join(high), grade=allow.grade)
    if strangers := sorted(set(request.holders) - set(allow.holders or ())):
        yield LicenceRefused(code="licence.holder", holders=", ".join(strangers))
    yield from _abroad(allow, request)
    if request.output not in (allow.outputs or ()):
        yield LicenceRefused(code="licence.output", rule=request.output, allowed=", ".join(allow.outputs or ()))
    if allow.epsilon_job is not None and request.epsilon > allow.epsilon_job:
        yield LicenceRefused(code="licence.epsilon", asked=request.epsilon / 1e6, most=allow.epsilon_job / 1e6)
    if request.min_cell != allow.min_cell:  # a free choice would let its bisection count one holder's persons
        yield LicenceRefused(code="licence.min_cell", asked=request.min_cell, minimum=allow.min_cell)


def _abroad(allow: Rights, request: Request) -> Iterator[LicenceRefused]:
    """Results stay in the regions that the licence names; across a border only on a basis that it names (PIPL 38)."""
    basis = (allow.regions or {}).get(request.region)
    if basis is None:
        yield LicenceRefused(code="licence.region", region=request.region, allowed=", ".join(allow.regions or ()))
    if request.region != request.home and not basis:
        yield LicenceRefused(code="licence.basis", region=request.region, home=request.home)


def check_signers(job: Note, granted: Granted, operator: VerifyKey) -> None:
    """Raise `LicenceRefused` unless *operator* signed the job, enough delegates of the last link, and nobody else."""
    last = granted.links[-1].trust
    try:
        delegates = job.only(*last.keys).signers(*last.keys)
        own = delegates & {operator.name} if operator in last.keys else job.only(operator).signers(operator)
    except IntegrityError:
        raise LicenceRefused(code="job.unsigned") from None
    if not own or len(job.signatures) != len(delegates) + (operator not in last.keys):
        raise LicenceRefused(code="job.unsigned")
    if len(delegates) < last.threshold:
        raise LicenceRefused(code="licence.delegates", signed=len(delegates), threshold=last.threshold)


def check_approved(granted: Granted, organisations: int) -> None:
    """Raise `LicenceRefused` unless a person at enough holders' *organisations* approved the job."""
    if organisations < (needed := granted.rights.approvals or 0):
        raise LicenceRefused(code="licence.approvals", given=organisations, needed=needed)


def take(t: Transaction, granted: Granted, uses: Sequence[int], job: str) -> None:
    """Spend the job's use of every link: siblings together have no more than the link above them."""
    if len(uses) != len(granted.ids):
        raise IntegrityError("the admission does not number a use of each link of the licence")
    for link, number, limit in zip(granted.ids, uses, granted.limits, strict=True):
        t.take_use(link, number, job, limit)


def newer(old: str | None, new: str, trust: Trust) -> str:
    """The revocation list to keep: versions only rise (a replayed old list is refused), by no more than *STEP* at once.

    The one at hand was signed by who could sign it when it came; the keys may have changed since. No list can use up the numbers.
    """
    document = notes.opened(new, Revocations, trust)
    kept = 0 if old is None else notes.read(old).document(Revocations).version
    if old != new and not kept < document.version <= kept + STEP:
        raise IntegrityError(f"revocation list version {document.version} is not newer than the one at hand")
    if not withdrawn(old).items() <= withdrawn(new).items():
        raise IntegrityError("a key that was withdrawn does not come back")
    return new


def withdrawn(revocations: str | None) -> Mapping[str, int]:
    """Keys that a list withdraws, and from which entry of the coordinator's ledger on; the signatures of the list were verified before."""
    return {each.key: each.entries for each in notes.read(revocations).document(Revocations).withdrawn} if revocations else {}


def check_keys(parties: Iterable[Party], revocations: str | None) -> None:
    """Raise `Refused` where the list withdraws the key of one of *parties*."""
    out = withdrawn(revocations)
    for party in parties:
        if str(party.key) in out:
            raise Refused(code="party.withdrawn", party=party.name)


def key_id(key: str) -> str:
    """By what a revocation list names a key: SHA-256 of its text."""
    return hashlib.sha256(key.encode()).hexdigest()


def day(seconds: int) -> str:
    """UTC time for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
