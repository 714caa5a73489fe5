"""Scenario 73: requests of all kinds are sent, at once too, and each line of the log is asked whose it is."""

import asyncio
import contextvars
import io
import json
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import responses
from config.request_log import JsonFormatter, RequestContextFilter, bind, current, request_id_header
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient
from django.urls import path
from rest_framework.authentication import BasicAuthentication
from rest_framework.test import APIClient
from shop.views import ReserveView

MINE = "check-20261123"
PASSWORD = "hunter2-hunter2"
STOCK = "https://stock.example.com/reservations/7/"

helper = logging.getLogger("shop.deep.helpers")


@pytest.fixture
def log():
    stream = io.StringIO()
    (handler,) = [h for h in logging.getLogger().handlers if h.name == "console"]
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


@pytest.fixture
def client():
    return APIClient(raise_request_exception=False)


@pytest.fixture
def ann():
    return User.objects.create_user("ann", "ann@example.com", PASSWORD)


@pytest.fixture
def stock():
    with responses.RequestsMock() as mock:
        mock.post(STOCK)
        yield mock


def lines(log):
    return [json.loads(line) for line in log.getvalue().splitlines()]


def urls(settings, view):
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("here/", view)]})


@pytest.mark.django_db
class TestOneRequest:
    def test_every_line_carries_the_request_and_the_user(self, client, log, ann, stock, monkeypatch):
        monkeypatch.setattr(ReserveView, "authentication_classes", [BasicAuthentication])
        client.credentials(HTTP_AUTHORIZATION="Basic YW5uOmh1bnRlcjItaHVudGVyMg==")
        response = client.post(
            "/products/7/reserve/?token=abc", {"card": "4111"}, headers={"x-request-id": MINE}
        )
        assert response.json() == {"reserved": 7}
        assert [(line["request_id"], line["user_id"], line["message"]) for line in lines(log)] == [
            (MINE, ann.pk, "reserving product 7"),
            (MINE, ann.pk, "POST products/<int:pk>/reserve/ 200"),
        ]
        for secret in ("4111", "abc", "YW5u", PASSWORD, "ann@example.com"):
            assert secret not in log.getvalue()

    def test_a_middleware_still_sees_an_anonymous_user_on_the_way_in(self, client, ann, stock, monkeypatch):
        monkeypatch.setattr(ReserveView, "authentication_classes", [BasicAuthentication])
        seen = []
        initial = ReserveView.initialize_request

        def spy(self, request, *args, **kwargs):
            seen.append(request.user.is_anonymous)
            return initial(self, request, *args, **kwargs)

        monkeypatch.setattr(ReserveView, "initialize_request", spy)
        client.credentials(HTTP_AUTHORIZATION="Basic YW5uOmh1bnRlcjItaHVudGVyMg==")
        assert client.post("/products/7/reserve/").status_code == 200
        assert seen == [True]

    def test_the_id_goes_out_to_the_next_service_and_back_to_the_client(self, client, stock):
        response = client.post("/products/7/reserve/", headers={"x-request-id": MINE})
        assert response.headers["X-Request-ID"] == MINE
        assert stock.calls[0].request.headers["X-Request-ID"] == MINE

    def test_a_request_without_an_id_gets_a_new_one(self, client, log):
        first, second = client.get("/nowhere/"), client.get("/nowhere/")
        ids = [first.headers["X-Request-ID"], second.headers["X-Request-ID"]]
        assert ids[0] != ids[1]
        assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)
        assert {line["request_id"] for line in lines(log)} == set(ids)

    @pytest.mark.parametrize(
        "sent", ["short", "x" * 65, "x level=ERROR user_id=1", 'abcdefgh"}', "ümlaut-ümlaut"]
    )
    def test_an_implausible_id_is_replaced(self, client, log, sent):
        response = client.get("/nowhere/", headers={"x-request-id": sent})
        assert response.headers["X-Request-ID"] != sent
        assert {line["request_id"] for line in lines(log)} == {response.headers["X-Request-ID"]}

    def test_djangos_own_line_on_a_bad_request_has_the_id_too(self, client, log):
        client.get("/products/7/reserve/", headers={"x-request-id": MINE})
        mine, djangos = lines(log)
        assert (djangos["logger"], djangos["message"]) == (
            "django.request",
            "Method Not Allowed: /products/7/reserve/",
        )
        assert djangos["request_id"] == mine["request_id"] == MINE
        # It comes when the context is gone already: without the record's request it would be empty.
        assert current.get() is None

    def test_a_crash_has_its_traceback_in_one_line_with_the_id(self, client, log, settings):
        def view(request):
            raise RuntimeError("first\nsecond")

        urls(settings, view)
        assert client.get("/here/", headers={"x-request-id": MINE}).status_code == 500
        crash = next(line for line in lines(log) if "traceback" in line)
        assert crash["request_id"] == MINE
        assert "RuntimeError: first\nsecond" in crash["traceback"]

    def test_a_line_break_in_a_message_makes_no_second_line(self, log):
        helper.info("name: %s", 'x\n{"level": "ERROR"}')
        assert len(lines(log)) == 1

    def test_the_lines_of_a_stream_have_no_id(self, client, log, settings):
        def body():
            helper.info("streaming")
            yield b"x"

        urls(settings, lambda request: StreamingHttpResponse(body()))
        b"".join(client.get("/here/", headers={"x-request-id": MINE}).streaming_content)
        (line,) = [line for line in lines(log) if line["message"] == "streaming"]
        assert line["request_id"] is None


