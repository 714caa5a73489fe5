"""Scenario 15: three real HTTP services in threads, some slow, broken or trickling; one view asks them all."""

import asyncio
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.signals import request_finished
from django.db import connection
from django.http import JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from overview import services
from overview.models import Snapshot
from overview.tasks import collect_rates
from rest_framework.response import Response
from rest_framework.views import APIView

ANSWERS = {"orders": [{"id": 1}], "tickets": [], "rates": {"USD": "1.08"}}
ALL_OF_THEM = {**ANSWERS, "missing": []}
SOON = 10  # seconds: how long a test waits for what happens at once


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with self.server.in_flight():
            self.server.requests.append(self.path)
            self.server.behave(self)

    def log_message(self, *args):
        pass


class Upstream(ThreadingHTTPServer):
    """One service. `behave` decides what it does with a request."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name, tally):
        super().__init__(("127.0.0.1", 0), Handler)
        self.name, self.tally, self.requests = name, tally, []
        self.behave = self.answer
        self.url = f"http://127.0.0.1:{self.server_port}"

    def in_flight(self):
        return self.tally.one_more()

    def answer(self, handler, body=None, status=200):
        body = json.dumps(ANSWERS[self.name]).encode() if body is None else body
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def handle_error(self, request, client_address):
        """The client has given up; that is what some tests are about."""


class Tally:
    """How many requests were in flight at once, over all services."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    @contextmanager
    def one_more(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            yield
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def upstreams(settings, tally):
    servers = {name: Upstream(name, tally) for name in ANSWERS}
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers.values()]
    for thread in threads:
        thread.start()
    settings.UPSTREAMS = {name: server.url for name, server in servers.items()}
    cache.clear()
    yield servers
    for server, thread in zip(servers.values(), threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def wait_for_each_other(upstreams, limits):
    """No service answers before all three have been asked."""
    limits(SOON)
    everybody = threading.Barrier(len(upstreams))

    def behave(server):
        def answer(handler):
            everybody.wait(SOON)
            server.answer(handler)

        return answer

    for server in upstreams.values():
        server.behave = behave(server)


@pytest.fixture
def hang(upstreams):
    """Makes a service accept a request and never answer, until the test is over."""
    over = threading.Event()

    def make(name):
        upstreams[name].behave = lambda handler: over.wait(SOON)

    yield make
    over.set()


@pytest.fixture
def limits(monkeypatch):
    def set_all(seconds):
        monkeypatch.setattr(services, "SERVICES", [replace(s, limit=seconds) for s in services.SERVICES])

    return set_all


@pytest.fixture
def user(db):
    return User.objects.create_user("ann")


@pytest.fixture
def client(user):
    client = Client()
    client.force_login(user)
    return client


def overview(customer=7):
    return async_to_sync(services.overview)(customer)


def duration(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


class TestAtTheSameTime:
    @pytest.mark.parametrize("url", ["/overview/", "/async-overview/"])
    def test_all_three_are_in_flight_at_once_under_wsgi(self, client, wait_for_each_other, tally, url):
        response = client.get(url)
        assert (response.status_code, response.json()) == (200, ALL_OF_THEM)
        assert tally.most == 3

    def test_and_under_asgi(self, user, wait_for_each_other, tally):
        async def ask():
            client = AsyncClient()
            await client.aforce_login(user)
            return await client.get("/async-overview/")

        response = async_to_sync(ask)()
        assert (response.status_code, response.json()) == (200, ALL_OF_THEM)
        assert tally.most == 3

    def test_the_drf_view_too_under_asgi(self, user, wait_for_each_other, tally):
        async def ask():
            client = AsyncClient()
            await client.aforce_login(user)
            return await client.get("/overview/")

        assert async_to_sync(ask)().json() == ALL_OF_THEM
        assert tally.most == 3

    def test_the_time_is_that_of_the_slowest_not_the_sum(self, upstreams, limits):
        limits(SOON)

        def slowly(server):
            def answer(handler):
                time.sleep(0.2)
                server.answer(handler)

            return answer

        for server in upstreams.values():
            server.behave = slowly(server)
        together = duration(overview)
        assert overview()[0]["missing"] == []
        one_by_one = duration(lambda: [httpx2.get(server.url) for server in upstreams.values()])
        assert together < one_by_one / 2

    def test_in_one_event_loop_many_requests_wait_together(self, upstreams, limits):
        limits(SOON)
        many = 20
        everybody = threading.Barrier(many)

        def answer(handler):
            everybody.wait(SOON)
            upstreams["orders"].answer(handler)

        upstreams["orders"].behave = answer

        async def ask():
            return await asyncio.gather(*(services.overview(customer) for customer in range(many)))

        assert async_to_sync(ask)() == [(ALL_OF_THEM, 200)] * many

    def test_the_customer_is_in_the_address(self, upstreams):
        overview(7)
        assert upstreams["orders"].requests == ["/customers/7/orders"]
        assert upstreams["tickets"].requests == ["/tickets?customer=7"]


class TestPartialAnswers:
    def test_a_service_that_hangs_is_left_out_at_its_limit(self, client, hang, limits, caplog):
        hang("tickets")
        limits(0.3)
        response = client.get("/overview/")
        assert response.status_code == 200
        assert response.json() == {**ANSWERS, "tickets": None, "missing": ["tickets"]}
        assert "tickets is left out: TimeoutError()" in caplog.text  # ours, not the client's own

    def test_one_that_trickles_is_left_out_though_it_is_never_silent_for_long(
        self, upstreams, limits, caplog
    ):
        upstreams["tickets"].behave = trickle
        limits(0.3)
        data, status = overview()
        assert (status, data["missing"]) == (200, ["tickets"])
        assert "tickets is left out: TimeoutError()" in caplog.text

    def test_the_clients_own_timeout_never_fires_on_a_trickle(self, upstreams):
        upstreams["tickets"].behave = trickle
        url = upstreams["tickets"].url
        assert duration(lambda: httpx2.get(url, timeout=0.3).raise_for_status()) > 0.6

    @pytest.mark.parametrize(
        "failure",
        [
            lambda server, handler: server.answer(handler, status=500),
            lambda server, handler: server.answer(handler, body=b"<html>"),
            lambda server, handler: handler.connection.shutdown(socket.SHUT_RDWR),
        ],
        ids=["500", "no JSON", "connection cut"],
    )
    def test_a_broken_service_is_left_out(self, upstreams, failure):
        upstreams["rates"].behave = lambda handler: failure(upstreams["rates"], handler)
        assert overview() == ({**ANSWERS, "rates": None, "missing": ["rates"]}, 200)

    def test_one_that_is_not_there_is_left_out(self, upstreams, settings):
        settings.UPSTREAMS = {**settings.UPSTREAMS, "rates": "http://127.0.0.1:1"}
        assert overview()[0]["missing"] == ["rates"]

    @pytest.mark.parametrize("url", ["/overview/", "/async-overview/"])
    def test_without_a_required_one_it_is_503(self, client, upstreams, url):
        upstreams["orders"].behave = lambda handler: upstreams["orders"].answer(handler, status=500)
        response = client.get(url)
        assert response.status_code == 503
        assert response.json()["missing"] == ["orders"]

    def test_a_mistake_of_ours_is_raised(self, upstreams, settings):
        settings.UPSTREAMS = {"orders": upstreams["orders"].url, "rates": upstreams["rates"].url}
        with pytest.raises(ExceptionGroup) as caught:
            overview()
        assert [type(error) for error in caught.value.exceptions] == [KeyError]

    def test_return_exceptions_makes_it_look_like_an_outage(self, upstreams, settings):
        settings.UPSTREAMS = {"orders": upstreams["orders"].url, "rates": upstreams["rates"].url}

        async def naive():
            async with services.new_client() as client:
                calls = (services.fetch(client, service, 7) for service in services.SERVICES)
                results = await asyncio.gather(*calls, return_exceptions=True)
            return [None if isinstance(result, Exception) else result for result in results]

        assert async_to_sync(naive)() == [ANSWERS["orders"], None, ANSWERS["rates"]]


def trickle(handler):
    """Ten bytes, one at a time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "10")
    handler.end_headers()
    for byte in b'{"a": [1]}':
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.1)


class TestCaching:
    def test_what_is_shared_is_asked_once_what_is_personal_each_time(self, upstreams):
        overview(7)
        overview(8)
        assert len(upstreams["rates"].requests) == 1
        assert upstreams["orders"].requests == ["/customers/7/orders", "/customers/8/orders"]

    def test_a_failure_is_not_stored(self, upstreams):
        server = upstreams["rates"]
        server.behave = lambda handler: server.answer(handler, status=500)
        assert overview()[0]["rates"] is None
        server.behave = server.answer
        assert overview()[0]["rates"] == ANSWERS["rates"]

    def test_caching_the_combined_page_stores_the_gap(self, upstreams):
        server = upstreams["rates"]
        server.behave = lambda handler: server.answer(handler, status=500)

        def naive():
            return cache.get_or_set("page", lambda: overview()[0], 60)

        assert naive()["rates"] is None
        server.behave = server.answer
        assert naive()["rates"] is None


class TestWhoMayAsk:
    @pytest.mark.parametrize(("url", "status"), [("/overview/", 403), ("/async-overview/", 401)])
    def test_nobody_is_asked_for_a_stranger(self, db, upstreams, url, status):
        assert Client().get(url).status_code == status
        assert not upstreams["orders"].requests

    def test_a_plain_async_view_ignores_drfs_default_permissions(self, settings):
        async def open_to_all(request):
            return JsonResponse({"secret": 1})

        assert settings.REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"]
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("open/", open_to_all)]})
        assert Client().get("/open/").status_code == 200


class TestCollectedInAdvance:
    def test_the_task_keeps_one_row_current(self, db, upstreams):
        collect_rates()
        first = Snapshot.objects.get()
        assert first.data == ANSWERS["rates"]
        collect_rates()
        assert Snapshot.objects.get().fetched_at > first.fetched_at

    def test_an_outage_leaves_the_last_good_copy(self, db, upstreams):
        collect_rates()
        server = upstreams["rates"]
        server.behave = lambda handler: server.answer(handler, status=500)
        with pytest.raises(httpx2.HTTPStatusError):
            collect_rates()
        assert Snapshot.objects.get().data == ANSWERS["rates"]


class TestMistakes:
    def test_async_def_in_an_apiview_is_an_assertion_error(self, settings):
        class AsyncInDRF(APIView):
            permission_classes = ()

            async def get(self, request):
                return Response({})

            def finalize_response(self, request, response, *args, **kwargs):
                with closing(response):  # the coroutine, lest Python warn that nobody awaited it
                    return super().finalize_response(request, response, *args, **kwargs)

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("drf/", AsyncInDRF.as_view())]})
        with pytest.raises(AssertionError, match="received a `<class 'coroutine'>`"):
            Client().get("/drf/")

    def test_await_after_await_is_one_at_a_time(self, upstreams, tally):
        async def naive():
            async with services.new_client() as client:
                return [await services.fetch(client, service, 7) for service in services.SERVICES]

        assert async_to_sync(naive)() == list(ANSWERS.values())
        assert tally.most == 1

    def test_a_blocking_client_in_a_coroutine_stops_the_others(self, upstreams, tally):
        """What `requests.get` does; here with the sync httpx2."""

        async def blocking(server):
            return httpx2.get(server.url, verify=services.SSL_CONTEXT).json()

        async def naive():
            return await asyncio.gather(*(blocking(server) for server in upstreams.values()))

        assert async_to_sync(naive)() == list(ANSWERS.values())
        assert tally.most == 1

    @pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_a_global_client_fails_in_the_second_event_loop(self, upstreams):
        client = httpx2.AsyncClient(verify=services.SSL_CONTEXT)

        async def ask():
            return (await client.get(upstreams["orders"].url)).json()

        assert async_to_sync(ask)() == ANSWERS["orders"]
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            async_to_sync(ask)()

    def test_a_client_without_the_shared_context_loads_the_certificates_again(self, monkeypatch):
        loaded = []
        real = ssl.SSLContext

        class Counting(real):
            def __new__(cls, *args, **kwargs):
                loaded.append(cls)
                return super().__new__(cls, *args, **kwargs)

        monkeypatch.setattr(ssl, "SSLContext", Counting)
        httpx2.AsyncClient(verify=services.SSL_CONTEXT)
        assert not loaded

    def test_a_hung_thread_cannot_be_cancelled(self):
        begun, over = threading.Event(), threading.Event()

        def hung():
            begun.set()
            over.wait(SOON)

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(hung)
            assert begun.wait(SOON)
            assert future.cancel() is False
            over.set()

    def test_a_thread_that_used_the_orm_keeps_its_connection_when_the_request_ends(self, transactional_db):
        def use():
            User.objects.count()

        def is_open():
            return connection.connection is not None

        def close():
            connection.connection.close()
            connection.connection = None

        with ThreadPoolExecutor(1) as pool:
            pool.submit(use).result()
            request_finished.send(None)
            assert pool.submit(is_open).result()
            pool.submit(close).result()
