"""The pages over real HTTP, as a browser without JavaScript uses them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.assistant import MAX_HISTORY, Assistant
from app.main import create_app
from app.settings import Settings
from app.static_files import static_url
from app.turns import MAX_KEPT_TURNS
from app.wording import confidence_in_words
from tests.conftest import Serve, Start
from tests.html_page import HtmlPage
from tests.service import running

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
FOLLOW_UP = "and how do I test that?"
TOO_LONG = "Traceback (most recent call last):\n" + "x" * 4000
INJECTIONS = [
    "<img src=x onerror=alert(1)>",
    "</textarea><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "' onfocus=alert(1) autofocus='",
    "{{ 7 * 7 }} {% raw %} {{ config }}",
    "&lt;b&gt; &amp; &quot;",
    "</p></article><!-- <title>",
]


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=30) as client:
        yield client


def asked(client: httpx.Client, question: str, *history: str, path: str = "/", status: int = 200) -> HtmlPage:
    response = client.post(path, data={"question": question, "history": list(history)})
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return HtmlPage(response.text)


def turn_of(page: HtmlPage) -> dict[str, Any]:
    """What the browser is given to keep of the only turn."""
    (text,) = (row.attributes["data-turn"] for row in page.all("article") if "data-turn" in row.attributes)
    turn = json.loads(text)
    assert isinstance(turn, dict)
    return turn


def said(page: HtmlPage) -> list[str]:
    """The question as it is shown, what was pasted apart."""
    shown = [element for element in page.elements if {"said", "pasted"} & set(element.classes)]
    return [element.text for element in shown if element.text]  # the empty one waits for a question


def history_of(page: HtmlPage) -> list[str]:
    inputs = [element.attributes for element in page.all("input")]
    assert {found["type"] for found in inputs} <= {"hidden"}
    return [found["value"] for found in inputs if found["name"] == "history"]


def box_of(page: HtmlPage) -> str:
    """What the box holds: a browser drops one line break at its start."""
    return page.by_id("question").text.removeprefix("\n")


def offered(page: HtmlPage) -> list[int]:
    buttons = (element.attributes for element in page.all("button"))
    return [int(button["value"]) for button in buttons if button.get("name") == "scenario_id"]


# --- asking


def test_the_chat_page_is_a_form_that_posts(client: httpx.Client, assistant: Assistant) -> None:
    page = HtmlPage(client.get("/").text)
    form, box = page.by_id("ask").attributes, page.by_id("question").attributes
    assert (form["method"], form["action"]) == ("post", "/")
    assert box["name"] == "question"
    assert [label for label in page.all("label") if label.attributes["for"] == box["id"]]
    assert (history_of(page), box_of(page)) == ([], "")
    assert f"{len(assistant.scenarios)} vetted answers" in page.one("p", "lead").text
    assert page.by_id("conversation").text.strip() == ""


def test_the_empty_page_gives_examples_from_different_categories(client: httpx.Client) -> None:
    pages = [HtmlPage(client.get("/").text) for _ in range(3)]
    seen = []
    for page in pages:
        examples = [button for button in page.all("button") if button.attributes.get("name") == "question"]
        categories = [element.text for element in page.all("span", "eyebrow")]
        assert len(examples) == len(set(categories)) == 6
        seen.append([example.attributes["value"] for example in examples])
    assert seen[0] != seen[1] or seen[1] != seen[2]
    assert turn_of(asked(client, seen[0][0]))["verdict"] == "answer"


def test_a_question_is_answered_on_the_page(client: httpx.Client, assistant: Assistant) -> None:
    page = asked(client, XML)
    answer = assistant.ask(XML)
    best = answer.results[0].scenario
    assert said(page) == [XML]
    assert page.one("div", "scenario").attributes["data-scenario"] == str(best.id) == "2"
    assert best.title in [heading.text for heading in page.all("h2")]
    assert page.one("p", "confidence").text == confidence_in_words(answer.confidence)
    assert page.all("figure", "code")
    assert any(span.text == "import" for span in page.all("span", "kn"))
    others = [result.scenario.id for result in answer.results[1:]]
    assert others
    assert offered(page) == others
    assert {assistant.scenarios[number].path for number in best.related} <= set(page.links())
    assert box_of(page) == ""


def test_the_next_question_carries_the_earlier_ones(client: httpx.Client) -> None:
    assert history_of(asked(client, XML)) == [XML]
    page = asked(client, FOLLOW_UP, XML)
    assert history_of(page) == [XML, FOLLOW_UP]
    assert page.one("div", "scenario").attributes["data-scenario"] == "2"
    alone = asked(client, FOLLOW_UP)
    assert alone.all("div", "scenario") == []


def test_only_the_last_messages_are_carried_and_sent(client: httpx.Client) -> None:
    earlier = [f"question {number}" for number in range(MAX_HISTORY + 5)]
    page = asked(client, XML, *earlier)
    assert history_of(page) == [*earlier[-MAX_HISTORY + 1 :], XML]


def test_an_answer_comes_alone_for_the_script_of_the_page(client: httpx.Client) -> None:
    response = client.post("/answer", data={"question": XML})
    assert response.text.lstrip().startswith("<article")
    page = HtmlPage(response.text)
    assert page.all("html") == []
    assert (turn_of(page)["question"], turn_of(page)["verdict"]) == (XML, "answer")


def test_nothing_found_is_said_and_leads_on(client: httpx.Client, assistant: Assistant) -> None:
    page = asked(client, "how do I bake bread")
    assert "No scenario here answers that." in [heading.text for heading in page.all("h2")]
    assert page.all("div", "scenario") == []
    assert offered(page) == []
    assert {f"/scenarios#{category}" for category in assistant.categories} <= set(page.links())
    assert page.one("form", "missing").attributes["action"] == "/feedback"


def test_an_unsure_answer_offers_a_choice(client: httpx.Client, unsure: str) -> None:
    page = asked(client, XML, path=f"{unsure}/")
    assert "Did you mean one of these?" in page.one("div", "verdict").text
    assert page.all("div", "scenario") == []
    assert len(offered(page)) == 3


@pytest.fixture(scope="module")
def unsure(serve: Serve) -> str:
    """A service that suggests and never answers."""
    return serve(log_level="warning", answer_confidence=1)


def test_a_question_may_be_narrowed_down_to_a_category(client: httpx.Client, assistant: Assistant) -> None:
    data = {"question": XML, "category": "testing"}
    page = HtmlPage(client.post("/", data=data).text)
    shown = offered(page) + [int(part.attributes["data-scenario"]) for part in page.all("div", "scenario")]
    assert {assistant.scenarios[number].category.slug for number in shown} <= {"testing"}
    assert turn_of(page)["category"] == "testing"
    selected = [option for option in page.all("option") if "selected" in option.attributes]
    assert [option.attributes["value"] for option in selected] == ["testing"]


def test_an_unknown_category_is_refused_and_the_question_kept(client: httpx.Client) -> None:
    response = client.post("/", data={"question": XML, "category": "<b>"})
    assert response.status_code == 422
    page = HtmlPage(response.text)
    assert "Unknown category '<b>'" in page.one("p", "notice").text
    assert box_of(page) == XML


def test_line_breaks_of_a_form_count_once(client: httpx.Client) -> None:
    lines = "\n".join(["select_related on a list of orders"] * 115)[:4000]
    sent = lines.replace("\n", "\r\n")
    assert len(sent) > 4000
    page = asked(client, sent, sent)
    assert said(page) == [lines]
    assert history_of(page) == [lines, lines]


def test_a_pasted_traceback_is_shown_as_code_and_folded_when_it_is_long(client: httpx.Client) -> None:
    traceback = "Traceback (most recent call last):\n" + '  File "shop/views.py", line 3, in get\n' * 20
    traceback += "django.db.utils.OperationalError: database is locked"
    page = asked(client, f"why this?\n\n{traceback}")
    assert said(page) == ["why this?", traceback]
    assert "Pasted, 22 lines" in [summary.text for summary in page.all("summary")]
    short = asked(client, "\n".join(traceback.split("\n")[-3:]))
    assert not [summary for summary in short.all("summary") if summary.text.startswith("Pasted")]


@pytest.mark.parametrize("question", ["", "   ", "\r\n\t\r\n"], ids=["empty", "blanks", "line breaks"])
@pytest.mark.parametrize("path", ["/", "/answer"])
def test_a_blank_question_is_refused(client: httpx.Client, path: str, question: str) -> None:
    page = asked(client, question, XML, path=path, status=422)
    assert page.one("p", "notice").text == (
        "The question is blank; describe the problem in a sentence or paste the error."
    )
    if path == "/":
        assert box_of(page) == question.replace("\r\n", "\n")
        assert history_of(page) == [XML]


def test_too_long_a_question_is_refused_and_kept_in_the_box(client: httpx.Client) -> None:
    page = asked(client, TOO_LONG, XML, status=422)
    assert (
        page.one("p", "notice").text == f"Question has {len(TOO_LONG)} characters; at most 4000: shorten it."
    )
    assert box_of(page) == TOO_LONG
    assert history_of(page) == [XML]
    # A box with a maximum would cut a pasted traceback silently, at its end.
    assert "maxlength" not in page.one("textarea").attributes


def test_a_line_break_at_the_start_is_kept_too(client: httpx.Client) -> None:
    assert box_of(asked(client, "\n" + TOO_LONG, status=422)) == "\n" + TOO_LONG


def test_a_secret_does_not_come_back(client: httpx.Client) -> None:
    secret = "Quartz" + "Lime" * 3
    response = client.post("/", data={"question": f"redis://:{secret}@cache refuses", "history": XML})
    assert secret not in response.text
    page = HtmlPage(response.text)
    assert history_of(page) == [XML, "redis://:[redacted]@cache refuses"]
    assert said(page) == ["redis://:[redacted]@cache refuses"]


def test_a_conversation_goes_on_after_a_question_that_redaction_made_longer(client: httpx.Client) -> None:
    longest = "x" * 3986 + " pass" + "word=abcd"
    (earlier,) = history_of(asked(client, longest))
    assert earlier.endswith(" password=[redacted]")
    assert history_of(asked(client, XML, earlier)) == [earlier[:4000], XML]


# --- choosing, feedback, keeping


@pytest.fixture(scope="module")
def kept(client: httpx.Client) -> str:
    """What the browser keeps of a turn."""
    return json.dumps(turn_of(asked(client, XML)))


def test_a_choice_leads_to_the_scenario(client: httpx.Client, kept: str, assistant: Assistant) -> None:
    data = {"answer_id": json.loads(kept)["answer_id"], "scenario_id": "7"}
    response = client.post("/choice", data=data)
    assert (response.status_code, response.headers["location"]) == (303, assistant.scenario(7).path)
    assert client.post("/choice", data=data | {"scenario_id": "999999"}).status_code == 404
    for wrong in ({"scenario_id": "x"}, {"answer_id": "x"}, {"answer_id": ""}):
        assert client.post("/choice", data=data | wrong).status_code == 422


def test_a_choice_takes_the_place_of_the_answer(client: httpx.Client, kept: str) -> None:
    page = HtmlPage(client.post("/answer/choice", data={"turn": kept, "scenario_id": "7"}).text)
    assert page.one("div", "scenario").attributes["data-scenario"] == "7"
    assert page.one("p", "confidence").text == "You chose this"
    assert offered(page)[0] == 2
    assert turn_of(page)["answer_id"] == json.loads(kept)["answer_id"]


def test_feedback_is_thanked_for(client: httpx.Client, kept: str) -> None:
    data = {"answer_id": json.loads(kept)["answer_id"], "helpful": "no", "comment": "x" * 5000}
    response = client.post("/feedback", data=data)
    assert (response.status_code, HtmlPage(response.text).one("h1").text) == (200, "Thank you")
    assert client.post("/feedback", data=data | {"answer_id": "0" * 32}).status_code == 200
    for wrong in ({"helpful": "perhaps"}, {"helpful": ""}, {"answer_id": "' or 1=1 --"}):
        assert client.post("/feedback", data=data | wrong).status_code == 422


def test_a_kept_conversation_is_shown_again_as_it_was(client: httpx.Client, kept: str) -> None:
    response = client.post("/conversation", data={"turn": [kept, kept]})
    turns = HtmlPage(response.text).all("article", "turn")
    assert [json.loads(turn.attributes["data-turn"]) for turn in turns] == [json.loads(kept)] * 2
    markdown = client.post("/conversation.md", data={"turn": kept})
    assert markdown.headers["content-type"] == "text/plain; charset=utf-8"
    assert markdown.text.startswith(f"> {XML}\n")


@pytest.mark.parametrize("turn", ["", "<b>", "{}", '{"answer_id": "<script>"}'])
@pytest.mark.parametrize("path", ["/conversation", "/conversation.md", "/answer/choice"])
def test_what_was_not_kept_from_here_is_refused(client: httpx.Client, path: str, turn: str) -> None:
    response = client.post(path, data={"turn": turn, "scenario_id": "7"})
    assert response.status_code == 422
    assert "<script>" not in response.text.replace('<script src="/static', "")


def test_only_the_last_turns_are_shown_again(client: httpx.Client, kept: str) -> None:
    small = json.dumps(json.loads(kept) | {"verdict": "no_answer", "results": []})
    response = client.post("/conversation", data={"turn": [small] * (MAX_KEPT_TURNS + 5)})
    assert len(HtmlPage(response.text).all("article", "turn")) == MAX_KEPT_TURNS


def test_suggestions_while_typing_come_as_json(client: httpx.Client) -> None:
    offers = client.post("/suggest", data={"q": "n+1 qu"}).json()
    assert offers[0] == {
        "text": "N+1 Query Problems",
        "category": "Performance and Scalability",
        "is_title": True,
    }
    assert client.post("/suggest", data={"q": ""}).json() == client.post("/suggest").json() == []
    assert client.post("/suggest", data={"q": "x" * 201}).status_code == 422


# --- what is typed stays text


@pytest.mark.parametrize("typed", INJECTIONS)
def test_what_is_typed_stays_text(client: httpx.Client, typed: str) -> None:
    plain = asked(client, "how do I bake bread", XML)
    page = asked(client, typed, typed)
    assert turn_of(page)["question"] == typed
    assert "\n".join(said(page)) == typed
    assert history_of(page) == [typed, typed]
    assert (
        not {element.tag for element in page.elements} - {element.tag for element in plain.elements} - CONTENT
    )
    kept = asked(client, typed + TOO_LONG, typed, status=422)
    assert (box_of(kept), history_of(kept)) == (typed + TOO_LONG, [typed])
    assert {element.tag for element in kept.elements} <= {element.tag for element in plain.elements}


# What a scenario's own text may bring in, should one be found.
CONTENT = set(
    "div h2 h3 section ol ul li strong em code pre figure figcaption span footer fieldset legend p".split()
)


@pytest.mark.parametrize("typed", INJECTIONS)
def test_what_is_typed_into_an_address_stays_text(client: httpx.Client, typed: str) -> None:
    plain = HtmlPage(client.get("/scenarios/nothing").text)
    response = client.get("/scenarios/" + quote(typed, safe=""))
    assert response.status_code == 404
    page = HtmlPage(response.text)
    assert [element.tag for element in page.elements] == [element.tag for element in plain.elements]
    assert page.one("title").text.removesuffix(" · Django scenario assistant") in {
        "Scenario not found",
        "Not Found",
    }


def test_odd_forms_are_answered_with_a_page(client: httpx.Client) -> None:
    odd: list[tuple[dict[str, Any], int]] = [
        ({"files": {"question": ("q.txt", b"text")}}, 422),
        ({"json": {"question": XML}}, 422),
        ({"content": b"question=%ff%fe&history=\xff", "headers": FORM}, 200),
        ({"content": b"%%%=&&&question", "headers": FORM}, 422),
        ({"content": b"question=" + b"a" * 300_000, "headers": FORM}, 413),
        ({"content": b"&".join([b"history=a"] * 2000), "headers": FORM}, 400),
        ({"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 422),
        ({"content": b"broken", "headers": {"content-type": "multipart/form-data"}}, 400),
    ]
    for options, status in odd:
        response = client.post("/", **options)
        assert (response.status_code, options) == (status, options)
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert HtmlPage(response.text).one("h1").text


FORM = {"content-type": "application/x-www-form-urlencoded"}


# --- headers


def directives(policy: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (part.split() for part in policy.split(";"))}


def assert_secured(response: httpx.Response) -> None:
    policy = directives(response.headers["content-security-policy"])
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy.pop("require-trusted-types-for") == ["'script'"]
    assert policy.pop("trusted-types") == ["from-the-service"]
    # Everything else is this origin or nothing: no unsafe-inline, no data:, no host, no wildcard.
    assert {source for sources in policy.values() for source in sources} == {"'none'", "'self'"}
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in response.headers["permissions-policy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("POST", "/", 422),
        ("POST", "/answer", 422),
        ("PUT", "/", 405),
        ("GET", "/answer", 405),
        ("GET", "/scenarios", 200),
        ("GET", "/scenarios/", 307),
        ("GET", "/scenarios/2", 308),
        ("GET", "/scenarios/999999", 404),
        ("GET", "/about", 200),
        ("GET", "/robots.txt", 200),
        ("GET", "/sitemap.xml", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/static/0/style.css", 200),
        ("GET", "/static/0/none.css", 404),
        ("GET", "/api/v1/scenarios", 200),
        ("GET", "/api/v1/openapi.json", 200),
        ("GET", "/api/v1/nowhere", 404),
        ("POST", "/api/v1/ask", 415),
        ("GET", "/health/live", 200),
        ("HEAD", "/health/ready", 200),
        ("GET", "/health/nowhere", 404),
    ],
)
def test_every_kind_of_response_is_secured(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert_secured(response)


def test_even_a_failure_inside_is_secured_and_tells_nothing(settings: Settings) -> None:
    app = create_app(settings)

    @app.get("/fails")
    @app.get("/api/fails")
    def fails() -> None:
        raise RuntimeError("internal " + "detail")

    with running(app) as address:
        page, problem = (httpx.get(f"{address}{path}", timeout=30) for path in ("/fails", "/api/fails"))
    for response in (page, problem):
        assert response.status_code == 500
        assert "internal detail" not in response.text
        assert_secured(response)
    assert HtmlPage(page.text).one("h1").text == "Internal error"
    assert "Something failed here; try again, and report it if it stays." in page.text
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["status"] == 500


def test_no_page_needs_what_the_policy_forbids(client: httpx.Client, assistant: Assistant) -> None:
    paths = [
        "/",
        "/scenarios",
        "/about",
        "/nowhere",
        *(scenario.path for scenario in assistant.scenarios.values()),
    ]
    for path in paths:
        page = HtmlPage(client.get(path).text)
        for element in page.elements:
            forbidden = [name for name in element.attributes if name == "style" or name.startswith("on")]
            assert (path, element.tag, forbidden) == (path, element.tag, [])
        assert page.all("style") == page.all("iframe") == []
        loaded = [element.attributes["src"] for tag in ("script", "img") for element in page.all(tag)]
        loaded += [element.attributes["href"] for element in page.all("link")]
        assert all(address.startswith("/static/") for address in loaded), loaded


# --- files and logs


def test_a_page_can_be_asked_for_without_its_body(client: httpx.Client, assistant: Assistant) -> None:
    scenario = next(iter(assistant.scenarios.values()))
    for path in ("/", "/scenarios", scenario.path):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        # The examples of the chat page differ from visit to visit.
        assert path == "/" or head.headers["content-length"] == get.headers["content-length"]


def test_pages_and_scripts_are_compressed(client: httpx.Client) -> None:
    for path in ("/", "/scenarios/7", static_url("chat.js"), static_url("style.css")):
        response = client.get(path, follow_redirects=True)
        assert (path, response.headers.get("content-encoding")) == (path, "gzip")
        assert "accept-encoding" in response.headers["vary"].lower()


def test_static_files_are_served_at_addresses_that_change_with_them(client: httpx.Client) -> None:
    page = HtmlPage(client.get("/").text)
    addresses = {element.attributes["href"] for element in page.all("link")}
    addresses |= {element.attributes["src"] for element in page.all("script")}
    kinds = {}
    for address in addresses:
        assert re.fullmatch(r"/static/[0-9a-f]{12}/\w+\.\w+", address)
        response = client.get(address)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        kinds[address.rpartition("/")[2]] = response.headers["content-type"].partition(";")[0]
    assert kinds["style.css"] == "text/css"
    assert kinds["theme.js"] == kinds["chat.js"] == "text/javascript"
    assert kinds["favicon.svg"] == "image/svg+xml"


def test_a_page_from_before_an_update_gets_the_file_of_today(client: httpx.Client) -> None:
    response = client.get("/static/0123456789ab/style.css")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path",
    ["/static/../main.py", "/static/%2e%2e/main.py", "/static/x/..%2f..%2fmain.py", "/static/", "/static/x/"],
)
def test_nothing_but_static_files_is_served(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "create_app" not in response.text


def test_no_question_ends_in_the_log(start: Start) -> None:
    service = start(log_level="info")
    question, earlier = "my purple hippopotamus needs text/xml", "my orange crocodile"
    with httpx.Client(base_url=service.address, timeout=30) as client:
        asked(client, question, earlier)
        asked(client, question, earlier, path="/answer")
        client.post("/suggest", data={"q": question})
        client.post("/feedback", data={"answer_id": "0" * 32, "helpful": "no", "comment": question})
        client.post("/conversation", data={"turn": question})
        asked(client, question + TOO_LONG, earlier, status=422)
        client.post("/", content=b"question=" + question.encode() * 10_000, headers=FORM)
        assert client.post("/api/v1/ask", json={"question": question, "history": [earlier]}).is_success
        client.post("/api/v1/ask", json={"question": [question]})
        client.post(
            "/api/v1/ask", content=f'{{"question": "{question}"', headers={"content-type": "application/json"}
        )
    log = service.stop()
    assert log.count('"POST / HTTP/1.1"') == 3
    assert log.count('"POST /api/v1/ask HTTP/1.1"') == 3
    assert "hippopotamus" not in log
    assert "crocodile" not in log
