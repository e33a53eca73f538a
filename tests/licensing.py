"""Licences, their links and plans, and registrations, as an authority, operators and holders would sign them, for the tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from governance import chains, notes, registration
from governance.catalogue import Dataset
from governance.contingency import Contingency
from governance.keys import SigningKey
from governance.licences import Licence
from governance.notes import Note
from governance.registration import Asset, Grade, Manifest
from governance.rights import Rights

DAY = 86_400


def plan(operator: SigningKey, *authority: SigningKey, now: int, **changes: Any) -> Note:
    """The operator's contingency plan, countersigned."""
    fields: dict[str, Any] = {
        "operator": str(operator.public), "triggers": ("leak",), "contacts": {"authority": "desk 1", "operator": "desk 2"},
        "steps": ("suspend", "notify"), "notify_hours": 24, "drilled": now - DAY, "drill_days": 180, **changes,
    }  # fmt: skip
    return notes.write(Contingency(**fields)).signed_by(operator, *authority)


def rights(plan_id: str, *, now: int, holders: tuple[str, ...], dataset: str = "trial", columns: tuple[str, ...] = ("age",),
           **changes: Any) -> Rights:  # fmt: skip
    """What the first link of a licence says."""
    fields: dict[str, Any] = {
        "datasets": {dataset: tuple(sorted(columns))}, "grade": 3, "purposes": ("research",), "methods": ("describe@1",), "outputs": ("exact",),
        "holders": tuple(sorted(holders)), "regions": {"CN": ""}, "min_cell": 10, "use_count": 1000, "not_before": now - 3600,
        "not_after": now + DAY, "plan": plan_id, **changes,
    }  # fmt: skip
    return Rights(**fields)


def link(allow: Rights, *delegates: SigningKey, by: tuple[SigningKey, ...], parent: Note | str = "", threshold: int = 1) -> Note:
    """One link of a licence."""
    above = parent.id if isinstance(parent, Note) else parent
    return notes.write(Licence(above, tuple(str(key.public) for key in delegates), threshold, allow)).signed_by(*by)


def manifest(entry: Dataset, holder: SigningKey, **changes: Any) -> Manifest:
    """What *holder* registers of a dataset: the catalogue's grades, and to be paid for."""
    columns = sorted(entry.schema.columns, key=lambda column: column.name)
    made = Manifest(entry.title, "health", str(holder.public), "Records office", ("hold", "process"), ("Regulation 26",), entry.name,
                    registration.digest(entry.schema), tuple(Grade(c.name, c.grade) for c in columns), "", "", "", 1, 2, "1000-to-9999",
                    "conditional-paid")  # fmt: skip
    return replace(made, **changes)


def asset(entry: Dataset, holder: SigningKey, *authority: SigningKey, at: int, name: str = "", **changes: Any) -> str:
    """The chain of a registered asset."""
    what, name = manifest(entry, holder, **changes), name or f"{entry.name}-asset"
    applied = notes.write(Asset(name, "apply", "", at, what, "", "")).signed_by(holder, *authority)
    return chains.write([applied, notes.write(Asset(name, "register", applied.id, at, what, "", "")).signed_by(*authority)])


def moved(chain: str, step: str, *keys: SigningKey, at: int, **changes: Any) -> str:
    """The chain with one more link, signed by *keys*; *changes* are of the manifest."""
    links = chains.read(chain)
    old = links[-1].document(Asset)
    new = replace(old, step=step, previous=links[-1].id, at=at, manifest=replace(old.manifest, **changes), reason="a reason")
    return chains.write([*links, notes.write(new).signed_by(*keys)])
