"""The tables of the Slack assistant in the journal's database. Every method is a transaction of its own."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.assistant import MAX_HISTORY
from app.database import Database
from app.slack_inbox import LEASE_SECONDS
from app.slack_requests import SlackRequest
from app.slack_threads import KEPT, Asked
from app.tables import answers, slack_inbox, slack_questions

log = logging.getLogger(__name__)

# Whoever takes a request over may die of it too.
MAX_ATTEMPTS = 4
TAKEN_AT_ONCE = 100


class InboxStore:
    """Keeps who has to answer what. DatabaseUnavailable if that cannot be done now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_in(self, requests: list[SlackRequest], owner: str) -> list[bool]:
        """Write them down for `owner`; for each whether it is new."""
        with self._database.transaction() as connection:
            return [_insert(connection, request, owner) for request in requests]

    def take_over(self, owner: str) -> list[SlackRequest]:
        """What nobody keeps any more, now for `owner`; what was tried too often is given up."""
        now = datetime.now(UTC)
        left_behind = select(slack_inbox).where(slack_inbox.c.lease_until < now).limit(TAKEN_AT_ONCE)
        with self._database.transaction() as connection:
            rows = connection.execute(left_behind.with_for_update(skip_locked=True)).all()
            return [SlackRequest.from_json(row.request) for row in rows if _take_over(connection, row, owner)]

    def renew(self, owner: str) -> None:
        with self._database.transaction() as connection:
            owned = update(slack_inbox).where(slack_inbox.c.owner == owner)
            connection.execute(owned.values(lease_until=_lease()))

    def finish(self, key: str) -> None:
        """Answered: what it said is forgotten, that it came is not."""
        with self._database.transaction() as connection:
            _finish(connection, key)

    def release(self, owner: str) -> None:
        with self._database.transaction() as connection:
            owned = update(slack_inbox).where(slack_inbox.c.owner == owner)
            connection.execute(owned.values(lease_until=datetime.now(UTC), owner=None))

    def purge(self) -> None:
        """Delete what no delivery and no follow-up can need."""
        before = datetime.now(UTC) - KEPT
        with self._database.transaction() as connection:
            connection.execute(delete(slack_inbox).where(slack_inbox.c.received_at < before))
            connection.execute(delete(slack_questions).where(slack_questions.c.asked_at < before))
        self._database.forget_deleted()

    def forget(self, workspace: str) -> None:
        """Delete all that came from a workspace, the journal's records included."""
        with self._database.transaction() as connection:
            for table in (slack_inbox, slack_questions, answers):
                connection.execute(delete(table).where(table.c.workspace == workspace))
        self._database.forget_deleted()


class ThreadStore:
    """The questions of threads, for a day. DatabaseUnavailable if they cannot be reached now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, request: SlackRequest, asked: Asked) -> None:
        row = {
            "workspace": request.workspace,
            "channel": request.channel,
            "thread": request.thread,
            "message": asked.message,
            "person": asked.person,
            "question": asked.question.replace("\0", "\N{REPLACEMENT CHARACTER}"),
            "asked_at": asked.at,
        }
        with self._database.transaction() as connection:
            _insert_new(slack_questions, connection, row)

    def asked(self, request: SlackRequest) -> list[Asked]:
        """The last ones in the thread, oldest first."""
        columns = slack_questions.c
        last = (
            select(columns.message, columns.person, columns.question, columns.asked_at)
            .where(columns.workspace == request.workspace)
            .where(columns.channel == request.channel)
            .where(columns.thread == request.thread)
            .where(columns.asked_at > datetime.now(UTC) - KEPT)
            .order_by(columns.message.desc())
            .limit(MAX_HISTORY + 1)
        )
        with self._database.transaction() as connection:
            return [Asked(*row) for row in reversed(connection.execute(last).all())]


def _insert_new(table: Table, connection: Connection, row: dict[str, Any]) -> bool:
    """Whether the row was not there before."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(table).values(**row).on_conflict_do_nothing()
    # The number of rows is not what all drivers tell of an insert.
    return connection.execute(insert.returning(*table.primary_key)).first() is not None


def _insert(connection: Connection, request: SlackRequest, owner: str) -> bool:
    row = {
        "key": request.key,
        "workspace": request.workspace,
        "received_at": datetime.now(UTC),
        "request": request.to_json(),
        "attempts": 1,
        "owner": owner,
        "lease_until": _lease(),
    }
    return _insert_new(slack_inbox, connection, row)


def _take_over(connection: Connection, row: Row[Any], owner: str) -> bool:
    if row.attempts >= MAX_ATTEMPTS or row.request is None:
        log.error("a request from Slack was given up after %d attempts", row.attempts)
        _finish(connection, row.key)
        return False
    taken = {"owner": owner, "lease_until": _lease(), "attempts": row.attempts + 1}
    connection.execute(update(slack_inbox).where(slack_inbox.c.key == row.key).values(**taken))
    return True


def _finish(connection: Connection, key: str) -> None:
    done = {"request": None, "owner": None, "lease_until": None}
    connection.execute(update(slack_inbox).where(slack_inbox.c.key == key).values(**done))


def _lease() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)
