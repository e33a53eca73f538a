"""The journal when something goes wrong: killed writers, full disks, two processes, a server that dies, keys that must be gone."""

import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from governance.errors import IntegrityError, Unavailable, UsageError
from governance.journal import Journal
from governance.keys import SigningKey

pytest_plugins = ("tests.postgres",)

LOG = SigningKey("hospital-a/node", bytes(range(32)))
JOB = "ab" * 32

PROGRAM = """
import resource, sys
from governance.errors import Unavailable
from governance.journal import Journal
from governance.keys import SigningKey

LOG = SigningKey("hospital-a/node", bytes(range(32)))

def step(journal, who):
    '''One transaction that touches everything, then its acknowledgement.'''
    with journal.transaction() as t:
        index = t.append("job.spent", f"{t.size():064x}")
        job = f"{index:064x}"
        t.put_job(job, phase="admitted", deadline=0, detail=who)
        t.put_sealed(job, "state", job.encode() * 20)
        t.take_use("lic", index + 1, job, 10**9)
        t.put("last", str(index))
        if index % 3 == 0:
            t.end_job(job, "done", "", who)
    print(index, flush=True)
"""


def child(program, *arguments, out=subprocess.PIPE):
    command = [sys.executable, "-c", PROGRAM + program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True)


def acknowledged(output):
    """Whole lines only: a killed process may have written half a number."""
    return [int(line) for line in output.split("\n")[:-1]]


def check_whole(journal, at_least):
    """Every acknowledged step is there, and every step that is there is there in all its parts."""
    size = journal.fsck().size
    assert size >= at_least
    with journal.view() as v:
        names = [e.subject for e in v.entries(0, size)]
        assert names == [f"{i:064x}" for i in range(size)] == [row.job for row in v.jobs()]
        assert v.next_use("lic") == size + 1
        assert v.get("last") == (str(size - 1) if size else None)
        for index, row in enumerate(v.jobs()):
            assert row.ended == (index % 3 == 0)
            assert v.sealed(row.job, "state") == (None if row.ended else row.job.encode() * 20)
    return size


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "node.db"
    Journal.create(path, LOG).close()
    return path


def test_kill_9_at_random_moments(path):
    killed = size = 0
    dice, said = random.Random(7), path.with_name("acknowledged")
    for _ in range(12):
        with said.open("w") as out:
            writer = child("journal = Journal.open(sys.argv[1], LOG)\nwhile True: step(journal, 'x')\n", path, out=out)
        while not said.stat().st_size and writer.poll() is None:
            time.sleep(0.001)
        time.sleep(dice.uniform(0, 0.3))
        writer.send_signal(signal.SIGKILL)
        _, errors = writer.communicate()
        killed += writer.returncode == -signal.SIGKILL
        acks = acknowledged(said.read_text())
        assert acks == list(range(size, size + len(acks))) and acks, errors
        journal = Journal.open(path, LOG)
        size = check_whole(journal, size + len(acks))
        journal.close()
    assert killed == 12
    assert size >= 12


FULL = """
def allow(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

journal = Journal.open(sys.argv[1], LOG)
allow(int(sys.argv[2]))
for _ in range(2):                      # it fails, and goes on failing
    try:
        while True:
            step(journal, "x")
    except Unavailable as error:
        print(error, file=sys.stderr)
        assert error.exit_status == 75
with journal.view() as v:               # what is there can still be read
    v.entries(0, 10)
allow(resource.RLIM_INFINITY)           # somebody made room
for _ in range(5):
    step(journal, "y")
"""


@pytest.mark.parametrize("limit", [150_000, 400_000, 700_001])
def test_a_full_disk_loses_nothing(path, limit):
    writer = child(FULL, path, limit)
    output, errors = writer.communicate(timeout=120)
    assert writer.returncode == 0, errors
    assert errors.count("cannot be used now") == 2
    journal = Journal.open(path, LOG)
    size = len(acknowledged(output))
    assert acknowledged(output) == list(range(size)) and size > 5
    assert check_whole(journal, size) == size
    journal.close()


