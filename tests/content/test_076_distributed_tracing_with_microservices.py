"""Scenario 76: the payment service answers, fails and is away; the spans must name the culprit."""

import contextlib
import http.server
import threading
from pathlib import Path

import pytest
import requests
import yaml
from opentelemetry import propagate, trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from rest_framework.test import APIClient

EXPORTER = InMemorySpanExporter()
CART = {"items": ["bread", "milk"]}


@pytest.fixture(scope="module", autouse=True)
def tracing():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument()
    yield
    RequestsInstrumentor().uninstrument()


class Payment(http.server.BaseHTTPRequestHandler):
    """Another service, instrumented: it takes up the trace of the caller."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        context = propagate.extract(dict(self.headers))
        with trace.get_tracer("payment").start_as_current_span("charge", context=context) as span:
            if self.server.status >= 500:
                span.set_status(StatusCode.ERROR, "card processor")
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def payment(settings):
    server = http.server.HTTPServer(("127.0.0.1", 0), Payment)
    server.status = 200
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    settings.PAYMENT_URL = f"http://127.0.0.1:{server.server_port}/charge/"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def spans():
    EXPORTER.clear()

    def finished():
        return {span.name: span for span in EXPORTER.get_finished_spans()}

    return finished


@pytest.fixture
def client():
    return APIClient()


def depth(span, everything):
    parents = {each.context.span_id: each for each in everything}
    steps = 0
    while span.parent and span.parent.span_id in parents:
        span, steps = parents[span.parent.span_id], steps + 1
    return steps


def test_one_trace_runs_through_both_services(client, payment, spans):
    assert client.post("/checkout/", CART, format="json").status_code == 201
    found = spans()
    assert found["pay"].context.trace_id == found["POST"].context.trace_id == found["charge"].context.trace_id
    assert found["charge"].parent.span_id == found["POST"].context.span_id


def test_own_code_has_a_span_with_what_one_asks_first(client, payment, spans):
    client.post("/checkout/", CART, format="json")
    assert spans()["price cart"].attributes["app.cart.items"] == 2


def test_the_deepest_failed_span_is_the_culprit(client, payment, spans):
    payment.status = 500
    assert client.post("/checkout/", CART, format="json").status_code == 503
    everything = list(spans().values())
    failed = [span for span in everything if span.status.status_code is StatusCode.ERROR]
    assert {span.name for span in failed} == {"pay", "POST", "charge"}
    assert max(failed, key=lambda span: depth(span, everything)).name == "charge"


def test_a_dependency_that_is_away_leaves_a_client_span_without_a_server_span(client, payment, spans):
    payment.shutdown()
    payment.server_close()
    assert client.post("/checkout/", CART, format="json").status_code == 503
    found = spans()
    assert "charge" not in found
    assert found["POST"].status.status_code is StatusCode.ERROR
    (event,) = found["pay"].events
    assert event.attributes["exception.type"].endswith("ConnectionError")


def test_catching_without_marking_leaves_the_span_green(payment, spans, settings):
    payment.status = 500
    with trace.get_tracer("naive").start_as_current_span("naive"):
        with contextlib.suppress(requests.RequestException):
            requests.post(settings.PAYMENT_URL, json={}, timeout=3).raise_for_status()
    naive = spans()["naive"]
    assert naive.status.status_code is StatusCode.UNSET
    assert not naive.events


def test_the_collector_keeps_failed_and_slow_traces_and_uses_what_it_defines():
    config = yaml.safe_load(Path("collector.yaml").read_text())
    kinds = [policy["type"] for policy in config["processors"]["tail_sampling"]["policies"]]
    assert kinds == ["status_code", "latency", "probabilistic"]
    pipeline = config["service"]["pipelines"]["traces"]
    assert all(set(pipeline[part]) == set(config[part]) for part in pipeline)
