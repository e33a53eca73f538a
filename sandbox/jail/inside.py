"""The forked child: it gives up, one after the other, everything a program does not need, then serves the program.  It never returns."""

from __future__ import annotations

import fcntl
import importlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from sandbox.jail import kernel, landlock, memory, namespaces, seccomp
from sandbox.jail.frames import HEADER
from sandbox.jail.limits import Limits

Answer = Callable[[bytes], bytes]
_CHANNEL, _DATA, _PROC = 3, 4, 5
_READ_AT_ONCE = 1 << 20
_OVERHEAD_MB = 256  # address space for libraries that are loaded late, and for what malloc reserves without using
_UNCOUNTED_THREADS = 4096  # where the kernel counts all threads of the node's user together


@dataclass(frozen=True, slots=True)
class Place:
    """What all jails of one zygote share."""

    tier: str
    readable: tuple[str, ...]
    proc: int  # an open /proc, which the root does not hold
    zygote: int  # its process number


@dataclass(frozen=True, slots=True)
class Order:
    """One jail, as the supervisor asks for it."""

    program: str
    uid: int  # whom to become where the node runs as root; 0: stay who we are
    limits: Limits


def live(place: Place, order: Order, descriptors: list[int]) -> None:
    """Build the jail and serve *order*'s program until the supervisor hangs up; without a program, a rehearsal, only build it.

    Parameters
    ----------
    descriptors
        The channel, the sealed table, and where the node keeps a log, the log.

    Notes
    -----
    Until the jail is sealed no row has been touched, so what went wrong is told; afterwards nothing is.
    """
    channel, data, *log = descriptors
    _keep_only((channel, data, place.proc), log[0] if log else None)
    try:
        factory = _load(order.program)
        _seal(place, order)
    except _ProgramError as error:
        _send(f"program:{error}".encode())
    except OSError as error:
        _send(f"machine:{error}".encode())
    else:
        _send(b"")
        if factory is not None:
            _serve(factory)


class _ProgramError(Exception):
    """The program named in the order cannot be loaded."""


def _load(program: str) -> Callable[..., Answer] | None:
    if not program:
        return None
    module, _, name = program.partition(":")
    try:
        factory: Callable[..., Answer] = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise _ProgramError(f"{type(error).__name__}: {error}") from error
    return factory


def _keep_only(descriptors: tuple[int, ...], log: int | None) -> None:
    """Number *descriptors* from 3 on, silence 0 and 1, log 2, and close all others."""
    null = os.open("/dev/null", os.O_RDWR)
    wanted = (null, null, null if log is None else log, *descriptors)
    for target, source in enumerate([fcntl.fcntl(descriptor, fcntl.F_DUPFD, 32) for descriptor in wanted]):
        os.dup2(source, target)
    kernel.close_from(len(wanted))


def _seal(place: Place, order: Order) -> None:
    """From here on nothing is given back.  The order matters: each step needs what the later ones take away."""
    os.setsid()
    isolated = place.tier == "A"
    if isolated:
        namespaces.separate(order.uid, order.limits.tmp_mb, place.readable)
    rules = landlock.ruleset([*place.readable, "/dev/urandom"], ["/dev/null", *(["/tmp"] if isolated else [])])  # noqa: S108
    _become(order.uid)
    namespaces.write(_PROC, "oom_score_adj", "1000")
    _limit(order, counted=isolated or order.uid != 0)
    if isolated:
        namespaces.become_nobody(_PROC)
    os.close(_PROC)
    os.umask(0o077)
    _die_with(place.zygote)
    kernel.drop_capabilities()
    kernel.prctl(kernel.SET_DUMPABLE, 0)
    kernel.prctl(kernel.SET_NO_NEW_PRIVS, 1)
    _calm_speculation()
    landlock.enforce(rules)
    seccomp.load(seccomp.program(os.getpid()))


def _die_with(zygote: int) -> None:
    """Be killed when the zygote ends; only now, since a change of user undoes it.

    In tier A the zygote is not in sight (0), and the end of its process namespace ends us anyhow.
    """
    kernel.prctl(kernel.SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() not in (zygote, 0):
        os._exit(1)


def _become(uid: int) -> None:
    if not uid:
        return
    kernel.drop_bounding_set()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.prctl(kernel.SET_DUMPABLE, 1)  # else our own files in /proc, such as uid_map, belong to root


def _address_space() -> int:
    """Bytes of address space in use."""
    file = os.open("self/statm", os.O_RDONLY, dir_fd=_PROC)
    pages = int(os.read(file, 256).split()[0])
    os.close(file)
    return pages * resource.getpagesize()


def _limit(order: Order, *, counted: bool) -> None:
    """Set the resource limits; threads of this user are *counted* apart from the node's own."""
    limits, mib = order.limits, 1 << 20
    data = os.fstat(_DATA).st_size
    ceilings = {
        resource.RLIMIT_AS: _address_space() + data + (limits.memory_mb + _OVERHEAD_MB) * mib,
        resource.RLIMIT_DATA: limits.memory_mb * mib,
        resource.RLIMIT_STACK: 8 * mib,
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_FSIZE: limits.tmp_mb * mib,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_NPROC: limits.threads if counted else _UNCOUNTED_THREADS,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_NICE: 0,
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_SIGPENDING: 64,
    }
    for kind, ceiling in ceilings.items():
        _, hard = resource.getrlimit(kind)
        least = ceiling if hard == resource.RLIM_INFINITY else min(ceiling, hard)
        resource.setrlimit(kind, (least, least))


def _calm_speculation() -> None:
    """Switch off store bypass and indirect branch speculation where the processor lets us."""
    for kind in (0, 1):
        try:
            kernel.prctl(kernel.SET_SPECULATION, kind, 8)  # PR_SPEC_FORCE_DISABLE
        except OSError:
            continue


def _serve(factory: Callable[..., Answer]) -> None:
    """Open the table, make the program, answer until the channel closes."""
    _forget_common_dice()
    table = memory.opened(_DATA)
    answer = factory(_receive(), table)
    while (request := _receive()) is not None:
        _send(answer(request))


def _forget_common_dice() -> None:
    """Fork copies numpy's global generator; jails of one zygote must not draw the same numbers."""
    generator = sys.modules.get("numpy.random")
    if generator is not None:
        generator.seed()


def _receive() -> bytes | None:
    header = _read(HEADER.size)
    return None if header is None else _read(HEADER.unpack(header)[0])


def _read(size: int) -> bytes | None:
    """Exactly *size* bytes, or None where the supervisor has hung up."""
    parts: list[bytes] = []
    while size and (part := os.read(_CHANNEL, min(size, _READ_AT_ONCE))):
        parts.append(part)
        size -= len(part)
    return None if size else b"".join(parts)


def _send(body: bytes) -> None:
    rest = memoryview(HEADER.pack(len(body)) + body)
    while rest:
        rest = rest[os.write(_CHANNEL, rest) :]


def leave(work: Callable[[], None]) -> NoReturn:
    """Run *work* and end this process whatever comes; what went wrong goes to the node's own log only."""
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
