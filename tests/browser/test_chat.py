"""The chat as people use it, in a real Chromium. `open_page` also fails a test whose page left its origin,
logged an error (a breach of the content security policy is one) or opened a dialog.
"""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage
from tests.conftest import Start

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
LARGE = "our list endpoint returns 80k rows in one response and times out, cursor pagination?"
FOLLOW_UP = "and how do I test that?"
NARROW = {"width": 320, "height": 640}


def box(page: Page) -> Locator:
    return page.get_by_label("Your question")


def ask(page: Page, question: str) -> Locator:
    """Ask with Enter; the turn with the answer once it is there."""
    turns = page.locator(".turn")
    number = turns.count()
    box(page).fill(question)
    box(page).press("Enter")
    expect(turns).to_have_count(number + 1)
    return turns.nth(number)


def shown(turn: Locator) -> str | None:
    return turn.locator("[data-scenario]").get_attribute("data-scenario")


def history(page: Page) -> list[str]:
    return page.locator("input[name=history]").evaluate_all("inputs => inputs.map(input => input.value)")


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
            alert("a dialog");
        })"""
    )
    told = "\n".join(complaints)
    assert re.search(r"error: .*Content Security Policy", told)
    assert all(part in told for part in ("log: a word", "script error: a mistake", "dialog: a dialog"))
    complaints.clear()


def test_an_answer_arrives_without_a_reload(page: Page) -> None:
    turn = ask(page, XML)
    assert page.evaluate("window.sameDocument") is True
    expect(turn.locator(".question")).to_have_text(XML)
    expect(turn.get_by_role("heading", name="Adding a New Format")).to_be_in_viewport()
    expect(box(page)).to_have_value("")
    expect(box(page)).to_be_focused()


def test_the_button_asks_too(page: Page) -> None:
    box(page).fill(XML)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".turn [data-scenario='2']")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True


def test_shift_enter_is_a_line_break(page: Page) -> None:
    box(page).fill("text/xml")
    box(page).press("End")
    box(page).press("Shift+Enter")
    box(page).press_sequentially("gets 406")
    expect(box(page)).to_have_value("text/xml\ngets 406")
    expect(page.locator(".turn")).to_have_count(0)


def test_code_is_highlighted(page: Page) -> None:
    code = ask(page, XML).locator("figure.code[data-language=python] code").first
    keyword = code.locator(".kn", has_text="import").first
    expect(keyword).to_be_visible()
    colours = [part.evaluate("element => getComputedStyle(element).color") for part in (code, keyword)]
    assert colours[0] != colours[1]


def test_code_can_be_copied(open_page: OpenPage, server: str) -> None:
    page = open_page(server + "/", permissions=["clipboard-read", "clipboard-write"])
    figure = ask(page, XML).locator("figure.code[data-language=python]").first
    figure.get_by_role("button", name="Copy").click()
    expect(figure.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == figure.locator("code").text_content()
    assert copied.startswith("from rest_framework_xml")


def test_a_refused_copy_is_admitted(page: Page) -> None:
    page.context.grant_permissions([])
    figure = ask(page, XML).locator("figure.code").first
    figure.get_by_role("button", name="Copy").click()
    expect(figure.get_by_role("button", name="Not copied")).to_be_visible()


def test_without_a_clipboard_there_is_no_copy_button(open_page: OpenPage, server: str) -> None:
    # Plain http under another name than localhost, as on an intranet.
    page = open_page(server.replace("127.0.0.1", "intranet.test") + "/")
    turn = ask(page, XML)
    expect(turn.locator("figure.code").first).to_be_visible()
    expect(turn.get_by_role("button")).to_have_count(0)


def test_a_follow_up_is_read_after_the_question_before_it(page: Page) -> None:
    ask(page, XML)
    assert shown(ask(page, LARGE)) == "4"
    assert shown(ask(page, XML)) == "2"
    assert history(page) == [XML, LARGE, XML]
    assert shown(ask(page, FOLLOW_UP)) == "2"
    assert shown(ask(page, LARGE)) == "4"
    assert shown(ask(page, FOLLOW_UP)) == "4"


def test_a_conversation_may_be_long(page: Page) -> None:
    for number in range(12):
        ask(page, f"{number} {XML}")
    assert history(page) == [f"{number} {XML}" for number in range(2, 12)]


def test_a_secret_is_not_kept_in_the_page(page: Page) -> None:
    secret = "Quartz" + "Lime" * 3
    turn = ask(page, f"redis://:{secret}@cache refuses the connection")
    expect(turn.locator(".question")).to_contain_text("redis://:[redacted]@cache")
    assert history(page) == ["redis://:[redacted]@cache refuses the connection"]
    assert secret not in page.content()


def test_nothing_happens_to_an_empty_question(page: Page) -> None:
    asked = []
    page.on("request", lambda request: request.url.endswith("/answer") and asked.append(request.url))
    box(page).press("Enter")
    page.get_by_role("button", name="Ask").click()
    assert shown(ask(page, XML)) == "2"
    assert [url.rpartition("/")[2] for url in asked] == ["answer"]
    assert history(page) == [XML]


def test_a_blank_question_is_explained_once(page: Page) -> None:
    for _ in range(2):
        box(page).fill("  ")
        with page.expect_response("**/answer") as response:
            box(page).press("Enter")
        assert response.value.status == 422
        expect(page.get_by_role("alert")).to_contain_text("The question is blank; describe the problem")
    expect(page.get_by_role("alert")).to_have_count(1)
    ask_again = box(page)
    ask_again.fill(XML)
    ask_again.press("Enter")
    expect(page.locator(".turn [data-scenario='2']")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert history(page) == [XML]


def test_two_presses_ask_once(page: Page) -> None:
    asked = []
    page.on("request", lambda request: request.url.endswith("/answer") and asked.append(request.url))
    box(page).fill(XML)
    page.evaluate(
        "() => { const form = document.querySelector('#ask'); form.requestSubmit(); form.requestSubmit(); }"
    )
    expect(page.locator(".turn [data-scenario='2']")).to_be_visible()
    ask(page, LARGE)
    assert len(asked) == 2
    assert history(page) == [XML, LARGE]


def test_what_is_typed_while_an_answer_is_on_its_way_stays(page: Page) -> None:
    box(page).fill(XML)
    page.evaluate(
        "() => { document.querySelector('#ask').requestSubmit(); document.querySelector('#question').value = 'and'; }"
    )
    expect(page.locator(".turn [data-scenario='2']")).to_be_visible()
    expect(box(page)).to_have_value("and")


@pytest.mark.parametrize(
    ("length", "reason"), [(5000, "at most 4000: shorten it"), (300_000, "larger than 262144 bytes")]
)
def test_too_long_a_question_stays_in_the_box(page: Page, length: int, reason: str) -> None:
    box(page).fill("x" * length)
    box(page).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text(reason)
    expect(box(page)).to_have_value("x" * length)
    assert history(page) == []


def test_a_question_stays_in_the_box_when_the_service_is_gone(open_page: OpenPage, start: Start) -> None:
    service = start(log_level="warning")
    page = open_page(service.address + "/")
    ask(page, XML)
    service.stop()
    with pytest.raises(httpx.TransportError):
        httpx.get(service.address)
    box(page).fill(LARGE)
    box(page).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text(
        "No answer came. The service cannot be reached. Your question is still in the box."
    )
    expect(box(page)).to_have_value(LARGE)
    expect(page.get_by_role("button", name="Ask")).to_be_enabled()
    assert history(page) == [XML]


def test_markup_in_a_question_does_nothing(page: Page) -> None:
    for typed in ("<img src=x onerror=alert(1)>", "<script>alert(1)</script>", '"><svg onload=alert(1)>'):
        turn = ask(page, typed)
        expect(turn.locator(".question")).to_have_text(typed)
        expect(page.locator("main img, main script, main svg")).to_have_count(0)
    assert page.evaluate("window.sameDocument") is True


def test_everything_works_without_javascript(open_page: OpenPage, server: str) -> None:
    page = open_page(server + "/", java_script_enabled=False)
    for question, scenario in ((XML, "2"), (FOLLOW_UP, "2"), (LARGE, "4")):
        box(page).fill(question)
        page.get_by_role("button", name="Ask").click()
        expect(page.locator(".question")).to_have_text(question)
        expect(page.locator("[data-scenario]")).to_have_attribute("data-scenario", scenario)
        expect(box(page)).to_have_value("")
    assert page.url == server + "/"
    expect(page.locator(".highlight .kn").first).to_be_visible()
    expect(page.locator(".copy")).to_have_count(0)
    too_long = "Traceback:\n" + "x" * 4000
    box(page).fill(too_long)
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text("at most 4000: shorten it")
    expect(box(page)).to_have_value(too_long)


def test_alternatives_and_links_lead_to_scenarios(page: Page) -> None:
    other = ask(page, XML).get_by_role("navigation", name="Not this?").get_by_role("link").first
    title = other.text_content()
    assert title
    other.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.get_by_role("link", name="Scenarios").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All scenarios")
    page.get_by_role("link", name="Adding a New Format").click()
    expect(page).to_have_url(re.compile(r"/scenarios/2-[a-z-]+$"))


def test_every_page_fits_a_narrow_phone(open_page: OpenPage, server: str) -> None:
    page = open_page(server + "/", viewport=NARROW)
    ask(page, XML + " " + "x" * 500)
    assert_fits(page)
    paths = [item["url"] for item in httpx.get(f"{server}/api/v1/scenarios?page_size=200").json()["items"]]
    for path in ["/", "/scenarios", "/nowhere", "/scenarios/" + "9" * 80, *paths]:
        page.goto(server + path)
        assert_fits(page)


def assert_fits(page: Page) -> None:
    width = page.evaluate("document.documentElement.scrollWidth")
    assert (page.url, width) == (page.url, NARROW["width"])


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_page_follows_the_colour_scheme(
    open_page: OpenPage, server: str, scheme: str, dark: bool
) -> None:
    page = open_page(server + "/", color_scheme=scheme)
    turn = ask(page, XML)
    expect(turn).to_be_visible()
    for part in (
        page.locator("body"),
        turn.locator(".scenario"),
        turn.locator("figure.code").first,
        box(page),
    ):
        assert (brightness(part, "backgroundColor") < 0.25) is dark
        assert (brightness(part, "color") > 0.75) is dark
