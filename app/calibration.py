"""How sure a candidate is: a logistic regression on two numbers, fitted when the index is built.

It learns from the corpus alone. A part of the `asked_as` texts is held out and asked of a ranker that has
not seen them; each is asked twice, once as it is and once with its scenario taken away, which makes it a
question that nothing answers. See `app.building.calibrate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]

# Share of questions that no scenario answers, assumed when the probabilities are fitted.
UNANSWERABLE_SHARE = 0.3
# Share of held-out questions, answered rightly, that the floor may refuse.
REFUSED_SHARE = 0.01
RIDGE = 1e-3
NEWTON_STEPS = 25


@dataclass(frozen=True)
class Calibration:
    """P(candidate is right) = sigmoid(score * score_weight + margin * margin_weight + bias).

    It is 0 for all candidates of a question whose best score is below `floor`: that is no question for this
    corpus at all, and the regression, which has seen none of those, would be guessing.
    """

    score_weight: float
    margin_weight: float
    bias: float
    floor: float = 0.0

    @classmethod
    def fit(
        cls,
        features: Features,
        right: NDArray[np.bool_],
        weights: NDArray[np.float64],
        best_scores: Features | None = None,
    ) -> Calibration:
        """Weighted maximum likelihood by Newton's method; `features` has the columns score and margin.

        `best_scores` are those of held-out questions that the ranker got right; they give the floor.
        """
        design = np.column_stack([features, np.ones(len(features))])
        solution = np.zeros(3)
        for _ in range(NEWTON_STEPS):
            probability = _sigmoid(design @ solution)
            gradient = design.T @ (weights * (probability - right)) + RIDGE * solution
            curvature = (design * (weights * probability * (1 - probability))[:, None]).T @ design
            solution -= np.linalg.solve(curvature + RIDGE * np.eye(3), gradient)
        floor = 0.0 if best_scores is None else float(np.quantile(best_scores, REFUSED_SHARE))
        score_weight, margin_weight, bias = map(float, solution)
        return cls(score_weight, margin_weight, bias, floor)

    def confidence(self, scores: NDArray[np.float32], margins: NDArray[np.float32]) -> NDArray[np.float64]:
        """A probability for each candidate, of the shape of `scores`."""
        if not len(scores) or scores.max() < self.floor:
            return np.zeros(len(scores))
        return _sigmoid(scores * self.score_weight + margins * self.margin_weight + self.bias)


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(values, -50, 50)))
