"""The chat page. Forms post, so that questions do not end in access logs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.assistant import MAX_HISTORY, Assistant
from app.dependencies import AssistantDep, JournalDep
from app.errors import QuestionRejected
from app.journal import Journal
from app.templating import page

router = APIRouter()

Question = Annotated[str, Form()]
History = Annotated[list[str] | None, Form()]


@router.head("/")
@router.get("/")
def chat(request: Request, assistant: AssistantDep) -> Response:
    return page(request, "chat.html", {"scenarios": assistant.manifest.scenarios})


@router.post("/")
def ask(
    request: Request,
    assistant: AssistantDep,
    journal: JournalDep,
    question: Question = "",
    history: History = None,
) -> Response:
    """The whole page with the answer: the way without JavaScript."""
    return _answered(request, "chat.html", assistant, journal, question, history or [])


@router.post("/answer")
def answer(
    request: Request,
    assistant: AssistantDep,
    journal: JournalDep,
    question: Question = "",
    history: History = None,
) -> Response:
    """The answer alone, for the page's own script to append."""
    return _answered(request, "_turn.html", assistant, journal, question, history or [])


def _answered(
    request: Request,
    template: str,
    assistant: Assistant,
    journal: Journal,
    question: str,
    history: list[str],
) -> Response:
    # Browsers send line breaks in forms as CRLF.
    question, *history = (text.replace("\r\n", "\n") for text in (question, *history[-MAX_HISTORY:]))
    context = {"history": history, "scenarios": assistant.manifest.scenarios}
    try:
        answer = assistant.ask(question, history)
    except QuestionRejected as error:
        return page(request, template, context | {"question": question, "error": str(error)}, error.status)
    journal.record_answer(answer, surface="web", follow_up=bool(history))
    # Without its secrets a question may have become longer; it must not exceed the limit next time.
    context["history"] = [*history, answer.question[: len(question)]][-MAX_HISTORY:]
    return page(request, template, context | {"answer": answer})
