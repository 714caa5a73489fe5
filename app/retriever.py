"""A query to ranked candidates with calibrated confidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.calibration import SHOWN, Calibration, features_of
from app.encoder import Embeddings, Encoder
from app.familiarity import Familiarity
from app.lexical_index import LexicalIndex
from app.ranking import NEAREST_TEXTS, SIGNALS, Ranker, Scores, shares
from app.vector_index import VectorIndex


@dataclass(frozen=True)
class Candidate:
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
        ids = self.scenario_ids
        if among is not None:
            wanted = np.isin(ids, list(among))
            ids, signals = ids[wanted], signals[wanted]
        return self._ranked(ids, signals, self.familiarity.measure(embedding))

    def signals(self, query: str, embedding: Embeddings) -> Scores:
        """All signals of `query`, whose embedding is given; shape (scenarios, len(SIGNALS))."""
        similarities, rows = self._vectors.search(embedding, NEAREST_TEXTS)
        return self.ranker.signals(embedding, similarities, self._owners[rows], self._lexical.scores(query))

    def _ranked(self, ids: NDArray[np.int64], signals: Scores, measured: tuple[float, float]) -> Ranking:
        scores = self.ranker.scores(signals)
        features = features_of(scores, signals, *measured)[None, :]
        first_right = float(self.calibration.first_right.probability(features)[0])
        any_right = max(first_right, float(self.calibration.any_right.probability(features)[0]))
        order = np.argsort(-scores, kind="stable")
        confidences = np.zeros(len(order))
        confidences[0] = first_right
        next_shares = shares(scores)[order[1:SHOWN]]
        confidences[1:SHOWN] = (any_right - first_right) * next_shares / max(next_shares.sum(), 1e-9)
        candidates = [
            Candidate(
                scenario_id=int(ids[place]),
                score=float(scores[place]),
                confidence=float(confidence),
                signals={
                    name: round(float(value), 4) for name, value in zip(SIGNALS, signals[place], strict=True)
                },
            )
            for place, confidence in zip(order, confidences, strict=True)
        ]
        return Ranking(candidates, first_right, any_right)
