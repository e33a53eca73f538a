"""History follows the rows, not their file: by what a node knows rows again that it has frozen before (PRIVACY 4, 10).

Of each snapshot it keeps a keyed digest of every column of the source and one of the person keys, whatever their order. A snapshot has the
history of every earlier one of its dataset with the same values in all columns that both have in the same registered form; where they have
no such column, with the same persons. The key serves nothing else, never leaves the node and is not in the journal: nobody can try values
against the digests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc

from connectors import snapshot as snapshots
from connectors.normal import Floats
from connectors.snapshot import Snapshot
from governance.catalogue import Column, Schema
from governance.encoding import build, canonical, parse, plain, wire
from governance.journal import Transaction, View
from sandbox import weight
from sandbox.weight import Limit

KIND = "fingerprint"
WORDS = ("title", "unit", "grade")  # what a column is called changes no value


@wire("keyong/fingerprint/v1")
class Fingerprint:
    """*form* says in which registered form the file is, *rows* which rows it holds; *columns* maps the form of each column of the source
    to the digest of its values."""

    form: str
    rows: str
    columns: dict[str, str]
    persons: str


def fingerprint(snapshot: Snapshot, schema: Schema, persons: Iterable[Any], secret: bytes) -> Fingerprint:
    """What the rows of *snapshot* will be known by; *persons* are their keys at the source."""
    values = {_form(column): _values(snapshot, column) for column in schema.columns if column.of is None}
    order = np.lexsort(tuple(values.values()))
    form = hashlib.sha256("".join(_form(column) for column in schema.columns).encode()).hexdigest()
    rows = _digest(secret, "rows", *(column[order].tobytes() for column in values.values()))
    columns = {name: _digest(secret, name, np.sort(column).tobytes()) for name, column in values.items()}
    return Fingerprint(
        form, rows, columns, _digest(secret, "persons", *sorted(_digest(secret, "person", _bytes(p)).encode() for p in persons))
    )


def _digest(secret: bytes, what: str, *parts: bytes) -> str:
    return hmac.digest(secret, b"".join([what.encode(), b" ", *parts]), "sha256").hex()


def _bytes(person: Any) -> bytes:
    return person if isinstance(person, bytes) else str(person).encode()


def _form(column: Column) -> str:
    """Digest of everything registered that a value in the file depends on."""
    said = {name: value for name, value in plain(column).items() if name not in WORDS and (name != "cuts" or column.kind == "band")}
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def _values(snapshot: Snapshot, column: Column) -> Floats:
    """The values of a column, with one spelling for each."""
    found = snapshots.load(snapshot.path, [column.name]).column(column.name)
    filled = pc.fill_null(found, np.nan if column.kind == "number" else -1).to_numpy()
    return np.asarray(filled, np.float64) + 0.0  # minus zero is zero


def same(a: Fingerprint, b: Fingerprint) -> bool:
    """Whether what was counted over the rows of *a* was counted over those of *b*, or may have been: columns are compared one by one."""
    both = a.columns.keys() & b.columns.keys()
    return all(a.columns[name] == b.columns[name] for name in both) if both else a.persons == b.persons


def twins(t: View, dataset: str, made: Fingerprint) -> Iterator[str]:
    """Snapshots of *dataset* that hold the rows of *made* in the same form."""
    return (name for name, other in _kept(t, dataset).items() if (other.form, other.rows) == (made.form, made.rows))


def remember(t: Transaction, dataset: str, snapshot: str, made: Fingerprint) -> None:
    """Keep the fingerprint, and let the snapshot share the history of all that held the same rows."""
    for name, other in _kept(t, dataset).items():
        if same(made, other):
            join(t, dataset, name, snapshot)
    t.put_note(KIND, f"{dataset} {snapshot}", canonical(plain(made)), replace=True)


def join(t: Transaction, dataset: str, one: str, other: str) -> None:
    """Let two snapshots have one history, with all that was counted and all noes of either."""
    if t.history(dataset, one) != t.history(dataset, other):
        kept = [build(Limit, parse(text)) for each in (one, other) if (text := t.get(_limit_of(t, dataset, each))) is not None]
        t.share_history(dataset, one, other)
        if kept:
            put_limit(t, dataset, other, weight.joined(kept))


def family(t: View, dataset: str, snapshot: str) -> list[str]:
    """The snapshots that share the history of *snapshot*, itself among them."""
    root = t.history(dataset, snapshot)
    return sorted({snapshot, *(name for name in _kept(t, dataset) if t.history(dataset, name) == root)})


def limit(t: Transaction, dataset: str, snapshot: str) -> Limit:
    """This node's limit of weight for the rows of *snapshot*, drawn when it is first asked for."""
    text = t.get(_limit_of(t, dataset, snapshot))
    if text is not None:
        return build(Limit, parse(text))
    return put_limit(t, dataset, snapshot, weight.fresh())


def put_limit(t: Transaction, dataset: str, snapshot: str, drawn: Limit) -> Limit:
    t.put(_limit_of(t, dataset, snapshot), canonical(plain(drawn)))
    return drawn


def _limit_of(t: View, dataset: str, snapshot: str) -> str:
    return f"weight {dataset} {t.history(dataset, snapshot)}"


def _kept(t: View, dataset: str) -> Mapping[str, Fingerprint]:
    found = ((*name.partition(" "), text) for name, text in t.notes(KIND))
    return {snapshot: build(Fingerprint, parse(text)) for name, _, snapshot, text in found if name == dataset}
