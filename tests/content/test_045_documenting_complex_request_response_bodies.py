"""Scenario 45: what reaches the schema, what does not, and whether the API does what the schema says."""

import pytest
import rest_framework
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from drf_spectacular.validation import validate_schema
from jsonschema import Draft4Validator
from quotes.fields import CardSerializer, SepaSerializer
from quotes.serializers import BY_BANK, ONE_CAR, QuoteSerializer
from quotes.views import NO_DRIVER
from rest_framework import generics, serializers
from rest_framework.test import APIClient


@pytest.fixture
def schema():
    return SchemaGenerator().get_schema(public=True)


@pytest.fixture
def components(schema):
    return schema["components"]["schemas"]


def post(body):
    return APIClient().post("/quotes/", body, format="json")


def schema_of(serializer_class, view=generics.CreateAPIView, **patches):
    view = type("AnyView", (view,), {"serializer_class": serializer_class, "queryset": []})
    with patched_settings(patches):
        return SchemaGenerator(patterns=[path("any/", view.as_view())]).get_schema(public=True)


class TestTheSchema:
    def test_it_is_valid_and_without_a_warning(self, schema, capsys):
        validate_schema(schema)
        assert capsys.readouterr().err == ""

    def test_docstrings_and_help_texts_are_in_it_at_every_depth(self, components):
        assert components["QuoteRequest"]["description"].startswith("What an insurance would cost")
        vehicles = components["QuoteRequest"]["properties"]["vehicles"]
        assert vehicles == {
            "type": "array",
            "items": {"$ref": "#/components/schemas/VehicleRequest"},
            "description": "All in one contract.",
        }
        assert components["VehicleRequest"]["properties"]["drivers"]["description"] == "At least one."
        driver = components["DriverRequest"]
        assert driver["description"] == "A person who drives the vehicle, the owner included."
        assert driver["properties"]["licence_since"]["description"] == "The first licence, not this card."

    def test_payment_is_one_of_two_shapes_told_apart_by_kind(self, components):
        assert components["PaymentRequest"] == {
            "oneOf": [
                {"$ref": "#/components/schemas/CardRequest"},
                {"$ref": "#/components/schemas/SepaRequest"},
            ],
            "discriminator": {
                "propertyName": "kind",
                "mapping": {
                    "card": "#/components/schemas/CardRequest",
                    "sepa": "#/components/schemas/SepaRequest",
                },
            },
        }
        assert components["QuoteRequest"]["properties"]["payment"]["description"]

    def test_the_json_field_lists_its_keys(self, components):
        assert components["QuoteRequest"]["properties"]["options"]["allOf"] == [
            {"$ref": "#/components/schemas/OptionsRequest"}
        ]
        assert "winter_tyres" in components["OptionsRequest"]["properties"]

    def test_the_examples_stand_where_they_belong(self, schema):
        operation = schema["paths"]["/quotes/"]["post"]
        request = operation["requestBody"]["content"]["application/json"]["examples"]
        responses = operation["responses"]
        assert {name: example["value"] for name, example in request.items()} == {
            "OneCar,ByCard": ONE_CAR,
            "TheSame,ByBank": BY_BANK,
        }
        assert list(responses["201"]["content"]["application/json"]["examples"]) == ["Priced"]
        (error,) = responses["400"]["content"]["application/json"]["examples"].values()
        assert error["value"] == NO_DRIVER.value

    @pytest.mark.parametrize(
        ("body", "right"),
        [
            (ONE_CAR, True),
            (BY_BANK, True),
            ({**ONE_CAR, "payment": {"kind": "card", "mandate": "M-1"}}, False),
            ({**ONE_CAR, "payment": {"kind": "cash"}}, False),
            ({**ONE_CAR, "options": {"winter_tyres": "maybe"}}, False),
        ],
    )
    def test_schema_and_api_agree_on_a_body(self, schema, body, right):
        by_schema = Draft4Validator({**schema, "$ref": "#/components/schemas/QuoteRequest"}).is_valid(body)
        assert (by_schema, post(body).status_code) == (right, 201 if right else 400)

    def test_swagger_ui_opens_the_fields(self):
        page = Client().get("/docs/").content.decode()
        for setting in (
            '"defaultModelRendering": "model"',
            '"defaultModelExpandDepth": 5',
            '"deepLinking": true',
        ):
            assert setting in page


class TestTheApi:
    def test_the_answer_is_the_documented_one(self):
        (priced,) = [e for e in QuoteSerializer._spectacular_annotation["examples"] if e.name == "Priced"]
        response = post(ONE_CAR)
        assert (response.status_code, response.json()) == (201, priced.value)

    def test_the_error_is_the_documented_one(self):
        car = ONE_CAR["vehicles"][0]
        response = post({**ONE_CAR, "vehicles": [car, {**car, "drivers": []}]})
        assert rest_framework.VERSION >= "3.18"
        assert (response.status_code, response.json()) == (400, NO_DRIVER.value)

    @pytest.mark.parametrize("payment", [None, "card", {}, {"kind": ["card"]}, {"kind": "cash"}])
    def test_a_payment_of_no_known_kind_is_refused(self, payment):
        response = post({**ONE_CAR, "payment": payment})
        assert response.status_code == 400
        assert "payment" in response.json()

    def test_missing_options_are_off(self):
        body = post({**ONE_CAR, "options": {}}).json()
        assert body["options"] == {"winter_tyres": False}


