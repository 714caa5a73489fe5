"""Scenario 1: a field is added; old clients, strict clients and caches are asked what they make of it."""

import jsonschema
import pytest
import yaml
from django.core.management import call_command
from django.db.models import TextChoices
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from rest_framework import renderers, serializers, viewsets
from rest_framework.test import APIClient
from shop import tests as old_clients
from shop.models import Order
from shop.serializers import OrderSerializer
from shop.versions import VersionedOrderViewSet

CONTRACT = old_clients.CONTRACT

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def order():
    return Order.objects.create(
        number="A-1", total="9.50", priority="express", tracking_url="https://parcel.example/1"
    )


def closed(schema):
    """The same contract as a strict client holds it: no key beyond those it knows."""
    return {**schema, "additionalProperties": False}


def serializer_for(fields, **declared):
    meta = type("Meta", (), {"model": Order, "fields": fields})
    return type("Naive", (serializers.ModelSerializer,), {"Meta": meta, **declared})


class TestTheFieldInPlace:
    def test_the_new_key_is_in_the_response(self, client, order):
        assert client.get(f"/orders/{order.pk}/").json() == {
            "id": order.pk,
            "number": "A-1",
            "status": "open",
            "total": "9.50",
            "tracking_url": "https://parcel.example/1",
        }

    def test_a_client_that_sends_it_back_changes_nothing(self, client, order):
        body = {"number": "A-1", "total": "9.50", "tracking_url": "https://evil.example/"}
        assert client.put(f"/orders/{order.pk}/", body).status_code == 200
        order.refresh_from_db()
        assert order.tracking_url == "https://parcel.example/1"

    def test_a_strict_client_rejects_the_very_same_response(self, client, order):
        body = client.get(f"/orders/{order.pk}/").json()
        jsonschema.validate(body, CONTRACT)
        with pytest.raises(jsonschema.ValidationError, match="tracking_url"):
            jsonschema.validate(body, closed(CONTRACT))


class TestTheFieldBehindAVersion:
    @pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json; version=1"])
    def test_whoever_does_not_ask_for_version_2_gets_what_a_strict_client_accepts(
        self, client, order, accept
    ):
        headers = {"accept": accept} if accept else {}
        response = client.get(f"/versioned/orders/{order.pk}/", headers=headers)
        jsonschema.validate(response.json(), closed(CONTRACT))

    def test_version_2_has_the_field(self, client, order):
        response = client.get(
            f"/versioned/orders/{order.pk}/", headers={"accept": "application/json; version=2"}
        )
        assert response.json()["tracking_url"] == "https://parcel.example/1"

    def test_an_unknown_version_is_refused(self, client, order):
        response = client.get(
            f"/versioned/orders/{order.pk}/", headers={"accept": "application/json; version=3"}
        )
        assert response.status_code == 406

    @pytest.mark.parametrize(
        ("version", "expected", "has_field"),
        [
            (None, "application/json", False),
            ("1", "application/json", False),
            ("2", "application/json; version=2", True),
        ],
    )
    def test_each_version_has_its_own_schema(self, version, expected, has_field):
        schema = SchemaGenerator(api_version=version).get_schema(public=True)
        content = schema["paths"]["/versioned/orders/{id}/"]["get"]["responses"]["200"]["content"]
        ((media_type, body),) = content.items()
        component = schema["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
        assert media_type == expected
        assert ("tracking_url" in component["properties"]) is has_field


class TestCachesAndVersions:
    @pytest.fixture
    def json_only(self, monkeypatch):
        monkeypatch.setattr(VersionedOrderViewSet, "renderer_classes", [renderers.JSONRenderer])

    def test_the_answer_varies_on_accept_with_json_alone(self, client, order, json_only):
        assert "Accept" in client.get(f"/versioned/orders/{order.pk}/").headers["Vary"]

    def test_without_the_decorator_drf_says_nothing_about_accept(self, client, order, json_only, settings):
        class Undecorated(viewsets.ModelViewSet):
            queryset = Order.objects.all()
            renderer_classes = (renderers.JSONRenderer,)
            versioning_class = VersionedOrderViewSet.versioning_class
            get_serializer_class = VersionedOrderViewSet.get_serializer_class

        get = Undecorated.as_view({"get": "retrieve"})
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("orders/<int:pk>/", get)]})
        old = client.get(f"/orders/{order.pk}/")
        new = client.get(f"/orders/{order.pk}/", headers={"accept": "application/json; version=2"})
        assert old.json() != new.json()
        assert "Accept" not in old.headers.get("Vary", "")
        assert "Accept" not in new.headers.get("Vary", "")


class TestMistakes:
    def test_a_writable_new_field_makes_old_posts_fail(self):
        naive = serializer_for(["number", "total", "warehouse"])(data={"number": "A-2", "total": "9.50"})
        assert not naive.is_valid()
        assert naive.errors["warehouse"][0].code == "required"

    def test_all_fields_publishes_the_internal_column(self, order):
        assert "fraud_score" in serializer_for("__all__")(order).data
        assert "fraud_score" not in OrderSerializer(order).data

    def test_a_serializer_default_is_written_over_the_stored_value_by_an_old_put(self, order):
        fields = ["number", "total", "priority"]
        declared = serializers.CharField(default="normal")
        naive = serializer_for(fields, priority=declared)(order, data={"number": "A-1", "total": "9.50"})
        naive.is_valid(raise_exception=True)
        assert naive.save().priority == "normal"

    def test_required_false_keeps_the_stored_value(self, order):
        fields = ["number", "total", "priority"]
        declared = serializers.CharField(required=False)
        right = serializer_for(fields, priority=declared)(order, data={"number": "A-1", "total": "9.50"})
        right.is_valid(raise_exception=True)
        right.save()
        order.refresh_from_db()
        assert order.priority == "express"

    def test_read_only_fields_does_not_reach_a_declared_field(self):
        naive = serializer_for(["tracking_url"], tracking_url=serializers.URLField())
        naive.Meta.read_only_fields = ["tracking_url"]
        assert naive().fields["tracking_url"].read_only is False

    def test_a_new_enum_value_and_a_new_null_break_a_client_that_tolerates_new_keys(self, client, order):
        body = client.get(f"/orders/{order.pk}/").json()
        for change in ({"status": "returned"}, {"total": None}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**body, **change}, CONTRACT)

    def test_the_contract_test_of_the_answer_fails_when_a_status_is_added(self, client, monkeypatch):
        monkeypatch.setattr(Order, "Status", TextChoices("Status", "open paid shipped returned"))
        case = old_clients.OldClientTests("test_every_status_still_validates")
        case.client = client
        with pytest.raises(jsonschema.ValidationError, match="returned"):
            case.test_every_status_still_validates()


class TestTheSchemaInCI:
    def test_the_command_of_the_answer_shows_that_requests_stay_as_they_were(self, tmp_path):
        file = tmp_path / "schema.yml"
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
        components = yaml.safe_load(file.read_text())["components"]["schemas"]
        field = components["Order"]["properties"]["tracking_url"]
        assert (field["readOnly"], field["nullable"]) == (True, True)
        assert "status" not in components["Order"]["required"]  # so only the contract test guards it
        assert "status" in CONTRACT["required"]
        assert writable(components["Order"]) == writable(components["OrderV1"])


def writable(component):
    """The properties that a request may carry, each with whether it must."""
    return {
        name: name in component["required"]
        for name, schema in component["properties"].items()
        if not schema.get("readOnly")
    }
