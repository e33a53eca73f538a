"""The journal killed, or refused by the disk, at every system call of spending, running and releasing.

A process that has imported everything forks a worker for each point; strace joins it, counts its calls, and at the n-th of one kind kills
it or makes the call fail. After each, the journal is opened again and held against what the worker had acknowledged. Two broken programs
are run the same way and must be caught, or the harness itself would be broken.  Method: the fault tests of transparency-dev/tessera.

A loss of power is played from a recording of the same calls: at any moment, of what was written and not yet synced, any part may be on the
disk, torn at 512 bytes. This is harsher than disks are; what it says of synchronous=FULL is the requirement.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from governance.errors import IntegrityError, Unavailable
from governance.journal import Journal
from governance.keys import SigningKey

LOG = SigningKey("hospital-a/node", bytes(range(32)))
JOBS = 3
KINDS = ("pwrite64", "fdatasync", "fsync", "ftruncate", "write", "unlink", "openat")
CALL = re.compile(r'\d+ +(?P<call>\w+)\(\d+<(?P<path>[^>]*)>(?:, "(?P<data>[^"]*)")?(?P<rest>[^)]*)\) += \d+')
FAILING = ("pwrite64", "fdatasync", "ftruncate", "write", "openat")

SERVER = """
import ctypes, os, signal, sys
from governance import merkle, witness
from governance.checkpoint import Checkpoint
from governance.journal import Journal, database
from governance.keys import SigningKey

LOG = SigningKey("hospital-a/node", bytes(range(32)))
PR_SET_PTRACER, ANY = 0x59616D61, 2**64 - 1

def spend(journal, job, broken):
    with journal.transaction() as t:
        t.take_use("lic", t.next_use("lic"), job, 10**9)
        t.put_job(job, phase="running", deadline=0, detail="")
        t.put_sealed(job, "state", b"x" * 5000)
        if not broken:
            t.append("job.spent", job)
    if broken:                          # budget and ledger in two transactions
        with journal.transaction() as t:
            t.append("job.spent", job)

def release(journal, job):
    with journal.transaction() as t:
        t.append("job.released", job)
        t.end_job(job, "released", "", "")

def leave(folder, number):
    with open(f"{folder}/out{number}", "wb") as file:
        file.write(b"the total")

def cosign(journal, acks):
    '''As a witness: three times a ledger that has grown by one entry.'''
    log, hashes = SigningKey("hospital-b/node", bytes(32)), [bytes([number]) * 32 for number in range(3)]
    at = lambda level, index: merkle.fold(hashes[index << level : (index + 1) << level])
    for size in range(1, 4):
        note = str(Checkpoint(log.name, size, merkle.fold(hashes[:size])).signed_by(log))
        request = witness.Request(note, (witness.Consistency(size - 1, tuple(merkle.consistency(size - 1, size, at))),))
        with journal.transaction() as t:
            answer = witness.Witness(LOG, {log.name: log.public}).cosign(t, request, 1)
        assert isinstance(answer, witness.Cosignature)
        os.write(acks, f"cosigned {size}\\n".encode())

