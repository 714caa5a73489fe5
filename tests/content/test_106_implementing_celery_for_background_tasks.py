"""Scenario 106: a real worker, started here, takes its messages from a real Redis."""

import os
import subprocess
import sys
import time

import kombu.exceptions
import pytest
import redis
from config.celery import app
from django.db import connection, transaction
from django.test import Client
from shop.models import Order
from shop.tasks import confirm_order

NEEDS = ("postgresql", "redis")

SOON = 60


def until(condition, what):
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(what)


def waiting():
    with redis.Redis.from_url(os.environ["EXAMPLE_REDIS_URL"]) as broker:
        return broker.llen("celery")


@pytest.fixture
def empty_queue():
    with redis.Redis.from_url(os.environ["EXAMPLE_REDIS_URL"]) as broker:
        broker.delete("celery")
        yield
        broker.delete("celery")


@pytest.fixture
def worker(empty_queue, tmp_path, transactional_db):
    """The answer's worker, on the database of the tests; gives what it has logged so far."""
    given = connection.settings_dict
    url = f"postgresql://{given['USER']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel=INFO"]
    command += ["--pool=solo", "--without-mingle", "--without-gossip"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment | {"EXAMPLE_DATABASE_URL": url}, stdout=output, stderr=output
        )
        try:
            until(lambda: " ready." in log.read_text(), "the worker does not come up")
            yield log.read_text
        finally:
            process.kill()
            process.wait()


def test_the_worker_runs_what_the_view_enqueues_and_knows_the_task(worker):
    assert app.control.inspect(timeout=SOON, limit=1).registered().popitem()[1] == [
        "shop.tasks.confirm_order"
    ]
    with transaction.atomic():
        order = Order.objects.create(number="A-1", email="ann@example.com")
        confirm_order.delay_on_commit(order.pk)
        assert waiting() == 0
    until(lambda: Order.objects.filter(confirmed_at__isnull=False), "the task does not run")
    assert "DoesNotExist" not in worker()


def test_a_plain_delay_inside_the_transaction_makes_the_worker_look_for_a_row_that_is_not_there(worker):
    with transaction.atomic():
        confirm_order.delay(Order.objects.create(number="A-1", email="ann@example.com").pk)
        until(lambda: "Order matching query does not exist" in worker(), "the worker finds the row")


@pytest.mark.django_db(transaction=True)
class TestCommit:
    def test_the_view_enqueues_once(self, empty_queue):
        response = Client().post("/orders/", {"number": "A-1", "email": "ann@example.com"})
        assert (response.status_code, waiting()) == (201, 1)

    def test_a_rollback_sends_nothing(self, empty_queue):
        with transaction.atomic():
            confirm_order.delay_on_commit(1)
            transaction.set_rollback(True)
        assert waiting() == 0

    def test_a_plain_delay_is_sent_in_spite_of_the_rollback(self, empty_queue):
        with transaction.atomic():
            confirm_order.delay(1)
            transaction.set_rollback(True)
        assert waiting() == 1

    def test_on_commit_gives_no_id_and_delay_does(self, empty_queue):
        assert confirm_order.delay_on_commit(1) is None
        assert confirm_order.delay(1).id


def test_an_object_as_argument_does_not_become_json(empty_queue):
    with pytest.raises(kombu.exceptions.EncodeError, match="Object of type Order is not JSON serializable"):
        confirm_order.delay(Order(number="A-1"))


def test_the_settings_reach_celery_and_without_them_it_has_no_time_limit():
    assert app.conf.broker_url == os.environ["EXAMPLE_REDIS_URL"]
    assert (app.conf.task_soft_time_limit, app.conf.task_time_limit) == (270, 300)
    assert tuple(app.conf.accept_content) == ("json",)
    assert type(app)("naked").conf.task_time_limit is None


def test_a_task_with_other_limits_must_set_both(empty_queue):
    def other():
        raise NotImplementedError  # enqueued only

    def enqueued(**limits):
        task = app.task(**limits, name="shop.tasks.other")(other)
        try:
            assert task.delay().id
            return task.soft_time_limit, task.time_limit
        finally:
            app.tasks.unregister("shop.tasks.other")

    with pytest.raises(ValueError, match="soft_time_limit must be less than or equal to time_limit"):
        enqueued(time_limit=30)
    assert enqueued(time_limit=3600) == (270, 3600)
    assert enqueued(soft_time_limit=25, time_limit=30) == (25, 30)


def test_without_the_import_a_shared_task_goes_to_rabbitmq_on_localhost():
    script = (
        "from celery import shared_task\n"
        "@shared_task\n"
        "def lost(): pass\n"
        "print(lost.app.connection_for_write().as_uri())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("amqp://guest:**@localhost:5672")


@pytest.mark.django("6.1")
def test_django_itself_brings_no_backend_with_a_worker():
    import pkgutil

    import django.tasks.backends

    found = {module.name for module in pkgutil.iter_modules(django.tasks.backends.__path__)}
    assert found == {"base", "dummy", "immediate"}
