"""Licences as files: the chain and its plan as they travel, the terms that people write, and links that are made off line."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

from governance import known, licences, notes, registration
from governance.contingency import Contingency
from governance.encoding import build, canonical, parse, plain, strict
from governance.errors import DecodeError, UsageError
from governance.handwritten import by_hand, check_types, read_yaml
from governance.keys import SigningKey, Trust, read_key
from governance.licences import Granted, Licence, Revocations
from governance.rights import LAWS, Rights, meet

VERSION: Literal["licence/v1"] = "licence/v1"
SUFFIX = ".licence"
LISTS = ("purposes", "methods", "outputs", "holders")
WHOLE_NUMBERS = ("grade", "min_cell", "releases", "use_count", "approvals")
TERMS: dict[str, type] = {
    **dict.fromkeys(LISTS, list), **dict.fromkeys(WHOLE_NUMBERS, int), **dict.fromkeys(("datasets", "regions", "split"), dict),
    "price": str, "plan": str,
}  # fmt: skip
PLAN_FIELDS: dict[str, type] = {"triggers": list, "contacts": dict, "steps": list, "notify_hours": int, "drill_days": int}


@strict
class Grant:
    """A licence as a file: its links, the authority's first, the plan that it names, the chains under which its datasets are registered,
    and the revocation list that was current."""

    keyong: Literal["licence/v1"]
    chain: tuple[str, ...]
    plan: str
    assets: tuple[str, ...]
    revocations: str

    @classmethod
    def read(cls, raw: bytes) -> Grant:
        data = parse(raw.rstrip(b"\n"))
        if not isinstance(data, dict) or data.get("keyong") != VERSION:
            raise DecodeError("this is no licence file of a version that is understood here")
        return build(cls, data)

    def text(self) -> str:
        return canonical(plain(self)) + "\n"


class Folder:
    """An operator's licences beside its key: one file each, by the start of its id."""

    def __init__(self, identity: Path) -> None:
        self.path = identity.with_suffix(".licences")

    def keep(self, grant: Grant) -> Path:
        """Write *grant* down, over an older one of the same licence."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        file = self.path / f"lic-{notes.read(grant.chain[-1]).id[:12]}{SUFFIX}"
        file.write_text(grant.text())
        return file

    def grants(self) -> dict[str, Grant]:
        """What is kept, by the last link's id."""
        found = [Grant.read(file.read_bytes()) for file in sorted(self.path.glob(f"*{SUFFIX}"))]
        return {notes.read(grant.chain[-1]).id: grant for grant in found}

    def find(self, name: str) -> Grant:
        """The grant in a file, or the one in here whose id starts so."""
        if Path(name).is_file():
            return Grant.read(Path(name).read_bytes())
        start = name.removeprefix("lic-")
        found = [grant for held, grant in self.grants().items() if held.startswith(start)]
        if not found:
            raise UsageError(f"there is no file {name}, and no licence in {self.path} starts so; keyong operator licences fetches yours")
        if len(found) > 1:
            raise UsageError(f"{len(found)} licences in {self.path} start with {name}; give more digits of one")
        return found[0]


# --- what people write


def read_terms(text: str) -> dict[str, Any]:
    """Fields of `Rights` from the YAML file that people write: see docs/specs/licences.md."""
    data = read_yaml(text, "the terms")
    if not isinstance(data, dict):
        raise UsageError(f"a file of terms has: {', '.join(LAWS)}")
    known.check("term", data, list(LAWS))
    check_types(data, TERMS)
    return {name: _term(name, value) for name, value in data.items() if value is not None}


def _term(name: str, value: Any) -> Any:
    if name in LISTS:
        return tuple(sorted(set(map(str, value))))
    if name == "datasets":
        return {str(dataset): tuple(sorted(set(map(str, columns or ())))) for dataset, columns in value.items()}
    if name == "regions":
        return {str(region): str(basis or "") for region, basis in value.items()}
    if name in ("epsilon_job", "epsilon_year"):
        return millionths(name, value)
    return seconds(name, value) if name in ("not_before", "not_after") else value


def millionths(name: str, value: Any) -> int:
    """An epsilon, such as "1.0", in millionths; not more than was written."""
    try:
        return int(Decimal(str(value)) * 10**6)
    except (InvalidOperation, ValueError, OverflowError):
        raise UsageError(f"{name} must be a number such as 0.5") from None


