"""What a commit of the journal costs, and what it is made of.

    python benchmarks/journal.py [--postgres URL]

Prints fsyncs per second of the disk (the bound for commits by one writer), commits per second by content, sizes of proofs and times of
proofs and fsck on a ledger of 20,000 entries, and the time and memory of importing `governance.journal`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from governance.journal import Journal, Transaction
from governance.keys import SigningKey

JOB = "ab" * 32
SECONDS = 1.0
ENTRIES = 20_000

IMPORT = """
import os, time
memory = lambda: int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
import governance.ledger
before, started = memory(), time.perf_counter()
import governance.journal
print(f"{(time.perf_counter() - started) * 1000:.0f} ms, {memory() - before:.0f} MB beyond governance.ledger")
"""


def rate(call: Callable[[], object]) -> float:
    """Calls per second."""
    call()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        call()
        count += 1
    return count / (time.perf_counter() - started)


def fsyncs(folder: Path) -> float:
    handle = os.open(folder / "fsync", os.O_CREAT | os.O_WRONLY)

    def once() -> None:
        os.write(handle, bytes(4096))
        os.fdatasync(handle)

    return rate(once)


def committed(journal: Journal, change: Callable[[Transaction], object]) -> Callable[[], None]:
    def once() -> None:
        with journal.transaction() as t:
            change(t)

    return once


def job_step(t: Transaction) -> None:
    """What a node writes when a round advances: its machine's state, its message, an entry."""
    t.put_sealed(JOB, "state", bytes(20_000))
    t.put_sealed(JOB, "out/1", bytes(20_000))
    t.set_phase(JOB, "running")
    t.append("job.accepted", JOB)


def ended(t: Transaction) -> None:
    job = f"{t.size():064x}"
    t.put_job(job, phase="running", deadline=0, detail="")
    t.put_sealed(job, "state", bytes(20_000))
    t.end_job(job, "done", "", "")
    t.append("job.ended", job)


def eight_threads(journal: Journal) -> float:
    """Commits per second of eight threads together."""
    counts, stop = [0] * 8, threading.Event()

    def write(me: int) -> None:
        while not stop.is_set():
            with journal.transaction() as t:
                t.append("job.offered", JOB)
            counts[me] += 1

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def proofs(journal: Journal) -> None:
    with journal.transaction() as t:
        while t.size() < ENTRIES:
            t.append("job.offered", JOB)
    with journal.view() as v:
        size = v.size()
        print(f"ledger of {size} entries: an inclusion proof has {len(v.inclusion(7))} hashes")

    def prove() -> None:
        with journal.view() as v:
            v.inclusion(size // 3)

    print(f"  inclusion proof, cold        {1000 / rate(prove):8.2f} ms")
    started = time.perf_counter()
    journal.fsck()
    print(f"  fsck                         {size / (time.perf_counter() - started):8.0f} entries/s")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--postgres", metavar="URL", help="measure an empty PostgreSQL database instead of a file")
    chosen = arguments.parse_args()
    print("import governance.journal:", subprocess.check_output([sys.executable, "-c", IMPORT], text=True).strip())
    with tempfile.TemporaryDirectory(dir=".") as folder:
        print(f"fdatasync of 4 KiB             {fsyncs(Path(folder)):8.0f} /s")
        journal = Journal.create(chosen.postgres or Path(folder) / "node.db", SigningKey.generate("benchmark/node"))
        with journal.transaction() as t:
            t.put_job(JOB, phase="offered", deadline=0, detail="")
        for name, change in {
            "one setting": lambda t: t.put("a", "b"),
            "one ledger entry": lambda t: t.append("job.offered", JOB),
            "100 ledger entries": lambda t: [t.append("job.offered", JOB) for _ in range(100)],
            "a step of a job": job_step,
            "a job begun, ended, wiped": ended,
        }.items():
            print(f"commit: {name:22s} {rate(committed(journal, change)):8.0f} /s")
        print(f"commit: one entry, 8 threads   {eight_threads(journal):8.0f} /s")
        proofs(journal)
        journal.close()


if __name__ == "__main__":
    main()
