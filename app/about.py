"""What the service tells of itself: what it holds, and how sure it is on questions it was not fitted on.

`scenarios evaluate` leaves the figures of the accepted run in evaluation/accepted.json; without it, what the
build measured on held-out questions has to do. All shares are between 0 and 1; what the file has beyond this is
not shown.

    {"in_scope":     {"questions", "answered_right", "suggested_right", "suggested_wrong", "answered_wrong",
                      "refused", "hit@1", "hit@3"},
     "tracebacks":   the same,
     "followups":    {"questions", "right"},
     "out_of_scope": {"near": {"questions", "answered", "suggested", "refused"}, "far": the same},
     "reliability":  [{"confidence", "right", "questions"}, …],
     "coverage":     [{"answered", "wrong"}, …]}
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Annotated, Self

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.dependencies import AssistantDep, SettingsDep
from app.plots import Bar, Scatter, bar
from app.settings import PROJECT
from app.wording import LEVELS, LOWEST

ACCEPTED = PROJECT / "evaluation" / "accepted.json"

log = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)

    questions: int | None = Field(None, ge=1)


class InScope(Part):
    """Questions that a scenario answers: the shares of the five outcomes, and how the ranking did."""

    answered_right: Share
    suggested_right: Share
    suggested_wrong: Share
    answered_wrong: Share
    refused: Share
    hit_1: Share | None = Field(None, alias="hit@1")
    hit_3: Share | None = Field(None, alias="hit@3")


class OutOfScope(Part):
    """Questions that no scenario answers."""

    answered: Share
    suggested: Share
    refused: Share


class OutOfScopeKinds(BaseModel):
    near: OutOfScope | None = None
    far: OutOfScope | None = None


class FollowUps(Part):
    right: Share


class Reliability(BaseModel):
    """Answers given with about the same confidence, and the share of them that was right."""

    questions: int = Field(ge=1)
    confidence: Share
    right: Share


class Coverage(BaseModel):
    """If so large a share of all questions were answered, so many of these answers would be wrong."""

    answered: Share
    wrong: Share


class Figures(BaseModel):
    """`is_accepted` tells those of an accepted run from those that a build measured itself."""

    is_accepted: bool = True
    in_scope: InScope
    tracebacks: InScope | None = None
    followups: FollowUps | None = None
    out_of_scope: OutOfScopeKinds = OutOfScopeKinds()
    reliability: list[Reliability] = []
    coverage: list[Coverage] = []

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """The figures of the accepted run; None if there are none, or none that can be read."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            log.warning("%s has no figures to show (%d errors)", path, error.error_count())
            return None

    @classmethod
    def from_rates(cls, rates: Mapping[str, float]) -> Self | None:
        """What a build wrote into its manifest: `answerable_answered_right`, `near_refused` and so on."""
        kinds: dict[str, dict[str, float]] = {}
        for name, share in rates.items():
            kind, _, outcome = name.partition("_")
            kinds.setdefault(kind, {})[outcome] = share
        for kind in kinds.keys() & {"near", "far"}:
            kinds[kind]["suggested"] = max(0.0, 1 - kinds[kind]["answered"] - kinds[kind]["refused"])
        if "answerable" not in kinds:
            return None
        return cls.model_validate(
            {"is_accepted": False, "in_scope": kinds["answerable"], "out_of_scope": kinds}
        )

    @property
    def bars(self) -> list[Bar]:
        """What came of each kind of question, good first."""
        parts: list[tuple[str, InScope | OutOfScope | None]] = [
            ("Questions that an answer is there for", self.in_scope),
            ("Pasted errors and logs", self.tracebacks),
            ("Questions close by, with no answer here", self.out_of_scope.near),
            ("Questions about something else", self.out_of_scope.far),
        ]
        return [_bar(title, part) for title, part in parts if part]

    @property
    def reliability_plot(self) -> Scatter | None:
        if not self.reliability:
            return None
        return Scatter([(row.confidence, row.right, row.questions) for row in self.reliability])

    @property
    def coverage_plot(self) -> Scatter | None:
        if not self.coverage:
            return None
        # Few are wrong: on a scale up to all of them the line would lie on the ground.
        top = max(0.1, ceil(10 * max(row.wrong for row in self.coverage)) / 10)
        return Scatter([(row.answered, row.wrong, 1) for row in self.coverage], top)


def _bar(title: str, part: InScope | OutOfScope) -> Bar:
    if isinstance(part, InScope):
        outcomes = [
            ("good", "right answer", part.answered_right),
            ("fair", "right one among the suggestions", part.suggested_right),
            ("none", "told that there is none", part.refused),
            ("poor", "wrong suggestions", part.suggested_wrong),
            ("bad", "wrong answer", part.answered_wrong),
        ]
    else:
        outcomes = [
            ("good", "told that there is none", part.refused),
            ("poor", "suggestions", part.suggested),
            ("bad", "wrong answer", part.answered),
        ]
    return bar(title, part.questions, outcomes)


def get_figures(settings: SettingsDep, assistant: AssistantDep) -> Figures | None:
    """The accepted run is one of this project's own corpus; for another there is what its build measured."""
    is_own = settings.content_dir.resolve() == PROJECT / "content"
    accepted = Figures.load(ACCEPTED) if is_own else None
    return accepted or Figures.from_rates(assistant.manifest.rates)


class Account:
    """What the page says, from the index, the settings and the figures that there are."""

    def __init__(
        self,
        assistant: AssistantDep,
        settings: SettingsDep,
        figures: Annotated[Figures | None, Depends(get_figures)],
    ) -> None:
        self.manifest = assistant.manifest
        self.categories = len(assistant.categories)
        self.figures = figures
        self.answered_from = round(100 * assistant.answer_confidence)
        self.suggested_from = round(100 * assistant.suggestion_confidence)
        self.retention_days = settings.question_retention_days

    @property
    def levels(self) -> list[tuple[str, int]]:
        """The words for a confidence, with the least percentage that each stands for."""
        return [(words, round(100 * least)) for least, words in (*LEVELS, (0.0, LOWEST))]


AccountDep = Annotated[Account, Depends()]
