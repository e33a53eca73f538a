"""A job: what an operator asks, signed; and the YAML file that people write."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from governance import known
from governance.catalogue import Label, Region, Slug
from governance.encoding import wire
from governance.errors import UsageError
from governance.handwritten import check_types, read_yaml
from governance.parties import Seconds
from governance.rights import LEAST_CELL, Digest

Parameter = str | int | bool | tuple[str, ...] | None
Protection = Literal["secagg", "threshold"]
PROTECTIONS: tuple[Protection, ...] = get_args(Protection)
RULE: Literal["exact"] = "exact"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = 7 * 86400
TEXTS = dict.fromkeys(("title", "purpose", "licence", "dataset", "where", "analysis", "protect", "region"), str)
FILE_FIELDS: dict[str, type] = {"keyong": int, **TEXTS, "with": dict, "release": dict}
FIELDS = sorted({*FILE_FIELDS, "deadline"})
RELEASE_FIELDS: dict[str, type] = {"rule": str, "min_cell": int}


@wire("keyong/job/v1")
class Job:
    """A signed job. Its id, the hash of its text, covers all that the holders agree on before the first round.

    *region* is where the result goes: the operator's signed word.
    """

    title: Label
    operator: str
    coordinator: str
    purpose: Slug
    licence: Digest
    dataset: Slug
    catalogue: Digest
    where: Annotated[str, Field(max_length=1000)]
    analysis: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    version: Annotated[int, Field(ge=1)]
    parameters: dict[str, Parameter]
    protect: Protection
    rule: Literal["exact"]
    min_cell: Annotated[int, Field(ge=LEAST_CELL, le=10**6)]
    created: Seconds
    deadline: Seconds
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    region: Region

    @property
    def method(self) -> str:
        return f"{self.analysis}@{self.version}"


def nonce() -> str:
    """Makes two otherwise equal jobs different."""
    return secrets.token_hex(16)


def read_file(text: str) -> dict[str, Any]:
    """The fields of a job file (DESIGN, "A job"); unknown or missing fields raise `UsageError`."""
    data = read_yaml(text, "the job file")
    if not isinstance(data, dict) or data.get("keyong") != 1:
        raise UsageError("a job file starts with keyong: 1")
    if misplaced := sorted(data.keys() & RELEASE_FIELDS.keys(), key=str):
        raise UsageError(f"{misplaced[0]} is a part of release; write release: {{{misplaced[0]}: …}}")
    known.check("field", data, FIELDS)
    if missing := [name for name in ("analysis", "dataset", "licence", "purpose") if data.get(name) is None]:
        raise UsageError(f"the job file lacks: {', '.join(missing)}")
    check(data)
    return data


def check(spec: Mapping[str, Any]) -> None:
    """Refuse fields of other types than a job has, or in other places; how long a deadline is, `seconds` reads."""
    check_types(spec, FILE_FIELDS)
    release = spec.get("release") or {}
    if misplaced := [name for name in release if name in FIELDS]:
        name = misplaced[0]
        raise UsageError(f"{name} is no part of release, it stands beside it: {name}: … in a job file, {name}=… in a call")
    check_types(release, RELEASE_FIELDS, of="release")
    if (release.get("rule") or RULE) != RULE or not release.keys() <= RELEASE_FIELDS.keys():
        raise UsageError("this version releases under the rule exact, with a min_cell")
    known.check("protection", [spec.get("protect") or PROTECTIONS[0]], PROTECTIONS)


def least_cell(spec: Mapping[str, Any], granted: int) -> int:
    """The fewest persons in a cell that *spec* asks for; *granted* where it names none."""
    asked: int | None = (spec.get("release") or {}).get("min_cell")
    return granted if asked is None else asked


def parameters(given: Mapping[str, Any]) -> dict[str, Parameter]:
    """Parameters in signed form: integers and strings as they are, other numbers as decimal strings, lists as tuples."""
    return {name: _parameter(name, value) for name, value in given.items()}


def _parameter(name: str, value: Any) -> Parameter:
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if isinstance(value, float):
        return repr(value)
    if value is None or isinstance(value, (str, int, bool)):
        return value
    raise UsageError(f"parameter {name} must be a number, a text, or a list of texts")


def seconds(text: str) -> int:
    """Read a duration: "90s", "10m", "2h", "1d"."""
    raw = str(text).strip()
    unit, digits = UNITS.get(raw[-1:], 0), raw[:-1]
    if not digits.isdecimal() or len(digits) > len(str(LONGEST)) or not 1 <= int(digits) * unit <= LONGEST:
        raise UsageError(f"a deadline reads 90s, 10m, 2h or 7d at most, got {raw!r}")
    return int(digits) * unit
