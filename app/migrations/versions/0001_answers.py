"""The table of answers, with feedback and choices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "answers",
        sa.Column("answer_id", sa.String(32), primary_key=True),
        sa.Column("asked_at", time, nullable=False, index=True),
        sa.Column("surface", sa.String(16), nullable=False),
        sa.Column("question", sa.Text),
        sa.Column("category", sa.String(100)),
        sa.Column("follow_up", sa.Boolean, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("candidates", sa.JSON, nullable=False),
        sa.Column("took_ms", sa.Float, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("helpful", sa.Boolean),
        sa.Column("comment", sa.Text),
        sa.Column("feedback_at", time, index=True),
        sa.Column("chosen_scenario_id", sa.Integer),
        sa.Column("chosen_at", time),
    )
