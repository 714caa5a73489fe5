"""Scenario 109: a real worker on a real Redis is watched, and killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest
import redis
from celery import shared_task
from config.celery import app
from django.test import Client
from monitor.tasks import heartbeat

NEEDS = ("redis",)

SOON = 60


@shared_task
def hang():
    time.sleep(SOON * 2)


def until(condition, what):
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(what)


@pytest.fixture
def broker():
    with redis.Redis.from_url(os.environ["EXAMPLE_REDIS_URL"]) as client:
        client.flushdb()
        yield client


@contextmanager
def worker(folder, *options):
    log = folder / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel=INFO"]
    command += ["--include", __name__, "--without-mingle", "--without-gossip", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            until(lambda: " ready." in log.read_text(), "the worker does not come up")
            yield process
        finally:
            with suppress(ProcessLookupError):  # the test has killed it
                os.killpg(process.pid, signal.SIGKILL)  # with its pool
            process.wait()


def ask():
    response = Client().get("/health/queues/")
    return response.status_code, response.json()["celery"]


def beat():
    """What beat does each minute."""
    entry = app.conf.beat_schedule["heartbeat-celery"]
    app.send_task(entry["task"], entry["args"], **entry["options"])


def test_a_running_worker_is_well_and_a_dead_one_raises_the_alarm(broker, tmp_path, settings):
    assert ask()[0] == 503  # no heartbeat yet
    with worker(tmp_path, "--pool=solo") as process:
        beat()
        until(lambda: ask()[0] == 200, "no heartbeat arrives")
        assert app.control.inspect(timeout=SOON, limit=1).ping()
        process.kill()
        process.wait()
    settings.QUEUE_MAX_AGE = 1

    def alarm():
        beat()  # beat itself is alive
        return ask()[0] == 503

    until(alarm, "nobody notices")
    assert ask()[1]["waiting"] > 0


def test_an_old_message_raises_the_alarm_though_the_queue_is_short(broker, settings):
    heartbeat("celery")
    hang.delay()
    state = ask()
    assert (state[0], state[1]["waiting"]) == (200, 1)
    settings.QUEUE_MAX_AGE = 1

    def alarm():
        heartbeat("celery")  # another worker still gives signs of life
        status, found = ask()
        return status == 503 and found["oldest_seconds"] >= 1 > found["heartbeat_seconds"]

    until(alarm, "nobody notices")


def test_the_oldest_message_counts_and_not_the_newest(broker):
    heartbeat("celery")
    hang.apply_async(headers={"enqueued_at": time.time() - 1000})
    hang.delay()
    status, found = ask()
    assert (status, found["waiting"]) == (503, 2)
    assert found["oldest_seconds"] >= 1000


def test_ping_is_answered_while_the_only_process_of_the_pool_hangs(broker, tmp_path):
    with worker(tmp_path, "--concurrency=1"):
        hang.delay()
        inspect = app.control.inspect(timeout=SOON, limit=1)
        until(lambda: [job for jobs in (inspect.active() or {}).values() for job in jobs], "it does not run")
        assert inspect.ping()
        beat()
        assert ask()[0] == 503


def test_events_are_on_for_flower_and_by_default_they_are_off():
    assert app.conf.worker_send_task_events is True
    assert type(app)("naked").conf.worker_send_task_events is False