def test_two_processes_and_a_reader_at_once(path):
    program = "journal = Journal.open(sys.argv[1], LOG)\nfor _ in range(60): step(journal, 'x')\n"
    writers = [child(program, path) for _ in range(2)]
    journal = Journal.open(path, LOG)
    sizes = []
    while any(w.poll() is None for w in writers):
        with journal.view() as v:
            sizes.append(v.size())
            assert len(v.jobs()) == sizes[-1]
    outputs = [w.communicate() for w in writers]
    assert [w.returncode for w in writers] == [0, 0], outputs
    assert sorted(i for out, _ in outputs for i in acknowledged(out)) == list(range(120))
    assert sizes == sorted(sizes)
    check_whole(journal, 120)
    journal.close()


def test_two_processes_on_postgres(postgres):
    where = postgres.fresh()
    journal = Journal.create(where, LOG)
    program = "journal = Journal.open(sys.argv[1], LOG)\nfor _ in range(25): step(journal, 'x')\n"
    writers = [child(program, where) for _ in range(2)]
    outputs = [w.communicate() for w in writers]
    assert [w.returncode for w in writers] == [0, 0], outputs
    assert check_whole(journal, 50) == 50
    journal.close()


def test_a_postgres_that_crashes_and_comes_back(postgres):
    journal = Journal.create(postgres.fresh(), LOG)
    with journal.transaction() as t:
        t.append("job.offered", JOB)
    with pytest.raises(Unavailable), journal.transaction() as t:
        t.append("job.accepted", JOB)
        postgres.stop(signal.SIGQUIT)
    with pytest.raises(Unavailable) as caught, journal.view():
        pass
    assert caught.value.exit_status == 75 and postgres.password not in str(caught.value)
    postgres.start()
    with journal.transaction() as t:
        assert t.append("job.refused", JOB) == 1
    assert journal.fsck().size == 2
    journal.close()


def test_a_writer_that_waits_too_long_is_told_to_come_back(path, monkeypatch):
    monkeypatch.setattr("governance.journal.database.WAIT", "PRAGMA busy_timeout=50")
    one, two = Journal.open(path, LOG), Journal.open(path, LOG)
    with one.transaction() as t:
        t.append("job.offered", JOB)
        with pytest.raises(Unavailable, match="SQLITE_BUSY"), two.transaction():
            pass
    with two.transaction() as t:
        assert t.append("job.refused", JOB) == 1
    one.close()
    two.close()


def test_threads_wait_for_each_other(path, monkeypatch):
    monkeypatch.setattr("governance.journal.store.PATIENCE", 0.05)
    journal, told = Journal.open(path, LOG), []

    def late():
        try:
            with journal.transaction():
                told.append("wrote")
        except Unavailable as error:
            told.append(str(error))

    with journal.transaction():
        thread = threading.Thread(target=late)
        thread.start()
        thread.join()
    assert told == ["another thread has been writing for too long"]
    late()
    assert told[1:] == ["wrote"]
    journal.close()


def test_a_fork_must_open_its_own(path):
    journal = Journal.open(path, LOG)
    child = os.fork()
    if child == 0:  # no test framework in here
        try:
            with journal.transaction():
                os._exit(1)
        except UsageError as error:
            os._exit(0 if "fork" in str(error) else 2)
    assert os.waitpid(child, 0)[1] == 0
    journal.close()


# --- the file


def test_how_the_file_is_kept(path):
    """synchronous=FULL: with NORMAL, a power loss takes commits that were acknowledged."""
    journal = Journal.open(path, LOG)
    settings = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "busy_timeout": 10_000}
    with journal._database.engine.connect() as connection:
        assert {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in settings} == settings
    with journal.transaction() as t:
        t.put("a", "b")
    modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
    assert modes == dict.fromkeys(["node.db", "node.db-wal", "node.db-shm"], 0o600)
    journal.close()


def test_a_file_that_others_can_read_is_refused(path):
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        Journal.open(path, LOG)


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 500])
def test_a_file_that_is_no_journal(tmp_path, content):
    path = tmp_path / "other.db"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises((UsageError, IntegrityError), match=r"not a keyong journal|damaged"):
        Journal.open(path, LOG)
    assert path.read_bytes() == content


def test_a_database_of_somebody_else(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE patients (name)")
    path.chmod(0o600)
    with pytest.raises(UsageError, match=r"other.db is not a keyong journal"):
        Journal.open(path, LOG)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "postgresql://u:secret@h/d", "sqlite:///x.db"])
