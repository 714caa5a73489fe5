"""Scenario 54: more processes than one, and what they share, count, hold and finish."""

import http.client
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings

NEEDS = ("postgresql", "redis")
SOON = 20
HOST = "api.example.com"
CONFIG = runpy.run_path("gunicorn.conf.py")
POOL = django_settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
# The settings without what the answer puts in.
NAIVE = """
from config.settings import *
DATABASES["default"]["OPTIONS"] = {}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
"""


@pytest.fixture(scope="module", autouse=True)
def database(django_db_blocker):
    """The database that the processes use: the real one, not that of the tests."""
    Path("naive.py").write_text(NAIVE)
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)
        User.objects.create_user("ann")
        yield
        connection.close()
        connection.close_pool()


@pytest.fixture
def held():
    """The lock for which `/slow/` waits, and the only view on the connections."""
    with psycopg.connect(os.environ["EXAMPLE_DATABASE_URL"], autocommit=True) as client:
        client.execute("SELECT pg_advisory_lock(54)")
        yield client


def connections(client, condition="true"):
    """How many Gunicorn has."""
    query = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'web' AND {condition}"
    return client.execute(query).fetchone()[0]


def until(condition, what):
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(what)


def get(port, path, timeout=SOON, host=HOST):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        client.request("GET", path, headers={"Host": host})
        return client.getresponse().status
    finally:
        client.close()


def answers(port):
    try:
        return get(port, "/livez", timeout=1) == 200
    except OSError:
        return False


@pytest.fixture
def client():
    return Client(HTTP_HOST=HOST)


@contextmanager
def serving(settings="config.settings"):
    """Gunicorn with the configuration of the answer; yields the process and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
    variables = {"DJANGO_SETTINGS_MODULE": settings, "PGAPPNAME": "web", "WEB_CONCURRENCY": "1"}
    variables |= {"XDG_RUNTIME_DIR": "."}  # where Gunicorn puts a socket of its own
    with subprocess.Popen(command, env=os.environ | variables) as process:
        try:
            until(lambda: answers(port), "gunicorn does not come up")
            yield process, port
        finally:
            process.terminate()


def in_a_process(script, settings="config.settings", **variables):
    """What the script prints; unmeasured, which is faster."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment |= {"DJANGO_SETTINGS_MODULE": settings} | variables
    script = (
        f"import django; django.setup(); from django.test import Client; client = Client(HTTP_HOST={HOST!r});"
        + script
    )
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def at_two_processes(settings):
    """Log in at the first, ask at the second who that is; ask both three times for what three may have."""
    three_times = "print(*[client.get('/limited/').status_code for _ in range(3)])"
    log_in = "from django.contrib.auth.models import User; client.force_login(User.objects.get());"
    log_in += "print(client.cookies['sessionid'].value);"
    cookie, first = in_a_process(log_in + three_times, settings).splitlines()
    who = f"client.cookies['sessionid'] = {cookie!r}; print(client.get('/who/').content.decode());"
    name, second = in_a_process(who + three_times, settings).splitlines()
    return name, first, second


class TestStateOutsideOfTheProcess:
    def test_is_known_to_every_process(self):
        assert at_two_processes("config.settings") == ("ann", "200 200 200", "429 429 429")

    def test_in_local_memory_logs_people_out_and_lets_twice_the_limit_pass(self):
        assert at_two_processes("naive") == ("nobody", "200 200 200", "200 200 200")

    def test_survives_the_loss_of_the_cache(self, client):
        client.force_login(User.objects.get())
        cache.clear()
        assert client.get("/who/").content == b"ann"

    def test_is_unreadable_with_another_secret_key(self, client):
        client.force_login(User.objects.get())
        assert client.get("/who/").content == b"ann"
        with override_settings(SECRET_KEY="change-me: generated on another machine"):
            assert client.get("/who/").content == b"nobody"

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_media_is_in_the_bucket_and_on_no_disk(self, monkeypatch):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "change-me")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        assert urlsplit(default_storage.url("photo.jpg")).hostname.startswith("shop-media.s3.")
        with pytest.raises(NotImplementedError):
            default_storage.path("photo.jpg")


