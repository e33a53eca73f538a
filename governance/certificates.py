"""Certificates of registration: issued, transferred, pledged, released and cancelled, and recognised from one region to another.

A certificate is a chain of links, each signed by the authority and by those whose right it touches: a transfer by the old holder and the
new one, a pledge by holder and creditor, its release by the creditor. Its status is its newest link and the authority's revocation list,
which names every link that another took the place of.
A certificate says what was registered; it allows no computation, which needs a licence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from governance import chains, notes, printed
from governance.catalogue import Label, Slug
from governance.chains import Previous
from governance.encoding import strict, wire
from governance.errors import DecodeError, IntegrityError, Refused
from governance.keys import Trust, VerifyKey, read_key
from governance.licences import Revocations, day
from governance.parties import Seconds
from governance.registration import LIVE, Registered, Right
from governance.rights import Digest

Step = Literal["issue", "transfer", "pledge", "release", "cancel"]
NEXT: dict[str, tuple[str, ...]] = {
    "": ("issue",), **dict.fromkeys(("issue", "transfer", "release"), ("transfer", "pledge", "cancel")), "pledge": ("release", "cancel"),
    "cancel": (),
}  # fmt: skip
EVENTS: dict[str, str] = {
    "issue": "certificate.issued", "transfer": "certificate.transferred", "pledge": "certificate.pledged",
    "release": "certificate.released", "cancel": "certificate.cancelled",
}  # fmt: skip


@wire("keyong/certificate/v1")
class Certificate:
    """One link of a certificate.

    *number* is the id of the first link (empty in itself), *asset* that of the registration's newest link when it was issued. *creditor*
    is the pledge's key, or empty.
    """

    name: Slug
    step: Step
    previous: Previous
    number: Previous
    at: Seconds
    asset: Digest
    title: Label
    sort: Slug
    holder: str
    creditor: str
    rights: tuple[Right, ...]
    begins: Seconds
    ends: Seconds

    def __post_init__(self) -> None:
        read_key(self.holder)
        if bool(self.creditor) != (self.step == "pledge"):
            raise DecodeError("a pledge, and nothing else, names a creditor")
        if self.creditor:
            read_key(self.creditor)
        if bool(self.number) != (self.step != "issue"):
            raise DecodeError("every link but the first names the certificate's number")
        if not self.rights or list(self.rights) != sorted(set(self.rights)):
            raise DecodeError("a certificate's rights are sorted, distinct, and at least one")
        if not self.begins < self.ends:
            raise DecodeError("a certificate ends after it begins")


@dataclass(frozen=True, slots=True)
class Certified:
    """A verified chain; its number is the id of its first link."""

    links: tuple[notes.Note, ...]
    documents: tuple[Certificate, ...]

    @property
    def number(self) -> str:
        return self.links[0].id

    @property
    def head(self) -> str:
        return self.links[-1].id

    @property
    def now(self) -> Certificate:
        return self.documents[-1]

    def __str__(self) -> str:
        return chains.write(self.links)


def issue(asset: Registered, *, at: int, ends: int) -> Certificate:
    """The first link, for a registered asset."""
    if asset.now.step not in LIVE:
        code = "asset.cancelled" if asset.now.step == "cancel" else "asset.unregistered"
        raise Refused(code=code, asset=asset.name, dataset=asset.now.manifest.dataset)
    what = asset.now.manifest
    return Certificate(asset.name, "issue", "", "", at, asset.head, what.title, what.sort, what.holder, "", what.rights, at, ends)


def opened(raw: str | bytes, trust: Trust) -> Certified:
    """The verified chain in *raw*; whether it is in force is for `check_in_force`."""
    return _verified(chains.read(raw), trust)


def follow(chain: str | None, link: notes.Note, trust: Trust) -> Certified:
    """The chain with *link* at its end. A link that follows an older one (a second transfer of one certificate) is refused."""
    known = chains.read(chain) if chain else ()
    if known and link.document(Certificate).previous != known[-1].id:
        raise Refused(code="certificate.spent", certificate=link.document(Certificate).name)
    return _verified((*known, link), trust)


def check_in_force(head: str, newest: Certificate, revocations: str | None, trust: Trust, *, now: int) -> None:
    """Raise unless the certificate whose *newest* link, with the id *head*, is shown is in force *now*; a stale list means no.

    A list names each link that another took the place of: who shows an older one hides a transfer, a pledge or a cancellation.
    """
    listed = None if revocations is None else notes.opened(revocations, Revocations, trust)
    if listed is None or now > listed.next_update:
        raise Refused(code="certificate.stale", next_update=day(listed.next_update) if listed else "ever")
    if newest.step == "cancel":
        raise Refused(code="certificate.cancelled", certificate=newest.name)
    if head in listed.revoked:
        raise Refused(code="certificate.superseded", certificate=newest.name)
    if not newest.begins <= now <= newest.ends:
        raise Refused(code="certificate.expired", certificate=newest.name, end=day(newest.ends))


def standing(note: notes.Note, trust: Trust) -> Certificate:
    """What a certificate's newest *note* says alone, as a page shows it: the authority signed what led to it."""
    note.require(trust)
    return note.document(Certificate)


