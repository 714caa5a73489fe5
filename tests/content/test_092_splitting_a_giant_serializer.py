"""Scenario 92: the giant serializer as it was, beside the parts it was split into: same JSON, same schema."""

import json

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import include, path, resolve
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema_field
from drf_spectacular.validation import validate_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient
from shop.models import Document, Line, Order
from shop.ordering import place_order
from shop.serializers import OrderSerializer
from shop.serializers.documents import render_document
from shop.serializers.parts import LineSerializer
from shop.views import OrderViewSet

pytestmark = pytest.mark.django_db

SHIPPING = {"street": "Main St 1", "city": "Bonn"}
BODY = {
    "number": "A-2",
    "shipping": SHIPPING,
    "lines": [
        {"product": "tea", "quantity": 2, "price": "6.00"},
        {"product": "cup", "quantity": 1, "price": "3.50"},
    ],
}


class GiantShipping(serializers.Serializer):
    street = serializers.CharField(source="shipping_street", max_length=80)
    city = serializers.CharField(source="shipping_city", max_length=40)


class GiantSerializer(serializers.ModelSerializer):
    """The code before: everything in one class."""

    class GiantLine(serializers.ModelSerializer):
        class Meta:
            model = Line
            fields = ("product", "quantity", "price")

    shipping = GiantShipping(source="*")
    lines = GiantLine(many=True, allow_empty=False)
    documents = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields = ("id", "number", "total", "shipping", "lines", "documents")
        read_only_fields = ("total",)

    @extend_schema_field(serializers.ListField)
    def get_documents(self, order):
        found = []
        for document in order.documents.all():
            item = {"kind": document.kind, "number": document.number}
            if document.kind == "invoice":
                item["due"] = document.due
            elif document.kind == "credit_note":
                item["reason"] = document.reason
            found.append(item)
        return found

    def create(self, validated_data):
        lines = validated_data.pop("lines")
        total = sum(line["quantity"] * line["price"] for line in lines)
        with transaction.atomic():
            order = Order.objects.create(total=total, **validated_data)
            for line in lines:
                Line.objects.create(order=order, **line)
        return order


class GiantViewSet(mixins.CreateModelMixin, viewsets.ReadOnlyModelViewSet):
    queryset = OrderViewSet.queryset
    serializer_class = GiantSerializer


def urls_for(viewset):
    router = SimpleRouter()
    router.register("orders", viewset, basename="order")
    return [path("", include(router.urls))]


class Before:
    urlpatterns = urls_for(GiantViewSet)


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def answer(client, settings):
    """The bytes that the code before, or after, answers."""

    def ask(url, body=None, *, before):
        settings.ROOT_URLCONF = Before if before else "config.urls"
        assert resolve(url).func.cls is (GiantViewSet if before else OrderViewSet)
        response = client.post(url, body, format="json") if body is not None else client.get(url)
        return response.status_code, response.content

    return ask


def order_with_everything(number="A-1"):
    order = place_order(
        number=number,
        shipping_street="Main St 1",
        shipping_city="Bonn",
        lines=[{"product": "tea", "quantity": 2, "price": 6}],
    )
    Document.objects.create(order=order, kind="invoice", number="I-1", due="2026-12-01")
    Document.objects.create(order=order, kind="credit_note", number="C-1", reason="damaged")
    return order


