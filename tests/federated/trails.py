"""A coordinator's ledger with prices, jobs that were released, refused and cancelled, for the tests of what is computed from it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import coordinators
import inmemory
import licensing
import numpy as np
from coordinators import AUTHORITY, KEYS, SCHEMA
from offices import Floor, Nodes

from federated import records
from governance import catalogue, notes
from governance.catalogue import Dataset, Schema
from governance.errors import KeyongError, Refused
from governance.keys import SigningKey
from governance.prices import Price
from governance.roots import NEEDED, Role, Root, Version, pinned
from sandbox import machine
from sandbox.job import Job, nonce

COLUMNS = (*SCHEMA.columns, catalogue.category("sex", ("female", "male")), catalogue.category("ward", ("a", "b", "c", "d")))
SIZE = 80  # rows of each holder
DATASET = Dataset("cohort", 2, "cohort", Schema("id", COLUMNS), coordinators.ROSTER, 1, 10_000)


class Trail:
    """A floor whose dataset has a price, and one licence under it."""

    def __init__(self, path: Path, *, uses: int = 1000) -> None:
        self.floor = Floor(path)
        self.office = self.floor.office
        self.office.journal._clock = self.floor.clock  # one clock for decisions and entries
        now = int(time.time())
        self.dataset = str(notes.write(DATASET).signed_by(AUTHORITY))
        self.office.publish(self.dataset)
        keys, fields = (AUTHORITY, KEYS["east"]), licensing.manifest(DATASET, KEYS["east"])
        chain = licensing.moved(coordinators.asset(), "change", *keys, at=now, schema=fields.schema, grades=fields.grades)
        coordinators.register(self.office, chain)
        self.price = self.publish(Price("cohort", 1, "call", 1001, 2000, 10**6, (), now - 100, now + 10**6))
        purposes = ("public-interest", "research")
        given = coordinators.licence(columns=("age", "sex", "ward"), purposes=purposes, use_count=uses)
        self.licence = self.office.publish(str(given))[1]

    def written(self, path: Path) -> Path:
        """A folder with what somebody on another machine has: the records, and the authority's key root."""
        (path / "records.json").write_text(records.write(self.export()))
        (path / "root.note").write_text(coordinators.ROOTS.texts[0])
        return path

    def publish(self, document: object) -> str:
        return self.office.publish(str(notes.write(document).signed_by(AUTHORITY)))[1]

    def job(self, where: str = "", **changes: object) -> str:
        now = int(self.floor.clock())
        asked = Job("ages", str(KEYS["operator"].public), str(KEYS["coordinator"].public), "research", self.licence, "cohort",
                    notes.read(self.dataset).id, where, "describe", 1, {"columns": ("age",)}, "secagg", "exact", 10, now, now + 600,
                    nonce(), catalogue.HOME)  # fmt: skip
        return str(notes.write(replace(asked, **changes)).signed_by(KEYS["operator"]))

    def submit(self, where: str = "", *, links: tuple[str, ...] = (), **changes: object) -> str:
        """A job that waits; its id also where it was refused at the door."""
        text = self.job(where, **changes)
        try:
            return self.office.submit(text, self.office.parties()["operator"], links)
        except Refused:
            return notes.read(text).id

    def run(self, where: str = "", *, links: tuple[str, ...] = (), **changes: object) -> str:
        job = self.submit(where, links=links, **changes)
        Nodes(self.floor, job, tables()).run()
        return job

    def refuse(self, error: KeyongError, holder: str = "north") -> str:
        """A job that *holder* refuses."""
        job = self.submit()
        with self.office.journal.view() as t:
            text = t.note("job", job) or ""
        self.office.post(job, machine.refuse(text, KEYS[holder], error), wait=0)
        return job

    def export(self) -> records.Export:
        with self.office.journal.view() as t:
            return records.export(t, str(KEYS["coordinator"].public), coordinators.ROOTS)

    def read(self) -> records.Records:
        return records.of(self.export(), coordinators.PINNED)


def stranger() -> Version:
    """The key root of another authority."""
    key = SigningKey.generate("stranger")
    made = Root(1, (), dict.fromkeys(NEEDED, Role((str(key.public),), 1)), ("ed25519",), (), 2**34)
    return pinned(notes.write(made).signed_by(key))


def tables():
    rng = np.random.default_rng(0)
    return {
        name: inmemory.table(DATASET.schema, {
            "age": rng.uniform(18, 100, SIZE), "sex": [("female", "male")[i % 2] for i in range(SIZE)],
            "ward": ["abcd"[i % 4] for i in range(SIZE)],
        })
        for name in coordinators.ROSTER
    }  # fmt: skip
