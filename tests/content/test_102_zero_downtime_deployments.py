"""Scenario 102: Gunicorn is told to stop or reload during a request; probes meet Django's settings."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from shop.models import Order

SLOW = """
import os
import time


def application(environ, start_response):
    # Answers when the test says so, after thirty seconds at the latest.
    open("entered", "w").close()
    for _ in range(600):
        if os.path.exists("go"):
            break
        time.sleep(0.05)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]
"""


@pytest.fixture(scope="module")
def web():
    deployment, budget = yaml.safe_load_all(Path("k8s/web.yaml").read_text())
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]
    return deployment["spec"]


@pytest.fixture(scope="module")
def container(web):
    (container,) = web["template"]["spec"]["containers"]
    return container


class TestGunicorn:
    @pytest.fixture
    def server(self, tmp_path, container):
        (tmp_path / "slow.py").write_text(SLOW)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", *container["command"]]
        command[command.index("config.wsgi:application")] = "slow:application"
        command[command.index("0.0.0.0:8000")] = f"127.0.0.1:{port}"
        env = {**os.environ, "PYTHONPATH": str(tmp_path)}
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
        self.read_until(process, "Listening at")
        yield process, f"http://127.0.0.1:{port}/"
        process.terminate()
        process.communicate(timeout=40)

    def read_until(self, process, words):
        for line in process.stderr:
            if words in line:
                return
        raise AssertionError(f"gunicorn never said {words!r}")

    def get(self, url):
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.read()

    @pytest.mark.parametrize(
        ("number", "said"), [(signal.SIGTERM, "Handling signal: term"), (signal.SIGHUP, "Hang")]
    )
    def test_an_open_request_is_finished(self, server, tmp_path, number, said):
        process, url = server
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.get, url)
            while not (tmp_path / "entered").exists() and not answer.done():
                time.sleep(0.05)
            process.send_signal(number)
            self.read_until(process, said)
            assert not answer.done()
            (tmp_path / "go").touch()
            assert answer.result(timeout=60) == b"done"
        assert process.poll() is None or number == signal.SIGTERM
        if number == signal.SIGHUP:
            assert self.get(url) == b"done"


class TestTheProbes:
    @pytest.fixture
    def probe(self, client, settings, container):
        settings.ALLOWED_HOSTS = ["api.example.com"]
        settings.SECURE_SSL_REDIRECT = True
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

        def send(name, without=None):
            request = container[name]["httpGet"]
            headers = {h["name"]: h["value"] for h in request["httpHeaders"]}
            headers.setdefault("Host", "10.1.2.3:8000")
            if without == "Host":
                headers["Host"] = "10.1.2.3:8000"
            elif without:
                del headers[without]
            return client.get(request["path"], headers=headers).status_code

        return send

    @pytest.mark.django_db
    @pytest.mark.parametrize("name", ["startupProbe", "readinessProbe", "livenessProbe"])
    def test_each_is_green_on_strict_settings(self, probe, name):
        assert probe(name) == 200

    def test_without_the_host_django_answers_400(self, probe):
        assert probe("readinessProbe", without="Host") == 400

    @pytest.mark.django_db
    def test_without_the_scheme_a_redirect_hides_an_unmigrated_database(self, probe):
        MigrationRecorder(connection).record_unapplied("shop", "0001_initial")
        assert probe("startupProbe", without="X-Forwarded-Proto") == 301
        assert probe("startupProbe") == 503

    def test_without_a_database_started_is_red_and_alive_is_green(self):
        code = (
            "import django; django.setup()\n"
            "from django.conf import settings; from django.db import connection\n"
            "from django.test import Client\n"
            "settings.ALLOWED_HOSTS = ['*']; connection.settings_dict['NAME'] = '/no/such/folder/db'\n"
            "print([Client().get(f'/healthz/{p}').status_code for p in ('started', 'alive')])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
        )
        assert done.stdout.strip() == "[503, 200]"

    def test_readiness_and_liveness_do_not_ask_the_database(self, container):
        for name in ("readinessProbe", "livenessProbe"):
            assert container[name]["httpGet"]["path"] == "/healthz/alive"


class TestTheManifests:
    def test_no_pod_leaves_before_a_new_one_is_ready(self, web):
        assert web["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}

    def test_the_grace_period_covers_pre_stop_and_the_graceful_timeout(self, web, container):
        command = container["command"]
        graceful = int(command[command.index("--graceful-timeout") + 1])
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert web["template"]["spec"]["terminationGracePeriodSeconds"] > pause + graceful

    def test_both_run_one_tag_as_non_root_without_a_secret_in_the_file(self, web):
        job = yaml.safe_load(Path("k8s/migrate.yaml").read_text())["spec"]
        for pod in (web["template"]["spec"], job["template"]["spec"]):
            assert pod["securityContext"] == {"runAsNonRoot": True, "runAsUser": 10001}
            assert pod["containers"][0]["image"].endswith(":TAG")
            assert "env" not in pod["containers"][0]
        assert job["backoffLimit"] == 0


@pytest.mark.django_db
def test_a_renamed_column_breaks_the_old_code():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE shop_order RENAME COLUMN number TO reference")
        try:
            with pytest.raises(DatabaseError, match="number"):
                list(Order.objects.all())
        finally:
            cursor.execute("ALTER TABLE shop_order RENAME COLUMN reference TO number")


@pytest.mark.django_db
def test_a_new_nullable_column_does_not():
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE shop_order ADD COLUMN note varchar(50) NULL")
    Order.objects.create(number="A-1")
    assert Order.objects.get().number == "A-1"
