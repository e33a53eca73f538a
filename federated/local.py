"""A whole federation as real processes on this machine: for the demo, tests, benchmarks, and a first look at one's own data."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import connectors
from federated.authority import Authority, read_card, read_dataset
from federated.client import Hub, connect
from federated.coordinator import folder
from federated.grants import plan_by
from federated.node import desk
from federated.node import home as homes
from federated.node.home import Home
from federated.operator import join
from federated.registry import Registry, read_manifest, request
from federated.transport import Link
from governance import notes
from governance.errors import Unavailable
from governance.grading import Grading
from governance.registration import Grade, digest
from governance.rights import WHOLE
from sandbox.policy import METHOD_NAMES

START = 60.0
PLATFORM, FEN = "Data Bureau Platform", 10_000  # what a release costs: 100 yuan
REGISTERED = {
    "sort": "health", "responsible": "Medical records office", "rights": ["hold", "process"], "basis": ["发改数据规〔2025〕26号"],
    "begins": "2024-01-01", "ends": "2025-01-01", "size": "100-to-999", "openness": "conditional-paid",
}  # fmt: skip


class Federation:
    """Authority, coordinator, nodes and one operator in *path*; a context manager that leaves no process behind.

    Parameters
    ----------
    path
        An empty folder; it stays when the processes end.
    dataset
        The catalogue entry, as YAML.
    sources
        URL of each holder's table, by holder.
    columns
        Columns that the licence names; all of them where left out.
    """

    def __init__(
        self,
        path: Path,
        dataset: str,
        sources: Mapping[str, str],
        *,
        columns: Sequence[str] | None = None,
        purpose: str = "research",
        min_cell: int = 10,
        uses: int = 1000,
        patience: float = 2.0,
        organisations: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.dataset, self.sources = path, dataset, dict(sources)
        self.entry = read_dataset(dataset)
        self.columns = tuple(columns) if columns is not None else tuple(c.name for c in self.entry.schema.columns)
        self.purpose, self.min_cell, self.uses, self.patience = purpose, min_cell, uses, patience
        self.organisations = dict(organisations or {})
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self._logs: list[IO[str]] = []
        self.port = _free_port()

    # --- founding, as each party would do it with the command line

    def found(self) -> Self:
        """Authority, coordinator, enrolments, data, licence; then the nodes start."""
        for url in self.sources.values():
            connectors.open(url)  # a wrong one ends here, before anything is made
        self.authority = Authority.create(self.path / "authority", "authority", keys=3, threshold=2)
        token = self.authority.enrol("coordinator", PLATFORM, "coordinator")
        folder.create(self.path / "coordinator", token.text(), url=f"https://127.0.0.1:{self.port}", hosts=("127.0.0.1", "localhost"))
        self.start_coordinator()
        with ThreadPoolExecutor(len(self.sources)) as pool:
            list(pool.map(self._join, self.sources))
        self.publish(entry := self.authority.sign(self.entry))
        self.authority.keep(entry)
        self.register()
        with ThreadPoolExecutor(len(self.sources)) as pool:
            list(pool.map(lambda name: desk.add_data(self.home(name), self.entry.name, self.sources[name]), self.sources))
        for name in self.sources:
            self._spawn_node(name)
        self._licence()
        for name in self.sources:
            self._await_ready(name)
        return self

    def _join(self, name: str) -> None:
        token = self.authority.enrol(name, self.organisation(name), "holder", coordinator=self.card)
        homes.join(self.home(name), token.text())

    def register(self) -> None:
        """The first holder applies for the dataset as an asset, and the authority registers it: no licence names it before.

        Where it is registered already, that is changed to what the catalogue shows now.

        A person there says that columns which no rule knows have the catalogue's grade.
        """
        entry, key = self.entry, Home.open(self.home(self.entry.holders[0])).key
        grades = tuple(sorted((Grade(c.name, c.grade) for c in entry.schema.columns), key=lambda each: each.column))
        word = notes.write(Grading(entry.name, digest(entry.schema), "data officer", int(time.time()), grades)).signed_by(key)
        asset = json.dumps({"asset": entry.name, "title": entry.title, **REGISTERED})
        name, manifest = read_manifest(asset, entry, key.public, word)
        registry = Registry(self.authority)
        before = registry.assets().get(name)
        asked = request(name, manifest, key, after=before, reason="the catalogue has a new version" if before else "")
        chain = registry.take(asked, "apply", "change", graded=str(word))
        for link in chain.links:
            self.publish(str(link))

    def _licence(self) -> None:
        token = self.authority.enrol("operator", "Data Operations Ltd", "operator", coordinator=self.card)
        key = join(token.text(), self.path / "operator.key")
        self.plan = self.authority.plan(str(plan_by(key)))
        price = self.authority.price(self.entry.name, unit="call", fen=FEN, highest=2 * FEN, ceiling=10_000 * FEN)
        licence = self.authority.licence(str(key.public), dataset=self.entry.name, columns=self.columns, purposes=(self.purpose,),
                                         methods=METHOD_NAMES, min_cell=self.min_cell, uses=self.uses, days=30, plan=self.plan,
                                         terms={"price": self.authority.keep(price), "split": self._split()})  # fmt: skip
        (self.path / "plan.note").write_text(self.plan)
        for text in (price, self.plan, licence, self.authority.revocations()):
            self.publish(text)

    def _split(self) -> dict[str, int]:
        """Of what a release costs, nine tenths to the holders in equal parts, and the rest to the platform; in basis points."""
        each = (WHOLE - WHOLE // 10) // len(self.sources)
        return {**{self.organisation(name): each for name in self.sources}, PLATFORM: WHOLE - each * len(self.sources)}

    def organisation(self, name: str) -> str:
        """Whose node is called *name*."""
        return self.organisations.get(name, f"Hospital {name}")

    def publish(self, text: str) -> None:
        where = read_card(self.card)
        with Link(where["url"], where["ca"], None) as link:
            link.publish(text)

    @property
    def card(self) -> Path:
        return self.path / "coordinator" / folder.CARD

    def home(self, name: str) -> Path:
        return self.path / name

    def hub(self) -> Hub:
        """The operator's connection."""
        return connect(identity=self.path / "operator.key")

    # --- processes

    def start_coordinator(self) -> None:
        self._spawn("coordinator", "coordinator", "serve", "--home", str(self.path / "coordinator"), "--listen", f"127.0.0.1:{self.port}",
                    "--patience", str(self.patience))  # fmt: skip
        self._await_ready("coordinator")

    def start_node(self, name: str) -> None:
        self._spawn_node(name)
        self._await_ready(name)

    def _spawn_node(self, name: str) -> None:
        self._spawn(name, "node", "serve", "--home", str(self.home(name)))

    def _spawn(self, name: str, *command: str) -> None:
        log = (self.path / f"{name}.log").open("a")
        self._logs.append(log)
        arguments = [sys.executable, "-c", "from federated.cli import main; main()", *command, "--json"]
        root = str(Path(__file__).resolve().parent.parent)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
        self.processes[name] = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, start_new_session=True
        )

    def _await_ready(self, name: str) -> None:
        process = self.processes[name]
        line = process.stdout.readline() if process.stdout else ""
        if '"ready"' not in line:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)  # its last words are in the log when it has ended
            log = (self.path / f"{name}.log").read_text()[-2000:]
            raise Unavailable(f"{name} did not start: {log or 'no output'}")

    def kill(self, name: str) -> None:
        """kill -9, as a power cut would."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()

    def memory(self) -> dict[str, int]:
        """Proportional set size of each process and its children, in bytes."""
        return {name: sum(_pss(pid) for pid in _family(process.pid)) for name, process in self.processes.items()}

    def close(self) -> None:
        """End all processes."""
        for process in self.processes.values():
            process.terminate()
        for name in list(self.processes):
            process = self.processes.pop(name)
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()
        for log in self._logs:
            log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _family(pid: int) -> list[int]:
    try:
        children = [int(c) for task in Path(f"/proc/{pid}/task").glob("*/children") for c in task.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return []
    return [pid, *(member for child in children for member in _family(child))]


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
