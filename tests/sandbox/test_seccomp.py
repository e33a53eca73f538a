"""The jail's system call filter, run instruction by instruction on a small machine of our own."""

from __future__ import annotations

import errno
import platform
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import Unavailable
from sandbox.jail import seccomp
from sandbox.jail.syscalls import HOSTILE, JUDGED, MACHINES, PLAIN, numbers

KILL, ALLOW, ERROR = 0x80000000, 0x7FFF0000, 0x00050000
PID = 77
RUN, WRITE, SHARED, ANONYMOUS = 4, 2, 1, 0x20


@pytest.fixture(params=list(MACHINES))
def machine(request, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: request.param)
    seccomp.program.cache_clear()
    yield request.param
    seccomp.program.cache_clear()


def verdict(call, *arguments, machine=None):
    """What the filter for this machine returns.  Classic BPF: Linux Documentation/networking/filter.rst."""
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    record = struct.pack("<iIQ6Q", call, MACHINES[machine or platform.machine()], 0, *words)
    program = list(struct.iter_unpack("HBBI", seccomp.program(PID)))
    position = accumulator = 0
    while True:
        code, yes, no, value = program[position]
        position += 1
        if code == 0x06:
            return value
        if code == 0x20:
            accumulator = struct.unpack_from("<I", record, value)[0]
        elif code == 0x54:
            accumulator &= value
        else:
            test = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            position += yes if test else no


def denied(code):
    return ERROR | code


def test_tables_do_not_overlap(machine):
    tables = [numbers(table) for table in (PLAIN, JUDGED, HOSTILE)]
    every = [number for table in tables for number in table.values()]
    assert len(every) == len(set(every))


def test_each_table_has_its_verdict(machine):
    assert {verdict(number) for number in numbers(PLAIN).values()} == {ALLOW}
    assert {verdict(number) for number in numbers(HOSTILE).values()} == {KILL}


def test_all_other_calls_do_not_exist(machine):
    known = {number for table in (PLAIN, JUDGED, HOSTILE) for number in numbers(table).values()}
    assert {verdict(number) for number in range(600) if number not in known} == {denied(errno.ENOSYS)}


def test_foreign_machine_is_killed(machine):
    other = next(name for name in MACHINES if name != machine)
    assert verdict(numbers(PLAIN)["read"], machine=other) == KILL


def test_second_face_of_x86_64_is_killed(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    seccomp.program.cache_clear()
    assert verdict(0x40000000) == KILL


def test_machine_without_table(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(Unavailable, match="riscv64"):
        seccomp.program(PID - 1)


@given(protection=st.integers(0, 7), flags=st.integers(0, 2**18 - 1))
def test_mappings(protection, flags):
    bad = (
        protection & (RUN | WRITE) == RUN | WRITE
        or (protection & RUN and flags & ANONYMOUS)
        or flags & (SHARED | ANONYMOUS) == SHARED | ANONYMOUS
    )
    expected = denied(errno.EPERM) if bad else ALLOW
    assert verdict(numbers(JUDGED)["mmap"], 0, 4096, protection, flags, 2**32 - 1) == expected


@given(protection=st.integers(0, 2**27))
def test_protections(protection):
    expected = denied(errno.EACCES) if protection & RUN else ALLOW
    assert verdict(numbers(JUDGED)["mprotect"], 0, 4096, protection) == expected


@given(flags=st.integers(0, 2**32 - 1))
def test_only_threads(flags):
    namespaces = 0x7E020000
    expected = ALLOW if flags & 0x10000 and not flags & namespaces else denied(errno.EPERM)
    assert verdict(numbers(JUDGED)["clone"], flags) == expected


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("tgkill", (PID, 5, 9), ALLOW),
        ("tgkill", (PID + 1, 5, 9), denied(errno.EPERM)),
        ("prlimit64", (0, 7, 0, 1234), ALLOW),
        ("prlimit64", (0, 7, 1234, 0), denied(errno.EPERM)),
        ("prlimit64", (0, 7, 1 << 40, 0), denied(errno.EPERM)),
        ("prlimit64", (1, 7, 0, 1234), denied(errno.EPERM)),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), denied(errno.EPERM)),  # TIOCSTI
        ("fcntl", (0, 3), ALLOW),
        ("fcntl", (0, 6), denied(errno.EPERM)),  # F_SETLK
        ("fcntl", (0, 8), denied(errno.EPERM)),  # F_SETOWN
        ("fcntl", (0, 1031), denied(errno.EPERM)),  # F_SETPIPE_SZ
        ("prctl", (15,), ALLOW),
        ("prctl", (1,), denied(errno.EPERM)),  # PR_SET_PDEATHSIG
        ("prctl", (4,), denied(errno.EPERM)),  # PR_SET_DUMPABLE
    ],
)
def test_judged_by_arguments(machine, call, arguments, expected):
    assert verdict(numbers(JUDGED)[call], *arguments) == expected
