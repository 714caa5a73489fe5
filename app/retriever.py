"""A query to ranked candidates with calibrated confidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app import ranking
from app.calibration import Calibration
from app.encoder import Encoder
from app.lexical_index import LexicalIndex
from app.vector_index import VectorIndex


@dataclass(frozen=True)
class Candidate:
    """A scenario and how well it fits: `score` ranks, `confidence` is the probability that it is right."""

    scenario_id: int
    score: float
    confidence: float
    signals: dict[str, float]


class Retriever:
    """Dense and lexical search over all texts of all scenarios.

    `owners[i]` is the position in `scenario_ids` of the scenario that text i belongs to; the documents of
    `lexical` stand in the order of `scenario_ids`.
    """

    def __init__(
        self,
        encoder: Encoder,
        vectors: VectorIndex,
        lexical: LexicalIndex,
        owners: NDArray[np.int64],
        scenario_ids: Sequence[int],
        calibration: Calibration,
    ) -> None:
        self._encoder = encoder
        self._vectors = vectors
        self._lexical = lexical
        self._owners = owners
        self._scenario_ids = np.asarray(scenario_ids)
        self._calibration = calibration

    def search(self, query: str, among: Collection[int] | None = None) -> list[Candidate]:
        """All scenarios, best first; only those with an id in `among` if it is given."""
        embedding = self._encoder.encode([query])[0]
        similarities, rows = self._vectors.search(embedding, len(self._vectors))
        best, mean = ranking.best_and_mean(similarities, self._owners[rows], len(self._scenario_ids))
        lexical = ranking.saturated(self._lexical.scores(query))
        return self._ranked({"best": best, "mean": mean, "lexical": lexical}, among)

    def _ranked(self, signals: dict[str, ranking.Scores], among: Collection[int] | None) -> list[Candidate]:
        ids = self._scenario_ids
        if among is not None:
            wanted = np.isin(ids, list(among))
            ids = ids[wanted]
            signals = {name: values[wanted] for name, values in signals.items()}
        scores = ranking.combined(**signals)
        confidences = self._calibration.confidence(scores, ranking.margins(scores))
        return [
            Candidate(
                scenario_id=int(ids[place]),
                score=float(scores[place]),
                confidence=float(confidences[place]),
                signals={name: round(float(values[place]), 4) for name, values in signals.items()},
            )
            for place in np.argsort(-scores, kind="stable")
        ]
