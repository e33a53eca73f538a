"""One process for one folder: two that serve it would spend, sign and answer twice."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governance.errors import UsageError

LOCK = ".serving"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold *folder* until the body ends; the kernel lets go of it when the process ends, by kill -9 too."""
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another process serves {folder.resolve()} already; stop that one first") from None
        yield
