"""The chat page. Forms post, so that questions do not end in access logs."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from pydantic import BaseModel

from app.assistant import MAX_HISTORY
from app.dependencies import AssistantDep, BaseUrlDep, JournalDep, SettingsDep, TypeaheadDep
from app.errors import CategoryNotFound, QuestionRejected
from app.templating import page
from app.transcript import transcript
from app.turns import MAX_KEPT_TURNS, AnswerId, Turn

EXAMPLES = 6

router = APIRouter()


class AskForm(BaseModel):
    """`history` holds the earlier questions, oldest first; a category of no letters is none."""

    question: str = ""
    history: list[str] = []
    category: str = ""


class Chat:
    """What the routes of the chat share: the page around a conversation, and its turns."""

    def __init__(
        self,
        request: Request,
        assistant: AssistantDep,
        journal: JournalDep,
        typeahead: TypeaheadDep,
        settings: SettingsDep,
    ) -> None:
        self.assistant = assistant
        self.journal = journal
        self._request = request
        self._typeahead = typeahead
        self._settings = settings

    def page(self, status: int = 200, **context: Any) -> Response:
        """The whole page."""
        shared = {
            "examples": self._typeahead.examples(EXAMPLES, random.SystemRandom()),
            "max_chars": self._settings.max_question_chars,
        }
        return self._show("chat.html", status, {"turns": []} | shared | context)

    def turns(self, turns: list[Turn]) -> Response:
        """The turns alone, for the page's own script."""
        return self._show("_turns.html", 200, {"turns": turns})

    def rejection(self, error: QuestionRejected | CategoryNotFound) -> Response:
        return self._show("_rejection.html", error.status, {"error": str(error)})

    def ask(self, form: AskForm) -> Turn:
        category = form.category or None
        history = self.history(form)
        answer = self.assistant.ask(_as_typed(form.question), history, category=category)
        self.journal.record_answer(answer, surface="web", category=category, follow_up=bool(history))
        return Turn.from_answer(answer, category)

    def history(self, form: AskForm) -> list[str]:
        """What may be sent along: without its secrets an earlier question may have become too long."""
        limit = self._settings.max_question_chars
        return [_as_typed(text)[:limit] for text in form.history[-MAX_HISTORY:]]

    def kept(self, texts: list[str]) -> list[Turn]:
        """Turns as the browser kept them."""
        return [Turn.from_browser(text, self.assistant.scenarios) for text in texts[-MAX_KEPT_TURNS:]]

    def chosen(self, answer_id: str, scenario_id: int) -> str:
        """Records the choice; the scenario's path."""
        scenario = self.assistant.scenario(scenario_id)
        self.journal.record_choice(answer_id, scenario.id)
        return scenario.path

    def _show(self, template: str, status: int, context: dict[str, Any]) -> Response:
        common = {"scenarios": self.assistant.scenarios, "categories": self.assistant.categories.values()}
        return page(self._request, template, common | context, status)


ChatDep = Annotated[Chat, Depends()]
Asked = Annotated[AskForm, Form()]
AnswerIdField = Annotated[AnswerId, Form()]
KeptTurns = Annotated[list[str], Form(min_length=1)]


@router.head("/")
@router.get("/")
def chat(chat: ChatDep, about: int = 0) -> Response:
    """The page; `about` is the id of a scenario that a question is to be asked about."""
    scenario = chat.assistant.scenarios.get(about)
    return chat.page(question=scenario.title) if scenario else chat.page()


@router.post("/")
def ask(chat: ChatDep, form: Asked) -> Response:
    """The whole page with the answer: the way without JavaScript."""
    history = chat.history(form)
    try:
        turn = chat.ask(form)
    except (QuestionRejected, CategoryNotFound) as error:
        kept = {"question": _as_typed(form.question), "history": history, "category": form.category}
        return chat.page(error.status, error=str(error), **kept)
    history = [*history, turn.question][-MAX_HISTORY:]
    return chat.page(turns=[turn], history=history, category=form.category)


@router.post("/answer")
def answer(chat: ChatDep, form: Asked) -> Response:
    """The answer alone."""
    try:
        return chat.turns([chat.ask(form)])
    except (QuestionRejected, CategoryNotFound) as error:
        return chat.rejection(error)


@router.post("/choice")
def choice(chat: ChatDep, answer_id: AnswerIdField, scenario_id: Annotated[int, Form()]) -> Response:
    """A suggestion or alternative becomes the answer: on its own page, without JavaScript."""
    return RedirectResponse(chat.chosen(answer_id, scenario_id), status_code=303)


@router.post("/answer/choice")
def chosen_answer(
    chat: ChatDep, turn: Annotated[str, Form()], scenario_id: Annotated[int, Form()]
) -> Response:
    """The same in the conversation: the turn with another answer."""
    (kept,) = chat.kept([turn])
    chat.chosen(kept.answer_id, scenario_id)
    return chat.turns([kept.with_choice(scenario_id)])


@router.post("/feedback")
def feedback(
    request: Request,
    journal: JournalDep,
    answer_id: AnswerIdField,
    helpful: Annotated[Literal["yes", "no"], Form()],
    comment: Annotated[str, Form()] = "",
) -> Response:
    journal.record_feedback(answer_id, helpful=helpful == "yes", comment=_as_typed(comment))
    return page(request, "thanks.html", {})


@router.post("/conversation")
def conversation(chat: ChatDep, turn: KeptTurns) -> Response:
    """Turns that the browser kept, as they were shown. Nothing is asked or recorded again."""
    return chat.turns(chat.kept(turn))


@router.post("/conversation.md")
def conversation_markdown(request: Request, chat: ChatDep, base_url: BaseUrlDep, turn: KeptTurns) -> Response:
    """The same as Markdown, for the clipboard."""
    address = base_url or str(request.base_url).rstrip("/")
    return PlainTextResponse(transcript(chat.kept(turn), chat.assistant.scenarios, address))


@router.post("/suggest")
def suggest(typeahead: TypeaheadDep, q: Annotated[str, Form(max_length=200)] = "") -> Response:
    """What could be meant while it is typed. Posted as well: what is typed is a question's beginning."""
    return JSONResponse([asdict(offer) for offer in typeahead.offers(q)])


def _as_typed(text: str) -> str:
    """Browsers send line breaks in forms as CRLF."""
    return text.replace("\r\n", "\n")
