"""Programs that try to get out of a jail. Each returns True where it got what it wanted; an OSError or MemoryError means it was stopped.

``python hostile_programs.py JSON`` runs each of them outside any jail, and prints which work there.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import platform
import resource
import socket
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

try:
    import fcntl
except ImportError:
    fcntl = None

About = dict[str, Any]
ATTACKS: dict[str, Callable[[About, Any], bool]] = {}
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = LIBC.mremap.restype = ctypes.c_void_p
MIB = 1 << 20
BAD = (None, ctypes.c_void_p(-1).value)


def attack(function):
    ATTACKS[function.__name__] = function
    return function


def checked(result: int) -> int:
    if result in BAD or result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def contains(path: str, token: str) -> bool:
    return token.encode() in Path(path).read_bytes()


# ---- what the node knows


@attack
def environment(about, table):
    return any(about["token"] in value for value in os.environ.values())


@attack
def environment_of_libc(about, table):
    strings = ctypes.POINTER(ctypes.c_char_p).in_dll(LIBC, "environ")
    position = 0
    while strings and strings[position]:
        if about["token"].encode() in strings[position]:
            return True
        position += 1
    return False


@attack
def environment_in_proc(about, table):
    for process in ("self", os.getppid(), about["node"]):
        try:
            if contains(f"/proc/{process}/environ", about["token"]):
                return True
        except OSError:
            continue
    return False


@attack
def user_list(about, table):
    return contains("/etc/passwd", "root:")


@attack
def key_of_the_node(about, table):
    return contains(about["key"], about["token"])


@attack
def file_open_to_all(about, table):
    return contains(about["public"], about["token"])


@attack
def raw_data(about, table):
    return contains(about["raw"], about["token"])


@attack
def checkout(about, table):
    return contains(about["checkout"] + "/setup.cfg", "keyong")


@attack
def list_folders(about, table):
    return any(_lists(folder) for folder in ("/etc", "/proc", "/home", "/var", about["folder"]))


def _lists(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


@attack
def stat_of_host_paths(about, table):
    return os.stat(about["public"]).st_size > 0


@attack
def free_space(about, table):
    return os.statvfs("/usr/lib").f_bfree > 0


@attack
def memory_of_the_host(about, table):
    record = ctypes.create_string_buffer(256)
    return checked(LIBC.sysinfo(record)) == 0


@attack
def host_name(about, table):
    return os.uname().nodename == about["host"]


# ---- ways to talk


@attack
def tcp(about, table):
    with socket.socket() as channel:
        channel.settimeout(2)
        channel.connect(("127.0.0.1", about["tcp"]))
    return True


@attack
def tcp_server(about, table):
    with socket.socket() as channel:
        channel.bind(("127.0.0.1", 0))
        channel.listen()
    return True


@attack
def udp(about, table):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        return channel.sendto(b"rows", ("127.0.0.1", about["udp"])) > 0


@attack
def unix_path(about, table):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(about["unix"])
    return True


@attack
def unix_abstract(about, table):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect("\0" + about["abstract"])
    return True


@attack
def unix_pair(about, table):
    for channel in socket.socketpair():
        channel.close()
    return True


@attack
def netlink(about, table):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as channel:
        channel.bind((0, 0))
        channel.send(struct.pack("IHHII", 32, 18, 0x301, 1, 0) + bytes(16))
        return len(channel.recv(65536)) > 0


@attack
def write_outside(about, table):
    Path(about["drop"], "rows").write_text("rows")
    return True


@attack
def write_runtime(about, table):
    with open(about["library"], "r+b"):
        return True


@attack
def write_shared_memory(about, table):
    descriptor, path = tempfile.mkstemp(dir="/dev/shm")
    os.close(descriptor)
    os.unlink(path)
    return True


@attack
def change_mode(about, table):
    os.chmod(about["drop"], 0o777)
    return True


@attack
def lock_shared_file(about, table):
    with open(np.__file__, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return True


@attack
def lock_range_of_shared_file(about, table):
    with open(np.__file__, "rb") as file:
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return True


@attack
def anonymous_file(about, table):
    os.close(os.memfd_create("hidden"))
    return True


@attack
def fine_clock(about, table):
    times = [time.perf_counter_ns() for _ in range(1000)]
    return min(b - a for a, b in pairwise(times)) < 10_000


# ---- other processes


@attack
def fork(about, table):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


@attack
def execute(about, table):
    try:
        os.execv("/no/such/program", ["x"])
    except FileNotFoundError:
        return True


@attack
def trace(about, table):
    return checked(LIBC.ptrace(0, 0, None, None)) == 0


@attack
def signal_the_node(about, table):
    os.kill(about["node"], 0)
    return True


@attack
def signal_the_parent(about, table):
    os.kill(os.getppid() or 1, 0)
    return True


@attack
def signal_a_thread_of_the_node(about, table):
    checked(LIBC.syscall(ctypes.c_long(about["tgkill"]), about["node"], about["node"], 0))
    return True


@attack
def processes_of_the_host(about, table):
    return any(name.isdigit() for name in os.listdir("/proc"))


@attack
def number_of_the_parent(about, table):
    return os.getppid() > 0


@attack
def further_descriptors(about, table):
    """Whether anything is open besides the streams and the channel."""
    found = 0
    for descriptor in range(4, 1024):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        found += 1
    return found > 0


@attack
def reopen_descriptors(about, table):
    return bool(os.listdir("/proc/self/fd"))


@attack
def core_dump(about, table):
    if LIBC.prctl(3, 0, 0, 0, 0) == 1:
        return True
    return resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


@attack
def raise_limit(about, table):
    resource.setrlimit(resource.RLIMIT_CPU, resource.getrlimit(resource.RLIMIT_CPU))
    return True


@attack
def outlive_the_parent(about, table):
    checked(LIBC.prctl(1, 0, 0, 0, 0))
    return True


# ---- memory


@attack
def tamper_with_input(about, table):
    address = table.column(0).chunk(0).buffers()[1].address
    checked(LIBC.mprotect(ctypes.c_void_p(address & ~4095), ctypes.c_size_t(4096), 3))
    ctypes.memset(address, 0, 8)
    return True


@attack
def injected_code(about, table):
    page = checked(LIBC.mmap(None, 4096, 7, 0x22, -1, 0))
    ctypes.memmove(page, b"\xb8\x2a\x00\x00\x00\xc3" if platform.machine() == "x86_64" else b"\x40\x05\x80\x52\xc0\x03\x5f\xd6", 8)
    return ctypes.CFUNCTYPE(ctypes.c_int)(page)() == 42


@attack
def code_over_a_library(about, table):
    with open(sys.modules["_ctypes"].__file__ or "", "rb") as file:
        checked(LIBC.mmap(None, 4096, 7, 0x02, file.fileno(), 0))
    return True


@attack
def data_made_code(about, table):
    page = checked(LIBC.mmap(None, 4096, 3, 0x22, -1, 0))
    checked(LIBC.mprotect(ctypes.c_void_p(page), 4096, 5))
    return True


def _fill(allocate, about) -> bool:
    """Whether all of *total* MiB can be had, 32 at a time."""
    kept = []
    for _ in range(about["total_mb"] // 32):
        kept.append(allocate())
    return True


@attack
def memory_bomb(about, table):
    return _fill(lambda: np.ones(32 * MIB // 8), about)


@attack
def memory_bomb_as_stack(about, table):
    def allocate():
        page = checked(LIBC.mmap(None, ctypes.c_size_t(32 * MIB), 3, 0x122, -1, 0))  # MAP_GROWSDOWN escapes RLIMIT_DATA
        ctypes.memset(page, 1, 32 * MIB)

    return _fill(allocate, about)


@attack
def memory_bomb_shared(about, table):
    def allocate():
        area = mmap.mmap(-1, 32 * MIB)
        area.write(b"x" * 32 * MIB)
        return area

    return _fill(allocate, about)


@attack
def memory_bomb_from_zero(about, table):
    zero = os.open("/dev/zero", os.O_RDONLY)

    def allocate():
        page = checked(LIBC.mmap(None, ctypes.c_size_t(32 * MIB), 1, 0x01, zero, 0))  # shared pages escape RLIMIT_DATA
        return sum(ctypes.string_at(page + offset, 1)[0] for offset in range(0, 32 * MIB, 4096))

    return _fill(allocate, about)


@attack
def memory_bomb_on_disk(about, table):
    with tempfile.TemporaryFile() as file:
        return _fill(lambda: file.write(b"x" * 32 * MIB), about)


@attack
def threads(about, table):
    threading.stack_size(128 * 1024)  # so that memory does not stop them first
    stop = threading.Event()
    started = []
    try:
        for _ in range(about["threads"] + 20):
            started.append(threading.Thread(target=stop.wait, daemon=True))
            started[-1].start()
    except RuntimeError:
        return False
    finally:
        stop.set()
    return True


@attack
def many_files(about, table):
    opened = []
    try:
        for _ in range(about["files"] + 1):
            opened.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return True


@attack
def become_root(about, table):
    os.setresuid(0, 0, 0)
    return os.geteuid() == 0


@attack
def links(about, table):
    with tempfile.TemporaryDirectory() as folder:
        os.symlink("/etc/passwd", folder + "/link")
    return True


@attack
def fifo(about, table):
    with tempfile.TemporaryDirectory() as folder:
        os.mkfifo(folder + "/fifo")
    return True


@attack
def terminal_input(about, table):
    """Whether the call is reached at all: outside, the kernel answers that this is no terminal."""
    try:
        fcntl.ioctl(0, 0x5412, b"x")
    except OSError as error:
        return error.errno != 1
    return True


def attempt(spec: bytes, table: pa.Table) -> Callable[[bytes], bytes]:
    """Answer b"\\1" where the attack named in *spec* works, b"\\0" where it is stopped."""
    about = json.loads(spec)

    def answer(request: bytes) -> bytes:
        try:
            return b"\1" if ATTACKS[about["name"]](about, table) else b"\0"
        except (OSError, MemoryError):
            return b"\0"

    return answer


def _outside(name: str, about: About, table: pa.Table) -> bool:
    """Whether the attack works in a fork of this free process."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if ATTACKS[name](about, table) else 1)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    some = pa.table({"x": np.arange(1000.0)})
    print(json.dumps({name: _outside(name, json.loads(sys.argv[1]), some) for name in ATTACKS}))
