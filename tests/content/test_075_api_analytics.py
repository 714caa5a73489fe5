"""Scenario 75: what is logged of a call, what is not, and what the nightly totals and the report say."""

import json
import subprocess
from datetime import date

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient
from usage.models import DailyUsage
from usage.reports import customers_of, top_routes

pytestmark = pytest.mark.django_db

DAY = date(2026, 11, 22)
ORDER = "api/orders/<int:pk>/"


@pytest.fixture(autouse=True)
def usage_log(settings):
    settings.USAGE_LOG.write_text("")
    return settings.USAGE_LOG


@pytest.fixture
def customer():
    return User.objects.create_user("ada@shop.example", password="change-me")


@pytest.fixture
def client(customer):
    client = APIClient(REMOTE_ADDR="203.0.113.9")
    client.credentials(HTTP_AUTHORIZATION="Basic " + basic("ada@shop.example:change-me"))
    return client


def basic(text):
    from base64 import b64encode

    return b64encode(text.encode()).decode()


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def write(file, *calls, at="2026-11-22T09:00:00+00:00"):
    with file.open("a") as out:
        for route, customer, status in calls:
            call = {"at": at, "method": "GET", "route": route, "status": status, "customer": customer}
            out.write(json.dumps(call) + "\n")


class TestTheLine:
    def test_it_names_the_template_and_the_account_that_drf_authenticated(self, client, customer, usage_log):
        client.get("/api/orders/4711/")
        (line,) = lines(usage_log)
        assert timezone.datetime.fromisoformat(line.pop("at")).utcoffset().total_seconds() == 0
        assert line == {"method": "GET", "route": ORDER, "status": 200, "customer": customer.pk}

    def test_nothing_personal_is_in_it(self, client, usage_log):
        client.post("/api/orders/4711/?email=ada@shop.example", {"name": "Ada"})
        text = usage_log.read_text()
        for secret in ("ada@", "Ada", "4711", "203.0.113.9", "change-me"):
            assert secret not in text
        found = subprocess.run(
            ["grep", "-E", r"@|([0-9]{1,3}\.){3}[0-9]{1,3}|/orders/[0-9]", str(usage_log)],
            capture_output=True,
            text=True,
        )
        assert (found.returncode, found.stdout) == (1, "")

    def test_a_caller_without_credentials_has_no_id(self, usage_log):
        APIClient().get("/api/export/")
        assert lines(usage_log)[0]["customer"] is None

    def test_health_checks_and_unknown_paths_are_not_use(self, client, usage_log):
        client.get("/health/")
        client.get("/wp-login.php")
        assert lines(usage_log) == []

    def test_a_call_costs_no_query_of_its_own(self, django_assert_num_queries, usage_log):
        with django_assert_num_queries(0):
            APIClient().get("/api/export/")
        assert len(lines(usage_log)) == 1

    def test_it_goes_on_after_the_file_was_rotated(self, client, usage_log):
        client.get("/api/export/")
        usage_log.rename(usage_log.with_name("usage.log.1"))
        client.get("/api/export/")
        assert len(lines(usage_log)) == 1


class TestTheTotals:
    def test_they_are_counted_by_route_and_customer_and_of_that_day_alone(self, usage_log):
        write(usage_log, (ORDER, 1, 200), (ORDER, 1, 400), (ORDER, 2, 200), ("api/export/", 1, 200))
        write(usage_log, (ORDER, 1, 200), at="2026-11-23T00:00:00+00:00")
        call_command("aggregate_usage", "2026-11-22", str(usage_log))
        assert set(DailyUsage.objects.values_list("day", "route", "customer", "calls", "errors")) == {
            (DAY, ORDER, 1, 2, 1),
            (DAY, ORDER, 2, 1, 0),
            (DAY, "api/export/", 1, 1, 0),
        }

    def test_a_second_run_changes_nothing(self, usage_log):
        write(usage_log, (ORDER, 1, 200))
        for _ in range(2):
            call_command("aggregate_usage", "2026-11-22", str(usage_log))
        assert [(row.customer, row.calls) for row in DailyUsage.objects.all()] == [(1, 1)]

    def test_the_files_of_two_hosts_are_added_up(self, usage_log, tmp_path):
        write(usage_log, (ORDER, 1, 200))
        write(tmp_path / "usage.log", (ORDER, 1, 200))
        call_command("aggregate_usage", "2026-11-22", str(usage_log), str(tmp_path / "usage.log"))
        assert DailyUsage.objects.get().calls == 2

    def test_a_real_call_reaches_the_report(self, client, customer, usage_log):
        client.get("/api/orders/1/")
        client.get("/api/orders/2/")
        today = timezone.now().date()
        call_command("aggregate_usage", lines(usage_log)[0]["at"][:10], str(usage_log))
        (row,) = top_routes(today - timezone.timedelta(days=1), today)
        expected = {"method": "GET", "route": ORDER, "total": 2, "failed": 0, "customers": 1}
        assert row == expected


class TestTheReport:
    @pytest.fixture(autouse=True)
    def a_busy_script_and_two_customers(self, usage_log):
        write(usage_log, *[("api/export/", 9, 400)] * 5, (ORDER, 1, 200), (ORDER, 2, 200), (ORDER, 2, 200))
        call_command("aggregate_usage", "2026-11-22", str(usage_log))

    def test_it_shows_that_the_busiest_route_is_one_failing_client(self):
        rows = [(row["route"], row["total"], row["failed"], row["customers"]) for row in top_routes(DAY, DAY)]
        assert rows == [("api/export/", 5, 5, 1), (ORDER, 3, 0, 2)]

    def test_it_names_the_customers_of_a_route_busiest_first(self):
        rows = [(row["customer"], row["total"]) for row in customers_of(ORDER, DAY, DAY)]
        assert rows == [(2, 2), (1, 1)]

    def test_another_day_is_not_counted(self):
        assert list(top_routes(date(2026, 11, 23), date(2026, 11, 30))) == []


class TestMistakes:
    def test_before_the_view_everybody_is_anonymous(self, client, settings):
        seen.clear()
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.too_early"]
        assert client.get("/api/export/").status_code == 200
        assert seen == [None]


seen = []


def too_early(get_response):
    def middleware(request):
        seen.append(request.user.pk)
        return get_response(request)

    return middleware
