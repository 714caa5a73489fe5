"""What reaches the webhook and is not to be believed, and what is not there unless it is wanted."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from app.settings import PROJECT, Settings
from tests.conftest import Start
from tests.slack_stand_in import SlackStandIn, Team, direct, event_body, mention

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
FORM = "application/x-www-form-urlencoded"
MAX_BODY_BYTES = 20_000
VARIABLES = ("SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN")


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    stand_in = SlackStandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def team(start: Start, slack: SlackStandIn) -> Team:
    return Team.of(start, slack, secrets.token_hex(16), max_body_bytes=MAX_BODY_BYTES)


@pytest.fixture(autouse=True)
def believed(team: Team) -> Iterator[set[str]]:
    """Threads that a test expects answers in; after it a good event is answered, and nothing else was said."""
    before = len(team.slack.calls)
    threads: set[str] = set()
    yield threads
    event = direct(XML)
    assert team.sender.event(event).status_code == 200
    team.slack.wait_until(lambda: len(team.slack.sent("agents.sessions.setStatus", event["ts"])) == 2)
    said = {call.payload.get("thread_ts") for call in team.slack.calls[before:]}
    assert said == {event["ts"], *threads}


def body(**more: str) -> bytes:
    return json.dumps(event_body(mention(XML, **more))).encode()


def test_the_address_is_verified_by_echoing_the_challenge(team: Team) -> None:
    done = team.sender.json({"type": "url_verification", "challenge": "echo this", "token": "unused"})
    assert (done.status_code, done.json()) == (200, {"challenge": "echo this"})


def test_without_a_right_signature_the_challenge_is_not_echoed(team: Team) -> None:
    sent = {"type": "url_verification", "challenge": "echo this", "token": "unused"}
    done = team.sender.json(sent, secret="another")
    assert done.status_code == 401
    assert "echo this" not in done.text


@pytest.mark.parametrize("age", [301, -301, 86_400])
def test_what_is_stale_or_from_the_future_is_refused(team: Team, age: float) -> None:
    assert team.sender.post(body(), age=age).status_code == 401


def test_what_was_captured_and_is_sent_again_has_no_further_effect(team: Team, believed: set[str]) -> None:
    sent = body()
    thread = json.loads(sent)["event"]["ts"]
    believed.add(thread)
    assert [team.sender.post(sent).status_code for _ in range(4)] == [200] * 4
    good = direct(XML)
    believed.add(good["ts"])
    team.sender.event(good)
    team.slack.wait(where=good["ts"])
    assert len(team.slack.sent(where=thread)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Signature": "ä".encode()},
        {"X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": "yesterday"},
        {"X-Slack-Request-Timestamp": "9" * 400},
        {"X-Slack-Request-Timestamp": "²".encode()},
    ],
    ids=str,
)
def test_a_wrong_signature_is_refused(team: Team, headers: dict[str, str | bytes]) -> None:
    assert team.sender.post(body(), headers=headers).status_code in {400, 401}


def test_without_any_signature_nothing_is_taken(team: Team) -> None:
    assert httpx.post(f"{team.service.address}/slack/events", content=body()).status_code == 401


def test_another_secret_is_refused(team: Team) -> None:
    assert team.sender.post(body(), secret="another").status_code == 401


def test_a_body_that_was_changed_or_cut_is_refused(team: Team) -> None:
    whole = body()
    changed = whole.replace(b"bank", b"dump")
    assert team.sender.post(changed, signed=whole).status_code == 401
    assert team.sender.post(whole[:-20], signed=whole).status_code in {400, 401}


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"3", "application/json"),
        (b'"text"', "application/json"),
        (b"[" * 5000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"type": "event_callback", "event": {"type": "message", "text": "\xe4"}}', "application/json"),
        (b'{"type": "event_callback"}', "application/json"),
        (b'{"type": "event_callback", "event": null}', "application/json"),
        (b'{"type": "event_callback", "event": "text"}', "application/json"),
        (b'{"type": "event_callback", "event": {"type": "app_mention", "user": 3, "channel": [], "ts": {}}}', "application/json"),
        (b'{"type": "event_callback", "event": {"type": 3}}', "application/json"),
        (b'{"type": "nothing known"}', "application/json"),
        (b"payload=%7B", FORM),
        (b"payload=3", FORM),
        (b"payload=%ff", FORM),
        (urlencode({"payload": '{"type": "block_actions", "actions": []}'}).encode(), FORM),
        (urlencode({"payload": '{"type": "block_actions"}'}).encode(), FORM),
        (urlencode({"payload": '{"type": "message_action", "callback_id": "find_answer"}'}).encode(), FORM),
        (b"command=/ask&text=hello", FORM),
        (b"text=hello", FORM),
    ],
    ids=lambda value: value[:60].decode("ascii", "replace") if isinstance(value, bytes) else None,
)  # fmt: skip
def test_a_signed_body_that_slack_would_not_send_is_refused(team: Team, sent: bytes, kind: str) -> None:
    assert team.sender.post(sent, kind).status_code in {400, 404}


def test_what_is_too_large_is_refused(team: Team) -> None:
    assert team.sender.post(b"x" * (MAX_BODY_BYTES + 1)).status_code == 413


def test_only_posts_are_taken(team: Team) -> None:
    assert httpx.get(f"{team.service.address}/slack/events").status_code == 405


def test_the_log_holds_neither_questions_nor_secrets(team: Team, believed: set[str]) -> None:
    team.sender.json({"type": "event_callback", "event": {"type": "app_mention", "text": "a private matter"}})
    event = direct("another private matter")
    believed.add(event["ts"])
    team.sender.event(event)
    team.slack.wait(where=event["ts"])
    output = team.service.output.read_text(encoding="utf-8")
    assert "private" not in output
    assert "Traceback" not in output
    assert team.sender.secret not in output
    assert "-for-the-test" not in output


@pytest.mark.parametrize("left_out", [*VARIABLES[:2], None])
def test_without_both_variables_there_is_no_webhook_and_nothing_of_slack_is_imported(
    settings: Settings, left_out: str | None, tmp_path: Path
) -> None:
    """With both, it is there: then the same program finds it."""
    program = """
import sys
from fastapi.testclient import TestClient
from app.main import create_app
with TestClient(create_app()) as client:
    assert client.post("/api/v1/ask", json={"question": "why is my list slow?"}).status_code == 200
    print(client.post("/slack/events", content=b"{}").status_code)
print(sorted({name.split(".")[0] for name in sys.modules} & {"slack_bolt", "slack_sdk", "aiohttp"}))
print(sorted(name for name in sys.modules if name.startswith("app.slack")) == [])
"""
    variables = {name: "for-the-test" for name in VARIABLES if name != left_out}
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
        env={**environment, "SCENARIOS_DATA_DIR": str(tmp_path), "SLACK_API_URL": "http://127.0.0.1:9/", **variables},
    )  # fmt: skip
    there = "401\n['aiohttp', 'slack_bolt', 'slack_sdk']\nFalse\n"
    assert (done.stdout, done.stderr) == (there if left_out is None else "404\n[]\nTrue\n", "")


def test_empty_variables_are_unset_ones() -> None:
    settings = Settings(slack_signing_secret=" ", slack_bot_token="x")  # type: ignore[arg-type]
    assert not settings.has_slack_webhook
