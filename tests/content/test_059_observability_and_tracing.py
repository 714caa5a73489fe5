"""Scenario 59: two services under Gunicorn and a Celery worker, one request, and a collector that listens."""

import contextvars
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
import yaml
from config.logs import TraceIdFilter
from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client, RequestFactory
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

NEEDS = ("redis",)
SOON = 20
OURS = "0123456789abcdef0123456789abcdef"


class Server(http.server.ThreadingHTTPServer):
    """Keeps the headers and bodies that it is sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Recorder)
        self.received = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self):
        """Everything exported so far: (service, span) pairs."""
        found = []
        for _, body in list(self.received):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {a.key: a.value.string_value for a in resource.resource.attributes}
                for scope in resource.scope_spans:
                    found += [(names["service.name"], span) for span in scope.spans]
        return found

    def trace(self, trace_id):
        return [(service, span) for service, span in self.spans if span.trace_id.hex() == trace_id]


class Recorder(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.received.append((self.headers, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *args):
        pass


@contextmanager
def listening():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def processes():
    """A function that starts one in the background; all are stopped together, which takes less time."""
    with ExitStack() as stack:
        started = []

        def start(log, command, variables):
            output = stack.enter_context(log.open("wb"))
            command = [sys.executable, "-m", *command]
            process = subprocess.Popen(command, env=os.environ | variables, stdout=output, stderr=output)
            started.append(stack.enter_context(process))

        try:
            yield start
        finally:
            for process in started:
                process.terminate()


def until(condition, what):
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(what)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(f"{url}/healthz/", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


class System:
    def __init__(self, folder):
        self.folder = folder

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def lines(self, name, message):
        return [line for line in self.log(name).splitlines() if message in line]

    def get(self, path, **headers):
        """Without `requests`, which other tests instrument."""
        request = urllib.request.Request(f"{self.shop}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=SOON) as response:
            return json.load(response), response.headers


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    running = System(tmp_path_factory.mktemp("logs"))
    written = yaml.safe_load(Path("compose.yaml").read_text())["services"]["shop"]["environment"]
    with listening() as running.collector, processes() as start:
        common = written | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": running.collector.url,
            "OTEL_TRACES_SAMPLER_ARG": "1.0",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "XDG_RUNTIME_DIR": ".",  # where Gunicorn puts a socket of its own
        }
        stock, running.shop = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        commands = {
            "worker": ["celery", "-A", "config", "worker", "--concurrency=1", "--without-mingle"],
            "stock": ["gunicorn", "config.wsgi", f"--bind={stock.removeprefix('http://')}"],
            "shop": ["gunicorn", "config.wsgi", f"--bind={running.shop.removeprefix('http://')}"],
        }
        for name, command in commands.items():
            start(
                running.folder / f"{name}.log",
                command,
                common | {"OTEL_SERVICE_NAME": name, "STOCK_URL": stock},
            )
        for url in (stock, running.shop):
            until(lambda url=url: answers(url), f"{url} does not come up")
        yield running


@pytest.fixture(scope="module")
def checkout(system):
    """One request through everything: its trace id, once all of its spans have arrived."""
    body, headers = system.get("/checkout/A-1/")
    assert body == {"sku": "A-1", "left": 3}
    _, trace_id, _, _ = headers["traceresponse"].split("-")
    until(lambda: len(system.collector.trace(trace_id)) >= 5, "the spans do not arrive")
    return trace_id


class TestOneRequestThroughEverything:
    def test_is_one_trace_from_the_view_over_the_http_client_to_the_other_view_and_the_task(
        self, system, checkout
    ):
        spans = system.collector.trace(checkout)
        by_id = {span.span_id: (service, span.name) for service, span in spans}
        chain = {(s, span.name): by_id.get(span.parent_span_id) for s, span in spans}
        view = ("shop", "GET checkout/<str:sku>/")
        assert chain == {
            view: None,
            ("shop", "GET"): view,
            ("stock", "GET stock/<str:sku>/"): ("shop", "GET"),
            ("shop", "apply_async/shop.tasks.send_receipt"): view,
            ("worker", "run/shop.tasks.send_receipt"): ("shop", "apply_async/shop.tasks.send_receipt"),
        }

    def test_every_service_and_the_worker_write_the_id_into_their_lines(self, system, checkout):
        assert system.lines("shop", f"INFO {checkout} shop.views: checkout of A-1")
        assert system.lines("stock", f"INFO {checkout} shop.views: asked for A-1")
        assert system.lines("worker", f"INFO {checkout} shop.tasks: receipt for A-1")
        assert system.lines("worker", f"INFO {checkout} celery.app.trace: Task shop.tasks.send_receipt")

    def test_a_script_in_another_origin_may_read_the_id(self, system):
        _, headers = system.get("/stock/B-2/")
        assert headers["Access-Control-Expose-Headers"] == "traceresponse"

    def test_a_crash_is_logged_with_the_id_that_the_user_got(self, system):
        with pytest.raises(urllib.error.HTTPError) as caught:
            system.get("/broken/")
        _, trace_id, _, _ = caught.value.headers["traceresponse"].split("-")
        caught.value.close()
        assert system.lines("shop", f"ERROR {trace_id} django.request: Internal Server Error: /broken/")

    def test_the_health_check_is_left_out(self, system, checkout):
        assert not [span for _, span in system.collector.spans if "healthz" in str(span)]

    def test_the_id_sent_with_curl_is_taken_up_everywhere(self, system):
        system.get("/checkout/C-3/", traceparent=f"00-{OURS}-0123456789abcdef-01")
        until(lambda: len(system.collector.trace(OURS)) >= 5, "the spans do not arrive")
        for name in ("shop", "stock", "worker"):
            assert system.lines(name, OURS), name


class TestAStrangersTraceparent:
    def test_goes_unrecorded_by_a_flag_and_picks_the_id_in_the_logs(self, system, checkout):
        chosen = "deadbeef" * 4
        system.get("/checkout/D-4/", traceparent=f"00-{chosen}-0123456789abcdef-00")
        until(lambda: system.lines("worker", f"{chosen} shop.tasks"), "the task does not run")
        # Recorded after it, in each of the three processes: what is not there by now never comes.
        system.get("/checkout/E-5/", traceparent=f"00-{'ab' * 16}-0123456789abcdef-01")
        until(lambda: len(system.collector.trace("ab" * 16)) >= 5, "the spans do not arrive")
        assert system.lines("shop", f"{chosen} shop.views")
        assert not system.collector.trace(chosen)


class TestCelerysOwnLogging:
    def test_puts_its_handlers_in_the_place_of_ours_if_nobody_receives_setup_logging(self):
        """What a worker calls when it starts; asked about the root logger and that of tasks."""
        script = (
            "import logging; from celery.signals import setup_logging; from config.celery import app;"
            "import django; django.setup(); setup_logging.receivers.clear();"
            "root, tasks = logging.getLogger(), logging.getLogger('celery.task');"
            "before = root.handlers[0].filters; app.log.setup('INFO');"
            "print(len(before), root.handlers[0].filters, tasks.handlers[0].filters, tasks.propagate)"
        )
        assert run(script) == "1 [] [] 0\n"


def run(script, **variables):
    """Unmeasured, which is faster."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def exported():
    """What a provider of this process records."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    exporter.provider = provider
    yield exporter
    provider.shutdown()


@pytest.fixture
def tracer(exported):
    return exported.provider.get_tracer(__name__)


class TestTooLate:
    @pytest.fixture(autouse=True)
    def as_before(self, settings):
        settings.MIDDLEWARE = list(settings.MIDDLEWARE)
        yield
        DjangoInstrumentor().uninstrument()

    def test_an_application_made_before_has_no_spans_and_nobody_is_told(self, exported, caplog):
        made_before = WSGIHandler()
        DjangoInstrumentor().instrument(tracer_provider=exported.provider)
        request = RequestFactory().get("/stock/A-1/").environ
        assert made_before.get_response(made_before.request_class(request)).status_code == 200
        assert not exported.get_finished_spans()
        assert not caplog.records[1:]  # the view's own line is the only one

    def test_one_made_after_has(self, exported):
        DjangoInstrumentor().instrument(tracer_provider=exported.provider)
        assert Client().get("/stock/A-1/").status_code == 200
        (span,) = exported.get_finished_spans()
        assert span.name == "GET stock/<str:sku>/"
        assert "otel_middleware" in django_settings.MIDDLEWARE[0]


class TestPreloading:
    def test_an_instrumented_application_takes_up_a_provider_that_is_set_after_the_fork(self, tmp_path):
        """In a process of its own, since the provider of a process can be set once only."""
        script = """
