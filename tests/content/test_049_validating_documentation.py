"""Scenario 49: faults are planted in a generated document; which check finds which?"""

import sys
from copy import deepcopy
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.validation import validate_schema
from jsonschema import Draft7Validator, ValidationError
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator, validate
from openapi_spec_validator.__main__ import main
from rest_framework import generics, serializers
from rest_framework.test import APIClient
from shop.models import Order
from shop.serializers import OrderSerializer

RULES = yaml.safe_load(Path(".spectral.yaml").read_text())["rules"]
LIST, ONE = "/api/orders/", "/api/orders/{id}/"


@pytest.fixture
def document():
    return deepcopy(SchemaGenerator().get_schema(public=True))


def no_responses(document):
    del document["paths"][LIST]["get"]["responses"]


def unknown_type(document):
    document["components"]["schemas"]["Order"]["properties"]["number"]["type"] = "str"


def duplicate_id(document):
    operations = document["paths"][LIST]
    operations["post"]["operationId"] = operations["get"]["operationId"]


def dangling_ref(document):
    del document["components"]["schemas"]["Error"]


def undeclared_parameter(document):
    document["paths"][ONE]["get"]["parameters"] = []


def wrong_example(document):
    content = document["paths"][LIST]["post"]["requestBody"]["content"]
    content["application/json"]["example"] = {"number": 5}


def unknown_scheme(document):
    document["paths"][LIST]["get"]["security"] = [{"nope": []}]


class TestWhichCheckFindsWhat:
    """The table of the answer, but for the linters, which need Node."""

    @pytest.mark.parametrize("fault", [no_responses, unknown_type])
    def test_structure_is_found_by_both(self, document, fault):
        fault(document)
        with pytest.raises(ValidationError):
            validate_schema(document)
        assert by_command_line(document) > 0

    @pytest.mark.parametrize("fault", [duplicate_id, dangling_ref, undeclared_parameter])
    def test_meaning_is_found_by_the_validator_only(self, document, fault):
        fault(document)
        validate_schema(document)
        assert by_command_line(document) > 0

    @pytest.mark.parametrize("fault", [wrong_example, unknown_scheme])
    def test_examples_and_security_are_found_by_neither(self, document, fault):
        fault(document)
        validate_schema(document)
        validate(document)

    def test_without_a_fault_both_are_content(self, document):
        validate_schema(document)
        assert by_command_line(document) == 0


def by_command_line(document):
    """The exit code of `openapi-spec-validator planted.yml`."""
    Path("planted.yml").write_text(yaml.safe_dump(plain(document)))
    try:
        main(["planted.yml"])
    except SystemExit as stop:
        return stop.code
    return 0


def plain(node):
    """The document as a file has it."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(item) for item in node]
    return node if isinstance(node, bool | int | float | None) else str(node)


class TestTheGenerator:
    def test_the_commands_of_the_answer_pass(self, tmp_path):
        file = tmp_path / "schema.yml"
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
        written = yaml.safe_load(file.read_text())
        assert written["openapi"] == "3.0.3"
        assert "&id" not in file.read_text()  # the error is written out, not as an alias

    @pytest.mark.django_db
    def test_every_operation_names_its_errors_and_they_are_like_that(self, document):
        error = document["components"]["schemas"]["Error"]
        for operations in document["paths"].values():
            for operation in operations.values():
                content = operation["responses"]["4XX"]["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Error"}
        for response in (APIClient().post(LIST, {}), APIClient().get("/api/orders/1/")):
            assert 400 <= response.status_code < 500
            Draft7Validator(error).validate(response.json())

    def test_without_the_hook_no_operation_has_an_error(self):
        with patched_settings({"POSTPROCESSING_HOOKS": []}):
            document = SchemaGenerator().get_schema(public=True)
        found = {
            code for ops in document["paths"].values() for op in ops.values() for code in op["responses"]
        }
        assert found == {"200", "201"}

    def test_colliding_ids_are_numbered_with_a_warning(self, capsys):
        @extend_schema(operation_id="orders")
        class Orders(generics.ListAPIView):
            queryset = Order.objects.all()
            serializer_class = OrderSerializer

        urls = [path("a/", Orders.as_view()), path("b/", Orders.as_view())]
        document = SchemaGenerator(patterns=urls).get_schema(public=True)
        ids = [operations["get"]["operationId"] for operations in document["paths"].values()]
        assert len(set(ids)) == 2
        assert "collision" in capsys.readouterr().err
        validate(document)

    def test_a_raw_dict_goes_through_unless_validated(self, monkeypatch, tmp_path):
        class Orders(generics.CreateAPIView):
            serializer_class = OrderSerializer

            @extend_schema(request={"application/json": {"type": "str"}})
            def post(self, request):
                return super().post(request)

        urls = ModuleType("raw_urls")
        urls.urlpatterns = [path("any/", Orders.as_view())]
        monkeypatch.setitem(sys.modules, urls.__name__, urls)
        arguments = ["--urlconf", urls.__name__, "--file", str(tmp_path / "schema.yml")]
        call_command("spectacular", *arguments)
        with pytest.raises((ValidationError, CommandError)):
            call_command("spectacular", "--validate", *arguments)

    def test_3_1_writes_null_as_a_type_and_each_version_is_valid_as_itself(self):
        class NoteSerializer(serializers.Serializer):
            text = serializers.CharField(allow_null=True)

        view = type("Notes", (generics.CreateAPIView,), {"serializer_class": NoteSerializer}).as_view()
        texts = []
        for version, validator in (("3.0.3", OpenAPIV30SpecValidator), ("3.1.0", OpenAPIV31SpecValidator)):
            with patched_settings({"OAS_VERSION": version}):
                document = SchemaGenerator(patterns=[path("notes/", view)]).get_schema(public=True)
            assert document["openapi"] == version
            validate(document, cls=validator)
            texts.append(document["components"]["schemas"]["Note"]["properties"]["text"])
        assert texts == [{"type": "string", "nullable": True}, {"type": ["string", "null"]}]


class TestTheRules:
    """What the rules demand; Spectral itself is no Python program."""

    def test_the_document_has_a_summary_and_a_described_tag_everywhere(self, document):
        described = {tag["name"] for tag in document["tags"] if tag["description"]}
        for operations in document["paths"].values():
            for operation in operations.values():
                assert operation["summary"]
                assert set(operation["tags"]) <= described

    @pytest.mark.parametrize(
        ("codes", "right"),
        [(["200"], False), (["200", "500"], False), (["200", "4XX"], True), (["404"], True)],
    )
    def test_the_rule_for_errors_wants_a_4xx(self, codes, right):
        rule = RULES["documents-an-error"]["then"]["functionOptions"]["schema"]
        assert Draft7Validator(rule).is_valid({code: {} for code in codes}) is right

    def test_every_rule_of_the_house_is_an_error(self):
        own = [rule for rule in RULES.values() if rule != "off"]
        assert [rule["severity"] for rule in own] == ["error"] * 3
