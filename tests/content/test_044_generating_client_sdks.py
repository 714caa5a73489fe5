"""Scenario 44: a client is generated, with and without the advice, and calls the live API."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import models
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema
from rest_framework import serializers, viewsets
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken
from sdk import tests as pipeline
from shop.models import Order
from shop.serializers import OrderSerializer
from shop.views import OrderViewSet

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def shop_client():
    if not Path("build/python").exists():
        pipeline.setUpModule()
    return importlib.import_module("shop_client")


@pytest.fixture
def token():
    return str(AccessToken.for_user(get_user_model().objects.create_user("bob")))


@pytest.fixture
def orders(shop_client, live_server, token):
    configuration = shop_client.Configuration(host=live_server.url, access_token=token)
    with shop_client.ApiClient(configuration) as client:
        yield shop_client.OrdersApi(client)


class NaiveViewSet(viewsets.ModelViewSet):
    """The same endpoint without a word for generators."""

    queryset = Order.objects.order_by("pk")
    serializer_class = OrderSerializer


def schema_of(prefix="api/", viewset=NaiveViewSet, **patches):
    router = DefaultRouter()
    router.register("orders", viewset)
    urls = [path(prefix, include(router.urls))]
    with patched_settings({"COMPONENT_SPLIT_REQUEST": False} | patches):
        return SchemaGenerator(patterns=urls).get_schema(public=True)


def operation_ids(schema):
    return {
        operation["operationId"] for methods in schema["paths"].values() for operation in methods.values()
    }


class TestTheGeneratedClient:
    def test_it_creates_reads_and_lists(self, shop_client, orders):
        created = orders.create_order(shop_client.OrderRequest(number="B-1", total="9.50"))
        assert orders.get_order(created.id) == created
        assert Order.objects.get(pk=created.id).number == "B-1"
        page = orders.list_orders()
        assert [order.number for order in page.results] == ["B-1"]

    def test_without_a_token_it_raises(self, shop_client, live_server):
        with shop_client.ApiClient(shop_client.Configuration(host=live_server.url)) as client:
            with pytest.raises(shop_client.exceptions.UnauthorizedException):
                shop_client.OrdersApi(client).list_orders()

    def test_the_version_is_that_of_the_release(self, shop_client):
        assert shop_client.__version__ == "1.4.0"
        package = tomllib.loads(Path("build/python/pyproject.toml").read_text())
        assert package["project"]["version"] == "1.4.0"

    def test_its_readme_has_the_install_line_and_the_methods(self, shop_client):
        readme = Path("build/python/README.md").read_text()
        assert "pip install git+https://github.com/example/shop-client-python.git" in readme
        for name in ("list_orders", "create_order", "get_order"):
            assert f"[**{name}**]" in readme

    def test_a_value_it_does_not_know_makes_it_refuse_the_response(self, orders, monkeypatch):
        order = Order.objects.create(number="B-2", total="9.50", status="returned")
        monkeypatch.setattr(
            OrderSerializer, "_declared_fields", {"status": serializers.CharField(read_only=True)}
        )
        with pytest.raises(ValueError, match="returned"):
            orders.get_order(order.pk)

    def test_only_the_caller_can_limit_the_time(self, orders, monkeypatch):
        waits = []
        pool = orders.api_client.rest_client.pool_manager

        def record(*args, timeout, **kwargs):
            waits.append(timeout)
            return request(*args, timeout=timeout, **kwargs)

        request = pool.request
        monkeypatch.setattr(pool, "request", record)
        orders.list_orders()
        orders.list_orders(_request_timeout=10)
        assert waits[0] is None
        assert waits[1].total == 10


class TestWithoutTheAdvice:
    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        return tmp_path_factory.mktemp("naive")

    @pytest.fixture(scope="class")
    def naive(self, folder):
        """A client from the default schema, in a folder with a README of its own."""
        (folder / "README.md").write_text("written by hand")
        (folder / ".openapi-generator-ignore").write_text("README.md\n")
        (folder / "schema.yml").write_text(yaml.safe_dump(schema_of()))
        subprocess.run(
            "openapi-generator-cli generate -i schema.yml -g python -o . --package-name naive_client".split(),
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        sys.path.insert(0, str(folder))
        yield importlib.import_module("naive_client")
        sys.path.remove(str(folder))

    def test_a_new_order_needs_an_invented_id(self, naive, shop_client):
        with pytest.raises(ValueError, match=r"id\n  Field required"):
            naive.Order(number="B-3", total="9.50")
        assert "id" not in shop_client.OrderRequest.model_fields

    def test_a_file_in_the_ignore_list_is_not_overwritten(self, naive, folder):
        assert (folder / "README.md").read_text() == "written by hand"
        assert (folder / "setup.py").exists()

    def test_its_version_is_not_that_of_the_api(self, naive):
        assert naive.__version__ == "1.0.0" != project.SPECTACULAR_SETTINGS["VERSION"]


def enums(statuses):
    """The names of the enums in the schema of an API whose serializers have these choices of status."""
    urls = []
    for name, choices in statuses.items():
        fields = {"status": serializers.ChoiceField(choices=choices)}
        serializer = type(f"{name}Serializer", (serializers.Serializer,), fields)
        view = type(name, (NaiveViewSet,), {"serializer_class": serializer})
        urls.append(path(f"{name.lower()}/", view.as_view({"get": "list"})))
    schemas = SchemaGenerator(patterns=urls).get_schema(public=True)["components"]["schemas"]
    return {name for name, schema in schemas.items() if "enum" in schema}


class TestNames:
    def test_a_route_that_moves_renames_the_methods(self):
        other = {"SCHEMA_PATH_PREFIX": "/api"}
        before = operation_ids(schema_of("api/", **other))
        after = operation_ids(schema_of("api/shop/", **other))
        assert "orders_retrieve" in before
        assert "shop_orders_retrieve" in after
        assert not before & after

    def test_a_chosen_name_stays_where_it_is(self):
        ids = [operation_ids(schema_of(prefix, OrderViewSet)) for prefix in ("api/", "api/shop/")]
        assert ids[0] == ids[1] == {"list_orders", "create_order", "get_order"}

    def test_a_second_status_renames_the_first(self):
        assert enums({"Parcel": ["packed", "on_the_way"]}) == {"StatusEnum"}
        assert enums({"Parcel": ["packed", "on_the_way"], "Refund": ["asked", "granted"]}) == {
            "ParcelStatusEnum",
            "RefundStatusEnum",
        }

    def test_a_status_with_a_name_of_its_own_keeps_it(self):
        assert enums({"Order": Order.Status.choices}) == {"OrderStatusEnum"}
        assert enums({"Order": Order.Status.choices, "Parcel": ["packed", "on_the_way"]}) == {
            "OrderStatusEnum",
            "ParcelStatusEnum",
        }

    def test_the_overrides_reach_a_nested_choices_class(self):
        assert issubclass(Order.Status, models.TextChoices)
        validate_schema(SchemaGenerator().get_schema(public=True))


class TestTheRest:
    def test_a_view_without_a_serializer_leaves_a_method_that_returns_nothing(self, capsys, monkeypatch):
        class Totals(APIView):
            def get(self, request):
                return Response({"total": "9.50"})

        assert Totals().get(None).data
        urls = ModuleType("totals_urls")
        urls.urlpatterns = [path("totals/", Totals.as_view())]
        monkeypatch.setitem(sys.modules, urls.__name__, urls)
        schema = SchemaGenerator(patterns=urls.urlpatterns).get_schema(public=True)
        assert schema["paths"]["/totals/"]["get"]["responses"] == {"200": {"description": "No response body"}}
        with pytest.raises(CommandError, match="Failing as requested"):
            call_command("spectacular", "--fail-on-warn", "--urlconf", urls.__name__)
        assert "unable to guess serializer" in capsys.readouterr().err
