"""The JSON contract, version 1. Fields are added, never changed or taken away."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.assistant import MAX_HISTORY, Answer, Verdict
from app.journal import ANSWER_ID, MAX_COMMENT_CHARS
from app.manifest import Manifest
from app.published import CategoryRef, PublishedScenario, SourceRef


class AskRequest(BaseModel):
    """`history` holds the person's own earlier messages, oldest first; lengths are checked by the assistant."""

    model_config = ConfigDict(extra="forbid")

    question: str
    history: Annotated[list[str], Field(max_length=MAX_HISTORY)] = []
    top_k: Annotated[int, Field(ge=1, le=10, strict=True)] = 3
    category: str | None = None
    explain: Annotated[bool, Field(strict=True)] = False


class FeedbackRequest(BaseModel):
    """A judgement of an answer (`helpful`, with a `comment`), the scenario chosen instead, or both."""

    model_config = ConfigDict(extra="forbid")

    answer_id: Annotated[str, Field(pattern=f"^{ANSWER_ID.pattern}$")]
    helpful: Annotated[bool, Field(strict=True)] | None = None
    comment: Annotated[str, Field(max_length=MAX_COMMENT_CHARS)] = ""
    scenario_id: Annotated[int, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.helpful is None and self.scenario_id is None:
            raise PydanticCustomError("nothing_said", "send helpful, scenario_id or both")
        if self.comment and self.helpful is None:
            raise PydanticCustomError("comment_alone", "a comment needs helpful: true or false")
        return self


class FeedbackReply(BaseModel):
    status: Literal["accepted"] = "accepted"


class ScenarioName(BaseModel):
    id: int
    slug: str
    title: str


class ScenarioEntry(ScenarioName):
    category: CategoryRef
    tags: list[str]
    url: str

    @classmethod
    def from_scenario(cls, scenario: PublishedScenario, base_url: str) -> ScenarioEntry:
        return cls(
            id=scenario.id,
            slug=scenario.slug,
            title=scenario.title,
            category=scenario.category,
            tags=scenario.tags,
            url=base_url + scenario.path,
        )


class ScenarioDetail(ScenarioEntry):
    problem: str
    short_answer: str
    answer_markdown: str
    answer_html: str
    sources: list[SourceRef]
    related: list[int]

    @classmethod
    def from_scenario(cls, scenario: PublishedScenario, base_url: str) -> Self:
        return cls(
            **ScenarioEntry.from_scenario(scenario, base_url).model_dump(),
            problem=scenario.problem.markdown,
            short_answer=scenario.short_answer.markdown,
            answer_markdown=scenario.answer_markdown,
            answer_html=scenario.answer_html,
            sources=scenario.sources,
            related=scenario.related,
        )


class ScenarioPage(BaseModel):
    items: list[ScenarioEntry]
    page: int
    page_size: int
    total: int


class ResultOut(BaseModel):
    scenario: ScenarioDetail
    confidence: float


class CandidateOut(BaseModel):
    scenario: ScenarioName
    confidence: float
    signals: dict[str, float]


class IndexOut(BaseModel):
    fingerprint: str
    scenarios: int


class AskReply(BaseModel):
    """`candidates`, the best 50 of the ranking, is there only if `explain` was asked for."""

    answer_id: str
    question: str
    verdict: Verdict
    confidence: float
    message: str | None
    results: list[ResultOut]
    candidates: list[CandidateOut] | None = None
    index: IndexOut
    took_ms: float

    @classmethod
    def from_answer(
        cls,
        answer: Answer,
        manifest: Manifest,
        base_url: str,
        explained: dict[int, PublishedScenario] | None = None,
    ) -> Self:
        """The reply for `answer`; with candidates if the scenarios to name them by are given."""
        reply = cls(
            answer_id=answer.answer_id,
            question=answer.question,
            verdict=answer.verdict,
            confidence=round(answer.confidence, 4),
            message=answer.message,
            results=[
                ResultOut(
                    scenario=ScenarioDetail.from_scenario(result.scenario, base_url),
                    confidence=round(result.confidence, 4),
                )
                for result in answer.results
            ],
            index=IndexOut(fingerprint=manifest.fingerprint, scenarios=manifest.scenarios),
            took_ms=round(answer.took_ms, 2),
        )
        # Set only when asked for: what is not set is left out of the JSON.
        if explained is not None:
            reply.candidates = _candidates(answer, explained)
        return reply


def _candidates(answer: Answer, scenarios: dict[int, PublishedScenario]) -> list[CandidateOut]:
    return [
        CandidateOut(
            scenario=ScenarioName.model_validate(scenarios[candidate.scenario_id], from_attributes=True),
            confidence=round(candidate.confidence, 4),
            signals=candidate.signals,
        )
        for candidate in answer.candidates[:50]
    ]
