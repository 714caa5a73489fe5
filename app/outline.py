"""The way through a scenario's page: the steps of its answer, and their addresses on the page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.published import PublishedScenario, Section

STEP = re.compile(r"^(\d+)\.\s+\*\*(.+?)\*\*", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A step's number and the words that it begins with, plain."""

    number: str
    title: str


def steps(scenario: PublishedScenario) -> list[Step]:
    """The numbered steps of the answer, in order."""
    return [Step(number, _plain(lead_in)) for number, lead_in in STEP.findall(_answer(scenario).markdown)]


def with_addresses(html: str) -> str:
    """The HTML of an answer that is alone on its page: step 2 is at `#step-2`."""
    return html.replace('<li data-step="', '<li id="step-')


def _answer(scenario: PublishedScenario) -> Section:
    return next(part for part in scenario.body if part.name == "answer")


def _plain(lead_in: str) -> str:
    return " ".join(lead_in.replace("`", "").split()).rstrip(".,:")
