"""The authority's folder: its keys, and the documents that it signed. It needs no server and can stay off line between signatures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from federated import drafts, grants
from federated.drafts import DRAFTS, SIGNED
from federated.tokens import Token
from governance import contingency, known, notes, parties, registration, roots
from governance.catalogue import HOME, Basis, Column, Dataset, Schema, band, category, number
from governance.contingency import Contingency
from governance.encoding import build, plain
from governance.errors import DecodeError, LicenceRefused, UsageError
from governance.handwritten import by_hand, check_types, read_json, read_text, read_yaml
from governance.incidents import Incident, follow
from governance.keys import SigningKey, Trust, read_key
from governance.licences import Licence, Revocations, day, key_id
from governance.parties import Invitation, Withdrawn
from governance.prices import Price
from governance.registration import Asset
from governance.rights import Rights, check_usable
from governance.roots import NEEDED, Chain, Role, Root, Version
from sandbox.policy import METHOD_NAMES

ROOT, EARLIER = "root.note", "roots"
REVOCATIONS, LICENCES, DATASETS, PLANS = "revocations.note", "licences", "datasets", "plans"
PRICES, INCIDENTS, ASSETS = "prices", "incidents", "assets"
KEPT: dict[type[Any], str] = {Dataset: DATASETS, Licence: LICENCES, Contingency: PLANS, Price: PRICES, Incident: INCIDENTS}
DAY, YEAR = 86400, 365
DATASET_FIELDS: dict[str, type] = {
    "dataset": str, "version": int, "title": str, "person": str, "holders": list, "colluding": int, "rows": int, "columns": dict,
}  # fmt: skip
OPTIONAL: dict[str, type] = {"region": str, "consent": str}
MAKERS: dict[str, Callable[..., Column]] = {"number": number, "category": category, "band": band}
COLUMN_TYPES: dict[str, type] = {
    **dict.fromkeys(("kind", "outside", "of", "title", "unit"), str), **dict.fromkeys(("cuts", "levels", "codes"), list), "grade": int,
}  # fmt: skip
COLUMN_FIELDS = {*COLUMN_TYPES, "low", "high"}


@dataclass(frozen=True, slots=True)
class Authority:
    """The key root, and the keys that are in the folder. Keys may be in other hands; each folder signs with what it has."""

    path: Path
    keys: tuple[SigningKey, ...]
    roots: Chain

    @classmethod
    def create(cls, path: Path, name: str, *, keys: int = 3, threshold: int = 2, days: int = YEAR) -> Authority:
        """Make *keys* keys, of which *threshold* must sign whatever there is to sign, and the key root's first version."""
        with by_hand():
            made = tuple(SigningKey.generate(name if keys == 1 else f"{name}-{i}") for i in range(1, keys + 1))
            role = Role(tuple(str(k.public) for k in made), threshold)
            first = Root(1, (), dict.fromkeys(NEEDED, role), ("ed25519",), (), int(time.time()) + days * DAY)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (path / ROOT).exists():
            raise UsageError(f"there is an authority in {path} already")
        chain = roots.read([str(notes.write(first).signed_by(*made))])
        for key in made:
            key.save(path / f"{key.name}.key")
        (path / ROOT).write_text(chain.texts[0])
        return cls(path, made, chain)

    @classmethod
    def open(cls, path: Path) -> Authority:
        if not (path / ROOT).exists():
            raise UsageError(f"{path} is no authority's folder; make one with: keyong authority init NAME --home {path}")
        newest = read_root(path / ROOT)
        earlier = [read_text(path / EARLIER / f"{version}.note") for version in range(1, newest.root.version)]
        keys = tuple(SigningKey.load(file) for file in sorted(path.glob("*.key")))
        return cls(path, keys, roots.read([*earlier, str(newest.note)]))

    @property
    def trust(self) -> Trust:
        """Whose signatures count now."""
        return self.roots.trust

    def draft(self, document: Any) -> notes.Note:
        """The document, which must be one that others can read, under the signatures of those keys at hand that may sign it."""
        keys = {key for trust in self._signers(document) for key in trust.keys}
        note = notes.write(document).signed_by(*(key for key in self.keys if key.public in keys))
        with by_hand():
            note.document(type(document))
        return note

    def _signers(self, document: Any) -> tuple[Trust, ...]:
        """Those who must sign *document*: of each a threshold."""
        if isinstance(document, Root):
            return self.roots.newest.root.trust("root"), document.trust("root")
        return (self.trust.of(type(document)),)

    def lacking(self, note: notes.Note) -> list[tuple[int, int]]:
        """How many signed *note* of how many who must, for each of the roles that must; empty once enough of all did."""
        document = note.document(*SIGNED)
        counts = [(len(note.signers(*trust.keys)), trust.threshold) for trust in self._signers(document)]
        return counts if any(have < need for have, need in counts) else []

    def signers(self, note: notes.Note) -> dict[str, list[str]]:
        """Names of those who signed *note*, and of those who could and have not."""
        keys = [key for trust in self._signers(note.document(*SIGNED)) for key in trust.keys]
        signed = note.signers(*keys)
        return {"signed": sorted(signed), "unsigned": sorted({key.name for key in keys} - signed)}

    def sign(self, document: Any) -> str:
        """The document under enough signatures. Where there are too few keys here, its draft is kept for the others to sign.

        The same document again, whatever the clock says, goes on with that draft.
        """
        return str(self.approved(drafts.begun(self.path, document) or self.draft(document)))

    def approved(self, note: notes.Note) -> notes.Note:
        """*note* with the lines of the keys here and of those who signed its draft; unless enough have, keep that and raise."""
        file = drafts.path_of(self.path, note)
        there = note.joined(drafts.read_draft(file)) if file.exists() else note
        self.lacking(there)
        whole = there.joined(self.draft(note.document(*SIGNED)))
        if lacking := self.lacking(whole):
            raise drafts.unfinished(whole, self.keep_draft(whole), *lacking[0])
        return whole

    def forget(self, text: str) -> None:
        """*text* is signed and kept, or sent: its draft, if there was one, has done its work."""
        drafts.forget(self.path, notes.read(text, limit=roots.LIMIT))

    def keep_draft(self, note: notes.Note) -> Path:
        """Write a note that lacks signatures where it can be taken from, to others or back."""
        file = drafts.path_of(self.path, note)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_text(str(note))
        return file

    def enrol(self, name: str, organisation: str, role: parties.Role, *, days: int = 7, coordinator: Path | None = None) -> Token:
        """A join token. All but the coordinator itself join a coordinator, whose ``coordinator.json`` says where and who it is.

        For a party whose keys were withdrawn it brings a new key in their place.
        """
        if (coordinator is None) != (role == "coordinator"):
            raise UsageError("a holder or an operator joins a coordinator (--coordinator coordinator.json); a coordinator joins none")
        where = None if coordinator is None else read_card(coordinator)
        with by_hand():
            once = SigningKey.generate(f"{name}-invitation")
            old = tuple(each for each in self.listed().withdrawn if read_key(each.key).name == name)
        note = self.draft(Invitation(name, organisation, role, str(once.public), int(time.time()) + days * DAY, old))
        if self.lacking(note):
            (self.path / DRAFTS).mkdir(mode=0o700, exist_ok=True)
            once.save(drafts.path_of(self.path, note).with_suffix(".once"))
        return self._token(self.approved(note), once, where)

    def token(self, file: Path, *, name: str, coordinator: Path | None = None) -> Token:
        """The join token of an invitation that others have signed meanwhile: *file* is its draft, which `enrol` left here."""
        note = notes.read(read_text(file))
        invitation = note.document(Invitation)
        if self.lacking(note) or invitation.name != name or (coordinator is None) != (invitation.role == "coordinator"):
            raise UsageError(f"{file} lacks signatures, or is not for {name}, or its party joins otherwise than was said when it was made")
        once = drafts.path_of(self.path, note).with_suffix(".once")
        made = self._token(note, SigningKey.load(once), None if coordinator is None else read_card(coordinator))
        once.unlink()
        drafts.forget(self.path, note)
        return made

    def _token(self, invitation: notes.Note, once: SigningKey, where: dict[str, Any] | None) -> Token:
        found: dict[str, Any] = where or {"url": "", "ca": None, "enrolment": ""}
        return Token(found["url"], found["ca"], self.roots, found["enrolment"], str(invitation), once)

    def licence(self, *operators: str, dataset: str, columns: tuple[str, ...], purposes: tuple[str, ...], methods: tuple[str, ...],
                min_cell: int, uses: int, days: int, plan: str, threshold: int = 1,
                terms: Mapping[str, Any] | None = None) -> str:  # fmt: skip
        """A licence for *operators*, verifier keys of which *threshold* sign a job, on columns of a dataset that this folder registered.

        Where *terms*, further fields of `Rights`, do not say otherwise: up to the highest grade of the columns, exact releases, at the
        dataset's holders, and no result leaves the dataset's region. Each dataset must be a registered asset (先登记后授权).
        """
        entry, asset = self.registered(dataset)
        known.check(f"column of {dataset} called", columns, [c.name for c in entry.schema.columns])
        known.check("method", methods, METHOD_NAMES)
        now = int(time.time())
        usual = {
            "datasets": {dataset: tuple(sorted(set(columns)))}, "grade": max((asset.manifest.graded[c] for c in columns), default=1),
            "purposes": tuple(sorted(set(purposes))), "methods": tuple(sorted(set(methods))), "outputs": ("exact",),
            "holders": entry.holders, "regions": {entry.region: ""}, "min_cell": min_cell, "use_count": uses, "not_before": now - 60,
            "not_after": now + days * DAY, "plan": notes.read(plan).id,
        }  # fmt: skip
        allow = grants.rights({**usual, **(terms or {})})
        with by_hand():
            delegates = tuple(str(read_key(key)) for key in operators)
            made = build(Licence, {"parent": "", "delegates": delegates, "threshold": threshold, "allow": plain(allow)})
        check_usable(allow)
        for name, named in (allow.datasets or {}).items():
            self._check_covered(name, named, allow)
        contingency.check(plan, allow.plan, self.trust, operators=made.delegates, now=now)
        return self.sign(made)

    def registered(self, dataset: str) -> tuple[Dataset, Asset]:
        """The catalogue entry of a dataset and the asset that it is registered as; else `Refused`: registration comes first."""
        known.check("dataset in the authority's folder called", [dataset], self.datasets())
        entry = notes.opened((self.path / DATASETS / f"{dataset}.note").read_text(), Dataset, self.trust)
        texts = [read_text(file) for file in sorted((self.path / ASSETS).glob("*.chain"))]
        return entry, registration.require_live(registration.of(texts, dataset), entry, self.trust)

    def _check_covered(self, dataset: str, columns: tuple[str, ...], allow: Rights) -> None:
        """Raise unless *allow* may cover these columns: of a registered asset, none graded higher, and no price where it is free."""
        _, asset = self.registered(dataset)
        registration.check_price(asset, allow.price)
        if high := sorted(name for name in columns if asset.manifest.graded.get(name, 0) > (allow.grade or 0)):
            raise LicenceRefused(code="licence.grade", columns=", ".join(high), grade=allow.grade)

    def plan(self, text: str) -> str:
        """The operator's contingency plan, signed by the authority, too; what officers signed of it before is looked up."""
        note = notes.read(text)
        with by_hand():
            plan = note.document(Contingency)
            operator = read_key(plan.operator)
        kept = self.path / PLANS / f"{note.id}.note"
        known_to = note.joined(notes.read(read_text(kept))) if kept.exists() else note
        signed = self.approved(known_to.only(operator, *(key for trust in self._signers(plan) for key in trust.keys)))
        contingency.opened(signed, self.trust)
        return str(signed)

    def price(self, dataset: str, *, unit: str, fen: int, highest: int, ceiling: int, free: tuple[str, ...] = (), days: int = 365) -> str:
        """The next price note of a dataset that is registered here as one to be paid for, for licences granted from then on."""
        registration.check_price(self.registered(dataset)[1], dataset)
        folder, now = self.path / PRICES, int(time.time())
        version = 1 + sum(notes.read(file.read_text()).document(Price).dataset == dataset for file in folder.glob("*.note"))
        fields = {"dataset": dataset, "version": version, "unit": unit, "fen": fen, "highest": highest, "ceiling": ceiling, "free": free,
                  "not_before": now - 60, "not_after": now + days * DAY}  # fmt: skip
        with by_hand():
            made = build(Price, fields)
        return self.sign(made)

    def incident(self, name: str, state: str, *, harm: str = "", measures: str = "", contact: str = "", grave: bool = False,
                 licences: tuple[str, ...] = ()) -> str:  # fmt: skip
        """The next version of an incident, with what was said before where nothing new is said."""
        old = self.incidents().get(name)
        fields: dict[str, Any] = plain(old) if old else {"name": name, "version": 0, "known": int(time.time()), "grave": grave,
                                                         "harm": "", "measures": "", "contact": "", "licences": ()}  # fmt: skip
        said = {field: value for field, value in (("harm", harm), ("measures", measures), ("contact", contact)) if value}
        more = {"version": fields["version"] + 1, "state": state, "grave": fields["grave"] or grave,
                "licences": tuple(sorted({*fields["licences"], *licences}))}  # fmt: skip
        with by_hand():
            made = build(Incident, {**fields, **said, **more})
        follow(old, made)
        return self.sign(made)

    def incidents(self) -> dict[str, Incident]:
        """The newest version of each incident, by name."""
        return {f.stem: notes.read(f.read_text()).document(Incident) for f in sorted((self.path / INCIDENTS).glob("*.note"))}

    def keep(self, text: str) -> str:
        """Keep a granted licence, its plan, a registered dataset, a price or an incident in the folder; its id."""
        note = notes.read(text)
        document = note.document(*KEPT)
        name = document.name if isinstance(document, (Dataset, Incident)) else note.id
        folder = KEPT[type(document)]
        (self.path / folder).mkdir(exist_ok=True)
        (self.path / folder / f"{name}.note").write_text(text)
        self.forget(text)
        return note.id

    def datasets(self) -> list[str]:
        return sorted(file.stem for file in (self.path / DATASETS).glob("*.note"))

    def licence_id(self, start: str) -> str:
        """The whole id of the one granted licence whose id starts so, with or without ``lic-``; a whole id stands for itself.

        A verifier key stands for its digest: to revoke it revokes every licence that names it in some link.
        """
        if "+" in start:
            with by_hand():
                return key_id(str(read_key(start)))
        start = start.removeprefix("lic-")
        found = [file.stem for file in (self.path / LICENCES).glob(f"{start}*.note")] if start.isalnum() else []
        if len(found) != 1 and len(start) != 64:
            raise UsageError(f"{len(found)} licences of this folder start with {start}; keyong authority licences lists them")
        return found[0] if found else start

    def licences(self) -> list[dict[str, Any]]:
        """Granted licences, and whether the current list revokes them."""
        revoked = self.listed().revoked
        kept = {f.stem: notes.read(f.read_text()).document(Licence) for f in sorted((self.path / LICENCES).glob("*.note"))}
        return [
            {
                "licence": name,
                "operator": ", ".join(read_key(key).name for key in x.delegates),
                "dataset": ", ".join(x.allow.datasets or ()),
                "until": day(x.allow.not_after or 0),
                "revoked": not {name, *map(key_id, x.delegates)}.isdisjoint(revoked),
            }
            for name, x in kept.items()
        ]

    def revocations(self, *revoke: str, restore: tuple[str, ...] = (), withdraw: tuple[Withdrawn, ...] = (), days: int = 30) -> str:
        """The next revocation list: what was revoked before and *revoke*, without *restore*; kept in the folder.

        *withdraw* are keys of parties that count no more; the licences that name them are revoked with them.
        """
        now, old = int(time.time()), self.listed()
        withdrawn = {each.key: each for each in (*withdraw, *old.withdrawn)}  # what was said first holds
        listed = tuple(sorted({*old.revoked, *revoke} - set(restore) | set(map(key_id, withdrawn))))
        with by_hand():
            made = Revocations(old.version + 1, now, now + days * DAY, listed,
                               tuple(sorted(withdrawn.values(), key=lambda each: (each.entries, each.key))))  # fmt: skip
        text = self.sign(made)
        (self.path / REVOCATIONS).write_text(text)
        self.forget(text)
        return text

    def listed(self) -> Revocations:
        """The newest revocation list of the folder, or one of before the first."""
        file = self.path / REVOCATIONS
        return notes.read(file.read_text()).document(Revocations) if file.exists() else Revocations(0, 0, 0, ())


