"""The methods, by name and version. One file each; parameters have the names that scikit-learn, pandas and statsmodels use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from governance.errors import UsageError
from sandbox.analyses.contract import COHORT, Analysis, Finding, State, Statistic
from sandbox.analyses.crosstab import Crosstab
from sandbox.analyses.describe import Describe
from sandbox.analyses.logistic_regression import LogisticRegression

__all__ = [
    "COHORT",
    "METHODS",
    "Analysis",
    "Crosstab",
    "Describe",
    "Finding",
    "LogisticRegression",
    "State",
    "Statistic",
    "make",
    "parameters_of",
]

METHODS: dict[str, type[Analysis]] = {method.name: method for method in (Describe, Crosstab, LogisticRegression)}


def make(name: str, version: int, parameters: Mapping[str, Any]) -> Analysis:
    """The method *name* with *parameters*.

    Raises
    ------
    UsageError
        With code ``job.parameter``: no such method or version, an unknown or missing parameter, or a wrong value.
    """
    method = METHODS.get(name)
    if method is None or method.version != version:
        known = ", ".join(f"{m.name}@{m.version}" for m in METHODS.values())
        raise UsageError(code="job.parameter", detail=f"there is no method {name}@{version}; there are {known}")
    try:
        return method(**parameters)
    except TypeError:
        names = ", ".join(f.name for f in dataclasses.fields(method))  # type: ignore[arg-type]
        raise UsageError(code="job.parameter", detail=f"{name} takes {names}") from None
    except UsageError as error:
        raise UsageError(code="job.parameter", detail=str(error)) from None


def parameters_of(analysis: Analysis) -> dict[str, Any]:
    """The parameters that differ from their defaults, by name."""
    fields = dataclasses.fields(analysis)  # type: ignore[arg-type]
    values = {f.name: getattr(analysis, f.name) for f in fields}
    return {f.name: values[f.name] for f in fields if f.default is dataclasses.MISSING or values[f.name] != f.default}
