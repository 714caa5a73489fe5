"""Scenario 5: an order shows its customer; old clients, queries and secrets are looked after."""

import json
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, models
from django.db.models import Prefetch
from django.test.utils import CaptureQueriesContext
from rest_framework import permissions, serializers, viewsets
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from shop.models import Customer, Line, Order, Product
from shop.serializers import CustomerSummarySerializer, OrderSerializer
from shop.views import LINES, OrderViewSet

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk():
    return get_user_model().objects.create_user("clerk", password="change-me")


@pytest.fixture
def client(clerk):
    client = APIClient()
    client.force_authenticate(clerk)
    return client


@pytest.fixture
def order(clerk):
    customer = Customer.objects.create(pk=3, name="Ada", email="ada@example.com", credit_limit=5000)
    order = Order.objects.create(pk=7, number="A-7", customer=customer, clerk=clerk)
    Line.objects.create(order=order, product=Product.objects.create(name="Lamp"), quantity=2)
    return order


@pytest.fixture
def other_customer():
    return Customer.objects.create(pk=4, name="Bob", email="bob@example.com")


def many_orders(count):
    """`count` orders of as many customers, each with three lines of different products."""
    for number in range(count):
        customer = Customer.objects.create(name=f"Customer {number}")
        order = Order.objects.create(number=str(number), customer=customer)
        for quantity in range(3):
            product = Product.objects.create(name=f"Product {number}.{quantity}")
            Line.objects.create(order=order, product=product, quantity=quantity)


def naive(fields, *, depth=0, **declared):
    """An order's serializer as one writes it without this answer."""
    meta = type("Meta", (), {"model": Order, "fields": fields, "depth": depth})
    return type("Naive", (serializers.ModelSerializer,), {"Meta": meta, **declared})


def call(view, user, method="get", data=None, **kwargs):
    actions = {"get": "retrieve", "post": "create", "patch": "partial_update"}
    request = getattr(APIRequestFactory(), method)("/", data, format="json")
    force_authenticate(request, user)
    return view.as_view(actions)(request, **kwargs)


def view_with(serializer, **attributes):
    return type("Naive", (OrderViewSet,), {"serializer_class": serializer, **attributes})


def queries_of(queryset):
    with CaptureQueriesContext(connection) as queries:
        OrderSerializer(queryset, many=True).data  # noqa: B018 - reading is what runs the queries
    return len(queries)


class TestTheObjectBesideTheId:
    def test_the_response_is_the_one_shown(self, client, order):
        shown = json.loads(Path("response.json").read_text())
        assert client.get("/api/v1/orders/7/").json() == shown

    def test_writes_by_id_work_as_before_and_answer_with_the_object(self, client, order, other_customer):
        created = client.post("/api/v1/orders/", {"number": "A-8", "customer": 3})
        assert created.status_code == 201
        assert created.json()["customer_detail"]["name"] == "Ada"
        changed = client.patch("/api/v1/orders/7/", {"customer": 4})
        assert changed.json()["customer_detail"]["name"] == "Bob"
        order.refresh_from_db()
        assert order.customer == other_customer

    def test_what_was_read_can_be_put_back_and_changes_nothing_nested(self, client, order):
        body = client.get("/api/v1/orders/7/").json()
        body["customer_detail"]["name"] = "Mallory"
        assert client.put("/api/v1/orders/7/", body, format="json").status_code == 200
        assert Customer.objects.get(pk=3).name == "Ada"

    def test_an_empty_foreign_key_is_null(self, clerk):
        class ClerkSerializer(serializers.ModelSerializer):
            class Meta:
                model = get_user_model()
                fields = ("id", "username")

        serializer = naive(["clerk_detail"], clerk_detail=ClerkSerializer(source="clerk", read_only=True))
        assert serializer(Order(clerk=None)).data == {"clerk_detail": None}
        assert serializer(Order(clerk=clerk)).data["clerk_detail"]["username"] == "clerk"


class TestTheQueries:
    @pytest.mark.parametrize("count", [1, 20])
    def test_the_list_takes_two_queries_however_long_it_is(self, client, count, django_assert_num_queries):
        many_orders(count)
        with django_assert_num_queries(2):
            assert len(client.get("/api/v1/orders/").json()) == count

    def test_without_the_joins_each_order_and_each_line_takes_one_more(self):
        many_orders(20)
        customers, lines, products = 20, 20, 60
        assert queries_of(Order.objects.all()) == 1 + customers + lines + products

    def test_a_plain_prefetch_still_fetches_the_product_of_each_line(self):
        many_orders(20)
        assert queries_of(Order.objects.select_related("customer").prefetch_related("lines")) == 2 + 60

    @pytest.mark.django("6.1")
    def test_fetch_raise_reports_a_forgotten_join_but_not_a_forgotten_prefetch(self):
        from django.core.exceptions import FieldFetchBlocked  # new in 6.1

        many_orders(2)
        joined = OrderViewSet.queryset.fetch_mode(models.FETCH_RAISE)
        assert queries_of(joined) == 2
        with pytest.raises(FieldFetchBlocked, match=r"Order\.customer"):
            queries_of(Order.objects.prefetch_related(LINES).fetch_mode(models.FETCH_RAISE))
        lines_by_id = naive(["number", "lines"])
        orders = Order.objects.fetch_mode(models.FETCH_RAISE)
        with CaptureQueriesContext(connection) as queries:
            lines_by_id(orders, many=True).data  # noqa: B018 - reading is what runs the queries
        assert len(queries) == 1 + 2


