"""Tier A: a world of its own for the zygote, made once, and one inside it for each jail.

The zygote lives in a small read-only root that holds the runtime and nothing else, as process 1 of its own process namespace: its death
ends every jail.  A jail gets fresh mount, process, network, IPC, host name and cgroup namespaces *from the zygote*, and last of all a user
namespace in which it is nobody in particular: even with every capability there, it owns none of the others.
Source: man-pages 6.9, namespaces(7), user_namespaces(7), pid_namespaces(7), mount_namespaces(7).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.jail import kernel, runtime

INSIDE = 1000  # the jail's own user number; not 65534, which the kernel shows for everybody else
_WORLD = kernel.NEWNS | kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS | kernel.NEWCGROUP
_MOUNT_FLAGS = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_SOFTWARE = kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV
_DEVICE = kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NOEXEC
_SCAFFOLD = "/dev"  # where the new root is built; any folder would do, since what it hides was opened before


def leave_host() -> None:
    """Enter fresh namespaces; the next child is process 1.  Whoever is not root needs a user namespace to be allowed to."""
    outer, group = os.geteuid(), os.getegid()
    kernel.unshare(_WORLD | (kernel.NEWUSER if outer else 0))
    if outer:
        proc = os.open("/proc", os.O_PATH)
        _map_user(proc, inside=0, outer=outer, group=group)
        os.close(proc)
    kernel.sethostname(b"jail")


def _map_user(proc: int, *, inside: int, outer: int, group: int) -> None:
    """In a fresh user namespace, be *inside*; *proc* is an open ``/proc``."""
    ids = (("setgroups", "deny"), ("uid_map", f"{inside} {outer} 1"), ("gid_map", f"{inside} {group} 1"))
    for name, text in ids:
        write(proc, name, text)


def write(proc: int, name: str, text: str) -> None:
    """Write *text* to our own file *name* in the open folder *proc*."""
    file = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def build_root(readable: Iterable[str]) -> None:
    """Replace the root by a read-only one that holds *readable*, two devices and an empty ``/tmp``."""
    kernel.mount("none", "/", kernel.MS_REC | kernel.MS_PRIVATE)
    software = [_Tree.of(path, _SOFTWARE) for path in readable]
    devices = [_Tree.of(path, _DEVICE) for path in runtime.DEVICES]
    kernel.mount("tmpfs", _SCAFFOLD, _MOUNT_FLAGS, "mode=755,size=1m,nr_inodes=4096")
    os.chdir(_SCAFFOLD)
    os.mkdir("tmp")
    for tree in software + devices:
        tree.attach(tree.path.lstrip("/"))
    kernel.pivot_root_here()
    kernel.make_read_only("/")


@dataclass(frozen=True, slots=True)
class _Tree:
    """A detached copy of a folder or file of the host."""

    path: str
    is_folder: bool
    copy: int

    @classmethod
    def of(cls, path: str, attributes: int) -> _Tree:
        return cls(path, os.path.isdir(path), kernel.clone_tree(path, attributes))

    def attach(self, target: str) -> None:
        os.makedirs(target if self.is_folder else os.path.dirname(target), exist_ok=True)
        if not self.is_folder:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o444))
        kernel.attach_tree(self.copy, target)


def fork_first(home: int) -> int:
    """Fork a child that is process 1 of a fresh process namespace; the caller, whose own namespace is *home*, stays where it is."""
    kernel.unshare(kernel.NEWPID)
    child = os.fork()
    if child:
        kernel.setns(home, kernel.NEWPID)
    return child


def separate(uid: int, tmp_mb: int, readable: Iterable[str]) -> None:
    """Leave the zygote's namespaces and get a private ``/tmp`` for user *uid*; software that lies in ``/tmp`` stays readable there."""
    kernel.unshare(_WORLD & ~kernel.NEWPID)
    hidden = [_Tree.of(path, _SOFTWARE) for path in readable if path.startswith("/tmp/")]  # noqa: S108
    kernel.mount("tmpfs", "/tmp", _MOUNT_FLAGS, f"size={tmp_mb}m,nr_inodes=2048,mode=700,uid={uid},gid={uid}")  # noqa: S108
    for tree in hidden:
        tree.attach(tree.path)


def become_nobody(proc: int) -> None:
    """Enter a user namespace that owns nothing; *proc* is an open ``/proc``."""
    outer, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEWUSER)
    _map_user(proc, inside=INSIDE, outer=outer, group=group)
