"""Registration of data assets: applied for, registered, changed, corrected, cancelled (首次、变更、更正、注销登记).

An asset is a chain of manifests. The holder and the authority sign what the holder says (apply, change, correct), the authority alone
signs its own decisions (register, cancel); so a chain verifies offline with the authority's key alone. A correction is one more link that
names the link it corrects: nothing is rewritten, and the chain is shown. A manifest tells sizes in bands that the holder declares, never
a count of rows.  Source: 公共数据资源登记管理暂行办法（发改数据规〔2025〕26号）.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from governance import chains, notes
from governance.catalogue import Dataset, Label, Name, Schema, Slug
from governance.chains import Previous
from governance.encoding import canonical, plain, strict, wire
from governance.errors import DecodeError, IntegrityError, LicenceRefused, Refused
from governance.keys import Trust, VerifyKey, read_key
from governance.parties import Seconds
from governance.rights import Digest

Right = Literal["hold", "operate", "process"]  # 持有, 经营, 加工使用
Openness = Literal["unconditional-free", "conditional-free", "conditional-paid"]  # 无条件无偿, 有条件无偿, 有条件有偿
Size = Literal["under-100", "100-to-999", "1000-to-9999", "10000-to-99999", "100000-to-999999", "million-or-more"]
Step = Literal["apply", "register", "change", "correct", "cancel"]
PAID: Openness = "conditional-paid"
LIVE = ("register", "change", "correct")
NEXT: dict[str, tuple[str, ...]] = {
    "": ("apply",), "apply": ("register", "cancel"), **dict.fromkeys(LIVE, ("change", "correct", "cancel")), "cancel": (),
}  # fmt: skip
EVENTS: dict[str, str] = {
    "apply": "asset.applied", "register": "asset.registered", "change": "asset.changed", "correct": "asset.corrected",
    "cancel": "asset.cancelled",
}  # fmt: skip


@strict
class Grade:
    """The grade of a column, 1 (least) to 5."""

    column: Name
    grade: Annotated[int, Field(ge=1, le=5)]


@strict
class Manifest:
    """What is registered of an asset.

    *sort* is the class of data by which regions recognise each other. *responsible* is the office that answers for the asset. *schema* is
    the digest of the dataset's columns, *grading* the id of the person's word on their grades (or empty: the rules alone), *snapshot* the
    commitment to the frozen rows (or empty), *work* the digest of an intellectual-property registration (or empty).
    """

    title: Label
    sort: Slug
    holder: str
    responsible: Label
    rights: tuple[Right, ...]
    basis: tuple[Label, ...]
    dataset: Slug
    schema: Digest
    grades: tuple[Grade, ...]
    grading: Previous
    snapshot: Previous
    work: Previous
    begins: Seconds
    ends: Seconds
    size: Size
    openness: Openness

    def __post_init__(self) -> None:
        read_key(self.holder)
        names = [each.column for each in self.grades]
        if not self.rights or list(self.rights) != sorted(set(self.rights)):
            raise DecodeError("an asset's rights are sorted, distinct, and at least one")
        if not self.basis:
            raise DecodeError("an asset names the legal basis on which it is held")
        if not names or names != sorted(set(names)):
            raise DecodeError("an asset's grades are for distinct columns, sorted, and at least one")
        if not self.begins < self.ends:
            raise DecodeError("an asset's period ends after it begins")

    @property
    def graded(self) -> dict[str, int]:
        """Each column's grade."""
        return {each.column: each.grade for each in self.grades}

    @property
    def grade(self) -> int:
        """The asset's grade is its strictest column's."""
        return max(each.grade for each in self.grades)


@wire("keyong/asset/v1")
class Asset:
    """One link of an asset's chain. *reason* says why it was changed, corrected or cancelled; *corrects* is the id of a wrong link."""

    name: Slug
    step: Step
    previous: Previous
    at: Seconds
    manifest: Manifest
    corrects: Previous
    reason: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]

    def __post_init__(self) -> None:
        if bool(self.reason) != (self.step in ("change", "correct", "cancel")):
            raise DecodeError("a change, a correction and a cancellation say why; an application and its registration do not")
        if bool(self.corrects) != (self.step == "correct"):
            raise DecodeError("a correction, and nothing else, names the link that it corrects")


@dataclass(frozen=True, slots=True)
class Registered:
    """A verified chain."""

    links: tuple[notes.Note, ...]
    assets: tuple[Asset, ...]

    @property
    def name(self) -> str:
        return self.assets[0].name

    @property
    def now(self) -> Asset:
        return self.assets[-1]

    @property
    def head(self) -> str:
        """Id of the newest link."""
        return self.links[-1].id

    def __str__(self) -> str:
        return chains.write(self.links)


