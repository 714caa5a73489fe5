"""Scenario 95: the fat view as it was, beside the thin one: the same answers, rows and mails."""

import ast
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail import send_mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext
from django.urls import include, path, resolve
from rest_framework import permissions, viewsets
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient
from shop import services
from shop.models import Order, Product
from shop.pricing import total_price
from shop.selectors import orders_of
from shop.services import InvalidQuantity, OutOfStock, place_order
from shop.views import OrderViewSet

pytestmark = pytest.mark.django_db


class FatOrderViewSet(viewsets.ViewSet):
    """The code before: parsing, rules, writing, mail and answers in one place."""

    permission_classes = (permissions.IsAuthenticated,)

    def list(self, request):
        orders = Order.objects.filter(customer=request.user).select_related("product").order_by("pk")
        return Response([self.row(order) for order in orders])

    def create(self, request):
        errors = {}
        product = quantity = None
        if "product" not in request.data:
            errors["product"] = ["This field is required."]
        else:
            product = Product.objects.filter(sku=request.data["product"]).first()
            if product is None:
                errors["product"] = [f"Object with sku={request.data['product']} does not exist."]
        if "quantity" not in request.data:
            errors["quantity"] = ["This field is required."]
        else:
            try:
                quantity = int(request.data["quantity"])
            except ValueError:
                errors["quantity"] = ["A valid integer is required."]
            else:
                if quantity < 1:
                    errors["quantity"] = ["Ensure this value is greater than or equal to 1."]
        if errors:
            return Response(errors, status=400)
        if product.stock < quantity:
            return Response({"detail": f"Fewer than {quantity} of {product.sku} left."}, status=409)
        discount = Decimal(0)
        if quantity >= 10:
            discount += Decimal("0.05")
        if Order.objects.filter(customer=request.user).count() >= 3:
            discount += Decimal("0.10")
        total = (product.price * quantity * (1 - discount)).quantize(Decimal("0.01"))
        product.stock -= quantity
        product.save()
        order = Order.objects.create(customer=request.user, product=product, quantity=quantity, total=total)
        send_mail("Your order", f"Order {order.pk}: {total}", None, [request.user.email])
        return Response(self.row(order), status=201)

    def row(self, order):
        return {
            "id": order.pk,
            "product": order.product.sku,
            "quantity": order.quantity,
            "total": str(order.total),
        }


class Before:
    router = SimpleRouter()
    router.register("orders", FatOrderViewSet, basename="order")
    urlpatterns = (path("", include(router.urls)),)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", "ada@example.com")


@pytest.fixture
def tea():
    return Product.objects.create(sku="tea", price=Decimal("1.99"), stock=50)


@pytest.fixture(params=["before", "after"])
def client(request, settings, ada):
    """The same tests run against the old and the new code."""
    settings.ROOT_URLCONF = Before if request.param == "before" else "config.urls"
    expected = FatOrderViewSet if request.param == "before" else OrderViewSet
    assert resolve("/orders/").func.cls is expected
    client = APIClient()
    client.force_authenticate(ada)
    return client


@pytest.fixture
def post(client, django_capture_on_commit_callbacks):
    def send(**body):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post("/orders/", body, format="json")

    return send


