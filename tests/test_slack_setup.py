"""Setting it up: the manifest, its document, and Socket Mode over a real WebSocket."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from app.settings import PROJECT, Settings
from app.slack_manifest import EVENTS, SCOPES, manifest
from tests.slack_stand_in import direct, event_body

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
DOCUMENT = (PROJECT / "docs" / "slack.md").read_text(encoding="utf-8")


def scenarios(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "slack", *arguments],
        cwd=PROJECT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "url", ["https://answers.example", "https://answers.example/", "https://answers.example/slack/events"]
)
def test_the_manifest_sends_everything_to_the_webhook(url: str) -> None:
    done = scenarios("manifest", "--url", url)
    printed = json.loads(done.stdout)
    webhook = "https://answers.example/slack/events"
    assert printed["settings"]["event_subscriptions"]["request_url"] == webhook
    assert printed["settings"]["interactivity"] == {"is_enabled": True, "request_url": webhook}
    assert [row["url"] for row in printed["features"]["slash_commands"]] == [webhook]
    assert printed["settings"]["socket_mode_enabled"] is False


def test_the_manifest_for_socket_mode_needs_no_address() -> None:
    done = scenarios("manifest", "--socket")
    assert json.loads(done.stdout)["settings"]["socket_mode_enabled"] is True
    assert "http" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--url", "http://answers.example"],
        ["--url", "answers.example"],
        ["--url", "https://x.example", "--socket"],
    ],
)
def test_a_manifest_that_slack_would_refuse_is_not_printed(arguments: list[str]) -> None:
    done = scenarios("manifest", *arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_manifest_is_within_slacks_limits() -> None:
    made = manifest("https://answers.example")
    assert len(made["display_information"]["name"]) <= 35
    assert len(made["display_information"]["description"]) <= 140
    for row in made["features"]["shortcuts"]:
        assert len(row["name"]) <= 24
        assert len(row["description"]) <= 150
    for row in made["features"]["slash_commands"]:
        assert len(row["command"]) <= 32
        assert len(row["description"]) <= 2000
        assert len(row["usage_hint"]) <= 1000
    assert made["oauth_config"]["scopes"]["bot"] == sorted(SCOPES)
    assert made["settings"]["event_subscriptions"]["bot_events"] == sorted(EVENTS)


def test_the_document_names_every_scope_and_variable_and_no_other() -> None:
    table = DOCUMENT.partition("## What it may do")[2].partition("##")[0]
    named = {
        scope
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for scope in re.findall(r"`(.+?)`", row)
    }
    assert named == set(SCOPES)
    variables = {Settings.variable(name) for name in Settings.model_fields}
    assert {name for name in variables if name.startswith("SLACK_")} - {"SLACK_API_URL"} <= set(
        re.findall(r"\w+", DOCUMENT)
    )
    assert set(re.findall(r"\b(?:SLACK|SCENARIOS)_[A-Z_]+", DOCUMENT)) <= variables


def test_the_documents_commands_are_there() -> None:
    commands = re.findall(r"^ *\.venv/bin/scenarios slack (\w+)(.*)$", DOCUMENT, re.MULTILINE)
    assert {name for name, _ in commands} == {"manifest", "socket"}
    for name, options in commands:
        shown = scenarios(name, "--help").stdout
        assert all(option in shown for option in re.findall(r"--\w+", options))


@pytest.mark.parametrize(
    "variables", [{}, {"SLACK_APP_TOKEN": "for-the-test"}, {"SLACK_BOT_TOKEN": "for-the-test"}], ids=str
)
def test_socket_mode_says_what_it_lacks(variables: dict[str, str]) -> None:
    done = scenarios("socket", **variables)
    assert done.returncode == 1
    assert "Socket Mode needs SLACK_APP_TOKEN and SLACK_BOT_TOKEN" in done.stderr


class SocketStandIn:
    """Slack's side of Socket Mode: gives out a WebSocket, delivers one event there, and takes the answer."""

    def __init__(self, event: dict[str, Any], accepts_token: bool = True) -> None:
        self._event = event
        self._accepts_token = accepts_token
        self.address = ""
        self.acknowledged: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/api/{method}", self._method)
        app.router.add_get("/socket", self._socket)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"
        return runner

    async def _method(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if method == "apps.connections.open":
            if not self._accepts_token:
                return web.json_response({"ok": False, "error": "invalid_auth"})
            return web.json_response({"ok": True, "url": self.address.replace("http", "ws") + "/socket"})
        if method == "chat.postMessage":
            self.answer.set_result(await request.json())
        return web.json_response({"ok": True, "ts": "1.1"})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello"})
        await socket.send_json({"type": "events_api", "envelope_id": "envelope", "payload": self._event})
        async for sent in socket:
            if sent.type is WSMsgType.TEXT and not self.acknowledged.done():
                self.acknowledged.set_result(json.loads(sent.data))
        return socket


def run_socket_mode(stand_in: SocketStandIn, data_dir: Path) -> dict[str, str]:
    tokens = {"SLACK_APP_TOKEN": "xapp" + "-for-the-test", "SLACK_BOT_TOKEN": "xoxb" + "-for-the-test"}
    return {
        **os.environ,
        **tokens,
        "SLACK_API_URL": f"{stand_in.address}/api/",
        "SCENARIOS_DATA_DIR": str(data_dir),
    }


def test_socket_mode_acknowledges_answers_and_ends_when_told(settings: Settings, tmp_path: Path) -> None:
    async def talk() -> None:
        stand_in = SocketStandIn(event_body(direct(XML)))
        runner = await stand_in.start()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", "slack", "socket", cwd=PROJECT,
            env=run_socket_mode(stand_in, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(60):
                assert (await stand_in.acknowledged)["envelope_id"] == "envelope"
                assert (await stand_in.answer)["text"].startswith("Adding a New Format")
                process.terminate()
                told, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
            await runner.cleanup()
        assert (process.returncode, told.decode()) == (0, "")

    asyncio.run(talk())


def test_a_refused_token_is_told_in_one_line(settings: Settings, tmp_path: Path) -> None:
    async def talk() -> tuple[int | None, str]:
        stand_in = SocketStandIn({}, accepts_token=False)
        runner = await stand_in.start()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", "slack", "socket", cwd=PROJECT,
            env=run_socket_mode(stand_in, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(60):
                told, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
            await runner.cleanup()
        return process.returncode, told.decode()

    status, told = asyncio.run(talk())
    assert status == 1
    assert (
        told.strip()
        == "Slack refused: no connection: invalid_auth; check SLACK_APP_TOKEN and its scope connections:write"
    )
