"""Scenario 108: three real workers on a real Redis, and a provider that notes when each mail arrives."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import pytest
import redis
from celery import shared_task
from config.celery import app
from django.core.mail import send_mail
from django.db import connection
from news.limiter import pause, wait_for_slot
from news.models import Recipient
from news.tasks import send_news

NEEDS = ("postgresql", "redis")

SOON = 60
STEP = 0.5  # seconds between two mails at 120 a minute


@shared_task(rate_limit="120/m")
def naive():
    send_mail("News", "", None, ["ann@example.com"])


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
def workers(number, folder):
    """Runs workers on the database of the tests; gives what they have logged so far."""
    given = connection.settings_dict
    url = f"postgresql://{given['USER']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment |= {"EXAMPLE_DATABASE_URL": url, "MAILS_PER_MINUTE": "120"}
    with ExitStack() as stack:
        logs = []
        for index in range(number):
            logs.append(folder / f"{index}.log")
            output = stack.enter_context(logs[-1].open("wb"))
            command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel=INFO"]
            command += ["--include", __name__, "--pool=solo", "--queues=mail", "--prefetch-multiplier=1"]
            command += ["--without-mingle", "--without-gossip", f"--hostname={index}@example"]
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            stack.callback(process.wait)
            stack.callback(process.kill)
        for log in logs:
            until(lambda log=log: " ready." in log.read_text(), f"a worker does not come up: {log}")
        yield lambda: "".join(log.read_text() for log in logs)


def arrived(broker, number):
    until(lambda: broker.llen("arrived") >= number, "the mails do not arrive")
    return sorted(float(at) for at in broker.lrange("arrived", 0, -1))


def shortest_gap(times):
    return min(later - earlier for earlier, later in pairwise(times))


@pytest.mark.django_db(transaction=True)
class TestThreeWorkers:
    def test_together_keep_the_limit_by_the_clock_in_redis(self, broker, tmp_path):
        recipients = [Recipient.objects.create(email=f"{n}@example.com") for n in range(9)]
        with workers(3, tmp_path) as log:
            for recipient in recipients:
                send_news.delay(recipient.pk)
            times = arrived(broker, 9)
            until(lambda: log().count(" succeeded in ") == 9, "a task does not end")
            assert all("received" in (tmp_path / f"{index}.log").read_text() for index in range(3))
        # Each was sent at its slot or later; the slack is what the first may have been late.
        assert times[-1] - times[0] > 8 * STEP - 1
        assert not Recipient.objects.filter(sent_at=None).exists()

    def test_each_keep_a_rate_limit_of_their_own_and_send_at_the_same_time(self, broker, tmp_path):
        with workers(3, tmp_path):
            for _ in range(9):
                naive.apply_async(queue="mail")
            assert shortest_gap(arrived(broker, 9)) < STEP / 2


@pytest.mark.django_db(transaction=True)
class TestWhatTheProviderSays:
    def test_421_pauses_everybody_and_the_mail_is_tried_again(self, broker, tmp_path):
        recipient = Recipient.objects.create(email="ann@example.com")
        broker.set("provider says", 421)
        with workers(1, tmp_path) as log:
            send_news.delay(recipient.pk)
            until(lambda: "Retry in 60" in log(), "no retry")
        assert broker.pttl("limit:smtp") > 30_000

    def test_550_is_not_asked_again(self, broker, tmp_path):
        recipient = Recipient.objects.create(email="ann@example.com")
        broker.set("provider says", 550)
        with workers(1, tmp_path) as log:
            send_news.delay(recipient.pk)
            until(lambda: "raised unexpected: SMTPResponseException" in log(), "it does not fail")
            assert "Retry in" not in log()
        assert not broker.exists("limit:smtp") or broker.pttl("limit:smtp") < 10_000


@pytest.mark.django_db
def test_a_message_delivered_again_takes_no_slot_and_sends_nothing(broker, mailoutbox):
    recipient = Recipient.objects.create(email="ann@example.com")
    send_news(recipient.pk)
    assert len(mailoutbox) == 1
    broker.delete("limit:smtp")
    send_news(recipient.pk)
    assert (len(mailoutbox), broker.exists("limit:smtp")) == (1, 0)


class TestTheLimiter:
    def test_the_first_does_not_wait_and_the_following_do(self, broker):
        start = time.monotonic()
        for _ in range(4):
            wait_for_slot("api", 300)
        assert time.monotonic() - start >= 0.59

    def test_its_key_goes_away_by_itself(self, broker):
        wait_for_slot("api", 300)
        assert 0 < broker.pttl("limit:api") <= 1200

    def test_a_pause_never_brings_the_next_slot_forward(self, broker):
        pause("api", 600)
        pause("api", 1)
        assert broker.pttl("limit:api") > 500_000


def test_the_mails_have_a_queue_of_their_own_and_the_rest_stays_where_it_was():
    assert app.amqp.router.route({}, "news.tasks.send_news")["queue"].name == "mail"
    assert app.amqp.router.route({}, "news.tasks.other")["queue"].name == "celery"
