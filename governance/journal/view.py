"""What can be read in a journal: one consistent picture, unmoved by who writes meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from governance.budget import Total
from governance.encoding import parse
from governance.errors import UsageError
from governance.journal import schema, sealing
from governance.journal.consents import CLOCK, Kept, Recorded, kept, recorded
from governance.journal.rows import Decision, JobRow, LedgerRows
from governance.ledger import Entry, Ledger, Left, read_entry
from governance.notes import Note
from governance.spending import Block, Books, Export, Spend, recompute, require_same

COHORT_KINDS = frozenset({"roster", "opened"})

# Built once: these run for each step of each job, and building a statement costs more than running it.
NOTE = sa.select(schema.note.c.text).where(schema.note.c.kind == sa.bindparam("of"), schema.note.c.name == sa.bindparam("at"))
SETTING = sa.select(schema.setting.c.value).where(schema.setting.c.name == sa.bindparam("at"))
NOTES = sa.select(schema.note.c.name, schema.note.c.text).where(schema.note.c.kind == sa.bindparam("of"))
SEEN = sa.select(schema.seen.c.note).where(schema.seen.c.origin == sa.bindparam("of"))
COSIGNED = sa.select(schema.cosigned)
JOBS = sa.select(schema.job).order_by(schema.job.c.number)
OPEN_JOBS = JOBS.where(schema.job.c.ended.is_(False))
COHORTS = (
    sa.select(schema.cohort.c.members)
    .where(
        schema.cohort.c.dataset == sa.bindparam("of"),
        schema.cohort.c.snapshot == sa.bindparam("at"),
        schema.cohort.c.kind == sa.bindparam("as"),
    )
    .order_by(schema.cohort.c.number)
)
JOB = sa.select(schema.job).where(schema.job.c.job == sa.bindparam("of"))
SEALED = sa.select(schema.job_key.c.key, schema.sealed.c.box).where(
    schema.job_key.c.job == schema.sealed.c.job, schema.sealed.c.job == sa.bindparam("of"), schema.sealed.c.slot == sa.bindparam("at")
)
SPEND = sa.select(schema.spend.c.text).where(schema.spend.c.job == sa.bindparam("of"))
ASKED = (
    sa.select(schema.spend.c.number).where(schema.spend.c.query == sa.bindparam("of"), schema.spend.c.job != sa.bindparam("but")).limit(1)
)
TOTAL = (
    sa.select(schema.account.c.total).where(schema.account.c.name == sa.bindparam("of")).order_by(schema.account.c.number.desc()).limit(1)
)


def history_of(dataset: str, snapshot: str) -> str:
    """Name of the setting that says whose history a snapshot shares."""
    return f"history {dataset} {snapshot}"


class View:
    """Readings of one transaction."""

    def __init__(self, connection: Connection, left: Left = None) -> None:
        self._connection = connection
        self._left = left

    # --- ledger

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(LedgerRows(self._connection), self._left)

    @property
    def left(self) -> Left:
        """What the next writer can go on from, once this transaction is durable."""
        return self._ledger.left

    def size(self) -> int:
        """Number of ledger entries."""
        return self._ledger.size

    def checkpoint(self) -> str:
        """The latest signed checkpoint, a note."""
        return self._ledger.checkpoint()

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Proof that entry *index* is in the tree of *size* entries (all of them where it is left out)."""
        return self._ledger.inclusion(index, size)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the tree of *new* entries starts with the tree of *old* ones."""
        return self._ledger.consistency(old, new)

    def root(self, size: int | None = None) -> bytes:
        """Root of the tree of *size* entries."""
        return self._ledger.root(size)

    def entries(self, start: int = 0, count: int = 1000) -> list[Entry]:
        """Up to *count* entries from *start* on."""
        return self._ledger.entries(start, count)

    def leaves(self, start: int) -> Iterable[tuple[int, bytes]]:
        """Entries from *start* on with their indices, as they were hashed."""
        return self._ledger.leaves(start)

    def tile(self, level: int, index: int) -> bytes:
        """The hashes of a stored tile."""
        return self._ledger.tile(level, index)

    # --- witnessing

    def seen(self, origin: str) -> str | None:
        """The newest checkpoint of the ledger *origin* that this party cosigned, as the ledger signed it."""
        return self._connection.execute(SEEN, {"of": origin}).scalar_one_or_none()

    def cosigned(self) -> dict[str, tuple[int, int]]:
        """By witness: how many entries of this ledger it saw last, and its latest time."""
        return {witness: (size, at) for witness, size, at in self._connection.execute(COSIGNED)}

    # --- documents and settings

    def note(self, kind: str, name: str) -> str | None:
        return self._connection.execute(NOTE, {"of": kind, "at": name}).scalar_one_or_none()

    def notes(self, kind: str) -> list[tuple[str, str]]:
        """Names and texts, in the order of the names."""
        return sorted((name, text) for name, text in self._connection.execute(NOTES, {"of": kind}))

    def get(self, key: str) -> str | None:
        """A setting."""
        return self._connection.execute(SETTING, {"at": key}).scalar_one_or_none()

    # --- jobs

    def job(self, job: str) -> JobRow | None:
        row = self._connection.execute(JOB, {"of": job}).one_or_none()
        return JobRow(*row) if row else None

    def jobs(self, *, open_only: bool = False) -> list[JobRow]:
        """Jobs in the order of their arrival."""
        return [JobRow(*row) for row in self._connection.execute(OPEN_JOBS if open_only else JOBS)]

    def decision(self, job: str) -> Decision | None:
        table = schema.decision.c
        row = self._connection.execute(sa.select(table.verdict, table.reason, table.at).where(table.job == job)).one_or_none()
        return Decision(*row) if row else None

    # --- sealed values

    def sealed(self, job: str, slot: str) -> bytes | None:
        """The value in *slot*, or None where there is none, or none any more."""
        row = self._connection.execute(SEALED, {"of": job, "at": slot}).one_or_none()
        return sealing.unseal(row.key, row.box, job=job, slot=slot) if row else None

    def sealed_slots(self, job: str, prefix: str = "") -> list[str]:
        """Names of the filled slots that start with *prefix*, in order."""
        rows = self._connection.execute(sa.select(schema.sealed.c.slot).where(schema.sealed.c.job == job))
        return sorted(slot for slot in rows.scalars() if slot.startswith(prefix))  # not LIKE: SQLite's knows no case

    # --- what must not be counted twice

    def next_use(self, licence: str) -> int:
        """The number after the highest that was taken."""
        table = schema.licence_use.c
        highest = self._connection.execute(sa.select(sa.func.max(table.number)).where(table.licence == licence)).scalar_one()
        return (highest or 0) + 1

    def history(self, dataset: str, snapshot: str) -> str:
        """The snapshot under which the history is kept that *snapshot* shares; itself unless it was said otherwise."""
        return self.get(history_of(dataset, snapshot)) or snapshot

    def cohorts(self, dataset: str, snapshot: str, kind: str) -> list[frozenset[str]]:
        """Sets of holders that counted the snapshot, or one that shares its history, in the order in which they were put down."""
        if kind not in COHORT_KINDS:
            raise UsageError(f"a cohort is a roster or opened, not {kind}")
        found = self._connection.execute(COHORTS, {"of": dataset, "at": self.history(dataset, snapshot), "as": kind})
        return [frozenset(parse(members)) for members in found.scalars()]

    # --- consents

    def consents(self, *, dataset: str = "", person: str = "") -> list[Recorded]:
        """Records about a dataset, or of a person, in the order in which they were put down."""
        table = schema.consent.c
        which = table.dataset == dataset if dataset else table.person == person
        return [recorded(*row) for row in self._connection.execute(sa.select(table.text, table.entry).where(which).order_by(table.number))]

    def forgotten(self) -> frozenset[bytes]:
        """Pseudonyms of the persons whose records were deleted."""
        return frozenset(bytes.fromhex(person) for person in self._connection.execute(sa.select(schema.forgotten.c.person)).scalars())

    def consent_sets(self, dataset: str, *, name: str = "") -> list[Kept]:
        """The sets of persons that jobs over a dataset, or all, have read, oldest first; or the one of this *name*."""
        table = schema.consent_set.c
        which = [column == value for column, value in ((table.dataset, dataset), (table.name, name)) if value]
        return [kept(row) for row in self._connection.execute(sa.select(schema.consent_set).where(*which).order_by(table.number))]

    def consent_clock(self) -> int:
        """Grows with every change of what persons allow."""
        return int(self.get(CLOCK) or 0)

    # --- what was spent

    def blocks(self) -> dict[str, Block]:
        """Blocks by name, in the order in which they were opened."""
        found = self._connection.execute(sa.select(schema.block.c.text).order_by(schema.block.c.number))
        return {block.name: block for block in (Note(text).document(Block) for text in found.scalars())}

    def spend_of(self, job: str) -> Spend | None:
        """What a job spent."""
        text = self._connection.execute(SPEND, {"of": job}).scalar_one_or_none()
        return None if text is None else Note(text).document(Spend)

    def asked(self, query: str, *, besides: str) -> bool:
        """Whether another job than *besides* spent on the same query."""
        return self._connection.execute(ASKED, {"of": query, "but": besides}).first() is not None

    def total(self, account: str) -> Total:
        """What is charged to an account so far; empty where nothing is."""
        text = self._connection.execute(TOTAL, {"of": account}).scalar_one_or_none()
        return () if text is None else tuple(parse(text))

    def books(self) -> Books:
        """All that was spent, as it is kept."""
        table = schema.account.c
        totals = {
            name: tuple(parse(text)) for name, text in self._connection.execute(sa.select(table.name, table.total).order_by(table.number))
        }
        return Books(self.blocks(), self.spends(), totals)

    def spends(self) -> tuple[Spend, ...]:
        """What each job spent, in their order."""
        texts = self._connection.execute(sa.select(schema.spend.c.text).order_by(schema.spend.c.number)).scalars().all()
        return tuple(Note(text).document(Spend) for text in texts)

    def require_books(self) -> None:
        """Charge everything again from the ledger's entries and the documents; raise at the first row that is not what they give."""
        entries = (read_entry(leaf) for _, leaf in self.leaves(0) if b'"budget.' in leaf)
        found = recompute(entries, self._budget_documents())
        require_same(self.books(), found)

    def _budget_documents(self) -> list[str]:
        return [text for table in (schema.block, schema.spend) for text in self._connection.execute(sa.select(table.c.text)).scalars()]

    def budget_export(self, key: str) -> Export:
        """Entries, checkpoint and documents, from which another machine finds the same books."""
        leaves = tuple(entry.leaf.decode() for entry in self.entries(0, self.size()))
        return Export(key, self.checkpoint(), leaves, tuple(sorted(self._budget_documents())))
