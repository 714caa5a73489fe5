"""Scenario 48: what readers of the reference see, and what a client that reads nothing receives."""

from datetime import UTC, datetime

import pytest
from django.conf import settings as project
from django.test import Client
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import extend_schema, extend_schema_view
from drf_spectacular.validation import validate_schema
from drf_spectacular.views import SpectacularSwaggerView
from rest_framework import generics, permissions, serializers, views, viewsets
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from shop.deprecation import DeprecationMixin
from shop.models import Order
from shop.serializers import OrderSerializer
from shop.views import OrderViewSet, search_is_deprecated

pytestmark = pytest.mark.django_db

NAMES = ("Deprecation", "Sunset", "Link")


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def schema():
    return SchemaGenerator().get_schema(public=True)


def schema_of(view, **patches):
    with patched_settings(patches):
        return SchemaGenerator(patterns=[path("any/", view)]).get_schema(public=True)


class TestTheReference:
    def test_it_is_valid_and_says_deprecated_with_date_and_replacement(self, schema):
        validate_schema(schema)
        operation = schema["paths"]["/orders/search/"]["get"]
        assert operation["deprecated"] is True
        assert operation["x-sunset"] == "2027-06-30"
        assert operation["description"] == (
            "**Deprecated: switched off on 2027-06-30.** Use `GET /orders/?number=`. "
            "[How to migrate](https://docs.example.com/migrate/search)\n\nFind orders by their number."
        )

    def test_the_other_operations_of_the_viewset_are_not_marked(self, schema):
        marked = [
            (path, method)
            for path, operations in schema["paths"].items()
            for method, operation in operations.items()
            if "deprecated" in operation
        ]
        assert marked == [("/orders/search/", "get")]

    def test_the_page_opens_with_what_goes_away(self, schema):
        assert schema["info"]["description"] == (
            "Orders and everything around them.\n\n## Going away\n- 2027-06-30: `GET /orders/search/`"
        )

    def test_without_deprecations_the_page_stays_as_it_is(self):
        class Orders(generics.ListAPIView):
            queryset = Order.objects.all()
            serializer_class = OrderSerializer

        assert schema_of(Orders.as_view())["info"]["description"] == "Orders and everything around them.\n"

    def test_a_template_of_ones_own_adds_a_style(self, settings, tmp_path):
        (tmp_path / "swagger.html").write_text(
            '{% extends "drf_spectacular/swagger_ui.html" %}{% block head %}{{ block.super }}'
            "<style>.swagger-ui .opblock-deprecated { background: #fdd; opacity: 1 }</style>{% endblock %}"
        )
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
        view = SpectacularSwaggerView.as_view(template_name="swagger.html")
        page = view(APIRequestFactory().get("/docs/")).render().content.decode()
        assert page.index("swagger-ui.css") < page.index("opblock-deprecated") < page.index("</head>")
        assert "opblock-deprecated" not in Client().get("/docs/").content.decode()


class TestTheHeaders:
    def test_they_are_those_of_the_answer(self, client):
        response = client.get("/orders/search/?q=A-1")
        assert response.json() == []
        assert {name: response[name] for name in NAMES} == {
            "Deprecation": "@1796083200",
            "Sunset": "Wed, 30 Jun 2027 00:00:00 GMT",
            "Link": '<https://docs.example.com/migrate/search>; rel="deprecation"; type="text/html"',
        }
        assert datetime.fromtimestamp(1796083200, UTC).date() == search_is_deprecated.since
        assert search_is_deprecated.since < search_is_deprecated.sunset

    def test_the_endpoint_still_works(self, client):
        order = Order.objects.create(number="A-1")
        Order.objects.create(number="A-2")
        assert client.get("/orders/search/?q=A-1").json() == [{"id": order.pk, "number": "A-1"}]

    @pytest.mark.parametrize("url", ["/orders/", "/schema/"])
    def test_other_endpoints_have_none(self, client, url):
        response = client.get(url)
        assert response.status_code == 200
        assert not any(name in response for name in NAMES)

    def test_errors_and_head_requests_have_them(self, client, monkeypatch):
        assert "Sunset" in client.head("/orders/search/")
        monkeypatch.setattr(OrderViewSet, "permission_classes", [permissions.IsAdminUser])
        response = client.get("/orders/search/")
        assert response.status_code == 403
        assert all(name in response for name in NAMES)

    def test_another_link_stays(self):
        class Paged(DeprecationMixin, views.APIView):
            @search_is_deprecated
            def get(self, request):
                return Response([], headers={"Link": '</orders/?page=2>; rel="next"'})

        response = Paged.as_view()(APIRequestFactory().get("/"))
        assert response["Link"].startswith('</orders/?page=2>; rel="next", <https://docs.example.com/')

    def test_an_inherited_list_is_overridden_first(self):
        class Old(DeprecationMixin, viewsets.ReadOnlyModelViewSet):
            queryset = Order.objects.all()
            serializer_class = OrderSerializer

            @search_is_deprecated
            def list(self, request):
                return super().list(request)

        response = Old.as_view({"get": "list"})(APIRequestFactory().get("/"))
        assert "Sunset" in response
        assert not hasattr(viewsets.ReadOnlyModelViewSet.list, "deprecated")


class TestMistakes:
    def test_headers_set_in_the_method_are_missing_from_a_400(self):
        class Naive(views.APIView):
            def get(self, request):
                if "q" not in request.query_params:
                    raise serializers.ValidationError("q is missing")
                return Response([], headers={"Sunset": "Wed, 30 Jun 2027 00:00:00 GMT"})

        view = Naive.as_view()
        assert "Sunset" in view(APIRequestFactory().get("/?q=1"))
        assert "Sunset" not in view(APIRequestFactory().get("/"))

    def test_exclude_takes_the_docs_from_those_who_need_them(self):
        @extend_schema_view(get=extend_schema(exclude=True))
        class Hidden(generics.ListAPIView):
            queryset = Order.objects.all()
            serializer_class = OrderSerializer

        assert schema_of(Hidden.as_view())["paths"] == {}

    def test_on_the_class_it_marks_every_operation(self):
        @extend_schema(deprecated=True)
        class All(generics.ListCreateAPIView):
            queryset = Order.objects.all()
            serializer_class = OrderSerializer

        operations = schema_of(All.as_view())["paths"]["/any/"]
        assert [operation["deprecated"] for operation in operations.values()] == [True, True]
        assert operations["get"].keys().isdisjoint({"x-sunset", "description"})

    def test_the_hooks_without_the_default_lose_the_enum_components(self):
        class StatusSerializer(serializers.Serializer):
            status = serializers.ChoiceField(choices=["open", "paid"])

        view = type("Any", (generics.CreateAPIView,), {"serializer_class": StatusSerializer}).as_view()
        both, mine = (
            project.SPECTACULAR_SETTINGS["POSTPROCESSING_HOOKS"],
            ["config.schema_hooks.list_deprecations"],
        )
        assert "StatusEnum" in schema_of(view, POSTPROCESSING_HOOKS=both)["components"]["schemas"]
        assert "StatusEnum" not in schema_of(view, POSTPROCESSING_HOOKS=mine)["components"]["schemas"]