class TestTheSameBeforeAndAfter:
    def test_an_order_is_answered_stored_and_confirmed(self, post, tea, ada):
        response = post(product="tea", quantity=2)
        order = Order.objects.get()
        tea.refresh_from_db()
        assert response.status_code == 201
        assert json.dumps(response.json()) == json.dumps(
            {"id": order.pk, "product": "tea", "quantity": 2, "total": "3.98"}
        )
        assert (order.customer, order.total, tea.stock) == (ada, Decimal("3.98"), 48)
        ((message),) = mail.outbox
        assert (message.to, message.body) == (["ada@example.com"], f"Order {order.pk}: 3.98")

    @pytest.mark.parametrize(
        ("earlier", "quantity", "total"),
        [(0, 9, "17.91"), (0, 10, "18.90"), (2, 1, "1.99"), (3, 1, "1.79"), (3, 10, "16.92")],
    )
    def test_totals_are_the_same_to_the_cent(self, post, tea, ada, earlier, quantity, total):
        for _ in range(earlier):
            Order.objects.create(customer=ada, product=tea, quantity=1, total=1)
        assert post(product="tea", quantity=quantity).json()["total"] == total

    @pytest.mark.parametrize(
        ("body", "status", "answer"),
        [
            (
                {},
                400,
                {"product": ["This field is required."], "quantity": ["This field is required."]},
            ),
            (
                {"product": "gold", "quantity": 1},
                400,
                {"product": ["Object with sku=gold does not exist."]},
            ),
            (
                {"product": "tea", "quantity": "many"},
                400,
                {"quantity": ["A valid integer is required."]},
            ),
            (
                {"product": "tea", "quantity": 0},
                400,
                {"quantity": ["Ensure this value is greater than or equal to 1."]},
            ),
            ({"product": "tea", "quantity": 51}, 409, {"detail": "Fewer than 51 of tea left."}),
        ],
    )
    def test_every_refusal_is_the_same_and_leaves_nothing_behind(self, post, tea, body, status, answer):
        response = post(**body)
        tea.refresh_from_db()
        assert (response.status_code, response.json()) == (status, answer)
        assert (tea.stock, Order.objects.count(), mail.outbox) == (50, 0, [])

    def test_nobody_orders_or_reads_without_logging_in(self, client):
        client.force_authenticate(None)
        assert client.get("/orders/").status_code == 403
        assert client.post("/orders/", {}).status_code == 403

    def test_the_list_shows_ones_own_orders_for_one_query(self, client, tea, ada):
        bob = User.objects.create_user("bob")
        for customer in (ada, ada, bob):
            Order.objects.create(customer=customer, product=tea, quantity=1, total="1.99")
        with CaptureQueriesContext(connection) as queries:
            rows = client.get("/orders/").json()
        mine = Order.objects.filter(customer=ada).order_by("pk")
        assert [row["id"] for row in rows] == [order.pk for order in mine]
        assert rows[0] == {"id": mine[0].pk, "product": "tea", "quantity": 1, "total": "1.99"}
        assert len(queries) == 1


