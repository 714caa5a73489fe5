"""Keeping a conversation, sharing from it, and saying what one thinks of its answers, in a real Chromium."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from app.database import SQLITE_FILE
from tests.browser.chat import (
    FOLLOW_UP,
    INJECTIONS,
    LARGE,
    NOTHING,
    XML,
    ask,
    box,
    kept,
    questions,
    said,
    shown,
)
from tests.browser.conftest import OpenPage
from tests.conftest import Serve

PATIENCE_SECONDS = 20
CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.fixture
def page(open_page: OpenPage, server: str) -> Page:
    return open_page(server + "/", permissions=CLIPBOARD)


def clipboard(page: Page) -> str:
    text = page.evaluate("navigator.clipboard.readText()")
    assert isinstance(text, str)
    return text


# --- keeping


def test_a_conversation_survives_a_reload(page: Page) -> None:
    first = kept(ask(page, XML))
    ask(page, FOLLOW_UP)
    ask(page, NOTHING)
    with page.expect_request("**/conversation"):
        page.reload()
    turns = page.locator(".turn[data-turn]")
    expect(turns).to_have_count(3)
    assert questions(page) == [XML, FOLLOW_UP, NOTHING]
    assert kept(turns.nth(0)) == first
    assert shown(turns.nth(1)) == "2"
    expect(turns.nth(0).get_by_role("button", name="Copy", exact=True).first).to_be_visible()
    assert shown(ask(page, LARGE)) == "4"
    page.reload()
    expect(turns).to_have_count(4)


def test_of_a_conversation_too_long_to_be_sent_at_once_the_newest_part_is_kept(page: Page) -> None:
    for number in range(10):
        ask(page, f"{number} " + "\N{CYRILLIC SMALL LETTER DE}" * 3990)
    page.reload()
    turns = page.locator(".turn[data-turn]")
    expect(turns.first).to_be_visible()
    assert 3 < turns.count() < 10
    assert questions(page)[-1].startswith("9 ")


def test_the_empty_page_does_not_flash_up_before_a_kept_conversation(page: Page) -> None:
    ask(page, XML)
    page.route("**/conversation", lambda route: None)  # never answered
    page.reload()
    expect(box(page)).to_be_visible()
    expect(page.locator(".examples")).to_be_hidden()
    expect(page.locator(".lead")).to_be_hidden()


def test_a_conversation_can_be_cleared_and_that_undone(page: Page) -> None:
    ask(page, XML)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator(".examples")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".turn")).to_have_count(1)
    page.reload()
    expect(page.locator(".turn[data-turn]")).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    page.reload()
    expect(page.locator(".examples")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(0)
    assert page.evaluate("localStorage.length") == 0


@pytest.mark.parametrize(
    "stored", ["{", "7", '["<b>bold</b>"]', '[{"a": 1}]', '["{\\"answer_id\\": 1}"]', "[null]"]
)
def test_what_is_stored_and_no_conversation_is_forgotten(page: Page, stored: str) -> None:
    page.evaluate("text => localStorage.setItem('conversation', text)", stored)
    page.reload()
    expect(page.locator(".examples")).to_be_visible()
    expect(page.locator(".turn, b")).to_have_count(0)
    ask(page, XML)
    page.reload()
    expect(page.locator(".turn[data-turn]")).to_have_count(1)


def test_the_page_works_in_a_browser_that_keeps_nothing(page: Page) -> None:
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    page.reload()
    ask(page, XML)
    assert shown(ask(page, FOLLOW_UP)) == "2"
    page.get_by_role("button", name="Dark mode").click()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".turn")).to_have_count(0)


# --- copying and sharing


def test_code_can_be_copied(page: Page) -> None:
    figure = ask(page, XML).locator("figure.code[data-language=python]").first
    figure.get_by_role("button", name="Copy").click()
    expect(figure.get_by_role("button", name="Copied")).to_be_visible()
    assert clipboard(page) == figure.locator("code").text_content()
    assert clipboard(page).startswith("from rest_framework_xml")


def test_a_refused_copy_is_admitted(page: Page) -> None:
    figure = ask(page, XML).locator("figure.code").first
    page.context.clear_permissions()
    page.context.grant_permissions([])
    figure.get_by_role("button", name="Copy").click()
    expect(figure.get_by_role("button", name="Not copied")).to_be_visible()


def test_without_a_clipboard_there_is_no_copy_button(open_page: OpenPage, server: str) -> None:
    # Plain http under another name than localhost, as on an intranet.
    page = open_page(server.replace("127.0.0.1", "intranet.test") + "/")
    turn = ask(page, XML)
    expect(turn.locator("figure.code").first).to_be_visible()
    expect(turn.locator(".copy")).to_have_count(0)


def test_a_conversation_can_be_copied_as_markdown(page: Page, server: str) -> None:
    ask(page, XML)
    ask(page, NOTHING + "\n\n  from shop import bread\n  bread.bake()")
    button = page.locator("#copy-conversation")
    button.click()
    expect(button).to_have_text("Copied")
    text = clipboard(page)
    assert text.startswith(f"> {XML}\n\n## [Adding a New Format]({server}/scenarios/2-")
    assert '```python title="shop/formats.py"' in text
    assert "### Watch out" in text
    assert f"\n---\n\n> {NOTHING}\n>\n> ```text\n>   from shop import bread\n" in text
    assert "](/scenarios" not in text


def test_a_question_is_shared_as_a_link_that_no_server_sees(
    page: Page, open_page: OpenPage, server: str
) -> None:
    asked = "why 100% & a+b=c? #7 " + XML
    ask(page, XML)
    turn = ask(page, asked)
    turn.get_by_role("button", name="Copy link").click()
    expect(turn.get_by_role("button", name="Copied")).to_be_visible()
    link = clipboard(page)
    assert link.startswith(f"{server}/#q=")
    other = open_page(link)
    expect(other.locator(".turn [data-scenario='2']")).to_be_visible()
    assert questions(other) == [asked]
    assert other.url == f"{server}/"
    other.reload()
    expect(other.locator(".turn[data-turn]")).to_have_count(1)


def test_a_link_may_be_opened_in_a_conversation_and_carries_its_category(page: Page) -> None:
    ask(page, XML)
    with page.expect_request("**/answer") as request:
        page.evaluate("location.hash = 'q=n%2B1+queries&category=testing'")
    assert request.value.post_data == "question=n%2B1+queries&category=testing"
    expect(page.locator(".turn[data-turn]")).to_have_count(2)


def test_links_made_to_do_harm_do_nothing(page: Page, server: str) -> None:
    for number, typed in enumerate(INJECTIONS, start=1):
        page.goto("about:blank")
        page.goto(f"{server}/#q={quote(typed, safe='')}")
        turns = page.locator(".turn[data-turn]")
        expect(turns).to_have_count(number)
        expect(said(turns.last)).to_have_text(typed)
    for fragment in ("q=", "q", "%", "q=%E0%A4%A", "=&=&", "q=%20%0A"):
        page.goto("about:blank")
        page.goto(f"{server}/#{fragment}")
        expect(page.locator(".turn[data-turn]").first).to_be_visible()
    expect(page.locator("main :is(img, .turn script)")).to_have_count(0)


# --- choosing, and saying what one thinks


class Rows:
    """The journal of a service, as its file has it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SQLITE_FILE

    def row(self, answer_id: str) -> dict[str, Any]:
        """What is stored of an answer; nothing before the journal has made its file and its table."""
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
                connection.row_factory = sqlite3.Row
                query = "select * from answers where answer_id = ?"
                found = connection.execute(query, [answer_id]).fetchone()
        except sqlite3.OperationalError:
            return {}
        return dict(found) if found else {}

    def wait_for(self, answer_id: str, **expected: object) -> None:
        wait_until(lambda: expected.items() <= self.row(answer_id).items())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal")


