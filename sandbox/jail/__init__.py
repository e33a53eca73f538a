"""The jail: the separate process in which a data holder's local step runs, with the table, and without anything else.

    data = seal(table)
    with Zygote(["sandbox.local"]) as zygote, zygote.open("sandbox.local:program", spec, data) as session:
        statistics = session.ask(request, expect=8 * entries, wall=30)

This package is the only place that forks, filters system calls or talks to the kernel by ctypes.  What it stops and what it does not:
``docs/specs/jail.md``.
"""

from sandbox.jail.launch import Zygote
from sandbox.jail.limits import Limits
from sandbox.jail.memory import seal
from sandbox.jail.probe import Isolation, probe
from sandbox.jail.session import Session

__all__ = ["Isolation", "Limits", "Session", "Zygote", "probe", "seal"]
