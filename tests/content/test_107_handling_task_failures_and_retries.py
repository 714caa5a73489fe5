"""Scenario 107: a real worker on a real Redis, and a provider of mails that refuses as told."""

import importlib
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import redis
from celery import Task, shared_task
from celery.utils.time import get_exponential_backoff_interval
from django.core.management import call_command
from django.db import connection
from jobs.models import FailedTask
from shop.models import Order
from shop.tasks import is_permanent, send_receipt

NEEDS = ("postgresql", "redis")

SOON = 60
runs = []


class Noting(Task):
    def on_failure(self, *args, **kwargs):
        with redis.Redis.from_url(os.environ["EXAMPLE_REDIS_URL"]) as client:
            client.set("on_failure", 1)


@shared_task(base=Noting)
def killed():
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(autoretry_for=(ConnectionError,), retry_backoff=1, retry_backoff_max=1, max_retries=2)
def hopeless():
    raise ConnectionError("still away")


@shared_task(bind=True, max_retries=3, default_retry_delay=60)
def naive(self, order_id):
    runs.append(order_id)
    try:
        Order.objects.get(pk=order_id)
    except Exception as error:
        raise self.retry(exc=error) from error


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


@pytest.fixture
def worker(broker, tmp_path, transactional_db):
    """A worker on the database of the tests; gives what it has logged so far."""
    given = connection.settings_dict
    url = f"postgresql://{given['USER']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel=INFO"]
    command += ["--include", __name__, "--concurrency=1", "--without-mingle", "--without-gossip"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment | {"EXAMPLE_DATABASE_URL": url}, stdout=output, stderr=output
        )
        try:
            until(lambda: " ready." in log.read_text(), "the worker does not come up")
            yield log.read_text
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def order(transactional_db):
    return Order.objects.create(number="A-1", email="ann@example.com")


def failed(count=1):
    until(lambda: FailedTask.objects.count() == count, "no row of the failure")
    return FailedTask.objects.order_by("pk").last()


class TestAWorker:
    def test_retries_what_is_temporary_later_and_later(self, worker, broker, order):
        broker.set("provider says", 421)
        for retries, most in ((0, 30), (3, 240)):
            before = len(worker())
            send_receipt.apply_async((order.pk,), retries=retries)
            found = until(lambda start=before: re.search(r"Retry in (\d+)s", worker()[start:]), "no retry")
            assert int(found[1]) <= most
        assert not FailedTask.objects.exists()

    def test_puts_it_aside_when_no_attempts_are_left_and_it_can_be_replayed(self, worker, broker, order):
        broker.set("provider says", 421)
        send_receipt.apply_async((order.pk,), retries=send_receipt.max_retries)
        row = failed()
        assert (row.name, row.args, row.kwargs) == ("shop.tasks.send_receipt", [order.pk], {})
        assert "421" in row.error
        assert "Traceback" in row.traceback
        until(lambda: "gave up on shop.tasks.send_receipt" in worker(), "no alert")
        broker.delete("provider says")
        row.replay()
        until(lambda: Order.objects.filter(receipt_sent_at__isnull=False), "the replay does not run")
        assert not FailedTask.objects.exists()

    def test_goes_all_the_way_from_the_first_attempt_to_the_table(self, worker):
        hopeless.delay()
        assert "still away" in failed().error
        assert worker().count("Retry in") == 2
        assert FailedTask.objects.count() == 1

    def test_does_not_retry_what_is_permanent(self, worker, broker, order):
        broker.set("provider says", 550)
        send_receipt.delay(order.pk)
        assert "PermanentError" in failed().error
        send_receipt.delay(0)
        assert "DoesNotExist" in failed(2).error
        assert "Retry in" not in worker()
        # By itself, nothing is left of a failed task.
        until(lambda: not broker.hlen("unacked"), "the message is not acknowledged")
        assert broker.llen("celery") == 0

    def test_records_also_the_task_whose_process_was_killed_and_on_failure_is_not_called(
        self, worker, broker, capsys
    ):
        killed.delay()
        assert "WorkerLostError" in failed().error
        assert not broker.exists("on_failure")
        call_command("fail_once")
        assert failed(2).task_id in capsys.readouterr().out


@pytest.mark.django_db
def test_the_naive_task_retries_a_row_that_is_not_there():
    importlib.import_module("jobs.tasks")  # as the worker does
    runs.clear()
    naive.apply((0,))
    assert len(runs) == 4
    assert "DoesNotExist" in FailedTask.objects.get().error


@pytest.mark.django_db
def test_a_second_delivery_sends_nothing(mailoutbox):
    order = Order.objects.create(number="A-1", email="ann@example.com")
    send_receipt(order.pk)
    send_receipt(order.pk)
    assert len(mailoutbox) == 1


def test_eight_retries_last_45_minutes_at_most_and_each_less_than_the_visibility_timeout():
    task = send_receipt
    waits = [
        get_exponential_backoff_interval(task.retry_backoff, n, task.retry_backoff_max)
        for n in range(task.max_retries)
    ]
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]
    assert 44 * 60 < sum(waits) < 46 * 60
    assert max(waits) < 3600


@pytest.mark.parametrize(("code", "permanent"), [(450, False), (550, True)])
def test_a_refused_recipient_is_permanent_by_its_code(code, permanent):
    from smtplib import SMTPRecipientsRefused

    assert is_permanent(SMTPRecipientsRefused({"ann@example.com": (code, b"no")})) is permanent


def test_a_dropped_connection_is_temporary():
    from smtplib import SMTPServerDisconnected

    assert is_permanent(SMTPServerDisconnected("gone")) is False