def read_dataset(text: str) -> Dataset:
    """A dataset's entry from the YAML file that people write; see docs/specs/dataset.md."""
    data = read_yaml(text, "the dataset file")
    if not isinstance(data, dict):
        raise UsageError(f"a dataset file has: {', '.join(sorted(DATASET_FIELDS))}")
    known.check("field", data, sorted(DATASET_FIELDS | OPTIONAL))
    if missing := [name for name in sorted(DATASET_FIELDS) if data.get(name) is None]:
        raise UsageError(f"the dataset file lacks: {', '.join(missing)}")
    check_types(data, DATASET_FIELDS | OPTIONAL)
    known.check("consent", [data.get("consent") or "none"], get_args(Basis))
    holders = tuple(sorted(map(str, data["holders"])))
    with by_hand():
        columns = tuple(_column(str(name), given) for name, given in data["columns"].items())
        return Dataset(
            data["dataset"], data["version"], data["title"], Schema(data["person"], columns), holders, data["colluding"], data["rows"],
            data.get("region") or HOME, data.get("consent") or "none",
        )  # fmt: skip


def _column(name: str, given: Any) -> Column:
    if not isinstance(given, dict) or str(given.get("kind")) not in MAKERS:
        raise UsageError(f"column {name}: kind is number, category or band")
    known.check(f"field of column {name} called", given, sorted(COLUMN_FIELDS))
    check_types(given, COLUMN_TYPES, of=f"column {name}")
    fields = {field: _signed(name, field, value) for field, value in given.items() if field != "kind" and value is not None}
    try:
        return MAKERS[given["kind"]](name, **fields)
    except TypeError:
        raise UsageError(f"column {name}: a number column has low and high, a category levels, a band of, cuts and levels") from None
    except DecodeError:
        raise
    except ValueError:
        raise UsageError(f"column {name}: low, high and cuts are numbers") from None


def _signed(name: str, field: str, value: Any) -> Any:
    """Lists and bounds as texts; YAML reads an unquoted no or yes as a truth value, which nobody means."""
    if isinstance(value, bool) or (isinstance(value, list) and any(isinstance(v, bool) for v in value)):
        raise UsageError(f'column {name}: write "no" and "yes" with quotes')
    if isinstance(value, list):
        return tuple(map(str, value))
    return str(value) if field in ("low", "high") else value


def read_root(path: Path) -> Version:
    """The version of an authority's key root in a file that came from the authority itself."""
    try:
        return roots.pinned(notes.read(read_text(path), limit=roots.LIMIT))
    except DecodeError:
        raise UsageError(f"{path} is not the root.note of an authority, which holds its key root") from None


def read_trust(path: Path) -> Trust:
    """Whose signatures count by a ``root.note``."""
    return Chain((read_root(path),)).trust


def read_card(path: Path) -> dict[str, Any]:
    """Where a coordinator is and who it is: its ``coordinator.json``."""
    return {"ca": None, **read_json(path, "the coordinator.json of a coordinator", {"url": str, "enrolment": str})}
