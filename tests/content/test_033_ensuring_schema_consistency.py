"""Scenario 33: views and schema are made to part, and each test of the answer is asked whether it notices."""

import os

import pytest
from django.core.management import CommandError, call_command
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.paths.exceptions import PathNotFound
from openapi_core.validation.response.exceptions import InvalidData
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from tickets import contract
from tickets.contract import ContractClient
from tickets.models import Ticket
from tickets.serializers import StaffTicketSerializer, TicketSerializer
from tickets.test_api import TicketTests
from tickets.test_schema import SchemaTests


@pytest.fixture(autouse=True)
def a_fresh_contract():
    """The views change from test to test, so what was cached of them goes."""
    clear = contract.contract.cache_clear
    clear()
    yield
    clear()


@pytest.fixture
def client():
    return ContractClient()


@pytest.fixture
def ticket(db):
    return Ticket.objects.create(subject="Paper jam", internal_note="again")


@pytest.fixture
def serve(settings):
    """Put a naive view in the place of the answer's."""

    def mount(view):
        if issubclass(view, viewsets.ViewSetMixin):
            router = SimpleRouter()
            router.register("tickets", view)
            patterns = [path("api/", include(router.urls))]
        else:
            patterns = [path("api/tickets/<int:pk>/", view.as_view())]
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": patterns})

    return mount


def run(test_case, name):
    """Run one test of the answer: it raises what it would report."""
    getattr(test_case(name), name)()


def nothing_to_warn_of():
    """The command of the answer is content."""
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)


class ByRole(viewsets.ModelViewSet):
    """Which serializer it is depends on the user, and nobody told the generator."""

    queryset = Ticket.objects.order_by("pk")

    def get_serializer_class(self):
        return StaffTicketSerializer if self.request.user.is_staff else TicketSerializer


class TestTheCommittedFile:
    CURRENT = "test_the_committed_schema_is_what_the_code_says"

    def test_a_new_field_in_a_serializer_fails_the_build(self, monkeypatch):
        run(SchemaTests, self.CURRENT)
        monkeypatch.setattr(TicketSerializer.Meta, "fields", ["id", "subject", "state", "internal_note"])
        with pytest.raises(AssertionError, match="internal_note"):
            run(SchemaTests, self.CURRENT)

    def test_a_file_edited_by_hand_fails_the_build(self, settings, tmp_path):
        text = (settings.BASE_DIR / "schema.yml").read_text()
        (tmp_path / "schema.yml").write_text(text.replace("maxLength: 200", "maxLength: 50"))
        settings.BASE_DIR = tmp_path
        with pytest.raises(AssertionError, match="maxLength"):
            run(SchemaTests, self.CURRENT)

    def test_a_removed_route_fails_even_when_the_file_was_regenerated(self, serve):
        class ReadOnly(viewsets.ReadOnlyModelViewSet):
            queryset = Ticket.objects.all()
            serializer_class = TicketSerializer

        run(SchemaTests, "test_what_clients_rely_on_is_there")
        serve(ReadOnly)
        with pytest.raises(AssertionError, match="post"):
            run(SchemaTests, "test_what_clients_rely_on_is_there")

    def test_a_method_field_without_a_type_is_an_error(self, serve, tmp_path, capsys):
        class Guessed(TicketSerializer):
            age = serializers.SerializerMethodField()

            class Meta(TicketSerializer.Meta):
                fields = ["id", "age"]

            def get_age(self, ticket):
                return [ticket.pk]

        class Tickets(viewsets.ReadOnlyModelViewSet):
            queryset = Ticket.objects.all()
            serializer_class = Guessed

        serve(Tickets)
        file = ["--file", str(tmp_path / "schema.yml")]
        call_command("spectacular", *file)
        assert 'unable to resolve type hint for function "get_age"' in capsys.readouterr().err
        with pytest.raises(CommandError, match="Failing as requested due to warnings"):
            call_command("spectacular", "--fail-on-warn", *file)


