"""The pages to read in a real Chromium: filtered, walked through, printed, narrow, and by axe-core."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from app.about import Figures, get_figures
from app.main import create_app
from app.settings import Settings
from tests.browser.accessibility import violations
from tests.browser.chat import box, said
from tests.browser.conftest import OpenPage
from tests.service import running
from tests.test_pages import ACCEPTED

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 320, "height": 640}


def rows(page: Page) -> Locator:
    """The scenarios that the table of contents shows."""
    return page.locator(".contents li:visible")


def path_of(server: str, number: int) -> str:
    path = httpx.get(f"{server}/scenarios/{number}").headers["location"]
    assert path.startswith(f"/scenarios/{number}-")
    return server + path


@pytest.fixture(scope="module")
def measured(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with figures to show."""
    path: Path = tmp_path_factory.mktemp("evaluation") / "accepted.json"
    path.write_text(json.dumps(ACCEPTED))
    app = create_app(settings)
    app.dependency_overrides[get_figures] = lambda: Figures.load(path)
    with running(app) as address:
        yield address


# --- the table of contents


def test_the_list_is_filtered_while_it_is_typed(open_page: OpenPage, server: str) -> None:
    page = open_page(f"{server}/scenarios")
    total = rows(page).count()
    page.keyboard.press("/")
    page.keyboard.type("celery re")
    expect(rows(page).filter(has_text="Handling Task Failures and Retries")).to_be_visible()
    few = rows(page).count()
    assert 0 < few < 10
    expect(page.get_by_role("status")).to_have_text(f"{few} of {total}")
    expect(page).to_have_url(re.compile(r"\?q=celery%20re$"))
    entries = page.get_by_role("navigation", name="Categories").get_by_role("listitem")
    expect(entries).to_have_count(page.locator(".contents:visible").count())
    assert sum(int(text.split()[-1]) for text in entries.all_inner_texts()) == few
    page.keyboard.press("Enter")
    expect(rows(page).first.get_by_role("link")).to_be_focused()
    page.get_by_role("searchbox").fill("")
    expect(rows(page)).to_have_count(total)
    expect(page).to_have_url(f"{server}/scenarios")


def test_the_page_finds_what_the_service_finds(open_page: OpenPage, server: str) -> None:
    page = open_page(f"{server}/scenarios")
    without = open_page(f"{server}/scenarios", java_script_enabled=False)
    for typed in ("n+1", "select_rel", "TESTING  flaky", "drf-", "4", "é", "monitoring, log", "zebra"):
        page.get_by_role("searchbox").fill(typed)
        without.get_by_role("searchbox").fill(typed)
        without.get_by_role("button", name="Filter").click()
        expect(without).to_have_url(re.compile(r"\?q="))
        assert (typed, rows(page).all_inner_texts()) == (typed, rows(without).all_inner_texts())
        assert page.get_by_role("status").inner_text() == without.get_by_role("status").inner_text()


