"""Scenario 110: real workers on a real Redis; a long task runs while a short one is enqueued."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest
import redis
from config.celery import app
from shop.tasks import build_report, send_password_mail

NEEDS = ("redis",)

SOON = 60
LONG = 100  # no test waits for its end


def until(condition, what):
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(what)


@pytest.fixture
def broker():
    with redis.Redis.from_url(os.environ["EXAMPLE_REDIS_URL"], decode_responses=True) as client:
        client.flushdb()
        yield client


@contextmanager
def worker(folder, name, *options):
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel=INFO"]
    command += ["--without-mingle", "--without-gossip", f"--hostname={name}@example", *options]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            until(lambda: " ready." in log.read_text(), "the worker does not come up")
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with its pool
            process.wait()


def done(broker, name):
    return until(lambda: name in broker.lrange("done", 0, -1), f"{name} does not happen")


def test_a_long_task_does_not_hold_the_short_ones_back(broker, tmp_path):
    with (
        worker(tmp_path, "fast", "--queues=celery", "--pool=solo"),
        worker(tmp_path, "slow", "--queues=slow", "--concurrency=1"),
    ):
        for _ in range(3):
            build_report.delay(LONG)
        done(broker, "report begins")
        send_password_mail.delay()
        done(broker, "mail")
    assert "report" not in broker.lrange("done", 0, -1)
    assert broker.llen("slow") == 2  # they wait in the broker, where others and KEDA see them


def test_on_a_shared_queue_with_the_default_prefetch_the_short_one_is_stuck_beside_the_long_one(
    broker, tmp_path
):
    with worker(tmp_path, "shared", "--queues=celery", "--concurrency=1", "--prefetch-multiplier=4"):
        build_report.apply_async((LONG,), queue="celery")
        done(broker, "report begins")
        send_password_mail.delay()
        inspect = app.control.inspect(timeout=SOON, limit=1)
        reserved = until(
            lambda: [job["name"] for jobs in (inspect.reserved() or {}).values() for job in jobs],
            "the message is not fetched",
        )
        assert reserved == ["shop.tasks.send_password_mail"]
        assert broker.llen("celery") == 0  # no other worker could take it
        assert broker.lrange("done", 0, -1) == ["report begins"]


def test_on_sigterm_a_worker_finishes_what_runs_and_takes_no_more(broker, tmp_path):
    with worker(tmp_path, "ending", "--queues=slow", "--concurrency=1") as process:
        build_report.delay(2)
        build_report.delay(2)
        done(broker, "report begins")
        process.terminate()
        process.wait(timeout=SOON)
    assert broker.lrange("done", 0, -1) == ["report begins", "report"]


def test_a_worker_without_queues_takes_only_the_default_one(broker, tmp_path):
    build_report.delay(0)
    with worker(tmp_path, "default", "--pool=solo"):
        send_password_mail.delay()
        done(broker, "mail")
    assert broker.llen("slow") == 1


def test_the_default_prefetch_is_four():
    assert app.conf.worker_prefetch_multiplier == 1
    assert type(app)("naked").conf.worker_prefetch_multiplier == 4
