"""A PostgreSQL address: checked, and connected to. libpq itself reads it; the only import of psycopg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMES = ("postgresql://", "postgres://")
# What an address may state otherwise. Without the time limits a lost network would hold a writer for minutes.
DEFAULTS = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "application_name": "scenario-assistant"}


def is_address(url: str) -> bool:
    """Whether `url` names a PostgreSQL database and no part of its password was taken for something else."""
    if not url.startswith(SCHEMES):
        return False
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    place = f"{parts.get('host') or ''}{parts.get('dbname') or ''}"
    return "@" not in place and str(parts.get("port") or "0").replace(",", "").isdecimal()


def connect(url: str) -> Connection[Any]:
    """A connection to the database at `url`; what libpq says when it fails never holds the password."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    parameters: dict[str, Any] = {**DEFAULTS, **conninfo_to_dict(url)}
    # Statements prepared on the server do not survive a connection pool such as PgBouncer's.
    return psycopg.connect(**parameters, prepare_threshold=None)
