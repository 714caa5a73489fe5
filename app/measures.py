"""Measures over outcomes, numbers in and numbers out; nothing here knows what was asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Shares = NDArray[np.float64]

BINS = 10
# A curve of so many points is as smooth as the questions allow.
CURVE_POINTS = 40
CHANCE_DRAWS = 2000
SEED = 0
SIGNIFICANT = 0.05


def bins_of(confidences: Shares) -> list[NDArray[np.int64]]:
    """Places of the questions from least to most confident, in at most `BINS` parts of equal count."""
    order = np.argsort(confidences, kind="stable")
    return np.array_split(order, min(BINS, len(order)))


def calibration_error(confidences: Shares, right: NDArray[np.bool_]) -> Shares:
    """Mean distance of what was said from what was right, over bins of equal count (ECE).

    `right` has shape (..., questions); the result has its leading dimensions.
    """
    gaps = [
        abs(right[..., part].mean(axis=-1) - confidences[part].mean()) * len(part)
        for part in bins_of(confidences)
    ]
    error: Shares = np.sum(gaps, axis=0) / len(confidences)
    return error


@dataclass(frozen=True)
class Chance:
    """The calibration error of confidences that are exactly right: its mean and 95th percentile."""

    mean: float
    upper: float

    @classmethod
    def of(cls, confidences: Shares) -> Chance:
        """With outcomes drawn from the confidences themselves, seeded."""
        draws = np.random.default_rng(SEED).random((CHANCE_DRAWS, len(confidences)))
        errors = calibration_error(confidences, draws < confidences)
        return cls(float(errors.mean()), float(np.quantile(errors, 0.95)))


def reliability(confidences: Shares, right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """For each bin what was said, what was right, and of how many questions."""
    return [
        {
            "confidence": round(float(confidences[part].mean()), 4),
            "right": round(float(right[part].mean()), 4),
            "questions": len(part),
        }
        for part in bins_of(confidences)
    ]


def coverage(confidences: Shares, right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """If only the surest questions were answered: the share answered, and of these answers the share wrong."""
    order = np.argsort(-confidences, kind="stable")
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    places = np.unique(np.linspace(0, len(order), CURVE_POINTS + 1).astype(int)[1:]) - 1
    return [
        {"answered": round(float(place + 1) / len(order), 4), "wrong": round(float(wrong[place]), 4)}
        for place in places[places >= 0]
    ]


@dataclass(frozen=True)
class Paired:
    """How a share changed on the same questions: `lost` and `won` are those that changed, each way."""

    questions: int
    before: float
    now: float
    lost: int
    won: int

    @classmethod
    def of(cls, before: NDArray[np.bool_], now: NDArray[np.bool_]) -> Paired:
        """True is good. Both of shape (questions,), not empty."""
        return cls(
            questions=len(now),
            before=float(before.mean()),
            now=float(now.mean()),
            lost=int((before & ~now).sum()),
            won=int((~before & now).sum()),
        )

    @property
    def p(self) -> float:
        """McNemar's exact test, one-sided: how likely so many losses among the changed are by chance alone."""
        changed = self.lost + self.won
        return float(binomtest(self.lost, changed, alternative="greater").pvalue) if changed else 1.0

    @property
    def is_worse(self) -> bool:
        return self.p < SIGNIFICANT
