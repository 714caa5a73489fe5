"""Scenario 42: the API moves on; what refuses the texts that stay behind?"""

import shlex
import shutil
import subprocess

import pytest
import yaml
from customers.models import Customer
from customers.serializers import CustomerSerializer
from customers.test_docs import DocsTests, as_request
from customers.views import CustomerViewSet
from django.db import models
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings
from openapi_core.exceptions import OpenAPIError
from rest_framework import serializers, viewsets
from rest_framework.authtoken.models import Token
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient

GUIDES = "test_the_requests_in_the_guides_fit_the_schema"
SUMMARIES = "test_every_operation_says_what_it_does"


def check(name):
    """Run one test of the answer; it raises what it would report."""
    case = DocsTests(name)
    case.setUp()
    getattr(case, name)()


@pytest.fixture
def guide(settings, tmp_path):
    """Put a guide with this one request in the place of the project's."""

    def write(request):
        (tmp_path / "docs" / "partners").mkdir(parents=True)
        (tmp_path / "docs" / "partners" / "start.md").write_text(f"# Start\n\n```http\n{request}\n```\n")
        settings.BASE_DIR = tmp_path

    return write


def post(body, *headers):
    lines = ["POST /api/customers/ HTTP/1.1", "Host: api.example.com", "Content-Type: application/json"]
    return "\n".join([*lines, *headers, "", body])


TOKEN = "Authorization: Token change-me"


class TestTheGuides:
    def test_a_request_as_it_should_be_passes(self, guide):
        guide(post('{"full_name": "Ada"}', TOKEN))
        check(GUIDES)

    @pytest.mark.parametrize(
        "request_line",
        ["POST /api/clients/ HTTP/1.1", "GET /api/customers/ HTTP/1.1", "GET /api/customers/ada/ HTTP/1.1"],
    )
    def test_a_route_a_method_and_an_id_that_the_api_does_not_have_are_found(self, guide, request_line):
        guide("\n".join([request_line, TOKEN]))
        with pytest.raises(OpenAPIError):
            check(GUIDES)

    @pytest.mark.parametrize(
        "body",
        ['{"name": "Ada"}', '{"full_name": "Ada", "mail": "a@example.com"}', '{"full_name": ["Ada"]}', "{}"],
    )
    def test_a_wrong_body_is_found(self, guide, body):
        guide(post(body, TOKEN))
        with pytest.raises(OpenAPIError):
            check(GUIDES)

    def test_a_request_without_credentials_is_found(self, guide):
        guide(post('{"full_name": "Ada"}'))
        with pytest.raises(OpenAPIError, match="Security"):
            check(GUIDES)

    def test_guides_without_any_request_are_found(self, settings, tmp_path):
        settings.BASE_DIR = tmp_path
        with pytest.raises(AssertionError):
            check(GUIDES)

    def test_a_renamed_field_makes_the_projects_guide_fail(self, monkeypatch):
        check(GUIDES)
        renamed = serializers.CharField(source="full_name")
        monkeypatch.setitem(CustomerSerializer._declared_fields, "name", renamed)
        monkeypatch.setattr(CustomerSerializer.Meta, "fields", ["id", "name", "email"])
        with pytest.raises(OpenAPIError, match="full_name"):
            check(GUIDES)

    @pytest.mark.django_db
    def test_the_test_client_alone_does_not_notice_an_optional_key_that_is_misspelt(self, django_user_model):
        token = Token.objects.create(user=django_user_model.objects.create(username="partner"))
        client = APIClient(headers={"authorization": f"Token {token.key}"})
        body = {"full_name": "Ada", "mail": "ada@example.com"}
        assert client.post("/api/customers/", body).status_code == 201
        assert Customer.objects.get().email == ""

    def test_what_the_guide_says_is_what_is_checked(self):
        request = as_request(post('{"full_name": "Ada"}', TOKEN))
        assert (request.method, request.path, request.body) == (
            "POST",
            "/api/customers/",
            b'{"full_name": "Ada"}',
        )
        assert request.headers["Authorization"] == "Token change-me"


class TestTheWordsInTheCode:
    def test_summary_and_help_text_reach_the_schema(self):
        schema = SchemaGenerator().get_schema(public=True)
        assert schema["paths"]["/api/customers/"]["post"]["summary"] == "Register a customer"
        properties = schema["components"]["schemas"]["Customer"]["properties"]
        assert properties["full_name"]["description"] == "As printed on invoices."

    def test_an_operation_without_words_fails_the_build(self, settings):
        class Silent(viewsets.ReadOnlyModelViewSet):
            queryset = Customer.objects.all()
            serializer_class = CustomerSerializer

        check(SUMMARIES)
        router = SimpleRouter()
        router.register("silent", Silent)
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("api/", include(router.urls))]})
        with pytest.raises(AssertionError, match="GET /api/silent/"):
            check(SUMMARIES)

    def test_help_text_on_a_model_is_a_migration(self):
        words = models.CharField(max_length=200, help_text="As printed on invoices.")
        assert words.deconstruct() != models.CharField(max_length=200).deconstruct()

    def test_an_internal_docstring_is_published_unless_that_is_turned_off(self, monkeypatch):
        monkeypatch.setattr(CustomerViewSet, "__doc__", "Beware of the race, see incident 17.")
        assert "incident 17" in str(SchemaGenerator().get_schema(public=True))
        monkeypatch.setattr(spectacular_settings, "DISABLE_DOCSTRING_DESCRIPTIONS", True)
        assert "incident 17" not in str(SchemaGenerator().get_schema(public=True))


class TestTheHook:
    @pytest.fixture
    def project(self, settings, tmp_path):
        return shutil.copytree(settings.BASE_DIR, tmp_path / "project")

    @staticmethod
    def run(project):
        """What pre-commit does with a local hook: run its entry; a changed file counts as a failure."""
        config = yaml.safe_load((project / ".pre-commit-config.yaml").read_text())
        ((hook,),) = [repo["hooks"] for repo in config["repos"]]
        schema = project / "schema.yml"
        before = schema.read_text() if schema.exists() else None
        done = subprocess.run(shlex.split(hook["entry"]), cwd=project, capture_output=True, check=False)
        return done.returncode == 0 and schema.read_text() == before

    def test_a_changed_serializer_stops_the_commit(self, project):
        assert not self.run(project)  # the first schema.yml
        assert self.run(project)
        file = project / "customers" / "serializers.py"
        file.write_text(
            file.read_text().replace('"email"]', '"email"]\n        read_only_fields = ["email"]')
        )
        assert not self.run(project)
