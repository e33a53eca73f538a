"""Many data holders together: coordinator, node, client, simulation and command line.

    import federated as fed
    hub = fed.connect(identity="operator.key")
    result = hub.run(fed.Describe(columns=["age", "chol"]), dataset="heart-disease")

Names are loaded when they are first used, so that a node does not pay for a notebook's needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from federated.client import Hub, Released, connect
    from federated.results import Result
    from federated.simulation import Simulated, simulate
    from sandbox.analyses import Crosstab, Describe, LogisticRegression

__all__ = ["Crosstab", "Describe", "Hub", "LogisticRegression", "Released", "Result", "Simulated", "connect", "simulate"]
_HOMES = {
    "connect": "federated.client", "Hub": "federated.client", "Released": "federated.client", "Result": "federated.results",
    "Simulated": "federated.simulation", "simulate": "federated.simulation", "Crosstab": "sandbox.analyses", "Describe": "sandbox.analyses",
    "LogisticRegression": "sandbox.analyses",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'federated' has no attribute {name!r}")

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