def resolved(node, components):
    """A schema with its references followed: the names of components do not matter."""
    if isinstance(node, list):
        return [resolved(item, components) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return resolved(components[node["$ref"].rpartition("/")[2]], components)
    if list(node) == ["allOf"] or node.keys() == {"allOf", "readOnly"}:
        return resolved(node["allOf"][0], components)
    return {key: resolved(value, components) for key, value in node.items()}


def schema_of(patterns):
    schema = SchemaGenerator(patterns=patterns).get_schema(public=True)
    validate_schema(schema)
    return resolved(schema["paths"], schema["components"]["schemas"])


def writable(body):
    return {
        name: (value, name in body["required"])
        for name, value in body["properties"].items()
        if not value.get("readOnly")
    }


class TestNothingChangedForClients:
    def test_reading_gives_the_same_bytes(self, answer):
        order = order_with_everything()
        for url in ("/orders/", f"/orders/{order.pk}/"):
            before, after = answer(url, before=True), answer(url, before=False)
            assert before == after
            assert b'"reason":"damaged"' in after[1]

    def test_writing_stores_and_answers_the_same(self, answer):
        answers = [answer("/orders/", BODY, before=before) for before in (True, False)]
        old, new = [json.loads(content) for _, content in answers]
        assert [status for status, _ in answers] == [201, 201]
        assert list(old) == list(new)
        assert {**old, "id": 0} == {**new, "id": 0}
        assert (new["total"], new["shipping"], len(new["lines"])) == ("15.50", SHIPPING, 2)

    @pytest.mark.parametrize(
        "change",
        [
            {"lines": []},
            {"lines": [{"product": "tea", "quantity": -1, "price": "1.00"}]},
            {"shipping": {"street": "x" * 81}},
            {"shipping": None},
            {"number": ""},
        ],
    )
    def test_the_errors_are_the_same(self, answer, change):
        before = answer("/orders/", {**BODY, **change}, before=True)
        assert before == answer("/orders/", {**BODY, **change}, before=False)
        assert before[0] == 400
        assert not Order.objects.exists()

    def test_the_schema_of_responses_is_the_same_but_for_the_documents_which_it_now_knows(self):
        old, new = schema_of(urls_for(GiantViewSet)), schema_of(urls_for(OrderViewSet))
        for operation, status in (("get", "200"), ("post", "201")):
            before, after = (
                schema["/orders/"][operation]["responses"][status]["content"]["application/json"]["schema"]
                for schema in (old, new)
            )
            before, after = (body.get("items", body)["properties"] for body in (before, after))
            before.pop("documents")
            documents = after.pop("documents")
            # "Not to be sent" is no part of what is answered.
            assert without_read_only(before) == without_read_only(after)
            assert [list(kind["properties"]) for kind in documents["items"]["oneOf"]] == [
                ["kind", "number", "due"],
                ["kind", "number", "reason"],
            ]

    def test_the_schema_of_requests_is_the_same(self):
        before, after = (
            schema_of(urls_for(viewset))["/orders/"]["post"]["requestBody"]["content"]["application/json"][
                "schema"
            ]
            for viewset in (GiantViewSet, OrderViewSet)
        )
        assert writable(before) == writable(after)
        assert list(writable(after)) == ["number", "shipping", "lines"]


def without_read_only(node):
    if not isinstance(node, dict):
        return node
    return {key: without_read_only(value) for key, value in node.items() if key != "readOnly"}


class TestTheParts:
    def test_a_list_costs_three_queries_however_many_orders(self, client):
        for number in range(4):
            order_with_everything(number)
        with CaptureQueriesContext(connection) as queries:
            assert len(client.get("/orders/").json()) == 4
        assert len(queries) == 3

    def test_an_order_is_placed_without_http(self):
        order = place_order(number="A", lines=[{"product": "tea", "quantity": 3, "price": 2}])
        assert (order.total, order.lines.count()) == (6, 1)

    def test_an_unknown_kind_fails_loudly(self):
        with pytest.raises(KeyError):
            render_document(Document(kind="quote"), {})


class TestMistakes:
    def test_fields_declared_in_a_plain_mixin_are_not_there(self):
        class Plain:
            initials = serializers.CharField()

        class Right(serializers.Serializer):
            initials = serializers.CharField()

        def built_on(base):
            return type("Built", (base, serializers.Serializer), {})()

        assert "initials" not in built_on(Plain).fields
        assert "initials" in type("Built", (Right,), {})().fields

        meta = type("Meta", (), {"model": Order, "fields": ("id", "initials")})
        naive = type("Naive", (Plain, serializers.ModelSerializer), {"Meta": meta})
        with pytest.raises(Exception, match="initials"):
            assert naive().fields

    def test_two_parts_with_one_column_overwrite_each_other(self):
        class Twice(serializers.Serializer):
            shipping = GiantShipping(source="*")
            billing = GiantShipping(source="*")

        naive = Twice(data={"shipping": SHIPPING, "billing": {"street": "Other 2", "city": "Ulm"}})
        assert naive.is_valid()
        assert naive.validated_data == {"shipping_street": "Other 2", "shipping_city": "Ulm"}

    def test_a_part_without_the_context_knows_no_request(self):
        order = order_with_everything()
        assert OrderSerializer(order, context={"request": 1}).fields["lines"].context == {"request": 1}
        assert LineSerializer(order.lines.all(), many=True).context == {}

    def test_a_filter_in_a_part_ignores_the_prefetch(self):
        for number in range(3):
            order_with_everything(number)
        orders = list(Order.objects.prefetch_related("lines"))
        with CaptureQueriesContext(connection) as queries:
            for order in orders:
                list(order.lines.filter(quantity__gt=1))
        assert len(queries) == 3

    def test_writing_through_the_read_serializer_is_refused(self):
        naive = OrderSerializer(data={**BODY, "total": "1.00"})
        naive.is_valid(raise_exception=True)
        with pytest.raises(AssertionError, match="writable nested fields"):
            naive.save()

    def test_the_component_is_named_after_the_class(self):
        components = SchemaGenerator(patterns=urls_for(GiantViewSet)).get_schema(public=True)["components"]
        assert "Giant" in components["schemas"]
