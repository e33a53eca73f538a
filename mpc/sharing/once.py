"""Random material that is used once: used twice, it would show what it hides."""

from __future__ import annotations

import threading
from typing import Generic, NoReturn, TypeVar

from governance.errors import UsageError

T = TypeVar("T")


class Once(Generic[T]):
    """Holds a value until it is taken."""

    __slots__ = ("_held", "_lock")

    def __init__(self, value: T) -> None:
        self._held: tuple[T] | None = (value,)
        self._lock = threading.Lock()

    def take(self, what: str) -> T:
        """The value, which is then forgotten here."""
        with self._lock:
            held, self._held = self._held, None
        if held is None:
            raise UsageError(f"{what} is spent: each serves one use")
        return held[0]

    def __reduce__(self) -> NoReturn:
        raise UsageError("what serves once is neither copied nor pickled")
