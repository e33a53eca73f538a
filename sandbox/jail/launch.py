"""Start a zygote and have it fork jails."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import sandbox
from governance.errors import Unavailable, UsageError
from sandbox.jail import kernel
from sandbox.jail.limits import MESSAGE, Limits
from sandbox.jail.session import Session

TIERS = ("A", "B")
DEFAULT = Limits()
SLOTS = range(64_000, 65_000)  # user numbers for jails of a node that runs as root
_START_S, _END_S = 60.0, 10.0
_BOOT = (
    "import json, sys; start = json.loads(sys.argv[1]); "
    "sys.path += [path for path in (start['folder'], *start['folders']) if path not in sys.path]; "
    "from sandbox.jail import zygote; zygote.main(zygote.Start(**start))"
)
# One thread before the first fork, no huge arenas, and nothing from the node's own environment.
_ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "HOME": "/tmp",  # noqa: S108
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "MPLCONFIGDIR": "/tmp",  # noqa: S108
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_SKIP_CPU_CHECK": "1",
    "TMPDIR": "/tmp",  # noqa: S108
}


def launch(tier: str, preload: Sequence[str], folders: Sequence[Path]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a zygote and wait until it has built, and thrown away, its first jail; return its process and its socket."""
    if sys.platform != "linux":
        raise Unavailable(f"the jail needs Linux, this is {sys.platform}")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    node = os.pidfd_open(os.getpid())
    start = {
        "tier": tier,
        "control": theirs.fileno(),
        "supervisor": node,
        "folder": str(_folder()),
        "folders": [str(Path(folder).resolve()) for folder in folders],
        "preload": list(preload),
        "uid": 0 if os.geteuid() else secrets.choice(SLOTS),
        "bound": threading.current_thread() is threading.main_thread(),
    }
    try:
        process = _spawn(start)
    finally:
        theirs.close()
        os.close(node)
    ours.settimeout(_START_S)
    error = _first_word(ours)
    if error is not None:
        ours.close()
        process.kill()
        process.wait()
        raise Unavailable(f"tier {tier}: {error}", tier=tier)
    return process, ours


def _folder() -> Path:
    """Where our packages lie: a checkout, or a site-packages."""
    return Path(sandbox.__path__[0]).resolve().parent


def _spawn(start: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", _BOOT, json.dumps(start)],
        env=_ENVIRONMENT,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(start["control"], start["supervisor"]),
        start_new_session=True,
    )


def _first_word(control: socket.socket) -> str | None:
    """What keeps the zygote from working; None where nothing does."""
    try:
        message = control.recv(MESSAGE)
    except OSError:
        message = b""
    if not message:
        return "the zygote did not start"
    error: str | None = json.loads(message)["error"]
    return error


def _overflowing_pipe() -> tuple[int, int]:
    """A pipe that drops what does not fit, 64 KiB, instead of stopping the writer."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    return reading, writing


class Zygote:
    """A process that forks one jail per job.

    Parameters
    ----------
    preload
        Modules that every program needs; they are imported once. pandas cannot be imported unless it is among them.
    tier
        ``"A"`` or ``"B"``; the best that works here where it is left out.
    folders
        Further folders with programs, beside our own packages; a jail can read them whole.

    Raises
    ------
    Unavailable
        This machine offers no tier, or not the one asked for; the text says what is missing.

    Notes
    -----
    Fork copies the zygote's address layout, so programs of operators who do not trust one another get a zygote each.
    It is a context manager; leaving it ends every jail. `open` may be called from several threads.
    """

    def __init__(self, preload: Sequence[str], tier: str | None = None, *, folders: Sequence[Path] = ()) -> None:
        if tier not in (None, *TIERS):
            raise UsageError(f"there are the tiers {' and '.join(TIERS)}, not {tier}")
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._start([tier] if tier else list(TIERS), preload, folders)

    def _start(self, tiers: list[str], preload: Sequence[str], folders: Sequence[Path]) -> None:
        reasons = []
        for tier in tiers:
            try:
                self._process, self._control = launch(tier, preload, folders)
            except Unavailable as error:
                reasons.append(str(error))
            else:
                self.tier = tier
                return
        raise Unavailable("; ".join(reasons))

    def open(self, program: str, spec: bytes, data: int, *, limits: Limits = DEFAULT, log: BinaryIO | None = None) -> Session:
        """Fork a jail for one job.

        Parameters
        ----------
        program
            ``module:factory`` in an importable module. In the jail, ``factory(spec, table)`` makes the function that answers requests.
        spec
            What the factory is told, opaque to us.
        data
            Descriptor of a table made by `seal`; it stays the caller's.
        log
            Where to keep the first 64 KiB that the program writes to standard error. It can hold rows: it is for the node alone.

        Raises
        ------
        UsageError
            *data* is not sealed, or there is no such program.
        Unavailable
            The machine could not make the jail.
        """
        if not re.fullmatch(r"[\w.]+:\w+", program):
            raise UsageError(f"a program is named module:factory, not {program}")
        if not kernel.is_sealed(data):
            raise UsageError("the data are not in sealed memory; make them with seal()")
        session = self._fork(program, data, limits=limits, log=log)
        session.begin(spec)
        return session

    def _fork(self, program: str, data: int, *, limits: Limits, log: BinaryIO | None) -> Session:
        ours, theirs = socket.socketpair()
        reading, writing = _overflowing_pipe() if log else (-1, -1)
        uid = self._slot()
        order = json.dumps({"program": program, "uid": uid, "limits": asdict(limits)}).encode()
        try:
            process = self._exchange(order, [theirs.fileno(), data, *([writing] if log else [])])
        except Unavailable:
            ours.close()
            if log:
                os.close(reading)
            raise
        finally:
            theirs.close()
            if log:
                os.close(writing)
        return Session(ours, process, log=(reading, log) if log else None, ended=lambda: self._taken.discard(uid))

    def _slot(self) -> int:
        """A user number that no other jail of ours has; 0, nobody else's, where we are not root."""
        if os.geteuid():
            return 0
        with self._lock:
            free = [uid for uid in SLOTS if uid not in self._taken]
            if not free:
                raise Unavailable(f"there are {len(SLOTS)} jails already")
            uid = secrets.choice(free)
            self._taken.add(uid)
        return uid

    def _exchange(self, order: bytes, descriptors: list[int]) -> int:
        """Send an order; return the descriptor of the jail's process. Whatever fails ends the zygote: its answers would come late."""
        with self._lock:
            try:
                socket.send_fds(self._control, [order], descriptors)
                _, processes, _, _ = socket.recv_fds(self._control, MESSAGE, 1)
            except OSError:
                processes = []
            if not processes:
                self._control.close()
                raise Unavailable("the zygote has ended; start another")
        return processes[0]

    def close(self) -> None:
        """End the zygote and every jail it has forked."""
        self._control.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
