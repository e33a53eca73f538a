"""The jail against programs that try to get out, in both tiers; and that an honest program gives the right numbers in both."""

from __future__ import annotations

import gc
import io
import json
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import sandbox.jail
from governance.errors import IntegrityError, KeyongError, Unavailable, UsageError
from sandbox.jail import Limits, Zygote, probe, runtime, seal
from sandbox.jail.syscalls import HOSTILE, JUDGED, numbers

HERE = Path(__file__).parent
sys.path.append(str(HERE))
import hostile_programs  # noqa: E402

CHECKOUT = Path(sandbox.jail.__file__).parents[2]
SMALL = Limits(memory_mb=256, tmp_mb=16, threads=32)

# What gets through, and is said so in docs/specs/jail.md.
RESIDUAL = {
    "A": {"fine_clock", "memory_of_the_host"},
    "B": {"fine_clock", "memory_of_the_host", "stat_of_host_paths", "number_of_the_parent", "host_name"},
}
# In tier B a node without root shares its user's count of threads; memory bounds them instead.
if os.geteuid():
    RESIDUAL["B"] = RESIDUAL["B"] | {"threads"}

# Outside a jail these depend on who runs the test or on the machine, so nothing is learnt from a free run.
NOT_FREE = {"become_root", "tamper_with_input", "further_descriptors"}


@pytest.fixture(scope="module")
def token():
    value = secrets.token_hex(16)
    os.environ["KEYONG_TEST_SECRET"] = value
    yield value
    del os.environ["KEYONG_TEST_SECRET"]


