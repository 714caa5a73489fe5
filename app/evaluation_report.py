"""An evaluation as one HTML file that opens offline, to find out what to improve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sklearn.manifold import TSNE

from app.ablation import Ablation
from app.about import Figures
from app.bench import Asked, Bench
from app.calibration import SHOWN
from app.evaluation import Evaluation
from app.published import CategoryRef, PublishedScenario
from app.settings import Settings

HERE = Path(__file__).resolve().parent
MAP_SIDE = 720
MAP_MARGIN = 16
# t-SNE's guess of how many neighbours a point has.
NEIGHBOURS = 12
MOST_QUESTION_CHARS = 500
OUTCOME_WORDS = {
    "answered_right": "right answer",
    "suggested_right": "the right one among the suggestions",
    "suggested_wrong": "wrong suggestions",
    "answered_wrong": "wrong answer",
    "refused": "told that there is none",
    "answered": "answered",
    "suggested": "suggestions",
}


@dataclass(frozen=True)
class Failure:
    """A question that did not get what it should, `found` being the first candidates."""

    asked: Asked
    wanted: list[PublishedScenario]
    found: list[PublishedScenario]

    @property
    def text(self) -> str:
        text = self.asked.text
        return text if len(text) <= MOST_QUESTION_CHARS else text[:MOST_QUESTION_CHARS].rstrip() + " …"

    @property
    def outcome(self) -> str:
        return OUTCOME_WORDS[self.asked.outcome]


@dataclass(frozen=True)
class Confusion:
    wanted: PublishedScenario
    found: PublishedScenario
    times: int


@dataclass(frozen=True)
class Point:
    """A scenario on the map, or a failed question (`goal` is then where it belongs); in units of the drawing."""

    x: float
    y: float
    title: str
    hue: int
    scenario_id: int
    goal: Point | None = None


@dataclass(frozen=True)
class Map:
    """Near each other lies what is alike; the axes mean nothing."""

    scenarios: list[Point]
    questions: list[Point]

    @classmethod
    def of(cls, bench: Bench, failed: Sequence[Asked]) -> Map:
        """Of all scenarios' centroids and the failed questions, by t-SNE, seeded."""
        retriever = bench.index.retriever
        scenarios = [bench.index.scenarios[int(number)] for number in retriever.scenario_ids]
        rows = np.stack([*retriever.ranker.centroids, *(bench.embedding(asked.text) for asked in failed)])
        places = _flattened(rows)
        hues = _hues([scenario.category for scenario in scenarios])
        points = {
            scenario.id: Point(x, y, scenario.title, hues[scenario.category], scenario.id)
            for scenario, (x, y) in zip(scenarios, places[: len(scenarios)], strict=True)
        }
        questions = [
            Point(x, y, asked.text[:MOST_QUESTION_CHARS], points[goal].hue, goal, points[goal])
            for asked, (x, y) in zip(failed, places[len(scenarios) :], strict=True)
            for goal in asked.right[:1]
        ]
        return cls(list(points.values()), questions)


def write_report(path: Path, settings: Settings, bench: Bench, evaluation: Evaluation) -> None:
    """Write the whole report to `path`, styles and drawings included."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    scenarios = bench.index.scenarios
    failed = [
        asked
        for asked in evaluation.of("in_scope")
        if not asked.first_is_right and asked.right[0] in scenarios
    ]
    ablation = Ablation.of(settings, bench, evaluation)
    html = environment.get_template("evaluation_report.html").render(
        stylesheet=(HERE / "static" / "style.css").read_text(encoding="utf-8"),
        manifest=bench.index.manifest,
        evaluation=evaluation,
        figures=evaluation.figures,
        drawn=Figures.model_validate(evaluation.figures),
        categories=_hues([scenario.category for scenario in scenarios.values()]),
        confusions=_confusions(evaluation.answerable, scenarios),
        map=Map.of(bench, failed) if len(scenarios) > NEIGHBOURS else None,
        map_side=MAP_SIDE,
        failures=_failures(evaluation, scenarios),
        signals=list(ablation.signals()) if ablation else [],
        verdicts=list(ablation.verdicts()) if ablation else [],
    )
    path.write_text(html, encoding="utf-8")


def _failures(
    evaluation: Evaluation, scenarios: dict[int, PublishedScenario]
) -> list[tuple[str, list[Failure]]]:
    """Parts with a title, the worst first; within them the most confident first."""
    wrong = [asked for asked in evaluation.answerable if asked.outcome == "answered_wrong"]
    unhelped = [
        asked for asked in evaluation.answerable if not asked.helped and asked.outcome != "answered_wrong"
    ]
    second = [asked for asked in evaluation.answerable if asked.helped and not asked.first_is_right]
    parts = {
        "Wrong answers": wrong,
        "Answers to what no scenario answers": [
            asked for asked in evaluation.of("near", "far") if asked.outcome == "answered"
        ],
        "Neither answered nor suggested": unhelped,
        "The right one not first, but among the suggestions": second,
    }
    return [
        (title, [_failure(asked, scenarios) for asked in sorted(part, key=lambda asked: -asked.confidence)])
        for title, part in parts.items()
    ]


def _failure(asked: Asked, scenarios: dict[int, PublishedScenario]) -> Failure:
    return Failure(
        asked,
        [scenarios[number] for number in asked.right if number in scenarios],
        [scenarios[number] for number in asked.ranking[:SHOWN]],
    )


def _confusions(asked: Sequence[Asked], scenarios: dict[int, PublishedScenario]) -> list[Confusion]:
    """Which scenario was found first where another is right, the most frequent pairs first."""
    pairs = Counter(
        (question.right[0], question.ranking[0])
        for question in asked
        if not question.first_is_right and question.right[0] in scenarios
    )
    return [
        Confusion(scenarios[wanted], scenarios[found], times)
        for (wanted, found), times in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _flattened(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> list[tuple[float, float]]:
    """Each row's place in the drawing."""
    flat = TSNE(perplexity=NEIGHBOURS, metric="cosine", init="random", random_state=0).fit_transform(rows)
    low, high = flat.min(axis=0), flat.max(axis=0)
    scaled = MAP_MARGIN + (flat - low) / (high - low) * (MAP_SIDE - 2 * MAP_MARGIN)
    return [(round(float(x), 1), round(float(y), 1)) for x, y in scaled]


def _hues(categories: Sequence[CategoryRef]) -> dict[CategoryRef, int]:
    """A colour a category, in degrees, far from each other."""
    distinct = list(dict.fromkeys(categories))
    return {category: round(360 * place / len(distinct)) for place, category in enumerate(distinct)}
