"""The chat page and the scenarios as pages. Forms post, so that questions do not end in access logs."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.assistant import MAX_HISTORY, Assistant
from app.dependencies import AssistantDep
from app.errors import QuestionRejected, ScenarioNotFound
from app.templating import page

router = APIRouter()

Question = Annotated[str, Form()]
History = Annotated[list[str] | None, Form()]


@router.get("/")
def chat(request: Request, assistant: AssistantDep) -> Response:
    return page(request, "chat.html", {"scenarios": assistant.manifest.scenarios})


@router.post("/")
def ask(
    request: Request, assistant: AssistantDep, question: Question = "", history: History = None
) -> Response:
    """The whole page with the answer: the way without JavaScript."""
    return _answered(request, "chat.html", assistant, question, history or [])


@router.post("/answer")
def answer(
    request: Request, assistant: AssistantDep, question: Question = "", history: History = None
) -> Response:
    """The answer alone, for the page's own script to append."""
    return _answered(request, "_turn.html", assistant, question, history or [])


def _answered(
    request: Request, template: str, assistant: Assistant, question: str, history: list[str]
) -> Response:
    # Browsers send line breaks in forms as CRLF.
    question = question.replace("\r\n", "\n")
    context = {
        "question": question,
        "history": [*history, question][-MAX_HISTORY:],
        "scenarios": assistant.manifest.scenarios,
    }
    try:
        context["answer"] = assistant.ask(question, history[-MAX_HISTORY:])
    except QuestionRejected as error:
        return page(request, template, context | {"error": str(error), "history": history}, error.status)
    return page(request, template, context)


@router.get("/scenarios")
def contents(request: Request, assistant: AssistantDep) -> Response:
    """All scenarios by category."""
    ordered = groupby(assistant.scenarios.values(), key=lambda scenario: scenario.category)
    return page(request, "scenarios.html", {"groups": [(category, list(rows)) for category, rows in ordered]})


@router.get("/scenarios/{key}")
def scenario(request: Request, key: str, assistant: AssistantDep) -> Response:
    """One scenario at `{id}-{slug}`; another slug or none is redirected to the permalink."""
    number = key.partition("-")[0]
    if not number.isdecimal() or len(number) > 9:
        raise ScenarioNotFound(f"'{key[:80]}' names no scenario; see the list of all scenarios")
    found = assistant.scenario(int(number))
    if key != found.path.rpartition("/")[2]:
        return RedirectResponse(found.path, status_code=308)
    related = [assistant.scenarios[number] for number in found.related]
    return page(request, "scenario.html", {"scenario": found, "related": related})