@pytest.fixture(scope="module")
def host(token):
    """Secrets, listeners and writable places on the host, open to every user where that makes the attack easier."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    for name, mode in (("key", 0o600), ("public", 0o644), ("raw", 0o644)):
        (folder / name).write_text(token)
        (folder / name).chmod(mode)
    (folder / "drop").mkdir()
    (folder / "drop").chmod(0o777)
    (folder / "library").write_text("")
    (folder / "library").chmod(0o666)
    tcp, udp, unix, abstract = (
        socket.create_server(("127.0.0.1", 0)),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        socket.socket(socket.AF_UNIX),
        socket.socket(socket.AF_UNIX),
    )
    udp.bind(("127.0.0.1", 0))
    unix.bind(str(folder / "socket"))
    abstract.bind(f"\0{token}")
    for listener in (unix, abstract):
        listener.listen()
    (folder / "socket").chmod(0o777)
    about = {name: str(folder / name) for name in ("key", "public", "raw", "drop", "library")}
    about |= {"token": token, "tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1], "unix": str(folder / "socket"), "abstract": token}
    about |= {"node": os.getpid(), "host": os.uname().nodename, "checkout": str(CHECKOUT), "folder": str(folder)}
    about |= {"tgkill": numbers(JUDGED)["tgkill"], "threads": SMALL.threads, "files": SMALL.files, "total_mb": 768}
    yield about
    for listener in (tcp, udp, unix, abstract):
        listener.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def table():
    x = np.arange(200_000.0)
    return pa.table({"x": x, "y": 3 * x + 2, "group": pa.array([f"g{i % 7}" for i in range(len(x))]).dictionary_encode()})


@pytest.fixture(scope="module")
def data(table):
    descriptor = seal(table)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(scope="module", params=["A", "B"])
def zygote(request, host):
    with Zygote(
        ["numpy.random", "pyarrow.compute", "pyarrow.acero", "hostile_programs", "jailed_programs"], request.param, folders=[HERE]
    ) as started:
        yield started


def alarm(zygote, data, program, spec, *, wall=20.0, expect=8, limits=SMALL):
    """The alarm that a misbehaving program raises."""
    with zygote.open(f"jailed_programs:{program}", spec, data, limits=limits) as session, pytest.raises(IntegrityError) as raised:
        session.ask(b"", expect=expect, wall=wall)
    return raised.value


def outcome(zygote, data, name, about):
    spec = json.dumps({**about, "name": name}).encode()
    with zygote.open("hostile_programs:attempt", spec, data, limits=SMALL) as session:
        try:
            return {b"\1": "succeeded", b"\0": "stopped"}[session.ask(b"go", expect=1, wall=60)]
        except IntegrityError as error:
            return error.code


# ---- attacks


@pytest.mark.parametrize("name", sorted(hostile_programs.ATTACKS))
def test_attack(zygote, data, host, name):
    met = outcome(zygote, data, name, host)
    assert (met == "succeeded") == (name in RESIDUAL[zygote.tier]), met


@pytest.fixture(scope="module")
def works_outside(host):
    command = [sys.executable, str(HERE / "hostile_programs.py"), json.dumps({**host, "threads": 1, "files": 1})]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("name", sorted(hostile_programs.ATTACKS.keys() - NOT_FREE))
def test_attack_would_work_outside(works_outside, name):
    worked, complaints = works_outside
    assert worked[name], complaints


@pytest.mark.parametrize("name", sorted(numbers(HOSTILE)))
def test_hostile_call_kills(zygote, data, name):
    spec = str(numbers(HOSTILE)[name]).encode()
    assert alarm(zygote, data, "call", spec).code == "jail.died"


def test_nothing_was_dropped_or_sent(zygote, data, host):
    for name in ("write_outside", "tcp", "unix_path"):
        (Path(host["drop"]) / "rows").unlink(missing_ok=True)
        outcome(zygote, data, name, host)
    assert not os.listdir(host["drop"])


def test_input_stays_as_it_was(zygote, data, table, host):
    outcome(zygote, data, "tamper_with_input", host)
    with pytest.raises(PermissionError):
        os.pwrite(data, b"x", 0)
    with zygote.open("jailed_programs:honest", b"", data) as session:
        assert np.frombuffer(session.ask(b"", expect=40, wall=20))[:2] == pytest.approx([2, 3])


# ---- answers that are none


@pytest.mark.parametrize("act", ["spin", "sleep", "deafen", "recurse"])
def test_wall_limit_kills(zygote, data, act):
    start = time.monotonic()
    assert alarm(zygote, data, "misbehave", act.encode(), wall=0.3).code == "jail.time"
    assert time.monotonic() - start < 5


def test_request_that_is_never_read(zygote, data):
    with zygote.open("jailed_programs:wait_to_read", b"", data) as session, pytest.raises(IntegrityError) as raised:
        session.ask(bytes(1 << 24), expect=8, wall=0.3)
    assert raised.value.code == "jail.time"


def test_processor_time_is_limited(zygote, data):
    limits = Limits(memory_mb=256, cpu_s=1)
    assert alarm(zygote, data, "misbehave", b"spin", limits=limits).code == "jail.died"


@pytest.mark.parametrize("act", ["flood", "short", "long", "huge"])
def test_other_length_than_declared(zygote, data, act):
    assert alarm(zygote, data, "misbehave", act.encode()).code == "jail.output"


@pytest.mark.parametrize("act", ["cut", "nothing", "object", "raise", "exit", "abort", "segfault"])
def test_end_without_answer(zygote, data, act):
    assert alarm(zygote, data, "misbehave", act.encode()).code == "jail.died"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 is a second face of x86_64")
def test_second_face_of_the_machine_kills(zygote, data):
    assert alarm(zygote, data, "misbehave", b"x32").code == "jail.died"


def test_unasked_answer(zygote, data):
    with zygote.open("jailed_programs:talk_twice", b"", data) as session:
        session.ask(b"", expect=8, wall=20)
        time.sleep(0.2)
        with pytest.raises(IntegrityError) as raised:
            session.ask(b"", expect=8, wall=20)
    assert raised.value.code == "jail.output"


def test_ends_look_alike(zygote, data):
    errors = [alarm(zygote, data, "misbehave", act) for act in (b"raise", b"exit", b"abort", b"segfault")]
    assert len({(type(e), str(e), e.code, str(e.facts), e.detail) for e in errors}) == 1
    assert {e.__cause__ for e in errors} == {None}
    assert not any("row" in repr(e.__context__) for e in errors)


# ---- the jail's life


def test_honest_program(zygote, data):
    with zygote.open("jailed_programs:honest", b"spec", data) as session:
        answers = [np.frombuffer(session.ask(b"x" * size, expect=40, wall=20)) for size in (0, 1, 1 << 22)]
    for size, answer in zip((0, 1, 1 << 22), answers, strict=True):
        assert answer == pytest.approx([2, 3, 7, size, 4])


def test_sessions_share_nothing(zygote, data):
    for _ in range(2):
        with zygote.open("jailed_programs:remember", b"", data) as session:
            assert np.frombuffer(session.ask(b"", expect=8, wall=20)) == [0]
    with (
        zygote.open("jailed_programs:remember", b"", data) as first,
        zygote.open("jailed_programs:remember", b"", data) as second,
    ):
        assert [np.frombuffer(s.ask(b"", expect=8, wall=20))[0] for s in (first, second)] == [0, 0]


def test_sessions_do_not_share_dice(zygote, data):
    draws = set()
    for _ in range(3):
        with zygote.open("jailed_programs:dice", b"", data) as session:
            draws.add(session.ask(b"", expect=8, wall=20))
    assert len(draws) == 3


def test_log_is_kept_and_capped(zygote, data):
    log = io.BytesIO()
    with zygote.open("jailed_programs:noisy", b"", data, log=log) as session:
        session.ask(b"", expect=8, wall=20)
    assert log.getvalue().startswith(b"log log ")
    assert len(log.getvalue()) <= 65_536


def test_log_tells_the_node_what_went_wrong(zygote, data):
    log = io.BytesIO()
    with zygote.open("jailed_programs:misbehave", b"raise", data, log=log) as session, pytest.raises(IntegrityError):
        session.ask(b"", expect=8, wall=20)
    assert b"ValueError" in log.getvalue()


def test_nothing_leaks_from_many_sessions(zygote, data):
    def used():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = used()
    for _ in range(20):
        with zygote.open("jailed_programs:dice", b"", data) as session:
            session.ask(b"", expect=8, wall=20)
    assert used() == before
    assert not zygote._taken


@pytest.mark.parametrize("tier", ["A", "B"])
@pytest.mark.parametrize("victim", ["node", "node of stopped processes", "child", "parent of the jail"])
def test_killed_node_or_zygote_leaves_nobody(tier, victim):
    source = f"""
