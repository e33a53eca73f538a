"""The register in an authority's folder, and the requests by which holders move it.

A holder writes a request and signs it at home; others whose right it touches sign under it; the authority signs what it accepts. The
folder keeps every asset's and certificate's chain. It needs no server: a coordinator gets copies.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from federated import drafts
from federated.authority import ASSETS, DATASETS, DAY, REVOCATIONS, Authority
from governance import certificates, chains, grading, known, notes, registration
from governance.catalogue import Dataset
from governance.certificates import Certificate, Certified
from governance.errors import UsageError
from governance.grading import Grading
from governance.handwritten import by_hand, check_types, read_text, read_yaml
from governance.keys import SigningKey, VerifyKey
from governance.licences import Revocations
from governance.registration import LIVE, Asset, Manifest, Registered

Chain = TypeVar("Chain", Registered, Certified)
CERTIFICATES = "certificates"
FIELDS: dict[str, type] = {
    **dict.fromkeys(("asset", "title", "sort", "responsible", "size", "openness"), str), **dict.fromkeys(("rights", "basis"), list),
}  # fmt: skip
STATES = {
    "apply": "已申请", "register": "已登记", "change": "已变更", "correct": "已更正", "cancel": "已注销",
    "issue": "已颁发", "transfer": "已转让", "pledge": "质押中", "release": "已解除质押",
}  # fmt: skip
DATES, SPARE = ("begins", "ends"), ("snapshot", "work")


def read_manifest(text: str, dataset: Dataset, holder: VerifyKey, signed: notes.Note | None = None) -> tuple[str, Manifest]:
    """Name and manifest of an asset from the YAML file that people write; see docs/specs/registration.md."""
    data = read_yaml(text, "the asset's file")
    wanted = sorted([*FIELDS, *DATES])
    if not isinstance(data, dict):
        raise UsageError(f"an asset's file has: {', '.join(wanted)}")
    known.check("field", data, sorted([*wanted, *SPARE]))
    if missing := [name for name in wanted if data.get(name) is None]:
        raise UsageError(f"the asset's file lacks: {', '.join(missing)}")
    check_types(data, {**FIELDS, **dict.fromkeys(SPARE, str)})
    word = None if signed is None else grading.opened(str(signed), holder, dataset.schema)
    begins, ends = (_seconds(data[name]) for name in DATES)
    with by_hand():
        manifest = Manifest(
            data["title"], data["sort"], str(holder), data["responsible"], tuple(sorted(data["rights"])),
            tuple(map(str, data["basis"])), dataset.name, registration.digest(dataset.schema), grading.settled(dataset.schema, word),
            signed.id if signed else "", data.get("snapshot") or "", data.get("work") or "", begins, ends,
            data["size"], data["openness"],
        )  # fmt: skip
        return data["asset"], manifest


def _seconds(given: object) -> int:
    try:
        return int(datetime.combine(date.fromisoformat(str(given)), datetime.min.time(), UTC).timestamp())
    except ValueError:
        raise UsageError(f"{given} is no day such as 2024-12-31") from None


def request(
    name: str, manifest: Manifest, key: SigningKey, *, after: Registered | None = None, corrects: str = "", reason: str = ""
) -> str:
    """What a holder asks for: a first registration, or *after* one a change, or the correction of the link *corrects*."""
    step = "correct" if corrects else "change" if after else "apply"
    with by_hand():
        asset = Asset(name, step, after.head if after else "", int(time.time()), manifest, corrects, reason)  # type: ignore[arg-type]
        return str(signed(notes.write(asset), key))


def signed(note: notes.Note, key: SigningKey) -> notes.Note:
    """The note with one more signature, which must be one that can be read again."""
    note.document(Asset, Certificate)
    return note.signed_by(key)


def move(chain: Certified, step: str, key: SigningKey, *, to: str = "") -> str:
    """A holder's request to transfer a certificate or pledge it *to* a key, or a creditor's to release it; signed by that one."""
    change = {"transfer": {"holder": to}, "pledge": {"creditor": to}, "release": {}}[step]
    fields = {"step": step, "previous": chain.head, "number": chain.number, "creditor": "", "at": int(time.time()), **change}
    with by_hand():
        return str(signed(notes.write(replace(chain.now, **fields)), key))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Registry:
    """An authority's folder as a register."""

    authority: Authority

    @classmethod
    def open(cls, path: Path) -> Registry:
        return cls(Authority.open(path))

    def assets(self) -> Mapping[str, Registered]:
        return {name: registration.opened(text, self.authority.trust) for name, text in self._chains(ASSETS).items()}

    def certificates(self) -> Mapping[str, Certified]:
        return {name: certificates.opened(text, self.authority.trust) for name, text in self._chains(CERTIFICATES).items()}

    def certificate(self, name: str) -> Certified:
        """The certificate of the asset called *name*."""
        return self._known(CERTIFICATES, self.certificates(), name)

    def chains(self) -> list[str]:
        """Every chain in the folder, assets first."""
        return [*self._chains(ASSETS).values(), *self._chains(CERTIFICATES).values()]

    def take(self, text: str, *steps: str, graded: str | None = None) -> Registered | Certified:
        """Accept a request for one of *steps*, signed by all others who must; an application is registered with it.

        Grades may be no lower than rules and the person's word *graded* (a note of ``keyong/grading/v1``) make them.
        """
        note = notes.read(text)
        document: Any = note.document(Asset, Certificate)
        if document.step not in steps:
            raise UsageError(f"this is a request to {document.step}, not to {' or '.join(steps)}")
        if isinstance(document, Certificate):
            return self._certificate(document.name, self.authority.approved(note))
        self._check_grades(document.manifest, graded)
        self._check_alone(document)
        note = self.authority.approved(note)
        chain = registration.follow(self._chain(ASSETS, document.name), note, self.authority.trust)
        self._supersede(document.previous)
        if document.step == "apply":
            done = replace(document, step="register", previous=note.id, at=int(time.time()))
            chain = registration.follow(str(chain), notes.read(self.authority.sign(done)), self.authority.trust)
        return self._kept(ASSETS, chain)

    def cancel(self, name: str, reason: str) -> Registered:
        """Cancel an asset's registration; its certificate must be cancelled before."""
        old, certificate = self._known(ASSETS, self.assets(), name), self.certificates().get(name)
        if certificate is not None and certificate.now.step != "cancel":
            raise UsageError(f"the asset {name} has a certificate; cancel that first: keyong cert cancel {name}")
        with by_hand():
            asset = replace(old.now, step="cancel", previous=old.head, corrects="", reason=reason, at=int(time.time()))
        self._supersede(old.head)
        chain = registration.follow(str(old), notes.read(self.authority.sign(asset)), self.authority.trust)
        return self._kept(ASSETS, chain)

    def published(self, chain: Registered | Certified) -> list[str]:
        """What a coordinator gets when a chain has moved: the chain, and the revocation list, which may name the link that was its last."""
        file = self.authority.path / REVOCATIONS
        return [str(chain), *([read_text(file)] if file.exists() else [])]

    def keep(self, note: notes.Note) -> None:
        """A link that enough have signed: put at the end of its chain, or, where keys have changed, signed again where it stands."""
        document: Any = note.document(Asset, Certificate)
        asset, name = isinstance(document, Asset), document.name
        kind = ASSETS if asset else CERTIFICATES
        links = chains.read(self._chain(kind, name) or str(note))
        text = chains.write([link.joined(note) if link.id == note.id else link for link in links])
        if note.id not in [link.id for link in links]:
            text = str((registration.follow if asset else certificates.follow)(text, note, self.authority.trust))
        (self.authority.path / kind / f"{name}.chain").write_text(text)

    def _supersede(self, link: str) -> None:
        """Have the revocation list name *link*, of whose place another takes: nobody can hide that there is a newer one."""
        file = self.authority.path / REVOCATIONS
        listed = notes.read(read_text(file)).document(Revocations).revoked if file.exists() else ()
        if link and link not in listed:
            self.authority.revocations(link, restore=tuple(self._over()))

    def _over(self) -> Iterator[str]:
        """Links of certificates whose time has passed, which no list needs to name any more."""
        for chain in self.certificates().values():
            if chain.documents[0].ends < time.time():
                yield from (link.id for link in chain.links)

    def _check_alone(self, asset: Asset) -> None:
        """A dataset is registered as one asset at a time."""
        others = [name for name, chain in self.assets().items()
                  if name != asset.name and chain.now.step in LIVE and chain.now.manifest.dataset == asset.manifest.dataset]  # fmt: skip
        if others:
            raise UsageError(f"the dataset {asset.manifest.dataset} is registered as the asset {others[0]}; cancel that first")

    def issue(self, name: str, *, days: int) -> Certified:
        """The certificate of a registered asset; an asset has one."""
        now = int(time.time())
        asset = self._known(ASSETS, self.assets(), name)
        old = self.certificates().get(name)
        if old is not None:
            raise UsageError(f"the asset {name} has had its certificate: {old.number[:12]}")
        with by_hand():
            document = certificates.issue(asset, at=now, ends=now + days * DAY)
            return self._certificate(name, notes.read(self.authority.sign(document)))

    def withdraw(self, name: str) -> Certified:
        """Cancel a certificate."""
        old = self.certificate(name)
        link = replace(old.now, step="cancel", previous=old.head, number=old.number, creditor="", at=int(time.time()))
        return self._certificate(name, notes.read(self.authority.sign(link)))

    def _certificate(self, name: str, note: notes.Note) -> Certified:
        chain = certificates.follow(self._chain(CERTIFICATES, name), note, self.authority.trust)
        self._supersede(chain.now.previous)
        return self._kept(CERTIFICATES, chain)

    def _check_grades(self, manifest: Manifest, graded: str | None) -> None:
        file = self.authority.path / DATASETS / f"{manifest.dataset}.note"
        known.check("dataset in the authority's folder called", [manifest.dataset], self.authority.datasets())
        schema = notes.opened(file.read_text(), Dataset, self.authority.trust).schema
        if manifest.schema != registration.digest(schema):
            raise UsageError(f"the request is about other columns than the dataset {manifest.dataset} has in this folder")
        note = notes.read(graded) if graded else None
        if (note.id if note else "") != manifest.grading:
            raise UsageError("the request rests on a person's word on the grades: give just that with --grading")
        if manifest.grades != grading.settled(schema, note.document(Grading) if note else None):
            raise UsageError("the request's grades are not those that rules and the person's word make together")

    def _chains(self, kind: str) -> Mapping[str, str]:
        return {file.stem: read_text(file) for file in sorted((self.authority.path / kind).glob("*.chain"))}

    def _chain(self, kind: str, name: str) -> str | None:
        return self._chains(kind).get(name)

    @staticmethod
    def _known(kind: str, there: Mapping[str, Chain], name: str) -> Chain:
        known.check(f"{kind.removesuffix('s')} in the authority's folder called", [name], there)
        return there[name]

    def _kept(self, kind: str, chain: Chain) -> Chain:
        (self.authority.path / kind).mkdir(exist_ok=True)
        (self.authority.path / kind / f"{chain.now.name}.chain").write_text(str(chain))
        for link in chain.links:
            drafts.forget(self.authority.path, link)
        return chain
