"""axe-core finds nothing to complain of, in light and in dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.chat import NOTHING, XML, ask, box
from tests.browser.conftest import OpenPage


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_violation_on_any_state_of_the_chat(open_page: OpenPage, server: str, scheme: str) -> None:
    page = open_page(server + "/", color_scheme=scheme)
    assert violations(page) == []
    box(page).press_sequentially("cache")
    expect(page.get_by_role("option").first).to_be_visible()
    box(page).press("ArrowDown")
    assert violations(page) == []
    box(page).press("Escape")
    turn = ask(page, XML)
    turn.get_by_role("button", name="Yes").click()
    expect(turn.get_by_text("Thank you.")).to_be_visible()
    assert violations(page) == []
    ask(page, "why?\n\nTraceback (most recent call last):\n" + '  File "x.py", line 1, in y\n' * 20)
    nothing = ask(page, NOTHING)
    nothing.get_by_text("Tell us what is missing").click()
    page.context.set_offline(True)
    box(page).fill(XML)
    box(page).press("Enter")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    assert violations(page) == []
    page.context.set_offline(False)
