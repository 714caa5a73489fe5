"""Scenario 89: implementations leave the contract, each in another way, and each is found."""

import pytest
from config import urls
from django.urls import path
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_spec_validator import validate
from rest_framework import generics, serializers
from rest_framework.response import Response
from rest_framework.test import APIClient
from tickets import contract
from tickets.models import Ticket
from tickets.tests import ContractTests
from tickets.views import TicketList, TicketSerializer

pytestmark = pytest.mark.django_db

URL = "/api/tickets/"


@pytest.fixture
def client():
    return contract.ContractClient()


@pytest.fixture
def ticket():
    return Ticket.objects.create(subject="Jam", internal_note="rude")


@pytest.fixture
def implement(monkeypatch, settings):
    """Replaces the implementation behind the URL; the contract stays."""

    def replace(view, *more):
        patterns = [path("api/tickets/", view.as_view()), *more]
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": patterns})

    return replace


def view_with(fields, **declared):
    meta = type("Meta", (), {"model": Ticket, "fields": fields})
    serializer = type("Changed", (serializers.ModelSerializer,), {"Meta": meta, **declared})
    return type("View", (TicketList,), {"serializer_class": serializer})


class TestTheImplementation:
    def test_the_document_is_valid(self):
        validate(contract.SPEC)

    def test_what_keeps_to_the_contract_passes(self, client, ticket):
        assert client.get(URL).json() == [{"id": ticket.pk, "subject": "Jam", "state": "open"}]
        assert client.post(URL, {"subject": "New"}, format="json").status_code == 201

    def test_a_refusal_is_validated_too(self, client):
        response = client.post(URL, {"subject": "New", "colour": "red"}, format="json")
        assert (response.status_code, response.json()) == (400, {"colour": ["Not a field of a ticket."]})


class TestLeavingTheContract:
    @pytest.mark.parametrize(
        "view",
        [
            view_with(["id", "subject", "state", "internal_note"]),
            view_with(["id", "subject"]),
            view_with(["id", "subject", "state"], id=serializers.CharField()),
        ],
        ids=["a key more", "a key less", "another type"],
    )
    def test_a_changed_response_fails(self, client, ticket, implement, view):
        implement(view)
        assert APIClient().get(URL).status_code == 200
        with pytest.raises(OpenAPIError):
            client.get(URL)

    def test_a_state_that_was_not_agreed_fails(self, client):
        Ticket.objects.create(subject="Jam", state="lost")
        with pytest.raises(OpenAPIError):
            client.get(URL)

    def test_an_undocumented_status_fails(self, client, implement):
        class Conflict(TicketList):
            def post(self, request):
                return Response({"subject": ["taken"]}, status=409)

        implement(Conflict)
        with pytest.raises(OpenAPIError, match="Unknown response http status: 409"):
            client.post(URL, {"subject": "Jam"}, format="json")

    @pytest.mark.parametrize("body", [{"subject": "x" * 81}, {"subject": "Jam", "colour": "red"}])
    def test_a_view_that_accepts_what_the_contract_forbids_fails(self, client, implement, body):
        class Lenient(serializers.ModelSerializer):
            class Meta:
                model = Ticket
                fields = TicketSerializer.Meta.fields
                read_only_fields = ("state",)

            def to_representation(self, instance):
                # So that only the request is at fault.
                return {**super().to_representation(instance), "subject": "fine"}

        class LenientView(generics.ListCreateAPIView):
            queryset = Ticket.objects.all()
            serializer_class = Lenient

        implement(LenientView)
        assert APIClient().post(URL, body, format="json").status_code == 201
        with pytest.raises(OpenAPIError):
            client.post(URL, body, format="json")


class TestTheSameOperations:
    def run(self):
        case = ContractTests("test_code_and_contract_name_the_same_operations")
        case.test_code_and_contract_name_the_same_operations()

    def test_a_route_that_nobody_agreed_on_fails(self, monkeypatch):
        extra = path("api/tickets/export/", TicketList.as_view())
        monkeypatch.setattr(urls, "urlpatterns", [*urls.urlpatterns, extra])
        with pytest.raises(AssertionError, match="export"):
            self.run()

    def test_a_promised_operation_that_is_not_built_fails(self, monkeypatch):
        read_only = type("ReadOnly", (generics.ListAPIView,), {"queryset": TicketList.queryset})
        read_only.serializer_class = TicketSerializer
        monkeypatch.setattr(urls, "urlpatterns", [path("api/tickets/", read_only.as_view())])
        with pytest.raises(AssertionError, match="post"):
            self.run()


class TestMistakes:
    def test_open_objects_let_a_leak_pass(self, client, ticket, implement, monkeypatch):
        schemas = contract.SPEC["components"]["schemas"]
        opened = {name: {**schema, "additionalProperties": True} for name, schema in schemas.items()}
        spec = {**contract.SPEC, "components": {"schemas": opened}}
        monkeypatch.setattr(contract, "CONTRACT", OpenAPI.from_dict(spec))
        implement(view_with(["id", "subject", "state", "internal_note"]))
        assert client.get(URL).json()[0]["internal_note"] == "rude"

    def test_the_model_alone_accepts_more_than_was_agreed(self):
        serializer = view_with(["subject"]).serializer_class(data={"subject": "x" * 200})
        assert serializer.is_valid()
