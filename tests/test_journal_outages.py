"""The service and its journal when something fails: answers go on, and nothing that was queued is lost."""

from __future__ import annotations

import contextlib
import itertools
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.database import SQLITE_FILE
from tests.conftest import Start, lacking_is_failing_in_ci
from tests.examples.servers import Postgresql, new_postgresql
from tests.service import Service, free_port
from tests.test_journal import QUESTION, wait_until

SMALL = 4096


@pytest.fixture
def postgresql() -> Iterator[Postgresql]:
    """Not yet running."""
    with lacking_is_failing_in_ci(), new_postgresql() as server:
        yield server


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    return tmp_path / "data" / SQLITE_FILE


def ask(service: Service, question: str = QUESTION) -> dict[str, Any]:
    response = httpx.post(f"{service.address}/api/v1/ask", json={"question": question}, timeout=30)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def journal_of(service: Service) -> dict[str, Any]:
    """What the service, which is ready throughout, tells of its journal."""
    response = httpx.get(f"{service.address}/health/ready", timeout=30)
    assert response.status_code == 200
    journal: dict[str, Any] = response.json()["journal"]
    return journal


def wait_for(service: Service, **expected: object) -> None:
    wait_until(lambda: expected.items() <= journal_of(service).items())


def in_sqlite(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def in_postgresql(server: Postgresql, query: str) -> list[Any]:
    with psycopg.connect(f"{server.url}/postgres") as connection:
        return connection.execute(query.encode()).fetchall()


def test_every_surface_records_and_takes_feedback(start: Start, sqlite: Path) -> None:
    service = start(data_dir=sqlite.parent, log_level="warning")
    answer_id = ask(service)["answer_id"]
    httpx.post(service.address, data={"question": QUESTION}, timeout=30)
    httpx.post(f"{service.address}/answer", data={"question": QUESTION, "history": ["earlier"]}, timeout=30)
    accepted = httpx.post(
        f"{service.address}/api/v1/feedback",
        json={"answer_id": answer_id, "helpful": False, "comment": "no", "scenario_id": 3},
    )
    assert (accepted.status_code, accepted.json()) == (202, {"status": "accepted"})
    wait_for(service, status="ok", written=5, waiting=0)
    assert service.stop() == ""
    assert in_sqlite(
        sqlite,
        "SELECT surface, follow_up, helpful, comment, chosen_scenario_id FROM answers ORDER BY asked_at",
    ) == [("api", 0, 0, "no", 3), ("web", 0, None, None, None), ("web", 1, None, None, None)]
    assert list(sqlite.parent.iterdir()) == [sqlite]


def test_what_cannot_be_asked_is_not_recorded(start: Start, sqlite: Path) -> None:
    service = start(data_dir=sqlite.parent, log_level="warning")
    httpx.post(f"{service.address}/api/v1/ask", json={"question": " "})
    httpx.post(f"{service.address}/answer", data={"question": " "})
    ask(service)
    wait_for(service, written=1, waiting=0)


def test_what_is_queued_is_written_when_the_service_is_told_to_end(start: Start, sqlite: Path) -> None:
    service = start(data_dir=sqlite.parent, log_level="warning")
    for number in range(30):
        ask(service, f"{QUESTION} {number}")
    assert service.stop() == ""
    assert in_sqlite(sqlite, "SELECT count(*) FROM answers") == [(30,)]


def test_a_killed_service_leaves_a_sound_journal(start: Start, sqlite: Path) -> None:
    service = start(data_dir=sqlite.parent, log_level="warning")

    def ask_on() -> None:
        with contextlib.suppress(httpx.TransportError):
            for number in itertools.count():
                ask(service, f"{QUESTION} {number}")

    asking = threading.Thread(target=ask_on)
    asking.start()
    wait_until(lambda: journal_of(service)["written"] >= 20)
    service.process.kill()
    asking.join()
    assert service.process.wait(timeout=10) == -signal.SIGKILL
    assert in_sqlite(sqlite, "PRAGMA integrity_check") == [("ok",)]
    again = start(data_dir=sqlite.parent, log_level="warning")
    ask(again, "after the crash")
    wait_for(again, written=1)
    again.stop()
    questions = [
        question for (question,) in in_sqlite(sqlite, "SELECT question FROM answers ORDER BY asked_at")
    ]
    assert questions == [*(f"{QUESTION} {n}" for n in range(len(questions) - 1)), "after the crash"]


def test_a_full_disk_stops_no_answer_and_is_got_over(start: Start, sqlite: Path) -> None:
    service = start(data_dir=sqlite.parent, log_level="warning")
    ask(service)
    wait_for(service, written=1)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (SMALL, resource.RLIM_INFINITY))
    for number in range(20):
        ask(service, f"{QUESTION} {number}")
    wait_for(service, status="failing", waiting=20)
    wait_until(lambda: journal_of(service)["failed"] >= 3)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    wait_for(service, status="ok", written=21, waiting=0, dropped=0)
    output = service.stop()
    assert output.count("the journal cannot be written") == 1
    assert output.count("the journal is written again; records lost meanwhile: 0") == 1
    assert QUESTION not in output
    assert in_sqlite(sqlite, "SELECT count(*) FROM answers") == [(21,)]


def test_a_postgresql_that_comes_late_or_goes_away_stops_no_answer(
    start: Start, postgresql: Postgresql
) -> None:
    service = start(database_url=f"{postgresql.url}/postgres", log_level="warning")
    ask(service, "before it is there")
    wait_for(service, status="failing", waiting=1)
    with postgresql.running():
        wait_for(service, status="ok", written=1, waiting=0)
    ask(service, "while it is away")
    wait_for(service, status="failing", waiting=1)
    with postgresql.running():
        wait_for(service, status="ok", written=2, waiting=0)
        assert in_postgresql(postgresql, "SELECT question FROM answers ORDER BY asked_at") == [
            ("before it is there",),
            ("while it is away",),
        ]
        output = service.stop()
    assert output.count("the journal cannot be written: PostgreSQL: ") == 2
    assert "it is there" not in output
    assert "it is away" not in output


def test_a_database_that_hangs_does_not_keep_the_service_from_ending(
    start: Start, postgresql: Postgresql
) -> None:
    with postgresql.running() as url:
        service = start(database_url=f"{url}/postgres", log_level="warning")
        ask(service)
        wait_for(service, written=1)
        with psycopg.connect(f"{url}/postgres") as other:
            other.execute("LOCK TABLE answers")
            for _ in range(5):
                ask(service)
            wait_for(service, status="ok", written=1, waiting=5)
            assert "could not be written before the end; records lost: 5" in service.stop()


def test_the_password_of_the_database_is_nowhere(start: Start) -> None:
    secret = "hunter" + "2hunter2"
    service = start(
        database_url=f"postgresql://app:{secret}@127.0.0.1:{free_port()}/journal", log_level="debug"
    )
    ask(service)
    wait_for(service, status="failing")
    assert secret not in httpx.get(f"{service.address}/health/ready").text
    output = service.stop()
    assert "the journal cannot be written: PostgreSQL: OperationalError: " in output
    assert secret not in output
