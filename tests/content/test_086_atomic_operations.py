"""Scenario 86: a write over several tables fails halfway, in every way that a transaction has to survive."""

from contextlib import nullcontext, suppress
from functools import partial
from threading import Barrier, Thread

import django
import pytest
from django.core import mail
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView
from shop.imports import import_products
from shop.models import Order, OrderLine, Product
from shop.orders import OutOfStock, place_order

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tea():
    return Product.objects.create(sku="tea", stock=5)


@pytest.fixture
def cup():
    return Product.objects.create(sku="cup", stock=1)


@pytest.fixture
def broken_mail(monkeypatch):
    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", fail)


def fail(*args):
    raise OutOfStock


def in_threads(*functions):
    def run(function):
        try:
            function()
        finally:
            connection.close()

    threads = [Thread(target=run, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()


class TestTheWholeOrNothing:
    def order(self, *lines):
        body = {"email": "a@example.com", "lines": [{"product": p.pk, "quantity": n} for p, n in lines]}
        return Client().post("/orders/", body, content_type="application/json")

    def test_a_good_order_is_written_and_confirmed(self, tea, cup):
        response = self.order((tea, 2), (cup, 1), (tea, 1))
        assert response.status_code == 201
        assert OrderLine.objects.count() == 2
        tea.refresh_from_db()
        assert tea.stock == 2
        assert [message.to for message in mail.outbox] == [["a@example.com"]]

    def test_a_failing_mail_costs_neither_the_order_nor_the_answer(self, tea, broken_mail):
        assert self.order((tea, 1)).status_code == 201
        assert Order.objects.count() == 1

    def test_without_robust_the_caller_sees_an_error_for_what_is_committed(self):
        def write():
            with transaction.atomic():
                Order.objects.create(email="a@example.com")
                transaction.on_commit(partial(fail, "no mail server"))

        with pytest.raises(OutOfStock):
            write()
        assert Order.objects.count() == 1

    def test_a_partial_that_fails_is_logged_from_django_6_1_on_only(self):
        expected = nullcontext() if django.VERSION >= (6, 1) else pytest.raises(AttributeError)
        with expected:
            transaction.on_commit(partial(fail, "no mail server"), robust=True)

    def test_a_failure_halfway_leaves_nothing_and_is_answered_with_409(self, tea, cup):
        response = self.order((tea, 2), (cup, 2))
        assert (response.status_code, response.json()) == (409, {"out_of_stock": "cup"})
        tea.refresh_from_db()
        assert tea.stock == 5
        assert not Order.objects.exists()
        assert not OrderLine.objects.exists()
        assert mail.outbox == []

    def test_a_process_that_dies_leaves_nothing(self):
        with suppress(DatabaseError), transaction.atomic():
            Order.objects.create(email="a@example.com")
            connection.connection.close()  # what the server sees of a killed process
        assert not Order.objects.exists()

    def test_a_product_deleted_in_the_meantime_leaves_nothing(self, tea):
        with pytest.raises(Product.DoesNotExist):
            place_order("a@example.com", {tea.pk: 1, tea.pk + 1: 1})
        assert not Order.objects.exists()


class TestTwoAtTheSameTime:
    def test_the_last_item_is_sold_once(self, cup):
        start, outcomes = Barrier(2), []

        def buy():
            start.wait(timeout=10)
            try:
                outcomes.append(place_order("a@example.com", {cup.pk: 1}).pk)
            except OutOfStock:
                outcomes.append("out of stock")

        in_threads(buy, buy)
        assert len(outcomes) == 2
        assert outcomes.count("out of stock") == 1
        assert Order.objects.count() == 1

    def test_atomic_without_the_lock_sells_it_twice(self, cup):
        both_have_read, sold = Barrier(2), []

        def buy():
            with transaction.atomic():
                product = Product.objects.get(pk=cup.pk)
                both_have_read.wait(timeout=10)
                if product.stock >= 1:
                    product.stock -= 1
                    product.save()
                    sold.append(product.pk)

        in_threads(buy, buy)
        assert len(sold) == 2

    def test_a_lock_outside_of_a_transaction_is_an_error(self, cup):
        with pytest.raises(TransactionManagementError, match="select_for_update cannot be used outside"):
            Product.objects.select_for_update().get(pk=cup.pk)


class TestSavepoints:
    def test_the_bad_row_is_skipped_and_the_good_ones_stay(self):
        rows = [{"sku": "tea"}, {"sku": "tea"}, {"sku": "cup"}]
        assert import_products(rows) == ["tea"]
        assert set(Product.objects.values_list("sku", flat=True)) == {"tea", "cup"}


class FromInside(APIView):
    """Naive: the error is answered inside the block."""

    @transaction.atomic
    def post(self, request):
        try:
            Order.objects.create(email="a@example.com")
            raise OutOfStock
        except OutOfStock:
            transaction.set_rollback("rollback" in request.GET)
            return Response(status=400)


class Raising(APIView):
    def post(self, request):
        Order.objects.create(email="a@example.com")
        raise ValidationError


class Returning(APIView):
    def post(self, request):
        Order.objects.create(email="a@example.com")
        return Response(status=400)


def durable(request):
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic(durable=True):
        pass
    return HttpResponse()


class TestMistakes:
    @pytest.fixture(autouse=True)
    def urls(self, settings):
        views = [
            path("inside/", FromInside.as_view()),
            path("raising/", Raising.as_view()),
            path("returning/", Returning.as_view()),
            path("durable/", durable),
        ]
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": views})

    @pytest.fixture
    def atomic_requests(self, monkeypatch):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    def test_catching_inside_atomic_leaves_a_row(self):
        assert Client().post("/inside/").status_code == 400
        assert Order.objects.count() == 1

    def test_set_rollback_takes_it_back(self):
        assert Client().post("/inside/?rollback").status_code == 400
        assert not Order.objects.exists()

    def test_a_caught_integrity_error_makes_the_next_query_fail(self, tea):
        with transaction.atomic():
            try:
                Product.objects.create(sku="tea")
            except IntegrityError:
                with pytest.raises(TransactionManagementError, match="until the end of the 'atomic' block"):
                    Order.objects.create(email="a@example.com")

    def test_a_caught_integrity_error_without_another_query_discards_everything_in_silence(self, tea):
        with transaction.atomic():
            Order.objects.create(email="a@example.com")
            with suppress(IntegrityError):
                Product.objects.create(sku="tea")
        assert not Order.objects.exists()

    def test_atomic_requests_rolls_back_what_drf_handles(self, atomic_requests):
        assert Client().post("/raising/").status_code == 400
        assert not Order.objects.exists()

    def test_without_atomic_requests_the_same_view_leaves_the_row(self):
        assert Client().post("/raising/").status_code == 400
        assert Order.objects.count() == 1

    def test_atomic_requests_commits_an_error_that_is_returned(self, atomic_requests):
        assert Client().post("/returning/").status_code == 400
        assert Order.objects.count() == 1

    def test_a_durable_block_refuses_to_run_under_atomic_requests(self, atomic_requests):
        assert Client().post("/durable/").status_code == 200

    def test_a_mail_in_the_block_goes_out_although_nothing_was_saved(self):
        with suppress(OutOfStock), transaction.atomic():
            mail.send_mail("Your order", "is confirmed", None, ["a@example.com"])
            raise OutOfStock
        assert len(mail.outbox) == 1

    def test_the_object_in_memory_keeps_what_was_rolled_back(self, tea):
        with suppress(OutOfStock), transaction.atomic():
            tea.stock -= 2
            tea.save()
            raise OutOfStock
        assert tea.stock == 3
        tea.refresh_from_db()
        assert tea.stock == 5
