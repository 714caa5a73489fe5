"""`/api/v1`: the assistant as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request

from app.dependencies import AssistantDep, BaseUrlDep, JournalDep
from app.schemas import (
    AskReply,
    AskRequest,
    FeedbackReply,
    FeedbackRequest,
    ScenarioDetail,
    ScenarioEntry,
    ScenarioPage,
)

MAX_PAGE_SIZE = 200


def require_json(request: Request) -> None:
    """415 unless the body is declared as JSON: browsers cannot be made to send that across origins."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"content type '{kind[:100]}' is not supported; send application/json")


router = APIRouter(prefix="/api/v1", tags=["v1"])


@router.post("/ask", response_model_exclude_unset=True, dependencies=[Depends(require_json)])
def ask(body: AskRequest, assistant: AssistantDep, journal: JournalDep, base_url: BaseUrlDep) -> AskReply:
    """The answer to a question, suggestions, or the plain word that nothing fits."""
    answer = assistant.ask(body.question, body.history, category=body.category, top_k=body.top_k)
    journal.record_answer(answer, surface="api", category=body.category, follow_up=bool(body.history))
    return AskReply.from_answer(
        answer, assistant.manifest, base_url, explained=assistant.scenarios if body.explain else None
    )


@router.post("/feedback", status_code=202, dependencies=[Depends(require_json)])
def feedback(body: FeedbackRequest, assistant: AssistantDep, journal: JournalDep) -> FeedbackReply:
    """Takes a word on an answer, a choice among its scenarios, or both; stored soon, if the answer is known."""
    if body.scenario_id is not None:
        journal.record_choice(body.answer_id, assistant.scenario(body.scenario_id).id)
    if body.helpful is not None:
        journal.record_feedback(body.answer_id, helpful=body.helpful, comment=body.comment)
    return FeedbackReply()


@router.get("/scenarios")
def scenarios(
    assistant: AssistantDep,
    base_url: BaseUrlDep,
    page: Annotated[int, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = 50,
) -> ScenarioPage:
    """All scenarios in the order of the table of contents, a page at a time; past the end a page is empty."""
    start = (page - 1) * page_size
    every = list(assistant.scenarios.values())
    return ScenarioPage(
        items=[
            ScenarioEntry.from_scenario(scenario, base_url) for scenario in every[start : start + page_size]
        ],
        page=page,
        page_size=page_size,
        total=len(every),
    )


@router.get("/scenarios/{scenario_id}")
def scenario(scenario_id: int, assistant: AssistantDep, base_url: BaseUrlDep) -> ScenarioDetail:
    """One scenario, whole."""
    return ScenarioDetail.from_scenario(assistant.scenario(scenario_id), base_url)
