"""What one jail may use."""

from __future__ import annotations

from dataclasses import dataclass

from governance.errors import UsageError

MESSAGE = 65_536  # bytes of an order to the zygote, or of its answer
LEAST_MEMORY_MB = 256  # the interpreter, numpy and pyarrow have their share in it


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one job, over all its rounds.

    Parameters
    ----------
    memory_mb
        Memory beside the data themselves, in MiB, >= 256.
    cpu_s
        Processor time, in seconds.
    tmp_mb
        Size of the jail's own ``/tmp``, in MiB; tier B has none.
    threads
        Threads at one time.
    files
        Open descriptors at one time.
    """

    memory_mb: int = 1024
    cpu_s: int = 60
    tmp_mb: int = 64
    threads: int = 64
    files: int = 64

    def __post_init__(self) -> None:
        if self.memory_mb < LEAST_MEMORY_MB:
            raise UsageError(f"a jail needs at least {LEAST_MEMORY_MB} MiB, got {self.memory_mb}")
        for name in ("cpu_s", "tmp_mb", "threads", "files"):
            if getattr(self, name) < 1:
                raise UsageError(f"the limit {name} must be at least 1, got {getattr(self, name)}")
