"""What Slack delivers is answered once: by however many processes, through crashes, and without a database too."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.slack_stand_in import BOT, SlackStandIn, Team, direct, event_body, mention, message

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
SECOND = "and how do I test that?"


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    stand_in = SlackStandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def teams(start: Start, slack: SlackStandIn) -> Iterator[Callable[..., Team]]:
    """Services that the same Slack talks to; they end with the test, or would answer the next one's."""
    secret = secrets.token_hex(16)
    started: list[Team] = []

    def team(**settings: object) -> Team:
        started.append(Team.of(start, slack, secret, **settings))
        return started[-1]

    yield team
    for one in started:
        one.service.stop()


def at_once(calls: list[Callable[[], Any]]) -> None:
    with ThreadPoolExecutor(len(calls)) as threads:
        done = [thread.result() for thread in [threads.submit(call) for call in calls]]
    assert {response.status_code for response in done} == {200}


def settled(team: Team) -> None:
    """Returns when an event that came after all others is answered."""
    event = direct(XML)
    team.sender.event(event)
    team.slack.wait(where=event["ts"])


def test_five_deliveries_to_two_processes_are_one_answer(
    teams: Callable[..., Team], slack: SlackStandIn, place: dict[str, Any]
) -> None:
    one, other = teams(**place), teams(**place)
    for _ in range(5):
        body = event_body(mention(XML))
        at_once([partial(team.sender.json, body) for team in [one, other, one, other, one]])
        slack.wait(where=body["event"]["ts"])
        settled(one)
        settled(other)
        assert len(slack.sent(where=body["event"]["ts"])) == 1
    late = one.sender.json(body, headers={"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"})
    assert late.status_code == 200
    settled(one)
    assert len(slack.sent(where=body["event"]["ts"])) == 1


def test_a_mention_that_comes_as_two_events_is_one_answer(teams: Callable[..., Team], tmp_path: Path) -> None:
    one, other = teams(data_dir=tmp_path), teams(data_dir=tmp_path)
    for first, second in [(one, other), (one, one)]:
        event = mention(XML)
        twin = {**message(f"<@{BOT}> {XML}"), "ts": event["ts"]}
        at_once([partial(first.sender.event, event), partial(second.sender.event, twin)])
        first.slack.wait(where=event["ts"])
        settled(one)
        settled(other)
        assert len(first.slack.sent(where=event["ts"])) == 1


def test_a_follow_up_may_reach_another_process_and_a_later_start(
    teams: Callable[..., Team], slack: SlackStandIn, tmp_path: Path
) -> None:
    event = mention(
        "list of bookings in my drf api fires 300 queries for 100 rows, each row shows guest and room"
    )
    first = teams(data_dir=tmp_path)
    first.sender.event(event)
    slack.wait(where=event["ts"])
    first.service.stop()
    teams(data_dir=tmp_path).sender.event(
        message(
            "select_related did it for the guest, but what about the tags, those are many to many",
            thread_ts=event["ts"],
        )
    )
    slack.wait(where=event["ts"], count=2)


def test_what_a_killed_process_has_acknowledged_is_answered_by_the_next(
    teams: Callable[..., Team], slack: SlackStandIn, place: dict[str, Any]
) -> None:
    slack.go_wrong("chat.postMessage", times=1000, delay=30)
    killed = teams(**place)
    events = [mention(XML) for _ in range(20)]
    at_once([partial(killed.sender.event, event) for event in events])
    killed.service.process.send_signal(signal.SIGKILL)
    killed.service.process.wait(timeout=10)
    slack.calls.clear()
    slack.go_right()
    next_one = teams(**place)
    slack.wait(count=len(events))
    settled(next_one)
    threads = [sent["thread_ts"] for sent in slack.sent()][: len(events)]
    assert sorted(threads) == sorted(event["ts"] for event in events)


def test_what_a_stopped_process_leaves_is_answered_by_another_at_once(
    teams: Callable[..., Team], slack: SlackStandIn, tmp_path: Path
) -> None:
    stopped = teams(data_dir=tmp_path)
    slack.go_wrong("chat.postMessage", times=1, status=429, headers={"Retry-After": "120"})
    event = mention(XML)
    stopped.sender.event(event)
    slack.wait("chat.postMessage in vain")
    stopped.service.stop()
    teams(data_dir=tmp_path)
    slack.wait(where=event["ts"])


def test_without_a_database_each_process_does_what_it_can(
    teams: Callable[..., Team], slack: SlackStandIn, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("in the way of a folder")
    team = teams(data_dir=tmp_path / "data")
    body = event_body(mention(XML))
    at_once([partial(team.sender.json, body)] * 5)
    thread = body["event"]["ts"]
    slack.wait(where=thread)
    team.sender.event(message(SECOND, thread_ts=thread))
    slack.wait(where=thread, count=2)
    settled(team)
    assert len(slack.sent(where=thread)) == 2
    told = team.service.output.read_text(encoding="utf-8")
    assert told.count("the Slack inbox cannot be written") == 1


def test_with_no_retention_threads_are_kept_in_memory_only(
    teams: Callable[..., Team], slack: SlackStandIn, tmp_path: Path
) -> None:
    team = teams(data_dir=tmp_path, question_retention_days=0)
    event = mention("xylophone " + XML)
    team.sender.event(event)
    slack.wait(where=event["ts"])
    team.sender.event(message(SECOND, thread_ts=event["ts"]))
    slack.wait(where=event["ts"], count=2)
    settled(team)
    team.service.stop()
    for path in tmp_path.iterdir():
        assert b"xylophone" not in path.read_bytes(), path
