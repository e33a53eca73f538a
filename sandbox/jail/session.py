"""One jail as the node sees it: a question, an answer of a declared length, or its end."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import BinaryIO, Self

from governance.errors import IntegrityError, Unavailable, UsageError
from sandbox.jail import frames

LOG_BYTES = 65_536
_START_S = 30.0
_DEATH_MS = 10_000


class Session:
    """A jail that lives for one job and answers many rounds; made by `Zygote.open`.

    Use it from one thread at a time. It is a context manager; leaving it kills the jail.
    """

    def __init__(self, channel: socket.socket, process: int, *, log: tuple[int, BinaryIO] | None, ended: Callable[[], None]) -> None:
        self._channel = channel
        self._process = process
        self._log = log
        self._ended = ended
        self._open = True

    def begin(self, spec: bytes) -> None:
        """Wait until the jail is sealed, then hand it *spec*; `Zygote.open` does this."""
        deadline = time.monotonic() + _START_S
        try:
            report = frames.body(self._channel, min(frames.length(self._channel, deadline), LOG_BYTES), deadline)
        except OSError:
            report = b"machine:it ended before it was sealed"
        if report:
            self.close()
            who, _, text = report.decode(errors="replace").partition(":")
            raise UsageError(f"the program cannot be loaded: {text}") if who == "program" else Unavailable(f"no jail: {text}")
        with self._alarm():
            frames.send(self._channel, spec, deadline)

    def ask(self, request: bytes, *, expect: int, wall: float) -> bytes:
        """Send *request* and return the answer.

        Parameters
        ----------
        expect
            Length of the answer, in bytes; a declared float64 takes 8.
        wall
            Most time for this round, in seconds.

        Raises
        ------
        IntegrityError
            ``jail.time``, ``jail.died`` or ``jail.output``, after the jail was killed. It carries no text, exit code or signal of the
            jail, since those can tell rows. Which of the three it was can tell one, too: it belongs in the node's own log.
        """
        if not self._open:
            raise UsageError("this jail was closed")
        deadline = time.monotonic() + wall
        with self._alarm():
            if not frames.is_quiet(self._channel):
                raise _OutputError
            frames.send(self._channel, request, deadline)
            if frames.length(self._channel, deadline) != expect:
                raise _OutputError
            return frames.body(self._channel, expect, deadline)

    @contextmanager
    def _alarm(self) -> Iterator[None]:
        """Kill the jail on whatever goes wrong, and say no more than which rule it broke."""
        try:
            yield
        except TimeoutError:
            code = "jail.time"
        except OSError:
            code = "jail.died"
        except _OutputError:
            code = "jail.output"
        except BaseException:
            self.close()
            raise
        else:
            return
        self.close()
        raise IntegrityError(code=code) from None

    def close(self) -> None:
        """Kill the jail, wait for its end, and keep what it wrote to the log."""
        if not self._open:
            return
        self._open = False
        self._channel.close()
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        self._await_end()
        os.close(self._process)
        self._keep_log()
        self._ended()

    def _await_end(self) -> None:
        poller = select.poll()
        poller.register(self._process, select.POLLIN)
        if not poller.poll(_DEATH_MS):
            raise IntegrityError("a killed jail is still there; end the node and look at the machine", code="jail.died")

    def _keep_log(self) -> None:
        if self._log is None:
            return
        pipe, file = self._log
        with os.fdopen(pipe, "rb", buffering=0) as reading:
            file.write(reading.read(LOG_BYTES) or b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _OutputError(Exception):
    """The jail sent something else than the declared answer."""
