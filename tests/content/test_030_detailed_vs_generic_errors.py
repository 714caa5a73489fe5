"""Scenario 30: the same crash in production and in development; who gets to read what."""

import io
import logging
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from django.test import Client
from django.urls import include, path
from django.utils.log import AdminEmailHandler
from rest_framework import generics
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.settings import DEFAULTS
from rest_framework.test import APIClient
from rest_framework.views import exception_handler
from shop.models import Order
from shop.serializers import PaymentSerializer
from shop.views import PaymentView

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db

INTERNAL = [
    "Traceback",
    "RuntimeError",
    "Error at",
    "db-7.internal",
    "shop_",
    "secret_column",
    "no_such_template",
    ".py",
    "urlpatterns",
    "constraint",
]
CARD = "4000 0000 0000 0002"
PAYMENT = {"amount": "9.50", "card_number": CARD}
CRASHES = ["/crash/", "/bad-sql/", "/plain-crash/", "/template-crash/"]


@pytest.fixture
def client():
    return APIClient(raise_request_exception=False)


@pytest.fixture
def log():
    stream = io.StringIO()
    (handler,) = logging.getLogger("django.request").handlers
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


def assert_nothing_internal(response):
    text = response.content.decode() + str(response.headers)
    assert [word for word in INTERNAL if word in text] == []


class TestProduction:
    @pytest.mark.parametrize("url", CRASHES)
    def test_a_crash_is_a_text_and_an_id(self, client, url):
        response = client.get(url)
        assert response.status_code == 500
        body = response.json()
        assert body == {"detail": "Something went wrong.", "error_id": body["error_id"]}
        assert_nothing_internal(response)

    @pytest.mark.parametrize("url", CRASHES)
    def test_the_log_has_the_trace_under_that_id(self, client, log, url):
        error_id = client.get(url).json()["error_id"]
        first, *rest = log.getvalue().splitlines()
        assert first == f"ERROR error_id={error_id} Internal Server Error: {url}"
        assert rest[0].startswith("Traceback")

    def test_each_crash_has_an_id_of_its_own(self, client):
        assert len({client.get("/crash/").json()["error_id"] for _ in range(3)}) == 3

    def test_a_client_error_has_no_id_in_the_log(self, client, log):
        client.get("/no-such-page/")
        assert log.getvalue() == "WARNING error_id=- Not Found: /no-such-page/\n"

    def test_an_unknown_url_and_a_wrong_host_tell_nothing(self, client, settings):
        assert_nothing_internal(client.get("/no-such-page/"))
        settings.ALLOWED_HOSTS = ["api.example.com"]
        response = client.get("/crash/", headers={"host": "evil.example"})
        assert response.status_code == 400
        assert_nothing_internal(response)

    def test_an_expected_error_has_our_text(self, client):
        assert client.post("/orders/", {"number": "A-1"}).status_code == 201
        response = client.post("/orders/", {"number": "A-1"})
        assert (response.status_code, response.json()) == (409, {"detail": "This order number is taken."})
        assert_nothing_internal(response)
        assert Order.objects.count() == 1

    def test_a_validation_error_says_which_field_and_why(self, client):
        assert client.post("/orders/", {}).json() == {"number": ["This field is required."]}


class TestDevelopment:
    @pytest.fixture(autouse=True)
    def debug(self, settings):
        settings.DEBUG = True

    def test_a_client_of_the_api_gets_the_trace_as_text(self, client):
        response = client.get("/crash/", headers={"accept": "application/json"})
        assert response.status_code == 500
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        assert "Traceback" in response.content.decode()
        assert "db-7.internal" in response.content.decode()

    def test_a_browser_gets_the_page(self, client):
        response = client.get("/crash/", headers={"accept": "text/html"})
        assert response["Content-Type"].startswith("text/html")
        assert "db-7.internal" in response.content.decode()

    def test_the_page_masks_settings_by_name_only(self, client, settings):
        settings.MAIL_PASSWORD = "change-me-1"
        settings.BROKER_URL = "amqp://app:change-me-2@db-7.internal"
        page = client.get("/crash/", headers={"accept": "text/html"}).content.decode()
        assert "change-me-1" not in page
        assert "change-me-2" in page

    def test_the_decorators_mask_nothing(self, client):
        response = client.post("/payments/", PAYMENT, headers={"accept": "text/html"})
        assert CARD in response.content.decode()


