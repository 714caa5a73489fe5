"""Serving needs neither the build half (torch, sentence-transformers) nor a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.settings import PROJECT, Settings
from tests.conftest import Start

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
HEAVY = (
    "torch", "sentence_transformers", "transformers", "onnx", "app.index_writer", "app.embedding_cache", "psycopg",
)  # fmt: skip


@pytest.fixture
def attempts(tmp_path: Path) -> Path:
    """The file that names everything which was tried in vain."""
    path = tmp_path / "attempts"
    path.touch()
    return path


@pytest.fixture
def light(attempts: Path) -> dict[str, str]:
    """Environment variables that take the build half and the network away."""
    return {"PYTHONPATH": str(PROJECT / "tests" / "serve_half"), "ATTEMPTS": str(attempts)}


def python(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "attempt"),
    [
        ("import torch", "import torch"),
        ("from sentence_transformers import SentenceTransformer", "import sentence_transformers"),
        ("import transformers.utils", "import transformers"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), 1)", "socket.getaddrinfo '192.0.2.1'"),
        ("import socket; socket.socket().connect(('192.0.2.1', 80))", "socket.connect '192.0.2.1'"),
        ("import urllib.request; urllib.request.urlopen('http://hub.example')", "socket.getaddrinfo 'hub.example'"),
    ],
)  # fmt: skip
def test_without_build_half_and_network_means_without(
    light: dict[str, str], attempts: Path, statement: str, attempt: str
) -> None:
    done = python("-c", statement, environment=light)
    assert "for the test" in done.stderr
    assert attempts.read_text().splitlines() == [attempt]


def test_the_service_answers_without_build_half_and_network(
    start: Start, light: dict[str, str], attempts: Path
) -> None:
    service = start(light, log_level="warning")
    reply = httpx.post(f"{service.address}/api/v1/ask", json={"question": XML}, timeout=30).json()
    assert (reply["verdict"], reply["results"][0]["scenario"]["id"]) == ("answer", 2)
    page = httpx.post(service.address, data={"question": XML}, timeout=30)
    assert 'data-scenario="2"' in page.text
    assert httpx.get(f"{service.address}/scenarios").status_code == 200
    assert service.stop() == ""
    assert attempts.read_text() == ""


@pytest.mark.parametrize("arguments", [["ask", XML], ["show", "2"], ["list"]], ids=lambda value: value[0])
def test_the_command_answers_without_build_half_and_network(
    settings: Settings, light: dict[str, str], attempts: Path, arguments: list[str]
) -> None:
    done = python("-m", "app.cli", *arguments, environment=light)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2  Adding a New Format" in done.stdout
    assert attempts.read_text() == ""


def test_nothing_heavy_is_imported_although_it_could_be(settings: Settings, tmp_path: Path) -> None:
    program = f"""
import importlib.util, sys
assert all(importlib.util.find_spec(name) for name in ("torch", "sentence_transformers", "transformers"))
from fastapi.testclient import TestClient
from app.main import create_app
with TestClient(create_app()) as client:
    assert client.post("/api/v1/ask", json={{"question": {XML!r}}}).json()["verdict"] == "answer"
    assert client.get("/").status_code == 200
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = python("-W", "ignore", "-c", program, environment={"SCENARIOS_DATA_DIR": str(tmp_path / "data")})
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_building_without_the_build_half_says_what_to_install(
    corpus_folder: Path, tmp_path: Path, light: dict[str, str]
) -> None:
    done = python(
        "-m", "app.cli", "build",
        environment={
            **light,
            "SCENARIOS_CONTENT_DIR": str(corpus_folder),
            "SCENARIOS_INDEX_DIR": str(tmp_path / "index"),
        },
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Embedding model unusable: cannot embed: sentence_transformers is not there")
    assert last.endswith("; pip install -e '.[build]'")


def test_the_runtime_keeps_no_id_of_the_machine_and_tells_nobody(tmp_path: Path) -> None:
    """Where it cannot write its id it says so, unless its telemetry is off."""
    home = tmp_path / "file"
    home.touch()
    nowhere = {"HOME": str(home / "x"), "XDG_CACHE_HOME": str(home / "x"), "ORT_DISABLE_TELEMETRY": ""}
    done = python("-c", "import app.encoder", environment=nowhere)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
