"""Scenario 29: failed requests of every kind are sent, and the lines that support would read are read."""

import io
import json
import logging
import subprocess
import sys

import pytest
import sentry_sdk
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client, RequestFactory
from django.urls import path
from django.utils.functional import SimpleLazyObject
from django.views.generic import TemplateView
from rest_framework.authentication import BasicAuthentication
from rest_framework.decorators import api_view
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import exception_handler
from sentry_sdk.transport import Transport
from shop.views import SignUpView
from support.failures import FailureFormatter

pytestmark = pytest.mark.django_db

PASSWORD = "hunter2-hunter2"
SIGN_UP = {"email": "a@example.com", "password": PASSWORD, "plan": "team"}


@pytest.fixture
def client():
    return APIClient(raise_request_exception=False)


@pytest.fixture
def log():
    """What the handlers of the answer write, one line for each record."""
    stream = io.StringIO()
    (handler,) = logging.getLogger("django.request").handlers
    assert logging.getLogger("django.security").handlers == [handler]
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


def only_line(log):
    (line,) = log.getvalue().splitlines()
    return json.loads(line)


class TestEveryFailureIsOnRecord:
    def test_an_unknown_url(self, client, log):
        client.get("/no/such/page/?token=abc")
        line = only_line(log)
        assert (line["level"], line["status"], line["path"]) == ("WARNING", 404, "/no/such/page/")
        assert (line["route"], line["user_id"]) == (None, None)
        assert "abc" not in log.getvalue()

    def test_a_response_that_the_view_made_by_hand(self, client, log):
        client.get("/orders/7/")
        line = only_line(log)
        assert (line["status"], line["path"]) == (400, "/orders/7/")
        assert line["route"] == "orders/<int:pk>/"
        assert "codes" not in line

    def test_a_wrong_method(self, client, log):
        client.delete("/orders/7/")
        line = only_line(log)
        assert (line["status"], line["method"], line["codes"]) == (405, "DELETE", "method_not_allowed")

    def test_a_validation_error_with_its_reason(self, client, log):
        client.post("/sign-up/", {"email": "nobody", "plan": "gold"})
        line = only_line(log)
        assert line["status"] == 400
        assert line["codes"] == {
            "email": ["invalid"],
            "password": ["required"],
            "plan": ["invalid_choice"],
        }
        assert line["sent"] == {"plan": "gold"}

    def test_a_handled_server_error(self, client, log):
        client.get("/out-of-service/")
        line = only_line(log)
        assert (line["level"], line["status"], line["codes"]) == ("ERROR", 500, "maintenance")

    def test_a_crash_with_its_traceback_on_the_same_line(self, client, log):
        client.post("/sign-up/", SIGN_UP, format="json")
        line = only_line(log)
        assert (line["level"], line["status"]) == ("ERROR", 500)
        assert 'raise RuntimeError("the payment provider' in line["traceback"]
        assert line["sent"] == {"plan": "team"}

    def test_a_wrong_host_goes_to_the_security_logger(self, client, log, settings):
        settings.ALLOWED_HOSTS = ["api.example.com"]
        client.get("/orders/7/", headers={"host": "evil.example"})
        line = only_line(log)
        assert (line["logger"], line["status"]) == ("django.security.DisallowedHost", 400)

    def test_a_missing_csrf_token_goes_to_the_security_logger(self, log, settings):
        view = TemplateView.as_view(template_name="never.html")
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("form/", view)]})
        Client(enforce_csrf_checks=True).post("/form/", {"password": PASSWORD})
        line = only_line(log)
        assert (line["logger"], line["status"]) == ("django.security.csrf", 403)

    def test_success_is_not_logged(self, client, log, settings):
        @api_view(["GET"])
        def fine(request):
            return Response({})

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("fine/", fine)]})
        assert client.get("/fine/").status_code == 200
        assert log.getvalue() == ""


