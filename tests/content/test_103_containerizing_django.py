"""Scenario 103: what the Dockerfile starts is started, built and stopped here; Compose's file is read."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

PRODUCTION = {"DJANGO_SETTINGS_MODULE": "config.production"}
BUILD = "SECRET_KEY=build-only DB_PASSWORD=build-only"


def instructions():
    """The Dockerfile's instructions, continued lines joined, comments gone."""
    text = re.sub(r"^#.*\n", "", Path("Dockerfile").read_text(), flags=re.MULTILINE)
    return [line.split(None, 1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SECRET_KEY", "DB_"))}
    return {**clean, **PRODUCTION, **more}


def manage(*arguments, **env):
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, env=environment(**env), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(Path("compose.yaml").read_text())


@pytest.fixture(scope="module")
def collected():
    """What the image's one RUN with dummy values does."""
    (line,) = [rest for name, rest in instructions() if name == "RUN" and "collectstatic" in rest]
    assert line.split()[:2] == BUILD.split()
    values = dict(word.split("=") for word in BUILD.split())
    done = manage(*shlex.split(line)[4:], **values)
    assert done.returncode == 0, done.stderr
    return values


class TestTheSettings:
    def test_without_a_secret_nothing_starts_not_even_collectstatic(self):
        done = manage("collectstatic", "--noinput", "--dry-run")
        assert done.returncode != 0
        assert "KeyError: 'SECRET_KEY'" in done.stderr

    def test_a_mounted_file_is_read_and_stripped_and_wins_over_the_variable(self, tmp_path):
        for name in ("secret_key", "db_password"):
            (tmp_path / name).write_text(f"{name}-change-me\n")
        code = "from config.production import *; print([SECRET_KEY, DATABASES['default']['PASSWORD']])"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment(
                SECRET_KEY_FILE=str(tmp_path / "secret_key"),
                DB_PASSWORD_FILE=str(tmp_path / "db_password"),
                SECRET_KEY="from-the-variable",
            ),
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout.replace("'", '"')) == ["secret_key-change-me", "db_password-change-me"]


class TestTheImagesCommand:
    def start(self, values):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (command,) = [json.loads(rest) for name, rest in instructions() if name == "CMD"]
        assert command[0] == "gunicorn"
        command = [sys.executable, "-m", "gunicorn", *command[1:]]
        command[command.index("0.0.0.0:8000")] = f"127.0.0.1:{port}"
        process = subprocess.Popen(
            command, env=environment(**values), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        for line in process.stderr:
            if "Listening at" in line:
                return process, f"http://localhost:{port}"
        raise AssertionError("gunicorn did not start")

    def test_it_serves_the_collected_css_and_ends_at_sigterm(self, collected):
        process, base = self.start(collected)
        try:
            with urllib.request.urlopen(f"{base}/static/admin/css/base.css", timeout=30) as response:
                assert response.status == 200
                assert response.headers["Content-Type"].startswith("text/css")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=40)
        assert process.returncode == 0

    def test_gunicorn_alone_has_no_css(self, collected, tmp_path):
        code = (
            "from config.production import *\nMIDDLEWARE = [m for m in MIDDLEWARE if 'whitenoise' not in m]\n"
        )
        (tmp_path / "naive.py").write_text(code)
        values = {"DJANGO_SETTINGS_MODULE": "naive", "PYTHONPATH": f"{tmp_path}{os.pathsep}."}
        process, base = self.start({**collected, **values})
        try:
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{base}/static/admin/css/base.css", timeout=30)
        finally:
            process.terminate()
            process.communicate(timeout=40)


class TestTheDockerfile:
    def test_the_last_user_is_a_number_other_than_root(self):
        (user,) = [rest for name, rest in instructions() if name == "USER"]
        assert int(user) > 0

    def test_two_stages_of_one_pinned_slim_base_and_pinned_packages(self):
        bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
        assert len(bases) == 2
        assert len(set(bases)) == 1
        assert re.fullmatch(r"python:3\.1[2-9]-slim-\w+", bases[0])
        assert "--require-hashes" in Path("Dockerfile").read_text()

    def test_no_secret_is_kept_in_arg_or_env(self):
        kept = " ".join(rest for name, rest in instructions() if name in ("ARG", "ENV"))
        assert not re.search("SECRET|PASSWORD", kept)


class TestCompose:
    def test_the_only_password_is_in_a_mounted_file(self, compose):
        for service in compose["services"].values():
            for name, value in service["environment"].items():
                if "PASSWORD" in name or "SECRET" in name:
                    assert name.endswith("_FILE")
                    assert Path(value).name in service["secrets"]

    def test_migrate_waits_for_a_healthy_database_and_web_for_migrate(self, compose):
        services = compose["services"]
        assert "healthcheck" in services["db"]
        assert services["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
        assert services["web"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert "command" not in services["web"]

    def test_postgresql_is_new_enough_and_its_volume_where_18_keeps_data(self, compose):
        db = compose["services"]["db"]
        assert int(re.match(r"postgres:(\d+)", db["image"])[1]) >= 18
        assert db["volumes"] == ["pgdata:/var/lib/postgresql"]
        assert "version" not in compose

    def test_the_port_is_open_to_this_machine_only(self, compose):
        assert compose["services"]["web"]["ports"] == ["127.0.0.1:8000:8000"]
        assert "ports" not in compose["services"]["db"]
