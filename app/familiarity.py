"""Is this a question for the corpus at all? Learned from its texts and from questions that it does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.encoder import Embeddings
from app.vector_index import VectorIndex

NEAREST = 3


@dataclass(frozen=True)
class Familiarity:
    """`weights` (d,) and `bias` of a linear classifier; `unanswerable` holds questions, maybe none."""

    weights: Embeddings
    bias: float
    unanswerable: VectorIndex

    @classmethod
    def unknown(cls, dimension: int) -> Familiarity:
        """That of a corpus without known unanswerable questions: the same for every question."""
        nothing = np.zeros((0, dimension), np.float32)
        return cls(np.zeros(dimension, np.float32), 0.0, VectorIndex.build(nothing))

    def measure(self, embedding: Embeddings) -> tuple[float, float]:
        """How much it looks like a question for the corpus, as log-odds, and the mean similarity of the nearest
        unanswerable ones, 0 if none is known.
        """
        odds = float(self.weights @ embedding) + self.bias
        if not len(self.unanswerable):
            return odds, 0.0
        similarities, _ = self.unanswerable.search(embedding, NEAREST)
        return odds, float(similarities.mean())

    def save(self, path: Path) -> None:
        np.savez(path, weights=self.weights, bias=self.bias, unanswerable=self.unanswerable.embeddings)

    @classmethod
    def load(cls, path: Path) -> Familiarity:
        with np.load(path) as file:
            return cls(file["weights"], float(file["bias"]), VectorIndex.build(file["unanswerable"]))
