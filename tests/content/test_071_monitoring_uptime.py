"""Scenario 71: the database is taken away, hangs and comes back; both health URLs are asked each time."""

import socket
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from django.db import connection
from django.test import Client

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@contextmanager
def database_at(host, port):
    """The database of the settings, at another address."""
    real = connection.settings_dict
    connection.close()
    connection.settings_dict = {**real, "HOST": host, "PORT": port}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = real


@pytest.fixture
def down():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        with database_at("127.0.0.1", unused.getsockname()[1]):
            yield


@pytest.fixture
def silent():
    """A database host that accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with database_at("127.0.0.1", server.getsockname()[1]):
            yield


class TestTheDatabase:
    def test_both_are_green_while_it_is_up(self, client):
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 200

    def test_liveness_stays_green_and_readiness_turns_red_when_it_is_down(self, client, down):
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503

    def test_readiness_is_green_again_when_it_is_back(self, client):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with database_at("127.0.0.1", unused.getsockname()[1]):
                assert client.get("/readyz").status_code == 503
        assert client.get("/readyz").status_code == 200

    def test_the_reason_is_in_the_log_and_not_in_the_body(self, client, down, caplog):
        response = client.get("/readyz")
        assert response.content == b"database\n"
        assert "Connection refused" in caplog.text

    def test_a_host_that_does_not_answer_costs_no_more_than_the_time_out(self, client, silent):
        assert connection.settings_dict["OPTIONS"] == {"connect_timeout": 2}
        start = time.monotonic()
        assert client.get("/readyz").status_code == 503
        (container,) = yaml.safe_load(Path("deployment.yaml").read_text())["spec"]["template"]["spec"][
            "containers"
        ]
        assert time.monotonic() - start < container["readinessProbe"]["timeoutSeconds"]

    def test_liveness_asks_the_database_nothing(self, client, django_assert_num_queries):
        with django_assert_num_queries(0):
            client.get("/livez")
        with django_assert_num_queries(1):
            client.get("/readyz")


class TestProbesByIp:
    @pytest.fixture(autouse=True)
    def production(self, settings):
        settings.ALLOWED_HOSTS = ["api.example.com"]

    @pytest.mark.parametrize("path", ["/livez", "/readyz"])
    @pytest.mark.parametrize("redirect", [True, False])
    def test_the_middleware_answers_them(self, client, settings, path, redirect):
        settings.SECURE_SSL_REDIRECT = redirect
        assert client.get(path, headers={"host": "10.244.1.7:8000"}).status_code == 200

    def test_an_ordinary_view_refuses_the_host(self, client):
        assert client.get("/health/", headers={"host": "10.244.1.7:8000"}).status_code == 400

    def test_an_ordinary_view_redirects_to_https(self, client, settings):
        settings.SECURE_SSL_REDIRECT = True
        response = client.get("/health/", headers={"host": "api.example.com"})
        assert (response.status_code, response["Location"]) == (301, "https://api.example.com/health/")


class TestMistakes:
    def test_a_view_that_only_says_ok_is_green_in_the_outage(self, client, down):
        assert client.get("/health/").status_code == 200

    def test_a_liveness_probe_with_a_query_fails_with_the_database(self, client, down):
        assert client.get("/naive-livez/").status_code == 500

    def test_a_drf_view_inherits_the_permissions(self, client):
        assert client.get("/drf-health/").status_code == 403


def test_kubernetes_restarts_on_liveness_alone():
    (container,) = yaml.safe_load(Path("deployment.yaml").read_text())["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["startupProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
