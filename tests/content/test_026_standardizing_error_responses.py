"""Scenario 26: the API is made to fail in every way there is, and each answer must have one shape."""

import json
from pathlib import Path

import pytest
from api.problems import flatten, problem_handler
from django.core import signals
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.validation import validate_schema
from rest_framework.decorators import api_view
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.generics import CreateAPIView
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import exception_handler
from shop.serializers import LineSerializer

pytestmark = pytest.mark.django_db

KEYS = {"title", "status", "code", "detail", "errors"}
JSON = {"content_type": "application/json"}
BODY = {"email": "a@example.com", "lines": [{"sku": "A", "quantity": 1}]}


@pytest.fixture
def client():
    return APIClient(raise_request_exception=False)


def post(client, body, url="/api/orders/"):
    return client.post(url, body, format="json")


def shape_of(response):
    body = response.json()
    assert set(body) == KEYS
    assert body["status"] == response.status_code
    assert body["title"] == response.reason_phrase
    assert response["Content-Type"] == "application/problem+json"
    return body


class TestOneShape:
    @pytest.mark.parametrize(
        ("method", "url", "options", "status", "code"),
        [
            ("POST", "/api/orders/", {"data": "{not json", **JSON}, 400, "parse_error"),
            ("POST", "/api/orders/", {"data": "{}", **JSON}, 400, "invalid"),
            ("POST", "/api/orders/", {"data": "[]", **JSON}, 400, "invalid"),
            ("POST", "/api/lines/", {"data": "[{}]", **JSON}, 400, "invalid"),
            ("POST", "/api/lines/", {"data": "{}", **JSON}, 400, "invalid"),
            ("GET", "/api/private/", {}, 401, "not_authenticated"),
            ("GET", "/api/forbidden/", {}, 403, "permission_denied"),
            ("GET", "/api/orders/0/", {}, 404, "not_found"),
            ("GET", "/api/no-such-page/", {}, 404, "not_found"),
            ("DELETE", "/api/orders/", {}, 405, "method_not_allowed"),
            ("GET", "/api/orders/0/", {"headers": {"accept": "image/png"}}, 406, "not_acceptable"),
            (
                "POST",
                "/api/orders/",
                {"data": "x", "content_type": "text/csv"},
                415,
                "unsupported_media_type",
            ),
            ("GET", "/api/throttled/", {}, 429, "throttled"),
            ("GET", "/api/crash/", {}, 500, "error"),
            ("GET", "/api/plain-crash/", {}, 500, "error"),
            ("GET", "/api/plain-forbidden/", {}, 403, "forbidden"),
            ("GET", "/api/plain/", {"headers": {"host": "evil.example"}}, 400, "bad_request"),
        ],
    )
    def test_of_every_failure(self, client, settings, method, url, options, status, code):
        settings.ALLOWED_HOSTS = ["testserver"]
        response = client.generic(method, url, **options)
        body = shape_of(response)
        assert (body["status"], body["code"]) == (status, code)
        assert "relation shop_order" not in response.content.decode()
        assert "stock" not in response.content.decode()

    def test_of_a_body_that_is_too_large(self, client, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
        assert shape_of(post(client, BODY))["status"] == 400

    def test_the_example_of_the_answer(self, client):
        response = post(client, {**BODY, "lines": [*BODY["lines"], {"quantity": 1}]})
        assert response.json() == json.loads(Path("response.json").read_text())

    def test_an_error_over_several_fields_has_no_field(self, client):
        body = shape_of(post(client, {**BODY, "lines": BODY["lines"] * 3}))
        assert body["errors"] == [{"field": None, "code": "too_many_lines", "message": "At most 2 lines."}]

    def test_errors_of_every_depth_are_one_list(self, client):
        body = shape_of(post(client, {"email": "x", "lines": [{}], "tags": ["ok", "long"]}))
        assert [(error["field"], error["code"]) for error in body["errors"]] == [
            ("email", "invalid"),
            ("lines.0.sku", "required"),
            ("lines.0.quantity", "required"),
            ("tags.1", "max_length"),
        ]

    def test_headers_are_kept(self, client):
        assert client.get("/api/private/").headers["WWW-Authenticate"].startswith("Basic")
        assert int(client.get("/api/throttled/").headers["Retry-After"]) > 0

    def test_success_is_left_alone(self, client):
        response = post(client, BODY)
        assert (response.status_code, response["Content-Type"]) == (201, "application/json")

    def test_the_browsable_api_stays_html(self, client):
        response = client.get("/api/orders/0/", headers={"accept": "text/html"})
        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/html")
        assert b"not_found" in response.content

    @pytest.mark.parametrize(("url", "status"), [("/admin/nothing/", 302), ("/no-such-page/", 404)])
    def test_other_pages_stay_html(self, client, url, status):
        response = client.get(url)
        assert (response.status_code, response["Content-Type"]) == (status, "text/html; charset=utf-8")

    def test_a_crash_outside_the_api_stays_html(self, client, settings):
        handler500 = "api.error_views.crashed"
        settings.ROOT_URLCONF = type(
            "Urls", (), {"urlpatterns": [path("crash/", crash)], "handler500": handler500}
        )
        response = client.get("/crash/")
        assert (response.status_code, response["Content-Type"]) == (500, "text/html; charset=utf-8")


class TestManyTrue:
    LINES = ({"sku": "A", "quantity": 1}, {"quantity": 0})
    FOUND = (("1.sku", "required"), ("1.quantity", "min_value"))

    def test_is_read_from_the_dict_of_drf_3_18(self, client):
        serializer = LineSerializer(data=list(self.LINES), many=True)
        assert not serializer.is_valid()
        assert set(serializer.errors) == {1}
        body = shape_of(post(client, list(self.LINES), "/api/lines/"))
        assert tuple((error["field"], error["code"]) for error in body["errors"]) == self.FOUND

    @pytest.mark.filterwarnings("ignore:The list-based error format")
    def test_is_read_from_the_list_of_drf_3_17_just_the_same(self, client, settings):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "LIST_SERIALIZER_ERRORS_AS_DICT": False}
        serializer = LineSerializer(data=list(self.LINES), many=True)
        assert not serializer.is_valid()
        assert serializer.errors[0] == {}
        body = shape_of(post(client, list(self.LINES), "/api/lines/"))
        assert tuple((error["field"], error["code"]) for error in body["errors"]) == self.FOUND

    def test_a_plain_string_put_there_by_somebody_has_a_code_too(self):
        assert list(flatten({"a": "text"})) == [{"field": "a", "code": "error", "message": "text"}]

    def test_an_exception_of_ours_with_a_dict_keeps_its_code(self):
        class TokenBroken(APIException):
            status_code = 401
            default_code = "token_not_valid"

        exc = TokenBroken({"messages": [{"token_type": ErrorDetail("access", code="invalid")}]})
        response = problem_handler(exc, {"request": None, "view": None})
        assert response.data["code"] == "token_not_valid"
        assert response.data["errors"][0]["field"] == "messages.0.token_type"

    def test_an_exception_whose_detail_was_overwritten_has_a_code_too(self):
        exc = APIException()
        exc.detail = "text"
        response = problem_handler(exc, {"request": None, "view": None})
        assert (response.data["code"], response.data["detail"]) == ("error", "text")


