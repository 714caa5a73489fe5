"""The chat as people use it, in a real Chromium. `open_page` also fails a test whose page left its origin,
logged an error (a breach of the content security policy is one) or opened a dialog.
"""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from app.web import EXAMPLES
from tests.browser.chat import (
    FOLLOW_UP,
    INJECTIONS,
    LARGE,
    NOTHING,
    XML,
    ask,
    ask_button,
    box,
    kept,
    questions,
    said,
    shown,
)
from tests.browser.conftest import OpenPage
from tests.conftest import Start
from tests.service import free_port

NARROW = {"width": 320, "height": 640}


def brightness(locator: Locator, colour: str) -> float:
    """0 is black, 1 white."""
    value = locator.evaluate(f"element => getComputedStyle(element).{colour}")
    return sum(map(int, re.findall(r"\d+", value)[:3])) / 765


@pytest.fixture
def page(open_page: OpenPage, server: str) -> Page:
    page = open_page(server + "/")
    # Gone after any reload.
    page.evaluate("window.sameDocument = true")
    return page


def test_a_page_that_misbehaves_is_noticed(page: Page, complaints: list[str]) -> None:
    page.evaluate(
        """() => new Promise(done => {
            const image = new Image();
            image.onerror = done;
            image.src = "https://example.org/pixel.png";
            console.log("a word");
            setTimeout(() => { throw new Error("a mistake"); });
            setTimeout(() => { document.body.innerHTML = "text"; });
            alert("a dialog");
        })"""
    )
    told = "\n".join(complaints)
    assert re.search(r"error: .*Content Security Policy", told)
    assert "requires 'TrustedHTML' assignment" in told
    assert all(part in told for part in ("log: a word", "script error: a mistake", "dialog: a dialog"))
    complaints.clear()


# --- asking


def test_an_answer_arrives_without_a_reload_and_is_what_is_read_next(page: Page) -> None:
    turn = ask(page, XML)
    assert page.evaluate("window.sameDocument") is True
    expect(said(turn)).to_have_text(XML)
    title = turn.get_by_role("heading", name="Adding a New Format")
    expect(title).to_be_in_viewport()
    expect(title).to_be_focused()
    expect(page.get_by_role("status").first).to_have_text(re.compile(r"^Adding a New Format\. .* right$"))
    expect(box(page)).to_have_value("")
    box(page).press_sequentially("and")
    expect(box(page)).to_be_in_viewport()


