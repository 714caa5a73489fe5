"""The core object on the real corpus: verdicts, follow-ups, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.assistant import COURTESY, FOREIGN, TWO_PROBLEMS, TWO_SUGGESTIONS, Assistant, Verdict
from app.errors import CategoryNotFound, QuestionRejected, ScenarioNotFound
from tests.test_query import PSYCOPG

SOURCE_QUESTIONS = [
    json.loads(line)
    for line in (Path(__file__).parent / "source_questions.jsonl").read_text(encoding="utf-8").splitlines()
]
XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
PAGES = "our list endpoint returns 80k rows in one response and times out, cursor pagination?"


def test_each_source_question_gets_its_own_scenario_as_the_answer(assistant: Assistant) -> None:
    assert len(SOURCE_QUESTIONS) == len(assistant.scenarios) == 110
    wrong = []
    for row in SOURCE_QUESTIONS:
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


@pytest.mark.parametrize(
    "question",
    [
        "comment éviter les requêtes N+1 dans une vue liste de Django ?",
        "Wie kann ich die Liste der Bestellungen seitenweise ausliefern?",
        "Как сделать пагинацию?",
    ],
)
def test_another_language_gets_no_answer_and_hears_that_it_has_to_be_english(
    assistant: Assistant, question: str
) -> None:
    answer = assistant.ask(question)
    assert (answer.verdict, answer.results, answer.message) == (Verdict.NO_ANSWER, (), FOREIGN)


@pytest.mark.parametrize("message", ["thanks, that worked", "hi", "ok great"])
def test_courtesy_gets_a_friendly_word(assistant: Assistant, message: str) -> None:
    answer = assistant.ask(message, history=[XML])
    assert (answer.verdict, answer.results, answer.message) == (Verdict.NO_ANSWER, (), COURTESY)


def test_two_problems_in_one_message_get_both_scenarios(assistant: Assistant) -> None:
    answer = assistant.ask(f"{PAGES} Also, {XML}")
    assert (answer.verdict, answer.message) == (Verdict.ANSWER, TWO_PROBLEMS)
    assert [result.scenario.id for result in answer.results] == [4, 2]
    assert answer.confidence == answer.results[0].confidence
    assert min(result.confidence for result in answer.results) >= assistant.answer_confidence


def test_two_problems_that_are_less_clear_are_both_suggested(assistant: Assistant) -> None:
    answer = assistant.ask(
        "Our list view runs one query per row, N+1 on the author. "
        "Second question: how do I rotate refresh tokens with simplejwt?"
    )
    assert (answer.verdict, answer.message) == (Verdict.SUGGESTIONS, TWO_SUGGESTIONS)
    assert [result.scenario.id for result in answer.results] == [7, 16]


def test_one_problem_in_two_sentences_is_one(assistant: Assistant) -> None:
    answer = assistant.ask(f"{PAGES} Also, offset pagination gets slower with every page of these rows.")
    assert (answer.verdict, answer.message, answer.results[0].scenario.id) == (Verdict.ANSWER, None, 4)


@pytest.mark.parametrize(
    ("question", "scenario"),
    [
        ("a bnak calls us askign for text/xml and gets 406, jsno must stay the defualt", 2),
        ("our lsit endpoint retruns 80k rows in one respnse and times out, curser paginaton?", 4),
    ],
)
def test_typos_do_not_matter(assistant: Assistant, question: str, scenario: int) -> None:
    answer = assistant.ask(question)
    assert (answer.verdict, answer.results[0].scenario.id) == (Verdict.ANSWER, scenario)


def test_a_long_story_is_answered_by_the_question_at_its_end(assistant: Assistant) -> None:
    story = "Last year we moved to a new office, and the team grew, which is nice. " * 40
    answer = assistant.ask(f"{story}\n{PAGES}")
    assert answer.candidates[0].scenario_id == 4


def test_a_pasted_error_is_found_by_what_went_wrong(assistant: Assistant) -> None:
    answer = assistant.ask(PSYCOPG)
    assert (answer.verdict, answer.results[0].scenario.id) == (Verdict.ANSWER, 6)


def test_in_a_category_that_has_no_answer_there_is_none(assistant: Assistant) -> None:
    assert assistant.ask(PAGES).results[0].scenario.id == 4
    assert assistant.ask(PAGES, category="api-design").results[0].scenario.id == 4
    answer = assistant.ask(PAGES, category="errors")
    assert answer.verdict is not Verdict.ANSWER
    assert {assistant.scenarios[one.scenario_id].category.slug for one in answer.candidates} == {"errors"}


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
