"""The chat page as a test uses it."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
LARGE = "our list endpoint returns 80k rows in one response and times out, cursor pagination?"
FOLLOW_UP = "and how do I test that?"
NOTHING = "how do I bake bread"
INJECTIONS = [
    "<img src=x onerror=alert(1)>",
    '</textarea></article>"><script>alert(1)</script>',
    "[a link](javascript:alert(1)) ![an image](https://example.org/x.png) **bold**",
    "{{ 7 * 7 }} {% raw %} ${alert(1)}",
    "javascript:alert(1)//&q=other#q=more&category=testing",
]


def box(page: Page) -> Locator:
    return page.get_by_label("Your question")


def ask_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Ask", exact=True)


def ask(page: Page, question: str) -> Locator:
    """Ask with Enter; the turn with the reply once it is there."""
    replied = page.locator(".turn[data-turn]")
    number = replied.count()
    box(page).fill(question)
    box(page).press("Enter")
    expect(replied).to_have_count(number + 1)
    return replied.nth(number)


def kept(turn: Locator) -> dict[str, Any]:
    """What the service gave the browser to keep of the turn."""
    text = turn.get_attribute("data-turn")
    assert text
    result: dict[str, Any] = json.loads(text)
    return result


def questions(page: Page) -> list[str]:
    """All that were replied to, oldest first."""
    return [kept(turn)["question"] for turn in page.locator(".turn[data-turn]").all()]


def shown(turn: Locator) -> str | None:
    """The id of the scenario that answers."""
    return turn.locator("[data-scenario]").get_attribute("data-scenario")


def said(turn: Locator) -> Locator:
    """The question as it is shown."""
    return turn.locator(".said, .pasted")
