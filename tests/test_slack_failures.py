"""When Slack does not take what it is sent: slow, limited, down, or no longer ours."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.conftest import Start
from tests.slack_limits import buttons, texts
from tests.slack_stand_in import SlackStandIn, Team, direct, mention

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
IN_VAIN = "chat.postMessage in vain"


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    stand_in = SlackStandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def team(start: Start, slack: SlackStandIn) -> Team:
    """Without an address of its own."""
    return Team.of(start, slack, secrets.token_hex(16))


@pytest.fixture(autouse=True)
def the_service_goes_on_and_tells_no_text(team: Team) -> Iterator[None]:
    team.slack.calls.clear()
    yield
    team.slack.go_right()
    event = direct(XML)
    team.sender.event(event)
    assert team.slack.wait(where=event["ts"])["text"].startswith("Adding a New Format")
    told = team.service.output.read_text(encoding="utf-8")
    assert "Traceback" not in told
    assert "text/xml" not in told
    assert "-for-the-test" not in told


def asked(team: Team) -> str:
    """The thread of a new question."""
    event = mention(XML)
    team.sender.event(event)
    return str(event["ts"])


def test_a_limit_is_waited_for_as_long_as_slack_says(team: Team) -> None:
    team.slack.go_wrong("chat.postMessage", status=429, headers={"Retry-After": "3"})
    thread = asked(team)
    team.slack.wait(where=thread)
    refused, taken = [call for call in team.slack.calls if call.method.startswith("chat.postMessage")]
    assert taken.at - refused.at >= 3
    assert refused.payload["blocks"] == taken.payload["blocks"]


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500},
        {"status": 502, "body": {"unexpected": "body"}},
        {"body": {"ok": False, "error": "internal_error"}},
        {"body": {"ok": False, "error": "ratelimited"}},
    ],
    ids=str,
)
def test_an_outage_is_tried_again_until_it_is_over(team: Team, trouble: dict[str, Any]) -> None:
    team.slack.go_wrong("chat.postMessage", times=2, **trouble)
    thread = asked(team)
    team.slack.wait(where=thread)
    assert len(team.slack.sent(IN_VAIN, where=thread)) == 2
    times = [call.at for call in team.slack.calls if call.method.startswith("chat.postMessage")]
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))


def test_response_addresses_are_tried_again_too(team: Team) -> None:
    team.slack.go_wrong("response", status=429, headers={"Retry-After": "1"})
    team.slack.go_wrong("response", status=503)
    address = team.sender.command(XML)
    assert team.slack.wait("response", where=address)["text"].startswith("Adding a New Format")


def test_a_message_that_slack_refuses_becomes_one_apology(team: Team) -> None:
    team.slack.go_wrong("chat.postMessage", body={"ok": False, "error": "invalid_blocks"})
    thread = asked(team)
    assert team.slack.wait(where=thread)["text"].startswith("Sorry, something failed here")
    assert len(team.slack.sent(where=thread)) == 1
    assert len(team.slack.sent(IN_VAIN, where=thread)) == 1


def test_a_revoked_token_is_told_to_the_operator_and_not_tried_for_ever(team: Team) -> None:
    team.slack.go_wrong("chat.postMessage", times=100, body={"ok": False, "error": "token_revoked"})
    thread = asked(team)
    remedy = (
        "mention from Slack was not answered: token_revoked; install the app anew and set SLACK_BOT_TOKEN"
    )
    team.slack.wait_until(lambda: remedy in team.service.output.read_text(encoding="utf-8"))
    team.slack.wait(IN_VAIN, count=2)
    assert len(team.slack.sent(IN_VAIN, where=thread)) == 2


def test_an_expired_response_address_is_given_up(team: Team) -> None:
    team.slack.go_wrong("response", times=2, status=404, body={"error": "used_url"})
    team.sender.command(XML)
    team.slack.wait("response in vain", count=2)


def test_a_slow_slack_holds_up_no_acknowledgement(team: Team) -> None:
    team.slack.go_wrong("chat.postMessage", times=10, delay=3)
    team.slack.go_wrong("agents.sessions.setStatus", times=20, delay=30)
    threads = [asked(team) for _ in range(10)]
    team.slack.go_right()
    for thread in threads:
        team.slack.wait(where=thread)


def test_what_is_only_nice_to_have_may_be_missing(team: Team) -> None:
    team.slack.go_wrong("agents.sessions.setStatus", times=2, body={"ok": False, "error": "missing_scope"})
    thread = asked(team)
    assert team.slack.wait(where=thread)["text"].startswith("Adding a New Format")


def test_without_an_address_an_answer_has_no_links_to_it(team: Team) -> None:
    answer = team.slack.wait(where=asked(team))
    assert next(texts(answer)).startswith("*Adding a New Format")
    assert "/scenarios/" not in "".join(texts(answer))
    assert not [row for row in buttons(answer) if "url" in row]
