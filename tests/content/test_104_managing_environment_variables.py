"""Scenario 104: settings start with files or variables, and do not start without them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.contrib.auth.models import User
from django.core import signing

URL = "postgresql://shop:change-me@db:5432/shop"
NAMES = ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "DEBUG", "ALLOWED_HOSTS")
SHOW = """
import json
from config import production as p
print(json.dumps([p.SECRET_KEY, p.DATABASES["default"]["PASSWORD"], p.DEBUG, p.SECRET_KEY_FALLBACKS]))
"""


def python(code, **env):
    names = {*NAMES, *(f"{name}_FILE" for name in NAMES)}
    clean = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "-c", code], env={**clean, **env}, capture_output=True, text=True, check=False
    )


def settings_with(**env):
    done = python(SHOW, **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def dotenv():
    file = Path(".env")
    yield file
    file.unlink()


class TestTheSettings:
    @pytest.mark.parametrize("missing", ["SECRET_KEY", "DATABASE_URL"])
    def test_without_a_secret_nothing_starts_and_its_name_is_said(self, missing):
        values = {"SECRET_KEY": "change-me", "DATABASE_URL": URL}
        del values[missing]
        done = python(SHOW, **values)
        assert done.returncode != 0
        assert f"Set the {missing} environment variable" in done.stderr

    def test_an_empty_secret_is_none(self):
        done = python(SHOW, SECRET_KEY="", DATABASE_URL=URL)
        assert "SECRET_KEY is empty" in done.stderr

    def test_debug_is_off_unless_asked_for(self):
        assert settings_with(SECRET_KEY="change-me", DATABASE_URL=URL)[2] is False
        assert settings_with(SECRET_KEY="change-me", DATABASE_URL=URL, DEBUG="False")[2] is False
        assert settings_with(SECRET_KEY="change-me", DATABASE_URL=URL, DEBUG="true")[2] is True

    def test_mounted_files_are_read_without_their_newline(self, tmp_path):
        (tmp_path / "key").write_text("from-the-file\n")
        (tmp_path / "url").write_text(URL + "\n")
        files = {"SECRET_KEY_FILE": str(tmp_path / "key"), "DATABASE_URL_FILE": str(tmp_path / "url")}
        assert settings_with(**files)[:2] == ["from-the-file", "change-me"]

    def test_file_aware_env_alone_keeps_the_newline(self, tmp_path):
        (tmp_path / "key").write_text("from-the-file\n")
        code = "import environ; print(repr(environ.FileAwareEnv().str('SECRET_KEY')))"
        assert python(code, SECRET_KEY_FILE=str(tmp_path / "key")).stdout == "'from-the-file\\n'\n"

    def test_a_file_that_is_missing_stops_the_start(self):
        done = python(SHOW, SECRET_KEY_FILE="/no/such/file", DATABASE_URL=URL)
        assert "FileNotFoundError" in done.stderr

    def test_the_example_works_as_env_file_and_real_variables_win(self, dotenv):
        dotenv.write_text(Path(".env.example").read_text())
        assert settings_with()[:3] == ["change-me", "change-me", True]
        assert settings_with(SECRET_KEY="real", DEBUG="false")[0:3:2] == ["real", False]

    def test_read_env_without_a_path_does_not_find_the_project_root(self, dotenv, tmp_path):
        dotenv.write_text("SECRET_KEY=change-me\n")
        Path("config/naive.py").write_text(
            "import environ\nenviron.Env.read_env()\nKEY = environ.Env()('SECRET_KEY', default='not found')\n"
        )
        done = python("from config.naive import KEY; print(KEY)")
        assert (done.stdout, done.stderr) == ("not found\n", "")

    def test_fallbacks_are_a_list_that_may_be_empty(self):
        values = {"SECRET_KEY": "new", "DATABASE_URL": URL}
        assert settings_with(**values)[3] == []
        assert settings_with(**values, SECRET_KEY_FALLBACKS="old older")[3] == ["old", "older"]


def test_the_string_false_is_true(monkeypatch):
    monkeypatch.setenv("DEBUG", "False")
    assert bool(os.environ.get("DEBUG")) is True


class TestRotation:
    @pytest.mark.django_db
    def test_a_fallback_keeps_sessions_and_without_it_they_end(self, client, settings):
        settings.SECRET_KEY = "old-change-me"
        signed = signing.dumps("order 7")
        client.force_login(User.objects.create_user("ada"))
        settings.SECRET_KEY = "new-change-me"
        settings.SECRET_KEY_FALLBACKS = ["old-change-me"]
        assert signing.loads(signed) == "order 7"
        assert client.get("/whoami/").content == b"ada"
        settings.SECRET_KEY_FALLBACKS = []
        with pytest.raises(signing.BadSignature):
            signing.loads(signed)

    @pytest.mark.django_db
    def test_without_a_fallback_everyone_logs_in_again(self, client, settings):
        settings.SECRET_KEY = "old-change-me"
        client.force_login(User.objects.create_user("ada"))
        settings.SECRET_KEY = "new-change-me"
        assert client.get("/whoami/").content == b""


def test_the_pod_mounts_what_its_variables_name_and_holds_no_secret():
    pod = yaml.safe_load(Path("k8s/pod.yaml").read_text())["spec"]
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert not container["image"].endswith(":latest")
    for variable in container["env"]:
        assert variable["name"].endswith("_FILE")
        assert variable["value"].startswith(mount["mountPath"])
    assert pod["volumes"][0]["secret"]["defaultMode"] == 0o440
