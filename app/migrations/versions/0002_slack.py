"""The tables of the Slack assistant: its inbox and the questions of its threads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.add_column("answers", sa.Column("workspace", sa.String(32)))
    op.create_table(
        "slack_inbox",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("workspace", sa.String(32), nullable=False),
        sa.Column("received_at", time, nullable=False, index=True),
        sa.Column("request", sa.JSON),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(32)),
        sa.Column("lease_until", time, index=True),
    )
    op.create_table(
        "slack_questions",
        sa.Column("workspace", sa.String(32), primary_key=True),
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("thread", sa.String(32), primary_key=True),
        sa.Column("message", sa.String(32), primary_key=True),
        sa.Column("person", sa.String(32), nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("asked_at", time, nullable=False, index=True),
    )
