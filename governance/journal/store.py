"""The journal itself: created on purpose, opened by its owner's key, written by one transaction at a time."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from governance import checkpoint, ledger
from governance.checkpoint import Checkpoint
from governance.errors import IntegrityError, Unavailable, UsageError
from governance.journal import schema, sealing
from governance.journal.database import PATIENCE, Database, connect, create
from governance.journal.rows import LedgerRows
from governance.journal.sealing import CipherName
from governance.journal.transaction import Transaction
from governance.journal.view import View
from governance.keys import SigningKey, VerifyKey
from governance.texts import text_of

Clock = Callable[[], float]


class Journal:
    """The durable memory of a node or a coordinator.

    Threads of one process and other processes may use it at the same time: readings never wait, writings wait for each other.
    After a fork the child must open its own.
    """

    def __init__(self, database: Database, key: SigningKey, clock: Clock, cipher: CipherName) -> None:
        self._database = database
        self._key = key
        self._clock = clock
        self.cipher = cipher
        self._process = os.getpid()
        self._turn = threading.RLock()
        self._writing = False
        self._left: ledger.Left = None  # of the last transaction here; used while its checkpoint is still the newest
        self._residue = True  # what was wiped before a crash may still be in the write-ahead log
        self._empty()

    @classmethod
    def create(cls, where: str | Path, key: SigningKey, *, clock: Clock = time.time, cipher: CipherName = "aes-256-gcm") -> Journal:
        """Make a new, empty journal at a path or a ``postgresql+psycopg://`` URL; never over one that is there.

        *cipher* is what seals the values of its jobs and persons.
        """
        create(where, lambda connection: _fill(connection, key, cipher))
        return cls.open(where, key, clock=clock)

    @classmethod
    def open(cls, where: str | Path, key: SigningKey, *, clock: Clock = time.time) -> Journal:
        """Open a journal that is there. It must be of this version and belong to *key*."""
        database = connect(where)
        try:
            with database.begun(database.reading) as connection:
                cipher = _check(connection, key.public)
            return cls(database, key, clock, cipher)
        except BaseException:
            database.engine.dispose()
            raise

    @classmethod
    def rekey(cls, where: str | Path, old: Sequence[VerifyKey], new: SigningKey, *, clock: Clock = time.time) -> None:
        """Hand the journal on from one of its owner's *old* keys to the *new* one: its ledger goes on, and no budget is filled again.

        Jobs that are open end here: nobody takes the old key's word in them any more. Can be repeated.
        """
        database = connect(where)
        try:
            with database.begun(database.writing) as connection:
                if (owner := _meta(connection).get("key")) != str(new.public):
                    before = next((key for key in old if str(key) == owner), old[-1])
                    cipher = _check(connection, before)
                    _hand_on(Transaction(connection, new, lambda: int(clock()), cipher), before, new.public)
                    connection.execute(sa.update(schema.meta).where(schema.meta.c.name == "key").values(value=str(new.public)))
        finally:
            database.engine.dispose()

    @property
    def owner(self) -> VerifyKey:
        """The key that signs the ledger."""
        return self._key.public

    def close(self) -> None:
        """Give the database back. A closed journal can be opened again."""
        self._database.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Changes that are durable when this returns, or as if they had never been.

        Ledger entries are signed under one new checkpoint at the end. Raises `Unavailable` where the disk, the server or another
        writer does not let it happen; nothing is half done then.
        """
        with self._alone():
            left, self._left = self._left, None
            with self._database.begun(self._database.writing) as connection:
                t = Transaction(connection, self._key, self._now, self.cipher, left)
                yield t
                t.close_ledger()
            self._left = t.left
            self._residue |= t.shredded
            self._empty()

    @contextmanager
    def view(self) -> Iterator[View]:
        """One consistent picture to read from."""
        self._same_process()
        with self._database.begun(self._database.reading) as connection:
            yield View(connection)
        self._empty_if_idle()

    def fsck(self) -> Checkpoint:
        """Recompute the whole ledger from its entries, and what was spent from ledger and documents.

        Raises `IntegrityError` that names the first thing that is wrong.
        """
        self._same_process()
        with self._database.begun(self._database.reading) as connection:
            head = ledger.fsck(LedgerRows(connection), self._key.public)
            View(connection).require_books()
        return head

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._same_process()
        if not self._turn.acquire(timeout=PATIENCE):
            raise Unavailable("another thread has been writing for too long", retry_after=PATIENCE)
        try:
            if self._writing:
                raise UsageError("a transaction is open in this thread: hand it on instead of opening another")
            self._writing = True
            try:
                yield
            finally:
                self._writing = False
        finally:
            self._turn.release()

    def _empty(self) -> None:
        """Let nothing of what was wiped stay in the write-ahead log; a reader that needs the log puts it off until it is done."""
        if self._residue:
            self._residue = not self._database.emptied()

    def _empty_if_idle(self) -> None:
        if self._residue and self._turn.acquire(blocking=False):
            try:
                if not self._writing:
                    self._empty()
            finally:
                self._turn.release()

    def _same_process(self) -> None:
        if os.getpid() != self._process:
            raise UsageError("a journal does not survive a fork: open it again in the child")

    def _now(self) -> int:
        return int(self._clock())


def _fill(connection: Connection, key: SigningKey, cipher: CipherName) -> None:
    sealing.seal(sealing.fresh_key(cipher), b"", job="", slot="")  # a machine that cannot do so gets no journal
    rows = [{"name": name, "value": value} for name, value in (("schema", schema.VERSION), ("key", str(key.public)), ("cipher", cipher))]
    connection.execute(sa.insert(schema.meta), rows)
    connection.execute(sa.insert(schema.head), {"only": 0, "size": 0, "note": ledger.inception(key)})


def _meta(connection: Connection) -> dict[str, str]:
    """What the journal says of itself: the version of its tables, whom it belongs to, what seals its values."""
    found = {name: value for name, value in connection.exec_driver_sql("SELECT name, value FROM meta")}
    if found.get("schema") != schema.VERSION:
        raise UsageError(f"the journal has the schema {found.get('schema')}, this program reads {schema.VERSION}")
    return found


def _hand_on(t: Transaction, old: VerifyKey, new: VerifyKey) -> None:
    for row in t.jobs(open_only=True):
        t.append("job.ended", row.job, "party.withdrawn")
        t.end_job(row.job, "failed", "party.withdrawn", text_of("party.withdrawn", "en", {"party": new.name}))
    t.put_note("own", hashlib.sha256(str(old).encode()).hexdigest(), str(old))
    t.append("key.replaced", hashlib.sha256(str(new).encode()).hexdigest())
    t.close_ledger()


def _check(connection: Connection, key: VerifyKey) -> CipherName:
    found = _meta(connection)
    if found.get("key") != str(key):
        raise IntegrityError(f"the journal belongs to another key than that of {key.name}")
    size, note = LedgerRows(connection).head()
    if checkpoint.opened(note, key).size != size:
        raise IntegrityError("the checkpoint of the ledger does not cover its head")
    for cipher in sealing.KEY_SIZES:
        if cipher == found.get("cipher"):
            return cipher
    raise IntegrityError("the journal does not say what seals its values")
