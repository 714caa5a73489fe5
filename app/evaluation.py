"""How good the assistant is, on labelled questions that nothing is fitted on.

The names of the figures are those of README's "How good it is"; all shares are between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from app.bench import OUTCOMES, Asked, Bench, FollowedUp
from app.calibration import SHOWN
from app.errors import QuestionsUnusable
from app.labelled import InScope, Labelled, OutOfScope
from app.measures import Chance, calibration_error, coverage, reliability
from app.published import CategoryRef
from app.settings import Settings
from app.typos import with_typos

Report = Callable[[str], None]
Figures = dict[str, Any]

# Of questions that a scenario answers.
KINDS = ("in_scope", "tracebacks")


@dataclass(frozen=True)
class Evaluation:
    """All that was asked and found; `categories` by scenario id, `typo_hits` of the in-scope questions in order."""

    index: str
    model: str
    categories: dict[int, CategoryRef]
    asked: list[Asked]
    follow_ups: list[FollowedUp]
    typo_hits: list[bool]

    @classmethod
    def run(cls, bench: Bench, labelled: Labelled, report: Report) -> Evaluation:
        if not labelled.in_scope:
            raise QuestionsUnusable("no labelled questions in scope; evaluation/README.md has the format")
        rows: list[tuple[str, InScope | OutOfScope]] = [
            *(("in_scope", row) for row in labelled.in_scope),
            *(("tracebacks", row) for row in labelled.tracebacks),
            *((row.kind, row) for row in labelled.out_of_scope),
        ]
        report(f"asking {len(rows)} questions and {len(labelled.follow_ups)} follow-ups")
        asked = [bench.ask(row, kind) for kind, row in rows]
        follow_ups = [bench.follow_up(row) for row in labelled.follow_ups]
        report(f"asking {len(labelled.in_scope)} questions with one typo in each five words")
        # Seeded by the text: its typos stay when another question comes or goes.
        typed = [
            InScope(text=with_typos(row.text, crc32(row.text.encode())), ok=row.ok)
            for row in labelled.in_scope
        ]
        return cls(
            index=bench.index.manifest.fingerprint,
            model=bench.index.manifest.model.name,
            categories={number: scenario.category for number, scenario in bench.index.scenarios.items()},
            asked=asked,
            follow_ups=follow_ups,
            typo_hits=[bench.ask(row, "typos").first_is_right for row in typed],
        )

    def of(self, *kinds: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.kind in kinds]

    @property
    def answerable(self) -> list[Asked]:
        return self.of(*KINDS)

    @property
    def secrets_repeated(self) -> int:
        return sum(asked.repeats_secret for asked in self.asked)

    @cached_property
    def figures(self) -> Figures:
        """All figures but the times, which are another machine's next time."""
        figures: Figures = {"index": self.index, "model": self.model}
        for kind in KINDS:
            if of_kind := self.of(kind):
                figures[kind] = in_scope_figures(of_kind)
        figures["out_of_scope"] = {
            kind: _outcomes(of_kind) for kind in ("near", "far") if (of_kind := self.of(kind))
        }
        if self.follow_ups:
            figures["followups"] = _follow_up_figures(self.follow_ups)
        figures["typos"] = self._typo_figures()
        return figures | self._confidence_figures() | {"categories": self._category_figures()}

    @cached_property
    def milliseconds(self) -> dict[str, float]:
        """Time of an answer beyond the encoder's own."""
        times = [asked.beyond_encoder_ms for asked in self.of("in_scope")]
        return {f"p{part}": round(float(np.percentile(times, part)), 2) for part in (50, 95)}

    def _typo_figures(self) -> Figures:
        hits = _share(self.typo_hits)
        before = _share([asked.first_is_right for asked in self.of("in_scope")])
        return {"questions": len(self.typo_hits), "hit@1": hits, "loss_of_hit@1": round(before - hits, 4)}

    def _confidence_figures(self) -> Figures:
        """Of all single questions, unanswerable ones too: to call those right is never right."""
        confidences = np.array([asked.confidence for asked in self.asked])
        right = np.array([asked.first_is_right for asked in self.asked])
        chance = Chance.of(confidences)
        return {
            "calibration": {
                "questions": len(self.asked),
                "error": round(float(calibration_error(confidences, right)), 4),
                "by_chance": round(chance.mean, 4),
                "by_chance_95": round(chance.upper, 4),
            },
            "reliability": reliability(confidences, right),
            "coverage": coverage(confidences, right),
        }

    def _category_figures(self) -> Figures:
        titles: dict[str, list[Asked]] = {
            category.title: [] for category in dict.fromkeys(self.categories.values())
        }
        for asked in self.answerable:
            if asked.right[0] in self.categories:
                titles[self.categories[asked.right[0]].title].append(asked)
        return {title: in_scope_figures(asked) for title, asked in titles.items() if asked}


def questions_folder(settings: Settings) -> Path:
    """Where the labelled questions of a corpus lie that nothing may learn from: beside its content."""
    return settings.content_dir.parent / "evaluation" / "test"


def in_scope_figures(asked: Sequence[Asked]) -> Figures:
    """Of questions that a scenario answers, not none."""
    ranks = [question.rank for question in asked]
    return {
        "questions": len(asked),
        "hit@1": _share([rank == 1 for rank in ranks]),
        "hit@3": _share([1 <= rank <= SHOWN for rank in ranks]),
        "mrr": round(float(np.mean([1 / rank if rank else 0 for rank in ranks])), 4),
        **_outcomes(asked),
        "helped": _share([question.helped for question in asked]),
        "replies_with_a_secret": sum(question.repeats_secret for question in asked),
    }


def _outcomes(asked: Sequence[Asked]) -> Figures:
    names = OUTCOMES[bool(asked[0].right)]
    return {"questions": len(asked)} | {
        name: _share([question.outcome == name for question in asked]) for name in names
    }


def _follow_up_figures(follow_ups: Sequence[FollowedUp]) -> Figures:
    kinds = sorted({followed.kind for followed in follow_ups})
    by_kind = {
        kind: _share([followed.is_right for followed in follow_ups if followed.kind == kind])
        for kind in kinds
    }
    right = _share([followed.is_right for followed in follow_ups])
    return {"questions": len(follow_ups), "right": right, **by_kind}


def _share(happened: Sequence[bool]) -> float:
    return round(sum(happened) / len(happened), 4)
