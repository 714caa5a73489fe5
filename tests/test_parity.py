"""The same answer everywhere: every question of evaluation/test/, on the web, over JSON, in Slack and in the terminal."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any

import httpx
import pytest

from app.settings import PROJECT, Settings
from tests.conftest import Start
from tests.html_page import HtmlPage
from tests.slack_limits import buttons
from tests.slack_stand_in import SlackStandIn, Team, direct

# What an answer comes to: its verdict, and the scenarios in the order in which they are shown.
Shown = tuple[str, tuple[int, ...]]
# A question with what the same person asked before, oldest first.
Asked = tuple[str, tuple[str, ...]]


def labelled() -> list[Asked]:
    rows = [
        json.loads(line)
        for path in sorted((PROJECT / "evaluation" / "test").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [
        (row["turns"][-1], tuple(row["turns"][:-1])) if "turns" in row else (row["text"], ()) for row in rows
    ]


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    stand_in = SlackStandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def team(start: Start, slack: SlackStandIn) -> Team:
    """The one process for the web, JSON and Slack: it has all of them."""
    return Team.of(start, slack, secrets.token_hex(16), log_level="warning")


@pytest.fixture(scope="module")
def over_json(team: Team) -> dict[Asked, Shown]:
    with httpx.Client(base_url=team.service.address, timeout=30) as client:

        def ask(asked: Asked) -> Shown:
            question, history = asked
            reply = client.post("/api/v1/ask", json={"question": question, "history": history}).json()
            return reply["verdict"], tuple(row["scenario"]["id"] for row in reply["results"])

        with ThreadPoolExecutor(4) as threads:
            return dict(zip(labelled(), threads.map(ask, labelled()), strict=True))


def test_the_web_shows_what_json_says(team: Team, over_json: dict[Asked, Shown]) -> None:
    with httpx.Client(base_url=team.service.address, timeout=30) as client:

        def ask(asked: Asked) -> Shown:
            question, history = asked
            page = HtmlPage(client.post("/answer", data={"question": question, "history": history}).text)
            (kept,) = (
                row.attributes["data-turn"] for row in page.all("article") if "data-turn" in row.attributes
            )
            turn = json.loads(kept)
            return turn["verdict"], tuple(number for number, _ in turn["results"])

        with ThreadPoolExecutor(4) as threads:
            found = dict(zip(over_json, threads.map(ask, over_json), strict=True))
    assert differing(over_json, found) == {}


def test_slack_shows_what_json_says(team: Team, over_json: dict[Asked, Shown]) -> None:
    def ask(asked: Asked) -> Shown:
        question, history = asked
        thread: dict[str, str] = {}
        for count, text in enumerate([*history, question], 1):
            event = direct(escape(text, quote=False), **thread)
            thread = {"thread_ts": event.get("thread_ts", event["ts"])}
            team.sender.event(event)
            answer = team.slack.wait(where=thread["thread_ts"], count=count)
        return shown_in(answer)

    with ThreadPoolExecutor(4) as threads:
        found = dict(zip(over_json, threads.map(ask, over_json), strict=True))
    assert differing(over_json, found) == {}
    assert team.slack.refused == []


def test_the_terminal_shows_what_json_says(settings: Settings, over_json: dict[Asked, Shown]) -> None:
    """Of questions of one line: a line is a question there."""
    lines = [asked for asked in over_json if "\n" not in asked[0] and not asked[1]]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "ask", "-", "--json"],
        cwd=PROJECT, input="\n".join(question for question, _ in lines), capture_output=True, text=True, check=True,
    )  # fmt: skip
    replies = map(json.loads, done.stdout.splitlines())
    found = {
        asked: (reply["verdict"], tuple(row["scenario"]["id"] for row in reply["results"]))
        for asked, reply in zip(lines, replies, strict=True)
    }
    assert differing({asked: over_json[asked] for asked in lines}, found) == {}


def test_there_is_something_of_every_verdict_to_compare(over_json: dict[Asked, Shown]) -> None:
    assert {verdict for verdict, _ in over_json.values()} == {"answer", "suggestions", "no_answer"}
    assert len(over_json) > 500


def shown_in(message: dict[str, Any]) -> Shown:
    """What the message shows, by its buttons' words and by what they carry."""
    rows = buttons(message)
    state = json.loads(rows[0]["value"])
    numbers: Sequence[int] = state["s"]
    others = numbers[1:] if state["v"] == "answer" else numbers
    assert [
        int(row["action_id"].partition(":")[2]) for row in rows if row["action_id"].startswith("choose")
    ] == list(others)
    return state["v"], tuple(numbers)


def differing(expected: dict[Asked, Shown], found: dict[Asked, Shown]) -> dict[Asked, tuple[Shown, Shown]]:
    return {asked: (shown, found[asked]) for asked, shown in expected.items() if found[asked] != shown}
