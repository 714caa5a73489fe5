"""Scenario 32: the tests of the answer survive an added field, and fail on one removed, renamed or retyped."""

import json
import unittest
import uuid

import factory
import pytest
from django.core import serializers as fixtures
from django.db import IntegrityError, transaction
from factory.random import reseed_random
from pydantic import ValidationError
from rest_framework import serializers
from shop.models import Customer, Order
from shop.serializers import CustomerSerializer, OrderSerializer
from shop.tests import test_contract, test_orders
from shop.tests.factories import CustomerFactory, OrderFactory
from shop.views import OrderViewSet

pytestmark = pytest.mark.django_db

ABOUT_TOTALS = [test_orders.test_an_order_shows_its_customer]
NOT_ABOUT_TOTALS = [
    test_orders.test_the_list_can_be_filtered_by_status,
    test_orders.test_a_paid_order_cannot_be_cancelled,
]


def whole_body_test(client):
    """The naive test: everything that the response has, typed by hand."""
    order = OrderFactory(total="19.90")
    assert client.get(f"/orders/{order.pk}/").json() == {
        "id": order.pk,
        "number": order.number,
        "status": "open",
        "total": "19.90",
        "customer": {"id": str(order.customer_id), "email": order.customer.email},
    }


@pytest.fixture
def serve(monkeypatch):
    """Make the view use the serializer with other fields: `serve(total=None)` removes one."""

    def change(base=OrderSerializer, **fields):
        names = [name for name in base.Meta.fields if fields.get(name, True) is not None]
        added = [name for name in fields if fields[name] is not None and name not in names]
        declared = {name: field for name, field in fields.items() if isinstance(field, serializers.Field)}
        meta = type("Meta", (base.Meta,), {"fields": names + added})
        changed = type(base.__name__, (base,), {"Meta": meta, **declared})
        monkeypatch.setattr(OrderViewSet, "serializer_class", changed)
        return changed

    return change


class TestAnAddedField:
    def test_the_tests_of_the_answer_survive_it_and_the_whole_body_does_not(self, client, serve):
        whole_body_test(client)
        serve(note=True)
        for survives in [*ABOUT_TOTALS, *NOT_ABOUT_TOTALS]:
            Order.objects.all().delete()
            Customer.objects.all().delete()
            survives(client)
        Order.objects.all().delete()
        test_contract.test_orders_keep_their_contract(client)
        with pytest.raises(AssertionError, match="note"):
            whole_body_test(client)

    def test_among_personal_data_it_fails_the_strict_test(self, client, serve):
        class Leaking(CustomerSerializer):
            class Meta(CustomerSerializer.Meta):
                fields = ("id", "email", "credit_limit")

        serve(customer=Leaking(read_only=True))
        with pytest.raises(AssertionError, match="credit_limit"):
            test_contract.test_nothing_else_of_the_customer_is_shown(client)


class TestARemovedField:
    def test_it_fails_the_contract_and_the_tests_about_it_and_no_other(self, client, serve):
        serve(total=None)
        with pytest.raises(ValidationError, match=r"total\n +Field required"):
            test_contract.test_orders_keep_their_contract(client)
        Order.objects.all().delete()
        for about in ABOUT_TOTALS:
            with pytest.raises(KeyError, match="total"):
                about(client)
        for other in NOT_ABOUT_TOTALS:
            Order.objects.all().delete()
            other(client)

    def test_a_field_that_no_other_test_mentions_is_missed_by_the_contract_only(self, client, serve):
        class Renamed(CustomerSerializer):
            uid = serializers.UUIDField(source="id")

            class Meta(CustomerSerializer.Meta):
                fields = ("uid", "email")

        serve(customer=Renamed(read_only=True))
        for unaware in [*ABOUT_TOTALS, *NOT_ABOUT_TOTALS]:
            Order.objects.all().delete()
            Customer.objects.all().delete()
            unaware(client)
        with pytest.raises(ValidationError, match=r"customer\.id"):
            test_contract.test_orders_keep_their_contract(client)

    @pytest.mark.parametrize(
        "changed",
        [
            {"total": serializers.FloatField()},
            {"id": serializers.CharField()},
            {"status": serializers.CharField(source="get_status_display")},
            {"customer": serializers.PrimaryKeyRelatedField(read_only=True)},
        ],
        ids=lambda changed: next(iter(changed)),
    )
    def test_another_type_or_set_of_values_fails_the_contract(self, client, serve, changed):
        serve(**changed)
        with pytest.raises(ValidationError):
            test_contract.test_orders_keep_their_contract(client)


class TestComparingSubsets:
    def test_pick_shows_only_what_differs(self):
        body = {"status": "open", "total": "1.00", "long": list(range(100))}
        assert test_orders.pick(body, {"status": "paid"}) == {"status": "open"}

    def test_the_items_of_a_dict_compare_as_a_subset_also_with_nested_values(self):
        body = {"id": 1, "lines": [{"sku": "x"}], "customer": {"id": 2}}
        assert {"lines": [{"sku": "x"}]}.items() <= body.items()  # what assertLessEqual compares
        assert not {"lines": []}.items() <= body.items()

    @pytest.mark.django("6.1")  # which runs on Python 3.12 and later
    def test_the_old_subset_assertion_is_gone(self):
        assert not hasattr(unittest.TestCase, "assertDictContainsSubset")


class TestFixturesAndFactories:
    def test_a_fixture_written_before_a_required_column_does_not_load(self):
        old = json.dumps(
            [{"model": "shop.customer", "pk": str(uuid.uuid4()), "fields": {"email": "a@example.com"}}]
        )
        (row,) = fixtures.deserialize("json", old)
        with pytest.raises(IntegrityError, match="credit_limit"), transaction.atomic():
            row.save()

    def test_sequences_do_not_collide(self):
        orders = OrderFactory.create_batch(20)
        assert len({order.customer.email for order in orders}) == 20

    def test_random_values_collide_in_a_unique_column(self):
        class Random(CustomerFactory):
            email = factory.Faker("random_element", elements=["a@example.com", "b@example.com"])

        with pytest.raises(IntegrityError), transaction.atomic():
            Random.create_batch(3)

    def test_a_new_seed_brings_the_same_random_values_back(self):
        class Random(CustomerFactory):
            email = factory.Faker("email")

        emails = []
        for _ in range(2):
            reseed_random("the same for each test")
            emails.append(Random.build().email)
        assert emails[0] == emails[1] != Random.build().email


class TestDataAndJson:
    def test_data_holds_what_rendering_still_changes(self, client, serve):
        serve(customer=serializers.PrimaryKeyRelatedField(read_only=True))
        order = OrderFactory()
        response = client.get(f"/orders/{order.pk}/")
        assert response.data["customer"] == order.customer_id != str(order.customer_id)
        assert response.json()["customer"] == str(order.customer_id)
