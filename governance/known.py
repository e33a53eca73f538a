"""Names that people write by hand are among those that are registered, or they are told which one they may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from governance.errors import UsageError


def check(what: str, given: Iterable[object], known: Iterable[str]) -> None:
    """Raise `UsageError` with the first of *given* that is not one of *known*: ``there is no column aeg, did you mean age? …``"""
    there = list(known)
    for name in map(str, given):
        if name not in there:
            names = ", ".join(there) or "none"
            if near := difflib.get_close_matches(name, there, n=1):
                raise UsageError(f"there is no {what} {name}, did you mean {near[0]}? there are: {names}")
            raise UsageError(f"there is no {what} {name}; there are: {names}")