def test_the_button_asks_too(page: Page) -> None:
    box(page).fill(XML)
    ask_button(page).click()
    expect(page.locator(".turn [data-scenario='2']")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True


def test_an_example_of_the_empty_page_is_asked_at_a_click(page: Page) -> None:
    examples = page.locator(".examples button")
    expect(examples).to_have_count(EXAMPLES)
    question = examples.first.get_attribute("value")
    examples.first.click()
    expect(said(page.locator(".turn[data-turn]"))).to_have_text(question or "")
    expect(examples.first).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("What is the problem?")


def test_the_keys_of_the_box(page: Page) -> None:
    page.keyboard.press("/")
    expect(box(page)).to_be_focused()
    box(page).press("ArrowUp")
    expect(box(page)).to_have_value("")
    page.keyboard.type("text/xml")
    box(page).press("Shift+Enter")
    page.keyboard.type("gets 406")
    expect(box(page)).to_have_value("text/xml\ngets 406")
    box(page).press("Escape")
    expect(box(page)).to_have_value("")
    ask(page, XML)
    page.keyboard.press("/")
    box(page).press("ArrowUp")
    expect(box(page)).to_have_value(XML)
    expect(page.locator(".turn")).to_have_count(1)


def test_the_box_grows_with_what_is_in_it(page: Page) -> None:
    before = box(page).bounding_box()
    box(page).fill("\n".join(["a line"] * 8))
    after = box(page).bounding_box()
    box(page).fill("\n".join(["a line"] * 800))
    most = box(page).bounding_box()
    assert before
    assert after
    assert most
    assert before["height"] * 2 < after["height"] < most["height"] < 0.5 * page.viewport_size["height"]  # type: ignore[index]


def test_nothing_is_asked_without_a_question(page: Page) -> None:
    for blank in ("", "  ", " \n "):
        box(page).fill(blank)
        box(page).press("Enter")
        expect(box(page)).to_have_js_property("validity.valueMissing", True)
    expect(page.locator(".turn")).to_have_count(0)


def test_near_the_limit_the_characters_left_are_counted(page: Page) -> None:
    counter = page.locator("#counter")
    box(page).fill("x" * 3000)
    expect(counter).to_have_text("")
    box(page).fill("x" * 3900)
    expect(counter).to_have_text("100 characters left")
    box(page).fill("\N{SNAKE}" * 4100)
    expect(counter).to_have_text("100 characters too many: shorten it")
    box(page).press("Enter")
    expect(page.locator(".turn")).to_have_count(0)
    box(page).fill("\N{SNAKE}" * 4000)
    box(page).press("Enter")
    expect(page.locator(".turn[data-turn]")).to_have_count(1)


def test_a_question_may_be_narrowed_down(page: Page) -> None:
    page.get_by_label("Category").select_option("Testing and Quality Assurance")
    turn = ask(page, "n+1 queries")
    assert kept(turn)["category"] == "testing"
    expect(turn.locator(".question .eyebrow")).to_have_text("in Testing and Quality Assurance")


def test_a_pasted_traceback_is_code_and_folded_when_it_is_long(page: Page) -> None:
    lines = ["Traceback (most recent call last):", *['  File "shop/views.py", line 3, in get'] * 20]
    turn = ask(page, "why?\n" + "\n".join([*lines, "ValueError: 7"]))
    expect(turn.locator(".said")).to_have_text("why?")
    expect(turn.locator(".pasted")).to_be_hidden()
    turn.get_by_text("Pasted, 22 lines").click()
    expect(turn.locator(".pasted")).to_be_visible()


def test_two_presses_ask_once_and_what_is_typed_meanwhile_stays(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: request.url.endswith("/answer") and asked.append(request.url))
    box(page).fill(XML)
    page.evaluate(
        """() => {
            const form = document.querySelector('#ask');
            form.requestSubmit();
            form.elements.question.value = 'and';
            form.requestSubmit();
        }"""
    )
    expect(page.locator(".turn [data-scenario='2']")).to_be_visible()
    expect(box(page)).to_have_value("and")
    assert len(asked) == 1
    assert questions(page) == [XML]


def test_a_follow_up_is_read_after_the_question_before_it(page: Page) -> None:
    ask(page, XML)
    assert shown(ask(page, LARGE)) == "4"
    assert shown(ask(page, XML)) == "2"
    assert shown(ask(page, FOLLOW_UP)) == "2"
    assert shown(ask(page, LARGE)) == "4"
    assert shown(ask(page, FOLLOW_UP)) == "4"
    assert questions(page) == [XML, LARGE, XML, FOLLOW_UP, LARGE, FOLLOW_UP]


def test_a_conversation_may_be_long(page: Page) -> None:
    for number in range(12):
        ask(page, f"{number} {XML}")
    with page.expect_request("**/answer") as request:
        ask(page, FOLLOW_UP)
    assert (request.value.post_data or "").count("history=") == 10


def test_a_secret_is_not_kept_in_the_page(page: Page) -> None:
    secret = "Quartz" + "Lime" * 3
    ask(page, f"redis://:{secret}@cache refuses the connection")
    assert questions(page) == ["redis://:[redacted]@cache refuses the connection"]
    assert secret not in page.content()
    ask(page, "x" * 3986 + " pass" + "word=abcd")
    ask(page, FOLLOW_UP)


# --- suggestions while typing


def test_suggestions_while_typing_are_driven_by_keys(page: Page) -> None:
    offers = page.get_by_role("option")
    box(page).press_sequentially("n+1 qu")
    expect(offers.first).to_contain_text("N+1 Query Problems")
    expect(page.get_by_role("status").first).to_have_text(re.compile("questions like this"))
    box(page).press("ArrowDown")
    expect(offers.first).to_have_attribute("aria-selected", "true")
    expect(box(page)).to_have_attribute("aria-activedescendant", offers.first.get_attribute("id") or "")
    box(page).press("ArrowUp")
    expect(page.locator("[aria-selected=true]")).to_have_count(0)
    box(page).press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(box(page)).to_have_value("n+1 qu")
    box(page).press_sequentially("e")
    expect(offers.first).to_be_visible()
    box(page).press("ArrowDown")
    box(page).press("Enter")
    expect(page.locator(".turn [data-scenario='7']")).to_be_visible()
    assert questions(page) == ["N+1 Query Problems"]
    expect(box(page)).to_have_value("")


def test_a_suggestion_is_asked_at_a_click(page: Page) -> None:
    box(page).press_sequentially("celery")
    offer = page.get_by_role("option").nth(1)
    text = offer.locator(".text").text_content()
    offer.click()
    expect(said(page.locator(".turn[data-turn]"))).to_have_text(text or "")


def test_suggestions_that_come_too_late_are_not_waited_for(page: Page) -> None:
    held: list[Route] = []
    page.route("**/suggest", lambda route: held.append(route))
    with page.expect_request("**/suggest"):
        box(page).press_sequentially("celery")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/suggest")):
        box(page).press("Escape")
        ask(page, XML)
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.unroute("**/suggest")
    box(page).press_sequentially("cach")
    expect(page.get_by_role("option").first).to_contain_text("ach")


# --- what is typed stays text


def test_markup_in_a_question_does_nothing(page: Page, server: str) -> None:
    for typed in INJECTIONS:
        turn = ask(page, typed)
        expect(said(turn)).to_have_text(typed)
        expect(turn.locator(".question :is(img, script, a, strong)")).to_have_count(0)
    page.reload()
    expect(page.locator(".turn[data-turn]")).to_have_count(len(INJECTIONS))
    assert questions(page) == INJECTIONS
    expect(page).to_have_title("Django scenario assistant")


# --- failures


def test_a_question_is_asked_again_when_the_service_is_back(open_page: OpenPage, start: Start) -> None:
    port = free_port()
    service = start(log_level="warning", port=port)
    page = open_page(service.address + "/")
    ask(page, XML)
    service.stop()
    with pytest.raises(httpx.TransportError):
        httpx.get(service.address)
    box(page).fill(FOLLOW_UP)
    box(page).press("Enter")
    failure = page.locator(".turn").nth(1)
    expect(failure).to_contain_text("The service cannot be reached.")
    expect(said(failure)).to_have_text(FOLLOW_UP)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    start(log_level="warning", port=port)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".turn[data-turn]")).to_have_count(2)
    assert questions(page) == [XML, FOLLOW_UP]
    assert shown(page.locator(".turn").nth(1)) == "2"


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (429, {"Retry-After": "12"}, "Slow down. Try again in 12 seconds."),
        (503, {}, "Slow down."),
        (500, {}, "Slow down."),
    ],
)
def test_a_service_that_cannot_answer_now_says_why(
    page: Page, status: int, headers: dict[str, str], told: str
) -> None:
    body = "<main><p class='detail'>Slow down.</p></main>"
    page.route("**/answer", lambda route: route.fulfill(status=status, headers=headers, body=body), times=1)
    box(page).fill(XML)
    box(page).press("Enter")
    expect(page.locator(".failure p")).to_have_text(told)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".turn [data-scenario='2']")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(1)


