"""Scenario 58: a checkout over three services, of which one refuses, hangs, dies or answers into the void."""

import http.server
import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from orders import saga
from orders.models import Checkout
from stock.models import Item, Reservation

NEEDS = ("postgresql",)
SOON = 20
ORDER = {"sku": "A-1", "quantity": 2, "total": "19.00"}

pytestmark = pytest.mark.django_db(transaction=True)


class Died(Exception):
    """The process ends at this point."""


class Service(http.server.ThreadingHTTPServer):
    """Payments or shipping: keeps one booking per key, as the answer demands of each service."""

    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.calls = []
        self.booked, self.cancelled = {}, set()
        self.status = {}  # answers this instead, by method
        self.loses_answers_to = set()

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status):
        if self.command in self.server.loses_answers_to:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def begin(self):
        self.key = self.path.strip("/")
        self.server.calls.append(self.command)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body, self.server.status.get(self.command)

    def do_PUT(self):
        body, refused = self.begin()
        if not refused and self.key not in self.server.cancelled:
            self.server.booked.setdefault(self.key, body)
        self.answer(refused or 201)

    def do_DELETE(self):
        _, refused = self.begin()
        if not refused:
            self.server.cancelled.add(self.key)
            self.server.booked.pop(self.key, None)
        self.answer(refused or 204)

    def log_message(self, *args):
        pass


@pytest.fixture
def services(live_server, settings):
    started = [Service("payments"), Service("shipping")]
    threads = [threading.Thread(target=service.serve_forever, args=(0.02,)) for service in started]
    for thread in threads:
        thread.start()
    settings.CHECKOUT_STEPS = [f"{live_server.url}/reservations/", *(service.url for service in started)]
    yield started
    for service, thread in zip(started, threads, strict=True):
        service.shutdown()
        thread.join()
        service.server_close()


@pytest.fixture
def payments(services):
    return services[0]


@pytest.fixture
def shipping(services):
    return services[1]


@pytest.fixture
def item(services):
    return Item.objects.create(sku="A-1", free=5)


@pytest.fixture
def checkout(item):
    return Checkout.objects.create(order=ORDER)


def free(item):
    item.refresh_from_db()
    return item.free


def lease_is_over():
    Checkout.objects.update(due_at=timezone.now())


def run_all(times=30):
    for _ in range(times):
        if not saga.run_next():
            return
        lease_is_over()
    raise AssertionError(f"not finished after {times} steps: {Checkout.objects.values()}")


def outcome(checkout):
    checkout.refresh_from_db()
    return checkout.state, checkout.reached


def in_thread(function, *args):
    def run():
        try:
            return function(*args)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(SOON)


class TestASaga:
    def test_that_goes_well_takes_every_step_once(self, checkout, item, payments, shipping):
        run_all()
        assert outcome(checkout) == ("done", 3)
        assert (free(item), payments.calls, shipping.calls) == (3, ["PUT"], ["PUT"])
        assert payments.booked == {str(checkout.pk): ORDER}

    def test_needs_no_lease_to_end_between_two_steps(self, checkout):
        assert [saga.run_next() for _ in range(4)] == [True, True, True, False]

    def test_is_undone_backwards_when_the_last_service_refuses(self, checkout, item, payments, shipping):
        shipping.status["PUT"] = 422
        states = []
        while saga.run_next():
            states.append((*outcome(checkout), free(item), len(payments.booked)))
        assert states == [
            ("running", 1, 3, 0),
            ("running", 2, 3, 1),
            ("undoing", 3, 3, 1),
            ("undoing", 2, 3, 1),
            ("undoing", 1, 3, 0),
            ("undone", 0, 5, 0),
        ]

    def test_that_is_refused_at_the_first_step_takes_no_money(self, item, payments):
        checkout = Checkout.objects.create(order=ORDER | {"quantity": 6})
        run_all()
        assert outcome(checkout) == ("undone", 0)
        assert (free(item), payments.calls) == (5, [])

    def test_goes_on_after_an_outage(self, checkout, payments, item):
        payments.status["PUT"] = 503
        for _ in range(3):
            assert saga.run_next()
            lease_is_over()
        assert outcome(checkout) == ("running", 1)
        payments.status.clear()
        run_all()
        assert outcome(checkout) == ("done", 3)

    def test_whose_charge_is_never_answered_undoes_the_charge_too(self, checkout, payments, item):
        payments.loses_answers_to = {"PUT"}
        run_all()
        assert outcome(checkout) == ("undone", 0)
        assert payments.calls == ["PUT"] * saga.MAX_ATTEMPTS + ["DELETE"]
        assert (payments.booked, free(item)) == ({}, 5)

    def test_does_not_give_up_a_compensation(self, checkout, payments, shipping, item, caplog):
        shipping.status["PUT"] = 409
        payments.status["DELETE"] = 500
        with pytest.raises(AssertionError, match="not finished"):
            run_all()
        assert outcome(checkout) == ("undoing", 2)
        assert checkout.attempts > 20
        assert f"checkout {checkout.pk}, try 20: 500" in caplog.text
        payments.status.clear()
        run_all()
        assert outcome(checkout) == ("undone", 0)
        assert (payments.booked, free(item)) == ({}, 5)


