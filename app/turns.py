"""What the chat page shows of an answer: made of it once, kept by the browser, and shown again from there."""

from __future__ import annotations

from collections.abc import Container
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.assistant import Answer, Verdict
from app.errors import TurnRejected
from app.journal import ANSWER_ID
from app.pasted import Part, parts

# A conversation as long as that is a day's work; the browser keeps no more.
MAX_KEPT_TURNS = 30

AnswerId = Annotated[str, Field(pattern=f"^{ANSWER_ID.pattern}$")]
Confidence = Annotated[float, Field(ge=0, le=1)]


class Turn(BaseModel):
    """A question and what came of it. `results` are scenario ids with their confidence, best first.

    Its JSON travels to the browser and back, so that a conversation survives a reload without a trace on
    the server. It holds no HTML: what comes back is rendered from the index, like a new answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer_id: AnswerId
    question: str
    category: str | None = None
    verdict: Verdict
    message: Annotated[str | None, Field(max_length=1000)] = None
    results: Annotated[list[tuple[int, Confidence]], Field(max_length=20)]
    is_chosen: bool = False

    @classmethod
    def from_answer(cls, answer: Answer, category: str | None) -> Self:
        return cls(
            answer_id=answer.answer_id,
            question=answer.question,
            category=category,
            verdict=answer.verdict,
            message=answer.message,
            results=[(result.scenario.id, result.confidence) for result in answer.results],
        )

    @classmethod
    def from_browser(cls, text: str, known: Container[int]) -> Self:
        """What a browser kept; results that are no longer `known` are left out. TurnRejected if it is none."""
        try:
            turn = cls.model_validate_json(text)
        except ValidationError as error:
            raise TurnRejected(
                f"what the browser kept is no turn of a conversation ({error.error_count()} errors); "
                "ask again"
            ) from None
        return turn.model_copy(update={"results": [row for row in turn.results if row[0] in known]})

    def with_choice(self, scenario_id: int) -> Self:
        """The same with the scenario that the person chose as its answer, and the others behind it."""
        confidence = dict(self.results).get(scenario_id, 0.0)
        others = [row for row in self.results if row[0] != scenario_id]
        return self.model_copy(
            update={
                "verdict": Verdict.ANSWER,
                "message": None,
                "results": [(scenario_id, confidence), *others],
                "is_chosen": True,
            }
        )

    @property
    def has_answer(self) -> bool:
        return self.verdict is Verdict.ANSWER and bool(self.results)

    @property
    def others(self) -> list[int]:
        """What is offered besides the answer: alternatives to it, or suggestions."""
        return [number for number, _ in self.results[1 if self.has_answer else 0 :]]

    @property
    def parts(self) -> list[Part]:
        return parts(self.question)

    @property
    def kept(self) -> str:
        """What the browser keeps."""
        return self.model_dump_json(exclude_defaults=True)
