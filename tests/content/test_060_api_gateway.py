"""Scenario 60: a real nginx, started with the configuration of the answer, before two services."""

import http.client
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

NEEDS = ("nginx",)
SOON = 20
HOST = "api.example.com"
FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CONFIGURATION = Path("gateway/api.conf").read_text()


class Recorder(http.server.ThreadingHTTPServer):
    """The users service; keeps the headers it is sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.received = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.received.append(self.headers)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_open(port):
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nobody listens on {port}")


@contextmanager
def running(command, **variables):
    with subprocess.Popen(command, env=os.environ | variables) as process:
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def nginx(configuration, folder, **services):
    """The gateway, with the names of the services replaced by where they are here; yields its port."""
    port = free_port()
    text = configuration.replace("listen 8080", f"listen 127.0.0.1:{port}")
    for name, at in services.items():
        text, count = re.subn(rf"server {name.replace('_', '-')}:8000", f"server 127.0.0.1:{at}", text)
        assert count == 1
    paths = " ".join(f"{name}_temp_path {folder}/{name};" for name in FOLDERS)
    main = f"daemon off; master_process off; pid {folder}/pid; events {{}} http {{ access_log off; {paths} {text} }}"
    (folder / "nginx.conf").write_text(main)
    command = [os.environ["EXAMPLE_NGINX"], "-p", folder, "-e", folder / "log", "-c", folder / "nginx.conf"]
    with running(command):
        until_open(port)
        yield port


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def users():
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def services(key, users):
    """The ports of the services: two versions of the orders under Gunicorn, and the recorder."""
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    ports = {"orders": free_port(), "orders_canary": free_port()}
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind"]
    stable, canary = ([*command, f"127.0.0.1:{port}"] for port in ports.values())
    # Gunicorn puts a socket of its own into the second.
    variables = {"TOKEN_PUBLIC_KEY": public.decode(), "XDG_RUNTIME_DIR": "."}
    with running(stable, VERSION="stable", **variables), running(canary, VERSION="canary", **variables):
        for port in ports.values():
            until_open(port)
        yield {**ports, "users": users.server_port}


@pytest.fixture(scope="module")
def gateway(services, tmp_path_factory):
    with nginx(CONFIGURATION, tmp_path_factory.mktemp("nginx"), **services) as port:
        yield port


@pytest.fixture(autouse=True)
def nothing_received(users):
    users.received.clear()


def get(port, path, address="127.0.0.1", **headers):
    """Status, headers and body; `address` is that of the client, any in 127.0.0.0/8 will do."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON, source_address=(address, 0))
    try:
        named = {name.replace("__", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers={"Host": HOST} | named)
        response = connection.getresponse()
        body = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, response.headers, json.loads(body) if is_json else body
    finally:
        connection.close()


def bearer(key, user=7, **changes):
    claims = {
        "token_type": "access",
        "exp": int(time.time()) + 60,
        "jti": uuid.uuid4().hex,
        "user_id": user,
        "iss": "https://accounts.example.com",
        "aud": "shop-api",
    }
    return f"Bearer {jwt.encode(claims | changes, key, 'RS256')}"


class TestOneAddress:
    def test_leads_to_each_service_by_its_path(self, gateway, users):
        assert get(gateway, "/api/users/", "127.0.1.1")[2] == b"ok"
        assert get(gateway, "/api/orders/version/", "127.0.1.1")[2]["version"] in {"stable", "canary"}
        assert len(users.received) == 1

    def test_knows_nothing_else(self, gateway):
        assert get(gateway, "/admin/", "127.0.1.2")[0] == 404

    def test_is_what_links_of_a_service_show(self, gateway, key):
        _, _, body = get(gateway, "/api/orders/me/", "127.0.1.3", Authorization=bearer(key))
        assert body["next"] == f"http://{HOST}/api/orders/me/?page=2"

    def test_says_in_json_that_a_service_is_away(self, services, tmp_path):
        with nginx(CONFIGURATION, tmp_path, **services | {"users": free_port()}) as port:
            status, _, body = get(port, "/api/users/")
        assert (status, body) == (502, {"detail": "Not available at the moment."})

    def test_passes_on_the_errors_of_a_service_as_they_are(self, gateway):
        status, _, body = get(gateway, "/api/orders/me/", "127.0.1.4")
        assert (status, body) == (401, {"detail": "Authentication credentials were not provided."})


class TestWhoTheCallerIs:
    def test_is_in_the_token_that_the_service_verifies(self, gateway, key):
        status, _, body = get(gateway, "/api/orders/me/", "127.0.2.1", Authorization=bearer(key, user=42))
        assert (status, body["user"]) == (200, 42)

    @pytest.mark.parametrize(
        "changes", [{"aud": "other"}, {"iss": "https://evil.example"}, {"exp": 1}], ids=["aud", "iss", "exp"]
    )
    def test_is_nobody_with_a_token_that_is_not_meant_for_us(self, gateway, key, changes):
        authorization = bearer(key, **changes)
        assert get(gateway, "/api/orders/me/", "127.0.2.2", Authorization=authorization)[0] == 401

    def test_is_nobody_with_a_token_that_somebody_else_signed(self, gateway):
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        assert get(gateway, "/api/orders/me/", "127.0.2.3", Authorization=bearer(other))[0] == 401

    def test_is_not_what_a_forged_header_says(self, gateway):
        assert get(gateway, "/api/orders/me/", "127.0.2.4", X__User__Id="1")[0] == 401

    def test_even_for_a_service_that_would_believe_it_the_gateway_removes_the_header(self, gateway):
        assert get(gateway, "/api/orders/naive/", "127.0.2.5", X__User__Id="1")[2] == {"user": None}

    def test_past_the_gateway_the_believing_service_falls_and_the_verifying_one_does_not(self, services):
        for port in (services["orders"], services["orders_canary"]):
            assert get(port, "/api/orders/naive/", X__User__Id="1")[2] == {"user": "1"}
            assert get(port, "/api/orders/me/", X__User__Id="1")[0] == 401


class TestHeadersThatReachAService:
    def test_are_cleaned_of_what_a_stranger_claims(self, gateway, users):
        forged = {
            "X__User__Id": "1",
            "X_User_Id": "1",
            "X__Forwarded__Host": "evil.example",
            "X__Forwarded__For": "10.0.0.1",
            "X__Forwarded__Proto": "https",
            "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
            "tracestate": "a=b",
            "baggage": "a=b",
            "Authorization": "Bearer abc",
        }
        get(gateway, "/api/users/", "127.0.3.1", **forged)
        (headers,) = users.received
        assert {name.lower(): value for name, value in headers.items()} == {
            "host": HOST,
            "x-forwarded-for": "127.0.3.1",
            "x-forwarded-proto": "http",
            "authorization": "Bearer abc",
            "connection": "close",
            "accept-encoding": "identity",
        }

    def test_let_a_service_know_address_and_scheme_of_the_client(self, gateway, key):
        headers = {"X__Forwarded__For": "10.0.0.1", "X__Forwarded__Proto": "https"}
        _, _, body = get(gateway, "/api/orders/me/", "127.0.3.2", Authorization=bearer(key), **headers)
        assert (body["client"], body["secure"]) == ("127.0.3.2", False)


class TestTheLimit:
    def test_is_one_for_each_address_and_answers_json(self, gateway):
        passed = 0
        while (answer := get(gateway, "/api/users/", "127.0.4.1"))[0] == 200 and passed < 5000:
            passed += 1
        assert passed > 40  # the burst
        assert (answer[0], answer[2]) == (429, {"detail": "Too many requests."})
        assert get(gateway, "/api/users/", "127.0.4.2")[0] == 200


class TestTheCanary:
    def test_gets_its_share_of_the_addresses_and_each_one_stays_where_it_is(self, gateway):
        def ask(last):
            address = f"127.0.5.{last}"
            return get(gateway, "/api/orders/version/", address)[2]["version"]

        first = {last: ask(last) for last in range(1, 201)}
        counts = Counter(first.values())
        assert 1 <= counts["canary"] <= 30
        assert counts["stable"] >= 170
        some = [*range(1, 20), *(last for last, version in first.items() if version == "canary")]
        assert all(ask(last) == first[last] for last in some)


class TestMistakes:
    def test_one_header_set_in_a_location_lets_all_the_forged_ones_pass(self, services, users, tmp_path):
        naive = CONFIGURATION.replace(
            "location /api/users/ {", "location /api/users/ { proxy_set_header X-Client ios;"
        )
        with nginx(naive, tmp_path, **services) as port:
            get(port, "/api/users/", X__User__Id="1")
        (headers,) = users.received
        assert headers["X-Client"] == "ios"
        assert headers["X-User-Id"] == "1"
        assert headers["Host"] == "users"  # and the public name is lost

    def test_underscores_let_a_second_spelling_pass(self, services, users, tmp_path):
        naive = CONFIGURATION.replace("listen 8080;", "listen 8080; underscores_in_headers on;")
        with nginx(naive, tmp_path, **services) as port:
            get(port, "/api/users/", X_User_Id="1")
        (headers,) = users.received
        assert headers["X_User_Id"] == "1"

    def test_the_usual_forwarded_for_keeps_what_the_client_wrote(self, services, users, tmp_path):
        naive = CONFIGURATION.replace("For $remote_addr", "For $proxy_add_x_forwarded_for")
        with nginx(naive, tmp_path, **services) as port:
            get(port, "/api/users/", X__Forwarded__For="10.0.0.1")
        (headers,) = users.received
        assert headers["X-Forwarded-For"] == "10.0.0.1, 127.0.0.1"
