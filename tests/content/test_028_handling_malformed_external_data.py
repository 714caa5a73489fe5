"""Scenario 28: a vendor, mocked or on a real socket, sends rubbish; what our own callers get is looked at."""

import json
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pydantic
import pytest
import requests
import responses
from django.core.cache import cache
from django.db import DatabaseError
from django.http import JsonResponse
from django.urls import path
from pricing import upstream
from pricing.imports import import_feed
from pricing.models import Product, RejectedRecord
from pricing.quotes import QuoteSerializer
from pricing.upstream import UpstreamError, UpstreamTimeout, fetch_json
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.test import APIClient

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db

URL = "https://vendor.example/quotes/A"
FEED = "https://vendor.example/feed"
GOOD = {"sku": "A", "price": "9.50", "stock": 3}


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.fixture
def client():
    return APIClient(raise_request_exception=False)


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def answer(vendor, body, url=URL, **options):
    text = body if isinstance(body, (str, bytes, Exception)) else json.dumps(body)
    vendor.upsert("GET", url, body=text, **{"content_type": "application/json", **options})


class TestAnswersWeCannotUse:
    @pytest.mark.parametrize(
        "body",
        [
            "",
            "null",
            "[]",
            '"text"',
            '{"sku": "A", "pri',
            b'{"sku": "\xff"}',
            '{"sku": "A", "price": NaN}',
            '{"sku": "A", "price": ' + "9" * 5000 + "}",
            "[" * 200_000,
            {"sku": "A"},
            {"sku": "A", "price": "free"},
            {"sku": "A", "price": "-1"},
            {"sku": ["A"], "price": "1"},
        ],
    )
    def test_are_a_502_in_general_terms(self, client, vendor, body):
        answer(vendor, body)
        response = client.get("/quotes/A/")
        assert response.status_code == 502
        assert response.json() == {"detail": "A partner service sent an answer that we cannot use."}

    @pytest.mark.parametrize(
        "options",
        [
            {"body": "<html>maintenance</html>", "content_type": "text/html"},
            {"body": "<html>maintenance</html>", "content_type": "application/json"},
            {"body": GOOD, "content_type": "text/html"},
            {"body": GOOD, "status": 500},
            {"body": GOOD, "status": 403},
            {"body": requests.ConnectionError("refused")},
        ],
    )
    def test_nor_is_an_error_of_the_vendor_ours(self, client, vendor, options):
        answer(vendor, **options)
        assert client.get("/quotes/A/").status_code == 502

    @pytest.mark.parametrize("exception", [requests.ConnectTimeout(), requests.ReadTimeout()])
    def test_no_answer_in_time_is_a_504(self, client, vendor, exception):
        answer(vendor, exception)
        assert client.get("/quotes/A/").status_code == 504

    def test_the_log_has_host_and_reason_and_no_body(self, client, vendor, caplog):
        answer(vendor, '{"name": "Ada Lovelace"')
        client.get("/quotes/A/")
        assert "unusable answer from vendor.example: JSONDecodeError" in caplog.text
        assert "Ada" not in caplog.text

    def test_the_log_names_the_wrong_fields(self, client, vendor, caplog):
        answer(vendor, {"sku": "A", "price": "secret"})
        client.get("/quotes/A/")
        assert "unusable quote, wrong: ['price']" in caplog.text
        assert "secret" not in caplog.text


class TestGoodAnswers:
    def test_pass_and_unknown_keys_are_ignored(self, client, vendor):
        answer(vendor, {**GOOD, "new_since_last_night": {}})
        assert client.get("/quotes/A/").json() == {**GOOD, "stale": False}

    def test_a_missing_number_is_not_invented(self, client, vendor):
        answer(vendor, {"sku": "A", "price": "9.50"})
        assert client.get("/quotes/A/").json()["stock"] is None

    def test_a_sku_stays_inside_its_part_of_the_address(self, client, vendor):
        answer(vendor, GOOD, url="https://vendor.example/quotes/..%3Fadmin")
        assert client.get("/quotes/..%3Fadmin/").status_code == 200

    @pytest.mark.parametrize("failure", ["{", requests.ReadTimeout()])
    def test_the_last_good_one_is_served_as_stale(self, client, vendor, failure):
        answer(vendor, GOOD)
        client.get("/quotes/A/")
        answer(vendor, failure)
        response = client.get("/quotes/A/")
        assert (response.status_code, response.json()) == (200, {**GOOD, "stale": True})


class Vendor(BaseHTTPRequestHandler):
    """A vendor on a socket, for what a mock does not do: it stops in the middle, stalls or never ends."""

    enough = threading.Event()

    def do_GET(self):
        if self.path == "/silent":
            self.enough.wait()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if self.path == "/truncated":
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'[{"sku": "A"}]')
            return
        self.end_headers()
        try:
            while not self.enough.is_set():
                self.wfile.write(b" " * 65_536)
        except ConnectionError:
            pass

    def log_message(self, *args):
        pass


@pytest.fixture
def socket_vendor(monkeypatch):
    monkeypatch.setattr(upstream, "TIMEOUT", (1, 0.3))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Vendor.enough.set()
    server.shutdown()
    server.server_close()
    thread.join()
    Vendor.enough.clear()