class TestTheRulesWithoutHttp:
    def test_pricing_needs_no_database(self):
        with CaptureQueriesContext(connection) as queries:
            assert total_price(Decimal("1.99"), 10, regular=True) == Decimal("16.92")
        assert len(queries) == 0

    def test_the_command_orders_at_the_price_of_the_endpoint(self, ada, tea, capsys):
        call_command("place_order", "ada", "tea", "10")
        order = Order.objects.get()
        assert capsys.readouterr().out == f"{order.pk} 18.90\n"

    def test_the_command_says_no_in_its_own_way(self, ada, tea):
        with pytest.raises(CommandError, match="Fewer than 51 of tea left"):
            call_command("place_order", "ada", "tea", "51")

    def test_the_mail_waits_for_the_commit(self, ada, tea, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            place_order(customer=ada, product=tea, quantity=1)
            assert mail.outbox == []
        assert len(mail.outbox) == 1

    def test_a_failure_after_the_stock_was_taken_takes_it_back(self, ada, tea):
        tea.price = None
        with CaptureQueriesContext(connection) as queries, pytest.raises(TypeError):
            place_order(customer=ada, product=tea, quantity=4)
        assert any(query["sql"].startswith("UPDATE") for query in queries)
        tea.refresh_from_db()
        assert tea.stock == 50


class TestTheBorder:
    def lint(self):
        program = Path(sys.executable).with_name("lint-imports")
        return subprocess.run([program, "--no-cache"], capture_output=True, text=True, check=False)

    def lint_with(self, path, line):
        before = Path(path).read_text()
        try:
            Path(path).write_text(f"{line}\n{before}")
            return self.lint()
        finally:
            Path(path).write_text(before)

    def test_the_build_passes(self):
        done = self.lint()
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize(
        ("path", "line"),
        [
            ("shop/services.py", "from rest_framework.exceptions import ValidationError"),
            ("shop/services.py", "from shop.views import OrderSerializer"),
            ("shop/models.py", "from rest_framework import status"),  # services import the models
        ],
    )
    def test_it_fails_on_http_below_the_view_even_by_a_detour(self, path, line):
        done = self.lint_with(path, line)
        assert done.returncode == 1
        assert "BROKEN" in done.stdout
        assert "Business logic knows no HTTP" in done.stdout

    def test_no_service_names_a_request_or_a_response(self):
        names = {
            getattr(node, "id", getattr(node, "arg", None))
            for node in ast.walk(ast.parse(Path("shop/services.py").read_text()))
        }
        assert not {"request", "Response"} & names


class TestMistakes:
    def test_without_the_rule_in_the_service_a_negative_order_adds_stock(self, ada, tea):
        def naive(product, quantity):
            enough = Product.objects.filter(pk=product.pk, stock__gte=quantity)
            enough.update(stock=F("stock") - quantity)

        naive(tea, -3)
        tea.refresh_from_db()
        assert tea.stock == 53
        with pytest.raises(InvalidQuantity):
            place_order(customer=ada, product=tea, quantity=-3)

    @pytest.mark.django_db(transaction=True)
    def test_an_error_that_is_returned_commits_what_was_written_before(self, ada, tea):
        @transaction.atomic
        def naive(quantity):
            Order.objects.create(customer=ada, product=tea, quantity=quantity, total=0)
            if tea.stock < quantity:
                return "out of stock"
            return "ordered"

        assert naive(51) == "out of stock"
        assert Order.objects.count() == 1
        with pytest.raises(OutOfStock):
            place_order(customer=ada, product=tea, quantity=51)
        assert Order.objects.count() == 1

    def test_two_services_called_in_a_row_leave_half_and_under_one_atomic_nothing(self, ada, tea):
        def naive():
            place_order(customer=ada, product=tea, quantity=1)
            place_order(customer=ada, product=tea, quantity=51)

        for use_case, left in ((transaction.atomic(naive), 0), (naive, 1)):
            with pytest.raises(OutOfStock):
                use_case()
            assert Order.objects.count() == left

    def test_an_api_exception_leaves_a_command_as_it_is(self, ada, tea, monkeypatch):
        class Naive(APIException):
            status_code = 409

        monkeypatch.setattr(services, "OutOfStock", Naive)
        with pytest.raises(Naive):
            call_command("place_order", "ada", "tea", "51")

    def test_bulk_create_and_update_send_no_signal(self, ada, tea):
        heard = []
        post_save.connect(listener := lambda sender, **kwargs: heard.append(sender), sender=Order)
        try:
            Order.objects.bulk_create([Order(customer=ada, product=tea, quantity=1, total=1)])
            Order.objects.update(quantity=2)
            assert heard == []
            Order.objects.create(customer=ada, product=tea, quantity=1, total=1)
            assert heard == [Order]
        finally:
            post_save.disconnect(listener, sender=Order)

    def test_a_repository_costs_a_query_per_row(self, ada, tea):
        class Repository:
            def all_of(self, customer):
                return list(Order.objects.filter(customer=customer))

        for _ in range(4):
            Order.objects.create(customer=ada, product=tea, quantity=1, total=1)
        with CaptureQueriesContext(connection) as naive:
            assert [order.product.sku for order in Repository().all_of(ada)] == ["tea"] * 4
        with CaptureQueriesContext(connection) as selector:
            assert [order.product.sku for order in orders_of(ada)] == ["tea"] * 4
        assert (len(naive), len(selector)) == (5, 1)
