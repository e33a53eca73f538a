"""System call numbers, and which of them a jail may make.

x86_64 is tested.  aarch64 comes from ``asm-generic/unistd.h`` and is UNTESTED: no such machine has run it.  A number is None where the
machine has no such call.  Source: Linux 6.18, ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h``.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping

from governance.errors import Unavailable

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*, linux/audit.h

# No rule beyond the rlimits: they touch the process itself, descriptors it holds, or paths that landlock and the mounts judge.
# Left out on purpose: flock and locks by fcntl (seen by other jails on shared library files), mincore (page cache), statfs, kill, chmod.
PLAIN: Mapping[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "open": (2, None), "close": (3, 57), "stat": (4, None), "fstat": (5, 80), "lstat": (6, None),
    "poll": (7, None), "lseek": (8, 62), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66), "access": (21, None),
    "pipe": (22, None), "select": (23, None), "sched_yield": (24, 124), "mremap": (25, 216), "msync": (26, 227), "madvise": (28, 233),
    "dup": (32, 23), "dup2": (33, None), "nanosleep": (35, 101), "getitimer": (36, 102), "alarm": (37, None), "setitimer": (38, 103),
    "getpid": (39, 172), "exit": (60, 93), "uname": (63, 160), "fsync": (74, 82), "fdatasync": (75, 83), "truncate": (76, 45),
    "ftruncate": (77, 46), "getcwd": (79, 17), "chdir": (80, 49), "rename": (82, None), "mkdir": (83, None), "rmdir": (84, None),
    "unlink": (87, None), "readlink": (89, None), "umask": (95, 166), "gettimeofday": (96, 169), "getrlimit": (97, 163),
    "getrusage": (98, 165), "sysinfo": (99, 179), "times": (100, 153), "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175),
    "getegid": (108, 177), "getppid": (110, 173), "getpgrp": (111, None), "sigaltstack": (131, 132), "arch_prctl": (158, None),
    "gettid": (186, 178), "time": (201, None), "futex": (202, 98), "sched_getaffinity": (204, 123), "getdents64": (217, 61),
    "set_tid_address": (218, 96), "fadvise64": (221, 223), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115), "exit_group": (231, 94), "epoll_wait": (232, None), "epoll_ctl": (233, 21), "openat": (257, 56),
    "mkdirat": (258, 34), "newfstatat": (262, 79), "unlinkat": (263, 35), "renameat": (264, 38), "readlinkat": (267, 78),
    "faccessat": (269, 48), "pselect6": (270, 72), "ppoll": (271, 73), "set_robust_list": (273, 99), "get_robust_list": (274, 100),
    "epoll_pwait": (281, 22), "fallocate": (285, 47), "eventfd2": (290, 19), "epoll_create1": (291, 20), "dup3": (292, 24),
    "pipe2": (293, 59), "preadv": (295, 69), "pwritev": (296, 70), "getcpu": (309, 168), "renameat2": (316, 276), "getrandom": (318, 278),
    "copy_file_range": (326, 285), "statx": (332, 291), "rseq": (334, 293), "close_range": (436, 436), "faccessat2": (439, 439),
    "futex_waitv": (449, 449),
}  # fmt: skip

# Allowed or answered by their arguments; the rules are in seccomp.py.
JUDGED: Mapping[str, tuple[int | None, int | None]] = {
    "mmap": (9, 222), "mprotect": (10, 226), "ioctl": (16, 29), "clone": (56, 220), "fcntl": (72, 25), "prctl": (157, 167),
    "tgkill": (234, 131), "prlimit64": (302, 261),
}  # fmt: skip

# No honest local step makes these: the process is killed at once. Anything in none of the three tables answers "no such call".
HOSTILE: Mapping[str, tuple[int | None, int | None]] = {
    "execve": (59, 221), "ptrace": (101, 117), "syslog": (103, 116), "capset": (126, 91), "personality": (135, 92),
    "modify_ldt": (154, None), "pivot_root": (155, 41), "adjtimex": (159, 171), "chroot": (161, 51), "acct": (163, 89),
    "settimeofday": (164, 170), "mount": (165, 40), "umount2": (166, 39), "swapon": (167, 224), "swapoff": (168, 225),
    "reboot": (169, 142), "iopl": (172, None), "ioperm": (173, None), "init_module": (175, 105), "delete_module": (176, 106),
    "quotactl": (179, 60), "lookup_dcookie": (212, 18), "clock_settime": (227, 112), "kexec_load": (246, 104), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "unshare": (272, 97), "perf_event_open": (298, 241), "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "clock_adjtime": (305, 266),
    "setns": (308, 268), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272), "finit_module": (313, 273),
    "seccomp": (317, 277), "kexec_file_load": (320, 294), "bpf": (321, 280), "execveat": (322, 281), "userfaultfd": (323, 282),
    "pidfd_send_signal": (424, 424), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444), "landlock_add_rule": (445, 445), "landlock_restrict_self": (446, 446),
    "memfd_secret": (447, 447),
}  # fmt: skip


def audit_machine() -> int:
    """The kernel's own word for this machine, ``AUDIT_ARCH_*``.

    Raises
    ------
    Unavailable
        There is no table for this machine.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise Unavailable(f"the jail knows the machines {', '.join(MACHINES)}, not {machine}", machine=machine)
    return MACHINES[machine]


def numbers(table: Mapping[str, tuple[int | None, int | None]]) -> dict[str, int]:
    """The calls of *table* that this machine has, with their numbers."""
    column = list(MACHINES.values()).index(audit_machine())
    return {name: number for name, row in table.items() if (number := row[column]) is not None}


def number(name: str) -> int:
    """The number of one call that every supported machine has."""
    return numbers({**PLAIN, **JUDGED, **HOSTILE})[name]