import os
from opentelemetry import trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

DjangoInstrumentor().instrument()
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()

if child := os.fork():
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status))
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
from django.test import RequestFactory
application.get_response(application.request_class(RequestFactory().get("/stock/A-1/").environ))
print(exporter.get_finished_spans()[0].name)
"""
        assert run(script) == "GET stock/<str:sku>/\n"


class TestLines:
    def test_outside_of_any_request_the_id_is_zeros(self, caplog):
        assert logged_id() == "0" * 32

    def test_in_a_span_it_is_the_one_of_the_trace(self, tracer):
        with tracer.start_as_current_span("request") as span:
            assert logged_id() == trace.format_trace_id(span.get_span_context().trace_id)


def logged_id(*_):
    import logging

    record = logging.LogRecord("shop", logging.INFO, __file__, 1, "x", (), None)
    assert TraceIdFilter().filter(record)
    return record.trace_id


class TestThreads:
    def test_a_pool_forgets_the_trace(self, tracer):
        with ThreadPoolExecutor(1) as pool, tracer.start_as_current_span("request"):
            assert pool.submit(logged_id).result() == "0" * 32

    def test_a_copied_context_keeps_it(self, tracer):
        with ThreadPoolExecutor(1) as pool, tracer.start_as_current_span("request"):
            copied = contextvars.copy_context()
            assert pool.submit(copied.run, logged_id).result() == logged_id() != "0" * 32


class TestAQueueOfOnesOwn:
    def test_a_row_carries_the_trace_to_whoever_picks_it_up(self, tracer, exported):
        row = {}
        with tracer.start_as_current_span("request"):
            propagate.inject(row)
        with tracer.start_as_current_span("picked up", context=propagate.extract(row)):
            pass
        request, picked_up = exported.get_finished_spans()
        assert list(row) == ["traceparent"]
        assert picked_up.context.trace_id == request.context.trace_id
        assert picked_up.parent.span_id == request.context.span_id

    def test_without_it_the_relay_starts_a_trace_of_its_own(self, tracer, exported):
        with tracer.start_as_current_span("request"):
            pass
        with tracer.start_as_current_span("picked up"):
            pass
        request, picked_up = exported.get_finished_spans()
        assert picked_up.context.trace_id != request.context.trace_id


class TestPartners:
    @pytest.fixture
    def call(self, exported):
        """A request to a partner with something personal in the baggage; returns the headers it got."""

        def send(**options):
            instrumentor = RequestsInstrumentor()
            instrumentor.instrument(tracer_provider=exported.provider, **options)
            token = context.attach(baggage.set_baggage("customer", "ann@example.com"))
            try:
                with listening() as partner:
                    requests.get(partner.url, timeout=SOON)
                    ((headers, _),) = partner.received
            finally:
                context.detach(token)
                instrumentor.uninstrument()
            return headers

        return send

    def test_get_the_baggage(self, call):
        headers = call()
        assert headers["baggage"] == "customer=ann%40example.com"
        assert headers["traceparent"]

    def test_get_nothing_if_they_are_excluded(self, call):
        headers = call(excluded_urls="127.0.0.1")
        assert "baggage" not in headers
        assert "traceparent" not in headers


class TestServicesThatSpeakB3:
    @pytest.mark.parametrize(
        ("propagators", "expected"),
        [("tracecontext,baggage,b3multi", OURS), ("", "0" * 32)],
        ids=["with b3multi", "by default"],
    )
    def test_are_understood_with_the_propagator_alone(self, propagators, expected):
        script = (
            "from opentelemetry import propagate, trace;"
            f"sent = {{'x-b3-traceid': '{OURS}', 'x-b3-spanid': '{OURS[:16]}', 'x-b3-sampled': '1'}};"
            "found = trace.get_current_span(propagate.extract(sent)).get_span_context();"
            "print(trace.format_trace_id(found.trace_id))"
        )
        assert run(script, OTEL_PROPAGATORS=propagators) == f"{expected}\n"
