"""Ctrl-C ends a command quietly, wherever it strikes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STATUS = 130


@contextmanager
def at_once() -> Iterator[None]:
    """Ctrl-C ends the process on the spot: while modules are imported there is nothing to be put in order."""
    with _handler(signal.SIG_DFL):
        yield


@contextmanager
def in_order() -> Iterator[None]:
    """Ctrl-C unwinds what is open, and then ends the process, also where a library made another error of it."""
    struck = False

    def strike(_number: int, _frame: Any) -> None:
        nonlocal struck
        struck = True
        raise KeyboardInterrupt

    with _handler(strike):
        try:
            yield
        except BaseException as error:
            if struck and not isinstance(error, SystemExit):
                raise SystemExit(STATUS) from None
            raise


@contextmanager
def _handler(handler: Any) -> Iterator[None]:
    """*handler* in place of Python's own; where Ctrl-C is ignored, as in a shell's background, or handled by others, it stays so."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        if ours and signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)
