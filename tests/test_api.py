"""The JSON contract over real HTTP, and one shape for every error."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from app.assistant import Assistant
from app.schemas import AskReply
from tests.conftest import Serve

QUESTION = "a bank calls us asking for text/xml and gets 406, json must stay the default"
SCENARIO_KEYS = {
    "id", "slug", "title", "category", "problem", "short_answer", "answer_markdown", "answer_html",
    "tags", "sources", "related", "url",
}  # fmt: skip


@pytest.fixture(scope="module")
def client(server: str) -> Any:
    with httpx.Client(base_url=server, timeout=30) as client:
        yield client


def ask(client: httpx.Client, **body: Any) -> Any:
    response = client.post("/api/v1/ask", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_an_answer_has_the_shape_of_the_contract(client: httpx.Client) -> None:
    reply = ask(client, question=QUESTION)
    assert set(reply) == {
        "answer_id", "question", "verdict", "confidence", "message", "results", "index", "took_ms",
    }  # fmt: skip
    assert (reply["verdict"], reply["message"], reply["question"]) == ("answer", None, QUESTION)
    assert 1 <= len(reply["results"]) <= 3
    first = reply["results"][0]
    assert set(first) == {"scenario", "confidence"}
    assert set(first["scenario"]) == SCENARIO_KEYS
    assert first["scenario"]["id"] == 2
    assert first["scenario"]["category"] == {"slug": "api-design", "title": "API Design and Versioning"}
    assert first["scenario"]["url"] == "/scenarios/2-" + first["scenario"]["slug"]
    assert first["confidence"] == reply["confidence"]
    assert 0 < reply["confidence"] <= 1
    assert set(reply["index"]) == {"fingerprint", "scenarios"}
    assert reply["took_ms"] > 0


def test_every_answer_has_its_own_id(client: httpx.Client) -> None:
    assert ask(client, question=QUESTION)["answer_id"] != ask(client, question=QUESTION)["answer_id"]


def test_explain_adds_the_ranking_and_changes_nothing_else(client: httpx.Client) -> None:
    plain, explained = ask(client, question=QUESTION), ask(client, question=QUESTION, explain=True)
    assert set(explained) - set(plain) == {"candidates"}
    assert explained["results"] == plain["results"]
    candidates = explained["candidates"]
    assert len(candidates) == min(50, explained["index"]["scenarios"])
    assert candidates[0]["scenario"]["id"] == explained["results"][0]["scenario"]["id"]
    assert set(candidates[0]) == {"scenario", "confidence", "signals"}
    assert set(candidates[0]["scenario"]) == {"id", "slug", "title"}
    confidences = [candidate["confidence"] for candidate in candidates]
    assert confidences == sorted(confidences, reverse=True)


def test_a_question_that_nothing_answers_gets_no_results(client: httpx.Client) -> None:
    reply = ask(client, question="how do I bake bread")
    assert (reply["verdict"], reply["results"]) == ("no_answer", [])
    assert "No scenario here answers that" in reply["message"]


@pytest.mark.parametrize("top_k", [1, 2, 10])
def test_top_k_bounds_the_results(client: httpx.Client, top_k: int) -> None:
    assert 1 <= len(ask(client, question=QUESTION, top_k=top_k)["results"]) <= top_k


def test_a_category_narrows_the_search_down(client: httpx.Client) -> None:
    reply = ask(client, question=QUESTION, category="api-design", explain=True, top_k=10)
    assert {result["scenario"]["category"]["slug"] for result in reply["results"]} == {"api-design"}


def test_history_makes_a_follow_up_understood(client: httpx.Client) -> None:
    reply = ask(client, question="and how do I test that?", history=[QUESTION], explain=True)
    assert reply["candidates"][0]["scenario"]["id"] == 2


def test_secrets_in_a_question_never_come_back(client: httpx.Client) -> None:
    secret = "hunter" + "2hunter2"
    reply = ask(
        client,
        question=f"406 from postgres://app:{secret}@db/shop when I ask for XML",
        history=[f"pw={secret}"],
    )
    assert secret not in json.dumps(reply)
    assert "postgres://app:[redacted]@db/shop" in reply["question"]


def test_the_reply_is_that_of_the_assistant(client: httpx.Client, assistant: Assistant) -> None:
    mine = AskReply.from_answer(assistant.ask(QUESTION), assistant.manifest, "").model_dump(mode="json")
    theirs = ask(client, question=QUESTION)
    assert theirs["results"] == mine["results"]
    assert theirs["index"] == mine["index"]


@pytest.mark.parametrize(
    "question", ["<img src=x onerror=alert(1)>", "{{ 7 * 7 }}", "\x00\x07 nul", "日本語 🚀", "a" * 4000]
)
def test_any_text_is_a_question(client: httpx.Client, question: str) -> None:
    reply = ask(client, question=question)
    assert reply["question"] == question


def test_scenarios_are_listed_a_page_at_a_time(client: httpx.Client, assistant: Assistant) -> None:
    first = client.get("/api/v1/scenarios", params={"page_size": 2}).json()
    second = client.get("/api/v1/scenarios", params={"page_size": 2, "page": 2}).json()
    assert set(first) == {"items", "page", "page_size", "total"}
    assert set(first["items"][0]) == {"id", "slug", "title", "category", "tags", "url"}
    assert [item["id"] for item in first["items"] + second["items"]] == list(assistant.scenarios)[:4]
    assert first["total"] == len(assistant.scenarios)
    assert client.get("/api/v1/scenarios", params={"page": 9999}).json()["items"] == []


def test_a_scenario_is_served_whole(client: httpx.Client) -> None:
    scenario = client.get("/api/v1/scenarios/1").json()
    assert set(scenario) == SCENARIO_KEYS
    assert scenario["answer_markdown"].startswith("## Answer\n")
    assert '<figure class="code"' in scenario["answer_html"]


BROKEN: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", "/api/v1/ask", {"json": {"question": "  \n "}}, 422, "the question is blank; describe"),
    ("POST", "/api/v1/ask", {"json": {"question": "a" * 4001}}, 422, "question has 4001 characters; at most 4000"),
    ("POST", "/api/v1/ask", {"json": {"question": "q", "history": ["a" * 4001]}}, 422, "history.0 has 4001"),
    ("POST", "/api/v1/ask", {"json": {"question": "q", "history": ["a"] * 11}}, 422, "at most 10 items"),
    ("POST", "/api/v1/ask", {"json": {"question": "q", "category": "none"}}, 422, "unknown category 'none'; one of: api-design"),
    ("POST", "/api/v1/ask", {"json": {"question": 7}}, 422, "question: Input should be a valid string (sent: 7)"),
    ("POST", "/api/v1/ask", {"json": {"question": "q", "top_k": 0}}, 422, "greater than or equal to 1 (sent: 0)"),
    ("POST", "/api/v1/ask", {"json": {"question": "q", "top_k": 11}}, 422, "less than or equal to 10 (sent: 11)"),
    ("POST", "/api/v1/ask", {"json": {"question": "q", "explain": "yes"}}, 422, "explain: Input should be a valid boolean"),
    ("POST", "/api/v1/ask", {"json": {"question": "q", "topk": 3}}, 422, "topk: unknown field; take it out"),
    ("POST", "/api/v1/ask", {"json": {}}, 422, "question: Field required"),
    ("POST", "/api/v1/ask", {"json": ["q"]}, 422, "valid dictionary"),
    ("POST", "/api/v1/ask", {"content": '{"question": ', "headers": {"content-type": "application/json"}}, 400, "the body is not JSON"),
    ("POST", "/api/v1/ask", {"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}, 400, "body"),
    ("POST", "/api/v1/ask", {"content": '{"question": "\\ud800"}', "headers": {"content-type": "application/json"}}, 422, "question is not valid Unicode"),
    ("POST", "/api/v1/ask", {"content": '{"question": "q", "\\ud800": 1}', "headers": {"content-type": "application/json"}}, 422, "unable to parse"),
    ("POST", "/api/v1/ask", {"data": {"question": "q"}}, 415, "'application/x-www-form-urlencoded' is not supported; send application/json"),
    ("POST", "/api/v1/ask", {"content": "q"}, 415, "content type '' is not supported"),
    ("POST", "/api/v1/ask", {"json": {"question": "a" * 300_000}}, 413, "larger than 262144 bytes; shorten it"),
    ("POST", "/api/v1/feedback", {"json": {"answer_id": "0" * 32}}, 422, "body: send helpful, scenario_id or both"),
    ("POST", "/api/v1/feedback", {"json": {"answer_id": "0" * 32, "scenario_id": 2, "comment": "c"}}, 422, "a comment needs helpful"),
    ("POST", "/api/v1/feedback", {"json": {"answer_id": "0" * 31, "helpful": True}}, 422, "answer_id: String should match pattern '^[0-9a-f]{32}$'"),
    ("POST", "/api/v1/feedback", {"json": {"answer_id": "0" * 32, "helpful": "yes"}}, 422, "helpful: Input should be a valid boolean"),
    ("POST", "/api/v1/feedback", {"json": {"answer_id": "0" * 32, "helpful": True, "comment": "c" * 1001}}, 422, "comment: String should have at most 1000 characters"),
    ("POST", "/api/v1/feedback", {"json": {"answer_id": "0" * 32, "scenario_id": 999}}, 404, "no scenario has the id 999"),
    ("POST", "/api/v1/feedback", {"json": {"answer_id": "0" * 32, "helpfull": True}}, 422, "helpfull: unknown field; take it out"),
    ("POST", "/api/v1/feedback", {"data": {"answer_id": "0" * 32}}, 415, "send application/json"),
    ("GET", "/api/v1/ask", {}, 405, "this address does not take GET"),
    ("GET", "/api/v1/nowhere", {}, 404, "no such address"),
    ("GET", "/api/", {}, 404, "no such address"),
    ("GET", "/api/v1/scenarios/999", {}, 404, "no scenario has the id 999"),
    ("GET", "/api/v1/scenarios/two", {}, 422, "scenario_id: Input should be a valid integer"),
    ("GET", "/api/v1/scenarios?page=0", {}, 422, "page: Input should be greater than or equal to 1 (sent: '0')"),
    ("GET", "/api/v1/scenarios?page_size=201", {}, 422, "page_size"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "options", "status", "detail"), BROKEN)
def test_every_error_is_a_problem_that_names_value_and_remedy(
    client: httpx.Client, method: str, path: str, options: dict[str, Any], status: int, detail: str
) -> None:
    response = client.request(method, path, **options)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == status
    assert detail in body["detail"]


def test_a_wrong_method_says_which_are_allowed(client: httpx.Client) -> None:
    assert client.get("/api/v1/ask").headers["allow"] == "POST"


def test_a_streamed_body_is_cut_off_at_the_limit(client: httpx.Client) -> None:
    def endless() -> Any:
        for _ in range(100):
            yield b'"' + b"a" * 65_536

    response = client.post("/api/v1/ask", content=endless(), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert response.json()["status"] == 413


def test_an_error_never_echoes_what_was_typed(client: httpx.Client) -> None:
    secret = "pass" + "word-" + "x" * 4000
    assert secret[:20] not in client.post("/api/v1/ask", json={"question": secret}).text


def test_limits_and_public_address_are_settings(serve: Serve) -> None:
    address = serve(max_question_chars=20, public_url="https://answers.example.org/", log_level="warning")
    refused = httpx.post(f"{address}/api/v1/ask", json={"question": "a" * 21})
    assert (refused.status_code, "at most 20" in refused.text) == (422, True)
    scenario = httpx.get(f"{address}/api/v1/scenarios/1").json()
    assert scenario["url"].startswith("https://answers.example.org/scenarios/1-")


def test_health(client: httpx.Client, assistant: Assistant) -> None:
    assert client.get("/health/live").json() == {"status": "alive"}
    ready = client.get("/health/ready").json()
    assert ready == {
        "status": "ready",
        "fingerprint": assistant.manifest.fingerprint,
        "scenarios": len(assistant.scenarios),
        "journal": ready["journal"],
    }


def test_the_schema_describes_every_route(client: httpx.Client) -> None:
    schema = client.get("/api/v1/openapi.json").json()
    assert {"/api/v1/ask", "/api/v1/scenarios", "/api/v1/scenarios/{scenario_id}", "/health/live"} <= set(
        schema["paths"]
    )
