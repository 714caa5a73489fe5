"""Is this a question for the corpus at all? Learned from its texts and from questions that it does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.encoder import Embeddings

NEAREST = 3


@dataclass(frozen=True)
class Familiarity:
    """`weights` (d,) and `bias` of a linear classifier; `unanswerable` (m, d) embeddings, m may be 0."""

    weights: Embeddings
    bias: float
    unanswerable: Embeddings

    @classmethod
    def unknown(cls, dimension: int) -> Familiarity:
        """That of a corpus without known unanswerable questions: the same for every question."""
        return cls(np.zeros(dimension, np.float32), 0.0, np.zeros((0, dimension), np.float32))

    def measure(self, embedding: Embeddings) -> tuple[float, float]:
        """How much it looks like a question for the corpus, as log-odds, and the mean similarity of the nearest
        unanswerable ones.
        """
        odds = float(self.weights @ embedding) + self.bias
        if not len(self.unanswerable):
            return odds, 0.0
        similarities = self.unanswerable @ embedding
        nearest = np.sort(similarities)[-NEAREST:]
        return odds, float(nearest.mean())

    def save(self, path: Path) -> None:
        np.savez(path, weights=self.weights, bias=self.bias, unanswerable=self.unanswerable)

    @classmethod
    def load(cls, path: Path) -> Familiarity:
        with np.load(path) as file:
            return cls(file["weights"], float(file["bias"]), file["unanswerable"])
