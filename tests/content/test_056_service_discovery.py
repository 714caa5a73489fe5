"""Scenario 56: a caller, pods at several real addresses, and a DNS of ours that says where a name is now."""

import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import yaml
from django.conf import settings as project_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import PasswordResetForm
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from orders import clients

TIMEOUT = 5


class Pod(ThreadingHTTPServer):
    """Says which one it is, and keeps connections alive."""

    def __init__(self, address, port):
        super().__init__((address, port), Handler)
        self.open = set()

    def crash(self):
        """Ends as a process does: its connections are closed with it."""
        self.shutdown()
        for connection in list(self.open):
            connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.open.add(self.connection)

    def finish(self):
        self.server.open.discard(self.connection)
        super().finish()

    def do_GET(self):
        body = self.server.server_address[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def running(address, port=0):
    with Pod(address, port) as pod:
        thread = threading.Thread(target=pod.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield pod
        finally:
            pod.crash()
            thread.join()


@pytest.fixture
def pods():
    """Two pods of one service, at two addresses."""
    with running("127.0.0.1") as first, running("127.0.0.2", first.server_port) as second:
        yield [first, second]
        forget_session()


@pytest.fixture
def dns(monkeypatch, pods):
    """Where the name `orders` is; each look-up takes the next address in turn."""
    addresses = ["127.0.0.1"]
    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if host == "orders":
            addresses.append(host := addresses.pop(0))
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return addresses


@pytest.fixture
def later(monkeypatch):
    """Lets time pass for the session of the answer."""
    passed = [0]
    real = clients.time.monotonic
    monkeypatch.setattr(clients.time, "monotonic", lambda: real() + passed[0])

    def let(seconds):
        passed[0] += seconds

    return let


def forget_session():
    if hasattr(clients.local, "session"):
        clients.local.session.close()
        del clients.local.session


class TestTheName:
    def test_a_name_leads_to_the_pod_wherever_it_is_now(self, pods, dns):
        url = f"http://orders:{pods[0].server_port}/"
        assert requests.get(url, timeout=TIMEOUT).text == "127.0.0.1"
        dns[:] = ["127.0.0.2"]  # the pod was replaced
        assert requests.get(url, timeout=TIMEOUT).text == "127.0.0.2"

    def test_an_address_in_the_configuration_leads_to_nobody(self, pods):
        url = f"http://127.0.0.1:{pods[0].server_port}/"
        pods[0].crash()
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=TIMEOUT)


class TestConnectionsThatStayAlive:
    def get(self, session, pods):
        return session.get(f"http://orders:{pods[0].server_port}/", timeout=TIMEOUT).text

    def test_a_session_stays_with_the_pod_it_has(self, pods, dns):
        with requests.Session() as session:
            assert self.get(session, pods) == "127.0.0.1"
            dns[:] = ["127.0.0.2"]
            assert {self.get(session, pods) for _ in range(5)} == {"127.0.0.1"}

    def test_so_a_new_replica_gets_nothing(self, pods, dns):
        dns[:] = ["127.0.0.1", "127.0.0.2"]
        with requests.Session() as session:
            assert len({self.get(session, pods) for _ in range(10)}) == 1

    def test_it_looks_the_name_up_again_when_the_pod_has_closed_the_connection(self, pods, dns):
        with requests.Session() as session:
            self.get(session, pods)
            dns[:] = ["127.0.0.2"]
            pods[0].crash()
            assert self.get(session, pods) == "127.0.0.2"

    def test_ours_goes_where_the_name_leads_after_a_minute(self, pods, dns, later):
        assert self.get(clients.session(), pods) == "127.0.0.1"
        dns[:] = ["127.0.0.2"]
        later(clients.MAX_AGE - 10)
        assert self.get(clients.session(), pods) == "127.0.0.1"
        later(20)
        assert self.get(clients.session(), pods) == "127.0.0.2"

    def test_ours_reaches_every_replica_in_time(self, pods, dns, later):
        dns[:] = ["127.0.0.1", "127.0.0.2"]
        seen = set()
        for _ in range(3):
            seen.add(self.get(clients.session(), pods))
            later(clients.MAX_AGE + 1)
        assert seen == {"127.0.0.1", "127.0.0.2"}

    def test_within_the_minute_the_connection_is_reused(self, pods, dns):
        with ExitStack() as stack:
            stack.callback(forget_session)
            for _ in range(5):
                self.get(clients.session(), pods)
            assert len(pods[0].open) == 1


class TestTheHost:
    def get(self, client, host, url="/readyz"):
        return client.get(url, headers={"host": host})

    @pytest.fixture(autouse=True)
    def production(self, settings):
        settings.DEBUG = False
        assert "orders" in settings.ALLOWED_HOSTS

    def test_a_name_that_is_not_allowed_is_400(self, client, settings, caplog):
        settings.ALLOWED_HOSTS = ["api.example.com"]
        assert self.get(client, "orders:8000").status_code == 400
        assert "Invalid HTTP_HOST header: 'orders:8000'. You may need to add 'orders'" in caplog.text

    def test_a_probe_without_a_host_header_sends_the_pods_address_and_gets_400(self, client):
        assert self.get(client, "10.1.2.3:8000").status_code == 400

    @pytest.mark.parametrize("allowed", [["order_service"], ["*"]])
    def test_an_underscore_is_never_accepted(self, client, settings, allowed, caplog):
        settings.ALLOWED_HOSTS = allowed
        assert self.get(client, "order_service:8000").status_code == 400
        assert "not valid according to RFC 1034/1035" in caplog.text
        settings.ALLOWED_HOSTS = ["order-service"]
        assert self.get(client, "order-service:8000").status_code == 200

    def test_with_a_wildcard_a_stranger_chooses_the_host_in_our_mails(self, db, settings):
        get_user_model().objects.create_user("ann", "ann@example.com", "change-me")
        settings.ALLOWED_HOSTS = ["*"]
        sent = []

        class Form(PasswordResetForm):
            def send_mail(self, subject, body, context, *args, **kwargs):
                sent.append(context)

        form = Form({"email": "ann@example.com"})
        assert form.is_valid()
        form.save(request=RequestFactory().post("/", headers={"host": "evil.example"}))
        assert sent[0]["domain"] == "evil.example"  # the link with the token in it leads there

    def test_ssl_redirect_sends_an_internal_caller_to_a_port_that_speaks_no_tls(self, client, settings):
        settings.SECURE_SSL_REDIRECT = True
        response = self.get(client, "orders:8000")
        assert (response.status_code, response.headers["Location"]) == (301, "https://orders:8000/readyz")

    def test_readiness_does_not_ask_the_database(self, client):
        assert self.get(client, "orders:8000").content == b"ok"  # without the mark `django_db` a query fails


class TestTheManifest:
    @pytest.fixture
    def manifest(self):
        service, deployment = yaml.safe_load_all(Path("k8s/orders.yaml").read_text())
        return service, deployment["spec"]["template"]

    def test_the_service_selects_the_pods_and_their_port(self, manifest):
        service, template = manifest
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        (port,) = template["spec"]["containers"][0]["ports"]
        assert service["spec"]["ports"][0]["targetPort"] == port["name"]

    def test_django_answers_the_probe_as_it_is_written(self, manifest, client):
        probe = manifest[1]["spec"]["containers"][0]["readinessProbe"]["httpGet"]
        headers = {header["name"].lower(): header["value"] for header in probe["httpHeaders"]}
        assert client.get(probe["path"], headers=headers).status_code == 200

    def test_the_names_are_those_of_the_service(self, manifest):
        name, namespace = manifest[0]["metadata"]["name"], manifest[0]["metadata"]["namespace"]
        full = f"{name}.{namespace}.svc.cluster.local"
        assert {name, f"{name}.{namespace}", full} < set(project_settings.ALLOWED_HOSTS)

    def test_no_service_links_are_set(self, manifest):
        assert manifest[1]["spec"]["enableServiceLinks"] is False

    def test_a_service_link_breaks_a_port_from_the_environment(self):
        code = "import os; int(os.environ['ORDERS_PORT'])"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "ORDERS_PORT": "tcp://10.96.12.7:8000"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(r"ValueError: invalid literal for int\(\) with base 10: 'tcp://", done.stderr)


class TestTheOtherServices:
    def test_they_are_names_too_and_the_environment_may_say_others(self):
        def billing(**environment):
            code = "from config.settings import BILLING_URL; print(BILLING_URL)"
            return subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()

        assert billing() == "http://billing:8000"
        assert billing(BILLING_URL="http://localhost:8001") == "http://localhost:8001"


class TestReadinessThatAsksOthers:
    def test_one_outage_takes_every_pod_off_the_list(self, client, settings):
        settings.BILLING_URL = "http://127.0.0.1:1"

        def naive(request):
            requests.get(settings.BILLING_URL, timeout=TIMEOUT)
            return HttpResponse("ok")

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("naive", naive)]})
        client.raise_request_exception = False
        replies = [client.get("/naive", headers={"host": "orders"}).status_code for pod in range(3)]
        assert replies == [500, 500, 500]
