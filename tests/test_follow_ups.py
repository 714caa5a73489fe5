"""Which messages are read after the one before them."""

from __future__ import annotations

import pytest

from app.assistant import Assistant, Verdict
from app.follow_ups import needs_context

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"


@pytest.mark.parametrize(
    "message",
    [
        "and how do I test that?",
        "How long should they live?",
        "what about the older clients",
        "but does it scale",
        "which one is faster",
        "ok, and is there a package for it?",
    ],
)
def test_a_message_that_points_back_needs_the_one_before(message: str) -> None:
    assert needs_context(message)


@pytest.mark.parametrize(
    "message",
    [
        "how do I bake bread",
        "asdf qwer zxcv",
        "thanks, that worked",
        "It works now!",
        "ok great",
        "our list endpoint returns 80k rows and times out",
        "and " + "this is a long story of its own " * 5,
        "",
    ],
)
def test_a_message_that_stands_alone_does_not(message: str) -> None:
    assert not needs_context(message)


@pytest.mark.parametrize("message", ["how do I bake bread", "thanks, that worked", "asdf qwer zxcv"])
def test_after_an_answer_nothing_drags_it_back(assistant: Assistant, message: str) -> None:
    assert assistant.ask(message, history=[XML]).verdict is Verdict.NO_ANSWER