class TestARunnerThatDies:
    def test_after_the_call_leaves_a_row_that_the_next_one_finishes_without_a_second_charge(
        self, checkout, payments, monkeypatch
    ):
        assert saga.run_next()

        def die(checkout):
            saga_advance(checkout)
            raise Died

        saga_advance = saga.advance
        with monkeypatch.context() as patched:
            patched.setattr(saga, "advance", die)
            with pytest.raises(Died):
                saga.run_next()
        assert outcome(checkout) == ("running", 1)
        assert not saga.run_next()  # the lease still holds
        lease_is_over()
        run_all()
        assert outcome(checkout) == ("done", 3)
        assert payments.calls == ["PUT", "PUT"]
        assert len(payments.booked) == 1

    def test_before_the_call_loses_nothing(self, checkout):
        assert saga.claim().pk == checkout.pk
        lease_is_over()
        run_all()
        assert outcome(checkout) == ("done", 3)

    def test_waits_longer_after_each_try(self, checkout):
        waits = []
        for _ in range(3):
            claimed = saga.claim()
            waits.append(round((claimed.due_at - timezone.now()).total_seconds()))
            lease_is_over()
        assert waits == [30, 60, 90]


class TestTwoRunners:
    def test_take_different_rows(self, checkout):
        other = Checkout.objects.create(order=ORDER)
        with transaction.atomic():
            mine = saga.claim()
            theirs = in_thread(saga.claim)
            assert in_thread(saga.claim) is None
        assert {mine.pk, theirs.pk} == {checkout.pk, other.pk}

    def test_a_slow_one_does_not_overwrite_what_a_faster_one_did(self, checkout, monkeypatch):
        def slow(checkout):
            result = saga_advance(checkout)
            lease_is_over()
            monkeypatch.setattr(saga, "advance", saga_advance)
            run_all()
            return result

        saga_advance = saga.advance
        monkeypatch.setattr(saga, "advance", slow)
        assert saga.run_next()
        assert outcome(checkout) == ("done", 3)


class TestAService:
    @pytest.fixture
    def put(self, settings, item):
        def send(key, quantity=2):
            url = f"{settings.CHECKOUT_STEPS[0]}{key}/"
            return requests.put(url, json={"sku": "A-1", "quantity": quantity}, timeout=SOON).status_code

        return send

    @pytest.fixture
    def delete(self, settings, item):
        return lambda key: requests.delete(f"{settings.CHECKOUT_STEPS[0]}{key}/", timeout=SOON).status_code

    def test_counts_a_repeated_step_once(self, put, item):
        key = uuid.uuid4()
        assert [put(key), put(key)] == [201, 200]
        assert free(item) == 3

    def test_undoes_once(self, put, delete, item):
        key = uuid.uuid4()
        assert [put(key), delete(key), delete(key)] == [201, 204, 204]
        assert free(item) == 5

    def test_refuses_a_step_that_comes_after_its_compensation(self, put, delete, item):
        key = uuid.uuid4()
        assert [delete(key), put(key)] == [204, 409]
        assert free(item) == 5

    def test_sells_nothing_twice(self, put, item):
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(put, [uuid.uuid4() for _ in range(4)]))
        assert sorted(statuses) == [201, 201, 409, 409]
        assert free(item) == 1

    def test_a_refused_reservation_leaves_no_row(self, put, item):
        assert put(uuid.uuid4(), quantity=9) == 409
        assert not Reservation.objects.exists()

    def test_the_same_key_at_the_same_moment_counts_once(self, put, item):
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(put, [uuid.uuid4()] * 4))
        assert sorted(statuses) == [200, 200, 200, 201]
        assert free(item) == 3

    def test_rejects_nonsense(self, put, item):
        assert put(uuid.uuid4(), quantity=0) == 400


def charge(service, key):
    requests.put(f"{service.url}{key}/", json=ORDER, timeout=SOON).raise_for_status()


class TestMistakes:
    def test_the_rollback_of_atomic_leaves_the_charge_and_forgets_its_key(self, payments):
        @transaction.atomic
        def naive():
            checkout = Checkout.objects.create(order=ORDER)
            charge(payments, checkout.pk)
            raise Died

        with pytest.raises(Died):
            naive()
        assert len(payments.booked) == 1
        assert not Checkout.objects.exists()

    def test_a_new_key_for_each_try_charges_again(self, payments):
        payments.loses_answers_to = {"PUT"}
        for _ in range(3):
            with pytest.raises(requests.ConnectionError):
                charge(payments, uuid.uuid4())
        assert len(payments.booked) == 3

    def test_taking_a_time_out_for_a_no_keeps_the_money(self, payments, item, settings):
        payments.loses_answers_to = {"PUT"}
        checkout = Checkout(order=ORDER)
        done = []

        def naive():
            for step in range(3):
                try:
                    saga.call("PUT", checkout, step)
                except requests.RequestException:
                    for finished in reversed(done):
                        saga.call("DELETE", checkout, finished)
                    return
                done.append(step)

        naive()
        assert free(item) == 5
        assert len(payments.booked) == 1

    def test_in_between_others_see_the_half_done_state(self, checkout, payments, shipping, item):
        shipping.status["PUT"] = 422
        for _ in range(3):
            saga.run_next()
        assert (free(item), len(payments.booked)) == (3, 1)  # of an order that will never be

    def test_two_phase_commit_is_disabled_in_postgresql_as_it_comes(self):
        @transaction.atomic
        def prepare():
            with connection.cursor() as cursor:
                cursor.execute("PREPARE TRANSACTION 'checkout'")

        with pytest.raises(OperationalError, match="prepared transactions are disabled"):
            prepare()