@pytest.fixture(scope="module")
def unsure(serve: Serve, data_dir: Path) -> str:
    """A service that suggests and never answers."""
    return serve(log_level="warning", answer_confidence=1, suggestion_confidence=0.01, data_dir=data_dir)


def answer_id(turn: Locator) -> str:
    return str(kept(turn)["answer_id"])


def test_a_suggestion_becomes_the_answer_at_a_click_and_the_choice_is_stored(
    open_page: OpenPage, unsure: str, data_dir: Path
) -> None:
    page = open_page(unsure + "/")
    turn = ask(page, XML)
    expect(turn.get_by_role("heading", level=2).nth(1)).to_have_text("Nothing fits for certain.")
    choices = turn.locator(".suggestions button")
    expect(choices).to_have_count(3)
    number = choices.nth(1).get_attribute("value")
    identity = answer_id(turn)
    turn.get_by_role("button", name=choices.nth(1).locator(".title").text_content(), exact=True).click()
    expect(turn.locator(f"[data-scenario='{number}']")).to_be_visible()
    expect(turn.locator(".confidence")).to_have_text("You chose this")
    expect(turn.locator(".others button")).to_have_count(2)
    assert number
    Rows(data_dir).wait_for(identity, chosen_scenario_id=int(number), surface="web", question=XML)
    page.reload()
    expect(page.locator(f".turn [data-scenario='{number}']")).to_be_visible()
    assert answer_id(page.locator(".turn[data-turn]")) == identity


