"""From a question to one score a scenario: the one place that combines signals.

Five signals, each of shape (scenarios,), higher is better:

- `best`: similarity of the scenario's nearest text; finds the paraphrase.
- `mean`: mean similarity of its three nearest texts; keeps a single odd text from winning.
- `centroid`: similarity to the mean of all its texts; what it is about as a whole.
- `head`: log-probability by a linear classifier over embeddings, learned from all texts; what tells it from
  its neighbours.
- `lexical`: BM25; exact names that an embedding blurs.

The score is their weighted sum. The weights maximise the probability of the right scenario among all of them,
on questions that the signals were not learned from (`app.fitting`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.encoder import Embeddings

Scores = NDArray[np.float32]

SIGNALS = ("best", "mean", "centroid", "head", "lexical")
# So many nearest texts are looked at; a scenario's text beyond them counts as the last of them.
NEAREST_TEXTS = 512
BEST_TEXTS = 3
# BM25 has no upper bound; score / (score + half) maps it to 0..1, half at this score.
LEXICAL_HALF = 6.0
# Log-probabilities span a tenfold range of the other signals'; in tenths the fitted weights compare.
HEAD_SCALE = 0.1


@dataclass(frozen=True)
class Ranker:
    """What is learned from a corpus of n scenarios and embeddings of length d.

    `centroids` (n, d); `head` (n, d) and `bias` (n,), both empty where the corpus is too large or too small for
    a head; `weights` (len(SIGNALS),).
    """

    centroids: Scores
    head: Scores
    bias: Scores
    weights: Scores

    def signals(
        self, embedding: Embeddings, similarities: Scores, owners: NDArray[np.int64], bm25: Scores
    ) -> Scores:
        """All signals of one question, shape (n, len(SIGNALS)).

        `similarities` are those of its nearest texts, falling; `owners` the places of their scenarios.
        """
        best, mean = best_and_mean(similarities, owners, len(self.centroids))
        return np.column_stack(
            [best, mean, _dot(self.centroids, embedding), self._head(embedding), saturated(bm25)]
        )

    def _head(self, embedding: Embeddings) -> Scores:
        if not len(self.head):
            return np.zeros(len(self.centroids), dtype=np.float32)
        scaled: Scores = HEAD_SCALE * _log_softmax(_dot(self.head, embedding) + self.bias)
        return scaled

    def scores(self, signals: Scores) -> Scores:
        """One score a scenario from rows of signals."""
        combined: Scores = signals @ self.weights
        return combined

    def save(self, path: Path) -> None:
        np.savez(path, centroids=self.centroids, head=self.head, bias=self.bias, weights=self.weights)

    @classmethod
    def load(cls, path: Path) -> Ranker:
        with np.load(path) as file:
            return cls(file["centroids"], file["head"], file["bias"], file["weights"])


def best_and_mean(similarities: Scores, owners: NDArray[np.int64], scenarios: int) -> tuple[Scores, Scores]:
    """The best similarity and the mean of the three best for each scenario; both of shape (scenarios,).

    `similarities[i]`, falling, is that of a text of scenario number `owners[i]`. A scenario with fewer than
    three texts among them is given the last similarity for the others, which are not above it.
    """
    # Stable: a scenario's texts stay in falling order, its best at the start of its run.
    order = np.argsort(owners, kind="stable")
    grouped = owners[order]
    starts = np.searchsorted(grouped, np.arange(scenarios))
    ends = np.searchsorted(grouped, np.arange(scenarios), side="right")
    places = starts[:, None] + np.arange(BEST_TEXTS)
    ranked = similarities[order]
    top = np.where(
        places < ends[:, None], ranked[np.minimum(places, len(order) - 1)], similarities[-1]
    ).astype(np.float32)
    return top[:, 0], top.mean(axis=1)


def in_order(scores: Scores) -> NDArray[np.int64]:
    """Places of the scenarios, best first; of equal ones the one that stands first."""
    return np.argsort(-scores, kind="stable")


def saturated(bm25: Scores) -> Scores:
    """BM25 scores mapped to 0..1."""
    share: Scores = bm25 / (bm25 + np.float32(LEXICAL_HALF))
    return share


def shares(scores: Scores) -> Scores:
    """Probabilities of the scenarios if one of them is right: softmax of their scores."""
    return np.exp(_log_softmax(scores))


def _dot(rows: Embeddings, embedding: Embeddings) -> Scores:
    # Not `@`: BLAS would hand so small a product to its threads, and wait for them when the machine is busy.
    products: Scores = np.einsum("ij,j->i", rows, embedding)
    return products


def _log_softmax(values: Scores) -> Scores:
    shifted = values - values.max()
    log_probability: Scores = shifted - np.log(np.exp(shifted).sum())
    return log_probability