class TestWhatTheDefaultsDo:
    @pytest.fixture
    def defaults(self, settings):
        settings.REST_FRAMEWORK = {}
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("api/", include("shop.urls"))]})

    def test_five_failures_have_five_shapes(self, client, defaults):
        assert post(client, {"lines": [], "email": "x"}).json() == {"email": ["Enter a valid email address."]}
        assert set(client.get("/api/private/").json()) == {"detail"}
        assert post(client, [{}], "/api/lines/").json() == {
            "0": {"sku": ["This field is required."], "quantity": ["This field is required."]}
        }
        assert client.get("/api/no-such-page/").content.startswith(b"\n<!doctype html>")
        assert client.get("/api/crash/").content.startswith(b"\n<!doctype html>")

    def test_the_handlers_of_drf_have_a_shape_of_their_own(self, client, settings):
        handler500 = "rest_framework.exceptions.server_error"
        settings.ROOT_URLCONF = type(
            "Urls", (), {"urlpatterns": [path("crash/", crash)], "handler500": handler500}
        )
        assert client.get("/crash/").json() == {"error": "Server Error (500)"}


def crash(request):
    raise RuntimeError("nobody caught this")


class TestMistakes:
    def test_a_returned_response_reaches_no_handler(self, client, settings):
        @api_view(["GET"])
        def naive(request):
            return Response({"error": "no stock"}, status=400)

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("api/naive/", naive)]})
        assert client.get("/api/naive/").json() == {"error": "no stock"}

    @pytest.mark.parametrize(("handler", "reported"), [("naive", False), ("ours", True)])
    def test_a_handler_that_answers_every_exception_hides_crashes(
        self, client, settings, caplog, handler, reported
    ):
        def naive(exc, context):
            return exception_handler(exc, context) or Response({"error": "oops"}, status=500)

        signalled = []

        def note(**kwargs):
            signalled.append(kwargs)

        if handler == "naive":
            settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": naive}
        signals.got_request_exception.connect(note)
        try:
            assert client.get("/api/crash/").status_code == 500
        finally:
            signals.got_request_exception.disconnect(note)
        assert bool(signalled) is reported
        assert any(record.exc_info for record in caplog.records) is reported


def with_problems(result, generator, request, public):
    text = {"type": "string"}
    result["components"].setdefault("schemas", {})["Problem"] = {
        "type": "object",
        "properties": {"title": text, "status": {"type": "integer"}, "code": text, "detail": text},
    }
    ref = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = {
                "description": "Any error",
                "content": {"application/problem+json": ref},
            }
    return result


class TestTheSchema:
    def test_a_hook_makes_it_the_default_response_of_every_operation(self):
        class Lines(CreateAPIView):
            schema = AutoSchema()
            serializer_class = LineSerializer

        spectacular_settings.apply_patches({"POSTPROCESSING_HOOKS": [f"{__name__}.with_problems"]})
        try:
            schema = SchemaGenerator(patterns=[path("lines/", Lines.as_view())]).get_schema(public=True)
        finally:
            spectacular_settings.clear_patches()
        validate_schema(schema)
        assert set(schema["paths"]["/lines/"]["post"]["responses"]) == {"201", "default"}


class TestDrfStandardizedErrors:
    @pytest.fixture(autouse=True)
    def package(self, settings):
        settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler"}

    def test_it_has_its_own_shape(self, client):
        body = post(client, {**BODY, "lines": [*BODY["lines"], {"quantity": 1}]}).json()
        assert body == {
            "type": "validation_error",
            "errors": [{"code": "required", "detail": "This field is required.", "attr": "lines.1.sku"}],
        }

    def test_unknown_urls_and_plain_views_still_need_the_handlers_of_django(self, client):
        assert set(client.get("/api/crash/").json()) == {"type", "errors"}
        assert set(client.get("/api/no-such-page/").json()) == KEYS
        assert set(client.get("/api/plain-crash/").json()) == KEYS
