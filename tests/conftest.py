"""Fixtures for all tests: the real index of the real content, and a real server on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.assistant import Assistant
from app.building import build
from app.settings import PROJECT, Settings
from tests.corpora import write_corpus

IN_CI = os.environ.get("CI") == "true"
Serve = Callable[..., str]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI everything that a test needs has to be there: a skip is a failure."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not accept: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The default settings, with an index that is up to date."""
    settings = Settings()
    build(settings)
    return settings


@pytest.fixture(scope="session")
def assistant(settings: Settings) -> Assistant:
    return Assistant.load(settings)


@pytest.fixture
def corpus_folder(tmp_path: Path) -> Path:
    """A small corpus that a test may change."""
    return write_corpus(tmp_path / "content")


@pytest.fixture(scope="session")
def serve(settings: Settings) -> Iterator[Serve]:
    """Call it with settings as keywords (`max_body_bytes=2048`) for the address of a real server."""
    running: list[subprocess.Popen[bytes]] = []

    def start(**changes: object) -> str:
        port = _free_port()
        environment = os.environ | {
            f"SCENARIOS_{name.upper()}": str(value) for name, value in changes.items()
        }
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stderr=subprocess.PIPE)
        running.append(process)
        _wait_until_ready(process, port)
        return f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="session")
def server(serve: Serve) -> str:
    """The address of a server with default settings."""
    return serve(log_level="warning")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            output = process.communicate()[1].decode()
            pytest.fail(f"the server stopped with status {process.returncode}: {output}")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail("the server was not ready within a minute")
