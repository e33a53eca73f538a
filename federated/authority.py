"""The authority's folder: its keys, and the documents that it signed. It needs no server and can stay off line between signatures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federated.tokens import Token
from governance import known, notes
from governance.catalogue import Column, Dataset, Schema, band, category, number
from governance.encoding import build, canonical, plain
from governance.errors import DecodeError, UsageError
from governance.handwritten import by_hand, check_types, read_json, read_yaml
from governance.incidents import Incident, follow
from governance.keys import SigningKey, Trust, read_key
from governance.licences import Licence, Revocations, day
from governance.parties import Invitation, Role
from governance.prices import Price
from sandbox.policy import METHOD_NAMES

TRUST, REVOCATIONS, LICENCES, DATASETS, PRICES = "trust.json", "revocations.note", "licences", "datasets", "prices"
INCIDENTS = "incidents"
DAY = 86400
DATASET_FIELDS: dict[str, type] = {
    "dataset": str, "version": int, "title": str, "person": str, "holders": list, "colluding": int, "rows": int, "columns": dict,
}  # fmt: skip
MAKERS: dict[str, Callable[..., Column]] = {"number": number, "category": category, "band": band}
COLUMN_TYPES: dict[str, type] = {
    **dict.fromkeys(("kind", "outside", "of", "title", "unit"), str), **dict.fromkeys(("cuts", "levels", "codes"), list), "grade": int,
}  # fmt: skip
COLUMN_FIELDS = {*COLUMN_TYPES, "low", "high"}


@dataclass(frozen=True, slots=True)
class Authority:
    """The keys that are in the folder, and how many must sign. Keys may be carried to other hands; each folder signs with what it has."""

    path: Path
    keys: tuple[SigningKey, ...]
    trust: Trust

    @classmethod
    def create(cls, path: Path, name: str, *, keys: int = 1, threshold: int = 1) -> Authority:
        """Make *keys* keys, of which *threshold* must sign."""
        with by_hand():
            made = tuple(SigningKey.generate(name if keys == 1 else f"{name}-{i}") for i in range(1, keys + 1))
            trust = Trust(tuple(k.public for k in made), threshold)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (path / TRUST).exists():
            raise UsageError(f"there is an authority in {path} already")
        for key in made:
            key.save(path / f"{key.name}.key")
        (path / TRUST).write_text(canonical({"trust": [str(k) for k in trust.keys], "threshold": threshold}) + "\n")
        return cls(path, made, trust)

    @classmethod
    def open(cls, path: Path) -> Authority:
        if not (path / TRUST).exists():
            raise UsageError(f"{path} is no authority's folder; make one with: keyong authority init NAME --home {path}")
        trust = Trust.load(path / TRUST)
        files = [path / f"{key.name}.key" for key in trust.keys]
        return cls(path, tuple(SigningKey.load(file) for file in files if file.exists()), trust)

    def sign(self, document: Any) -> str:
        """The document under the signatures of the keys at hand, which must be enough; it must be one that others can read."""
        if len(self.keys) < self.trust.threshold:
            raise UsageError(
                f"{self.trust.threshold} keys must sign, {len(self.keys)} are in {self.path}; bring the others' key files here"
            )
        note = notes.write(document).signed_by(*self.keys)
        with by_hand():
            note.document(type(document))
        note.require(self.trust)
        return str(note)

    def enrol(self, name: str, organisation: str, role: Role, *, days: int = 7, coordinator: Path | None = None) -> Token:
        """A join token. All but the coordinator itself join a coordinator, whose ``coordinator.json`` says where and who it is."""
        where: dict[str, Any] = {"url": "", "ca": None, "enrolment": ""} if coordinator is None else read_card(coordinator)
        if (coordinator is None) != (role == "coordinator"):
            raise UsageError("a holder or an operator joins a coordinator (--coordinator coordinator.json); a coordinator joins none")
        with by_hand():
            once = SigningKey.generate(f"{name}-invitation")
        invitation = self.sign(Invitation(name, organisation, role, str(once.public), int(time.time()) + days * DAY))
        return Token(where["url"], where["ca"], self.trust, where["enrolment"], invitation, once)

    def licence(self, operator: str, *, dataset: str, columns: tuple[str, ...], purposes: tuple[str, ...], methods: tuple[str, ...],
                min_cell: int, uses: int, days: int) -> str:  # fmt: skip
        """A licence for the operator with the verifier key *operator*, on columns of a dataset that this folder registered."""
        known.check("dataset in the authority's folder called", [dataset], self._datasets())
        entry = notes.opened((self.path / DATASETS / f"{dataset}.note").read_text(), Dataset, self.trust)
        known.check(f"column of {dataset} called", columns, [c.name for c in entry.schema.columns])
        known.check("method", methods, METHOD_NAMES)
        now = int(time.time())
        with by_hand():
            key = str(read_key(operator))
        return self.sign(Licence(key, dataset, columns, purposes, methods, min_cell, uses, now - 60, now + days * DAY))

    def price(self, dataset: str, *, unit: str, fen: int, highest: int, ceiling: int, free: tuple[str, ...] = (), days: int = 365) -> str:
        """The next price note of a dataset that this folder registered, for licences granted from then on; kept in the folder."""
        known.check("dataset in the authority's folder called", [dataset], self._datasets())
        folder, now = self.path / PRICES, int(time.time())
        folder.mkdir(exist_ok=True)
        version = 1 + sum(notes.read(file.read_text()).document(Price).dataset == dataset for file in folder.glob("*.note"))
        fields = {"dataset": dataset, "version": version, "unit": unit, "fen": fen, "highest": highest, "ceiling": ceiling, "free": free,
                  "not_before": now - 60, "not_after": now + days * DAY}  # fmt: skip
        with by_hand():
            made = build(Price, fields)
        text = self.sign(made)
        (folder / f"{notes.read(text).id}.note").write_text(text)
        return text

    def incident(self, name: str, state: str, *, harm: str = "", measures: str = "", contact: str = "", grave: bool = False,
                 licences: tuple[str, ...] = ()) -> str:  # fmt: skip
        """The next version of an incident, with what was said before where nothing new is said; kept in the folder once it is `kept`."""
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

    def kept(self, text: str) -> None:
        """Keep a version of an incident that was published."""
        (self.path / INCIDENTS).mkdir(exist_ok=True)
        (self.path / INCIDENTS / f"{notes.read(text).document(Incident).name}.note").write_text(text)

    def keep(self, text: str) -> str:
        """Keep a granted licence or a registered dataset in the folder; its id."""
        note = notes.read(text)
        document = note.document(Dataset, Licence)
        folder, name = (DATASETS, document.name) if isinstance(document, Dataset) else (LICENCES, note.id)
        (self.path / folder).mkdir(exist_ok=True)
        (self.path / folder / f"{name}.note").write_text(text)
        return note.id

    def _datasets(self) -> list[str]:
        return sorted(file.stem for file in (self.path / DATASETS).glob("*.note"))

    def licence_id(self, start: str) -> str:
        """The whole id of the one granted licence whose id starts so, with or without ``lic-``; a whole id stands for itself."""
        start = start.removeprefix("lic-")
        found = [file.stem for file in (self.path / LICENCES).glob(f"{start}*.note")] if start.isalnum() else []
        if len(found) != 1 and len(start) != 64:
            raise UsageError(f"{len(found)} licences of this folder start with {start}; keyong authority licences lists them")
        return found[0] if found else start

    def licences(self) -> list[dict[str, Any]]:
        """Granted licences, and whether the current list revokes them."""
        file = self.path / REVOCATIONS
        revoked = notes.read(file.read_text()).document(Revocations).revoked if file.exists() else ()
        kept = {f.stem: notes.read(f.read_text()).document(Licence) for f in sorted((self.path / LICENCES).glob("*.note"))}
        return [
            {
                "licence": name,
                "operator": read_key(x.operator).name,
                "dataset": x.dataset,
                "until": day(x.not_after),
                "revoked": name in revoked,
            }
            for name, x in kept.items()
        ]

    def revocations(self, *revoke: str, restore: tuple[str, ...] = (), days: int = 30) -> str:
        """The next revocation list: what was revoked before and *revoke*, without *restore*; kept in the folder."""
        now, file = int(time.time()), self.path / REVOCATIONS
        old = notes.read(file.read_text()).document(Revocations) if file.exists() else Revocations(1, 0, 0, ())
        version = old.version + 1 if file.exists() else 1
        listed = tuple(sorted((set(old.revoked) | set(revoke)) - set(restore)))
        text = self.sign(Revocations(version, now, now + days * DAY, listed))
        file.write_text(text)
        return text


def read_dataset(text: str) -> Dataset:
    """A dataset's entry from the YAML file that people write; see docs/specs/dataset.md."""
    data = read_yaml(text, "the dataset file")
    if not isinstance(data, dict):
        raise UsageError(f"a dataset file has: {', '.join(sorted(DATASET_FIELDS))}")
    known.check("field", data, sorted(DATASET_FIELDS))
    if missing := [name for name in sorted(DATASET_FIELDS) if data.get(name) is None]:
        raise UsageError(f"the dataset file lacks: {', '.join(missing)}")
    check_types(data, DATASET_FIELDS)
    holders = tuple(sorted(map(str, data["holders"])))
    with by_hand():
        columns = tuple(_column(str(name), given) for name, given in data["columns"].items())
        return Dataset(
            data["dataset"], data["version"], data["title"], Schema(data["person"], columns), holders, data["colluding"], data["rows"]
        )


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


def read_card(path: Path) -> dict[str, Any]:
    """Where a coordinator is and who it is: its ``coordinator.json``."""
    return {"ca": None, **read_json(path, "the coordinator.json of a coordinator", {"url": str, "enrolment": str})}
