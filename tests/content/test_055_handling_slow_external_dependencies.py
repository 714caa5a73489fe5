"""Scenario 55: a real HTTP server plays the agency: slow, silent, broken or fine; users must not notice."""

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty

import pybreaker
import pytest
import requests
from asgiref.sync import async_to_sync
from config.celery import app
from django.core.cache import cache
from django.http import JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils import timezone
from ratings import live, provider, services
from ratings.models import Rating
from ratings.tasks import refresh_key, refresh_rating
from rest_framework.response import Response
from rest_framework.views import APIView

SOON = 5  # seconds after which something that should have happened has not


class Agency(ThreadingHTTPServer):
    """Answers AA; `behave` is replaced by tests, `asked` is what it was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.over = threading.Event()
        self.most_at_once = self.at_once = 0
        self.lock = threading.Lock()
        self.behave = self.answer

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, handler, grade="AA", status=200):
        body = json.dumps({"grade": grade}).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def hang(self, handler):
        self.over.wait(SOON)
        handler.close_connection = True

    def late(self, handler):
        """Answers, but only once the test lets it."""
        self.over.wait(SOON)
        self.answer(handler)

    def fail(self, handler):
        self.answer(handler, status=500)

    def handle_error(self, request, client_address):
        """A client that has left is no error here."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        agency = self.server
        with agency.lock:
            agency.asked.append(self.path)
            agency.at_once += 1
            agency.most_at_once = max(agency.most_at_once, agency.at_once)
        try:
            agency.behave(self)
        finally:
            with agency.lock:
                agency.at_once -= 1

    def log_message(self, *args):
        pass


@contextmanager
def at_most(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def until(condition):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


@pytest.fixture
def agency(settings):
    with Agency() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        settings.AGENCY_URL = server.url
        yield server
        server.over.set()
        until(lambda: all_slots_are_free())
        server.shutdown()
        thread.join()


def all_slots_are_free():
    return live.free._value == live.SLOTS


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    cache.clear()
    monkeypatch.setattr(provider, "STATE", pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED))
    queued()


def queued():
    """Takes what was sent to the queue of the answer's settings."""
    tasks = []
    with app.connection_for_read() as connection, connection.SimpleQueue("agency") as queue:
        while True:
            try:
                message = queue.get(block=False)
            except Empty:
                return tasks
            message.ack()
            tasks.append((message.headers["task"], message.payload[0]))


def known(age, grade="A-"):
    return Rating.objects.create(company="acme", grade=grade, fetched_at=timezone.now() - age)


class TestTheLastKnownValue:
    def test_a_fresh_one_is_answered_and_nothing_is_ordered(self, client, db, agency):
        known(timedelta(minutes=5))
        assert client.get("/ratings/acme/").json()["grade"] == "A-"
        assert queued() == []

    def test_an_old_one_is_answered_with_its_date_and_the_agency_is_not_asked(self, client, db, agency):
        agency.behave = agency.hang
        rating = known(timedelta(hours=5))
        with at_most(1):
            response = client.get("/ratings/acme/")
        assert response.status_code == 200
        assert response.json() == {
            "grade": "A-",
            "as_of": rating.fetched_at.isoformat().replace("+00:00", "Z"),
        }
        assert agency.asked == []

    def test_of_many_requests_one_orders_a_refresh_in_the_queue_of_its_own(self, client, db, agency):
        known(timedelta(hours=5))
        for _ in range(10):
            assert client.get("/ratings/acme/").status_code == 200
        assert queued() == [("ratings.tasks.refresh_rating", ["acme"])]

    def test_the_refresh_brings_the_new_one(self, client, db, agency):
        known(timedelta(hours=5))
        client.get("/ratings/acme/")
        refresh_rating("acme")
        assert client.get("/ratings/acme/").json()["grade"] == "AA"
        assert Rating.objects.count() == 1

    @pytest.mark.parametrize("behaviour", ["fail", "hang"])
    def test_a_failed_refresh_leaves_the_last_good_one(
        self, client, db, agency, behaviour, monkeypatch, caplog
    ):
        impatient(monkeypatch)
        agency.behave = getattr(agency, behaviour)
        known(timedelta(hours=5))
        client.get("/ratings/acme/")
        refresh_rating("acme")
        assert "No rating for acme" in caplog.text
        assert client.get("/ratings/acme/").json()["grade"] == "A-"


