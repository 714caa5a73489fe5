"""The web service as people run it: `scenarios serve`, in a process of its own, on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn

from app.settings import PROJECT

START_SECONDS = 60


@dataclass(frozen=True)
class Service:
    """`output` is the file that both of the process's streams are written to."""

    address: str
    process: subprocess.Popen[bytes]
    output: Path

    @classmethod
    def start(
        cls,
        output: Path,
        settings: Mapping[str, object],
        environment: Mapping[str, str],
        port: int | None = None,
    ) -> Service:
        """A service that is ready, with `settings` and further `environment` variables."""
        port = port or free_port()
        variables = {f"SCENARIOS_{name.upper()}": str(value) for name, value in settings.items()}
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
                cwd=PROJECT,
                env={**os.environ, **variables, **environment},
                stdout=file,
                stderr=file,
            )
        service = cls(f"http://127.0.0.1:{port}", process, output)
        service._wait_until_ready()
        return service

    def stop(self) -> str:
        """End it; what it wrote."""
        self.process.terminate()
        self.process.wait(timeout=10)
        return self.output.read_text(encoding="utf-8")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"it stopped with status {self.process.returncode}: {self.output.read_text()}")
            try:
                if httpx.get(f"{self.address}/health/ready", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        self.stop()
        pytest.fail(f"the service was not ready within {START_SECONDS} s: {self.output.read_text()}")


@contextmanager
def running(app: Any) -> Iterator[str]:
    """The address of `app`, served from a thread of this process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
