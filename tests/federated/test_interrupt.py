"""Ctrl-C: no traceback wherever it strikes, and who stops waiting for a job is told how to come back to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import federations
import pytest

from federated.cli import main
from federated.interrupt import in_order
from federated.node import desk

STRIKE = """
import os, signal, sys

class Strike:
    def find_spec(self, name, *_):
        if name == {at!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Strike())
from federated.cli import main
main({arguments!r})
"""
JOB = "keyong: 1\ntitle: age\npurpose: research\nlicence: any\ndataset: cohort\nanalysis: describe\nwith: {columns: [age]}\n"


@pytest.fixture(autouse=True)
def interruptible():
    """What runs in a shell's background ignores Ctrl-C, and so would all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("at", "arguments"), [
    ("click", ["method", "list"]), ("governance.errors", ["method", "list"]), ("federated.house", ["method", "list"]),
    ("federated.cli.method", ["method", "list"]), ("federated.demo", ["demo"]), ("pydantic", ["demo"]),
])  # fmt: skip
def test_while_modules_are_imported(at, arguments):
    ended = subprocess.run([sys.executable, "-c", STRIKE.format(at=at, arguments=arguments)], capture_output=True, text=True, check=False)
    assert ended.returncode in (130, -signal.SIGINT), ended.stderr
    assert not ended.stderr.strip()


def test_where_a_library_makes_another_error_of_it():
    with pytest.raises(SystemExit) as ended, in_order():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("a schema that is none") from None
    assert ended.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_errors_pass():
    with pytest.raises(ValueError, match="none"), in_order():
        raise ValueError("none")


def test_who_stops_waiting_is_told_that_the_job_goes_on(tmp_path, capsys):
    with federations.federation(tmp_path) as running:
        desk.policy(running.home("north"), {"approval": "person"})
        file, identity = tmp_path / "job.yaml", tmp_path / "operator.key"
        file.write_text(JOB)
        command = [sys.executable, "-c", "from federated.cli import main; main()", "job", "submit", file, "--identity", identity, "--wait"]
        waits = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        hub = running.hub()
        while not (jobs := hub.link.jobs()):
            time.sleep(0.1)
        time.sleep(1)
        waits.send_signal(signal.SIGINT)
        _, told = waits.communicate(timeout=20)
        job = jobs[0].job
        assert (waits.returncode, "Traceback" in told) == (130, False)
        assert f"stopped waiting; job {job[:12]} goes on: keyong job result {job[:12]}, keyong job cancel {job[:12]}" in told
        assert not hub.status(job).ended
        main(["job", "cancel", job[:12], "--identity", str(identity)])
        main(["job", "cancel", job[:12], "--identity", str(identity)])
        assert capsys.readouterr().out.count("cancelled") == 2
