"""Which messages are read after the one before them."""

from __future__ import annotations

import pytest

from app.assistant import Assistant, Verdict
from app.follow_ups import contexts, is_incomplete, needs_context

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


def test_a_conversation_is_about_its_messages_with_a_topic_and_about_the_last_of_them_first() -> None:
    topics = ["how do I page a long list", "and where does the token go then", "our worker loses its tasks"]
    said = ["hi", topics[0], "ok installed", topics[1], "thanks, that worked", topics[2], "ok"]
    assert contexts(said) == [topics[2], "\n".join(topics)]
    assert contexts(["a fourth topic comes before", *topics]) == [topics[2], "\n".join(topics)]


def test_without_a_topic_a_conversation_is_about_what_there_is() -> None:
    assert contexts(["pagination", " "]) == ["pagination"]
    assert contexts(["", " "]) == contexts([]) == []


@pytest.mark.parametrize(
    "message", ["how long should they live?", "does it scale", "the same for websockets"]
)
def test_a_short_message_with_a_word_that_stands_for_something_is_incomplete(message: str) -> None:
    assert is_incomplete(message)


@pytest.mark.parametrize(
    "message", ["and how do I test the endpoints that need a token?", "it " + "and on it goes " * 5, ""]
)
def test_other_messages_are_complete(message: str) -> None:
    assert not is_incomplete(message)
