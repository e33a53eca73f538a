"""History follows the rows, not their file: by what a node knows rows again that it has frozen before (PRIVACY 4, 10).

Of each snapshot it keeps a keyed digest of every column of the source and one of the person keys, whatever their order. A snapshot has the
history of every earlier one of its dataset with the same values in all columns that both have in the same registered form; where they have
no such column, with the same persons. The key never leaves the node and is not in the journal: nobody can try values against the digests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc

from connectors import snapshot as snapshots
from connectors.snapshot import Snapshot
from governance.catalogue import Column, Schema
from governance.encoding import build, canonical, parse, plain, wire
from governance.journal import Transaction, View
from governance.keys import SigningKey

KIND = "fingerprint"
LABEL = b"keyong/fingerprint/v1"
WORDS = ("title", "unit", "grade")  # what a column is called changes no value


@wire("keyong/fingerprint/v1")
class Fingerprint:
    """*form* says in which registered form the file is; *columns* maps the form of each column of the source to its digest."""

    form: str
    columns: dict[str, str]
    persons: str


def fingerprint(snapshot: Snapshot, schema: Schema, persons: Iterable[Any], key: SigningKey) -> Fingerprint:
    """What the rows of *snapshot* will be known by; *persons* are their keys at the source."""
    secret = hmac.digest(key.private, LABEL, "sha256")
    tags = sorted(hmac.digest(secret, b"person" + _bytes(person), "sha256") for person in persons)
    columns = {
        _form(column): hmac.digest(secret, _form(column).encode() + _values(snapshot, column), "sha256").hex()
        for column in schema.columns
        if column.of is None
    }
    form = hashlib.sha256("".join(_form(column) for column in schema.columns).encode()).hexdigest()
    return Fingerprint(form, columns, hmac.digest(secret, b"persons" + b"".join(tags), "sha256").hex())


def _bytes(person: Any) -> bytes:
    return person if isinstance(person, bytes) else str(person).encode()


def _form(column: Column) -> str:
    """Digest of everything registered that a value in the file depends on."""
    said = {name: value for name, value in plain(column).items() if name not in WORDS and (name != "cuts" or column.kind == "band")}
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def _values(snapshot: Snapshot, column: Column) -> bytes:
    """The values of a column, sorted."""
    found = snapshots.load(snapshot.path, [column.name]).column(column.name)
    filled = pc.fill_null(found, np.nan if column.kind == "number" else -1).to_numpy()
    return np.sort(filled + 0.0).tobytes()  # minus zero is zero


def same(a: Fingerprint, b: Fingerprint) -> bool:
    """Whether what was counted over the rows of *a* was counted over those of *b*."""
    both = a.columns.keys() & b.columns.keys()
    return all(a.columns[name] == b.columns[name] for name in both) if both else a.persons == b.persons


def twins(t: View, dataset: str, made: Fingerprint) -> Iterator[str]:
    """Snapshots of *dataset* that hold the rows of *made* in the same form."""
    return (name for name, other in _kept(t, dataset).items() if (other.form, other.columns) == (made.form, made.columns))


def remember(t: Transaction, dataset: str, snapshot: str, made: Fingerprint) -> None:
    """Keep the fingerprint, and let the snapshot share the history of all that held the same rows."""
    for name, other in _kept(t, dataset).items():
        if same(made, other):
            t.share_history(dataset, name, snapshot)
    t.put_note(KIND, f"{dataset} {snapshot}", canonical(plain(made)), replace=True)


def family(t: View, dataset: str, snapshot: str) -> list[str]:
    """The snapshots that share the history of *snapshot*, itself among them."""
    root = t.history(dataset, snapshot)
    return sorted({snapshot, *(name for name in _kept(t, dataset) if t.history(dataset, name) == root)})


def _kept(t: View, dataset: str) -> Mapping[str, Fingerprint]:
    found = ((*name.partition(" "), text) for name, text in t.notes(KIND))
    return {snapshot: build(Fingerprint, parse(text)) for name, _, snapshot, text in found if name == dataset}
