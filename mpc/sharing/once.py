"""Random material that is used once: used twice, it would show what it hides."""

from __future__ import annotations

from typing import Generic, TypeVar

from governance.errors import UsageError

T = TypeVar("T")


class Once(Generic[T]):
    """Holds a value until it is taken."""

    __slots__ = ("_held",)

    def __init__(self, value: T) -> None:
        self._held: tuple[T] | None = (value,)

    def take(self, what: str) -> T:
        """The value, which is then forgotten here."""
        if self._held is None:
            raise UsageError(f"{what} is spent: each serves one use")
        (value,), self._held = self._held, None
        return value
