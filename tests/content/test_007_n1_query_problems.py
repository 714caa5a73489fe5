"""Scenario 7: the queries of a list are counted, with the answer's queryset and with the naive ones."""

import warnings

import django
import pytest
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from rest_framework import serializers
from shop import tests as guard
from shop.models import Customer, Item, Order, Product, Tag
from shop.serializers import OrderSerializer
from shop.views import OrderViewSet
from zeal import zeal_context, zeal_ignore
from zeal.errors import NPlusOneError

pytestmark = pytest.mark.django_db

ROWS = 20
NEW = django.VERSION >= (6, 1)


@pytest.fixture
def orders():
    for number in range(ROWS):
        order = Order.objects.create(
            number=f"A-{number}",
            customer=Customer.objects.create(name=f"Customer {number}"),
            agent=Customer.objects.create(name=f"Agent {number}"),
        )
        order.tags.add(Tag.objects.create(name=f"Tag {number}"), Tag.objects.create(name="new"))
        for name, cancelled in (("cup", False), ("jug", False), ("pot", True)):
            product = Product.objects.create(name=name)
            Item.objects.create(order=order, product=product, quantity=2, cancelled=cancelled)


def queries(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def per_row(queryset, access):
    """How many queries `access` to each row costs once the rows are there."""
    rows = list(queryset)
    return queries(lambda: [access(row) for row in rows])


class CustomerOnly(serializers.ModelSerializer):
    customer = serializers.CharField(source="customer.name")

    class Meta:
        model = Order
        fields = ("number", "customer")


class TestTheAnswer:
    def test_the_list_takes_two_queries(self, client, orders):
        response = None

        def ask():
            nonlocal response
            response = client.get("/orders/")

        assert queries(ask) == 2
        assert response.json()[0] == {
            "number": "A-0",
            "customer": "Customer 0",
            "items": [{"product": "cup", "quantity": 2}, {"product": "jug", "quantity": 2}],
            "item_count": 3,
        }
        assert len(response.json()) == ROWS

    def test_the_naive_list_takes_one_query_per_customer_items_and_product(self, orders):
        class Naive(serializers.ModelSerializer):
            customer = serializers.CharField(source="customer.name")
            items = serializers.SerializerMethodField()

            class Meta:
                model = Order
                fields = ("number", "customer", "items")

            def get_items(self, order):
                return [item.product.name for item in order.items.filter(cancelled=False)]

        # 1 for the orders, then for each a customer, its items, and two products.
        assert queries(lambda: Naive(Order.objects.all(), many=True).data) == 1 + ROWS * (1 + 1 + 2)

    def test_customers_alone_fall_from_n_plus_one_to_one_by_a_join(self, orders):
        naive, joined = Order.objects.all(), Order.objects.select_related("customer")
        assert queries(lambda: CustomerOnly(naive, many=True).data) == ROWS + 1
        assert queries(lambda: CustomerOnly(joined, many=True).data) == 1

    def test_a_set_costs_one_more_query_however_many_rows_there_are(self, orders):
        assert queries(lambda: [list(o.items.all()) for o in Order.objects.all()]) == ROWS + 1
        loaded = Order.objects.prefetch_related("items", "tags")
        assert queries(lambda: [(list(o.items.all()), list(o.tags.all())) for o in loaded]) == 3

    def test_the_next_level_is_named_with_two_underscores(self, orders):
        deeper = Order.objects.prefetch_related("items__product")
        assert queries(lambda: [item.product.name for o in deeper for item in o.items.all()]) == 3
        joined = Item.objects.select_related("order__customer")
        assert queries(lambda: [item.order.customer.name for item in joined]) == 1

    def test_the_guard_fails_on_the_naive_queryset(self, client, monkeypatch):
        monkeypatch.setattr(OrderViewSet, "queryset", Order.objects.order_by("pk"))
        monkeypatch.setattr(OrderViewSet, "serializer_class", CustomerOnly)
        case = guard.OrderListQueryTests("test_the_number_of_queries_does_not_grow_with_the_rows")
        case.client = client
        with pytest.raises(AssertionError, match="shop_customer"), zeal_ignore():
            case.test_the_number_of_queries_does_not_grow_with_the_rows()


@pytest.mark.django("6.1")
class TestFetchModes:
    def test_peers_fetch_a_forgotten_foreign_key_at_once(self, orders):
        assert queries(lambda: CustomerOnly(Order.objects.all(), many=True).data) == 21
        batched = Order.objects.fetch_mode(models.FETCH_PEERS)
        assert queries(lambda: CustomerOnly(batched, many=True).data) == 2

    def test_and_a_deferred_field(self, orders):
        deferred = Order.objects.only("id").fetch_mode(models.FETCH_PEERS)
        assert queries(lambda: [order.number for order in deferred]) == 2

    def test_but_neither_reverse_foreign_keys_nor_many_to_many(self, orders):
        batched = Order.objects.fetch_mode(models.FETCH_PEERS)
        assert queries(lambda: [list(order.items.all()) for order in batched.all()]) == 21
        assert queries(lambda: [list(order.tags.all()) for order in batched.all()]) == 21

    def test_the_answers_queryset_has_both(self, orders):
        from shop.peers import orders as batched

        def read():
            return [(o.customer.name, [i.product.name for i in o.items.all()]) for o in batched]

        assert queries(read) == 4  # orders, items, customers, products

    @pytest.mark.parametrize("mode", [models.FETCH_PEERS, models.FETCH_RAISE] if NEW else [])
    def test_the_mode_does_not_reach_prefetched_rows_by_itself(self, orders, mode):
        loaded = Order.objects.fetch_mode(mode).prefetch_related("items")
        assert queries(lambda: [i.product.name for o in loaded for i in o.items.all()]) == 2 + 3 * ROWS

    def test_raise_names_the_field(self, orders):
        from django.core.exceptions import FieldFetchBlocked

        blocked = Order.objects.fetch_mode(models.FETCH_RAISE)
        with pytest.raises(FieldFetchBlocked, match=r"Fetching of Order\.customer blocked"):
            CustomerOnly(blocked, many=True).data  # noqa: B018

    def test_the_answers_view_passes_it(self, orders):
        strict = OrderViewSet.queryset.fetch_mode(models.FETCH_RAISE)
        assert len(OrderSerializer(strict, many=True).data) == ROWS


class TestPrefetchedRelations:
    @pytest.mark.parametrize(
        "access",
        [
            lambda order: list(order.items.filter(cancelled=False)),
            lambda order: list(order.items.order_by("quantity")),
            lambda order: order.items.first(),
            lambda order: list(order.items.values("quantity")),
            lambda order: list(order.items.values_list("quantity")),
        ],
        ids=["filter", "order_by", "first", "values", "values_list"],
    )
    def test_these_go_to_the_database_for_each_row(self, orders, access):
        assert per_row(Order.objects.prefetch_related("items"), access) == ROWS

    @pytest.mark.parametrize(
        "access",
        [
            lambda order: list(order.items.all()),
            lambda order: order.items.count(),
            lambda order: order.items.exists(),
            lambda order: list(order.tags.all()),
            lambda order: order.tags.count(),
            lambda order: order.tags.exists(),
        ],
        ids=["all", "count", "exists", "m2m all", "m2m count", "m2m exists"],
    )
    def test_these_use_what_is_loaded(self, orders, access):
        assert per_row(Order.objects.prefetch_related("items", "tags"), access) == 0


class TestMistakes:
    @pytest.mark.parametrize("relation", ["items", "tags"])
    def test_select_related_refuses_sets(self, relation):
        with pytest.raises(FieldError, match=r"Invalid field name\(s\) given in select_related"):
            list(Order.objects.select_related(relation))

    def test_without_arguments_it_skips_nullable_foreign_keys(self, orders):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rows = Order.objects.select_related()
        assert ["deprecated" in str(warning.message) for warning in caught] == [True] * NEW
        assert per_row(rows, lambda order: order.customer.name) == 0
        assert per_row(rows, lambda order: order.agent.name) == ROWS

    def test_only_without_a_field_that_is_read(self, orders):
        assert per_row(Order.objects.only("id"), lambda order: order.number) == ROWS

    def test_two_counts_multiply(self, orders):
        order = Order.objects.annotate(items_=Count("items"), tags_=Count("tags")).first()
        assert (order.items_, order.tags_) == (6, 6)
        distinct = Order.objects.annotate(
            items_=Count("items", distinct=True), tags_=Count("tags", distinct=True)
        ).first()
        assert (distinct.items_, distinct.tags_) == (3, 2)

    def test_iterator_wants_a_chunk_size(self, orders):
        loaded = Order.objects.prefetch_related("items")
        with pytest.raises(ValueError, match="chunk_size must be provided"):
            next(iter(loaded.iterator()))
        assert len(list(loaded.iterator(chunk_size=100))) == ROWS


class TestZeal:
    def test_it_raises_with_field_and_line_when_a_request_repeats_itself(self, client, orders, monkeypatch):
        monkeypatch.setattr(OrderViewSet, "queryset", Order.objects.order_by("pk"))
        monkeypatch.setattr(OrderViewSet, "serializer_class", CustomerOnly)
        with pytest.raises(NPlusOneError, match=r"N\+1 detected on shop.Order.customer at .*:\d+"):
            client.get("/orders/")

    def test_the_answers_view_passes(self, client, orders):
        with zeal_context():
            assert client.get("/orders/").status_code == 200
