"""Landlock: which paths a jail may open, and that it opens no TCP port.  Source: Linux ``Documentation/userspace-api/landlock.rst``."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

from sandbox.jail import kernel

_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15
_ABI_1 = (1 << 13) - 1
_READ = _READ_FILE | _READ_DIR
_WORK = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE
_ON_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE


def abi() -> int:
    """The kernel's landlock version; 0 where there is none."""
    try:
        return kernel.syscall("landlock_create_ruleset", None, 0, _VERSION)
    except OSError:
        return 0


def _handled(version: int) -> tuple[int, bytes]:
    """File rights that are denied unless granted, and the kernel's record of all that is denied."""
    files = _ABI_1 | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0) | (_IOCTL_DEV if version >= 5 else 0)
    network = 0b11 if version >= 4 else 0  # bind and connect
    scopes = 0b11 if version >= 6 else 0  # abstract sockets and signals
    size = 8 if version < 4 else 16 if version < 6 else 24
    return files, struct.pack("3Q", files, network, scopes)[:size]


def ruleset(readable: Iterable[str], writable: Iterable[str]) -> int:
    """Deny everything but reading below *readable* and working below *writable*; return the descriptor for `enforce`.

    A path that is not there is left out.
    """
    files, record = _handled(abi())
    rules = kernel.syscall("landlock_create_ruleset", record, len(record), 0)
    for paths, rights in ((readable, _READ), (writable, _WORK)):
        for path in paths:
            _allow(rules, path, rights & files)
    return rules


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        rights &= _ON_FILES
    kernel.syscall("landlock_add_rule", rules, _PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
    os.close(opened)


def enforce(rules: int) -> None:
    """Put this process under *rules* for good; needs no_new_privs."""
    kernel.syscall("landlock_restrict_self", rules, 0)
    os.close(rules)