class TestOutsideOfARequest:
    def test_a_line_is_written_without_an_id_and_nothing_is_bound(self, log):
        bind(user_id=7)
        helper.info("from a command")
        (line,) = lines(log)
        assert (line["request_id"], line["user_id"]) == (None, None)
        assert request_id_header() == {}


class TestTwoAtOnce:
    @pytest.fixture
    def local(self):
        return threading.local()

    @pytest.fixture
    def meet(self, settings, local):
        """Both requests are inside the view before either of them logs."""
        barrier = asyncio.Barrier(2)

        async def view(request):
            assert isinstance(request, ASGIRequest)
            sent = request.headers["X-Request-ID"]
            local.request_id = sent  # the mistake, side by side
            await barrier.wait()
            helper.info("%s %s", sent, local.request_id)
            return HttpResponse()

        urls(settings, view)

        async def both():
            client = AsyncClient()
            await asyncio.gather(
                *(
                    client.get("/here/", headers={"x-request-id": one})
                    for one in ("request-one", "request-two")
                )
            )

        return both

    def test_context_variables_keep_async_requests_apart_and_thread_locals_do_not(self, meet, log):
        asyncio.run(meet())
        found = [line for line in lines(log) if line["logger"] == helper.name]
        truth = [line["message"].split()[0] for line in found]
        assert sorted(truth) == ["request-one", "request-two"]
        assert [line["request_id"] for line in found] == truth
        assert len({line["message"].split()[1] for line in found}) == 1


class TestMistakes:
    @pytest.mark.django_db
    def test_a_thread_starts_without_the_context_unless_it_is_copied(self, client, log, settings):
        def view(request):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(contextvars.Context().run, helper.info, "bare").result()
                pool.submit(contextvars.copy_context().run, helper.info, "copied").result()
            return HttpResponse()

        urls(settings, view)
        client.get("/here/", headers={"x-request-id": MINE})
        found = {line["message"]: line["request_id"] for line in lines(log)}
        assert (found["bare"], found["copied"]) == (None, MINE)

    def test_a_pool_of_this_python_does_not_inherit_the_context(self):
        token = current.set({"request_id": MINE})
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(current.get).result() is None
        current.reset(token)

    def test_a_filter_on_a_logger_does_not_see_the_records_of_its_children(self):
        parent, child = logging.getLogger("naive"), logging.getLogger("naive.child")
        parent.addFilter(RequestContextFilter())
        handler = logging.StreamHandler(io.StringIO())
        formatter = logging.Formatter("{request_id} {message}", style="{")
        handler.setFormatter(formatter)
        caught = []
        handler.handleError = lambda record: caught.append(record.name)
        parent.addHandler(handler)
        parent.warning("fine")
        child.warning("not fine")
        assert handler.stream.getvalue() == "None fine\n"
        assert caught == ["naive.child"]
        with pytest.raises(ValueError, match="Formatting field not found in record: 'request_id'"):
            formatter.format(logging.makeLogRecord({"msg": "x"}))

    def test_an_unchecked_id_forges_fields_in_a_text_format(self):
        record = logging.makeLogRecord({"msg": "x", "request_id": "x level=ERROR user_id=1"})
        text = logging.Formatter("request_id={request_id} {message}", style="{").format(record)
        assert "user_id=1" in text.split()
        record.user_id = None
        assert json.loads(JsonFormatter().format(record))["user_id"] is None
