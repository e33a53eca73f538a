"""Programs that answer something else than they declared, or nothing; and one that does what a method does."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

LIBC = ctypes.CDLL(None, use_errno=True)
MIB = 1 << 20


def call(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Make the system call whose number *spec* is, with arguments that cannot work; answer where it returns."""

    def answer(request: bytes) -> bytes:
        LIBC.syscall(ctypes.c_long(int(spec)), *[ctypes.c_long(-1)] * 6)
        return b"\0"

    return answer


def misbehave(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Do what *spec* says instead of answering."""

    def flood() -> None:
        while True:
            os.write(3, bytes(MIB))

    def deafen() -> None:
        for number in range(1, 65):
            with suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_IGN)
        while True:
            pass

    def fail() -> None:
        raise ValueError(f"the first row is {table['x'][0]}")

    acts: dict[str, Callable[[], Any]] = {
        "spin": lambda: [None for _ in iter(int, 1)],
        "sleep": lambda: time.sleep(600),
        "deafen": deafen,
        "flood": flood,
        "short": lambda: os.write(3, struct.pack("<Q", 7) + bytes(7)),
        "long": lambda: os.write(3, struct.pack("<Q", 9) + bytes(9)),
        "huge": lambda: os.write(3, struct.pack("<Q", 1 << 62)),
        "cut": lambda: (os.write(3, struct.pack("<Q", 8) + bytes(3)), os._exit(0)),
        "nothing": lambda: os.close(3),
        "object": lambda: {"row": 1},
        "raise": fail,
        "exit": lambda: os._exit(37),
        "abort": os.abort,
        "segfault": lambda: ctypes.string_at(8),
        "recurse": _recurse,
        "x32": lambda: LIBC.syscall(ctypes.c_long(0x40000000 + 39)),
    }
    return lambda request: acts[spec.decode()]() or bytes(8)


def _recurse() -> None:
    sys.setrecursionlimit(10**9)
    _recurse()


def talk_twice(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Answer as declared, and once more without being asked."""

    def answer(request: bytes) -> bytes:
        os.write(3, struct.pack("<Q", 8) + bytes(8))
        return bytes(8)

    return answer


def wait_to_read(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Never take a request."""
    time.sleep(600)
    raise AssertionError


def noisy(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Write far more than a log holds, then answer."""

    def answer(request: bytes) -> bytes:
        for _ in range(64):
            with suppress(BlockingIOError):
                os.write(2, b"log " * 4096)
        print("printed")
        return bytes(8)

    return answer


def remember(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Answer how many traces an earlier session has left, and leave some."""
    trace_file = Path("/tmp/trace")

    def answer(request: bytes) -> bytes:
        found = int(hasattr(np, "trace_left")) + int(trace_file.exists()) + int("TRACE" in os.environ)
        np.trace_left = True
        os.environ["TRACE"] = "1"
        with suppress(OSError):  # tier B has no place to write
            trace_file.write_text("x")
        return struct.pack("<d", found)

    return answer


def dice(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Answer a draw from numpy's global generator."""
    return lambda request: struct.pack("<d", np.random.random())


def late(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Import, once sealed, what nobody has imported before."""

    def answer(request: bytes) -> bytes:
        import colorsys

        import numpy.polynomial

        assert colorsys and numpy.polynomial

        return bytes(8)

    return answer


def honest(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Least squares of y on x, batch by batch, and the sizes of request and spec: what a method does."""

    def answer(request: bytes) -> bytes:
        gram, moment = np.zeros((2, 2)), np.zeros(2)
        for batch in table.to_batches():
            x = np.column_stack([np.ones(batch.num_rows), batch["x"].to_numpy()])
            gram, moment = gram + x.T @ x, moment + x.T @ batch["y"].to_numpy()
        groups = table.group_by("group").aggregate([("y", "sum")]).num_rows
        return np.array([*np.linalg.solve(gram, moment), groups, len(request), len(spec)]).astype("<f8").tobytes()

    return answer