class TestOnASocket:
    def test_half_a_document_is_unusable_even_if_the_half_parses(self, socket_vendor):
        with pytest.raises(UpstreamError) as caught:
            fetch_json(f"{socket_vendor}/truncated")
        assert isinstance(caught.value.__cause__, requests.exceptions.ChunkedEncodingError)

    def test_silence_is_a_timeout(self, socket_vendor):
        with pytest.raises(UpstreamTimeout):
            fetch_json(f"{socket_vendor}/silent")

    def test_an_endless_answer_is_cut(self, socket_vendor):
        with pytest.raises(UpstreamError) as caught:
            fetch_json(f"{socket_vendor}/endless")
        assert str(caught.value.__cause__) == "answer too large"


class TestTheImport:
    def test_keeps_the_good_and_quarantines_the_bad(self, vendor):
        feed = [{**GOOD, "sku": str(number)} for number in range(9)]
        answer(vendor, [*feed, {"sku": "odd\u0000", "price": None}], url=FEED)
        assert import_feed(FEED) == (9, 1)
        assert Product.objects.count() == 9
        rejected = RejectedRecord.objects.get()
        assert rejected.errors == {
            "sku": ["Null characters are not allowed."],
            "price": ["This field may not be null."],
        }
        assert json.loads(rejected.payload) == {"sku": "odd\u0000", "price": None}

    def test_a_later_feed_updates_and_the_last_of_two_equal_records_wins(self, vendor):
        Product.objects.create(sku="A", price=1, stock=1)
        answer(vendor, [GOOD, {"sku": "A", "price": "7.25"}], url=FEED)
        import_feed(FEED)
        assert list(Product.objects.values_list("sku", "price", "stock")) == [("A", Decimal("7.25"), None)]

    def test_too_many_bad_records_change_nothing_but_are_kept(self, vendor):
        answer(vendor, [GOOD, {"id": "B"}, None], url=FEED)
        with pytest.raises(UpstreamError):
            import_feed(FEED)
        assert (Product.objects.count(), RejectedRecord.objects.count()) == (0, 2)

    def test_a_feed_that_is_no_list_is_unusable(self, vendor):
        answer(vendor, {"items": []}, url=FEED)
        with pytest.raises(UpstreamError):
            import_feed(FEED)

    def test_jsonb_would_refuse_what_the_payload_may_hold(self):
        with pytest.raises(DatabaseError, match="Unicode"):
            RejectedRecord.objects.create(source=FEED, payload="", errors={"sku": "odd\u0000"})

    def test_postgresql_refuses_to_update_a_row_twice_in_one_upsert(self):
        with pytest.raises(DatabaseError, match="second time"):
            Product.objects.bulk_create(
                [Product(sku="A", price=1), Product(sku="A", price=2)],
                update_conflicts=True,
                unique_fields=["sku"],
                update_fields=["price"],
            )


class TestExceptions:
    @pytest.mark.parametrize(
        "parse",
        [
            lambda: json.loads("<html>"),
            lambda: requests.get(URL, timeout=1).json(),
            lambda: httpx2.Response(200, text="<html>").json(),
        ],
    )
    def test_a_parse_error_of_each_library_is_a_value_error(self, vendor, parse):
        answer(vendor, "<html>")
        with pytest.raises(ValueError, match="Expecting value") as caught:
            parse()
        assert isinstance(caught.value, json.JSONDecodeError)

    def test_pydantic_does_the_same_and_its_error_is_none_of_drf(self, client, settings):
        class Quote(pydantic.BaseModel):
            sku: str
            price: Decimal

        @api_view(["GET"])
        def naive(request):
            return Response({"sku": Quote.model_validate({"sku": "A", "price": "free"}).sku})

        with pytest.raises(ValueError):
            Quote.model_validate({"sku": "A", "price": "free"})
        assert get(client, settings, naive).status_code == 500


def get(client, settings, view):
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("naive/", view)]})
    return client.get("/naive/")


class TestMistakes:
    def test_a_validation_error_blames_the_caller(self, client, settings):
        @api_view(["GET"])
        def naive(request):
            QuoteSerializer(data={"sku": "A"}).is_valid(raise_exception=True)

        response = get(client, settings, naive)
        assert (response.status_code, response.json()) == (400, {"price": ["This field is required."]})

    def test_null_parses_and_fails_a_line_later(self):
        with pytest.raises(TypeError, match="not subscriptable"):
            json.loads("null")["price"]

    def test_nan_passed_on_breaks_our_own_response(self, client, settings, vendor):
        @api_view(["GET"])
        def naive(request):
            return Response({"price": requests.get(URL, timeout=1).json()["price"]})

        answer(vendor, '{"price": NaN}')
        assert get(client, settings, naive).status_code == 500

    def test_a_float_field_of_drf_3_18_refuses_nan(self):
        with pytest.raises(serializers.ValidationError):
            serializers.FloatField().run_validation(float("nan"))

    @pytest.mark.parametrize(("drf", "status"), [(True, 400), (False, 500)])
    def test_a_pushed_body_is_the_callers_fault_if_drf_parses_it(self, client, settings, drf, status):
        def plain(request):
            return JsonResponse(json.loads(request.body))

        @api_view(["POST"])
        def webhook(request):
            return Response(request.data)

        view = webhook if drf else plain
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("hook/", view)]})
        response = client.post("/hook/", "{", content_type="application/json")
        assert response.status_code == status
