"""The database under several connections and processes."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text

from app.database import SQLITE_FILE, Database
from app.settings import Settings

READ = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT n FROM numbers').fetchall())"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_another_program_that_looks_into_the_file_takes_nothing_from_it(settings: Settings) -> None:
    """A process that has several connections keeps its locks: a reader that leaves must not think it was the last."""
    database = Database.from_settings(settings)
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE numbers (n INTEGER)"))
    use_two_connections(database)
    path = str(settings.data_dir / SQLITE_FILE)
    for number in range(3):
        with database.transaction() as connection:
            connection.execute(text("INSERT INTO numbers VALUES (:n)"), {"n": number})
        read = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, check=True)
        assert read.stdout.strip() == str([(n,) for n in range(number + 1)])
    database.close()


def use_two_connections(database: Database) -> None:
    engine = database._engine
    barrier = Barrier(2)

    def use(_: int) -> None:
        connection = engine.raw_connection()
        barrier.wait(timeout=30)
        connection.cursor().execute("SELECT 1")
        connection.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(use, range(2)))