def test_the_filter_is_there_again_on_the_way_back(open_page: OpenPage, server: str) -> None:
    page = open_page(f"{server}/scenarios")
    page.get_by_role("searchbox").fill("celery")
    expect(rows(page).first).to_contain_text("celery")
    texts = rows(page).all_inner_texts()
    rows(page).first.get_by_role("link").click()
    expect(page.locator("article h1")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("celery")
    assert rows(page).all_inner_texts() == texts


def test_a_link_to_a_category_leads_there(open_page: OpenPage, server: str) -> None:
    page = open_page(f"{server}/scenarios#testing")
    expect(page.get_by_role("heading", name="Testing and Quality Assurance")).to_be_in_viewport()
    assert page.url == f"{server}/scenarios#testing"


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_what_is_not_found_is_asked_at_a_press(open_page: OpenPage, server: str, script: bool) -> None:
    typed = "<img src=x onerror=alert(1)> zebra"
    page = open_page(f"{server}/scenarios", java_script_enabled=script)
    page.get_by_role("searchbox").fill(typed)
    if not script:
        page.get_by_role("button", name="Filter").click()
    expect(rows(page)).to_have_count(0)
    page.get_by_role("button", name=f"Ask “{typed}”").click()
    expect(said(page.locator(".turn[data-turn]"))).to_have_text(typed)
    assert page.url == f"{server}/"


# --- a scenario


def test_the_way_through_a_page_stays_in_sight(open_page: OpenPage, server: str) -> None:
    page = open_page(path_of(server, 7), viewport=WIDE)
    outline = page.get_by_role("navigation", name="On this page")
    article, beside = page.locator("article").bounding_box(), outline.bounding_box()
    assert article
    assert beside
    assert beside["x"] >= article["x"] + article["width"]
    expect(outline.locator("[aria-current]")).to_have_count(0)
    outline.get_by_role("link", name="Guard it").click()
    expect(page).to_have_url(re.compile("#step-4$"))
    expect(page.locator("#step-4")).to_be_in_viewport()
    expect(outline.locator("[aria-current]")).to_have_text(["Guard it"])
    page.keyboard.press("End")
    expect(outline.locator("[aria-current]")).not_to_have_text(["Guard it"])
    expect(outline.get_by_role("link", name="Answer")).to_be_in_viewport()


def test_on_a_phone_the_way_through_is_on_the_page(open_page: OpenPage, server: str) -> None:
    page = open_page(path_of(server, 7), viewport=PHONE)
    places = [
        page.locator(selector).bounding_box() for selector in (".short-answer", ".outline", "section.answer")
    ]
    tops = [place["y"] for place in places if place]
    assert len(tops) == 3
    assert tops == sorted(tops)


def test_the_code_of_a_scenario_can_be_copied(open_page: OpenPage, server: str) -> None:
    page = open_page(path_of(server, 7), permissions=["clipboard-read", "clipboard-write"])
    figure = page.locator("figure.code").first
    figure.get_by_role("button", name="Copy").click()
    expect(figure.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == figure.locator("code").text_content()


def test_a_reader_goes_on_from_scenario_to_scenario(open_page: OpenPage, server: str) -> None:
    page = open_page(f"{server}/scenarios/7-an-old-title")
    assert page.url == path_of(server, 7)
    page.get_by_role("link", name=re.compile("^Next")).click()
    expect(page).to_have_url(path_of(server, 8))
    page.get_by_role("link", name=re.compile("^Previous")).click()
    expect(page).to_have_url(path_of(server, 7))
    related = page.get_by_role("navigation", name="Related").get_by_role("link").first
    title = related.inner_text()
    related.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All scenarios")


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_a_scenario_is_asked_about(open_page: OpenPage, server: str, script: bool) -> None:
    page = open_page(path_of(server, 7), java_script_enabled=script)
    page.get_by_role("link", name="Ask about this").click()
    expect(box(page)).to_have_value("N+1 Query Problems")
    expect(box(page)).to_be_focused()


def test_an_address_that_leads_nowhere_takes_a_question(open_page: OpenPage, server: str) -> None:
    page = open_page(f"{server}/scenarios/999999")
    page.get_by_label("What are you looking for?").fill("n+1 queries in a list")
    page.keyboard.press("Enter")
    expect(page.locator(".turn [data-scenario='7']")).to_be_visible()


# --- on paper, on a phone, for everybody


def test_on_paper_there_is_the_text_and_where_its_sources_are(open_page: OpenPage, server: str) -> None:
    page = open_page(path_of(server, 7), color_scheme="dark")
    page.emulate_media(media="print")
    for selector in ("header.site", "footer.site", ".outline", ".copy", ".further", ".trail"):
        for element in page.locator(selector).all():
            expect(element).to_be_hidden()
    source = page.locator("article footer li a").first
    content = source.evaluate("link => getComputedStyle(link, '::after').content")
    assert source.get_attribute("href") in content
    assert (
        page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    wrapped = page.locator("pre").evaluate_all("all => all.every(pre => pre.scrollWidth <= pre.clientWidth)")
    assert wrapped


def test_the_pages_fit_a_narrow_phone(open_page: OpenPage, server: str, measured: str) -> None:
    page = open_page(f"{measured}/about", viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page = open_page(f"{server}/scenarios?q={'x' * 100}", viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_to_read_has_a_violation(
    open_page: OpenPage, measured: str, scheme: str, viewport: dict[str, int]
) -> None:
    page = open_page(measured + "/about", color_scheme=scheme, viewport=viewport)
    assert violations(page) == []
    for path in ("/scenarios", "/scenarios?q=zebra", "/scenarios/7#step-3", "/nowhere", "/scenarios/999999"):
        page.goto(measured + path)
        assert (path, violations(page)) == (path, [])
