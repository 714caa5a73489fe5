"""The journal's database, SQLite or PostgreSQL: opened, migrated, and transactions on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)

from app import migrations
from app.errors import DatabaseUnavailable
from app.postgresql import connect
from app.redaction import redact
from app.settings import Settings

SQLITE_FILE = "journal.sqlite3"
LOCK_SECONDS = 5
# Any number; all programs that migrate this database have to use the same.
MIGRATION_LOCK = 7_264_512


class Database:
    """Transactions on the database that the settings name; safe to share between threads.

    Nothing is opened before the first transaction, which also brings the schema up to date.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        """`name` is what messages call it."""
        self._engine = engine
        self._name = name
        self._current = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Database:
        if settings.database_url:
            return cls(postgresql_engine(settings.database_url.get_secret_value()), "PostgreSQL")
        path = settings.data_dir / SQLITE_FILE
        return cls(sqlite_engine(path), str(path))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Committed at its end, rolled back by an exception; on SQLite no other writes meanwhile.

        DatabaseUnavailable if that cannot be done now. Errors of SQLAlchemy for which the values are to blame
        that were to be written are passed on.
        """
        try:
            if not self._current:
                self._migrate()
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            if is_fault_of_values(error):
                raise
            # Whatever comes back may be another database: a new disk, a restored backup.
            self._current = False
            raise DatabaseUnavailable(f"{self._name}: {reason(error)}") from None

    def forget_deleted(self) -> None:
        """SQLite: what was deleted is gone from the log of changes too. PostgreSQL does that by itself."""
        if self._engine.dialect.name == "sqlite":
            with closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._engine.dispose()

    def _migrate(self) -> None:
        with self._engine.begin() as connection:
            # On SQLite the transaction itself is the lock.
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            if migrations.is_behind(connection):
                migrations.upgrade(connection)
        self._current = True


def postgresql_engine(url: str) -> Engine:
    """SQLAlchemy never sees the URL, so that no message of its own can show the password."""
    return create_engine(
        "postgresql+psycopg://", creator=lambda: connect(url), pool_pre_ping=True, hide_parameters=True
    )


def sqlite_engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": LOCK_SECONDS, "isolation_level": None},
        hide_parameters=True,
    )

    @event.listens_for(engine, "do_connect")
    def make_file(*_: object) -> None:
        """For this user alone; SQLite gives its other files the mode of this one.

        A file that is there is left alone: to close it gives up the locks of all of this process's connections
        (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
        """
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT, 0o600))

    @event.listens_for(engine, "checkout")
    def notice_loss(*_: object) -> None:
        """A file that somebody deleted would be written on, for nobody."""
        if not path.exists():
            raise DisconnectionError(f"{path} is gone")

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    # The driver's own idea of transactions is off: it would let DDL out of them, and upgrade a lock too late.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def is_fault_of_values(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    return isinstance(error, StatementError)


def reason(error: Exception) -> str:
    """The first line of what the driver or the system said: the further ones may show what was written."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    first, *_ = str(cause).splitlines() or [""]
    return redact(f"{type(cause).__name__}: {first}")
