"""A licence as an ODRL 2.2 agreement: what may be computed, within which limits; and that rows may not be taken out.

A view only: what binds is the licence's note, and a policy that comes back in this form is not read.  Source: ODRL Information Model 2.2.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from governance.keys import Trust, read_key
from governance.licences import Licence

CONTEXT = ["http://www.w3.org/ns/odrl.jsonld", {"keyong": "urn:keyong:"}]


def as_odrl(licence: Licence, identity: str, trust: Trust) -> dict[str, Any]:
    """The licence whose note's id is *identity*, granted by the authority with the keys of *trust*."""
    target = f"urn:keyong:dataset:{licence.dataset}"
    between = [_limit("dateTime", "gteq", _time(licence.not_before)), _limit("dateTime", "lteq", _time(licence.not_after))]
    return {
        "@context": CONTEXT,
        "@type": "Agreement",
        "uid": f"urn:keyong:licence:{identity}",
        "profile": "urn:keyong:odrl:1",
        "assigner": f"urn:keyong:party:{trust.keys[0].name}",
        "assignee": f"urn:keyong:party:{read_key(licence.operator).name}",
        "permission": [
            {
                "target": target,
                "action": "aggregate",
                "constraint": [
                    *between,
                    _limit("purpose", "isAnyOf", list(licence.purposes)),
                    _limit("count", "lteq", _number(licence.use_count)),
                    _limit("keyong:method", "isAnyOf", list(licence.methods)),
                    _limit("keyong:column", "isAnyOf", list(licence.columns)),
                    _limit("keyong:minCell", "eq", _number(licence.min_cell)),
                ],
            }
        ],
        "prohibition": [{"target": target, "action": action} for action in ("extract", "reproduce", "distribute")],
    }


def _limit(left: str, operator: str, right: object) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def _number(value: int) -> dict[str, str]:
    return {"@value": str(value), "@type": "http://www.w3.org/2001/XMLSchema#integer"}


def _time(seconds: int) -> dict[str, str]:
    return {"@value": datetime.fromtimestamp(seconds, UTC).isoformat(), "@type": "http://www.w3.org/2001/XMLSchema#dateTime"}
