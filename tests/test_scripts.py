"""The scripts that people and CI run."""

from __future__ import annotations

import os
import subprocess
import time

import httpx
import pytest

from app.settings import PROJECT, Settings
from tests.service import free_port


def bash(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)


def test_serve_sets_up_builds_and_answers(settings: Settings) -> None:
    port = free_port()
    command = ["scripts/serve", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        try:
            reply = ask_when_up(process, f"http://127.0.0.1:{port}/api/v1/ask")
        finally:
            process.terminate()
    assert reply["verdict"] == "answer"
    assert reply["results"][0]["scenario"]["id"] == 2


def ask_when_up(process: subprocess.Popen[str], address: str) -> dict[str, object]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            reply: dict[str, object] = httpx.post(
                address, json={"question": "add an XML renderer next to JSON"}
            ).json()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return reply
    pytest.fail(f"no answer; status {process.poll()}")


def test_build_index_says_that_nothing_is_to_do(settings: Settings) -> None:
    run = subprocess.run(["scripts/build_index"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "was already up to date" in run.stderr


MISSING = "command() { return 1; }; compgen() { return 1; };"


def test_who_may_not_install_is_told_the_command_and_nothing_is_installed() -> None:
    run = bash(
        f". scripts/lib.sh; {MISSING} id() {{ echo 1000; }}; apt-get() {{ echo INSTALLING; }}; system_packages"
    )
    assert run.returncode == 0
    assert "sudo apt-get install chromium nginx postgresql redis-server" in run.stderr
    assert "INSTALLING" not in run.stdout


def test_root_installs_what_is_missing() -> None:
    missing = MISSING.replace("return 1; };", '[ "$2" = apt-get ] && echo yes; };', 1)
    run = bash(
        f'. scripts/lib.sh; {missing} id() {{ echo 0; }}; apt-get() {{ echo "$@" >&2; }}; system_packages'
    )
    assert "install -y -qq --no-install-recommends chromium nginx postgresql redis-server" in run.stderr


def test_an_installation_is_not_repeated() -> None:
    bash(". scripts/lib.sh; install_extras build,dev")
    run = bash(". scripts/lib.sh; install_extras build,dev; install_extras build")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_no_python_is_said_with_the_remedy() -> None:
    run = bash(". scripts/lib.sh; PYTHON= PATH=/nowhere find_python")
    assert run.returncode == 1
    assert "Python 3.11 or newer is needed; install it or set PYTHON" in run.stderr


def test_ci_runs_what_people_run() -> None:
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert [line for line in script.splitlines() if line.startswith("scripts/")] == [
        "scripts/check",
        "scripts/test",
    ]
    assert "run: .ci/run" in (PROJECT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert os.access(PROJECT / ".ci" / "run", os.X_OK)
