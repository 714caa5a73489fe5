"""The pages to read, over real HTTP, as a browser without JavaScript and a search engine see them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest

from app.about import Figures, get_figures
from app.assistant import Assistant
from app.listing import Listing
from app.main import create_app
from app.settings import PROJECT, Settings
from app.wording import LEVELS
from tests.conftest import Serve
from tests.html_page import HtmlPage
from tests.service import running

PUBLIC = "https://answers.example.org"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
SHARES = {
    "answered_right": 0.8,
    "suggested_right": 0.1,
    "suggested_wrong": 0.04,
    "answered_wrong": 0.05,
    "refused": 0.01,
}
ACCEPTED = {
    "in_scope": {"questions": 600, "hit@1": 0.91, "hit@3": 0.97, "mrr": 0.94, **SHARES},
    "out_of_scope": {"near": {"questions": 150, "answered": 0.004, "suggested": 0.196, "refused": 0.8}},
    "followups": {"questions": 45, "right": 0.89},
    "reliability": [
        {"confidence": 0.25, "right": 0.5, "questions": 25},
        {"confidence": 0.75, "right": 1, "questions": 100},
    ],
    "coverage": [{"answered": 0.5, "wrong": 0.01}, {"answered": 1, "wrong": 0.12}],
    "fingerprint": "0123456789abcdef",
}


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def public(serve: Serve) -> Iterator[httpx.Client]:
    """A service that people reach under another address."""
    with httpx.Client(base_url=serve(log_level="warning", public_url=PUBLIC), timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def pages(client: httpx.Client, assistant: Assistant) -> dict[int, HtmlPage]:
    """The page of each scenario."""
    return {number: HtmlPage(client.get(row.path).text) for number, row in assistant.scenarios.items()}


def shown(page: HtmlPage) -> list[int]:
    """The scenarios that the table of contents shows, by id."""
    pairs = zip(page.elements, page.elements[1:], strict=False)
    return [
        int(number.text)
        for row, number in pairs
        if row.tag == "li" and "hidden" not in row.attributes and "number" in number.classes
    ]


def meta(page: HtmlPage) -> dict[str, str]:
    return {
        element.attributes.get("name", element.attributes.get("property", "")): element.attributes["content"]
        for element in page.all("meta")
        if "content" in element.attributes
    }


def canonical(page: HtmlPage) -> list[str]:
    return [link.attributes["href"] for link in page.all("link") if link.attributes["rel"] == "canonical"]


# --- the table of contents


def test_the_table_of_contents_lists_every_scenario_by_category(
    client: httpx.Client, assistant: Assistant
) -> None:
    page = HtmlPage(client.get("/scenarios").text)
    scenarios = list(assistant.scenarios.values())
    assert [heading.text for heading in page.all("h2")] == [
        category.title for category in assistant.categories.values()
    ]
    links = [element for element in page.all("a") if element.attributes["href"].startswith("/scenarios/")]
    assert [(link.attributes["href"], link.text) for link in links] == [
        (scenario.path, scenario.title) for scenario in scenarios
    ]
    assert shown(page) == list(assistant.scenarios)
    assert page.one("form", "nothing").attributes.get("hidden") is not None


def test_each_category_is_one_link_away_and_counted(client: httpx.Client, assistant: Assistant) -> None:
    page = HtmlPage(client.get("/scenarios").text)
    assert [link for link in page.links() if link.startswith("#")][1:] == [
        f"#{slug}" for slug in assistant.categories
    ]
    assert sum(int(count.text) for count in page.all("span", "count")) == len(assistant.scenarios)


@pytest.mark.parametrize(
    ("typed", "first"),
    [("n+1", 7), ("N+1 QUERY", 7), ("  jwt  ", 16), ("select_rel", 7), ("testing flaky", 37), ("42", 42)],
)
def test_the_list_is_filtered_by_the_beginnings_of_words(
    client: httpx.Client, assistant: Assistant, typed: str, first: int
) -> None:
    page = HtmlPage(client.get("/scenarios", params={"q": typed}).text)
    found = shown(page)
    assert first in found
    assert len(found) < 30
    assert page.by_id("found").text == f"{len(found)} of {len(assistant.scenarios)}"
    assert page.by_id("filter").attributes["value"] == typed.strip()
    sections = [part for part in page.all("section", "contents") if "hidden" not in part.attributes]
    assert [part.attributes["aria-labelledby"] for part in sections] == list(
        dict.fromkeys(assistant.scenarios[number].category.slug for number in found)
    )
    counts = [int(count.text) for count in page.all("span", "count")]
    assert sum(counts) == len(found)


def test_every_scenario_is_found_by_its_title_and_by_each_of_its_tags(assistant: Assistant) -> None:
    scenarios = list(assistant.scenarios.values())
    for scenario in scenarios:
        for typed in (scenario.title, *scenario.tags, str(scenario.id), scenario.category.title):
            listing = Listing.of(scenarios, typed)
            assert any(scenario.id in group.found for group in listing.groups), (scenario.id, typed)


@pytest.mark.parametrize("typed", ["zebra", "<img src=x onerror=alert(1)>", '" autofocus onfocus="alert(1)'])
def test_what_is_not_found_may_be_asked(client: httpx.Client, typed: str) -> None:
    plain = HtmlPage(client.get("/scenarios").text)
    page = HtmlPage(client.get("/scenarios", params={"q": typed}).text)
    assert [element.tag for element in page.elements] == [element.tag for element in plain.elements]
    assert shown(page) == []
    form = page.one("form", "nothing").attributes
    assert (form["method"], form["action"], "hidden" in form) == ("post", "/", False)
    (button,) = (found for found in page.all("button") if found.attributes.get("name") == "question")
    assert (button.attributes["value"], button.text) == (typed, f"Ask “{typed}”")


def test_a_filter_is_not_a_place_for_a_novel(client: httpx.Client) -> None:
    assert client.get("/scenarios", params={"q": "x" * 100}).status_code == 200
    assert client.get("/scenarios", params={"q": "x" * 101}).status_code == 422


# --- a scenario


def test_a_scenario_page_holds_the_whole_scenario(client: httpx.Client, assistant: Assistant) -> None:
    for scenario in assistant.scenarios.values():
        response = client.get(scenario.path)
        assert response.status_code == 200
        page = HtmlPage(response.text)
        assert page.one("title").text == f"{scenario.title} · Django scenario assistant"
        assert page.one("h1").text == scenario.title
        assert [part.text for part in page.all("h2")][:4] == ["Answer", "Watch out", "Check it", "Sources"]
        whole = response.text.replace('<li id="step-', '<li data-step="')
        for part in (scenario.problem, scenario.short_answer, *scenario.body):
            assert part.html.strip() in whole
        assert {source.url for source in scenario.sources} <= set(page.links())
        assert {assistant.scenarios[number].path for number in scenario.related} <= set(page.links())


def test_the_contents_of_a_page_lead_to_its_parts_and_steps(pages: dict[int, HtmlPage]) -> None:
    for page in pages.values():
        ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
        assert len(ids) == len(set(ids))
        inner = [link.removeprefix("#") for link in page.links() if link.startswith("#")]
        numbered = [name for name in ids if name.startswith("step-")]
        assert numbered
        assert inner == ["main", "answer", *numbered, "watch-out", "check-it", "sources"]
        assert set(inner) <= set(ids)


def test_a_step_is_named_by_the_words_that_it_begins_with(pages: dict[int, HtmlPage]) -> None:
    page = pages[7]
    named = {link.attributes["href"]: link.text for link in page.all("a")}
    assert named["#step-1"] == "Find the relation that repeats"
    assert page.by_id("step-1").text.strip().startswith("Find the relation that repeats.")


def test_previous_and_next_lead_through_all_scenarios(
    pages: dict[int, HtmlPage], assistant: Assistant
) -> None:
    paths = [scenario.path for scenario in assistant.scenarios.values()]
    assert [relation(page, "next") for page in pages.values()] == [*paths[1:], None]
    assert [relation(page, "prev") for page in pages.values()] == [None, *paths[:-1]]


def relation(page: HtmlPage, name: str) -> str | None:
    links = (link.attributes for link in page.all("a"))
    return next((link["href"] for link in links if link.get("rel") == name), None)


def test_a_scenario_can_be_asked_about(
    client: httpx.Client, pages: dict[int, HtmlPage], assistant: Assistant
) -> None:
    assert "/?about=7" in pages[7].links()
    box = HtmlPage(client.get("/?about=7").text).by_id("question")
    assert box.text.removeprefix("\n") == assistant.scenarios[7].title
    assert "autofocus" in box.attributes
    assert HtmlPage(client.get("/?about=999999").text).by_id("question").text.strip() == ""


def test_the_date_of_the_review_is_for_people_and_programs(
    client: httpx.Client, assistant: Assistant
) -> None:
    page = HtmlPage(client.get(assistant.scenarios[7].path).text)
    assert page.one("time").attributes["datetime"] == assistant.scenarios[7].reviewed
    assert re.fullmatch("[A-Z][a-z]+ 20[0-9]{2}", page.one("time").text)


def test_a_scenario_describes_itself_in_plain_words(pages: dict[int, HtmlPage]) -> None:
    for page in pages.values():
        description = meta(page)["description"]
        assert 20 < len(description) <= 160
        assert not re.search(r"[`\n]|\*\*|</?(code|p|em)>", description), description


def test_another_slug_or_none_is_redirected_for_good(client: httpx.Client, assistant: Assistant) -> None:
    for number, scenario in assistant.scenarios.items():
        for key in (f"{number}", f"{number}-", f"{number}-old-title", f"00{number}-{scenario.slug}"):
            response = client.get(f"/scenarios/{key}")
            assert (key, response.status_code, response.headers["location"]) == (key, 308, scenario.path)


@pytest.mark.parametrize(
    "key",
    ["999999", "0", "-1", "1.5", "two", "²", "99999999999999999999", "%00", "%2e%2e%2fmain.py", "a" * 3000,
     "1%2F2", "%E6%97%A5%E6%9C%AC", "{id}", "2/x"],
)  # fmt: skip
def test_what_names_no_scenario_gets_a_friendly_page(client: httpx.Client, key: str) -> None:
    response = client.get(f"/scenarios/{key}")
    assert response.status_code == 404
    page = HtmlPage(response.text)
    assert page.one("h1").text in {"Scenario not found", "Not Found"}
    assert "/scenarios" in page.links()
    assert len(response.text) < 4000
    (form,) = (form.attributes for form in page.all("form"))
    assert (form["method"], form["action"]) == ("post", "/")
    assert page.by_id("wanted").attributes["name"] == "question"
    assert meta(page)["robots"] == "noindex"


def test_links_inside_answers_lead_somewhere(
    client: httpx.Client, pages: dict[int, HtmlPage], assistant: Assistant
) -> None:
    links = {link for page in pages.values() for link in page.links()}
    inner = {link for link in links if re.fullmatch(r"/scenarios/\d+", link)}
    assert inner
    for link in inner:
        response = client.get(link, follow_redirects=True)
        written = int(link.rpartition("/")[2]) in assistant.scenarios
        assert (link, response.status_code) == (link, 200 if written else 404)
    assert {link for link in links if not re.match(r"https?://|/|#", link)} == set()


# --- what search engines and other sites read


def test_a_page_names_its_public_address(public: httpx.Client, assistant: Assistant) -> None:
    for path in ("/", "/scenarios", "/scenarios?q=jwt", "/about", assistant.scenarios[7].path):
        page = HtmlPage(public.get(path).text)
        own = PUBLIC + path.partition("?")[0]
        assert (canonical(page), meta(page)["og:url"]) == ([own], own)


def test_without_a_public_address_no_page_claims_one(client: httpx.Client) -> None:
    page = HtmlPage(client.get("/scenarios").text)
    assert (canonical(page), "og:url" in meta(page)) == ([], False)


def test_an_error_is_nobodys_page(public: httpx.Client) -> None:
    page = HtmlPage(public.get("/nowhere").text)
    assert canonical(page) == []
    assert not [name for name in meta(page) if name.startswith("og:")]


def test_a_shared_link_has_a_title_and_words(client: httpx.Client, assistant: Assistant) -> None:
    page = HtmlPage(client.get(assistant.scenarios[7].path).text)
    told = meta(page)
    assert told["og:title"] == page.one("title").text
    assert told["og:description"] == told["description"]
    assert told["og:type"] == "article"
    assert meta(HtmlPage(client.get("/").text))["og:type"] == "website"


def test_titles_and_descriptions_differ_from_page_to_page(
    client: httpx.Client, pages: dict[int, HtmlPage]
) -> None:
    every = [HtmlPage(client.get(path).text) for path in ("/", "/scenarios", "/about")] + list(pages.values())
    assert len({page.one("title").text for page in every}) == len(every)
    assert len({meta(page)["description"] for page in every}) == len(every)


def test_the_site_map_names_every_page(
    client: httpx.Client, public: httpx.Client, assistant: Assistant
) -> None:
    paths = ["/", "/scenarios", "/about", *(scenario.path for scenario in assistant.scenarios.values())]
    for service, address in ((client, str(client.base_url).rstrip("/")), (public, PUBLIC)):
        response = service.get("/sitemap.xml")
        assert response.headers["content-type"] == "application/xml; charset=utf-8"
        urls = ElementTree.fromstring(response.text).findall(f"{SITEMAP}url")
        assert [url.findtext(f"{SITEMAP}loc") for url in urls] == [address + path for path in paths]
        assert {len(url.findtext(f"{SITEMAP}lastmod", "")) for url in urls} == {0, len("2026-11")}


def test_robots_are_shown_to_the_site_map(client: httpx.Client, public: httpx.Client) -> None:
    for service, address in ((client, str(client.base_url).rstrip("/")), (public, PUBLIC)):
        response = service.get("/robots.txt")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert f"Sitemap: {address}/sitemap.xml" in response.text.splitlines()


# --- about


def test_about_says_what_is_here_and_what_is_kept(client: httpx.Client, assistant: Assistant) -> None:
    page = HtmlPage(client.get("/about").text)
    told = " ".join(page.by_id("main").text.split())
    assert f"{len(assistant.scenarios)} scenarios in {len(assistant.categories)} categories" in told
    assert "kept for 90 days" in told
    assert assistant.manifest.fingerprint in told
    assert all(words in told for _, words in LEVELS)


def test_about_follows_the_settings(serve: Serve) -> None:
    address = serve(
        log_level="warning", question_retention_days=0, answer_confidence=0.65, suggestion_confidence=0.15
    )
    told = " ".join(HtmlPage(httpx.get(f"{address}/about").text).by_id("main").text.split())
    assert "Neither its text nor your comments are kept" in told
    assert "Below 65 in 100, it does not answer" in told
    assert "below 15 in 100, it says that it has no answer" in told


@pytest.fixture(scope="module")
def measured(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> HtmlPage:
    """The page of a service with the figures of ACCEPTED."""
    path = tmp_path_factory.mktemp("evaluation") / "accepted.json"
    path.write_text(json.dumps(ACCEPTED))
    app = create_app(settings)
    app.dependency_overrides[get_figures] = lambda: Figures.load(path)
    with running(app) as address:
        response = httpx.get(f"{address}/about", timeout=30)
    assert response.status_code == 200
    return HtmlPage(response.text)


def test_about_shows_what_came_of_each_kind_of_question(measured: HtmlPage) -> None:
    first, second = measured.all("figure", "outcomes")
    assert " ".join(first.text.split()) == (
        "Questions that an answer is there for 600 asked 80 % right answer "
        "10 % right one among the suggestions 1 % told that there is none "
        "4 % wrong suggestions 5 % wrong answer"
    )
    assert " ".join(second.text.split()) == (
        "Questions close by, with no answer here 150 asked "
        "80 % told that there is none 20 % suggestions <1 % wrong answer"
    )
    bars = [rect.attributes for rect in measured.all("rect") if "class" in rect.attributes]
    assert [(bar["class"], float(bar["x"]), float(bar["width"])) for bar in bars[:5]] == [
        ("good", 0, 80),
        ("fair", 80, 10),
        ("none", 90, 1),
        ("poor", 91, 4),
        ("bad", 95, 5),
    ]
    told = " ".join(measured.by_id("main").text.split())
    assert "the right scenario comes first in 91 of 100, and is among the first three in 97." in told
    assert "A follow-up question is understood in 89 of 100." in told


def test_about_plots_confidence_against_what_was_right(measured: HtmlPage) -> None:
    dots = [circle.attributes for circle in measured.all("circle", "good")]
    # 240 units a side, y downwards; a quarter of the answers has half the radius.
    assert [(float(dot["cx"]), float(dot["cy"]), float(dot["r"])) for dot in dots] == [
        (60, 120, 4.5),
        (180, 0, 9),
    ]
    (line,) = (path.attributes["d"] for path in measured.all("path", "line"))
    # The scale ends at 20 per cent, the next ten above the highest.
    assert line == "M120.0 228.0 L240.0 96.0"
    labels = [svg.attributes["aria-label"] for svg in measured.all("svg") if "aria-label" in svg.attributes]
    assert len(labels) == 2
    assert "25: 50; 75: 100;" in labels[0]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"in_scope": {"questions": 0}}', json.dumps({"in_scope": {"questions": 9} | SHARES | {"refused": 1.2}})]
)  # fmt: skip
def test_figures_that_cannot_be_read_are_not_shown_and_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "accepted.json"
    assert Figures.load(path) is None
    assert caplog.messages == []
    path.write_text(text)
    assert Figures.load(path) is None
    assert str(path) in caplog.text


def test_what_a_build_measured_stands_in_for_an_accepted_run() -> None:
    answerable = {f"answerable_{name}": share for name, share in SHARES.items()}
    figures = Figures.from_rates({**answerable, "near_answered": 0.05, "near_refused": 0.75})
    assert figures is not None
    assert not figures.is_accepted
    first, second = figures.bars
    assert [piece.percent for piece in first.pieces] == [80, 10, 1, 4, 5]
    assert [piece.percent for piece in second.pieces] == [75, 20, 5]
    assert first.questions is None
    assert Figures.from_rates({}) is None


def test_another_corpus_does_not_boast_of_the_figures_of_this_one(
    assistant: Assistant, tmp_path: Path
) -> None:
    own, other = (
        get_figures(settings, assistant) for settings in (Settings(), Settings(content_dir=tmp_path))
    )
    assert not (other and other.is_accepted)
    assert bool(own and own.is_accepted) == (PROJECT / "evaluation" / "accepted.json").is_file()


# --- errors


def test_what_programs_ask_for_answers_them_with_a_problem(client: httpx.Client) -> None:
    for method, path, status in (("GET", "/health/nowhere", 404), ("POST", "/health/ready", 405)):
        response = client.request(method, path)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code == status


def test_an_error_page_says_what_to_do(client: httpx.Client) -> None:
    page = HtmlPage(client.get("/scenarios/999999").text)
    assert page.one("p", "lead").text == "No scenario has the id 999999."
    refused = HtmlPage(client.get("/answer").text)
    assert refused.one("p", "lead").text == "This address does not take GET; see the Allow header."
    assert refused.all("form") == []
