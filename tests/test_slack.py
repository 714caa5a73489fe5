"""The Slack assistant as a team meets it: over HTTP, with Slack's signature, against a stand-in for its Web API."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.slack_limits import buttons, texts
from tests.slack_stand_in import (
    BOT,
    CHANNEL,
    PERSON,
    WORKSPACE,
    SlackStandIn,
    Team,
    direct,
    event_body,
    mention,
    message,
)

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
NONSENSE = "how long do I boil an egg"
PUBLIC = "https://answers.example"
TITLE = "Adding a New Format"


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    stand_in = SlackStandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slack")


@pytest.fixture(scope="module")
def team(start: Start, slack: SlackStandIn, data_dir: Path) -> Team:
    """A service that suggests as soon as anything is near, so that there is something to choose from."""
    return Team.of(start, slack, secrets.token_hex(16), public_url=PUBLIC, data_dir=data_dir)


@pytest.fixture(autouse=True)
def slack_takes_every_message(slack: SlackStandIn) -> Iterator[None]:
    yield
    assert slack.refused == []


@pytest.fixture
def asked(team: Team) -> Callable[[str], dict[str, Any]]:
    """The message that answers a direct message."""

    def ask(text: str) -> dict[str, Any]:
        event = direct(text)
        team.sender.event(event)
        answer: dict[str, Any] = team.slack.wait(where=event["ts"])
        return answer

    return ask


def button(payload: dict[str, Any], action: str) -> dict[str, Any]:
    return next(row for row in buttons(payload) if row["action_id"].startswith(action))


def stored(data_dir: Path, statement: str, *values: str) -> list[Any]:
    with sqlite3.connect(data_dir / "journal.sqlite3", timeout=10) as connection:
        return connection.execute(statement, values).fetchall()


def wait_for_row(slack: SlackStandIn, data_dir: Path, statement: str, *values: str) -> Any:
    """The only row, once it is written."""
    found: list[Any] = []

    def is_there() -> bool:
        found[:] = stored(data_dir, statement, *values)
        return bool(found)

    slack.wait_until(is_there)
    [row] = found
    return row


def answer_id(payload: dict[str, Any]) -> str:
    return str(json.loads(button(payload, "")["value"])["a"])


def test_a_mention_is_answered_in_its_thread(team: Team) -> None:
    event = mention(XML)
    done = team.sender.event(event)
    assert (done.status_code, done.text) == (200, "")
    answer = team.slack.wait(where=event["ts"])
    assert answer["channel"] == CHANNEL
    title, *_ = texts(answer)
    assert title.startswith(f"*<{PUBLIC}/scenarios/2-adding-a-new-format|{TITLE}")
    assert answer["text"].startswith(TITLE)
    shown = "\n".join(texts(answer))
    assert "```" in shown
    assert "*Watch out*" in shown
    assert "Related: <https://answers.example/scenarios/" in shown
    assert button(answer, "full_answer")["url"] == f"{PUBLIC}/scenarios/2-adding-a-new-format"


def test_a_mention_within_a_thread_is_answered_there(team: Team) -> None:
    event = mention(XML, thread_ts="1600000000.000001")
    team.sender.event(event)
    assert team.slack.wait(where="1600000000.000001")["channel"] == CHANNEL


def test_an_answer_is_recorded_with_its_workspace_and_without_secrets(team: Team, data_dir: Path) -> None:
    password = "hunter" + "2hunter2"
    event = direct(f"{XML} password={password}")
    team.sender.event(event)
    sent = team.slack.wait(where=event["ts"])
    row = wait_for_row(
        team.slack, data_dir,
        "SELECT question, surface, workspace, follow_up FROM answers WHERE answer_id = ?", answer_id(sent),
    )  # fmt: skip
    assert row == (f"{XML} password=[redacted]", "slack", WORKSPACE, 0)
    for path in data_dir.iterdir():
        assert password.encode() not in path.read_bytes(), path


def test_the_agent_is_shown_as_busy_under_the_question_while_it_looks(team: Team) -> None:
    event = direct(XML)
    team.sender.event(event)
    team.slack.wait_until(lambda: len(team.slack.sent("agents.sessions.setStatus", event["ts"])) == 2)
    busy, active = team.slack.sent("agents.sessions.setStatus", event["ts"])
    assert (busy["status"], busy["title"], busy["channel_id"]) == ("processing", XML, "D0PERSON")
    assert active["status"] == "active"
    calls = [call.method for call in team.slack.calls if call.payload.get("thread_ts") == event["ts"]]
    assert calls == ["agents.sessions.setStatus", "chat.postMessage", "agents.sessions.setStatus"]


def test_opening_the_agent_shows_prompts_to_begin_with(team: Team) -> None:
    opened = {"type": "app_home_opened", "user": PERSON, "channel": "D0PERSON", "tab": "messages"}
    team.sender.event({**opened, "tab": "home"})
    team.sender.event(opened)
    sent = team.slack.wait("assistant.threads.setSuggestedPrompts")
    prompts = sent["prompts"] if isinstance(sent["prompts"], list) else json.loads(sent["prompts"])
    assert len(prompts) == 4
    assert all(prompt["title"] and prompt["message"] for prompt in prompts)
    assert "thread_ts" not in sent
    assert len(team.slack.sent("assistant.threads.setSuggestedPrompts")) == 1


class TestFollowUps:
    FIRST = "mobile app users should log in with jwt, how to set up in DRF"
    SECOND = "how can I make a logout then?"

    @pytest.fixture
    def thread(self, team: Team) -> str:
        """One with an answered question of PERSON."""
        event = mention(self.FIRST)
        team.sender.event(event)
        team.slack.wait(where=event["ts"])
        return str(event["ts"])

    def follow_up(self, team: Team, thread: str, text: str, **more: Any) -> list[dict[str, Any]]:
        """What came in the thread, after time enough for another question to be answered."""
        team.sender.event(message(text, thread_ts=thread, **more))
        event = direct(XML)
        team.sender.event(event)
        team.slack.wait(where=event["ts"])
        return team.slack.sent(where=thread)[1:]

    def test_the_same_person_needs_no_mention_and_is_understood_by_what_was_asked_before(
        self, team: Team, thread: str, data_dir: Path
    ) -> None:
        team.sender.event(message(self.SECOND, thread_ts=thread))
        sent = team.slack.wait(where=thread, count=2)
        row = wait_for_row(
            team.slack, data_dir,
            "SELECT question, follow_up FROM answers WHERE answer_id = ?", answer_id(sent),
        )  # fmt: skip
        assert row == (self.SECOND, 1)

    @pytest.mark.parametrize(
        ("text", "more"),
        [
            ("<@U0OTHER> how can I make a logout then?", {}),
            (SECOND, {"user": "U0OTHER"}),
            ("I am off to lunch, see you at two", {}),
            (SECOND, {"subtype": "message_changed"}),
            (SECOND, {"bot_id": "B0OTHER"}),
        ],
        ids=["mentions somebody else", "another person", "no answer", "an edit", "a bot"],
    )
    def test_people_among_themselves_are_not_interrupted(
        self, team: Team, thread: str, text: str, more: dict[str, Any]
    ) -> None:
        assert self.follow_up(team, thread, text, **more) == []

    def test_in_a_thread_of_others_nothing_is_said(self, team: Team) -> None:
        assert self.follow_up(team, "1500000000.000001", self.SECOND) == []

    def test_another_person_may_mention_it_there(self, team: Team, thread: str) -> None:
        team.sender.event(mention(self.SECOND, thread_ts=thread, user="U0OTHER"))
        team.slack.wait(where=thread, count=2)

    def test_only_the_last_ten_questions_are_read(self, team: Team, thread: str) -> None:
        for number in range(11):
            team.sender.event(mention(self.FIRST, thread_ts=thread))
            team.slack.wait(where=thread, count=number + 2)
        team.sender.event(message(self.SECOND, thread_ts=thread))
        assert TITLE not in team.slack.wait(where=thread, count=13)["text"]


class TestPrivately:
    def test_a_command_is_answered_to_the_asker_who_can_share_it(self, team: Team) -> None:
        address = team.sender.command(f"{XML} <@U0OTHER|bob> &amp; <!channel>")
        answer = team.slack.wait("response", where=address)
        assert (answer["response_type"], answer["replace_original"]) == ("ephemeral", False)
        assert answer["text"].startswith(TITLE)
        shared = team.slack.wait("response", where=team.sender.click(button(answer, "share")))
        assert (shared["response_type"], shared["replace_original"]) == ("in_channel", False)
        assert next(texts(shared)) == f"ann shares an answer to: {XML} @bob &amp; @channel"
        assert TITLE in shared["text"]
        assert "share" not in [row["action_id"] for row in buttons(shared)]

    def test_a_shortcut_answers_the_message_it_was_used_on(self, team: Team) -> None:
        answer = team.slack.wait("response", where=team.sender.shortcut(XML))
        assert answer["response_type"] == "ephemeral"
        assert answer["text"].startswith(TITLE)

    def test_a_command_without_a_question_says_how_to_ask(self, team: Team) -> None:
        answer = team.slack.wait("response", where=team.sender.command("  "))
        assert answer["text"].startswith("Describe the problem in a sentence")


def test_a_question_that_is_too_long_is_told_so(asked: Callable[[str], dict[str, Any]]) -> None:
    assert asked("long " * 1000)["text"].startswith("question has 4999 characters; at most 4000")


class TestFeedback:
    @pytest.mark.parametrize(("action", "helpful"), [("helpful", 1), ("not_helpful", 0)])
    def test_it_is_stored_and_then_shows_thanks(
        self, team: Team, asked: Callable[[str], dict[str, Any]], data_dir: Path, action: str, helpful: int
    ) -> None:
        answer = asked(XML)
        thanked = team.slack.wait("response", where=team.sender.click(button(answer, action)))
        assert thanked["replace_original"] is True
        assert "Thanks, that helps." in texts(thanked)
        assert next(row["action_id"] for row in buttons(thanked)) == "full_answer"
        assert not {"helpful", "not_helpful"} & {row["action_id"] for row in buttons(thanked)}
        assert next(texts(thanked)) == next(texts(answer))
        row = wait_for_row(
            team.slack, data_dir,
            "SELECT helpful FROM answers WHERE answer_id = ? AND helpful IS NOT NULL", answer_id(answer),
        )  # fmt: skip
        assert row == (helpful,)

    def test_an_alternative_replaces_the_answer_and_is_a_labelled_pair(
        self, team: Team, asked: Callable[[str], dict[str, Any]], data_dir: Path
    ) -> None:
        answer = asked(XML)
        pressed = button(answer, "choose")
        chosen = team.slack.wait("response", where=team.sender.click(pressed))
        assert chosen["replace_original"] is True
        assert chosen["text"].startswith(pressed["text"]["text"])
        assert TITLE in [row["text"]["text"] for row in buttons(chosen)][-2:]
        row = wait_for_row(
            team.slack, data_dir,
            "SELECT chosen_scenario_id FROM answers WHERE answer_id = ? AND chosen_at IS NOT NULL",
            answer_id(answer),
        )  # fmt: skip
        assert row == (int(pressed["action_id"].removeprefix("choose:")),)

    def test_without_an_answer_the_maintainers_can_be_told(
        self, team: Team, asked: Callable[[str], dict[str, Any]], data_dir: Path
    ) -> None:
        answer = asked(NONSENSE)
        assert answer["text"].startswith("No scenario here answers that")
        told = team.slack.wait("response", where=team.sender.click(button(answer, "missing")))
        assert list(texts(told))[-1].startswith("Thanks, the maintainers will see")
        row = wait_for_row(
            team.slack, data_dir,
            "SELECT helpful, verdict FROM answers WHERE answer_id = ? AND helpful IS NOT NULL",
            answer_id(answer),
        )  # fmt: skip
        assert row == (0, "no_answer")

    @pytest.mark.parametrize(
        "value", ["", "{", "[]", "{}", '{"a":"x","v":"answer","s":[2],"c":1,"x":false,"q":""}',
                  '{"a":"' + "0" * 32 + '","v":"answer","s":[9999],"c":1,"x":false,"q":""}'],
    )  # fmt: skip
    def test_a_button_that_nobody_here_made_is_refused(self, team: Team, value: str) -> None:
        address = team.sender.click({"action_id": "helpful", "value": value})
        assert "ask again" in team.slack.wait("response", where=address)["text"]

    def test_a_link_that_was_pressed_asks_for_nothing(
        self, team: Team, asked: Callable[[str], dict[str, Any]]
    ) -> None:
        address = team.sender.click(button(asked(XML), "full_answer"))
        asked(XML)
        assert team.slack.sent("response", where=address) == []


def test_nothing_that_is_asked_pings_anybody(team: Team, asked: Callable[[str], dict[str, Any]]) -> None:
    asked(f"{XML} <!channel> <@U0OTHER> <#C0OTHER|general> @here &lt;!here&gt;")
    for sent in team.slack.sent("agents.sessions.setStatus"):
        assert "<" not in sent["title"]


@pytest.mark.parametrize(
    "event",
    [
        mention(XML, bot_id="B0BOT"),
        direct(XML, bot_id="B0BOT"),
        direct(XML, user=BOT),
        direct(XML, subtype="message_changed"),
        direct(XML, subtype="message_deleted"),
        {"type": "member_joined_channel", "user": PERSON, "channel": CHANNEL},
        message(XML),
        message("hi", subtype="channel_join"),
        {"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}},
        {"type": "something_new"},
    ],
    ids=lambda event: f"{event['type']} {event.get('subtype', '')}",
)
def test_what_is_not_for_the_assistant_is_acknowledged_and_left_alone(
    team: Team, asked: Callable[[str], dict[str, Any]], event: dict[str, Any], data_dir: Path
) -> None:
    before = stored(data_dir, "SELECT count(*) FROM slack_inbox")
    assert team.sender.event(event).status_code == 200
    assert stored(data_dir, "SELECT count(*) FROM slack_inbox") == before
    if "ts" in event:
        asked(XML)
        assert team.slack.sent(where=event["ts"]) == []


def test_an_uninstalled_app_deletes_the_data_of_the_workspace(team: Team, data_dir: Path) -> None:
    other = direct(XML)
    team.sender.json(event_body(other, team_id="T0OTHER"))
    kept = answer_id(team.slack.wait(where=other["ts"]))
    wait_for_row(team.slack, data_dir, "SELECT 1 FROM answers WHERE answer_id = ?", kept)
    team.sender.event({"type": "app_uninstalled"})
    left = "SELECT workspace FROM {} GROUP BY workspace"
    for table in ("slack_inbox", "slack_questions", "answers"):
        team.slack.wait_until(lambda table=table: stored(data_dir, left.format(table)) == [("T0OTHER",)])  # type: ignore[misc]
