"""What the journal's writer does in the database."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, update

from app.database import Database
from app.errors import DatabaseUnavailable
from app.journal_writer import Change
from app.tables import answers

log = logging.getLogger(__name__)


class JournalStore:
    """A text older than `retention` is to be kept no longer."""

    def __init__(self, database: Database, retention: timedelta) -> None:
        self._database = database
        self._retention = retention

    def write(self, changes: Sequence[Change]) -> int:
        """Store the changes, in their order; how many were stored.

        Left out are those of answers that the journal does not know, and those that no database would take.
        DatabaseUnavailable, and nothing is stored, if it can be tried again later.
        """
        try:
            with self._database.transaction() as connection:
                return sum(_apply(connection, change) for change in changes)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            if len(changes) == 1:
                log.error("the journal leaves a record out: %s", type(error).__name__)
                return 0
        return sum(self.write([change]) for change in changes)

    def blank(self) -> None:
        """Take the text out of questions and comments that are too old for it; all else stays."""
        before = datetime.now(UTC) - self._retention
        with self._database.transaction() as connection:
            blanked = [
                connection.execute(
                    update(answers).where(column.is_not(None), at < before).values({column: None})
                ).rowcount
                for column, at in [
                    (answers.c.question, answers.c.asked_at),
                    (answers.c.comment, answers.c.feedback_at),
                ]
            ]
        if any(blanked):
            self._database.forget_deleted()

    def close(self) -> None:
        self._database.close()


def _apply(connection: Connection, change: Change) -> int:
    """How many rows that changed: none if the answer is not known."""
    if change.is_new:
        connection.execute(insert(answers).values(answer_id=change.answer_id, **change.values))
        return 1
    known = update(answers).where(answers.c.answer_id == change.answer_id)
    return connection.execute(known.values(**change.values)).rowcount