def test_without_a_network_it_says_so(page: Page) -> None:
    page.context.set_offline(True)
    box(page).fill(XML)
    box(page).press("Enter")
    expect(page.locator(".failure p")).to_have_text("You are offline.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".turn [data-scenario='2']")).to_be_visible()


def test_what_cannot_be_asked_as_it_is_may_be_edited(open_page: OpenPage, start: Start) -> None:
    service = start(log_level="warning", max_body_bytes=1024)
    page = open_page(service.address + "/")
    box(page).fill("x" * 2000)
    box(page).press("Enter")
    expect(page.locator(".failure")).to_contain_text("larger than 1024 bytes; shorten it")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    page.get_by_role("button", name="Edit the question").click()
    expect(box(page)).to_have_value("x" * 2000)
    expect(page.locator(".turn")).to_have_count(0)


# --- looks


def test_code_is_highlighted(page: Page) -> None:
    code = ask(page, XML).locator("figure.code[data-language=python] code").first
    keyword = code.locator(".kn", has_text="import").first
    expect(keyword).to_be_visible()
    colours = [part.evaluate("element => getComputedStyle(element).color") for part in (code, keyword)]
    assert colours[0] != colours[1]


def test_every_page_fits_a_narrow_phone(open_page: OpenPage, server: str) -> None:
    page = open_page(server + "/", viewport=NARROW)
    assert_fits(page)
    ask(page, XML + " " + "x" * 500)
    ask(page, NOTHING)
    pasted = ask(page, "\n".join(['  File "/srv/shop/views.py", line 3, in the_view_of_all_orders'] * 20))
    pasted.get_by_text("Pasted, 20 lines").click()
    box(page).press_sequentially("test")
    expect(page.get_by_role("option").first).to_be_visible()
    assert_fits(page)
    paths = [item["url"] for item in httpx.get(f"{server}/api/v1/scenarios?page_size=200").json()["items"]]
    for path in ["/scenarios", "/nowhere", "/scenarios/" + "9" * 80, *paths]:
        page.goto(server + path)
        assert_fits(page)


def assert_fits(page: Page) -> None:
    """Nothing sticks out to the right, and nothing is lost to the left."""
    width = page.evaluate("document.documentElement.scrollWidth")
    left = page.evaluate(
        "Math.min(...[...document.querySelectorAll('main *:not(.visually-hidden)')].map(e => e.getBoundingClientRect().left))"
    )
    assert (page.url, width <= NARROW["width"], left >= 0) == (page.url, True, True)


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_page_follows_the_colour_scheme_until_told_otherwise(
    open_page: OpenPage, server: str, scheme: str, dark: bool
) -> None:
    page = open_page(server + "/", color_scheme=scheme)
    turn = ask(page, XML)
    expect(turn).to_be_visible()
    assert_scheme(page, turn, dark)
    switch = page.get_by_role("button", name="Dark mode")
    expect(switch).to_have_attribute("aria-pressed", str(dark).lower())
    switch.click()
    assert_scheme(page, turn, not dark)
    page.goto(server + "/scenarios")
    assert (brightness(page.locator("body"), "backgroundColor") < 0.25) is not dark
    expect(switch).to_have_attribute("aria-pressed", str(not dark).lower())


def assert_scheme(page: Page, turn: Locator, dark: bool) -> None:
    code = turn.locator("figure.code").first
    for part in (page.locator("body"), turn.locator(".card").first, code, page.locator(".box")):
        assert (brightness(part, "backgroundColor") < 0.25) is dark
        assert (brightness(part, "color") > 0.75) is dark


# --- without JavaScript


def test_everything_works_without_javascript(open_page: OpenPage, server: str) -> None:
    page = open_page(server + "/", java_script_enabled=False)
    for question, scenario in ((XML, "2"), (FOLLOW_UP, "2"), (LARGE, "4")):
        box(page).fill(question)
        ask_button(page).click()
        expect(said(page.locator(".turn"))).to_have_text(question)
        expect(page.locator("[data-scenario]")).to_have_attribute("data-scenario", scenario)
        expect(box(page)).to_have_value("")
    assert page.url == server + "/"
    expect(page.locator(".highlight .kn").first).to_be_visible()
    for script in (".copy", ".theme-switch", ".copy-link", "#clear"):
        expect(page.locator(script).locator("visible=true")).to_have_count(0)
    other = page.locator(".others button").first
    title = other.locator(".title").text_content()
    other.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title or "")
    page.goto(server + "/")
    page.locator(".examples button").first.click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    page.get_by_role("link", name="Ask another question").click()
    too_long = "Traceback:\n" + "x" * 4000
    box(page).fill(too_long)
    ask_button(page).click()
    expect(page.get_by_role("alert")).to_contain_text("at most 4000: shorten it")
    expect(box(page)).to_have_value(too_long)