class TestWhatALineCarries:
    def test_the_user_whom_drf_authenticated(self, client, log):
        user = User.objects.create_user("ada")
        client.force_authenticate(user)
        client.get("/orders/7/")
        assert only_line(log)["user_id"] == user.pk

    def test_the_user_of_a_session(self, client, log):
        user = User.objects.create_user("ada")
        client.force_login(user)
        client.get("/no/such/page/")
        assert only_line(log)["user_id"] == user.pk

    def test_a_user_who_cannot_be_loaded_does_not_cost_the_line(self):
        def unreachable():
            raise OperationalError("the database is what failed")

        request = RequestFactory().get("/orders/7/")
        request.user = SimpleLazyObject(unreachable)
        record = logging.LogRecord("django.request", logging.ERROR, "", 0, "Internal", (), None)
        record.request = request
        assert json.loads(FailureFormatter().format(record))["user_id"] is None

    def test_the_request_id_that_a_filter_stamps_on_records(self, client, log):
        def stamp(record):
            record.request_id = "9f86d081"
            return True

        (handler,) = logging.getLogger("django.request").handlers
        handler.addFilter(stamp)
        try:
            client.get("/orders/7/")
        finally:
            handler.removeFilter(stamp)
        assert only_line(log)["request_id"] == "9f86d081"

    def test_a_line_break_in_the_path_starts_no_line(self, client, log):
        client.get("/orders/%0A{}/")
        assert only_line(log)["path"] == "/orders/\n{}/"

    @pytest.mark.parametrize("body", ["{not json", "[1, 2]", '"text"', "null"])
    def test_any_body_leaves_the_answer_and_the_line_as_they_should_be(self, client, log, body):
        response = client.generic("POST", "/sign-up/", body, content_type="application/json")
        assert response.status_code == 400
        assert only_line(log)["sent"] == {}

    def test_an_unreadable_body_does_not_turn_a_refusal_into_a_crash(self, log, monkeypatch, client):
        monkeypatch.setattr(SignUpView, "authentication_classes", [BasicAuthentication])
        monkeypatch.setattr(SignUpView, "permission_classes", [IsAuthenticated])
        response = client.generic("POST", "/sign-up/", "{not json", content_type="application/json")
        assert response.status_code == 401
        assert only_line(log)["codes"] == "not_authenticated"

    def test_long_and_nested_values_are_cut_and_left_out(self, client, log, monkeypatch):
        monkeypatch.setattr(SignUpView, "logged_fields", ["plan", "card"])
        client.post("/sign-up/", {"plan": "x" * 500, "card": {"number": "4"}}, format="json")
        assert only_line(log)["sent"] == {"plan": "x" * 100}


class TestNoPasswordReachesTheLog:
    @pytest.mark.parametrize("change", [{"plan": "gold"}, {"email": ""}, {"password": "hunter2"}, {}])
    @pytest.mark.parametrize("encoding", ["json", "multipart"])
    def test_of_a_failed_sign_up(self, client, log, change, encoding):
        response = client.post("/sign-up/", {**SIGN_UP, **change}, format=encoding)
        assert response.status_code in (400, 500)
        assert "hunter2" not in log.getvalue()
        assert only_line(log)["path"] == "/sign-up/"

    def test_the_naive_handler_logs_it(self, client, log, settings):
        settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": logs_the_payload}
        client.post("/sign-up/", {**SIGN_UP, "plan": "gold"}, format="json")
        assert PASSWORD in log.getvalue()

    def test_the_message_of_an_exception_is_in_the_traceback(self, client, log, monkeypatch):
        def crash(self, validated_data):
            return int(validated_data["password"])

        monkeypatch.setattr(SignUpView.serializer_class, "create", crash)
        client.post("/sign-up/", SIGN_UP, format="json")
        assert PASSWORD in only_line(log)["traceback"]


