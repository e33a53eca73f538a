"""The jail's system call filter: an allow-list, assembled as classic BPF without libseccomp.

Source: Linux ``Documentation/userspace-api/seccomp_filter.rst``; instruction layout ``include/uapi/linux/filter.h``.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterable
from functools import cache

from sandbox.jail import kernel
from sandbox.jail.syscalls import HOSTILE, JUDGED, MACHINES, PLAIN, audit_machine, numbers

_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000

_EXEC, _WRITE = 4, 2  # PROT_*
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20
_CLONE_THREAD = 0x10000
_IOCTLS = (0x5401, 0x541B, 0x5450, 0x5451, 0x5413, 0x5421)  # TCGETS FIONREAD FIONCLEX FIOCLEX TIOCGWINSZ FIONBIO
_FCNTLS = (0, 1, 2, 3, 4, 1030)  # DUPFD GETFD SETFD GETFL SETFL DUPFD_CLOEXEC
_PRCTLS = (3, 15, 16, 21, 0x53564D41)  # GET_DUMPABLE SET_NAME GET_NAME GET_SECCOMP SET_VMA

_SET_MODE_FILTER, _TSYNC = 1, 1
_FILTER_ACTIVE = 2


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


_ALLOW = _op(_RETURN, 0x7FFF0000)
_KILL = _op(_RETURN, 0x80000000)  # SECCOMP_RET_KILL_PROCESS


def _deny(code: int) -> bytes:
    return _op(_RETURN, 0x00050000 | code)


def _argument(position: int, *, high: bool = False) -> bytes:
    return _op(_LOAD, _ARGUMENTS + 8 * position + (4 if high else 0))


def _when(call: int, body: list[bytes]) -> list[bytes]:
    """Run *body*, which must end in a return, for this call number alone."""
    return [_op(_EQUAL, call, 0, len(body)), *body]


def _one_of(position: int, values: Iterable[int]) -> list[bytes]:
    """Allow where the argument, 32 bits as the kernel reads it, is one of *values*."""
    tests = [step for value in values for step in (_op(_EQUAL, value, 0, 1), _ALLOW)]
    return [_argument(position), *tests, _deny(errno.EPERM)]


def _all_bits(position: int, bits: int) -> list[bytes]:
    """Deny where the argument has all of *bits*; go on otherwise."""
    return [_argument(position), _op(_AND, bits), _op(_EQUAL, bits, 0, 1), _deny(errno.EPERM)]


def _mapping() -> list[bytes]:
    """No memory that is written and run, no run memory without a file, no shared memory outside RLIMIT_DATA."""
    run_from_nowhere = [
        _argument(2), _op(_ANY_BIT, _EXEC, 0, 3),
        _argument(3), _op(_ANY_BIT, _MAP_ANONYMOUS, 0, 1), _deny(errno.EPERM),
    ]  # fmt: skip
    return [*_all_bits(2, _EXEC | _WRITE), *run_from_nowhere, *_all_bits(3, _MAP_SHARED | _MAP_ANONYMOUS), _ALLOW]


def _threads_only() -> list[bytes]:
    return [_argument(0), _op(_ANY_BIT, _CLONE_THREAD, 1, 0), _deny(errno.EPERM), *_no_namespaces(), _ALLOW]


def _no_namespaces() -> list[bytes]:
    new = kernel.NEWNS | kernel.NEWCGROUP | kernel.NEWUTS | kernel.NEWIPC | kernel.NEWUSER | kernel.NEWPID | kernel.NEWNET
    return [_op(_ANY_BIT, new, 0, 1), _deny(errno.EPERM)]


def _reading_own_limits() -> list[bytes]:
    """prlimit64(0, resource, NULL, old)."""
    zero = [(0, False), (2, False), (2, True)]
    tests = [step for position, high in zero for step in (_argument(position, high=high), _op(_EQUAL, 0, 1, 0), _deny(errno.EPERM))]
    return [*tests, _ALLOW]


def _judged(pid: int) -> dict[str, list[bytes]]:
    return {
        "mmap": _mapping(),
        "mprotect": [_argument(2), _op(_ANY_BIT, _EXEC, 0, 1), _deny(errno.EACCES), _ALLOW],
        "ioctl": _one_of(1, _IOCTLS),
        "clone": _threads_only(),
        "fcntl": _one_of(1, _FCNTLS),
        "prctl": _one_of(0, _PRCTLS),
        "tgkill": _one_of(0, [pid]),
        "prlimit64": _reading_own_limits(),
    }


@cache
def program(pid: int) -> bytes:
    """The filter for a process that knows itself as *pid* (the one it may signal).

    A call in no table answers ENOSYS, as an older kernel would, so that libraries take their older way (clone for clone3).
    """
    machine = audit_machine()
    native = [_op(_LOAD, _MACHINE), _op(_EQUAL, machine, 1, 0), _KILL, _op(_LOAD, _NUMBER)]
    if machine == MACHINES["x86_64"]:
        native += [_op(_AT_LEAST, _X32, 0, 1), _KILL]
    judged = _judged(pid)
    steps = [
        *native,
        *[step for call in numbers(PLAIN).values() for step in _when(call, [_ALLOW])],
        *[step for name, call in numbers(JUDGED).items() for step in _when(call, judged[name])],
        *[step for call in numbers(HOSTILE).values() for step in _when(call, [_KILL])],
        _deny(errno.ENOSYS),
    ]
    return b"".join(steps)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def load(code: bytes) -> None:
    """Put every thread of this process under *code* for good; needs no_new_privs."""
    record = _Program(len(code) // 8, code)
    kernel.syscall("seccomp", _SET_MODE_FILTER, _TSYNC, ctypes.addressof(record))
    if kernel.prctl(kernel.GET_SECCOMP) != _FILTER_ACTIVE:
        raise OSError(errno.EPERM, "the filter is not active")
