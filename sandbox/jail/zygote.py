"""The process from which every jail is forked.  It starts with an empty environment, imports the methods once, holds no row and no secret.

It runs in one thread, takes orders from the node over one socket, and ends when the node does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from sandbox.jail import inside, kernel, landlock, namespaces, runtime, seccomp, syscalls
from sandbox.jail.frames import HEADER
from sandbox.jail.inside import Order, Place
from sandbox.jail.limits import MESSAGE, Limits

_DESCRIPTORS = 3
LEAST_LANDLOCK = {"A": 1, "B": 4}  # 4 knows TCP; in tier A there is no network to connect to


@dataclass(frozen=True, slots=True)
class Start:
    """How the node wants its zygote."""

    tier: str
    control: int
    supervisor: int  # a descriptor of the node's process: it becomes readable when the node ends
    folder: str
    folders: list[str]
    preload: list[str]
    uid: int
    bound: bool  # whether to be killed with the thread of the node that started us: only its main thread lasts as long as the node


class StartError(Exception):
    """The zygote cannot do its work here; the text says why."""


def main(start: Start) -> NoReturn:
    """Become a zygote; called in a fresh interpreter."""
    control = socket.socket(fileno=start.control)
    try:
        place, fork = _settle(start)
        _rehearse(place, fork, start.uid)
    except Exception as error:
        control.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        os._exit(1)
    control.send(json.dumps({"error": None}).encode())
    _serve(control, start.supervisor, (place, fork))


def _settle(start: Start) -> tuple[Place, Callable[[], int]]:
    """Enter the tier's world and import; return it and the way to fork a jail."""
    syscalls.audit_machine()
    os.umask(0o022)  # folders of the new root are for the jail's user, too
    if landlock.abi() < LEAST_LANDLOCK[start.tier]:
        raise StartError(f"needs landlock ABI {LEAST_LANDLOCK[start.tier]}, this kernel has {landlock.abi()}")
    if start.tier == "A":
        namespaces.leave_host()
        _continue_as_first(start)
    else:
        _follow(start)
    proc = os.open("/proc", os.O_PATH)
    home = os.open("self/ns/pid", os.O_RDONLY, dir_fd=proc)
    _import(start.preload)
    readable = runtime.readable(start.folder, start.folders)
    _check_runtime(readable, start)
    _check_threads(proc)
    if start.tier == "A":
        namespaces.build_root(readable)
        seccomp.program(1)  # every jail's own process number in tier A: assembled once
    gc.collect()
    gc.freeze()
    place = Place(start.tier, readable, proc, os.getpid())
    return place, partial(namespaces.fork_first, home) if start.tier == "A" else os.fork


def _import(preload: list[str]) -> None:
    for module in preload:
        importlib.import_module(module)
    # pyarrow looks for pandas at the first to_numpy(): half a second in every jail. Whoever wants it preloads it.
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]


def _follow(start: Start) -> None:
    """Be killed with the node, even while stopped; a node that ended before this is seen by `_serve`."""
    if start.bound:
        kernel.prctl(kernel.SET_PDEATHSIG, signal.SIGKILL)


def _continue_as_first(start: Start) -> None:
    """Go on as process 1 of the new namespace; the old process only waits."""
    child = os.fork()
    if child == 0:
        kernel.prctl(kernel.SET_PDEATHSIG, signal.SIGKILL)
        return
    _follow(start)
    kernel.close_from(0)
    os.waitpid(child, 0)
    os._exit(0)


def _check_runtime(readable: tuple[str, ...], start: Start) -> None:
    outside = next(runtime.uncovered(readable), None)
    if outside is not None:
        raise StartError(f"{outside} is loaded but lies in no folder that a jail may read; pass its folder")
    closed = next(runtime.closed_to_others(readable), None) if start.uid and start.tier == "A" else None
    if closed is not None:
        raise StartError(f"the jail's own user cannot read {closed}; make it readable to others (chmod o+rX)")


def _check_threads(proc: int) -> None:
    folder = os.open("self/task", os.O_RDONLY, dir_fd=proc)
    threads = len(os.listdir(folder))
    os.close(folder)
    if threads != 1:
        raise StartError(f"a preloaded module started {threads - 1} threads; a fork would lose them")


def _rehearse(place: Place, fork: Callable[[], int], uid: int) -> None:
    """Build a jail once without data or program, so that a machine that cannot is found now."""
    reading, writing = os.pipe()
    null = os.open("/dev/null", os.O_RDONLY)
    child = fork()
    if child == 0:
        inside.leave(partial(inside.live, place, Order("", uid, Limits()), [writing, null]))
    os.close(writing)
    os.close(null)
    with os.fdopen(reading, "rb") as report:
        text = report.read()
    os.waitpid(child, 0)
    if text != HEADER.pack(0):
        raise StartError(text[HEADER.size :].decode() or "a jail could not be built")


def _serve(control: socket.socket, supervisor: int, world: tuple[Place, Callable[[], int]]) -> NoReturn:
    """Fork a jail for each order and reap it; until the node hangs up or ends."""
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(supervisor, select.POLLIN)
    jails: dict[int, int] = {}
    while True:
        for descriptor, _ in poller.poll():
            if descriptor in jails:
                poller.unregister(descriptor)
                os.close(descriptor)
                os.waitpid(jails.pop(descriptor), 0)
            elif descriptor == supervisor:
                os._exit(0)
            else:
                jail, pid = _obey(control, world)
                jails[jail] = pid
                poller.register(jail, select.POLLIN)


def _obey(control: socket.socket, world: tuple[Place, Callable[[], int]]) -> tuple[int, int]:
    """Carry out one order; return the jail's process, as a descriptor and as a number."""
    message, descriptors, _, _ = socket.recv_fds(control, MESSAGE, _DESCRIPTORS)
    if not message:
        os._exit(0)
    place, fork = world
    child = fork()
    if child == 0:
        inside.leave(partial(inside.live, place, _order(json.loads(message)), descriptors))
    jail = os.pidfd_open(child)
    for descriptor in descriptors:
        os.close(descriptor)
    socket.send_fds(control, [b"forked"], [jail])
    return jail, child


def _order(record: dict[str, Any]) -> Order:
    return Order(record["program"], record["uid"], Limits(**record["limits"]))