def seconds(name: str, value: Any) -> int:
    """The start of a day, UTC: a date as YAML reads it, or text such as 2027-01-31."""
    try:
        day = value if isinstance(value, date) else date.fromisoformat(str(value))
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    except ValueError:
        raise UsageError(f"{name} must be a date such as 2027-01-31") from None


def rights(terms: Mapping[str, Any]) -> Rights:
    """Checked rights."""
    with by_hand():
        return build(Rights, {**plain(Rights()), **terms})


def read_plan(text: str, operator: SigningKey) -> notes.Note:
    """A contingency plan from the YAML file that people write, signed by the *operator* who will carry it out."""
    data = read_yaml(text, "the plan")
    if not isinstance(data, dict):
        raise UsageError(f"a plan has: {', '.join((*PLAN_FIELDS, 'drilled'))}")
    known.check("field", data, [*PLAN_FIELDS, "drilled"])
    if missing := [name for name in (*PLAN_FIELDS, "drilled") if data.get(name) is None]:
        raise UsageError(f"the plan lacks: {', '.join(missing)}")
    check_types(data, PLAN_FIELDS)
    fields = {**data, "triggers": tuple(sorted(set(map(str, data["triggers"])))), "steps": tuple(map(str, data["steps"])),
              "drilled": seconds("drilled", data["drilled"])}  # fmt: skip
    return plan_by(operator, **fields)


def plan_by(operator: SigningKey, **fields: Any) -> notes.Note:
    """A plan by *operator*; what is left out is usual, and the drill was now."""
    usual: dict[str, Any] = {
        "triggers": ("intrusion", "key-loss", "leak", "misuse", "order", "outage"),
        "contacts": {"authority": "duty desk of the authority", "operator": f"duty desk of {operator.name}"},
        "steps": ("suspend", "freeze", "notify", "rotate"), "notify_hours": 24, "drilled": int(time.time()) - 60, "drill_days": 180,
    }  # fmt: skip
    with by_hand():
        made = build(Contingency, {**usual, **fields, "operator": str(operator.public)})
    return notes.write(made).signed_by(operator)


# --- narrowing


def narrow(grant: Grant, trust: Trust, keys: tuple[SigningKey, ...], *, allow: Rights, to: tuple[str, ...] = (),
           threshold: int = 1) -> Grant:  # fmt: skip
    """The chain with one more link: *allow* to the delegates *to*, signed by *keys*, which the last link must name."""
    above = licences.read(grant.chain, trust)
    last = above.rights.not_after
    if last is not None and (allow.not_after or 0) > last:
        raise UsageError(f"the licence itself is valid until {licences.day(last)}: give fewer --days, or an earlier not_after in --terms")
    if wider := [n for n in LAWS if getattr(meet(above.rights, allow), n) != getattr(allow, n) is not None]:
        raise UsageError(f"a link can only narrow; the licence does not allow so much of: {', '.join(wider)}")
    with by_hand():
        delegates = tuple(str(read_key(key)) for key in to) or above.links[-1].delegates
        enough = threshold if to else above.links[-1].threshold
        made = build(Licence, {"parent": above.id, "delegates": delegates, "threshold": enough, "allow": plain(allow)})
    signers = [key for key in keys if str(key.public) in above.links[-1].delegates]
    if len(signers) < above.links[-1].threshold:
        raise UsageError(f"{above.links[-1].threshold} of the delegates' keys must sign, {len(signers)} are here")
    chain = (*grant.chain, str(notes.write(made).signed_by(*signers)))
    licences.read(chain, trust)
    return Grant(VERSION, chain, grant.plan, assets(grant.assets, above.rights), grant.revocations)


def in_force(grant: Grant, trust: Trust, *, now: int) -> Granted:
    """The licence in a file, judged offline as coordinator and nodes do: in force, and all that it names registered."""
    granted = licences.in_force(grant.chain, trust, plan=grant.plan, revocations=grant.revocations or None, now=now)
    revoked = notes.read(grant.revocations).document(Revocations).revoked
    for name in granted.rights.datasets or ():
        asset = registration.standing(registration.of(grant.assets, name), name, trust, revoked=revoked)
        registration.check_price(asset, granted.rights.price)
    return granted


def assets(texts: Iterable[str], rights: Rights) -> tuple[str, ...]:
    """Those of the chains *texts* under which the datasets that *rights* name are registered, or were."""
    texts = tuple(texts)
    return tuple(text for name in rights.datasets or () if (text := registration.of(texts, name)))
