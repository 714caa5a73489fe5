"""Scenario 63: totals of orders are computed by PostgreSQL, sorted by, and computed in the wrong places."""

from datetime import date, timedelta
from decimal import Decimal

import django
import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError
from django.db import ProgrammingError, connection, models
from django.db.models import F, Sum
from django.test.utils import isolate_apps
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.test import APIClient
from shop.models import Line, Order
from shop.serializers import OrderSerializer
from shop.views import OrderViewSet

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    client = APIClient()
    client.force_authenticate(get_user_model()(is_staff=True))
    return client


def order(*amounts, due_on=date(2026, 1, 1), **fields):
    made = Order.objects.create(due_on=due_on, **fields)
    for quantity, price in amounts:
        made.lines.create(quantity=quantity, price=Decimal(price))
    return made


class TestTheTotal:
    def test_it_sums_quantity_times_price(self, client):
        made = order((3, "1.10"), (1, "0.05"))
        assert client.get(f"/orders/{made.pk}/").json() == {
            "id": made.pk,
            "due_on": "2026-01-01",
            "total_price": "3.35",
            "is_overdue": True,
            "can_cancel": False,
        }

    def test_an_order_without_lines_is_zero(self, client):
        assert client.get(f"/orders/{order().pk}/").json()["total_price"] == "0.00"

    def test_without_the_generated_column_the_sum_is_the_same(self):
        order((3, "1.10"), (1, "0.05"))
        by_hand = Sum(F("lines__quantity") * F("lines__price"), output_field=models.DecimalField())
        found = Order.objects.with_total().annotate(by_hand=by_hand).get()
        assert found.by_hand == found.total_price == Decimal("3.35")

    def test_it_can_be_filtered_by(self):
        order((1, "5.00"))
        dear = order((1, "50.00"))
        assert Order.objects.with_total().get(total_price__gte=10) == dear

    def test_what_a_client_sends_is_ignored(self, client):
        made = order((1, "5.00"))
        response = client.patch(f"/orders/{made.pk}/", {"total_price": "0.01", "due_on": "2026-03-01"})
        assert response.status_code == 200
        assert response.json()["total_price"] == "5.00"
        assert response.json()["due_on"] == "2026-03-01"

    def test_the_schema_knows_the_types(self):
        schema = SchemaGenerator().get_schema(public=True)
        properties = schema["components"]["schemas"]["Order"]["properties"]
        assert properties["total_price"] | {"pattern": ""} == {
            "type": "string",
            "format": "decimal",
            "readOnly": True,
            "pattern": "",
        }
        assert properties["can_cancel"]["type"] == "boolean"


class TestPropertiesAndMethods:
    def test_overdue_depends_on_today(self):
        today = timezone.localdate()
        assert order(due_on=today - timedelta(days=1)).is_overdue
        assert not order(due_on=today).is_overdue
        assert not order(due_on=today - timedelta(days=1), shipped=True).is_overdue

    def test_a_method_sees_the_user_of_the_request(self, client):
        made = order()
        client.force_authenticate(get_user_model()(is_staff=True, is_superuser=True))
        assert client.get(f"/orders/{made.pk}/").json()["can_cancel"] is True
        Order.objects.update(shipped=True)
        assert client.get(f"/orders/{made.pk}/").json()["can_cancel"] is False


class TestTheGeneratedColumn:
    def test_every_path_of_writing_keeps_it(self):
        made = order((2, "1.50"))
        Line.objects.update(quantity=4)
        Line.objects.bulk_create([Line(order=made, quantity=1, price=7)])
        assert sorted(Line.objects.values_list("amount", flat=True)) == [6, 7]

    def test_after_an_update_only_newer_djangos_read_it_back(self):
        line = order((2, "1.50")).lines.get()
        line.quantity = 4
        line.save()
        assert line.amount == (6 if django.VERSION >= (6, 1) else 3)
        line.refresh_from_db()
        assert line.amount == 6

    def test_the_time_is_refused(self):
        sql = "ALTER TABLE shop_order ADD COLUMN age interval GENERATED ALWAYS AS (now() - due_on) STORED"
        with pytest.raises(ProgrammingError, match="generation expression is not immutable"):
            connection.cursor().execute(sql)

    def test_adding_one_rewrites_the_table(self):
        def file():
            cursor.execute("SELECT relfilenode FROM pg_class WHERE relname = 'shop_line'")
            return cursor.fetchone()

        with connection.cursor() as cursor:
            before = file()
            cursor.execute("ALTER TABLE shop_line ADD double numeric GENERATED ALWAYS AS (price * 2) STORED")
            assert file() != before


class TestMistakes:
    @pytest.fixture
    def ten(self):
        for number in range(10):
            order((1, number))
        return Order.objects.order_by("pk")

    def serialized(self, orders, compute):
        class Naive(serializers.ModelSerializer):
            total = serializers.SerializerMethodField()
            get_total = staticmethod(compute)

            class Meta:
                model = Order
                fields = ("total",)

        return [row["total"] for row in Naive(orders, many=True).data]

    def test_a_query_in_the_method_is_a_query_per_row(self, ten, django_assert_num_queries):
        with django_assert_num_queries(11):
            found = self.serialized(ten, lambda order: order.lines.aggregate(n=Sum("amount"))["n"])
        assert found == list(range(10))

    def test_a_loop_over_prefetched_lines_is_two_queries(self, ten, django_assert_num_queries):
        with django_assert_num_queries(2):
            found = self.serialized(
                ten.prefetch_related("lines"), lambda order: sum(line.amount for line in order.lines.all())
            )
        assert found == list(range(10))

    def test_a_new_instance_loses_the_key_without_a_word(self, client, monkeypatch):
        body = client.post("/orders/", {"due_on": "2026-01-01"}).json()
        assert "total_price" in body
        monkeypatch.delattr(OrderViewSet, "perform_create")
        response = client.post("/orders/", {"due_on": "2026-01-01"})
        assert response.status_code == 201
        assert "total_price" not in response.json()

    def test_a_property_cannot_be_sorted_by(self, client, monkeypatch):
        order()
        assert client.get("/orders/?ordering=is_overdue").status_code == 200  # not offered: ignored
        monkeypatch.setattr(OrderViewSet, "ordering_fields", ["is_overdue"])
        with pytest.raises(FieldError, match="Cannot resolve keyword 'is_overdue' into field"):
            client.get("/orders/?ordering=is_overdue")

    @isolate_apps("shop")
    def test_a_property_of_the_same_name_cannot_be_set(self):
        class Plain(models.Model):
            class Meta:
                app_label = "shop"
                db_table = "shop_order"

            @property
            def total_price(self):
                return 0

        order()
        with pytest.raises(AttributeError, match=r"property 'total_price' of '.*Plain' object has no setter"):
            Plain.objects.annotate(total_price=Sum("pk")).get()

    def test_floats_do_not_add_up(self):
        assert str(0.1 + 0.1 + 0.1) == "0.30000000000000004"
        assert OrderSerializer().fields["total_price"].to_representation(Decimal("0.1") * 3) == "0.30"
