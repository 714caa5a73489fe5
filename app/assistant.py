"""The one core object: a question in, an Answer out. Every surface shows the same Answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.errors import CategoryNotFound, QuestionRejected, ScenarioNotFound
from app.follow_ups import needs_context
from app.manifest import Manifest
from app.published import CategoryRef, PublishedScenario
from app.redaction import redact
from app.retriever import Candidate, Retriever
from app.serving_index import ServingIndex
from app.settings import Settings

MAX_HISTORY = 10
MAX_SUGGESTIONS = 3
SUGGESTIONS = "Nothing fits for certain. Did you mean one of these?"
NO_ANSWER = (
    "No scenario here answers that. Say it in other words, with the error message or the setting's name, "
    "or browse all scenarios."
)


class Verdict(StrEnum):
    ANSWER = "answer"
    SUGGESTIONS = "suggestions"
    NO_ANSWER = "no_answer"


@dataclass(frozen=True)
class Result:
    scenario: PublishedScenario
    confidence: float


@dataclass(frozen=True)
class Answer:
    """`results` is what a person is shown, best first; `candidates` the whole ranking behind it.

    `question` has recognised secrets taken out, and `took_ms` is the time spent in `Assistant.ask`.
    """

    answer_id: str
    question: str
    verdict: Verdict
    confidence: float
    message: str | None
    results: tuple[Result, ...]
    candidates: tuple[Candidate, ...]
    took_ms: float


class Assistant:
    """Answers questions from one loaded index; safe to share between threads."""

    def __init__(self, index: ServingIndex, settings: Settings) -> None:
        self.manifest: Manifest = index.manifest
        self.scenarios = index.scenarios
        self.categories: dict[str, CategoryRef] = {
            scenario.category.slug: scenario.category for scenario in index.scenarios.values()
        }
        self._retriever: Retriever = index.retriever
        self._settings = settings

    @classmethod
    def load(cls, settings: Settings) -> Assistant:
        """The assistant over `settings.index_dir`; IndexUnusable says which command mends it."""
        return cls(ServingIndex.load(settings.index_dir, settings.encoder_threads), settings)

    def scenario(self, scenario_id: int) -> PublishedScenario:
        """The scenario with this id; ScenarioNotFound if the index has none."""
        if scenario_id not in self.scenarios:
            raise ScenarioNotFound(f"no scenario has the id {scenario_id}; see the list of all scenarios")
        return self.scenarios[scenario_id]

    def ask(
        self, question: str, history: Sequence[str] = (), *, category: str | None = None, top_k: int = 3
    ) -> Answer:
        """The answer to `question`; QuestionRejected or CategoryNotFound if it cannot be asked.

        `history` holds the person's own earlier messages, oldest first; `category` narrows down to its slug.
        """
        started = time.perf_counter()
        self._check(question, history)
        clean = redact(question)
        candidates = self._candidates(clean, [redact(text) for text in history], category)
        verdict = self._verdict(candidates)
        shown = {
            Verdict.ANSWER: top_k,
            Verdict.SUGGESTIONS: min(top_k, MAX_SUGGESTIONS),
            Verdict.NO_ANSWER: 0,
        }
        return Answer(
            answer_id=uuid.uuid4().hex,
            question=clean,
            verdict=verdict,
            confidence=candidates[0].confidence if candidates else 0.0,
            message={Verdict.SUGGESTIONS: SUGGESTIONS, Verdict.NO_ANSWER: NO_ANSWER}.get(verdict),
            results=tuple(
                Result(self.scenarios[candidate.scenario_id], candidate.confidence)
                for candidate in candidates[: shown[verdict]]
            ),
            candidates=tuple(candidates),
            took_ms=(time.perf_counter() - started) * 1000,
        )

    def _check(self, question: str, history: Sequence[str]) -> None:
        limit = self._settings.max_question_chars
        if not question.strip():
            raise QuestionRejected(
                "the question is blank; describe the problem in a sentence or paste the error"
            )
        if len(history) > MAX_HISTORY:
            raise QuestionRejected(f"history has {len(history)} messages; send the last {MAX_HISTORY}")
        for name, text in [
            ("question", question),
            *((f"history.{n}", text) for n, text in enumerate(history)),
        ]:
            if len(text) > limit:
                raise QuestionRejected(f"{name} has {len(text)} characters; at most {limit}: shorten it")
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise QuestionRejected(
                    f"{name} is not valid Unicode: half a surrogate pair at character {error.start}; send UTF-8"
                ) from None

    def _candidates(self, question: str, history: Sequence[str], category: str | None) -> list[Candidate]:
        among = self._ids_in(category)
        alone = self._retriever.search(question, among)
        earlier = next((text for text in reversed(history) if text.strip()), None)
        sure = alone and alone[0].confidence >= self._settings.answer_confidence
        if not earlier or not alone or sure or not needs_context(question):
            return alone
        together = self._retriever.search(f"{earlier}\n{question}", among)
        return max(alone, together, key=lambda candidates: candidates[0].confidence)

    def _ids_in(self, category: str | None) -> set[int] | None:
        if category is None:
            return None
        if category not in self.categories:
            raise CategoryNotFound(f"unknown category {category!r}; one of: {', '.join(self.categories)}")
        return {number for number, scenario in self.scenarios.items() if scenario.category.slug == category}

    def _verdict(self, candidates: Sequence[Candidate]) -> Verdict:
        confidence = candidates[0].confidence if candidates else 0.0
        if confidence >= self._settings.answer_confidence:
            return Verdict.ANSWER
        if confidence >= self._settings.suggestion_confidence:
            return Verdict.SUGGESTIONS
        return Verdict.NO_ANSWER
