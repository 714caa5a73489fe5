"""The Slack assistant as a team meets it: over HTTP, with Slack's signature, against a stand-in for its Web API."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.conftest import Start
from tests.service import Service
from tests.slack_stand_in import Sender, SlackStandIn, mention

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
PUBLIC = "https://answers.example"


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    stand_in = SlackStandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def secret() -> str:
    return secrets.token_hex(16)


@pytest.fixture(scope="module")
def service(start: Start, slack: SlackStandIn, secret: str) -> Service:
    return start(slack.environment(secret), public_url=PUBLIC)


@pytest.fixture(scope="module")
def sender(service: Service, slack: SlackStandIn, secret: str) -> Sender:
    return Sender(service.address, secret, slack.address)


def test_a_mention_is_answered_in_its_thread(sender: Sender, slack: SlackStandIn) -> None:
    event = mention(XML)
    done = sender.event(event)
    assert (done.status_code, done.text) == (200, "")
    message = slack.wait(where=event["ts"])
    assert message["channel"] == event["channel"]
    assert (
        f"*<{PUBLIC}/scenarios/2-adding-a-new-format|Adding a New Format"
        in message["blocks"][0]["text"]["text"]
    )
    assert slack.refused == []
