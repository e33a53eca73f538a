"""The software a jail may read: Python, its libraries and our packages, never the folder a checkout lies in."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence

OUR_PACKAGES = ("governance", "mpc", "connectors", "sandbox")
DEVICES = ("/dev/null", "/dev/urandom")  # no /dev/zero: its shared pages escape RLIMIT_DATA
_SYSTEM = (
    "/usr/lib",
    "/lib",
    "/lib64",
    "/usr/share/zoneinfo",
    "/sys/kernel/mm/transparent_hugepage/enabled",  # jemalloc looks here; hiding it costs DuckDB a fifth of its speed
)


def readable(folder: str, extra: Iterable[str]) -> tuple[str, ...]:
    """Paths that a jail may read, none below another.

    Parameters
    ----------
    folder
        Where the package ``sandbox`` lies: of a checkout only our packages are read.
    extra
        Further folders with programs, as a whole.
    """
    checkout = None if os.path.basename(folder).endswith("-packages") else os.path.abspath(folder)
    prefixes = [os.path.join(prefix, lib) for prefix in (sys.base_prefix, sys.prefix) for lib in ("lib", "lib64")]
    imports = [path for path in sys.path if path and os.path.abspath(path) != checkout]
    ours = [os.path.join(folder, package) for package in OUR_PACKAGES]
    wanted = {os.path.abspath(path) for path in (*_SYSTEM, *prefixes, *imports, *ours, *extra)}
    there = sorted(path for path in wanted if os.path.exists(path))
    return tuple(path for path in there if not any(_below(path, other) for other in there))


def _below(path: str, other: str) -> bool:
    return path.startswith(other.rstrip("/") + "/")


def uncovered(paths: Sequence[str]) -> Iterator[str]:
    """Files of loaded modules that lie outside *paths*: a jail could not load their siblings later."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not any(_below(os.path.abspath(file), path) for path in paths):
            yield file


def closed_to_others(paths: Iterable[str]) -> Iterator[str]:
    """Those of *paths* that a user who owns nothing cannot read."""
    for path in paths:
        mode = os.stat(path).st_mode
        needed = 0o005 if stat.S_ISDIR(mode) else 0o004
        if mode & needed != needed:
            yield path


def closed_parents(paths: Iterable[str]) -> Iterator[str]:
    """Folders above *paths* that a user who owns nothing cannot pass through."""
    parents = {parent for path in paths for parent in _parents(path)}
    return (parent for parent in sorted(parents) if not os.stat(parent).st_mode & 0o001)


def _parents(path: str) -> Iterator[str]:
    while path != "/":
        path = os.path.dirname(path)
        yield path
