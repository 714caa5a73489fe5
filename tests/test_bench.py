"""How labelled questions are asked and judged: typos, planted secrets, outcomes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from app.assistant import Answer, Assistant, Result, Verdict
from app.bench import Bench, FollowedUp, outcome_of
from app.labelled import FollowUp, InScope, OutOfScope, Traceback
from app.planted_secrets import MAKERS, fill
from app.redaction import redact
from app.settings import Settings
from app.typos import with_typos

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
STORY = "our list view runs one query per row although select_related is set and the tests are green"


@pytest.fixture(scope="module")
def bench(settings: Settings) -> Bench:
    return Bench.load(settings)


@pytest.mark.parametrize("seed", range(20))
def test_one_of_each_five_words_is_misspelt_and_the_others_stay(seed: int) -> None:
    before, after = STORY.split(), with_typos(STORY, seed).split()
    assert len(before) == len(after) == 17
    changed = [place for place, words in enumerate(zip(before, after, strict=True)) if words[0] != words[1]]
    # The last two words are a group of their own.
    assert [place // 5 for place in changed] == [0, 1, 2, 3]
    for place in changed:
        assert abs(len(before[place]) - len(after[place])) <= 1


def test_typos_are_the_same_for_the_same_seed_and_leave_short_words_and_blanks_alone() -> None:
    assert with_typos(STORY, 3) == with_typos(STORY, 3) != with_typos(STORY, 4)
    assert with_typos("is it 406 or\n  a no", 0) == "is it 406 or\n  a no"
    assert re.sub(r"\S+", "x", with_typos("one\n\n  two\tthree", 0)) == "x\n\n  x\tx"


@pytest.mark.parametrize("name", MAKERS)
def test_a_placeholder_becomes_a_secret_that_redaction_knows(name: str) -> None:
    placeholder = "{{" + name + "}}"
    secret = fill(placeholder)
    assert secret == fill(placeholder)
    assert len(secret) >= 20
    assert "{" not in secret
    assert secret not in redact(f"key = '{secret}'")


def test_a_placeholder_of_something_else_stays() -> None:
    assert fill("{{ form }} {{name}}") == "{{ form }} {{name}}"


def answered(assistant: Assistant, verdict: Verdict, *shown: int) -> Answer:
    results = tuple(Result(assistant.scenarios[number], 0.5) for number in shown)
    return replace(assistant.ask(XML), verdict=verdict, results=results)


@pytest.mark.parametrize(
    ("verdict", "shown", "right", "outcome"),
    [
        (Verdict.ANSWER, (2, 7), {2}, "answered_right"),
        # Who reads the answer has stopped reading before the second.
        (Verdict.ANSWER, (2, 7), {7}, "answered_wrong"),
        (Verdict.SUGGESTIONS, (2, 7, 9), {9, 50}, "suggested_right"),
        (Verdict.SUGGESTIONS, (2, 7, 9), {50}, "suggested_wrong"),
        (Verdict.NO_ANSWER, (), {2}, "refused"),
        (Verdict.ANSWER, (2,), set(), "answered"),
        (Verdict.SUGGESTIONS, (2, 7), set(), "suggested"),
        (Verdict.NO_ANSWER, (), set(), "refused"),
    ],
)
def test_an_outcome_is_what_a_person_was_given(
    assistant: Assistant, verdict: Verdict, shown: tuple[int, ...], right: set[int], outcome: str
) -> None:
    assert outcome_of(answered(assistant, verdict, *shown), right) == outcome


@pytest.mark.parametrize(
    ("verdict", "right", "is_right"),
    [
        (Verdict.ANSWER, (2, 7), True),
        (Verdict.SUGGESTIONS, (2,), True),
        (Verdict.SUGGESTIONS, (7,), False),
        (Verdict.NO_ANSWER, (2,), False),
        (Verdict.NO_ANSWER, (), True),
        (Verdict.SUGGESTIONS, (), False),
    ],
)
def test_a_follow_up_is_right_with_its_scenario_first_or_refused_if_it_has_none(
    assistant: Assistant, verdict: Verdict, right: tuple[int, ...], is_right: bool
) -> None:
    answer = answered(assistant, verdict, 2)
    assert answer.candidates[0].scenario_id == 2
    assert FollowedUp(("a", "b"), "all", right, answer).is_right is is_right


def test_a_question_is_asked_as_a_surface_asks_it(bench: Bench, assistant: Assistant) -> None:
    asked = bench.ask(InScope(text=XML, ok=[2, 5]), "in_scope")
    answer = assistant.ask(XML)
    assert (asked.rank, asked.first_is_right, asked.outcome) == (1, True, "answered_right")
    assert asked.confidence == pytest.approx(answer.confidence)
    assert asked.ranking == tuple(candidate.scenario_id for candidate in answer.candidates)
    far = bench.ask(OutOfScope(text="how do I bake bread", kind="far"), "far")
    assert (far.rank, far.outcome) == (0, "refused")


def test_time_beyond_the_encoder_leaves_the_encoder_out(bench: Bench) -> None:
    encoded = bench.encoder.milliseconds
    asked = bench.ask(InScope(text=XML, ok=[2]), "in_scope")
    assert bench.encoder.milliseconds > encoded
    assert asked.beyond_encoder_ms > 0


def test_an_embedding_is_that_with_which_retrieval_was_asked(bench: Bench) -> None:
    bench.ask(InScope(text=XML, ok=[2]), "in_scope")
    encoded = bench.encoder.milliseconds
    assert bench.embedding(XML) @ bench.encoder.encode([XML])[0] == pytest.approx(1)
    before = bench.encoder.milliseconds
    assert before > encoded
    bench.embedding(XML)
    assert bench.encoder.milliseconds == before


def test_a_reply_that_repeats_what_was_planted_is_found_out(bench: Bench) -> None:
    kept = Traceback(text=f"{XML}\nAPI_KEY = '{{{{api_key}}}}'", ok=[2], secrets=["{{api_key}}"])
    assert not bench.ask(kept, "tracebacks").repeats_secret
    # What is no secret to redaction is repeated, as a leak would be.
    told = Traceback(text=XML, ok=[2], secrets=["a bank calls us"])
    assert bench.ask(told, "tracebacks").repeats_secret


def test_a_follow_up_is_asked_with_what_was_said_before(bench: Bench) -> None:
    followed = bench.follow_up(FollowUp(turns=[XML, "and how do I test that?"], ok=[2], kind="same"))
    assert followed.answer.candidates[0].scenario_id == 2
    assert followed.answer.question == "and how do I test that?"
