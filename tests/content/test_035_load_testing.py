"""Scenario 35: Locust plays users against a server on this machine; percentiles, limits and exit codes are read."""

import csv
import json
import os
import re
import statistics
import subprocess
import time
from pathlib import Path

import pytest
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import User
from django.core.servers.basehttp import WSGIServer
from django.db import connection, reset_queries
from django.test import Client
from rest_framework.throttling import UserRateThrottle
from shop.models import Order, Product
from shop.views import ProductViewSet

NEEDS = ("postgresql",)  # threads of the server write at the same time

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = Path("loadtests/limits.json")
IN_THE_ANSWER = json.loads(LIMITS.read_text())


@pytest.fixture(autouse=True, scope="session")
def room_for_all_at_the_door():
    """Django's test server lets ten wait for a connection, servers for production hundreds or more."""
    WSGIServer.request_queue_size = 128


@pytest.fixture(autouse=True)
def shop():
    password = make_password("change-me")
    numbers = [worker * 1000 + number for worker in range(2) for number in range(1, 41)]
    User.objects.bulk_create(User(username=f"load{number}", password=password) for number in numbers)
    Product.objects.bulk_create(Product(name=f"Lamp {number}") for number in range(400))


@pytest.fixture
def limits():
    yield lambda milliseconds: LIMITS.write_text(json.dumps(dict.fromkeys(IN_THE_ANSWER, milliseconds)))
    LIMITS.write_text(json.dumps(IN_THE_ANSWER))


def locust(server, *options, files="loadtests/locustfile.py", **variables):
    """The reader's call, only shorter; exit code, output, and the rows of the result by request."""
    command = ["locust", "-f", files, "--headless", "--host", server.url]
    command += ["--csv", "load", "--csv-full-history", *options]
    environment = os.environ | {"LOAD_PASSWORD": "change-me"} | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    with Path("load_stats.csv").open() as file:
        rows = {f"{row['Type']} {row['Name']}".strip(): row for row in csv.DictReader(file)}
    return done.returncode, done.stdout + done.stderr, rows


def test_it_reports_percentiles_for_each_request_and_passes_within_the_limits(live_server, limits):
    limits(60_000)
    options = ("--users", "60", "--spawn-rate", "60", "--run-time", "8s", "--processes", "2")
    code, output, rows = locust(live_server, *options, "--reset-stats")
    assert code == 0, output
    for request in IN_THE_ANSWER:
        row = rows[request]
        assert 0 < float(row["50%"]) <= float(row["95%"]) <= float(row["99%"])
        assert float(row["Requests/s"]) > 0
        assert row["Failure Count"] == "0"
    assert Order.objects.count() >= int(rows["POST /api/orders/"]["Request Count"])
    assert "Resetting stats" in output  # after the ramp-up
    assert User.objects.filter(auth_token__isnull=False).count() == 60  # each its own account


def test_a_broken_limit_is_the_exit_code_and_the_stairs_climb(live_server, limits):
    limits(0)
    files = "loadtests/locustfile.py,loadtests/stairs.py"
    code, output, _ = locust(live_server, files=files, STEP_SECONDS="0.5", STEP_USERS="3")
    assert code == 1
    assert "GET /api/products/: p95 is" in output
    with Path("load_stats_history.csv").open() as file:
        users = [int(row["User Count"]) for row in csv.DictReader(file)]
    assert users == sorted(users)
    assert len(set(users)) > 2
    assert max(users) <= 30  # ten steps, then the end


def test_users_who_cannot_log_in_do_not_pass_for_a_fast_server(live_server, limits):
    limits(60_000)
    options = ("--users", "2", "--spawn-rate", "2", "--run-time", "2s")
    code, output, _ = locust(live_server, *options, LOAD_PASSWORD="wrong")
    assert code == 1
    assert "GET /api/products/ was never asked for" in output
    assert re.search(r"/api/login/ +2 +2\(100.00%\)", output)


def test_throttled_answers_are_failures_however_fast_they_are(live_server, limits, monkeypatch):
    class OneAMinute(UserRateThrottle):
        rate = "1/min"

    monkeypatch.setattr(ProductViewSet, "throttle_classes", [OneAMinute])
    limits(60_000)
    options = ("--users", "10", "--spawn-rate", "10", "--run-time", "4s")
    code, output, _ = locust(live_server, *options)
    assert code == 1
    assert "% failed" in output
    assert "429" in Path("load_failures.csv").read_text()
    assert "p95 is" not in output


def cpu_seconds(call):
    started = time.thread_time()
    call()
    return time.thread_time() - started


def test_a_mean_hides_the_visitor_who_waits():
    answers = [0.1] * 95 + [4.0] * 5
    assert statistics.mean(answers) == pytest.approx(0.3, abs=0.01)
    assert statistics.quantiles(answers, n=100)[98 - 1] == 4.0


def test_users_are_rate_times_the_time_that_each_takes():
    assert 500 * (0.3 + 3) == 1650


def test_hashing_a_password_costs_more_than_a_request():
    encoded = make_password("change-me", hasher="pbkdf2_sha256")
    client = Client()
    client.get("/api/products/")  # warm
    assert cpu_seconds(lambda: check_password("change-me", encoded)) > 2 * cpu_seconds(
        lambda: client.get("/api/products/")
    )


def test_debug_keeps_every_query_in_memory(settings):
    settings.DEBUG = True
    reset_queries()
    Product.objects.count()
    assert len(connection.queries) == 1
    settings.DEBUG = False
    reset_queries()
    Product.objects.count()
    assert connection.queries == []