def test_other_databases_are_refused(url):
    for make in (Journal.create, Journal.open):
        with pytest.raises(UsageError) as caught:
            make(url, LOG)
        assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there():
    with pytest.raises(Unavailable) as caught:
        Journal.create("postgresql+psycopg://u:secret@127.0.0.1:1/d", LOG)
    assert "secret" not in str(caught.value)


def test_a_crash_while_creating_leaves_no_half_journal(tmp_path, monkeypatch):
    path = tmp_path / "node.db"

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("governance.journal.database.os.link", crash)
        Journal.create(path, LOG)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "node.db.new").write_bytes(b"left by a power loss")
    Journal.create(path, LOG).close()
    assert [p.name for p in tmp_path.iterdir()] == ["node.db"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(Unavailable, match=r"node.db cannot be written"):
        Journal.create(tmp_path / "nowhere" / "node.db", LOG)


def test_damage_is_called_damage(path):
    journal = Journal.open(path, LOG)
    with journal.transaction() as t:
        for i in range(300):
            t.append("job.offered", f"{i:064x}")
    journal.close()
    raw = bytearray(path.read_bytes())
    for page in range(1, len(raw) // 4096):
        raw[page * 4096 : page * 4096 + 100] = bytes([255]) * 100
    path.write_bytes(raw)
    with pytest.raises(IntegrityError, match="damaged"):
        Journal.open(path, LOG).fsck()


# --- wiping


def bytes_on_disk(path):
    return b"".join(p.read_bytes() for p in sorted(path.parent.iterdir()))


def test_wiping_leaves_no_byte_of_the_key(path, monkeypatch):
    keys = [secrets.token_bytes(32) for _ in range(120)]
    made = iter(keys)
    monkeypatch.setattr("governance.journal.sealing.fresh_key", lambda cipher: next(made))
    journal = Journal.open(path, LOG)
    jobs = [f"{i:064x}" for i in range(len(keys))]
    for job in jobs:
        with journal.transaction() as t:
            t.put_job(job, phase="running", deadline=0, detail="")
            t.put_sealed(job, "state", b"value of " + job.encode() * 100)
    assert all(key in bytes_on_disk(path) for key in keys)
    order = list(zip(jobs, keys, strict=True))
    random.Random(3).shuffle(order)
    for done, (job, key) in enumerate(order, start=1):
        with journal.transaction() as t:
            if done % 2:
                t.end_job(job, "done", "", "")
            else:
                t.wipe(job)
        if done % 10 == 0:
            there = bytes_on_disk(path)
            assert not any(key in there for _, key in order[:done]) and all(key in there for _, key in order[done:])
            assert (path.parent / "node.db-wal").stat().st_size == 0
    journal.close()


def test_a_reader_puts_the_wiping_off_until_it_is_done(path, monkeypatch):
    key = secrets.token_bytes(32)
    monkeypatch.setattr("governance.journal.sealing.fresh_key", lambda cipher: key)
    journal = Journal.open(path, LOG)
    with journal.transaction() as t:
        t.put_sealed(JOB, "state", b"value")
    with journal.view() as v:
        assert v.sealed(JOB, "state") == b"value"
        with journal.transaction() as t:
            t.wipe(JOB)
        assert key in bytes_on_disk(path)  # the reader still has its picture
    assert key not in bytes_on_disk(path)
    journal.close()


def test_a_kill_between_wiping_and_emptying_the_log_is_made_good_on_opening(path):
    program = """
from governance.journal import sealing
from governance.journal.database import Database
sealing.fresh_key = lambda cipher: b"K" * 32
journal = Journal.open(sys.argv[1], LOG)
Database.emptied = lambda self: __import__("os").kill(__import__("os").getpid(), 9)
with journal.transaction() as t:
    t.put_sealed("ab" * 32, "state", b"value")
with journal.transaction() as t:
    t.wipe("ab" * 32)
"""
    writer = child(program, path)
    writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    assert b"K" * 32 in bytes_on_disk(path)
    journal = Journal.open(path, LOG)
    assert b"K" * 32 not in bytes_on_disk(path)
    with journal.view() as v:
        assert v.sealed(JOB, "state") is None
    journal.close()


def test_nothing_sealed_is_readable_on_disk(path):
    journal = Journal.open(path, LOG)
    with journal.transaction() as t:
        t.put_sealed(JOB, "state", b"a secret of the machine" * 50)
    assert b"a secret of the machine" not in bytes_on_disk(path)
    journal.close()
