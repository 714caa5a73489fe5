"""What is learned from the corpus when an index is built. Deterministic: the folds follow from the order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app import ranking
from app.calibration import UNANSWERABLE_SHARE, Calibration
from app.encoder import Embeddings
from app.lexical_index import LexicalIndex
from app.scenarios import Scenario

FOLDS = 5
# Every candidate that a person may be shown is an example of a right or a wrong one.
SHOWN = 3


@dataclass(frozen=True)
class Trial:
    """A text asked of a ranker that has not seen it: `scores` by place of the scenario, place of its own."""

    kind: str
    text: str
    scores: ranking.Scores
    answer: int


def lexical_document(scenario: Scenario, held_out: frozenset[str] = frozenset()) -> str:
    """The words under which BM25 finds a scenario: its texts without those held out, its prose and its code."""
    texts = [text for _, text in scenario.texts() if text not in held_out]
    return "\n".join([*texts, *scenario.tags, scenario.answer, scenario.watch_out, scenario.check_it])


def calibrate(
    scenarios: Sequence[Scenario], embeddings: Embeddings, owners: NDArray[np.int64]
) -> Calibration:
    """Fit the confidence on held-out ways of asking; row i of `embeddings` belongs to `owners[i]`."""
    features: list[tuple[float, float]] = []
    right: list[bool] = []
    weights: list[float] = []
    best_scores: list[float] = []
    for trial in trials(scenarios, embeddings, owners, {"asked_as"}):
        _add_examples(features, right, weights, trial.scores, trial.answer, 1 - UNANSWERABLE_SHARE)
        if len(scenarios) > 1:
            without = np.delete(trial.scores, trial.answer)
            _add_examples(features, right, weights, without, None, UNANSWERABLE_SHARE)
        if int(np.argmax(trial.scores)) == trial.answer:
            best_scores.append(float(trial.scores.max()))
    return Calibration.fit(
        np.array(features), np.array(right), np.array(weights), np.array(best_scores or [0.0])
    )


def _add_examples(
    features: list[tuple[float, float]],
    right: list[bool],
    weights: list[float],
    scores: ranking.Scores,
    answer: int | None,
    weight: float,
) -> None:
    margins = ranking.margins(scores)
    for place in np.argsort(-scores)[:SHOWN]:
        features.append((float(scores[place]), float(margins[place])))
        right.append(bool(place == answer))
        weights.append(weight)


def trials(
    scenarios: Sequence[Scenario], embeddings: Embeddings, owners: NDArray[np.int64], kinds: Collection[str]
) -> Iterator[Trial]:
    """Ask every text of the given kinds, a fifth of them at a time, while that fifth is held out."""
    texts = [pair for scenario in scenarios for pair in scenario.texts()]
    asked = [row for row, (kind, _) in enumerate(texts) if kind in kinds]
    for fold in range(FOLDS):
        held_out = asked[fold::FOLDS]
        kept = np.setdiff1d(np.arange(len(texts)), held_out)
        words = frozenset(texts[row][1] for row in held_out)
        lexical = LexicalIndex.build([lexical_document(scenario, words) for scenario in scenarios])
        for row in held_out:
            kind, text = texts[row]
            similarities = embeddings[kept] @ embeddings[row]
            best, mean = ranking.best_and_mean(similarities, owners[kept], len(scenarios))
            bm25 = ranking.saturated(lexical.scores(text))
            yield Trial(kind, text, ranking.combined(best, mean, bm25), int(owners[row]))
