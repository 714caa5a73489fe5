"""Scenario 34: the suite of the answer runs with the wire cut; what was not faked fails, and nothing gets out."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import httpx
import httpx2
import pytest
import requests
import responses
import vcr
from responses import matchers
from shop.parcels import TIMEOUT, ParcelError, book

NEEDS = ("postgresql",)  # so that a blocked network is seen to let the database through

URL = "https://parcels.example/v2/shipments"
CONTRACT = "shop/tests/contract_parcels.py"


@contextmanager
def listening():
    """A server on this machine and the requests that reached it."""
    reached = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            reached.append(self.path)
            key = "trackingCode" if self.path.startswith("/v3/") else "tracking_code"
            body = json.dumps({key: "T-real"}).encode()
            self.send_response(201)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", reached
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def the_stand_in():
    """fakes/parcels.py as a developer starts it; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "fakes/parcels.py", str(port)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(port, process):
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def run_pytest(*arguments, **variables):
    """The reader's own call: the options come from the pyproject.toml of the answer."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class TestTheSuiteWithTheWireCut:
    def test_it_passes_and_leaves_out_the_file_that_asks_the_sandbox(self):
        code, output = run_pytest("-v", "shop")
        assert (code, "8 passed" in output) == (0, True), output
        assert "test_the_sandbox" not in output

    def test_what_nobody_faked_fails_by_name_and_what_is_on_this_machine_can_be_allowed(self):
        Path("shop/tests/written_now.py").write_text(WRITTEN_BY_THE_READER)
        with listening() as (url, reached):
            _, output = run_pytest("-rA", "shop/tests/written_now.py", PARCELS_URL=url, COLUMNS="300")
        outcomes = {
            name: outcome
            for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR) \S+::test_(\w+)", output, re.MULTILINE)
        }
        assert outcomes == {
            "forgotten": "FAILED",
            "forgotten_behind_a_narrow_except": "FAILED",
            "forgotten_behind_a_catch_all": "PASSED",  # on the fallback: the harm
            "postgresql": "PASSED",
            "local_service_allowed": "PASSED",
            "live_server_allowed": "PASSED",
            "live_server_not_allowed": "FAILED",
        }, output
        assert re.search(r"FAILED \S+::test_forgotten - pytest_socket.SocketBlockedError", output)
        assert reached == ["/shipments"]  # the one that was allowed


WRITTEN_BY_THE_READER = """
import pytest
import requests
from django.contrib.auth.models import User
from django.db import connection

from shop.parcels import ParcelError, book


def test_forgotten():
    book("A-1", 500)


def test_forgotten_behind_a_narrow_except():
    try:
        code = book("A-1", 500)
    except ParcelError:
        code = ""
    assert code == ""


def test_forgotten_behind_a_catch_all():
    try:
        code = book("A-1", 500)
    except Exception:
        code = ""
    assert code == ""


@pytest.mark.django_db
def test_postgresql():
    assert connection.vendor == "postgresql"
    User.objects.create_user("ada")


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_local_service_allowed():
    assert book("A-1", 500) == "T-real"


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_live_server_allowed(live_server):
    assert requests.get(live_server.url, timeout=5).status_code == 404


def test_live_server_not_allowed(live_server):
    assert requests.get(live_server.url, timeout=5).status_code == 404
