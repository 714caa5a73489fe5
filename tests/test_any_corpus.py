"""Nothing in the engine knows Django: another corpus is built and served by settings alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.settings import PROJECT
from tests.conftest import MINILM
from tests.corpora import QUESTIONS, UNANSWERABLE, write_corpus, write_questions
from tests.service import Service


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory, minilm_cache: Path) -> dict[str, str]:
    """The environment in which everything is about kitchen and garden."""
    folder = tmp_path_factory.mktemp("house")
    write_questions(write_corpus(folder / "content"))
    shutil.copytree(minilm_cache, folder / "index" / ".cache")
    return {
        "SCENARIOS_CONTENT_DIR": str(folder / "content"),
        "SCENARIOS_INDEX_DIR": str(folder / "index"),
        "SCENARIOS_DATA_DIR": str(folder / "data"),
        "SCENARIOS_MODEL": MINILM,
    }


@pytest.fixture(scope="module")
def built(variables: dict[str, str]) -> str:
    """What the build says."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "build"],
        cwd=PROJECT, env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def address(built: str, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    service = Service.start(tmp_path_factory.mktemp("service") / "output", {}, variables)
    yield service.address
    service.stop()


def ask(address: str, question: str, **more: object) -> dict[str, object]:
    reply = httpx.post(f"{address}/api/v1/ask", json={"question": question, **more}, timeout=30)
    assert reply.status_code == 200, reply.text
    answer: dict[str, object] = reply.json()
    return answer


def ids(answer: dict[str, object]) -> list[int]:
    results = answer["results"]
    assert isinstance(results, list)
    return [result["scenario"]["id"] for result in results]


def test_the_build_says_what_confidence_is_fitted_on(built: str) -> None:
    assert "3 scenarios in" in built
    assert "confidence fitted on 12 labelled questions and 12 unanswerable ones" in built


@pytest.mark.parametrize(
    ("question", "scenario"),
    [(text, number) for number, texts in QUESTIONS["test"].items() for text in texts],
)
def test_its_questions_are_answered_or_suggested(address: str, question: str, scenario: int) -> None:
    answer = ask(address, question)
    assert answer["verdict"] in {"answer", "suggestions"}
    assert ids(answer)[0] == scenario


@pytest.mark.parametrize("number", QUESTIONS["test"])
def test_what_a_scenario_is_asked_as_is_answered(address: str, number: int) -> None:
    answer = ask(address, QUESTIONS["fit"][number][0])
    assert (answer["verdict"], ids(answer)[0]) == ("answer", number)


@pytest.mark.parametrize("question", UNANSWERABLE["test"]["far"])
def test_what_has_nothing_to_do_with_it_is_refused(address: str, question: str) -> None:
    answer = ask(address, question)
    assert (answer["verdict"], ids(answer)) == ("no_answer", [])


def test_django_is_as_foreign_to_it_as_anything_else(address: str) -> None:
    assert ask(address, "how do I avoid N+1 queries with select_related")["verdict"] == "no_answer"


def test_it_has_its_own_categories_and_pages(address: str) -> None:
    assert ids(ask(address, "my knife has lost its edge", category="kitchen"))[0] == 2
    refused = httpx.post(
        f"{address}/api/v1/ask", json={"question": "q", "category": "performance"}, timeout=30
    )
    assert refused.status_code == 422
    assert "one of: kitchen, garden" in refused.json()["detail"]
    assert "Sharp Knives" in httpx.get(f"{address}/scenarios", timeout=30).text
