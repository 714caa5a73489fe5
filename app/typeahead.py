"""What could be meant while a question is being typed: titles, and questions that people ask."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.published import PublishedScenario

MAX_OFFERS = 6
MAX_PER_SCENARIO = 2
FEWEST_CHARS = 2
# An example question has to be read at a glance.
EXAMPLE_CHARS = range(24, 76)
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Offer:
    """`text` may be asked as it is; `is_title` tells a scenario's title from a question."""

    text: str
    category: str
    is_title: bool


class Typeahead:
    """Built once from the scenarios of an index; safe to share between threads."""

    def __init__(self, scenarios: Iterable[PublishedScenario]) -> None:
        self._by_scenario = [list(_offers(scenario)) for scenario in scenarios]
        self._rows = [
            (number, _folded(offer.text), offer)
            for number, offers in enumerate(self._by_scenario)
            for offer in offers
        ]

    def offers(self, typed: str) -> list[Offer]:
        """Texts in which every word typed begins a word. Titles come first, then what begins like it."""
        words = WORD.findall(typed.lower())
        if sum(map(len, words)) < FEWEST_CHARS:
            return []
        start = f" {' '.join(words)}"
        found = [
            (not offer.is_title, not text.startswith(start), len(text), number, offer)
            for number, text, offer in self._rows
            if all(f" {word}" in text for word in words)
        ]
        found.sort(key=lambda row: row[:4])
        seen: Counter[int] = Counter()
        return [offer for *_, number, offer in found if _counted(seen, number) <= MAX_PER_SCENARIO][
            :MAX_OFFERS
        ]

    def examples(self, number: int, chance: random.Random) -> list[Offer]:
        """`number` questions at most, each from another category, as `chance` has it."""
        by_category: dict[str, list[Offer]] = {}
        for offer in (offer for offers in self._by_scenario for offer in offers):
            if not offer.is_title and len(offer.text) in EXAMPLE_CHARS:
                by_category.setdefault(offer.category, []).append(offer)
        categories = chance.sample(list(by_category), min(number, len(by_category)))
        return [chance.choice(by_category[category]) for category in categories]


def _offers(scenario: PublishedScenario) -> Iterator[Offer]:
    yield Offer(scenario.title, scenario.category.title, is_title=True)
    for text in scenario.asked_as:
        yield Offer(text, scenario.category.title, is_title=False)


def _counted(seen: Counter[int], number: int) -> int:
    seen[number] += 1
    return seen[number]


def _folded(text: str) -> str:
    """Its words, each with a space before it."""
    return "".join(f" {word}" for word in WORD.findall(text.lower()))
