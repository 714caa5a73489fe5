"""From a question's nearest texts and words to one score a scenario: the one place that combines signals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]

# The best match finds the paraphrase; the mean of three keeps a single odd text from winning.
BEST_WEIGHT, MEAN_WEIGHT, LEXICAL_WEIGHT = 0.5, 0.5, 0.3
BEST_TEXTS = 3
# BM25 has no upper bound; score / (score + half) maps it to 0..1, half at this score.
LEXICAL_HALF = 6.0


def best_and_mean(similarities: Scores, owners: NDArray[np.int64], scenarios: int) -> tuple[Scores, Scores]:
    """The best similarity and the mean of the three best for each scenario; both of shape (scenarios,).

    `similarities[i]` is that of a text of scenario number `owners[i]`; every scenario has at least one text.
    """
    # By scenario, then by falling similarity: a scenario's best texts stand at the start of its run.
    order = np.lexsort((-similarities, owners))
    starts = np.searchsorted(owners[order], np.arange(scenarios))
    ends = np.append(starts[1:], len(order))
    ranked = similarities[order]
    places = starts[:, None] + np.arange(BEST_TEXTS)
    inside = places < ends[:, None]
    top = np.where(inside, ranked[np.minimum(places, len(order) - 1)], 0.0)
    mean = top.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    return top[:, 0].astype(np.float32), mean.astype(np.float32)


def saturated(bm25: Scores) -> Scores:
    """BM25 scores mapped to 0..1."""
    share: Scores = bm25 / (bm25 + np.float32(LEXICAL_HALF))
    return share


def combined(best: Scores, mean: Scores, lexical: Scores) -> Scores:
    """One score a scenario, higher is better."""
    score: Scores = BEST_WEIGHT * best + MEAN_WEIGHT * mean + LEXICAL_WEIGHT * lexical
    return score


def margins(scores: Scores) -> Scores:
    """How far each score is ahead of the best other one (negative when behind); shape of `scores`."""
    if len(scores) < 2:
        return np.zeros_like(scores)
    first, second = np.partition(scores, -2)[-2:][::-1]
    ahead: Scores = np.where(scores == first, scores - second, scores - first)
    return ahead