def logs_the_payload(exc, context):
    logging.getLogger("django.request").warning("%s", json.dumps(context["request"].data))
    return exception_handler(exc, context)


class TestWhatTheExceptionHandlerNeverSees:
    @pytest.mark.parametrize(
        ("address", "seen"),
        [("/no/such/page/", False), ("/orders/7/", False), ("/out-of-service/", True), ("/sign-up/", True)],
    )
    def test_it_is_called_for_exceptions_of_drf_views_only(self, client, settings, address, seen):
        calls = []

        def counting(exc, context):
            calls.append(exc)
            return exception_handler(exc, context)

        settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": counting}
        assert client.get(address).status_code >= 400
        assert bool(calls) is seen


class TestTheDefaultConfiguration:
    SCRIPT = """
import django
from django.conf import settings
settings.configure(
    DEBUG={debug}, ALLOWED_HOSTS=["testserver"], ROOT_URLCONF="__main__", SECRET_KEY="change-me"
)
django.setup()
from django.test import Client
from django.urls import path
urlpatterns = [path("page/", print)]
assert Client().get("/no/such/page/").status_code == 404
"""

    @pytest.mark.parametrize(("debug", "printed"), [(True, "Not Found: /no/such/page/\n"), (False, "")])
    def test_prints_4xx_in_development_only(self, debug, printed):
        script = self.SCRIPT.format(debug=debug)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout + done.stderr == printed

    def test_the_settings_of_the_answer_print_json_to_stdout_with_debug_off(self):
        script = """
import django
django.setup()
from django.conf import settings
settings.DEBUG = False
settings.ALLOWED_HOSTS = ["testserver"]
from django.test import Client
Client().get("/no/such/page/")
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["status"] == 404


class Captured(Transport):
    def __init__(self):
        super().__init__()
        self.events = []

    def capture_envelope(self, envelope):
        self.events += [item.payload.json for item in envelope if item.type == "event"]


class TestSentry:
    @pytest.fixture
    def events(self):
        """The block of the answer, with its options, sending to a list."""
        import config.sentry  # noqa: F401

        options = sentry_sdk.get_client().options
        named = {name: options[name] for name in ("max_request_body_size", "include_local_variables")}
        assert options["dsn"] is None
        yield from self.sending(**named)

    @pytest.fixture
    def default_events(self):
        yield from self.sending()

    @staticmethod
    def sending(**options):
        transport = Captured()
        sentry_sdk.init(dsn="https://public@sentry.invalid/1", transport=transport, **options)
        yield transport.events
        sentry_sdk.init()

    def test_a_crash_arrives_without_body_and_variables(self, client, events):
        client.post("/sign-up/", SIGN_UP, format="json")
        (event,) = events
        assert event["exception"]["values"][-1]["type"] == "RuntimeError"
        assert "a@example.com" not in json.dumps(event)
        assert PASSWORD not in json.dumps(event)

    def test_by_default_body_and_variables_go_along(self, client, default_events):
        client.post("/sign-up/", SIGN_UP, format="json")
        (event,) = default_events
        assert event["request"]["data"]["email"] == "a@example.com"
        frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
        assert "a@example.com" in frames[-1]["vars"]["email"]

    def test_a_client_error_and_a_handled_server_error_are_no_events(self, client, events):
        assert client.post("/sign-up/", {}).status_code == 400
        assert client.get("/out-of-service/").status_code == 500
        assert events == []

    def test_send_default_pii_is_deprecated(self):
        with pytest.warns(DeprecationWarning, match="data_collection"):
            sentry_sdk.init(send_default_pii=False)
        sentry_sdk.init()

    def test_data_collection_collects_what_is_not_switched_off(self):
        sentry_sdk.init(data_collection={"cookies": {"mode": "off"}})
        collected = sentry_sdk.get_client().options["data_collection"]
        sentry_sdk.init()
        assert collected["user_info"] is True
        assert "incoming_request" in collected["http_bodies"]