class TestTheContractClient:
    def test_every_action_of_the_answers_view_keeps_the_contract(self, client, ticket):
        created = client.post("/api/tickets/", {"subject": "No toner"})
        assert created.status_code == 201
        url = f"/api/tickets/{created.json()['id']}/"
        assert len(client.get("/api/tickets/").json()) == 2
        assert client.patch(url, {"subject": "Toner"}, format="json").json()["subject"] == "Toner"
        assert client.put(url, {"subject": "Toner!"}).status_code == 200
        assert client.post(f"{url}solve/").json() == {"state": "solved"}
        assert client.options(url).status_code == 200
        assert client.delete(url).status_code == 204

    def test_errors_are_not_documented_so_they_pass(self, client, ticket):
        assert "404" not in str(SchemaGenerator().get_schema(public=True))
        assert client.get("/api/tickets/0/").status_code == 404
        assert client.post("/api/tickets/", {}).status_code == 400

    def test_an_action_that_nobody_declared_is_found(self, serve, ticket):
        class Undeclared(viewsets.ModelViewSet):
            queryset = Ticket.objects.all()
            serializer_class = TicketSerializer

            @action(detail=True, methods=["post"])
            def solve(self, request, pk):
                return Response({"state": "solved"})

        serve(Undeclared)
        nothing_to_warn_of()
        case = TicketTests("test_a_ticket_can_be_solved")
        case.client = ContractClient()
        with pytest.raises(InvalidData, match="'id' is a required property"):
            case.test_a_ticket_can_be_solved()

    def test_a_serializer_that_depends_on_the_user_is_found(self, client, serve, ticket, django_user_model):
        serve(ByRole)
        nothing_to_warn_of()
        assert client.get("/api/tickets/").status_code == 200
        client.force_authenticate(django_user_model.objects.create(username="staff", is_staff=True))
        with pytest.raises(InvalidData, match="'internal_note' was unexpected"):
            client.get("/api/tickets/")

    def test_a_documented_key_that_never_arrives_is_found(self, client, serve, ticket):
        class Forgetful(TicketSerializer):
            def to_representation(self, instance):
                return {"id": instance.pk, "subject": instance.subject}

        class Tickets(viewsets.ReadOnlyModelViewSet):
            queryset = Ticket.objects.all()
            serializer_class = Forgetful

        serve(Tickets)
        with pytest.raises(InvalidData, match="'state' is a required property"):
            client.get(f"/api/tickets/{ticket.pk}/")

    def test_an_undocumented_route_is_found(self, client, serve, ticket):
        @extend_schema(exclude=True)
        class Hidden(APIView):
            def get(self, request, pk):
                return Response({})

        serve(Hidden)
        with pytest.raises(PathNotFound):
            client.get(f"/api/tickets/{ticket.pk}/")

    @pytest.mark.parametrize("sent", [{"debug": 1}, {"state": ["open"]}])
    def test_a_hand_made_schema_that_is_wrong_is_believed_by_the_generator_only(
        self, client, serve, ticket, sent
    ):
        class HandMade(APIView):
            @extend_schema(responses=TicketSerializer)
            def get(self, request, pk):
                return Response({**TicketSerializer(ticket).data, **sent})

        serve(HandMade)
        nothing_to_warn_of()
        with pytest.raises(InvalidData):
            client.get(f"/api/tickets/{ticket.pk}/")

    @pytest.mark.parametrize("sent", [{"debug": 1}, {"state": None}])
    def test_with_the_defaults_of_openapi_core_both_lies_pass(self, client, serve, ticket, monkeypatch, sent):
        class HandMade(APIView):
            @extend_schema(responses=TicketSerializer)
            def get(self, request, pk):
                body = {**TicketSerializer(ticket).data, **sent}
                return Response({key: value for key, value in body.items() if value is not None})

        serve(HandMade)
        with pytest.raises(OpenAPIError):
            client.get(f"/api/tickets/{ticket.pk}/")
        lax = OpenAPI.from_dict(SchemaGenerator().get_schema(public=True))
        monkeypatch.setattr(contract, "contract", lambda: lax)
        assert client.get(f"/api/tickets/{ticket.pk}/").status_code == 200


class TestVariantsByRole:
    def declared(self, staff_serializer):
        variants = PolymorphicProxySerializer(
            component_name="TicketByRole",
            serializers=[TicketSerializer, staff_serializer],
            resource_type_field_name=None,
        )
        return extend_schema(responses=variants)(type("Declared", (ByRole,), {}))

    @pytest.fixture
    def get(self, client, serve, ticket, monkeypatch):
        """What anonymous users get, validated as a client does: by JSON Schema, with no stricter policy."""

        def validated(view):
            serve(view)
            lax = OpenAPI.from_dict(SchemaGenerator().get_schema(public=True))
            monkeypatch.setattr(contract, "contract", lambda: lax)
            return client.get(f"/api/tickets/{ticket.pk}/")

        return validated

    def test_a_body_that_fits_two_variants_is_invalid(self, get):
        with pytest.raises(InvalidData, match="valid under each of"):
            get(self.declared(StaffTicketSerializer))

    def test_a_required_field_of_its_own_tells_them_apart(self, get):
        class Distinct(StaffTicketSerializer):
            class Meta(StaffTicketSerializer.Meta):
                read_only_fields = ["internal_note"]

        assert get(self.declared(Distinct)).status_code == 200


class TestAVersionFromTheEnvironment:
    def test_the_file_is_red_on_the_other_machine(self, monkeypatch):
        monkeypatch.setattr(spectacular_settings, "VERSION", "build-4711")
        with pytest.raises(AssertionError, match="build-4711"):
            run(SchemaTests, TestTheCommittedFile.CURRENT)
