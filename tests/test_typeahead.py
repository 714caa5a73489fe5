"""What is offered while a question is typed, over the real scenarios."""

from __future__ import annotations

import random

import pytest

from app.assistant import Assistant
from app.typeahead import EXAMPLE_CHARS, MAX_OFFERS, MAX_PER_SCENARIO, Typeahead


@pytest.fixture(scope="module")
def typeahead(assistant: Assistant) -> Typeahead:
    return Typeahead(assistant.scenarios.values())


@pytest.mark.parametrize("typed", ["n+1 qu", "N+1 QUERY", "  query   n 1", "prob quer n"])
def test_every_word_typed_begins_a_word_in_any_order(typeahead: Typeahead, typed: str) -> None:
    first, *_ = typeahead.offers(typed)
    assert (first.text, first.category, first.is_title) == (
        "N+1 Query Problems",
        "Performance and Scalability",
        True,
    )


def test_titles_come_before_questions(typeahead: Typeahead) -> None:
    kinds = [offer.is_title for offer in typeahead.offers("test")]
    assert kinds == sorted(kinds, reverse=True)
    assert True in kinds


def test_what_begins_as_typed_comes_before_what_holds_it(typeahead: Typeahead) -> None:
    texts = [offer.text.lower() for offer in typeahead.offers("how do i") if not offer.is_title]
    assert texts[0].startswith("how do i")


@pytest.mark.parametrize("typed", ["", " ", "a", "?", "...", "zzzqqq", "\0", "x" * 200])
def test_nothing_is_offered_for_nothing(typeahead: Typeahead, typed: str) -> None:
    assert typeahead.offers(typed) == []


def test_the_offers_are_few_and_of_several_scenarios(typeahead: Typeahead, assistant: Assistant) -> None:
    offers = typeahead.offers("the")
    assert len(offers) == MAX_OFFERS
    asked_as = [set(scenario.asked_as) | {scenario.title} for scenario in assistant.scenarios.values()]
    assert max(sum(offer.text in texts for offer in offers) for texts in asked_as) <= MAX_PER_SCENARIO


def test_examples_are_short_and_of_different_categories(typeahead: Typeahead) -> None:
    examples = typeahead.examples(6, random.Random(1))
    assert examples == typeahead.examples(6, random.Random(1))
    assert examples != typeahead.examples(6, random.Random(2))
    assert len({example.category for example in examples}) == 6
    assert all(len(example.text) in EXAMPLE_CHARS and not example.is_title for example in examples)


def test_there_are_no_more_examples_than_categories(typeahead: Typeahead, assistant: Assistant) -> None:
    assert len(typeahead.examples(1000, random.Random(1))) == len(assistant.categories)
    assert Typeahead([]).examples(6, random.Random(1)) == []
