"""The run that the next ones are measured against: figures, and what came of each question.

Questions are keyed by a hash of their text, so that a run compares on those that both have.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError

from app.bench import HELPED
from app.errors import AcceptedRunUnusable
from app.evaluation import Evaluation
from app.measures import Paired
from app.settings import Settings


class AcceptedRun(BaseModel):
    """Place of the right scenario in the ranking, 0 if none, and outcome, both by `key_of` the question."""

    ranks: dict[str, int]
    outcomes: dict[str, str]

    @classmethod
    def load(cls, path: Path) -> AcceptedRun | None:
        """None if there is no such file; AcceptedRunUnusable if it cannot be read."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise AcceptedRunUnusable(
                f"{path} is no accepted run ({error.error_count()} errors); restore it, or remove it and run "
                "scenarios evaluate --accept"
            ) from None

    @classmethod
    def of(cls, evaluation: Evaluation) -> AcceptedRun:
        return cls(
            ranks={key_of(asked.text): asked.rank for asked in evaluation.answerable},
            outcomes={key_of(asked.text): asked.outcome for asked in evaluation.asked},
        )

    def is_first(self, key: str) -> bool:
        return self.ranks.get(key) == 1

    def is_helped(self, key: str) -> bool:
        return self.outcomes[key] in HELPED

    def is_not_answered(self, key: str) -> bool:
        return self.outcomes[key] != "answered"


def accepted_path(settings: Settings) -> Path:
    return settings.content_dir.parent / "evaluation" / "accepted.json"


def key_of(text: str) -> str:
    """Twelve hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def save(path: Path, evaluation: Evaluation) -> None:
    """Make `evaluation` the accepted run; `app.about` reads the figures from it."""
    run = AcceptedRun.of(evaluation).model_dump()
    path.write_text(json.dumps(evaluation.figures | run, indent=1) + "\n", encoding="utf-8")


def compare(accepted: AcceptedRun, evaluation: Evaluation) -> dict[str, Paired]:
    """By measure how quality changed on the questions that both runs have; a measure without any is left out."""
    now = AcceptedRun.of(evaluation)
    answerable = [key_of(asked.text) for asked in evaluation.answerable]
    near = [key_of(asked.text) for asked in evaluation.of("near")]
    measures: dict[str, tuple[list[str], Callable[[AcceptedRun, str], bool]]] = {
        "hit@1": (answerable, AcceptedRun.is_first),
        "helped": (answerable, AcceptedRun.is_helped),
        "near not answered": (near, AcceptedRun.is_not_answered),
    }
    changes = {}
    for measure, (keys, is_good) in measures.items():
        if common := [key for key in keys if key in accepted.outcomes]:
            before, after = (np.array([is_good(run, key) for key in common]) for run in (accepted, now))
            changes[measure] = Paired.of(before, after)
    return changes
