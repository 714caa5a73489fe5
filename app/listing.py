"""The table of contents, whole or filtered by words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from app.published import CategoryRef, PublishedScenario

# app/static/filter.js finds the same words in what a page shows.
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Group:
    """A category with all its scenarios; `found` holds the ids of those that the filter leaves."""

    category: CategoryRef
    scenarios: list[PublishedScenario]
    found: frozenset[int]


@dataclass(frozen=True)
class Listing:
    """All groups in their order. What the filter takes out stays in it, to be shown again as it changes."""

    groups: list[Group]

    @classmethod
    def of(cls, scenarios: Iterable[PublishedScenario], typed: str = "") -> Self:
        """Found is what has for every word typed one that begins with it: in number, title, tags or category."""
        words = _words(typed)
        by_category = groupby(scenarios, key=lambda scenario: scenario.category)
        return cls([_group(category, list(rows), words) for category, rows in by_category])

    @property
    def total(self) -> int:
        return sum(len(group.scenarios) for group in self.groups)

    @property
    def found(self) -> int:
        return sum(len(group.found) for group in self.groups)


def _group(category: CategoryRef, scenarios: list[PublishedScenario], words: list[str]) -> Group:
    return Group(category, scenarios, frozenset(row.id for row in scenarios if _has(row, words)))


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _has(scenario: PublishedScenario, typed: list[str]) -> bool:
    shown = _words(" ".join([str(scenario.id), scenario.title, *scenario.tags, scenario.category.title]))
    return all(any(word.startswith(start) for word in shown) for start in typed)