class TestNothingToShow:
    @pytest.mark.parametrize("age", [None, timedelta(days=8)])
    def test_the_first_request_is_accepted_and_told_when_to_come_back(self, client, db, agency, age):
        if age:
            known(age)
        with at_most(1):
            response = client.get("/ratings/acme/")
        assert (response.status_code, response.headers["Retry-After"]) == (202, "3")
        assert len(queued()) == 1
        assert agency.asked == []

    def test_the_same_address_has_it_when_the_task_is_done(self, client, db, agency):
        client.get("/ratings/acme/")
        ((_, arguments),) = queued()
        refresh_rating(*arguments)
        response = client.get("/ratings/acme/")
        assert (response.status_code, response.json()["grade"]) == (200, "AA")

    def test_after_a_failure_it_is_503_and_the_next_order_waits(self, client, db, agency):
        agency.behave = agency.fail
        client.get("/ratings/acme/")
        refresh_rating("acme")
        queued()
        response = client.get("/ratings/acme/")
        assert (response.status_code, response.headers["Retry-After"]) == (503, "60")
        assert queued() == []
        cache.delete(refresh_key("acme"))  # as its time-out does
        assert client.get("/ratings/acme/").status_code == 202
        assert len(queued()) == 1


def impatient(monkeypatch):
    """The real HTTP client, with a read timeout that a test can wait for."""
    real = requests.get

    def get(url, timeout):
        assert timeout[0] > 0
        return real(url, timeout=(timeout[0], 0.1))

    monkeypatch.setattr(provider.requests, "get", get)


class TestTheBreaker:
    def fetch(self, read_timeout=SOON):
        return provider.fetch("acme", read_timeout)

    def open(self, agency):
        for _ in range(5):
            with pytest.raises(provider.UNAVAILABLE):
                self.fetch(read_timeout=0.1)
        until(lambda: len(agency.asked) == 5)

    @pytest.mark.parametrize("behaviour", ["fail", "hang"])
    def test_it_opens_after_five_failures_and_then_nobody_is_asked(self, agency, behaviour):
        agency.behave = getattr(agency, behaviour)
        self.open(agency)
        with at_most(1), pytest.raises(pybreaker.CircuitBreakerError):
            self.fetch()
        assert len(agency.asked) == 5

    def test_it_closes_when_a_trial_after_the_pause_succeeds(self, agency):
        agency.behave = agency.fail
        self.open(agency)
        provider.STATE.opened_at -= timedelta(seconds=31)
        agency.behave = agency.answer
        assert self.fetch() == "AA"
        assert provider.STATE.state == pybreaker.STATE_CLOSED

    def test_an_unknown_company_does_not_count(self, agency):
        agency.behave = lambda handler: agency.answer(handler, status=404)
        for _ in range(8):
            with pytest.raises(requests.HTTPError):
                self.fetch()
        assert provider.STATE.state == pybreaker.STATE_CLOSED

    def test_threads_call_at_the_same_time(self, agency):
        everybody = threading.Barrier(4)

        def answer(handler):
            everybody.wait(SOON)
            agency.answer(handler)

        agency.behave = answer
        with ThreadPoolExecutor(4) as threads:
            grades = list(threads.map(lambda n: provider.fetch(f"c{n}", read_timeout=SOON), range(4)))
        assert grades == ["AA"] * 4

    def test_one_breaker_object_lets_threads_call_only_one_after_another(self, agency):
        shared = pybreaker.CircuitBreaker()

        def answer(handler):
            time.sleep(0.05)
            agency.answer(handler)

        agency.behave = answer
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda n: shared.call(provider._get, f"c{n}", SOON), range(4)))
        assert agency.most_at_once == 1


class TestALiveCall:
    def test_a_quick_answer_is_the_current_one(self, agency):
        cache.set("grade:acme", "A-")
        assert live.live_grade("acme", limit=SOON) == "AA"

    @pytest.mark.parametrize("last", ["A-", None])
    def test_a_slow_one_is_replaced_by_the_last_known_within_the_limit(self, agency, last):
        agency.behave = agency.late
        cache.set("grade:acme", last)
        with at_most(1):
            assert live.live_grade("acme", limit=0.2) == last

    def test_the_late_answer_is_there_for_the_next_request(self, agency):
        agency.behave = agency.late
        assert live.live_grade("acme", limit=0.1) is None
        agency.over.set()
        until(lambda: cache.get("grade:acme") == "AA")

    def test_a_failure_is_answered_with_the_last_known_and_does_not_overwrite_it(self, agency):
        agency.behave = agency.fail
        cache.set("grade:acme", "A-")
        assert live.live_grade("acme", limit=SOON) == "A-"
        assert cache.get("grade:acme") == "A-"

    def test_when_all_slots_wait_nobody_else_does(self, agency):
        agency.behave = agency.late
        cache.set("grade:one-more", "B")
        with ThreadPoolExecutor(live.SLOTS) as requests_under_way:
            waiting = [requests_under_way.submit(live.live_grade, f"c{n}", SOON) for n in range(live.SLOTS)]
            until(lambda: len(agency.asked) == live.SLOTS)
            with at_most(1):
                assert live.live_grade("one-more", limit=SOON) == "B"
            assert len(agency.asked) == live.SLOTS
            agency.over.set()
            assert [future.result() for future in waiting] == ["AA"] * live.SLOTS
        until(all_slots_are_free)

    def test_with_the_circuit_open_the_fallback_comes_at_once_and_unasked(self, agency):
        agency.behave = agency.fail
        cache.set("grade:acme", "A-")
        for _ in range(5):
            live.live_grade("acme", limit=SOON)
        with at_most(1):
            assert live.live_grade("acme", limit=SOON) == "A-"
        assert len(agency.asked) == 5


