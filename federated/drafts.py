"""Drafts in an authority's folder: what some officers have signed and others have not yet.

A call that lacks signatures leaves one. The same call later finds it again, with its time, and goes on once enough have signed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from governance import notes, roots
from governance.catalogue import Dataset
from governance.certificates import Certificate, Regions
from governance.complaints import Answer
from governance.contingency import Contingency
from governance.encoding import plain
from governance.errors import Unavailable
from governance.handwritten import by_hand, read_text
from governance.incidents import Incident
from governance.licences import Licence, Revocations
from governance.parties import Invitation
from governance.prices import Price
from governance.products import Algorithm, Product, Scenarios
from governance.registration import Asset
from governance.roots import Root

DRAFTS = "drafts"
SIGNED = (
    Root, Dataset, Contingency, Licence, Revocations, Invitation, Asset, Certificate, Regions, Product, Algorithm, Scenarios, Price,
    Incident, Answer,
)  # fmt: skip
STARTS = ("at", "issued", "known", "not_before", "allow.not_before")
ENDS = ("begins", "ends", "next_update", "not_after", "allow.not_after")
INSTANTS = {*STARTS, *ENDS, "expires", "drilled", "until"}
LONGEST = 30 * 86400  # a draft that lies longer is not taken up again: what it allows may be over
CALLS: dict[type[Any], str] = {
    Dataset: "authority dataset", Licence: "authority licence", Contingency: "authority licence", Price: "authority price",
    Incident: "incident", Answer: "complaint answer", Product: "product freeze", Algorithm: "product algorithm",
    Scenarios: "product scenarios", Regions: "cert regions",
}  # fmt: skip
STEPS = {"apply": "register", "transfer": "accept", "pledge": "accept", "release": "accept"}


def path_of(folder: Path, note: notes.Note) -> Path:
    """Where the draft of *note* lies, or would."""
    return folder / DRAFTS / f"{note.id[:12]}.note"


def read_draft(file: Path) -> notes.Note:
    """A note in a file, signed enough or not."""
    with by_hand():
        note = notes.read(read_text(file), limit=roots.LIMIT)
        note.document(*SIGNED)
    return note


def listed(folder: Path) -> Iterator[tuple[Path, notes.Note]]:
    """The drafts in an authority's folder."""
    for file in sorted((folder / DRAFTS).glob("*.note")):
        yield file, read_draft(file)


def begun(folder: Path, document: Any) -> notes.Note | None:
    """The draft that an earlier call with the same content left, whatever the clock showed then."""
    return next((note for _, note in listed(folder) if note.holds(type(document)) and _same(document, note.document(type(document)))), None)


def _same(new: Any, old: Any) -> bool:
    """Whether two documents differ by nothing but the moment at which they were begun."""
    a, b = _flat(new), _flat(old)
    if a.keys() != b.keys():
        return False
    later = next((a[name] - b[name] for name in STARTS if isinstance(a.get(name), int) and isinstance(b[name], int)), 0)
    return abs(later) <= LONGEST and all(
        a[name] == b[name] or (name in (*STARTS, *ENDS) and b[name] is not None and a[name] == b[name] + later) for name in a
    )


def _flat(document: Any) -> dict[str, Any]:
    fields = plain(document)
    return {**fields, "allow": None, **{f"allow.{name}": value for name, value in (fields.get("allow") or {}).items()}}


def forget(folder: Path, note: notes.Note) -> None:
    """What is done is no draft any more."""
    path_of(folder, note).unlink(missing_ok=True)


def following(note: notes.Note, file: Path) -> str:
    """The command that comes once enough have signed a draft."""
    document: Any = note.document(*SIGNED)
    if isinstance(document, Invitation):
        return f"keyong authority enrol {document.name} … --signed {file}"
    if isinstance(document, (Root, Revocations)):
        return f"keyong authority publish {file} --coordinator …"
    if isinstance(document, (Asset, Certificate)):
        group = "asset" if isinstance(document, Asset) else "cert"
        return f"keyong {group} {STEPS.get(document.step, document.step)} …"
    return f"keyong {CALLS[type(document)]} …"


def unfinished(note: notes.Note, file: Path, have: int, need: int) -> Unavailable:
    """What to do with a draft, for people: no fault, but nothing is done before others sign."""
    code = "draft.plan" if note.holds(Contingency) else "draft"
    return Unavailable(code=code, file=file, have=have, need=need, then=following(note, file))


def legible(value: Any, name: str = "", indent: str = "") -> Iterator[str]:
    """A document's fields one below the other, with moments as dates."""
    inner = value.items() if isinstance(value, dict) else enumerate(value, 1) if isinstance(value, (list, tuple)) else None
    if (inner is not None and any(isinstance(each, (dict, list, tuple)) for _, each in inner)) or isinstance(value, dict):
        if name:
            yield f"{indent}{name}:"
        for key, each in value.items() if isinstance(value, dict) else enumerate(value, 1):
            yield from legible(each, str(key), indent + "  " * bool(name))
    elif isinstance(value, (list, tuple)):
        yield f"{indent}{name}: {', '.join(map(str, value)) or '-'}"
    else:
        yield f"{indent}{name}: {_shown(name, value)}"


def _shown(name: str, value: Any) -> str:
    if name in INSTANTS and isinstance(value, int):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC"
    return "-" if value in (None, "") else str(value)