def work(folder, design):
    if design == "normal":              # what is often advised for a write-ahead log
        database.PRAGMAS = ("PRAGMA synchronous=NORMAL",)
    journal = Journal.open(f"{folder}/node.db", LOG)
    acks = os.open(f"{folder}/acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if design == "witness":
        return cosign(journal, acks)
    for number in range(int(sys.argv[1])):
        job = f"{number:064x}"
        spend(journal, job, design == "two transactions")
        os.write(acks, f"spent {number}\\n".encode())
        if design == "egress first":    # the total leaves before the ledger says so
            leave(folder, number)
        release(journal, job)
        os.write(acks, f"released {number}\\n".encode())
        if design != "egress first":
            leave(folder, number)
    journal.close()

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(ANY), 0, 0, 0)
for line in sys.stdin:
    folder, design = line.rstrip("\\n").split("\\t")
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(ANY), 0, 0, 0)
        signal.sigwait([signal.SIGUSR1])
        try:
            work(folder, design)
        except BaseException:
            os._exit(75)
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Faults:
    """The server of workers, and the folder in which they work."""

    def __init__(self, folder):
        self.folder = folder
        self.server = subprocess.Popen([sys.executable, "-c", SERVER, str(JOBS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        journal = Journal.create(folder / "base.db", LOG)
        with journal.transaction() as t:
            for number in range(300):
                t.append("job.offered", f"{number:064x}")
        journal._database.emptied()
        journal.close()

    def run(self, *strace, design="sound"):
        """Exit code of a worker under strace, on a fresh copy of the journal."""
        self.work = self.folder / "work"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        shutil.copy(self.folder / "base.db", self.work / "node.db")
        self.server.stdin.write(f"{self.work}\t{design}\n")
        self.server.stdin.flush()
        pid = int(self.server.stdout.readline())
        tracer = subprocess.Popen(["strace", "-f", "-p", str(pid), *strace], stderr=subprocess.PIPE, text=True)
        said = tracer.stderr.readline()
        assert "attached" in said, said
        os.kill(pid, signal.SIGUSR1)
        code = int(self.server.stdout.readline())
        tracer.stderr.read()
        tracer.wait()
        return code

    def points(self, design="sound"):
        """How often a worker that nothing disturbs makes each kind of call."""
        trace = self.folder / "trace"
        assert self.run("-o", str(trace), "-e", f"trace={','.join(KINDS)}", design=design) == 0
        assert self.wrong() == []
        found = Counter(re.findall(rf"^\d+ +({'|'.join(KINDS)})\(", trace.read_text(), re.MULTILINE))
        assert found["pwrite64"] > 10 and found["fdatasync"] >= JOBS and found["write"] >= JOBS
        return [(kind, number) for kind in KINDS for number in range(1, found[kind] + 1)]

    def hit(self, kind, number, fault, *, design="sound"):
        """Exit code of a worker whose *number*-th call of *kind* meets *fault*.

        The kind is traced, too: what is not traced is not injected, and nothing says so.
        """
        return self.run("-o", os.devnull, "-e", f"trace={kind}", "-e", f"inject={kind}:{fault}:when={number}", design=design)

    def wrong(self):
        return wrong(self.work)

    def close(self):
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()

    def recorded(self, design="sound"):
        """(call, file, content or length, offset) in the order in which a worker made them, up to its end."""
        trace = self.folder / "recording"
        kinds = "pwrite64,fdatasync,fsync,ftruncate,write"
        assert self.run("-y", "-xx", "-s", "65536", "-o", str(trace), "-e", f"trace={kinds}", design=design) == 0
        calls = []
        for line in trace.read_text().splitlines():
            found = CALL.match(line)
            if found and Path(unescaped(found["path"]).decode()).parent == self.work:
                name = Path(unescaped(found["path"]).decode()).name
                calls.append((found["call"], name, unescaped(found["data"] or ""), [int(n) for n in (found["rest"] or "").split(", ")[1:]]))
        return calls


def wrong(folder):
    """What the journal, the ledger, the budget and what left the house say against each other."""
    said = (folder / "acks").read_text().split("\n")[:-1] if (folder / "acks").exists() else []
    acks = [(event, int(number)) for event, number in map(str.split, said)]
    journal = Journal.open(folder / "node.db", LOG)
    try:
        size = journal.fsck().size
        with journal.view() as v:
            entries = [(e.event, int(e.subject, 16)) for e in v.entries(300, size)]
            seen = v.seen("hospital-b/node") or "\n0\n"
            uses = v.next_use("lic") - 1
            jobs = {int(row.job, 16): row.ended for row in v.jobs()}
        spent = {number for event, number in entries if event == "job.spent"}
        released = {number for event, number in entries if event == "job.released"}
        entries += [("job.cosigned", size) for size in range(int(seen.split("\n")[1]) + 1)]
        found = [f"acknowledged and gone: {event} {number}" for event, number in acks if (f"job.{event}", number) not in entries]
        found += [f"left without an entry: {n}" for n in range(JOBS) if (folder / f"out{n}").exists() and n not in released]
        if not uses == len(spent) == len(jobs) or {n for n, ended in jobs.items() if ended} != released or not released <= spent:
            found.append(f"{uses} uses, {len(spent)} spent, jobs {jobs}, released {released}")
        with journal.transaction() as t:  # and it goes on
            t.append("job.offered", "ab" * 32)
        assert journal.fsck().size == size + 1
    finally:
        journal.close()
    return found


@pytest.fixture(scope="module")
def faults():
    if shutil.which("strace") is None:
        pytest.fail("strace is needed here: bash tests/system.sh")
    memory = Path("/dev/shm")  # nothing here waits for a disk: calls are stopped before they reach one
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        made = Faults(Path(folder))
        yield made
        made.close()


def killed(faults, points, *, design="sound"):
    """Kill at each of *points*; every single one must have killed."""
    wrong, deaths = [], 0
    for kind, number in points:
        deaths += faults.hit(kind, number, "signal=KILL", design=design) == -signal.SIGKILL
        wrong += [f"{kind} {number}: {text}" for text in faults.wrong()]
    assert deaths == len(points)
    return wrong


def failed(faults, points):
    """Let each of *points* fail in both ways; how many workers gave up."""
    wrong, gave_up = [], 0
    for kind, number in points:
        for error in ("EIO", "ENOSPC"):
            gave_up += faults.hit(kind, number, f"error={error}") != 0
            wrong += [f"{kind} {number} {error}: {text}" for text in faults.wrong()]
    return wrong, gave_up


def test_killed_at_a_sample_of_calls(faults):
    points = faults.points()
    sample = points[::14]
    assert len(sample) >= 15 and killed(faults, sample) == []


def test_refused_at_a_sample_of_calls(faults):
    points = [point for point in faults.points() if point[0] in FAILING][3::28]
    wrong, gave_up = failed(faults, points)
    assert wrong == [] and gave_up >= len(points)


@pytest.mark.parametrize("design, says", [("two transactions", "uses"), ("egress first", "left without an entry")])
def test_broken_designs_are_caught(faults, design, says):
    wrong = []
    for kind, number in [point for point in faults.points(design) if point[0] == "pwrite64"][28:60:4]:
        assert faults.hit(kind, number, "signal=KILL", design=design) == -signal.SIGKILL
        wrong += faults.wrong()
    assert [text for text in wrong if says in text]


def test_a_witness_is_killed_at_a_sample_of_calls(faults):
    """It has kept what it cosigned, or it has not cosigned."""
    assert killed(faults, faults.points("witness")[::10], design="witness") == []


@pytest.mark.soak
@pytest.mark.parametrize("design", ["sound", "witness"])
def test_killed_at_every_call(faults, design):
    points = faults.points(design)
    assert killed(faults, points, design=design) == []
    print(f"{design}: killed at {len(points)} calls")


@pytest.mark.soak
def test_refused_at_every_call(faults):
    points = [point for point in faults.points() if point[0] in FAILING]
    wrong, gave_up = failed(faults, points)
    assert wrong == [] and gave_up >= len(points)
    print(f"refused at {2 * len(points)} calls, {gave_up} gave up")


@pytest.mark.soak
@pytest.mark.parametrize("design", ["two transactions", "egress first"])
def test_broken_designs_are_caught_at_every_call(faults, design):
    points = [point for point in faults.points(design) if point[0] in ("pwrite64", "fdatasync")]
    caught = 0
    for kind, number in points:
        assert faults.hit(kind, number, "signal=KILL", design=design) == -signal.SIGKILL
        caught += bool(faults.wrong())
    assert 0 < caught < len(points)
    print(f"{design}: killed at {len(points)} calls, caught at {caught}")


# --- loss of power


def unescaped(text):
    """Bytes that strace wrote as \\x41\\x42, or a path that it left as it was."""
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()


def applied(content, call, data, numbers):
    if call == "ftruncate":
        del content[numbers[0] :]
    else:
        content.extend(bytes(max(0, numbers[-1] - len(content))))
        content[numbers[-1] : numbers[-1] + len(data)] = data


def images(calls, base, dice, moments):
    """What may be on the disk at each of *moments*, and what was acknowledged until then."""
    synced, pending, acks = {"node.db": bytearray(base), "node.db-wal": bytearray()}, {"node.db": [], "node.db-wal": []}, b""
    for moment, (call, name, data, numbers) in enumerate(calls):
        if moment in moments:
            yield {name: left(synced[name], pending[name], dice) for name in synced}, acks
        if name == "acks":
            acks += data
        elif call in ("fdatasync", "fsync"):
            for write in pending.pop(name):
                applied(synced[name], *write)
            pending[name] = []
        elif name in synced:
            pending[name].append((call, data, numbers))


def left(synced, pending, dice):
    """Nothing of what was not synced, all of it, or any of it, torn."""
    content, how = bytearray(synced), dice.integers(4)
    for call, data, numbers in pending:
        if how == 1 or (how > 1 and dice.integers(2)):
            torn = how == 3 and len(data) > 512 and dice.integers(2)
            applied(content, call, data[: 512 * int(dice.integers(1, len(data) // 512 + 1))] if torn else data, numbers)
    return content


def lost(faults, design, *, repeats, every=1):
    """What is wrong after each loss of power, and how many there were."""
    calls = faults.recorded(design)
    assert sum(call == "fdatasync" for call, *_ in calls) >= (6 if design == "sound" else 1)
    found, count, folder = [], 0, faults.folder / "image"
    for repeat in range(repeats):
        dice = np.random.default_rng(repeat)
        for files, acks in images(calls, (faults.folder / "base.db").read_bytes(), dice, set(range(repeat % every, len(calls), every))):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name, content in {**files, "acks": acks}.items():
                (folder / name).write_bytes(content)
                (folder / name).chmod(0o600)
            count += 1
            try:
                found += wrong(folder)
            except (IntegrityError, Unavailable) as error:
                found.append(f"damaged: {error}")
    return found, count


def test_power_is_lost_at_a_sample_of_moments(faults):
    found, count = lost(faults, "sound", repeats=3, every=16)
    assert found == [] and count >= 30


def test_a_journal_that_syncs_less_is_caught(faults):
    found, count = lost(faults, "normal", repeats=3, every=16)
    assert len([text for text in found if "acknowledged and gone" in text]) > count // 10


@pytest.mark.soak
def test_power_is_lost_at_every_moment(faults):
    found, count = lost(faults, "sound", repeats=8)
    assert found == [] and count >= 1500
    print(f"{count} losses of power")
