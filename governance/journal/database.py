"""The two databases that can hold a journal, and how a transaction begins, ends and fails on each.

SQLite, a file of mode 0600: WAL with synchronous=FULL (one fsync makes a commit durable; NORMAL would lose acknowledged commits at a
power loss), secure_delete, and BEGIN IMMEDIATE, so that a writer knows it is alone before it reads.
PostgreSQL: an advisory lock makes every writing transaction wait for the one before it, as SQLite does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, Engine, ExceptionContext

from governance.errors import IntegrityError, KeyongError, Unavailable, UsageError
from governance.journal.schema import TABLES, meta

PATIENCE = 10  # seconds that a writer waits for its turn
LOCK = int.from_bytes(b"keyong", "big")
DAMAGED = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "XX001", "XX002", "42P01"})  # PostgreSQL: appendix A
WAIT = f"PRAGMA busy_timeout={PATIENCE * 1000}"
PRAGMAS = ("PRAGMA synchronous=FULL", "PRAGMA secure_delete=ON", "PRAGMA temp_store=MEMORY")

Fill = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Database:
    """An open database: *writing* and *reading* are what a transaction of either kind begins with."""

    engine: Engine
    writing: tuple[str, ...]
    reading: tuple[str, ...]

    @contextmanager
    def begun(self, statements: tuple[str, ...]) -> Iterator[Connection]:
        """One transaction: committed when the body ends, rolled back when it raises."""
        with explained(), self.engine.connect() as connection:
            try:
                for statement in statements:
                    connection.exec_driver_sql(statement)
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                with suppress(exc.DBAPIError, exc.PendingRollbackError):
                    connection.exec_driver_sql("ROLLBACK")
                raise

    def emptied(self) -> bool:
        """Move SQLite's write-ahead log into the file and cut it, so that no overwritten page stays; False if a reader was in the way."""
        if self.engine.dialect.name != "sqlite":
            return True
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout=0")
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
                connection.exec_driver_sql(WAIT)
                return not busy
        except exc.DBAPIError:
            return False


def create(where: str | Path, fill: Fill) -> None:
    """Make the tables of a new journal, all or nothing, and let *fill* write the first rows."""
    if _is_url(where):
        _create_on(_postgres(str(where)), fill)
    else:
        _create_file(Path(where), fill)


def connect(where: str | Path) -> Database:
    """Open the database of a journal that is there already."""
    database = _postgres(str(where)) if _is_url(where) else _sqlite(_private(Path(where)))
    with database.begun(database.reading) as connection:
        if not sa.inspect(connection).has_table(meta.name):
            raise UsageError(f"{_shown(where)} is not a keyong journal")
    return database


def _is_url(where: str | Path) -> bool:
    return isinstance(where, str) and "://" in where


def _shown(where: str | Path) -> str:
    return "the database" if _is_url(where) else Path(where).name


def _engine(url: URL, **options: Any) -> Engine:
    """BEGIN and COMMIT are ours (AUTOCOMMIT for SQLAlchemy), and values never stand in an error."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", hide_parameters=True, pool_timeout=PATIENCE, max_overflow=20, **options)
    event.listen(engine, "handle_error", _spoil)
    return engine


# --- SQLite -------------------------------------------------------------------------------------


def _sqlite(path: Path) -> Database:
    url = URL.create("sqlite", database=f"file:{quote(str(path.absolute()))}", query={"mode": "rw", "uri": "true"})
    engine = _engine(url)
    event.listen(engine, "connect", _set_pragmas)
    return Database(engine, writing=("BEGIN IMMEDIATE",), reading=("BEGIN",))


def _set_pragmas(connection: Any, _record: object) -> None:
    for pragma in (WAIT, *PRAGMAS):
        connection.execute(pragma).close()


def _private(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(f"there is no journal {path.name} here: it is made once, on purpose, and never by opening it")
    if path.stat().st_mode & 0o077:
        raise UsageError(f"{path.name} can be read by others: chmod 600 it")
    return path


def _create_file(path: Path, fill: Fill) -> None:
    """Build the file beside its place and link it there whole: a crash leaves either no journal or an entire one."""
    draft = path.with_name(path.name + ".new")
    with _files_explained(path):
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            database = _sqlite(draft)
            with explained(), database.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            _create_on(database, fill)
            os.link(draft, path)
            _sync_folder(path.parent)
        finally:
            for rest in ("", "-wal", "-shm"):
                draft.with_name(draft.name + rest).unlink(missing_ok=True)


@contextmanager
def _files_explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise UsageError(f"there is a journal {path.name} already") from None
    except OSError as error:
        raise Unavailable(f"{path.name} cannot be written: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- PostgreSQL ---------------------------------------------------------------------------------


def _postgres(where: str) -> Database:
    url = sa.make_url(where)
    if url.drivername != "postgresql+psycopg":
        raise UsageError("a journal is a file or a postgresql+psycopg:// URL")
    options = f"-c lock_timeout={PATIENCE}s -c synchronous_commit=on"
    engine = _engine(url, pool_pre_ping=True, connect_args={"options": options})
    # READ COMMITTED: what is read after the lock is what the transaction before it left
    writing = ("BEGIN ISOLATION LEVEL READ COMMITTED", f"SELECT pg_advisory_xact_lock({LOCK})")
    return Database(engine, writing=writing, reading=("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",))


def _create_on(database: Database, fill: Fill) -> None:
    try:
        with database.begun(database.writing) as connection:
            if sa.inspect(connection).has_table(meta.name):
                raise UsageError("there is a journal in this database already")
            TABLES.create_all(connection, checkfirst=False)
            fill(connection)
    finally:
        database.engine.dispose()


# --- failures -----------------------------------------------------------------------------------


@contextmanager
def explained() -> Iterator[None]:
    """Say who must act when the database fails. The driver's own words stay out: they can quote values."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _meaning(error) from None
    except exc.PendingRollbackError:
        raise Unavailable("the journal failed earlier in this transaction", retry_after=PATIENCE) from None
    except exc.TimeoutError:
        raise Unavailable("the journal has no free connection", retry_after=PATIENCE) from None


def _meaning(error: exc.DBAPIError) -> KeyongError:
    cause = error.orig
    name = str(getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or type(cause).__name__)
    if name in DAMAGED:
        return IntegrityError(f"the journal is damaged ({name})")
    if isinstance(error, exc.IntegrityError):
        return IntegrityError(f"the journal holds another row under this key ({name})")
    return Unavailable(f"the journal cannot be used now ({name})", retry_after=PATIENCE)


def _spoil(context: ExceptionContext) -> None:
    """Roll back and give up the connection at its first error: a caller that swallowed the error can write nothing more on it.

    The rollback is said, not left to closing: SQLite keeps a closed connection's lock while a cursor of it is still alive.
    """
    if context.connection is not None and context.dialect.dbapi is not None:
        with suppress(context.dialect.dbapi.Error):
            context.connection.connection.rollback()
    context.is_disconnect = True
    context.invalidate_pool_on_disconnect = False