"""


class TestTheFakeAtTheHttpLevel:
    @pytest.fixture(autouse=True)
    def vendor(self, settings):
        settings.PARCELS_URL = "https://parcels.example/v2"

    def test_an_address_nobody_registered_is_a_connection_error_behind_our_own(self):
        with responses.RequestsMock(), pytest.raises(ParcelError) as raised:
            book("A-1", 500)
        assert isinstance(raised.value.__cause__, requests.ConnectionError)

    def test_an_answer_never_asked_for_fails_the_test(self):
        with pytest.raises(AssertionError, match="have been executed"), responses.RequestsMock() as carrier:
            carrier.post(URL, json={})

    def test_a_wrong_request_is_noticed(self):
        with responses.RequestsMock(assert_all_requests_are_fired=False) as carrier:
            wanted = matchers.json_params_matcher({"reference": "A-1", "grams": 500})
            carrier.post(URL, json={"tracking_code": "T-1"}, match=[wanted])
            with pytest.raises(ParcelError):
                book("A-1", 501)

    def test_only_the_matcher_misses_a_forgotten_timeout(self):
        with responses.RequestsMock(assert_all_requests_are_fired=False) as carrier:
            carrier.post(URL, json={})
            assert requests.post(URL, json={}).ok
            carrier.upsert("POST", URL, match=[matchers.request_kwargs_matcher({"timeout": TIMEOUT})])
            with pytest.raises(requests.ConnectionError, match="timeout"):
                requests.post(URL, json={})


class TestOtherClients:
    def test_responses_does_not_see_httpx2(self):
        with (
            listening() as (url, reached),
            responses.RequestsMock(assert_all_requests_are_fired=False) as fake,
        ):
            fake.post(f"{url}/shipments", json={"tracking_code": "T-fake"})
            assert httpx2.post(f"{url}/shipments").json() == {"tracking_code": "T-real"}
        assert reached == ["/shipments"]

    def test_pytest_httpx2_does(self, httpx2_mock):
        route = httpx2_mock.post(URL).respond(201, json={"tracking_code": "T-1"})
        assert httpx2.post(URL).json() == {"tracking_code": "T-1"}
        assert route.called

    def test_a_mock_transport_needs_nothing_but_the_client(self):
        transport = httpx2.MockTransport(lambda request: httpx2.Response(503))
        with httpx2.Client(transport=transport) as client:
            assert client.post(URL).status_code == 503

    @pytest.mark.parametrize("post", [requests.post, httpx.post, httpx2.post])
    def test_vcr_replays_a_cassette_and_keeps_the_credentials_only_if_not_filtered(self, post, tmp_path):
        sent = {"headers": {"Authorization": "Bearer change-me"}, "timeout": 5}
        leaky, clean = tmp_path / "leaky.yaml", tmp_path / "clean.yaml"
        with listening() as (url, reached):
            with vcr.use_cassette(str(leaky)):
                post(url, **sent)
            with vcr.use_cassette(str(clean), filter_headers=["authorization"]):
                post(url, **sent)
        assert len(reached) == 2
        with vcr.use_cassette(str(clean), record_mode="none", filter_headers=["authorization"]):
            assert post(url, **sent).json() == {"tracking_code": "T-real"}  # the server is gone
        assert "change-me" in leaky.read_text()
        assert "change-me" not in clean.read_text()


class TestTheRestOfTheApplication:
    def test_patched_where_it_is_used_the_view_gets_what_the_test_decides(self, client):
        with mock.patch("shop.views.book", autospec=True, return_value="T-9") as patched:
            assert client.get("/orders/A-1/ship/").json() == {"tracking_code": "T-9"}
        patched.assert_called_once_with("A-1", grams=500)
        with mock.patch("shop.views.book", autospec=True, side_effect=ParcelError):
            assert client.get("/orders/A-1/ship/").status_code == 503

    def test_patched_where_it_is_defined_the_original_runs(self, client, settings):
        with listening() as (settings.PARCELS_URL, reached), mock.patch("shop.parcels.book") as patched:
            assert client.get("/orders/A-1/ship/").json() == {"tracking_code": "T-real"}
        patched.assert_not_called()
        assert reached == ["/shipments"]

    def test_a_bare_mock_takes_any_arguments(self):
        with mock.patch("shop.views.book") as bare:
            bare("A-1", kilograms=1)
        with mock.patch("shop.views.book", autospec=True) as strict, pytest.raises(TypeError):
            strict("A-1", kilograms=1)


class TestTheStandIn:
    def test_the_input_chooses_the_answer(self, settings):
        with the_stand_in() as settings.PARCELS_URL:
            assert book("A-1", 500) == "T-A-1"
            with pytest.raises(ParcelError):
                book("A-1-503", 500)

    def test_the_nightly_file_passes_against_a_sandbox_that_keeps_its_word(self):
        with the_stand_in() as url:
            code, output = run_pytest(CONTRACT, PARCELS_SANDBOX_URL=url, PARCELS_SANDBOX_TOKEN="change-me")
        assert code == 0, output

    def test_and_fails_when_the_vendor_renames_the_key(self):
        with listening() as (url, reached):
            code, output = run_pytest(
                CONTRACT, PARCELS_SANDBOX_URL=f"{url}/v3", PARCELS_SANDBOX_TOKEN="change-me"
            )
        assert reached == ["/v3/shipments"]
        assert (code, "ParcelError" in output) == (1, True), output
