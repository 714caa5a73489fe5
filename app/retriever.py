"""A query to ranked candidates with calibrated confidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration import SHOWN, Calibration, features_of
from app.encoder import Embeddings, Encoder
from app.familiarity import Familiarity
from app.lexical_index import LexicalIndex
from app.ranking import NEAREST_TEXTS, SIGNALS, Ranker, Scores, in_order, shares
from app.vector_index import VectorIndex


class Candidate(NamedTuple):
    """A scenario and how well it fits: `score` ranks, `confidence` is the probability that it is right.

    The confidence of the first is calibrated; the next two divide what is left of any of the three being right.
    """

    scenario_id: int
    score: float
    confidence: float
    signals: dict[str, float]


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first, and the probabilities that the first and that any of the first three is right."""

    candidates: list[Candidate]
    first_right: float
    any_right: float


class Retriever:
    """Dense, lexical and learned signals over all texts of all scenarios.

    `owners[i]` is the position in `scenario_ids` of the scenario that text i belongs to; the documents of
    `lexical` and the rows of `ranker` stand in the order of `scenario_ids`.
    """

    def __init__(
        self,
        encoder: Encoder,
        vectors: VectorIndex,
        lexical: LexicalIndex,
        owners: NDArray[np.int64],
        scenario_ids: Sequence[int],
        ranker: Ranker,
        familiarity: Familiarity,
        calibration: Calibration,
    ) -> None:
        self.scenario_ids = np.asarray(scenario_ids)
        self.ranker = ranker
        self.familiarity = familiarity
        self.calibration = calibration
        self._encoder = encoder
        self._vectors = vectors
        self._lexical = lexical
        self._owners = owners

    def search(self, query: str, among: Collection[int] | None = None) -> Ranking:
        """All scenarios, best first; only those with an id in `among` if it is given."""
        embedding = self._encoder.encode([query])[0]
        signals = self.signals(query, embedding)
        scores = self.ranker.scores(signals)
        order = in_order(scores)
        if among is not None:
            order = order[np.isin(self.scenario_ids[order], list(among))]
        if not len(order):
            return Ranking([], 0.0, 0.0)
        features = features_of(scores, signals, order, *self.familiarity.measure(embedding))[None, :]
        first_right = float(self.calibration.first_right.probability(features)[0])
        any_right = max(first_right, float(self.calibration.any_right.probability(features)[0]))
        confidences = np.zeros(len(order))
        confidences[0] = first_right
        next_shares = shares(scores[order])[1:SHOWN]
        confidences[1:SHOWN] = (any_right - first_right) * next_shares / max(next_shares.sum(), 1e-9)
        return Ranking(self._candidates(order, scores, signals, confidences), first_right, any_right)

    def signals(self, query: str, embedding: Embeddings) -> Scores:
        """All signals of `query`, whose embedding is given; shape (scenarios, len(SIGNALS))."""
        return signals_of(query, embedding, self._vectors, self._lexical, self._owners, self.ranker)

    def _candidates(
        self, order: NDArray[np.int64], scores: Scores, signals: Scores, confidences: NDArray[np.float64]
    ) -> list[Candidate]:
        rows = np.round(signals[order].astype(np.float64), 4).tolist()
        columns = (self.scenario_ids[order].tolist(), scores[order].tolist(), confidences.tolist(), rows)
        return [
            Candidate(scenario_id, score, confidence, dict(zip(SIGNALS, row, strict=True)))
            for scenario_id, score, confidence, row in zip(*columns, strict=True)
        ]


def signals_of(
    query: str,
    embedding: Embeddings,
    vectors: VectorIndex,
    lexical: LexicalIndex,
    owners: NDArray[np.int64],
    ranker: Ranker,
) -> Scores:
    """What serving sees of a question, and a build that fits to it: shape (scenarios, len(SIGNALS))."""
    similarities, rows = vectors.search(embedding, NEAREST_TEXTS)
    return ranker.signals(embedding, similarities, owners[rows], lexical.scores(query))