class TestTheConnectionBudget:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [("config.settings", POOL), ("naive", CONFIG["threads"])],
        ids=["with the pool", "without"],
    )
    def test_counts_for_each_worker_its_pool_or_else_its_threads(self, held, settings, expected):
        many = 3 * CONFIG["threads"]
        with serving(settings) as (_, port), ThreadPoolExecutor(many) as pool:
            running = [pool.submit(get, port, "/slow/") for _ in range(many)]
            try:
                until(lambda: connections(held, "wait_event = 'advisory'") >= expected, "too few wait")
                # Every thread is busy now, and a probe that needs one has to wait.
                with pytest.raises(TimeoutError):
                    get(port, "/livez", timeout=0.3)
                most = connections(held)
            finally:
                held.execute("SELECT pg_advisory_unlock(54)")
            # On a slow machine the last in the queue may wait longer for the pool than it lets them.
            assert 200 in {request.result(SOON) for request in running}
        assert most == expected

    def test_fits_into_a_postgresql_as_it_comes_and_would_not_without_the_pool(self, held):
        deployment, autoscaler = yaml.safe_load_all(Path("deploy/web.yaml").read_text())
        surge = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        replicas = autoscaler["spec"]["maxReplicas"] + surge
        free = sum(
            sign * int(held.execute(f"SHOW {name}").fetchone()[0])
            for sign, name in [(1, "max_connections"), (-1, "superuser_reserved_connections")]
        )
        workers = replicas * CONFIG["workers"]
        assert (workers * POOL, workers * CONFIG["threads"], free) == (72, 144, 97)


class TestTheEndOfAnInstance:
    def test_waits_for_the_requests_that_are_running(self, held):
        with serving() as (process, port), ThreadPoolExecutor(1) as pool:
            running = pool.submit(get, port, "/slow/")
            until(lambda: connections(held, "wait_event = 'advisory'"), "the request does not arrive")
            process.send_signal(signal.SIGTERM)
            until(lambda: not answers(port), "it still takes new requests")
            assert not running.done()
            held.execute("SELECT pg_advisory_unlock(54)")
            assert running.result(SOON) == 200
            assert process.wait(SOON) == 0

    def test_fits_into_the_time_that_kubernetes_grants(self):
        deployment, _ = yaml.safe_load_all(Path("deploy/web.yaml").read_text())
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        seconds = container["lifecycle"]["preStop"]["sleep"]["seconds"] + CONFIG["graceful_timeout"]
        assert seconds < pod["terminationGracePeriodSeconds"]


class TestProbes:
    def test_are_answered(self, client):
        assert [client.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]

    def test_without_a_database_the_instance_is_not_ready_and_still_alive(self):
        url = os.environ["EXAMPLE_DATABASE_URL"]
        nowhere = url.replace(url.rpartition(":")[2], "1/example")
        script = (
            "from django.db import connection as c; c.settings_dict['OPTIONS']['pool']['timeout'] = 0.2;"
            "print(*[client.get(path).status_code for path in ('/livez', '/readyz')])"
        )
        assert in_a_process(script, EXAMPLE_DATABASE_URL=nowhere) == "200 503"

    def test_by_the_address_of_the_pod_fail(self):
        assert Client(HTTP_HOST="10.1.2.3:8000").get("/livez").status_code == 400

    def test_name_the_host_that_is_allowed(self, client):
        deployment, _ = yaml.safe_load_all(Path("deploy/web.yaml").read_text())
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        for name in ("readinessProbe", "livenessProbe"):
            call = container[name]["httpGet"]
            headers = {header["name"]: header["value"] for header in call["httpHeaders"]}
            assert client.get(call["path"], headers=headers).status_code == 200


def test_sh_c_does_not_pass_on_sigterm():
    """As the first process of a container it would even ignore the signal itself."""
    child = "import signal, time; signal.signal(signal.SIGTERM, lambda *a: exit(7)); print(1, flush=True);"
    child += "time.sleep(60)"
    shell = subprocess.Popen(
        ["sh", "-c", f'true && {sys.executable} -c "$1"; exit $?', "sh", child],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with shell:
        assert shell.stdout.readline() == b"1\n"
        shell.send_signal(signal.SIGTERM)
        assert shell.wait(SOON) == -signal.SIGTERM
        ended = threading.Event()
        reader = threading.Thread(target=lambda: (shell.stdout.read(), ended.set()))
        reader.start()
        assert not ended.wait(0.3)  # the child lives on: nobody told it
        os.killpg(shell.pid, signal.SIGKILL)
        reader.join(SOON)
