"""The one core object: a question in, an Answer out. Every surface shows the same Answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.calibration import SHOWN
from app.errors import CategoryNotFound, QuestionRejected, ScenarioNotFound
from app.follow_ups import contexts, is_courtesy, is_incomplete, is_long, needs_context
from app.language import identifier, is_foreign
from app.manifest import Manifest
from app.published import CategoryRef, PublishedScenario
from app.query import problems_in, query_of
from app.redaction import redact
from app.retriever import Candidate, Ranking, Retriever
from app.serving_index import ServingIndex
from app.settings import Settings

MAX_HISTORY = 10
# So many candidates of a message count as what it is about when it may go on with an earlier one.
MOST_RELATED = 5
# From this confidence a message that is complete is taken as it is.
CLEAR_ALONE = 0.55
# Below this one it is about something else altogether.
LEAST_ALONE = 0.03
SUGGESTIONS = "Nothing fits for certain. Did you mean one of these?"
NO_ANSWER = (
    "No scenario here answers that. Say it in other words, with the error message or the setting's name, "
    "or browse all scenarios."
)
COURTESY = "You are welcome. Ask again whenever something else comes up."
FOREIGN = "I understand English only. Please ask again in English, with the error message as it is."
TWO_PROBLEMS = "These look like two problems; here is an answer to each."
TWO_SUGGESTIONS = "These look like two problems. Did you mean these two?"


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
        self._spelling = index.spelling
        self._settings = settings
        fitted = index.retriever.calibration
        self.answer_confidence = _or(settings.answer_confidence, fitted.answer_confidence)
        self.suggestion_confidence = _or(settings.suggestion_confidence, fitted.suggestion_confidence)

    @classmethod
    def load(cls, settings: Settings) -> Assistant:
        """The assistant over `settings.index_dir`; IndexUnusable says which command mends it."""
        identifier()
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
        among = self._ids_in(category)
        ranking = self._ranking(clean, [redact(text) for text in history], among)
        verdict, message, shown = self._verdict(clean, ranking, among)
        return Answer(
            answer_id=uuid.uuid4().hex,
            question=clean,
            verdict=verdict,
            confidence=shown[0].confidence if shown else ranking.first_right,
            message=message,
            results=tuple(
                Result(self.scenarios[candidate.scenario_id], candidate.confidence)
                for candidate in shown[: max(top_k, 0)]
            ),
            candidates=tuple(ranking.candidates),
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

    def _ranking(self, question: str, history: Sequence[str], among: set[int] | None) -> Ranking:
        """What the question finds alone, or with what was said before if it goes on with that and that is surer."""
        alone = self._search(question, among)
        clear = alone.first_right >= CLEAR_ALONE and not is_incomplete(question)
        if not history or clear or is_long(question):
            return alone
        points_back = needs_context(question)
        if not points_back and (alone.first_right < LEAST_ALONE or is_courtesy(question)):
            return alone
        # Without a word that points back it goes on only with what it finds alone as well.
        near = {candidate.scenario_id for candidate in alone.candidates[:MOST_RELATED]}
        together = (self._search(f"{context}\n{question}", among) for context in contexts(history))
        going_on = [
            ranking for ranking in together if points_back or ranking.candidates[0].scenario_id in near
        ]
        return max([alone, *going_on], key=lambda ranking: ranking.first_right)

    def query(self, message: str) -> str:
        """What retrieval is asked for `message`, which holds no secrets any more."""
        return self._spelling.corrected(query_of(message))

    def _search(self, message: str, among: set[int] | None) -> Ranking:
        return self._retriever.search(self.query(message), among)

    def _verdict(
        self, question: str, ranking: Ranking, among: set[int] | None
    ) -> tuple[Verdict, str | None, list[Candidate]]:
        """The verdict, what is said with it, and the candidates to show."""
        if is_courtesy(question):
            return Verdict.NO_ANSWER, COURTESY, []
        if is_foreign(question):
            return Verdict.NO_ANSWER, FOREIGN, []
        parts = self._two_problems(question, among)
        firsts = [part.candidates[0] for part in parts]
        if parts and all(part.first_right >= self.answer_confidence for part in parts):
            return Verdict.ANSWER, TWO_PROBLEMS, firsts
        if ranking.first_right >= self.answer_confidence:
            return Verdict.ANSWER, None, ranking.candidates
        if parts and all(part.any_right >= self.suggestion_confidence for part in parts):
            return Verdict.SUGGESTIONS, TWO_SUGGESTIONS, firsts
        if ranking.any_right >= self.suggestion_confidence:
            return Verdict.SUGGESTIONS, SUGGESTIONS, ranking.candidates[:SHOWN]
        return Verdict.NO_ANSWER, NO_ANSWER, []

    def _two_problems(self, question: str, among: set[int] | None) -> list[Ranking]:
        """What each of two problems in one message finds; nothing if it is one, or both find the same first."""
        problems = problems_in(question)
        if len(problems) < 2:
            return []
        rankings = [self._search(problem, among) for problem in problems]
        firsts = {ranking.candidates[0].scenario_id for ranking in rankings}
        return rankings if len(firsts) == len(rankings) else []

    def _ids_in(self, category: str | None) -> set[int] | None:
        if category is None:
            return None
        if category not in self.categories:
            raise CategoryNotFound(f"unknown category {category!r}; one of: {', '.join(self.categories)}")
        return {number for number, scenario in self.scenarios.items() if scenario.category.slug == category}


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