class TestTheNextVersion:
    def test_the_object_has_the_name_and_the_flat_id_is_gone(self, client, order):
        assert client.get("/api/v2/orders/7/").json() == {
            "id": 7,
            "number": "A-7",
            "customer": {"id": 3, "name": "Ada", "email": "ada@example.com"},
            "lines": [{"product_name": "Lamp", "quantity": 2}],
        }

    def test_requests_send_customer_id(self, client, order, other_customer):
        created = client.post("/api/v2/orders/", {"number": "A-8", "customer_id": 4})
        assert created.status_code == 201
        assert created.json()["customer"]["name"] == "Bob"

    def test_what_was_read_cannot_be_put_back_unless_the_id_is_readable(self, client, order):
        body = client.get("/api/v2/orders/7/").json()
        refused = client.put("/api/v2/orders/7/", body, format="json")
        assert (refused.status_code, refused.json()) == (400, {"customer_id": ["This field is required."]})

        class Readable(OrderSerializer):
            customer_id = serializers.PrimaryKeyRelatedField(
                source="customer", queryset=Customer.objects.all()
            )

            class Meta(OrderSerializer.Meta):
                fields = ("id", "number", "customer_detail", "customer_id", "lines")

        body = Readable(order).data
        assert Readable(order, data=body).is_valid()

    def test_it_takes_no_more_queries(self, client, django_assert_num_queries):
        many_orders(20)
        with django_assert_num_queries(2):
            client.get("/api/v2/orders/")


class TestDepth:
    def test_it_publishes_every_column_of_every_relation(self, order, clerk):
        data = naive("__all__", depth=1)(order).data
        assert data["clerk"]["password"] == clerk.password
        assert data["customer"]["credit_limit"] == 5000
        shown = json.dumps(OrderSerializer(order).data)
        assert "password" not in shown
        assert "credit_limit" not in shown

    def test_a_patch_answers_200_and_changes_nothing(self, order, clerk, other_customer):
        view = view_with(naive(["number", "customer"], depth=1))
        assert call(view, clerk, "patch", {"customer": 4}, pk=7).status_code == 200
        order.refresh_from_db()
        assert order.customer_id == 3

    def test_a_post_loses_the_customer(self, order, clerk):
        view = view_with(naive(["number", "customer"], depth=1))
        with pytest.raises(IntegrityError, match="customer_id"):
            call(view, clerk, "post", {"number": "A-8", "customer": 3})


class TestWritableByAccident:
    @pytest.fixture
    def view(self):
        return view_with(naive(["number", "customer"], customer=CustomerSummarySerializer()))

    def test_the_id_of_an_old_client_is_refused(self, view, order, clerk):
        response = call(view, clerk, "post", {"number": "A-8", "customer": 3})
        assert response.status_code == 400
        (message,) = response.data["customer"]["non_field_errors"]
        assert message == "Invalid data. Expected a dictionary, but got int."

    def test_an_object_ends_in_an_assertion_error(self, view, order, clerk):
        customer = {"name": "Eve", "email": "eve@example.com"}
        with pytest.raises(AssertionError, match=r"`\.create\(\)` method does not support writable nested"):
            call(view, clerk, "post", {"number": "A-8", "customer": customer})


class TestWhatTheNestedObjectGivesAway:
    def test_who_may_not_read_customers_reads_them_in_an_order(self, order, clerk):
        class FullCustomer(serializers.ModelSerializer):
            class Meta:
                model = Customer
                fields = "__all__"

        class Customers(viewsets.ModelViewSet):
            queryset = Customer.objects.all()
            serializer_class = FullCustomer
            permission_classes = (permissions.IsAdminUser,)

        assert call(Customers, clerk, pk=3).status_code == 403
        leaky = view_with(naive(["customer"], customer=FullCustomer(read_only=True)))
        assert call(leaky, clerk, pk=7).data["customer"]["credit_limit"] == 5000


class TestAFilterInPrefetch:
    @pytest.fixture
    def order(self, order):
        Line.objects.create(order=order, product=Product.objects.create(name="Void"), quantity=0)
        return order

    def test_the_answer_to_a_patch_shows_what_the_filter_hides(self, order, clerk):
        filtered = Prefetch("lines", LINES.queryset.filter(quantity__gt=0))
        view = view_with(OrderSerializer, queryset=Order.objects.prefetch_related(filtered))
        read = call(view, clerk, pk=7).data
        patched = call(view, clerk, "patch", {"number": "A-9"}, pk=7).data
        assert [line["product_name"] for line in read["lines"]] == ["Lamp"]
        assert [line["product_name"] for line in patched["lines"]] == ["Lamp", "Void"]

    def test_fetched_again_both_show_the_same(self, order, clerk):
        def perform_update(view, serializer):
            serializer.save()
            serializer.instance = view.get_object()

        filtered = Prefetch("lines", LINES.queryset.filter(quantity__gt=0))
        orders = Order.objects.prefetch_related(filtered)
        view = view_with(OrderSerializer, queryset=orders, perform_update=perform_update)
        patched = call(view, clerk, "patch", {"number": "A-9"}, pk=7).data
        assert patched["number"] == "A-9"
        assert [line["product_name"] for line in patched["lines"]] == ["Lamp"]
