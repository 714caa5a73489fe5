"""How sure a ranking is: two logistic regressions on a few numbers, fitted when the index is built.

One says whether the first candidate is right, the other whether any of the three is. Both are fitted on
labelled questions that the ranker has not learned from, unanswerable ones among them (`app.fitting`); their
thresholds follow from the accepted error rates (`app.thresholds`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.ranking import SIGNALS, Scores, shares

Features = NDArray[np.float64]

SHOWN = 3
FEATURES = (
    "lead",  # of the first score over the second
    "lead_over_fourth",  # of the first score over the best that is not shown
    "share",  # log-probability of the first among all scenarios
    "share_of_three",  # the same of the first three together
    "similarity",  # mean similarity of the first's three nearest texts
    "nearest",  # the highest such mean of any scenario
    "lexical",  # BM25 of the first
    "familiarity",  # linear classifier: texts of the corpus against questions that it does not answer
    "unanswerable",  # mean similarity of the three nearest questions that the corpus does not answer
)


@dataclass(frozen=True)
class Logistic:
    """P = sigmoid(features · weights + bias)."""

    weights: tuple[float, ...]
    bias: float

    def probability(self, features: Features) -> NDArray[np.float64]:
        """For each row of `features`, shape (rows, len(FEATURES))."""
        values = np.clip(features @ np.array(self.weights) + self.bias, -50, 50)
        probability: NDArray[np.float64] = 1 / (1 + np.exp(-values))
        return probability


@dataclass(frozen=True)
class Calibration:
    """`answer_confidence` and `suggestion_confidence` are the thresholds of the verdict; `rates` the error rates
    measured with them by cross-validation, by name, as shares.
    """

    first_right: Logistic
    any_right: Logistic
    answer_confidence: float
    suggestion_confidence: float
    rates: dict[str, float]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calibration:
        raw = json.loads(path.read_text(encoding="utf-8"))
        for name in ("first_right", "any_right"):
            raw[name] = Logistic(tuple(raw[name]["weights"]), raw[name]["bias"])
        return cls(**raw)


def features_of(
    scores: Scores,
    signals: Scores,
    order: NDArray[np.int64],
    familiarity: float,
    unanswerable: float,
) -> Features:
    """What the regressions look at, shape (len(FEATURES),), from all scenarios' scores and signals.

    `order` holds the places of the candidates, best first, at least one. Where a category leaves out some
    scenarios they still are rivals: a lead below 0 says that a better one is left out.
    """
    first = order[0]
    probability = shares(scores)
    mean, lexical = SIGNALS.index("mean"), SIGNALS.index("lexical")
    return np.array(
        [
            scores[first] - _best_without(scores, order[:1]),
            scores[first] - _best_without(scores, order[:SHOWN]),
            np.log(probability[first] + 1e-9),
            np.log(probability[order[:SHOWN]].sum() + 1e-9),
            signals[first, mean],
            signals[:, mean].max(),
            signals[first, lexical],
            familiarity,
            unanswerable,
        ],
        dtype=np.float64,
    )


def _best_without(scores: Scores, places: NDArray[np.int64]) -> np.float32:
    """The best of the other scores; where there are none, the lowest of all stands for them."""
    others = np.delete(scores, places)
    best: np.float32 = others.max() if len(others) else scores.min()
    return best
