"""A licence as an ODRL 2.2 agreement: what may be computed, within which limits; and that rows may not be taken out.

A view only: what binds is the licence's note, and a policy that comes back in this form is not read.  Source: ODRL Information Model 2.2.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from governance.keys import Trust, read_key
from governance.licences import Granted

CONTEXT = ["http://www.w3.org/ns/odrl.jsonld", {"keyong": "urn:keyong:"}]
FORBIDDEN = ("extract", "reproduce", "distribute")


def as_odrl(granted: Granted, trust: Trust) -> dict[str, Any]:
    """What all links of a licence allow together, granted by the authority with the keys of *trust* to the last link's delegates."""
    allow, last = granted.rights, granted.links[-1]
    datasets = allow.datasets or {}
    between, among = (
        (("gteq", allow.not_before), ("lteq", allow.not_after)),
        (("purpose", allow.purposes), ("keyong:method", allow.methods)),
    )
    limits = [
        *(_limit("dateTime", operator, _time(at)) for operator, at in between if at is not None),
        *(_limit(left, "isAnyOf", list(of)) for left, of in among if of is not None),
        _limit("count", "lteq", _number(granted.limits[-1])),
        *([] if allow.min_cell is None else [_limit("keyong:minCell", "eq", _number(allow.min_cell))]),
    ]
    return {
        "@context": CONTEXT,
        "@type": "Agreement",
        "uid": f"urn:keyong:licence:{granted.id}",
        "profile": "urn:keyong:odrl:1",
        "assigner": f"urn:keyong:party:{trust.keys[0].name}",
        "assignee": [f"urn:keyong:party:{read_key(key).name}" for key in last.delegates],
        "permission": [
            {"target": _target(name), "action": "aggregate", "constraint": [*limits, _limit("keyong:column", "isAnyOf", list(columns))]}
            for name, columns in datasets.items()
        ],
        "prohibition": [{"target": _target(name), "action": action} for name in datasets for action in FORBIDDEN],
    }


def _target(dataset: str) -> str:
    return f"urn:keyong:dataset:{dataset}"


def _limit(left: str, operator: str, right: object) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def _number(value: int) -> dict[str, str]:
    return {"@value": str(value), "@type": "http://www.w3.org/2001/XMLSchema#integer"}


def _time(seconds: int) -> dict[str, str]:
    return {"@value": datetime.fromtimestamp(seconds, UTC).isoformat(), "@type": "http://www.w3.org/2001/XMLSchema#dateTime"}
