"""What a driver says when it fails may quote a patient's values: its words end here, and ours go on.

The new error is raised after the driver's is gone, so that neither its text nor its traceback hangs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import pyarrow as pa

from governance.errors import DecodeError, KeyongError, Unavailable, UsageError

T = TypeVar("T")
Blame = Callable[[BaseException], KeyongError]
ARROW = (pa.ArrowException, OSError, UnicodeError)


def quietly(read: Callable[[], T], blame: Blame, *, faults: tuple[type[BaseException], ...] = ARROW) -> T:
    """Return ``read()``; one of *faults* in it becomes the error that *blame* makes of it."""
    try:
        return read()
    except faults as fault:
        error = blame(fault)
    raise error


def each(batches: Iterator[T], blame: Blame, *, faults: tuple[type[BaseException], ...] = ARROW) -> Generator[T, None, None]:
    """Pass *batches* on, with `quietly` around each step."""
    while (batch := quietly(lambda: next(batches, None), blame, faults=faults)) is not None:
        yield batch


def file_blame(name: object, expected: str) -> Blame:
    """Whose turn it is after a file could not be read: by the class of the fault alone.

    Parameters
    ----------
    name
        The file.
    expected
        What the file should have been, as in "an Arrow file".
    """

    def blame(fault: BaseException) -> KeyongError:
        if isinstance(fault, FileNotFoundError):
            return UsageError(f"there is no file {name}")
        if isinstance(fault, PermissionError):
            return UsageError(f"this account may not read {name}; give it read access")
        if isinstance(fault, IsADirectoryError | NotADirectoryError):
            return UsageError(f"{name} is not a file")
        if isinstance(fault, MemoryError):
            return Unavailable(f"there is too little memory to read {name}")
        if isinstance(fault, OSError) and fault.errno:
            return Unavailable(f"{name} could not be read, system error {fault.errno}")
        return DecodeError(f"{name} is not {expected}")

    return blame
