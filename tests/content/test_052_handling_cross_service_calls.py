"""Scenario 52: two other services as real HTTP servers that hang, fail and forget to answer."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pybreaker
import pytest
import redis
import requests
from clients import breakers, http, pricing, stock
from django.conf import settings as project_settings
from django.core.cache import cache
from django.db import connection, connections
from django.urls import path
from requests.adapters import HTTPAdapter
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView
from shop.models import Order
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

NEEDS = ("redis",)

SOON = 5  # seconds after which something that should have happened has not


class Service(ThreadingHTTPServer):
    """Another team's service. `behave` is replaced by tests; `seen` are the requests and their times."""

    def __init__(self, from_the_start):
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server_bind()  # connections are refused until it is activated
        if from_the_start:
            self.server_activate()
        self.seen = []
        self.reservations = {}
        self.over = threading.Event()
        self.behave = self.answer

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, handler, status=200, body=None, **headers):
        content = json.dumps(body or {"price": "9.50"}).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def status(self, *statuses, **headers):
        """Behaviour: these statuses in turn, the last one for ever."""
        left = list(statuses)

        def behave(handler):
            self.answer(handler, left.pop(0) if len(left) > 1 else left[0], **headers)

        return behave

    def hang(self, handler):
        self.over.wait(SOON)
        handler.close_connection = True

    def handle_error(self, request, client_address):
        """A client that has left is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), time.monotonic()))
        self.server.behave(self)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *args):
        pass


@contextmanager
def running(from_the_start=True):
    with Service(from_the_start) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def until(condition):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


@contextmanager
def at_most(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.fixture
def service(settings):
    """Pricing and stock at one address."""
    with running() as server:
        settings.PRICING_URL = settings.STOCK_URL = server.url
        yield server
        forget_session()


def forget_session():
    if hasattr(http.local, "session"):
        http.local.session.close()
        del http.local.session


@pytest.fixture(autouse=True)
def fresh():
    """No price, no session, no state of a circuit from the test before."""
    cache.clear()
    forget_session()
    breakers.storage.cache_clear()
    with redis.Redis.from_url(project_settings.REDIS_URL) as client:
        client.flushdb()
        yield client
    forget_session()


@pytest.fixture
def impatient(monkeypatch):
    for module in (pricing, stock):
        monkeypatch.setattr(module, "TIMEOUT", (0.5, 0.05))


def ask(sku="A-1"):
    return breakers.call("pricing", pricing._ask, sku)


def open_the_circuit(service):
    service.behave = service.status(500)
    for _ in range(5):
        with pytest.raises((requests.RequestException, pybreaker.CircuitBreakerError)):
            ask()


class TestTimeoutsAndRetries:
    def test_requests_alone_waits_for_ever(self, service):
        service.behave = service.hang
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(requests.get, service.url)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            service.over.set()
            with pytest.raises(requests.ConnectionError):
                waiting.result(timeout=SOON)

    def test_a_hung_service_is_asked_three_times_and_then_given_up(self, service, impatient):
        service.behave = service.hang
        with at_most(SOON), pytest.raises(requests.ConnectionError, match="Max retries exceeded") as caught:
            pricing._ask("A-1")
        assert not isinstance(caught.value, requests.Timeout)  # so `except Timeout` misses it
        until(lambda: len(service.seen) == 3)

    def test_two_hiccups_are_not_noticed(self, service):
        service.behave = service.status(503, 502, 200)
        assert pricing._ask("A-1") == "9.50"
        assert len(service.seen) == 3

    def test_the_first_retry_comes_at_once_and_the_second_after_a_random_pause(self):
        failed_once = http.RETRY.increment("GET", "/", error=ReadTimeoutError(None, "/", ""))
        assert failed_once.get_backoff_time() == 0
        twice = [failed_once.increment("GET", "/", error=ReadTimeoutError(None, "/", "")) for _ in range(9)]
        pauses = {failed.get_backoff_time() for failed in twice}
        assert all(0.2 <= pause <= 0.3 for pause in pauses)
        assert len(pauses) > 1

    def test_an_error_of_its_code_is_not_asked_again(self, service):
        service.behave = service.status(500)
        with pytest.raises(requests.HTTPError):
            pricing._ask("A-1")
        assert len(service.seen) == 1

    def test_these_methods_are_repeated(self):
        assert http.RETRY.allowed_methods == {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}

    def test_a_post_is_not_repeated(self, service):
        service.behave = service.status(503)
        http.session().post(f"{service.url}/orders", timeout=http.TIMEOUT)
        assert len(service.seen) == 1

    def test_a_post_whose_connection_was_refused_is(self, monkeypatch):
        with running(from_the_start=False) as server:
            refused = []

            def come_up(retry, response=None):
                refused.append(retry)
                if len(refused) == 2:
                    server.server_activate()

            monkeypatch.setattr(Retry, "sleep", come_up)
            response = http.session().post(f"{server.url}/orders", timeout=http.TIMEOUT)
            assert (response.status_code, len(refused), len(server.seen)) == (200, 2, 1)
            forget_session()

    def test_a_loop_around_it_multiplies_the_attempts(self, service):
        service.behave = service.status(503)
        for _ in range(3):
            with pytest.raises(requests.HTTPError):
                pricing._ask("A-1")
        assert len(service.seen) == 9

    def test_the_service_cannot_put_our_worker_to_sleep(self, service):
        service.behave = service.status(503, Retry_After="3600")
        with at_most(SOON), pytest.raises(requests.HTTPError):
            pricing._ask("A-1")

    def test_by_default_it_can_even_with_a_status_nobody_listed(self, service):
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=Retry(total=1)))
        service.behave = service.status(429, 200, Retry_After="1")
        began = time.monotonic()
        assert session.get(service.url, timeout=http.TIMEOUT).status_code == 200
        assert time.monotonic() - began >= 1
        session.close()

    def test_a_sku_cannot_change_the_path(self, service):
        pricing._ask("../users?admin=1")
        assert service.seen[0][1] == "/prices/?sku=..%2Fusers%3Fadmin%3D1"


class TestTheSession:
    def test_each_thread_has_its_own_and_keeps_it(self):
        def mine():
            session = http.session()
            assert http.session() is session
            forget_session()
            return id(session)

        here = http.session()
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(mine).result() != id(here)

    def test_a_cookie_of_one_call_does_not_travel_with_the_next(self, service):
        service.behave = service.status(200, Set_Cookie="user=ann; Path=/")
        for _ in range(2):
            pricing._ask("A-1")
        assert "Cookie" not in service.seen[1][2]

    def test_in_a_plain_session_it_does(self, service):
        service.behave = service.status(200, Set_Cookie="user=ann; Path=/")
        with requests.Session() as session:
            for _ in range(2):
                session.get(service.url, timeout=http.TIMEOUT)
        assert service.seen[1][2]["Cookie"] == "user=ann"


class TestTheBreaker:
    def test_after_five_failures_nobody_is_asked(self, service):
        open_the_circuit(service)
        assert len(service.seen) == 5
        with at_most(1), pytest.raises(pybreaker.CircuitBreakerError, match="still open"):
            ask()
        assert len(service.seen) == 5

    def test_another_process_knows_it_too(self, service):
        open_the_circuit(service)
        code = (
            "import django; django.setup()\n"
            "import pybreaker\n"
            "from clients import breakers\n"
            "try: breakers.call('pricing', print, 'asked')\n"
            "except pybreaker.CircuitBreakerError: print('open')\n"
            "breakers.call('stock', print, 'asked')"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["open", "asked"]

    def test_with_the_default_storage_it_does_not(self, service):
        for _ in range(4):
            ours, theirs = pybreaker.CircuitBreaker(fail_max=2), pybreaker.CircuitBreaker(fail_max=2)
        service.behave = service.status(500)
        for _ in range(2):
            with pytest.raises((requests.HTTPError, pybreaker.CircuitBreakerError)):
                ours.call(pricing._ask, "A-1")
        assert (ours.current_state, theirs.current_state) == ("open", "closed")

    def test_a_success_after_the_pause_closes_it(self, service, fresh):
        open_the_circuit(service)
        fresh.set("pricing:pybreaker:opened_at", int(time.time()) - 31)
        service.behave = service.answer
        assert ask() == "9.50"
        assert breakers.storage("pricing").state == "closed"

    def test_a_failure_after_the_pause_opens_it_again(self, service, fresh):
        open_the_circuit(service)
        fresh.set("pricing:pybreaker:opened_at", int(time.time()) - 31)
        for _ in range(3):
            with pytest.raises(pybreaker.CircuitBreakerError):
                ask()
        assert len(service.seen) == 6

    def test_bad_requests_of_ours_do_not_open_it(self, service):
        service.behave = service.status(400)
        for _ in range(8):
            with pytest.raises(requests.HTTPError):
                ask()
        assert breakers.storage("pricing").state == "closed"

    def test_without_the_exclusion_one_client_with_bad_ids_opens_it_for_all(self, service):
        naive = pybreaker.CircuitBreaker(fail_max=5)
        service.behave = service.status(400)
        for _ in range(5):
            with pytest.raises((requests.HTTPError, pybreaker.CircuitBreakerError)):
                naive.call(pricing._ask, "A-1")
        assert naive.current_state == "open"

    def in_four_threads(self, service, function):
        """How many calls were in flight at once."""
        lock, now, most = threading.Lock(), 0, 0

        def behave(handler):
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.2)
            with lock:
                now -= 1
            service.answer(handler)

        def call(_):
            try:
                return function()
            finally:
                forget_session()

        service.behave = behave
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(call, range(4)))
        return most

    def test_threads_call_at_the_same_time(self, service):
        assert self.in_four_threads(service, ask) > 1

    def test_one_breaker_object_lets_them_call_only_one_after_another(self, service):
        shared = pybreaker.CircuitBreaker()
        assert self.in_four_threads(service, lambda: shared.call(pricing._ask, "A-1")) == 1

    def test_a_redis_client_that_decodes_breaks_it(self):
        client = redis.Redis.from_url(project_settings.REDIS_URL, decode_responses=True)
        storage = pybreaker.CircuitRedisStorage("closed", client)
        with pytest.raises(AttributeError, match="decode"):
            pybreaker.CircuitBreaker(state_storage=storage)
        client.close()

    def test_call_async_needs_tornado_and_a_thread_does_not(self, service):
        with pytest.raises(NameError, match="gen"):
            pybreaker.CircuitBreaker().call_async(asyncio.sleep, 0)

        def in_a_thread():
            try:
                return ask()
            finally:
                forget_session()

        assert asyncio.run(asyncio.to_thread(in_a_thread)) == "9.50"


class TestWithoutRedis:
    def test_calls_go_out_all_the_same_and_soon(self, service, settings):
        settings.REDIS_URL = "redis://127.0.0.1:1"
        with at_most(1):
            assert ask() == "9.50"

    def test_so_they_do_when_redis_goes_away_later(self, service):
        ask()
        pool = breakers.storage("pricing")._redis.connection_pool
        pool.disconnect()
        pool.connection_kwargs["port"] = 1
        with at_most(1):
            assert ask() == "9.50"

    def test_a_redis_client_as_it_comes_tries_for_seconds_per_command(self):
        def get():
            with pytest.raises(redis.ConnectionError), redis.Redis(port=1) as client:
                client.get("x")

        waiting = threading.Thread(target=get, daemon=True)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()


class TestThePrice:
    def get(self):
        return APIClient().get("/quotes/A-1/")

    def age(self, seconds):
        known = cache.get("price:A-1")
        cache.set("price:A-1", {**known, "at": known["at"] - seconds}, pricing.USABLE)

    def test_it_is_asked_once_a_minute(self, service):
        for _ in range(3):
            assert self.get().json() == {"sku": "A-1", "price": "9.50"}
        assert len(service.seen) == 1
        self.age(61)
        self.get()
        assert len(service.seen) == 2

    def test_in_an_outage_the_last_price_serves(self, service):
        self.get()
        self.age(61)
        service.behave = service.status(500)
        response = self.get()
        assert (response.status_code, response.json()["price"]) == (200, "9.50")

    def test_with_the_circuit_open_it_serves_at_once(self, service):
        self.get()
        self.age(61)
        open_the_circuit(service)
        asked = len(service.seen)
        with at_most(1):
            assert self.get().json()["price"] == "9.50"
        assert len(service.seen) == asked

    @pytest.mark.parametrize("behaviour", ["500", "hung", "not there", "no JSON"])
    def test_with_nothing_known_it_is_503_with_retry_after(self, service, settings, behaviour, impatient):
        if behaviour == "not there":
            settings.PRICING_URL = "http://127.0.0.1:1"
        service.behave = {
            "500": service.status(500),
            "hung": service.hang,
            "no JSON": lambda handler: not_json(handler),
        }.get(behaviour)
        response = self.get()
        assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
        assert response.json() == {"detail": "Prices are not available right now."}

    def test_an_unknown_product_is_404_not_an_outage(self, service):
        service.behave = service.status(404)
        assert self.get().status_code == 404

    def test_a_bad_request_of_ours_is_not_dressed_up_as_an_outage(self, service):
        service.behave = service.status(400)
        with pytest.raises(requests.HTTPError):
            self.get()


def not_json(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "6")
    handler.end_headers()
    handler.wfile.write(b"<html>")


class TestTheReservation:
    @pytest.fixture
    def forgetful(self, service):
        """Books, and the first time closes the connection instead of answering."""
        service.booked = []

        def behave(handler):
            key = handler.headers.get("Idempotency-Key") or object()
            first = not service.booked
            if key not in service.booked:
                service.booked.append(key)
            if first:
                handler.close_connection = True
                handler.connection.close()
            else:
                service.answer(handler, 201, {"reservation": len(service.booked)})

        service.behave = behave
        return service

    def test_is_sent_again_with_the_same_key_and_booked_once(self, forgetful):
        assert stock.reserve(Order(pk=7, sku="A-1", quantity=2)) == {"reservation": 1}
        assert [seen[2]["Idempotency-Key"] for seen in forgetful.seen] == ["order-7", "order-7"]
        assert forgetful.booked == ["order-7"]

    def test_so_it_is_when_a_later_attempt_sends_it(self, forgetful):
        for _ in range(2):
            stock.reserve(Order(pk=7, sku="A-1"))
        assert forgetful.booked == ["order-7"]

    def test_without_a_key_it_is_booked_twice(self, forgetful):
        url = f"{forgetful.url}/reservations"
        assert http.session().post(url, json={"sku": "A-1"}, timeout=http.TIMEOUT).status_code == 201
        assert len(forgetful.booked) == 2


class TestTransactions:
    def test_with_atomic_requests_a_transaction_is_open_during_the_call(
        self, service, transactional_db, settings, monkeypatch
    ):
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
        during = []
        real = pricing._ask
        monkeypatch.setattr(
            pricing, "_ask", lambda sku: during.append(connection.in_atomic_block) or real(sku)
        )

        class Naive(APIView):
            def get(self, request):
                return Response(pricing.price_of("A-1"))

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("naive/", Naive.as_view())]})
        assert APIClient().get("/naive/").status_code == 200
        assert during == [True]
