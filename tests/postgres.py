"""A real PostgreSQL server for tests: a private cluster on the loopback interface, gone when the session ends.

Use it in a test module with ``pytest_plugins = ("tests.postgres",)`` and the fixture ``postgres``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

MISSING = "PostgreSQL is not installed, and this test is about it: apt-get install -y postgresql"
STARTING = 60


class Server:
    """One cluster. It refuses to run as root, so root starts it as the user postgres."""

    def __init__(self) -> None:
        self.bin = _binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="keyong-pg-"))
        self.data = self.folder / "data"
        self.password = secrets.token_hex(16)
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._prepare()
        self.start()

    def fresh(self) -> str:
        """URL of an empty place: a new user with a schema of its own, which takes a hundredth of the time of a new database."""
        name = "t" + secrets.token_hex(8)
        self.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{self.password}'")
        self.sql(f"CREATE SCHEMA AUTHORIZATION {name}")
        return f"postgresql+psycopg://{name}:{self.password}@127.0.0.1:{self.port}/postgres"

    def sql(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"]
        settings += ["-c", "fsync=off"]  # it is the server that these tests kill, not the machine
        command = [*_as_postgres(), str(self.bin / "postgres"), "-D", str(self.data), "-p", str(self.port), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends its sessions, SIGQUIT is the crash that PostgreSQL recovers from."""
        if self._process:
            self._process.send_signal(how)
            self._process.wait(STARTING)
            self._process = None

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def _prepare(self) -> None:
        passwords = self.folder / "password"
        passwords.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.folder, passwords):
                shutil.chown(path, "postgres", "postgres")
        options = ["-D", str(self.data), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={passwords}", "-E", "UTF8", "--locale=C"]
        subprocess.run([*_as_postgres(), str(self.bin / "initdb"), *options], check=True, capture_output=True, cwd=self.folder)

    def _wait(self) -> None:
        import psycopg

        until = time.monotonic() + STARTING
        while True:
            try:
                psycopg.connect(self._dsn()).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self._process is None or self._process.poll() is not None:
                    pytest.fail("PostgreSQL did not start: " + (self.folder / "log").read_text()[-2000:])
                time.sleep(0.05)

    def _dsn(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.fail(MISSING)
    return found[-1].parent


def _as_postgres() -> list[str]:
    """Run as the user postgres, and no longer than this process: a test run that is killed leaves no server behind."""
    user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig=QUIT", *user, "--"]


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.remove()
