"""The documents that a coordinator hands on: which there are, and whose signature lines under them count."""

from __future__ import annotations

from typing import Any

from governance import notes
from governance.catalogue import Dataset
from governance.contingency import Contingency
from governance.errors import DecodeError
from governance.keys import Trust, read_key
from governance.licences import Licence, Revocations
from governance.roots import Root

PUBLISHED: dict[str, type] = {
    "root": Root, "dataset": Dataset, "licence": Licence, "plan": Contingency, "revocations": Revocations,
}  # fmt: skip


def kind_of(note: notes.Note) -> str:
    for kind, cls in PUBLISHED.items():
        if note.holds(cls):
            return kind
    raise DecodeError(f"only these documents can be published: {', '.join(PUBLISHED)}")


def counted(note: notes.Note, trust: Trust) -> notes.Note:
    """*note* with the lines alone of those who sign such a document: the authority's, and under a plan its operator's.

    A licence below the first link is its delegates', and stays as it is; so does what none of them signed, for the verdict on it.
    """
    document: Any = note.document(*PUBLISHED.values())
    if isinstance(document, Licence) and document.parent:
        return note
    operator = [read_key(document.operator)] if isinstance(document, Contingency) else []
    kept = note.only(*trust.of(type(document)).keys, *operator)
    return kept if kept.signatures else note


def listed(text: str | None) -> tuple[int, str]:
    """A revocation list with its version."""
    return (notes.read(text).document(Revocations).version, text) if text else (0, "")