def shown(text: str, trust: Trust) -> tuple[str, Certificate]:
    """Id and document of the newest link of a chain, or of the text that was scanned from a page; verified, whether in force or not."""
    if text.startswith(printed.PREFIX):
        note = printed.unpack(text.rstrip("\n"))
        return note.id, standing(note, trust)
    chain = opened(text, trust)
    return chain.head, chain.now


def signers(before: Certificate | None, link: Certificate) -> tuple[VerifyKey, ...]:
    """Who must sign *link* beside the authority."""
    if before is None or link.step == "cancel":
        return ()
    found = {"transfer": (before.holder, link.holder), "pledge": (before.holder, link.creditor), "release": (before.creditor,)}[link.step]
    return tuple(map(read_key, found))


def _verified(links: Sequence[notes.Note], trust: Trust) -> Certified:
    documents = chains.linked(links, Certificate)
    for before, note, link in zip((None, *documents), links, documents, strict=False):
        _allowed(before, link)
        if link.number not in ("", links[0].id):
            raise IntegrityError("a link has another number than the certificate")
        note.require(trust)
        for key in signers(before, link):
            note.require(Trust((key,)))
    return Certified(tuple(links), documents)


def _allowed(before: Certificate | None, link: Certificate) -> None:
    """Raise unless *link* may stand after *before*."""
    if before is not None and before.step == "pledge" and link.step in ("transfer", "pledge"):
        raise Refused(code="certificate.pledged", certificate=link.name)
    if link.step not in NEXT[before.step if before else ""]:
        raise Refused(code="certificate.step", certificate=link.name, step=link.step, state=before.step if before else "none")
    if before is None:
        return
    kept = (link.name, link.asset, link.title, link.sort)
    if kept != (before.name, before.asset, before.title, before.sort) or link.at < before.at:
        raise IntegrityError("a link is of another certificate than the chain, or older than the one before it")
    if not (set(link.rights) <= set(before.rights) and before.begins <= link.begins and link.ends <= before.ends):
        raise IntegrityError("a link gives more than the one before it")
    if (link.holder == before.holder) == (link.step == "transfer"):
        raise IntegrityError("a transfer, and nothing else, names another holder")


# --- between regions


@strict
class Region:
    """Another region's authority: its keys, how many of them sign, the classes of assets and the rights that are recognised from it."""

    region: Slug
    keys: tuple[str, ...]
    threshold: Annotated[int, Field(ge=1, le=128)]
    sorts: tuple[Slug, ...]
    rights: tuple[Right, ...]

    def __post_init__(self) -> None:
        self.trust  # noqa: B018 -- keys that cannot be read are refused here

    @property
    def trust(self) -> Trust:
        return Trust(tuple(map(read_key, self.keys)), self.threshold)


@wire("keyong/regions/v1")
class Regions:
    """Whose certificates are recognised here (区域间凭证互认), signed by the own authority. A stale list recognises nobody."""

    version: Annotated[int, Field(ge=1)]
    issued: Seconds
    next_update: Seconds
    regions: tuple[Region, ...]

    def __post_init__(self) -> None:
        names = [each.region for each in self.regions]
        if names != sorted(set(names)):
            raise DecodeError("regions are distinct and sorted")


@dataclass(frozen=True, slots=True)
class Recognised:
    """A foreign certificate as it counts here: never more than its own rights, nor than its region's."""

    region: str
    certificate: Certificate
    rights: tuple[str, ...]


def recognised(text: str, region: str, *, regions: str, revocations: str | None, trust: Trust, now: int) -> Recognised:
    """A certificate of another *region*, its chain or the *text* from its page, by the own list of *regions* and that region's list."""
    listed = notes.opened(regions, Regions, trust)
    if now > listed.next_update:
        raise Refused(code="certificate.stale", next_update=day(listed.next_update))
    found = next((each for each in listed.regions if each.region == region), None)
    if found is None:
        raise Refused(code="certificate.foreign", region=region, sort="any")
    head, document = shown(text, found.trust)
    check_in_force(head, document, revocations, found.trust, now=now)
    rights = tuple(sorted(set(document.rights) & set(found.rights)))
    if document.sort not in found.sorts or not rights:
        raise Refused(code="certificate.foreign", region=region, sort=document.sort)
    return Recognised(region, document, rights)
