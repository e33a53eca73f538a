"""Kernel calls that Python does not offer; each raises OSError and says what failed.

Source: man-pages 6.9, section 2 of each call; constants from the kernel's ``include/uapi/linux``.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from functools import cache

from sandbox.jail.syscalls import number

if sys.platform != "win32":
    import fcntl

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 1 << 17, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 18
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 1, 2, 4, 8
MNT_DETACH = 2
SET_PDEATHSIG, SET_DUMPABLE, GET_SECCOMP, CAPBSET_DROP = 1, 4, 21, 24
SET_NO_NEW_PRIVS, CAP_AMBIENT, SET_SPECULATION = 38, 47, 53
SEALS = 0x1 | 0x2 | 0x4 | 0x8  # F_SEAL_SEAL, SHRINK, GROW, WRITE
PROT_READ, MAP_SHARED = 1, 1

_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = 1, 4
_MFD_NOEXEC_SEAL = 0x8
_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034
_CAPABILITY_VERSION_3 = 0x20080522


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    libc.mmap.restype = ctypes.c_void_p
    return libc


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def syscall(name: str, *arguments: int | bytes | None) -> int:
    """Make the system call *name*; bytes travel as a pointer to them."""
    values = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number(name)), *values), name)


def prctl(option: int, *arguments: int) -> int:
    padded = [*arguments, 0, 0, 0, 0][:4]
    return _checked(_libc().prctl(ctypes.c_int(option), *[ctypes.c_ulong(a) for a in padded]), f"prctl {option}")


def unshare(flags: int) -> None:
    _checked(_libc().unshare(ctypes.c_int(flags)), "unshare")


def setns(namespace: int, kind: int) -> None:
    _checked(_libc().setns(ctypes.c_int(namespace), ctypes.c_int(kind)), "setns")


def sethostname(name: bytes) -> None:
    _checked(_libc().sethostname(name, ctypes.c_size_t(len(name))), "sethostname")


def mount(kind: str, target: str, flags: int, options: str = "") -> None:
    """Mount a new file system of *kind* on *target*, or with kind "none" change how *target* propagates."""
    words = [word.encode() for word in (kind, target, kind)]
    _checked(_libc().mount(*words, ctypes.c_ulong(flags), options.encode()), f"mount {kind} on {target}")


def clone_tree(path: str, attributes: int) -> int:
    """Copy the mounts at and below *path*, detached and restricted by *attributes*; return a descriptor of the copy."""
    tree = syscall("open_tree", _AT_FDCWD, path.encode(), _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC)
    restrict = struct.pack("4Q", attributes, 0, 0, 0)
    syscall("mount_setattr", tree, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, restrict, len(restrict))
    return tree


def attach_tree(tree: int, target: str) -> None:
    """Put a detached copy on *target* and close its descriptor."""
    syscall("move_mount", tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)
    os.close(tree)


def make_read_only(target: str) -> None:
    restrict = struct.pack("4Q", ATTR_RDONLY, 0, 0, 0)
    syscall("mount_setattr", _AT_FDCWD, target.encode(), 0, restrict, len(restrict))


def pivot_root_here() -> None:
    """Make the current folder the root and let go of the old one.  pivot_root(2), "pivot_root(".", ".")"."""
    syscall("pivot_root", b".", b".")
    syscall("umount2", b".", MNT_DETACH)
    os.chdir("/")


def close_from(descriptor: int) -> None:
    syscall("close_range", descriptor, (1 << 31) - 1, 0)


def drop_bounding_set() -> None:
    """Give up every capability a later exec could bring back, as far as we may; none is ever made."""
    for capability in range(64):
        try:
            prctl(CAPBSET_DROP, capability)
        except OSError:  # past the kernel's last capability, or not ours to drop
            return


def drop_capabilities() -> None:
    drop_bounding_set()
    prctl(CAP_AMBIENT, 4)  # PR_CAP_AMBIENT_CLEAR_ALL
    syscall("capset", struct.pack("Ii", _CAPABILITY_VERSION_3, 0), struct.pack("6I", *[0] * 6))


def memfd(name: str) -> int:
    """An empty sealable memory file; never executable where the kernel can say so (Linux 6.3)."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_NOEXEC_SEAL)
    except OSError:
        return os.memfd_create(name, flags)


def add_seals(descriptor: int) -> None:
    fcntl.fcntl(descriptor, _F_ADD_SEALS, SEALS)


def is_sealed(descriptor: int) -> bool:
    """Whether nobody can write, grow, shrink or unseal the memory file."""
    try:
        return fcntl.fcntl(descriptor, _F_GET_SEALS) & SEALS == SEALS
    except OSError:
        return False


def map_shared(descriptor: int, size: int) -> int:
    """Map *size* bytes read-only; return the address.

    Python's own mmap keeps a copy of the descriptor, and with it a file offset that several jails would share.
    """
    address = _libc().mmap(None, ctypes.c_size_t(size), PROT_READ, MAP_SHARED, descriptor, ctypes.c_long(0))
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "mmap")
    return int(address)