class TestMistakes:
    def test_awaiting_one_slow_call_takes_as_long_as_the_call(self, settings):
        async def view(request):
            await asyncio.sleep(0.5)  # what any async HTTP client does meanwhile
            return JsonResponse({})

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("slow/", view)]})
        began = time.monotonic()
        async_to_sync(AsyncClient().get)("/slow/")
        assert time.monotonic() - began >= 0.5

    def test_async_def_in_an_apiview_is_an_assertion_error(self, settings):
        class AsyncInDRF(APIView):
            async def get(self, request):
                return Response({})

            def finalize_response(self, request, response, *args, **kwargs):
                response.close()  # nobody will await it, and Python would complain
                return super().finalize_response(request, response, *args, **kwargs)

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("slow/", AsyncInDRF.as_view())]})
        with pytest.raises(AssertionError, match="coroutine"):
            Client().get("/slow/")

    def test_get_or_set_makes_everyone_wait_at_expiry_and_has_nothing_left_in_an_outage(self, agency):
        def naive():
            return cache.get_or_set("naive", lambda: provider._get("acme", SOON), 3600)

        assert naive() == "AA"
        cache.delete("naive")  # its time-out
        agency.behave = agency.fail
        with pytest.raises(requests.HTTPError):
            naive()

    def test_a_request_without_a_timeout_waits_as_long_as_the_other_side_likes(self, agency):
        agency.behave = agency.late
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(requests.get, agency.url)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            agency.over.set()
            assert waiting.result(timeout=SOON).status_code == 200

    def test_a_read_timeout_does_not_end_an_answer_that_trickles(self, agency):
        def trickle(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "15")
            handler.end_headers()
            for byte in b'{"grade": "AA"}':
                handler.wfile.write(bytes([byte]))
                time.sleep(0.05)

        agency.behave = trickle
        began = time.monotonic()
        assert provider.fetch("acme", read_timeout=0.2) == "AA"
        assert time.monotonic() - began > 0.6
        assert live.live_grade("acme", limit=0.2) is None  # so it did not wait for the rest

    def test_leaving_the_with_block_of_a_pool_waits_for_the_thread(self, agency):
        agency.behave = agency.late
        timed_out = None

        def naive():
            nonlocal timed_out
            with ThreadPoolExecutor(1) as pool:
                try:
                    pool.submit(provider._get, "acme", SOON).result(timeout=0.1)
                except TimeoutError:
                    timed_out = time.monotonic()
                    threading.Timer(0.5, agency.over.set).start()

        naive()
        assert time.monotonic() - timed_out >= 0.5

    def test_without_the_semaphore_calls_queue_up_behind_the_hung_ones(self, agency):
        agency.behave = agency.late
        cache.set("grade:acme", "A-")
        pool = ThreadPoolExecutor(2)
        hung = [pool.submit(provider._get, f"c{n}", SOON) for n in range(2)]
        until(lambda: len(agency.asked) == 2)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            pool.submit(provider._get, "acme", SOON).result(timeout=0.3)
        assert time.monotonic() - began >= 0.3  # the whole limit, though the agency was never asked
        assert len(agency.asked) == 2
        agency.over.set()
        for future in hung:
            future.result()
        pool.shutdown()

    def test_the_answers_test_uses_a_server_that_really_never_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(requests.ReadTimeout):
            requests.get(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=(1, 0.1))


class TestTheTwoAges:
    def test_they_are_told_apart_by_the_time_of_fetching(self, db, agency):
        known(services.FRESH - timedelta(seconds=5))
        assert services.rating_of("acme")[1] == "fresh"
        Rating.objects.update(fetched_at=timezone.now() - services.USABLE + timedelta(seconds=5))
        rating, refresh = services.rating_of("acme")
        assert (rating.grade, refresh) == ("A-", "ordered")
        Rating.objects.update(fetched_at=timezone.now() - services.USABLE - timedelta(seconds=5))
        assert services.rating_of("acme") == (None, "ordered")