def test_an_alternative_takes_the_place_of_the_answer(page: Page) -> None:
    turn = ask(page, XML)
    other = turn.locator(".others button").first
    number = other.get_attribute("value")
    other.click()
    expect(turn.locator(f"[data-scenario='{number}']")).to_be_visible()
    expect(turn.locator(".others button[value='2']")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(1)


def test_feedback_is_stored_with_a_word_about_it(open_page: OpenPage, unsure: str, data_dir: Path) -> None:
    page = open_page(unsure + "/")
    turn = ask(page, XML)
    identity = answer_id(turn)
    turn.locator(".suggestions button").first.click()
    helpful = turn.get_by_role("button", name="Not really")
    helpful.click()
    expect(helpful).to_have_attribute("aria-pressed", "true")
    Rows(data_dir).wait_for(identity, helpful=0, comment=None)
    turn.get_by_label("What was good, or missing?").fill("no word on <b>Celery</b>")
    turn.get_by_role("button", name="Send").click()
    expect(turn.get_by_text("Thank you.")).to_be_visible()
    Rows(data_dir).wait_for(identity, helpful=0, comment="no word on <b>Celery</b>")


def test_what_is_missing_can_be_told(open_page: OpenPage, unsure: str, data_dir: Path) -> None:
    page = open_page(unsure + "/")
    turn = ask(page, "zzz qqq xxx")
    turn.get_by_text("Tell us what is missing").click()
    turn.get_by_label("What should be here?").fill("a recipe")
    turn.get_by_role("button", name="Send").click()
    expect(turn.get_by_text("Thank you.")).to_be_visible()
    Rows(data_dir).wait_for(answer_id(turn), helpful=0, comment="a recipe")


def test_feedback_that_did_not_arrive_can_be_sent_again(page: Page) -> None:
    turn = ask(page, XML)
    page.route("**/feedback", lambda route: route.abort(), times=1)
    turn.get_by_role("button", name="Yes").click()
    expect(turn.get_by_text("Not sent. The service cannot be reached.")).to_be_visible()
    turn.get_by_role("button", name="Yes").click()
    expect(turn.get_by_text("Thank you.")).to_be_visible()


# --- by keyboard alone


def test_from_the_first_key_to_copied_code_by_keyboard_alone(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type(XML)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Adding a New Format")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Adding a New Format")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".turn .copy").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".turn .copy").first).to_have_text("Copied")
    assert clipboard(page) == page.locator(".turn figure.code code").first.text_content()
    page.keyboard.press("/")
    page.keyboard.press("ArrowUp")
    expect(box(page)).to_have_value(XML)
