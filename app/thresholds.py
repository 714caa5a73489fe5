"""From observed rankings to calibrated confidence, and to the thresholds that the accepted error rates allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from app.calibration import FEATURES, Calibration, Features, Logistic

FOLDS = 10
# What varies less is rounding, which must not be blown up to a feature of its own.
LEAST_SPREAD = 1e-3
# Shares of kinds of questions that the probabilities are fitted for.
EXPECTED = {"answerable": 0.6, "near": 0.28, "far": 0.12}


@dataclass(frozen=True)
class AcceptedErrors:
    """Shares: `wrong_answers` of the answerable and of the near questions may be answered wrongly, `refusals` of
    the answerable ones may be refused.
    """

    wrong_answers: float
    refusals: float


@dataclass(frozen=True)
class Observation:
    """One question's ranking: what kind it was, its features, and whether its candidates were right."""

    kind: str
    features: Features
    first_right: bool
    any_right: bool


def calibrate(observations: Sequence[Observation], accepted: AcceptedErrors) -> Calibration:
    """Two regressions on all observations; thresholds and rates from predictions for those held out."""
    kinds = np.array([observation.kind for observation in observations])
    features = np.array([observation.features for observation in observations])
    first = np.array([observation.first_right for observation in observations])
    any_ = np.array([observation.any_right for observation in observations])
    weights = _weights(kinds)
    first_held_out = _held_out(features, first, weights)
    any_held_out = np.maximum(_held_out(features, any_, weights), first_held_out)
    answer = _answer_threshold(first_held_out, first, kinds, accepted.wrong_answers)
    allowed = accepted.refusals * (kinds == "answerable").sum()
    not_answered = any_held_out[(kinds == "answerable") & (first_held_out < answer)]
    # No stricter than an answer, whatever is allowed.
    suggestion = min(_suggestion_threshold(not_answered, allowed), answer)
    answered = first_held_out >= answer
    suggested = ~answered & (any_held_out >= suggestion)
    return Calibration(
        _logistic(features, first, weights),
        _logistic(features, any_, weights),
        answer,
        suggestion,
        _rates(kinds, answered, suggested, first, any_),
    )


def _weights(kinds: NDArray[np.str_]) -> NDArray[np.float64]:
    """So that the kinds that are there count as they are expected, on average one an observation."""
    present = {kind: share for kind, share in EXPECTED.items() if (kinds == kind).any()}
    weights = np.zeros(len(kinds))
    for kind, share in present.items():
        weights[kinds == kind] = share / (kinds == kind).sum()
    scaled: NDArray[np.float64] = weights / weights.sum() * len(kinds)
    return scaled


def _logistic(features: Features, outcome: NDArray[np.bool_], weights: NDArray[np.float64]) -> Logistic:
    if outcome.all() or not outcome.any():
        # Nothing to tell apart: add-one smoothing.
        share = (outcome.sum() + 1) / (len(outcome) + 2)
        return Logistic((0.0,) * len(FEATURES), float(np.log(share / (1 - share))))
    middle, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < LEAST_SPREAD] = 1.0
    classifier = LogisticRegression(max_iter=1000)
    classifier.fit((features - middle) / spread, outcome, sample_weight=weights)
    slopes = classifier.coef_[0] / spread
    return Logistic(tuple(map(float, slopes)), float(classifier.intercept_[0] - slopes @ middle))


def _held_out(
    features: Features, outcome: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probabilities, each by a regression on the other folds."""
    folds = min(FOLDS, int(outcome.sum()), int((~outcome).sum()))
    if folds < 2:
        return _logistic(features, outcome, weights).probability(features)
    probabilities = np.zeros(len(outcome))
    for others, fold in StratifiedKFold(folds, shuffle=True, random_state=0).split(features, outcome):
        fitted = _logistic(features[others], outcome[others], weights[others])
        probabilities[fold] = fitted.probability(features[fold])
    return probabilities


def _answer_threshold(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], kinds: NDArray[np.str_], accepted: float
) -> float:
    """The least confidence at which no kind of question is answered wrongly more often than accepted."""
    least = 0.0
    for kind in ("answerable", "near"):
        of_kind = kinds == kind
        wrong = np.sort(confidence[of_kind & ~right])[::-1]
        allowed = int(accepted * of_kind.sum())
        if len(wrong) > allowed:
            # Above the first one too many.
            least = max(least, float(np.nextafter(wrong[allowed], 1)))
    return least


def _suggestion_threshold(not_answered: NDArray[np.float64], allowed: float) -> float:
    """The highest probability of any right candidate that refuses at most `allowed` answerable questions."""
    ranked = np.sort(not_answered)
    return float(ranked[int(allowed)]) if len(ranked) > int(allowed) else 1.0


def _rates(
    kinds: NDArray[np.str_],
    answered: NDArray[np.bool_],
    suggested: NDArray[np.bool_],
    first: NDArray[np.bool_],
    any_: NDArray[np.bool_],
) -> dict[str, float]:
    outcomes = {
        "answerable": {
            "answered_right": answered & first,
            "answered_wrong": answered & ~first,
            "suggested_right": suggested & any_,
            "suggested_wrong": suggested & ~any_,
            "refused": ~answered & ~suggested,
        },
        "near": {"answered": answered, "refused": ~answered & ~suggested},
        "far": {"answered": answered, "refused": ~answered & ~suggested},
    }
    return {
        f"{kind}_{name}": round(float(happened[kinds == kind].mean()), 4)
        for kind, rows in outcomes.items()
        if (kinds == kind).any()
        for name, happened in rows.items()
    }
