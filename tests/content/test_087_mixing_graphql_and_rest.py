"""Scenario 87: the GraphQL endpoint is asked for what the REST views would refuse."""

import pytest
import strawberry
import strawberry_django
from config.urls import GraphQLThrottle
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import path
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient
from shop import models, schema
from shop.models import Line, Order, Product
from strawberry.django.views import GraphQLView
from strawberry_django.optimizer import DjangoOptimizerExtension
from strawberry_django.pagination import OffsetPaginated

pytestmark = pytest.mark.django_db

NESTED = "{ orders { results { number lines { results { quantity product { name } } } } } }"
DEEP = "{ orders { results { lines { results { order { lines { results { quantity }}}}}}}}"


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.fixture
def ann():
    return get_user_model().objects.create_user("ann")


@pytest.fixture
def bob():
    return get_user_model().objects.create_user("bob")


@pytest.fixture
def client(ann):
    client = APIClient()
    client.force_authenticate(ann)
    return client


def order(owner, number="A-1", lines=3, product=None):
    made = Order.objects.create(owner=owner, number=number)
    for n in range(lines):
        Line.objects.create(order=made, product=product or Product.objects.create(name=f"P{n}"))
    return made


def ask(client, query):
    return client.post("/graphql/", {"query": query}, format="json")


def messages(response):
    return [error["message"] for error in response.json()["errors"]]


class Context:
    def __init__(self, user):
        self.request = type("Request", (), {"user": user})()


class TestTheDoor:
    def test_the_token_that_opens_rest_opens_graphql(self, ann):
        order(ann)
        client = APIClient(headers={"authorization": f"Token {Token.objects.create(user=ann)}"})
        assert ask(client, "{ orders { results { number } } }").json() == {
            "data": {"orders": {"results": [{"number": "A-1"}]}}
        }
        assert len(client.get("/api/orders/").json()) == 1

    def test_a_wrong_token_and_none_are_refused(self):
        assert ask(APIClient(), "{ orders { results { number } } }").status_code == 401
        wrong = APIClient(headers={"authorization": "Token wrong"})
        assert ask(wrong, "{ orders { results { number } } }").status_code == 401

    def test_strawberrys_view_alone_does_not_know_the_token(self, ann, settings):
        naive = path("graphql/", GraphQLView.as_view(schema=schema.schema))
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [naive]})
        order(ann)
        client = APIClient(headers={"authorization": f"Token {Token.objects.create(user=ann)}"})
        assert ask(client, "{ orders { results { number } } }").json() == {
            "data": {"orders": {"results": []}}
        }

    def test_a_session_without_a_csrf_token_is_refused(self, ann):
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(ann)
        response = ask(client, "{ orders { results { number } } }")
        assert response.status_code == 403
        assert "CSRF" in response.json()["detail"]

    def test_get_is_not_allowed(self, client):
        assert client.get("/graphql/", {"query": "{ orders { results { number } } }"}).status_code == 405

    def test_the_throttle_applies(self, client, monkeypatch):
        monkeypatch.setattr(GraphQLThrottle, "rate", "2/hour")
        assert [ask(client, "{ orders { results { number } } }").status_code for _ in range(3)] == [
            200,
            200,
            429,
        ]

    def test_a_throttle_counts_one_request_with_many_aliases(self, client, monkeypatch):
        monkeypatch.setattr(GraphQLThrottle, "rate", "1/hour")
        query = "{" + " ".join(f"a{n}: orders {{ totalCount }}" for n in range(15)) + "}"
        assert len(ask(client, query).json()["data"]) == 15


class TestWhatAResolverShows:
    def test_strangers_rows_are_in_neither_interface(self, client, ann, bob):
        order(ann, "A-1"), order(bob, "B-1")
        assert ask(client, "{ orders { results { number } } }").json()["data"] == {
            "orders": {"results": [{"number": "A-1"}]}
        }
        assert [row["number"] for row in client.get("/api/orders/").json()] == ["A-1"]

    def test_the_rule_of_a_type_holds_when_it_is_reached_through_a_list(self, ann, bob):
        @strawberry_django.type(models.Product, fields=["name"])
        class SharedProduct:
            lines: OffsetPaginated[schema.Line] = strawberry_django.offset_paginated()

        @strawberry.type
        class Query:
            products: list[SharedProduct] = strawberry_django.field()

        shared = Product.objects.create(name="tea")
        order(ann, "A-1", 1, shared), order(bob, "B-1", 1, shared)
        for extensions in ([], [DjangoOptimizerExtension]):
            result = strawberry.Schema(Query, extensions=extensions).execute_sync(
                "{ products { lines { results { order { number }}}}}", context_value=Context(ann)
            )
            assert result.data == {"products": [{"lines": {"results": [{"order": {"number": "A-1"}}]}}]}

    def test_through_a_foreign_key_the_rule_holds_with_the_optimizer_only(self, ann, bob):
        @strawberry_django.type(models.Line, fields=["quantity"])
        class OpenLine:
            order: schema.Order | None

        @strawberry.type
        class Query:
            lines: list[OpenLine] = strawberry_django.field()

        order(bob, "B-1", 1)
        seen = [
            strawberry.Schema(Query, extensions=extensions)
            .execute_sync("{ lines { order { number }}}", context_value=Context(ann))
            .data["lines"]
            for extensions in ([], [DjangoOptimizerExtension])
        ]
        assert seen == [[{"order": {"number": "B-1"}}], [{"order": None}]]

    def test_a_mutation_reaches_only_what_the_user_sees(self, client, ann, bob):
        mine, other = order(ann), order(bob)
        mutation = 'mutation {{ cancelOrder(id: "{}") {{ status }} }}'
        done = ask(client, mutation.format(mine.pk)).json()
        assert done == {"data": {"cancelOrder": {"status": "cancelled"}}}
        refused = ask(client, mutation.format(other.pk))
        assert messages(refused) == ["Order matching query does not exist."]
        other.refresh_from_db()
        assert other.status == "open"

    def test_a_naive_resolver_shows_everything_to_everybody(self, ann, bob):
        @strawberry_django.type(models.Order, fields="__all__")
        class NaiveOrder:
            pass

        @strawberry.type
        class Query:
            orders: list[NaiveOrder] = strawberry_django.field()

        order(bob, "B-1")
        result = strawberry.Schema(Query).execute_sync(
            "{ orders { number margin } }", context_value=Context(ann)
        )
        assert result.data == {"orders": [{"number": "B-1", "margin": "0.00"}]}

    def test_unlisted_columns_are_no_fields(self, client):
        assert "Cannot query field 'margin'" in messages(ask(client, "{ orders { results { margin } } }"))[0]


