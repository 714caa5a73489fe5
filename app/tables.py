"""The tables of the journal's database; `app/migrations/` makes them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone, kept and read back as UTC: SQLite would drop the zone, PostgreSQL may change it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

# A row for each question that was answered. Feedback and choice stand in it, the last of each: what people
# send for one answer fills one row, however often they send it.
answers = Table(
    "answers",
    metadata,
    Column("answer_id", String(32), primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
    Column("surface", String(16), nullable=False),
    # Without secrets; null once it is older than the retention setting says, or if that keeps no text.
    Column("question", Text),
    Column("category", String(100)),
    Column("follow_up", Boolean, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("confidence", Float, nullable=False),
    # The best ones: a list of {"scenario_id", "score", "confidence"}.
    Column("candidates", JSON, nullable=False),
    Column("took_ms", Float, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("helpful", Boolean),
    Column("comment", Text),
    Column("feedback_at", UtcDateTime, index=True),
    Column("chosen_scenario_id", Integer),
    Column("chosen_at", UtcDateTime),
    # Of questions from Slack: the workspace, so that its data can be deleted when it leaves.
    Column("workspace", String(32)),
)

# What Slack delivered, by a key that all deliveries of the same thing share. The row outlives the request for a
# while, so that a late delivery finds it. `owner` is the process that answers, as long as its lease lasts.
slack_inbox = Table(
    "slack_inbox",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("workspace", String(32), nullable=False),
    Column("received_at", UtcDateTime, nullable=False, index=True),
    # Null once it is answered: the text is needed no longer.
    Column("request", JSON(none_as_null=True)),
    Column("attempts", Integer, nullable=False),
    Column("owner", String(32)),
    # Null once it is answered.
    Column("lease_until", UtcDateTime, index=True),
)

# The questions of a thread in Slack, without secrets, for a day: what follow-ups are read after.
slack_questions = Table(
    "slack_questions",
    metadata,
    Column("workspace", String(32), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("thread", String(32), primary_key=True),
    Column("message", String(32), primary_key=True),
    Column("person", String(32), nullable=False),
    Column("question", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
)
