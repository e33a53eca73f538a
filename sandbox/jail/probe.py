"""What this machine offers to jails."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from governance.errors import Unavailable
from sandbox.jail import kernel, landlock, runtime
from sandbox.jail.launch import TIERS, launch


@dataclass(frozen=True, slots=True)
class Isolation:
    """What the kernel offers, found by building a jail.

    Parameters
    ----------
    tier
        ``"A"``: namespaces, landlock, seccomp, resource limits. ``"B"``: the same without namespaces. None: nothing may run.
    landlock
        The kernel's landlock version; 0 where there is none.
    namespaces
        Whether a jail in namespaces of its own could be built.
    seccomp
        Whether system calls can be filtered.
    why
        What is missing, or will be felt, in words.
    """

    tier: str | None
    landlock: int
    namespaces: bool
    seccomp: bool
    why: tuple[str, ...]


def probe() -> Isolation:
    """Build a jail in each tier and report; nothing stays behind."""
    if sys.platform != "linux":
        return Isolation(None, 0, namespaces=False, seccomp=False, why=(f"the jail needs Linux, this is {sys.platform}",))
    failures = {tier: reason for tier in TIERS if (reason := _failure(tier)) is not None}
    best = next((tier for tier in TIERS if tier not in failures), None)
    why = (*failures.values(), *_closed())
    return Isolation(best, landlock.abi(), namespaces="A" not in failures, seccomp=_filters(), why=why)


def _failure(tier: str) -> str | None:
    try:
        process, control = launch(tier, (), ())
    except Unavailable as error:
        return str(error)
    control.close()
    process.wait()
    return None


def _filters() -> bool:
    try:
        return kernel.prctl(kernel.GET_SECCOMP) >= 0
    except OSError:
        return False


def _closed() -> tuple[str, ...]:
    """Where we are root: folders that keep the jail's own user from the software, which only tier A gets around."""
    if os.geteuid():
        return ()
    closed = runtime.closed_parents((sys.base_prefix, sys.prefix, runtime.__file__))
    return tuple(f"tier B: {folder} is closed to other users, so a program can use only what was preloaded" for folder in closed)