class TestLimits:
    def test_a_query_deeper_than_six_is_refused_before_it_runs(self, client, ann, django_assert_num_queries):
        order(ann)
        with django_assert_num_queries(0):
            response = ask(client, DEEP)
        assert response.status_code == 200
        assert messages(response) == ["'anonymous' exceeds maximum operation depth of 6"]

    def test_without_the_limit_the_answer_multiplies_with_each_level(self, ann):
        order(ann, lines=3)
        unlimited = strawberry.Schema(schema.Query)
        result = unlimited.execute_sync(DEEP, context_value=Context(ann))
        assert str(result.data).count("quantity") == 9

    def test_aliases_and_size_are_limited(self, client):
        many = "{" + " ".join(f"a{n}: orders {{ totalCount }}" for n in range(16)) + "}"
        assert messages(ask(client, many)) == ["16 aliases found. Allowed: 15"]
        long = "{" + " ".join("orders { totalCount }" for _ in range(300)) + "}"
        assert "more than 1000 tokens" in messages(ask(client, long))[0]

    def test_a_page_has_at_most_a_hundred_rows_whatever_is_asked_for(self, client, ann):
        Order.objects.bulk_create(Order(owner=ann, number=str(n)) for n in range(105))
        for argument in ("", "(pagination: {limit: 5000})"):
            found = ask(client, f"{{ orders{argument} {{ totalCount results {{ number }}}}}}").json()["data"]
            assert found["orders"]["totalCount"] == 105
            assert len(found["orders"]["results"]) == 100

    def test_the_lines_of_an_order_are_pages_too(self, client, ann):
        made, product = order(ann, lines=0), Product.objects.create(name="P")
        Line.objects.bulk_create(Line(order=made, product=product) for _ in range(105))
        found = ask(client, NESTED).json()["data"]["orders"]["results"]
        assert [len(row["lines"]["results"]) for row in found] == [100]

    def test_a_list_with_pagination_is_unlimited_for_whoever_sends_no_argument(self, ann):
        @strawberry_django.type(models.Order, fields=["number"], pagination=True)
        class ListedOrder:
            pass

        @strawberry.type
        class Query:
            orders: list[ListedOrder] = strawberry_django.field()

        Order.objects.bulk_create(Order(owner=ann, number=str(n)) for n in range(105))
        naive = strawberry.Schema(Query)
        counts = [
            len(naive.execute_sync(query, context_value=Context(ann)).data["orders"])
            for query in ("{ orders { number } }", "{ orders(pagination: {limit: 5000}) { number } }")
        ]
        assert counts == [105, 100]

    def test_introspection_is_off(self, client):
        assert "introspection" in messages(ask(client, "{ __schema { types { name } } }"))[0].lower()


class TestQueries:
    def count(self, schema_, user):
        with CaptureQueriesContext(connection) as queries:
            result = schema_.execute_sync(NESTED, context_value=Context(user))
        assert result.errors is None
        return len(queries)

    def test_the_optimizer_needs_as_many_queries_for_ten_orders_as_for_one(self, ann):
        order(ann)
        one = self.count(schema.schema, ann)
        for _ in range(9):
            order(ann)
        assert self.count(schema.schema, ann) == one

    def test_without_it_each_order_and_each_line_costs_one(self, ann):
        for _ in range(10):
            order(ann)
        naive = strawberry.Schema(schema.Query, extensions=[])
        assert self.count(naive, ann) == 1 + 10 + 30


class TestTheFileForClients:
    def test_it_is_written_although_introspection_is_off(self, tmp_path):
        call_command("export_schema", "shop.schema", "--path", str(tmp_path / "schema.graphql"))
        assert "type Order" in (tmp_path / "schema.graphql").read_text()


class TestErrors:
    def test_the_text_of_an_unexpected_exception_stays_inside(self, client, ann, monkeypatch):
        def broken(user, pk):
            raise RuntimeError("password of the database")

        monkeypatch.setattr("shop.orders.cancel_order", broken)
        response = ask(client, 'mutation { cancelOrder(id: "1") { status } }')
        assert response.status_code == 200
        assert messages(response) == ["Unexpected error."]