class TestTheEnvironment:
    @pytest.mark.parametrize(
        ("value", "debug"),
        [(None, False), ("", False), ("0", False), ("False", False), ("true", False), ("1", True)],
    )
    def test_only_1_switches_debug_on(self, value, debug):
        environ = {} if value is None else {"DEBUG": value}
        found = {"os": type("Os", (), {"environ": environ})}
        exec(debug_line(), found)
        assert found["DEBUG"] is debug

    def test_the_usual_mistake_is_on_for_false(self):
        assert bool("False") is True

    @pytest.mark.parametrize(("value", "warned"), [("", False), ("1", True)])
    def test_the_check_finds_debug(self, value, warned):
        done = subprocess.run(
            [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "DEBUG": value},
        )
        assert ("security.W018" in done.stderr) is warned
        assert done.returncode == 1  # The example's project has other findings, such as a short SECRET_KEY.

    def test_drf_has_no_setting_of_that_name(self):
        assert "DEBUG" not in DEFAULTS


def debug_line():
    (line,) = re.findall(r"^DEBUG = os.*", Path("config/settings.py").read_text(), re.MULTILINE)
    return line


class KeptReports(AdminEmailHandler):
    """Keeps what the mail to ADMINS would say, text and page."""

    def __init__(self, **options):
        super().__init__(**options)
        self.reports = []

    def send_mail(self, subject, message, *args, html_message=None, **kwargs):
        self.reports.append(message + (html_message or ""))


class TestTheInternalReport:
    @pytest.fixture(params=[False, True], ids=["text", "html"])
    def handler(self, request):
        handler = KeptReports(include_html=request.param)
        logger = logging.getLogger("django.request")
        logger.addHandler(handler)
        yield handler
        logger.removeHandler(handler)

    @pytest.mark.parametrize("encoding", ["json", "multipart"])
    def test_has_no_card_number(self, client, handler, encoding):
        assert client.post("/payments/", PAYMENT, format=encoding).status_code == 500
        (report,) = handler.reports
        assert "relation shop_payment" in report
        assert CARD not in report

    @pytest.mark.parametrize(
        ("encoding", "in_html", "in_text"), [("json", True, False), ("multipart", True, True)]
    )
    def test_without_the_decorators_it_has(self, client, settings, handler, encoding, in_html, in_text):
        class Naive(generics.CreateAPIView):
            serializer_class = PaymentSerializer

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("naive/", Naive.as_view())]})
        client.post("/naive/", PAYMENT, format=encoding)
        (report,) = handler.reports
        assert (CARD in report) is (in_html if handler.include_html else in_text)


class TestMistakes:
    def serve(self, settings, view):
        settings.ROOT_URLCONF = type(
            "Urls", (), {"urlpatterns": [path("naive/", view), path("", include("shop.urls"))]}
        )

    def test_the_text_of_the_exception_leaks_and_no_trace_is_logged(self, client, settings, log):
        @api_view(["POST"])
        def naive(request):
            try:
                Order.objects.create(number="A-1")
                Order.objects.create(number="A-1")
            except Exception as e:
                return Response({"error": str(e)}, status=500)

        self.serve(settings, naive)
        error = client.post("/naive/").json()["error"]
        assert "shop_order_number_" in error
        assert "(A-1)" in error
        assert "Traceback" not in log.getvalue()

    def test_a_branch_on_debug_hands_out_traces_with_one_wrong_variable(self, client, settings):
        def naive(exc, context):
            response = exception_handler(exc, context) or Response({}, status=500)
            if settings.DEBUG:
                response.data["trace"] = traceback.format_exc()
            return response

        settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": naive}
        settings.DEBUG = True
        assert "db-7.internal" in client.get("/crash/").json()["trace"]

    def test_the_404_of_get_object_or_404_names_the_model(self, client):
        assert client.get("/orders/0/").json() == {"detail": "No Order matches the given query."}

    def test_the_default_500_is_html(self, settings):
        self.serve(settings, PaymentView.as_view())
        response = Client(raise_request_exception=False).get("/crash/")
        assert response["Content-Type"] == "text/html; charset=utf-8"
