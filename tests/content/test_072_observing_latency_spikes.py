"""Scenario 72: what the histograms name and count, over several processes, and what the sampler sees."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from config import metrics
from django.db import connection
from django.test import Client
from prometheus_client import REGISTRY, CollectorRegistry, Histogram, generate_latest

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db

ORDER = {"method": "GET", "route": "orders/<int:pk>/"}


def sample(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


class TestTheHistograms:
    def test_two_orders_are_one_series_named_by_the_template(self, client):
        before = sample("api_request_seconds_count", **ORDER, status="2xx")
        client.get("/orders/7171/")
        client.get("/orders/7272/")
        assert sample("api_request_seconds_count", **ORDER, status="2xx") == before + 2
        text = client.get("/metrics").content.decode()
        assert 'route="orders/<int:pk>/"' in text
        assert "7171" not in text

    def test_database_time_is_seen_apart_from_the_total(self, client):
        before = sample("api_database_seconds_sum", **ORDER)
        total = sample("api_request_seconds_sum", **ORDER, status="2xx")
        client.get("/orders/1/")
        in_database = sample("api_database_seconds_sum", **ORDER) - before
        assert in_database >= 0.06
        assert sample("api_request_seconds_sum", **ORDER, status="2xx") - total >= in_database

    def test_a_crash_and_an_unknown_path_are_counted_too(self, client):
        crashed = {"method": "GET", "route": "broken/", "status": "5xx"}
        unknown = {"method": "GET", "route": "unmatched", "status": "4xx"}
        before = (
            sample("api_request_seconds_count", **crashed),
            sample("api_request_seconds_count", **unknown),
        )
        assert client.get("/broken/").status_code == 500
        assert client.get("/wp-login.php").status_code == 404
        after = sample("api_request_seconds_count", **crashed), sample("api_request_seconds_count", **unknown)
        assert after == (before[0] + 1, before[1] + 1)

    def test_an_invented_method_makes_no_series_of_its_own(self, client):
        client.generic("XYZZY", "/orders/1/")
        text = client.get("/metrics").content.decode()
        assert "XYZZY" not in text
        assert 'method="other"' in text

    def test_the_label_that_the_alert_asks_for_exists(self, client):
        client.get("/orders/1/")
        assert 'le="1.0"' in client.get("/metrics").content.decode()


class TestTheQueue:
    def test_the_time_since_nginx_is_recorded(self, client):
        before = sample("api_queue_seconds_sum")
        client.get("/orders/1/", headers={"x-request-start": f"t={time.time() - 3:.3f}"})
        assert 3 <= sample("api_queue_seconds_sum") - before < 10

    def test_the_timer_within_django_does_not_show_it(self, client):
        before = sample("api_request_seconds_sum", **ORDER, status="2xx")
        client.get("/orders/1/", headers={"x-request-start": f"t={time.time() - 3:.3f}"})
        assert sample("api_request_seconds_sum", **ORDER, status="2xx") - before < 3

    @pytest.mark.parametrize("headers", [{}, {"x-request-start": "yesterday"}])
    def test_without_a_readable_stamp_nothing_is_recorded(self, client, headers):
        before = sample("api_queue_seconds_count")
        assert client.get("/orders/1/", headers=headers).status_code == 200
        assert sample("api_queue_seconds_count") == before


WORKER = """
import django
django.setup()
from django.test import Client
client = Client(headers={"host": "localhost"})
client.get("/nothing-here/")
print(client.get("/metrics").content.decode())
"""


def worker(**extra):
    """A process that serves one request, and then a scrape."""
    run = subprocess.run(
        [sys.executable, "-c", WORKER],
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        check=True,
    )
    counts = [line for line in run.stdout.splitlines() if line.startswith("api_request_seconds_count")]
    return sum(float(line.rpartition(" ")[2]) for line in counts if "unmatched" in line)


class TestSeveralWorkers:
    def test_with_the_directory_a_scrape_of_one_counts_for_all(self, tmp_path):
        assert worker(PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) == 1
        assert worker(PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) == 2

    def test_without_it_each_worker_knows_itself_alone(self):
        assert (worker(), worker()) == (1, 1)


class TestTheSampler:
    @pytest.mark.django_db(transaction=True)
    def test_it_names_the_session_that_blocks_another(self):
        query = Path("ops/waits.sql").read_text()
        waiting = threading.Thread(target=wait_for_the_lock)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), pg_advisory_lock(72)")
            holder = cursor.fetchone()[0]
            waiting.start()
            try:
                row = blocked(cursor, query)
            finally:
                cursor.execute("SELECT pg_advisory_unlock(72)")
                waiting.join(10)
        assert row["blocked_by"] == [holder]
        assert row["wait_event_type"] == "Lock"
        assert "pg_advisory_lock(72)" in row["query"]


def wait_for_the_lock():
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(72), pg_advisory_unlock(72)")
    finally:
        connection.close()


def blocked(cursor, query):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        cursor.execute(query)
        names = [column.name for column in cursor.description]
        for row in cursor.fetchall():
            found = dict(zip(names, row, strict=True))
            if found["blocked_by"]:
                return found
    pytest.fail("nobody was seen waiting")


class TestMistakes:
    def test_a_scrape_by_ip_is_refused_until_the_host_is_allowed(self, client, settings):
        settings.ALLOWED_HOSTS = ["api.example.com"]
        assert client.get("/metrics", headers={"host": "10.0.0.7:8000"}).status_code == 400
        settings.ALLOWED_HOSTS = ["api.example.com", "10.0.0.7"]
        assert client.get("/metrics", headers={"host": "10.0.0.7:8000"}).status_code == 200

    def test_a_scrape_without_tls_is_redirected_until_it_is_exempt(self, settings):
        settings.SECURE_SSL_REDIRECT = True
        assert Client().get("/metrics").status_code == 301
        settings.SECURE_REDIRECT_EXEMPT = ["^metrics$"]
        assert Client().get("/metrics").status_code == 200

    def test_the_path_as_a_label_makes_a_series_for_each_id(self):
        registry = CollectorRegistry()
        naive = Histogram("naive_seconds", "By path", ["path"], buckets=metrics.BUCKETS, registry=registry)
        for pk in range(50):
            naive.labels(f"/orders/{pk}/").observe(0.1)
        lines = generate_latest(registry).decode().splitlines()
        assert sum(line.startswith("naive_seconds_bucket") for line in lines) == 50 * 11

    def test_a_stall_beyond_the_last_bucket_is_only_known_to_be_longer(self):
        registry = CollectorRegistry()
        short = Histogram("short_seconds", "Too short", buckets=metrics.BUCKETS, registry=registry)
        short.observe(30)
        assert registry.get_sample_value("short_seconds_bucket", {"le": "16.0"}) == 0
        assert registry.get_sample_value("short_seconds_bucket", {"le": "+Inf"}) == 1

    def test_the_mean_hides_what_the_hundredth_request_suffers(self):
        times = [0.08] * 99 + [6]
        assert round(sum(times) / len(times), 2) == 0.14
