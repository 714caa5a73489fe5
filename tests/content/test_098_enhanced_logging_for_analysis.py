"""Scenario 98: what one call leaves in the log, what it must not leave, and what the ranking makes of it."""

import io
import json
import logging
from base64 import b64encode
from datetime import datetime
from pathlib import Path

import pytest
from config.call_log import CallLogMiddleware
from config.ranking import ranking
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory

pytestmark = pytest.mark.django_db

KEYS = ["time", "method", "route", "status", "ms", "queries", "user_id"]


@pytest.fixture
def log():
    (handler,) = (found for found in logging.getLogger("api.calls").handlers if found.name == "calls")
    written = io.StringIO()
    before = handler.setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    handler.setStream(before)


@pytest.fixture
def ann():
    return User.objects.create_user("ann", "ann@example.com", "change-me")


@pytest.fixture
def client(ann):
    basic = b64encode(b"ann:change-me").decode()
    return Client(headers={"authorization": f"Basic {basic}"}, raise_request_exception=False)


def refuses(get_response):
    return lambda request: HttpResponse(status=403)


class TestTheLine:
    def test_it_holds_time_route_status_duration_queries_and_user(self, client, ann, log):
        assert client.get("/orders/7/").status_code == 200
        (line,) = log()
        assert list(line) == KEYS
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
        assert line["ms"] >= 0
        assert {key: line[key] for key in ("method", "route", "status", "queries", "user_id")} == {
            "method": "GET",
            "route": "orders/<int:pk>/",
            "status": 200,
            "queries": 2,  # the user, the count
            "user_id": ann.pk,
        }

    def test_it_holds_no_personal_data_but_the_id(self, client, log):
        client.get("/orders/7/?email=ann@example.com&q=pregnancy", headers={"user-agent": "Ann's phone"})
        text = json.dumps(log())
        for secret in ("ann@", "Ann", '"ann"', "pregnancy", "127.0.0.1", "orders/7", "change-me"):
            assert secret not in text

    def test_two_orders_are_one_route(self, client, log):
        client.get("/orders/7/")
        client.get("/orders/8/")
        assert {line["route"] for line in log()} == {"orders/<int:pk>/"}

    @pytest.mark.parametrize(
        ("url", "route", "status"), [("/broken/", "broken/", 500), ("/wp-login.php", "unmatched", 404)]
    )
    def test_crashes_and_bots_leave_a_line_too(self, client, log, url, route, status):
        client.get(url)
        (line,) = log()
        assert (line["route"], line["status"]) == (route, status)

    def test_a_refused_caller_has_no_id(self, log):
        Client().get("/orders/7/")
        (line,) = log()
        assert (line["status"], line["user_id"]) == (401, None)

    def test_the_line_of_the_answer_and_the_template_have_these_keys(self):
        assert list(json.loads(Path("line.json").read_text())) == KEYS
        template = json.loads(Path("elastic/template.json").read_text())["template"]["mappings"]
        assert list(template["properties"]) == KEYS


class TestTheRanking:
    def line(self, route, ms, user_id=1, status=200):
        return json.dumps({"method": "GET", "route": route, "ms": ms, "user_id": user_id, "status": status})

    def test_total_time_comes_first_and_p95_is_what_people_wait(self):
        lines = [self.line("search/", 100, user) for user in (1, 2, 2, None)]
        lines += [self.line("export/", 300, 3, status=500)]
        assert ranking(lines) == [
            {
                "endpoint": "GET search/",
                "calls": 4,
                "users": 2,
                "failed": 0,
                "p95": 100,
                "total": 400,
            },
            {
                "endpoint": "GET export/",
                "calls": 1,
                "users": 1,
                "failed": 1,
                "p95": 300,
                "total": 300,
            },
        ]

    def test_the_average_is_a_time_that_nobody_saw(self):
        (row,) = ranking([self.line("a/", 10)] * 19 + [self.line("a/", 4000)])
        assert row["p95"] == 10
        assert round(row["total"] / row["calls"]) == 210

    def test_lines_of_the_middleware_can_be_ranked(self, client, log):
        client.get("/orders/7/")
        (row,) = ranking(map(json.dumps, log()))
        assert (row["endpoint"], row["calls"], row["users"]) == ("GET orders/<int:pk>/", 1, 1)


class TestMistakes:
    def test_the_middleware_in_last_place_never_sees_what_the_others_refuse(self, client, log, settings):
        first, *others = settings.MIDDLEWARE
        settings.MIDDLEWARE = [*others, f"{__name__}.refuses", first]
        Client().get("/orders/7/")
        assert log() == []
        settings.MIDDLEWARE = [first, *others, f"{__name__}.refuses"]
        Client().get("/orders/7/")
        assert [line["status"] for line in log()] == [403]

    def test_before_the_view_a_caller_with_credentials_is_anonymous(self, client, settings):
        seen = []

        def early(get_response):
            def middleware(request):
                seen.append(request.user.pk)
                return get_response(request)

            return middleware

        globals()["early"] = early
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.early"]
        assert client.get("/orders/7/").status_code == 200
        assert seen == [None]

    def test_a_request_without_a_user_still_gets_its_line(self, log):
        CallLogMiddleware(lambda request: HttpResponse())(RequestFactory().get("/x/"))
        assert [(line["route"], line["user_id"]) for line in log()] == [("unmatched", None)]