import sys
sys.path[:0] = [{str(CHECKOUT)!r}]
import pyarrow as pa
from sandbox.jail import Zygote, seal
zygote = Zygote(["jailed_programs"], {tier!r}, folders=[{str(HERE)!r}])
session = zygote.open("jailed_programs:misbehave", b"deafen", seal(pa.table({{"x": [1]}})))
print("open", flush=True)
session.ask(b"", expect=8, wall=600)
"""
    node = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    node.stdout.readline()
    time.sleep(0.2)
    family = descendants(node.pid)
    assert len(family) == (3 if tier == "A" else 2)
    if victim == "node of stopped processes":
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
    os.kill({"child": family[0], "parent of the jail": family[-2]}.get(victim, node.pid), signal.SIGKILL)
    deadline = time.monotonic() + 3
    while (left := [pid for pid in family if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    node.kill()
    node.communicate()
    assert left == []


def descendants(pid):
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(name))
    found = parents.get(pid, [])
    return found + [below for child in found for below in descendants(child)]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# ---- the node's side


def test_probe_finds_the_best_tier():
    found = probe()
    assert (found.tier, found.namespaces, found.seccomp) == ("A", True, True)
    assert found.landlock >= 4


def test_zygote_outlives_the_thread_that_started_it(data):
    with ThreadPoolExecutor(1) as pool:
        zygote = pool.submit(Zygote, ["jailed_programs", "numpy.random"], folders=[HERE]).result()
    time.sleep(0.2)
    with zygote, zygote.open("jailed_programs:dice", b"", data) as session:
        assert len(session.ask(b"", expect=8, wall=20)) == 8


def test_sessions_from_many_threads(zygote, data):
    def one(_):
        with zygote.open("jailed_programs:dice", b"", data) as session:
            return session.ask(b"", expect=8, wall=20)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(one, range(12)))) == 12


def test_best_tier_is_taken(data):
    with Zygote(["pyarrow"]) as zygote:
        assert zygote.tier == probe().tier


@pytest.mark.parametrize("program", ["jailed_programs:missing", "no_such_module:f", "os.path", "a b:c"])
def test_program_that_is_not_there(zygote, data, program):
    with pytest.raises(UsageError):
        zygote.open(program, b"", data)


def test_data_must_be_sealed(zygote):
    with tempfile.TemporaryFile() as file, pytest.raises(UsageError, match="sealed"):
        zygote.open("jailed_programs:dice", b"", file.fileno())
    open_memory = os.memfd_create("open", os.MFD_ALLOW_SEALING)
    with pytest.raises(UsageError, match="sealed"):
        zygote.open("jailed_programs:dice", b"", open_memory)
    os.close(open_memory)


def test_closed_session_and_zygote(data):
    zygote = Zygote(["pyarrow"], "B")
    session = zygote.open("sandbox.jail.memory:opened", b"", data)
    session.close()
    session.close()
    with pytest.raises(UsageError, match="closed"):
        session.ask(b"", expect=8, wall=1)
    zygote.close()
    with pytest.raises(Unavailable, match="ended"):
        zygote.open("sandbox.jail.memory:opened", b"", data)


def test_zygote_that_cannot_start(monkeypatch):
    with pytest.raises(UsageError, match="tiers"):
        Zygote([], "C")
    with pytest.raises(Unavailable, match="no_such_module"):
        Zygote(["no_such_module"])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Unavailable, match="did not start"):
        Zygote([], "A")


def test_threads_before_the_fork_are_refused(tmp_path):
    (tmp_path / "spawns.py").write_text("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n")
    tmp_path.chmod(0o755)
    with pytest.raises(Unavailable, match="threads"):
        Zygote(["spawns"], "B", folders=[tmp_path])


def test_folder_that_the_jails_user_cannot_read(tmp_path):
    tmp_path.chmod(0o700)
    if os.geteuid():
        with Zygote(["pyarrow"], "A", folders=[tmp_path]) as zygote:
            assert zygote.tier == "A"
    else:
        with pytest.raises(Unavailable, match=str(tmp_path)):
            Zygote(["pyarrow"], "A", folders=[tmp_path])


def test_loaded_module_outside_the_runtime(tmp_path, monkeypatch):
    (tmp_path / "stray.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    module = __import__("stray")
    assert module.__file__ in set(runtime.uncovered(runtime.readable(str(CHECKOUT), [])[:1]))
    assert module.__file__ not in set(runtime.uncovered(runtime.readable(str(CHECKOUT), [str(tmp_path)])))


def test_checkout_is_not_read_whole(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(CHECKOUT), *sys.path])
    paths = runtime.readable(str(CHECKOUT), [])
    assert str(CHECKOUT / "sandbox") in paths
    assert str(CHECKOUT) not in paths


def test_closed_folders_are_named(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "open").mkdir(mode=0o755)
    assert list(runtime.closed_to_others([str(closed), str(closed / "open")])) == [str(closed)]
    assert str(closed) in set(runtime.closed_parents([str(closed / "open")]))


def test_strict_umask_of_the_node(data):
    before = os.umask(0o077)
    try:
        zygote = Zygote(["numpy.random", "jailed_programs"], "A", folders=[HERE])
    finally:
        os.umask(before)
    with zygote, zygote.open("jailed_programs:late", b"", data) as session:
        assert session.ask(b"", expect=8, wall=20) == bytes(8)


def test_no_tier_no_start(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert probe().tier is None
    with pytest.raises(Unavailable, match="Linux"):
        Zygote([])


@pytest.mark.parametrize("limits", [{"memory_mb": 8}, {"cpu_s": 0}, {"tmp_mb": 0}, {"threads": 0}, {"files": -1}])
def test_limits_must_make_sense(limits):
    with pytest.raises(UsageError):
        Limits(**limits)


def test_errors_are_ours(zygote, data):
    assert isinstance(alarm(zygote, data, "misbehave", b"exit"), KeyongError)


# ---- sealing


def test_sealed_table_reads_back(table, data):
    with os.fdopen(os.dup(data), "rb") as file:
        file.seek(0)
        assert pa.ipc.open_file(file).read_all().equals(table)


def test_batches_do_not_depend_on_chunks(table):
    shuffled = pa.concat_tables([table.slice(0, 7), table.slice(7, 100_000), table.slice(100_007)])
    sizes = []
    for variant in (table, shuffled):
        descriptor = seal(variant)
        with os.fdopen(descriptor, "rb") as file:
            reader = pa.ipc.open_file(file)
            sizes.append([reader.get_batch(i).num_rows for i in range(reader.num_record_batches)])
    assert sizes == [[65_536, 65_536, 65_536, 3_392]] * 2


def test_dictionaries_that_differ_by_chunk():
    parts = [pa.table({"g": pa.array([word]).dictionary_encode()}) for word in ("a", "b")]
    with os.fdopen(seal(pa.concat_tables(parts)), "rb") as file:
        assert pa.ipc.open_file(file).read_all()["g"].to_pylist() == ["a", "b"]


def test_empty_table(zygote):
    empty = pa.table({"x": pa.array([], pa.float64()), "y": pa.array([], pa.float64()), "group": pa.array([], pa.string())})
    descriptor = seal(empty)
    with zygote.open("jailed_programs:dice", b"", descriptor) as session:
        assert len(session.ask(b"", expect=8, wall=20)) == 8
    os.close(descriptor)
