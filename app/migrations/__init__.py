"""The steps that bring the journal's database up to date, and the one that does it. Alembic loads them by path."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

# The newest revision in versions/. Revisions are numbers, so that an older program knows a newer database.
HEAD = "0002"


def is_behind(connection: Connection) -> bool:
    """Whether the database lacks what this program needs."""
    if not inspect(connection).has_table("alembic_version"):
        return True
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision is None or revision < HEAD


def upgrade(connection: Connection) -> None:
    """Bring the database up to HEAD within the connection's transaction."""
    # Most starts have nothing to migrate and do without this import.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
