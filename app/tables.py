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
)