def digest(schema: Schema) -> str:
    """SHA-256 of the columns of a dataset in canonical JSON."""
    return hashlib.sha256(canonical(plain(schema)).encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def opened(raw: str | bytes, trust: Trust) -> Registered:
    """The verified chain in *raw*: signatures, links and steps, from the application on. A good one is verified once."""
    return _verified(chains.read(raw), trust)


def follow(chain: str | None, link: notes.Note, trust: Trust) -> Registered:
    """The chain with *link* at its end, which must be signed by all who must and a step that may come now; else refuse it."""
    return _verified((*(chains.read(chain) if chain else ()), link), trust)


def signers(before: Asset | None, asset: Asset) -> tuple[VerifyKey, ...]:
    """Who must sign *asset* beside the authority: its holder what a holder says, and the old one too where it is another."""
    if asset.step not in ("apply", "change", "correct"):
        return ()
    found = [read_key(asset.manifest.holder)]
    if before is not None and before.manifest.holder != asset.manifest.holder:
        found.append(read_key(before.manifest.holder))
    return tuple(found)


def of(texts: Iterable[str], dataset: str) -> str:
    """Which of these chains *dataset* is registered under, or was at last; empty if under none. Nothing is verified."""
    found = ((newest(text), text) for text in texts)
    return max(((a.step in LIVE, a.at, text) for a, text in found if a.manifest.dataset == dataset), default=(False, 0, ""))[-1]


def newest(chain: str) -> Asset:
    """What the last link says. Nothing is verified."""
    return chains.read(chain)[-1].document(Asset)


def strung(links: Iterable[notes.Note]) -> list[str]:
    """The chains that *links* make, in whatever order they come. Nothing is verified."""
    known = {link.id: link for link in links}
    above = {name: link.document(Asset).previous for name, link in known.items()}
    return [chains.write(_up(last, known, above)) for last in known if last not in above.values()]


def _up(last: str, known: Mapping[str, notes.Note], above: Mapping[str, str]) -> list[notes.Note]:
    found: list[notes.Note] = []
    while last in known:
        found.insert(0, known[last])
        last = above[last]
    return found


def counted(text: str, trust: Trust) -> str:
    """The chain with the lines alone of those who must sign its links: the authority's, and of each link its holder's."""
    links = chains.read(text) if text else ()
    assets = chains.linked(links, Asset)
    kept = (link.only(*trust.keys, *signers(before, asset)) for before, asset, link in zip((None, *assets), assets, links, strict=False))
    return chains.write([replace(link, signatures=tuple({(s.name, s.key_id): s for s in link.signatures}.values())) for link in kept])


def standing(chain: str, dataset: str, trust: Trust, *, revoked: Collection[str] = ()) -> Asset:
    """The asset under which *dataset* is registered now, whatever its columns; else `Refused`.

    *revoked* is what the newest revocation list names: a link that another one took the place of is on it, so that a chain from which
    somebody took the last link, such as a cancellation, is refused.
    """
    if not chain:
        raise Refused(code="asset.unregistered", dataset=dataset)
    try:
        found = opened(chain, trust)
    except IntegrityError:  # signed by others: nobody who can has registered it
        raise Refused(code="asset.unregistered", dataset=dataset) from None
    if found.now.step == "cancel":
        raise Refused(code="asset.cancelled", asset=found.name)
    if found.now.step == "apply" or found.now.manifest.dataset != dataset:
        raise Refused(code="asset.unregistered", dataset=dataset)
    if found.head in revoked:
        raise Refused(code="asset.superseded", asset=found.name)
    return found.now


def require_live(chain: str, dataset: Dataset, trust: Trust, *, revoked: Collection[str] = ()) -> Asset:
    """The asset under which *dataset* is registered now; else `Refused`: nothing is authorised that is not registered first.

    Its columns must be those that were registered, none with a grade below the catalogue's, by one of its holders.
    """
    asset = standing(chain, dataset.name, trust, revoked=revoked)
    what, columns = asset.manifest, dataset.schema.columns
    as_registered = what.schema == digest(dataset.schema) and what.graded.keys() == {column.name for column in columns}
    if not as_registered or read_key(what.holder).name not in dataset.holders or any(what.graded[c.name] < c.grade for c in columns):
        raise Refused(code="asset.unregistered", dataset=dataset.name)
    return asset


def check_price(asset: Asset, price: str | None) -> None:
    """Raise `LicenceRefused` where a *price* is asked for what is open free of charge (无条件无偿、有条件无偿)."""
    if price is not None and asset.manifest.openness != PAID:
        raise LicenceRefused(code="asset.free", asset=asset.name, openness=asset.manifest.openness)


def _verified(links: Sequence[notes.Note], trust: Trust) -> Registered:
    assets = chains.linked(links, Asset)
    seen: set[str] = set()
    for before, link, asset in zip((None, *assets), links, assets, strict=False):
        _allowed(before, asset, seen)
        link.require(trust)
        for key in signers(before, asset):
            link.require(Trust((key,)))
        seen.add(link.id)
    return Registered(tuple(links), assets)


def _allowed(before: Asset | None, asset: Asset, seen: set[str]) -> None:
    """Raise unless *asset* may stand after *before*."""
    if asset.step not in NEXT[before.step if before else ""]:
        raise Refused(code="asset.step", asset=asset.name, step=asset.step, state=before.step if before else "none")
    if before is None:
        return
    if asset.name != before.name:
        raise IntegrityError("a link is of another asset than the chain")
    if asset.at < before.at:
        raise IntegrityError("a link is older than the one before it")
    if asset.step in ("register", "cancel") and asset.manifest != before.manifest:
        raise IntegrityError(f"a step that the authority takes alone ({asset.step}) may not change what the holder said")
    if asset.corrects and asset.corrects not in seen:
        raise IntegrityError("a correction names a link that is not in the chain")
