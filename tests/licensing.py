"""Licences, their links and plans, as an authority and operators would sign them, for the tests."""

from __future__ import annotations

from typing import Any

from governance import notes
from governance.contingency import Contingency
from governance.keys import SigningKey
from governance.licences import Licence
from governance.notes import Note
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
