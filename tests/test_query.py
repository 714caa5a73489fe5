"""What is asked of a pasted error: the words and the names, not where the files lie."""

from __future__ import annotations

import pytest

from app.query import LONGEST_QUERY_CHARS, problems_in, query_of

DJANGO = """we moved to two databases last week and since then the admin list page dies:

Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.12/site-packages/django/db/backends/utils.py", line 105, in _execute
    return self.cursor.execute(sql, params)
           ~~~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^
psycopg.errors.UndefinedTable: relation "orders_order" does not exist
LINE 1: SELECT COUNT(*) AS "__count" FROM "orders_order"
                                          ^

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.12/site-packages/django/core/handlers/exception.py", line 55, in inner
    response = get_response(request)
               ^^^^^^^^^^^^^^^^^^^^^
django.db.utils.ProgrammingError: relation "orders_order" does not exist
LINE 1: SELECT COUNT(*) AS "__count" FROM "orders_order"
                                          ^

is my router wrong?"""

CELERY = """[2026-11-02 09:14:07,113: INFO/MainProcess] Task mail.tasks.send[6f0c1d3e-8f5e-4a43-9c60-0a7a1c3f4b5d] received
[2026-11-02 09:14:07,391: ERROR/ForkPoolWorker-2] Task mail.tasks.send[6f0c1d3e-8f5e-4a43-9c60-0a7a1c3f4b5d] raised
Traceback (most recent call last):
  File "/app/.venv/lib/python3.12/site-packages/celery/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
                 ^^^^^^^^^^^^^^^^^^^^
  File "/app/mail/tasks.py", line 18, in send
    connection.send_messages([message])
kombu.exceptions.OperationalError: [Errno 111] Connection refused
"""

GUNICORN = """[2026-11-02 10:31:55 +0000] [1] [INFO] Starting gunicorn 23.0.0
[2026-11-02 10:31:55 +0000] [1] [INFO] Listening at: http://0.0.0.0:8000 (1)
[2026-11-02 10:32:41 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)
Traceback (most recent call last):
  File "/usr/local/lib/python3.12/site-packages/gunicorn/workers/sync.py", line 134, in handle
    self.handle_request(listener, req, client, addr)
SystemExit: 1
[2026-11-02 10:32:42 +0000] [1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?
export of all orders, works for small customers"""

PSYCOPG = """pool = ConnectionPool(dsn)
Traceback (most recent call last):
  File "/app/db.py", line 3, in <module>
    pool.wait()
psycopg_pool.PoolTimeout: pool initialization incomplete after 30.0 sec
psycopg.OperationalError: connection failed: connection to server at "10.0.0.5:5432" failed: too many clients"""


def test_a_django_traceback_is_its_exceptions_and_the_words_around_them() -> None:
    assert query_of(DJANGO).splitlines() == [
        'django.db.utils.ProgrammingError: relation "orders_order" does not exist',
        "we moved to two databases last week and since then the admin list page dies:",
        'psycopg.errors.UndefinedTable: relation "orders_order" does not exist',
        'LINE 1: SELECT COUNT(*) AS "__count" FROM "orders_order"',
        "is my router wrong?",
    ]


def test_a_worker_log_loses_its_times_ids_and_information() -> None:
    assert query_of(CELERY).splitlines() == [
        "kombu.exceptions.OperationalError: [Errno 111] Connection refused",
        "[ : ERROR/ForkPoolWorker-2] Task mail.tasks.send[ ] raised",
    ]


def test_a_server_log_keeps_what_went_wrong_and_the_words() -> None:
    query = query_of(GUNICORN)
    for kept in (
        "SystemExit: 1",
        "WORKER TIMEOUT",
        "sent SIGKILL! Perhaps out of memory?",
        "export of all orders",
    ):
        assert kept in query
    for dropped in ("2026-11-02", "site-packages", "Starting gunicorn", "handle_request", "Traceback"):
        assert dropped not in query


def test_a_database_error_keeps_its_class_and_loses_the_address() -> None:
    assert query_of(PSYCOPG).splitlines() == [
        "psycopg_pool.PoolTimeout: pool initialization incomplete after 30.0 sec",
        'psycopg.OperationalError: connection failed: connection to server at " " failed: too many clients',
        "pool = ConnectionPool(dsn)",
    ]


def test_only_the_last_three_exceptions_come_first() -> None:
    lines = [f"a.b.Number{n}Error: it broke" for n in range(5)]
    assert query_of("\n".join(["begin", *lines, "end"])).splitlines() == [*lines[-3:], "begin", "end"]


def test_a_line_that_is_repeated_counts_once() -> None:
    assert query_of("\n".join(["WARNING: again"] * 400 + ["why?"])) == "WARNING: again\nwhy?"


@pytest.mark.parametrize(
    "message",
    [
        "how do I page a long list",
        "ValueError: x\nin /srv/app/shop/orders/views.py at 10:31\n^^^^\nwhy?",
        "a\nb\nc\nd\ne",
        "",
    ],
)
def test_a_message_of_few_lines_stays_as_it_is(message: str) -> None:
    assert query_of(message) == message


@pytest.mark.parametrize("separator", [" ", "\n"])
def test_a_long_story_keeps_its_beginning_and_the_question_at_its_end(separator: str) -> None:
    middle = separator.join(f"then we tried thing {n}" for n in range(300))
    query = query_of(f"Our exports are slow.{separator}{middle}{separator}Should they run in Celery?")
    assert query.startswith("Our exports are slow.")
    assert query.endswith("Should they run in Celery?")
    assert len(query) <= LONGEST_QUERY_CHARS + 1


@pytest.mark.parametrize(
    "message",
    [
        'File "x", line 1\n' * 200,
        "/" * 4000,
        "\n".join(["a/" * 20] * 90),
        ("^ ~" * 30 + "\n") * 40,
        "\n".join(["A" * 3000, *"bcdefg"]),
    ],
)
def test_nothing_that_can_be_pasted_breaks_it(message: str) -> None:
    assert len(query_of(message)) <= LONGEST_QUERY_CHARS + 1


@pytest.mark.parametrize(
    ("message", "problems"),
    [
        (
            "How do I page a list of 80k rows? Also, our bank wants XML and not JSON.",
            ["How do I page a list of 80k rows?", " our bank wants XML and not JSON."],
        ),
        (
            "1) cursor pagination for a long list\n2) how do we send XML to a bank",
            ["1) cursor pagination for a long list\n", "how do we send XML to a bank"],
        ),
        (
            "Our list view runs 200 queries. Second question: how do I rotate refresh tokens?",
            ["Our list view runs 200 queries.", " how do I rotate refresh tokens?"],
        ),
    ],
)
def test_a_message_that_says_so_has_two_problems(message: str, problems: list[str]) -> None:
    assert [part.strip() for part in problems_in(message)] == [part.strip() for part in problems]


@pytest.mark.parametrize(
    "message",
    [
        "We also have a second database with a replica; how do I route reads?",
        "Slow. Also wrong.",
        "The list view is slow and I also want to cache what it returns",
        "how do I page a list of 80k rows",
        "",
    ],
)
def test_any_other_message_has_one(message: str) -> None:
    assert problems_in(message) == [message]
