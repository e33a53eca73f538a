"""Security incidents: each step a document of the authority, from opening to closing, and what must be in it by then.

Those concerned must be told three things (个人信息保护法, article 57): what data, why, and what harm is possible; what was done and what
they can do themselves; whom to ask. Without these an incident can be neither notified nor closed. A document of a later version never
unsays an earlier one: all versions stay in the ledger, so corrections show.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from governance.catalogue import Slug
from governance.encoding import wire
from governance.errors import DecodeError, UsageError
from governance.parties import Seconds
from governance.rights import Digest

STATES = ("open", "contained", "notified", "closed")
HOUR = 3600
GRAVE, USUAL = 24 * HOUR, 72 * HOUR  # 网络数据安全管理条例, articles 10 and 11; where it sets no hours, three days are ours
Words = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*$")]


@wire("keyong/incident/v1")
class Incident:
    """One version of an incident. *grave*: national security or the public interest may be harmed, so it is reported within a day.

    *harm*, *measures* and *contact* are the three contents of article 57; *licences* were suspended because of it.
    """

    name: Slug
    version: Annotated[int, Field(ge=1)]
    state: Literal["open", "contained", "notified", "closed"]
    known: Seconds
    grave: bool
    harm: Words
    measures: Words
    contact: Words
    licences: tuple[Digest, ...]

    def __post_init__(self) -> None:
        missing = [name for name in ("harm", "measures", "contact") if not getattr(self, name).strip()]
        if missing and self.state in ("notified", "closed"):
            lacks = ", ".join(missing)
            raise DecodeError(
                f"an incident is {self.state} only with all three contents, which keyong incident notify gives; missing: {lacks}"
            )

    @property
    def due(self) -> int:
        """When those concerned must have been told."""
        return self.known + (GRAVE if self.grave else USUAL)


def follow(old: Incident | None, new: Incident) -> None:
    """Raise unless *new* may come after *old*: one version and at most one state further, and what was known is not made less."""
    if old is None:
        if (new.version, new.state) != (1, "open"):
            raise UsageError("an incident begins with version 1 and the state open")
        return
    steps = STATES.index(new.state) - STATES.index(old.state)
    if new.version != old.version + 1 or steps not in (0, 1) or old.state == "closed":
        raise UsageError(f"an incident goes from {old.state} to the next state, one version after the other, and stays closed")
    if new.known != old.known or new.grave < old.grave or not set(old.licences) <= set(new.licences):
        raise UsageError("a later version of an incident cannot change when it was known, or make it less grave")
