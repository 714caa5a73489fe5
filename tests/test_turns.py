"""A turn travels to the browser and back; what comes back may be anything."""

from __future__ import annotations

import json

import pytest

from app.assistant import Assistant
from app.errors import TurnRejected
from app.transcript import transcript
from app.turns import Turn
from app.wording import confidence_in_words

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
ADDRESS = "https://help.example"


@pytest.fixture(scope="module")
def turn(assistant: Assistant) -> Turn:
    return Turn.from_answer(assistant.ask(XML), None)


def changed(turn: Turn, **changes: object) -> str:
    return json.dumps(json.loads(turn.kept) | changes)


def test_a_turn_comes_back_as_it_went(turn: Turn, assistant: Assistant) -> None:
    assert Turn.from_browser(turn.kept, assistant.scenarios) == turn
    chosen = turn.with_choice(7)
    assert Turn.from_browser(chosen.kept, assistant.scenarios) == chosen


def test_a_scenario_that_is_gone_is_left_out(turn: Turn) -> None:
    others = turn.results[1:]
    without = Turn.from_browser(turn.kept, {number for number, _ in others})
    assert (without.has_answer, [number for number, _ in without.results]) == (
        True,
        [number for number, _ in others],
    )
    assert not Turn.from_browser(turn.kept, set()).has_answer


@pytest.mark.parametrize(
    "changes",
    [
        {"answer_id": "../../etc"},
        {"answer_id": "A" * 32},
        {"verdict": "sure"},
        {"results": [["<b>", 0.5]]},
        {"results": [[2, 7]]},
        {"results": [[2, 0.5]] * 21},
        {"message": "x" * 1001},
        {"question": None},
        {"html": "<b>"},
    ],
)
def test_what_is_no_turn_is_refused(turn: Turn, assistant: Assistant, changes: dict[str, object]) -> None:
    with pytest.raises(TurnRejected, match="ask again"):
        Turn.from_browser(changed(turn, **changes), assistant.scenarios)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"<b>"', "\0"])
def test_what_is_no_json_object_is_refused(assistant: Assistant, text: str) -> None:
    with pytest.raises(TurnRejected):
        Turn.from_browser(text, assistant.scenarios)


def test_a_chosen_scenario_becomes_the_answer_and_the_others_stay(turn: Turn) -> None:
    (first, confidence), (second, _), *_ = turn.results
    chosen = turn.with_choice(second)
    assert chosen.has_answer
    assert chosen.is_chosen
    assert (chosen.results[0][0], chosen.others[0]) == (second, first)
    assert dict(chosen.results) == dict(turn.results)
    assert chosen.answer_id == turn.answer_id
    assert confidence == turn.results[0][1]


def test_a_transcript_quotes_questions_and_makes_links_whole(turn: Turn, assistant: Assistant) -> None:
    fence = "```"
    pasted = turn.model_copy(update={"question": f"why?\n  {fence}py\n  x = 1"})
    text = transcript([turn, pasted], assistant.scenarios, ADDRESS)
    first, second = text.split("\n\n---\n\n")
    best = assistant.scenarios[turn.results[0][0]]
    assert first.startswith(f"> {XML}\n\n## [{best.title}]({ADDRESS}{best.path})\n\n{best.category.title} · ")
    assert all(part.markdown.split("\n")[0] in first for part in best.body)
    assert all(f"[{source.title}]({source.url})" in first for source in best.sources)
    assert "](/" not in text
    # Fenced with one more than it holds, so that it cannot end the fence.
    assert second.startswith(f"> why?\n>\n> ````text\n>   {fence}py\n>   x = 1\n> ````\n")


def test_a_transcript_lists_suggestions(turn: Turn, assistant: Assistant) -> None:
    number = turn.results[0][0]
    unsure = Turn.from_browser(changed(turn, verdict="suggestions", message="Which?"), assistant.scenarios)
    text = transcript([unsure], assistant.scenarios, ADDRESS)
    scenario = assistant.scenarios[number]
    assert f"\n\nWhich?\n\n- [{scenario.title}]({ADDRESS}{scenario.path})\n" in text


@pytest.mark.parametrize(
    ("confidence", "words"),
    [(1.0, "Very likely right"), (0.9, "Very likely right"), (0.89, "Likely right"), (0.5, "Perhaps right"), (0.0, "A guess")],
)  # fmt: skip
def test_confidence_has_words(confidence: float, words: str) -> None:
    assert confidence_in_words(confidence) == words