class TestMistakes:
    def test_a_string_under_a_field_does_not_reach_the_schema(self):
        class NoteSerializer(serializers.Serializer):
            text = serializers.CharField()
            """What the customer wrote."""

        assert "What the customer wrote." not in str(schema_of(NoteSerializer))

    def test_a_docstring_is_published_unless_that_is_turned_off(self):
        class SecretSerializer(serializers.Serializer):
            """Remark for us: Bob hates this."""

            text = serializers.CharField()

        assert "Bob" in str(schema_of(SecretSerializer))
        assert "Bob" not in str(schema_of(SecretSerializer, DISABLE_DOCSTRING_DESCRIPTIONS=True))

    def test_a_model_serializer_takes_the_help_text_of_the_model(self):
        class UserSerializer(serializers.ModelSerializer):
            class Meta:
                model = get_user_model()
                fields = ("username",)

        text = str(get_user_model()._meta.get_field("username").help_text)
        assert text in str(schema_of(UserSerializer))

    def test_without_the_split_the_read_only_field_stands_in_the_request(self):
        request = schema_of(QuoteSerializer, COMPONENT_SPLIT_REQUEST=False)["paths"]["/any/"]["post"][
            "requestBody"
        ]
        assert request["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Quote"}

    def test_an_example_without_direction_tells_callers_to_send_the_premium(self):
        @extend_schema_serializer(examples=[OpenApiExample("Any", {"premium": "1.00"})])
        class NaiveSerializer(QuoteSerializer):
            pass

        content = schema_of(NaiveSerializer)["paths"]["/any/"]["post"]["requestBody"]["content"]
        assert content["application/json"]["examples"]["Any"]["value"] == {"premium": "1.00"}

    def test_an_example_of_a_nested_serializer_does_not_appear(self):
        @extend_schema_serializer(examples=[OpenApiExample("Inner", {"text": "x"})])
        class InnerSerializer(serializers.Serializer):
            text = serializers.CharField()

        class OuterSerializer(serializers.Serializer):
            inner = InnerSerializer()

        assert "examples" not in str(schema_of(OuterSerializer)["paths"])

    @pytest.mark.parametrize(("response_only", "shown_as_a_request"), [(False, True), (True, False)])
    def test_an_error_on_the_serializer_is_shown_as_a_request_or_nowhere(
        self, response_only, shown_as_a_request
    ):
        bad = OpenApiExample("Bad", {"text": ["!"]}, status_codes=["400"], response_only=response_only)

        @extend_schema_serializer(examples=[bad])
        class NoteSerializer(serializers.Serializer):
            text = serializers.CharField()

        operation = schema_of(NoteSerializer)["paths"]["/any/"]["post"]
        assert ("Bad" in str(operation["requestBody"])) is shown_as_a_request
        assert "Bad" not in str(operation["responses"])

    def test_an_example_in_a_list_is_wrapped_once_more(self):
        @extend_schema_serializer(examples=[OpenApiExample("Lines", [{"text": "x"}])])
        class LineSerializer(serializers.Serializer):
            text = serializers.CharField()

        got = schema_of(LineSerializer, generics.ListAPIView)["paths"]["/any/"]["get"]["responses"]["200"]
        assert got["content"]["application/json"]["examples"]["Lines"]["value"] == [[{"text": "x"}]]

    def test_bare_json_and_dict_fields_document_anything(self):
        class BareSerializer(serializers.Serializer):
            json = serializers.JSONField()
            dict = serializers.DictField()

        fields = schema_of(BareSerializer)["components"]["schemas"]["Bare"]["properties"]
        assert fields == {"json": {}, "dict": {"type": "object", "additionalProperties": {}}}

    def test_of_two_serializers_with_one_name_one_is_lost(self, capsys):
        def address(field, **annotation):
            cls = type("AddressSerializer", (serializers.Serializer,), {field: serializers.CharField()})
            return extend_schema_serializer(**annotation)(cls)

        def outer(**annotation):
            fields = {"billing": address("vat_id")(), "delivery": address("door", **annotation)()}
            return type("OuterSerializer", (serializers.Serializer,), fields)

        both = schema_of(outer())["components"]["schemas"]
        assert list(both) == ["Address", "AddressRequest", "Outer", "OuterRequest"]
        assert "identical names" in capsys.readouterr().err
        named = schema_of(outer(component_name="DeliveryAddress"))["components"]["schemas"]
        assert {"Address", "DeliveryAddress"} <= set(named)
        assert capsys.readouterr().err == ""

    def test_a_body_with_the_keys_of_both_shapes_fits_the_one_that_kind_names(self):
        both = {"kind": "card", "card_token": "x", "mandate": "y"}
        assert CardSerializer(data=both).is_valid()
        assert not SepaSerializer(data=both).is_valid()
