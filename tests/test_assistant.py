"""The core object on the real corpus: verdicts, follow-ups, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.assistant import Assistant, Verdict
from app.errors import CategoryNotFound, QuestionRejected, ScenarioNotFound

SOURCE_QUESTIONS = [
    json.loads(line)
    for line in (Path(__file__).parent / "source_questions.jsonl").read_text(encoding="utf-8").splitlines()
]
XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"


def written(assistant: Assistant, row: dict[str, object]) -> bool:
    return row["id"] in assistant.scenarios


def test_each_source_question_gets_its_own_scenario_as_the_answer(assistant: Assistant) -> None:
    wrong = []
    for row in SOURCE_QUESTIONS:
        if not written(assistant, row):
            continue
        answer = assistant.ask(row["text"])
        found = [result.scenario.id for result in answer.results]
        if answer.verdict is not Verdict.ANSWER or found[0] != row["id"]:
            wrong.append((row["id"], answer.verdict.value, round(answer.confidence, 2), found))
    assert wrong == []


@pytest.mark.parametrize(
    "question",
    [
        "how do I bake bread",
        "what is the capital of France",
        "best running shoes for flat feet",
        "asdf qwer zxcv",
    ],
)
def test_a_question_about_something_else_gets_no_answer(assistant: Assistant, question: str) -> None:
    answer = assistant.ask(question)
    assert (answer.verdict, answer.results) == (Verdict.NO_ANSWER, ())
    assert answer.message is not None


def test_an_answer_comes_first_and_alternatives_after_it(assistant: Assistant) -> None:
    answer = assistant.ask(XML, top_k=5)
    assert answer.results[0].scenario.id == 2
    confidences = [result.confidence for result in answer.results]
    assert confidences == sorted(confidences, reverse=True)
    assert answer.confidence == confidences[0]


def test_a_follow_up_is_read_after_what_was_asked_before(assistant: Assistant) -> None:
    alone = assistant.ask("and how do I test that?")
    assert alone.verdict is not Verdict.ANSWER
    after = assistant.ask("and how do I test that?", history=[XML])
    assert after.candidates[0].scenario_id == 2


def test_a_new_topic_is_not_dragged_back(assistant: Assistant) -> None:
    new = "our list endpoint returns 80k rows in one response and times out, cursor pagination?"
    assert (
        assistant.ask(new, history=[XML]).candidates[0].scenario_id
        == assistant.ask(new).candidates[0].scenario_id
        == 4
    )


@pytest.mark.parametrize(
    ("question", "history", "message"),
    [
        ("", [], "the question is blank; describe the problem"),
        (" \n\t ", [], "the question is blank"),
        ("a" * 4001, [], "question has 4001 characters; at most 4000: shorten it"),
        ("q", ["a" * 4001], "history.0 has 4001 characters"),
        ("q", ["a"] * 11, "history has 11 messages; send the last 10"),
        ("\udcff", [], "question is not valid Unicode"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_remedy(
    assistant: Assistant, question: str, history: list[str], message: str
) -> None:
    with pytest.raises(QuestionRejected, match=message):
        assistant.ask(question, history)


def test_unknown_names_are_refused_with_the_known_ones(assistant: Assistant) -> None:
    with pytest.raises(CategoryNotFound, match="unknown category 'cooking'; one of: api-design"):
        assistant.ask("q", category="cooking")
    with pytest.raises(ScenarioNotFound, match="no scenario has the id 999"):
        assistant.scenario(999)
