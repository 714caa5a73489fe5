"""The confidence is a probability, fitted and not guessed."""

from __future__ import annotations

import numpy as np
import pytest

from app.calibration import Calibration


def sample(weights: tuple[float, float, float], size: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Features and outcomes drawn from a known calibration."""
    generator = np.random.default_rng(3)
    features = np.column_stack([generator.uniform(0, 1, size), generator.uniform(-0.5, 0.5, size)])
    logits = features @ np.array(weights[:2]) + weights[2]
    return features, generator.random(size) < 1 / (1 + np.exp(-logits))


def test_fitting_recovers_the_probabilities_that_made_the_outcomes() -> None:
    features, right = sample((6.0, 8.0, -3.0))
    fitted = Calibration.fit(features, right, np.ones(len(right)))
    assert (fitted.score_weight, fitted.margin_weight, fitted.bias) == pytest.approx((6, 8, -3), rel=0.2)
    confidence = fitted.confidence(features[:, 0], features[:, 1])
    for low in np.arange(0, 1, 0.2):
        inside = (confidence >= low) & (confidence < low + 0.2)
        assert right[inside].mean() == pytest.approx(confidence[inside].mean(), abs=0.05)


def test_a_weight_counts_as_that_many_examples() -> None:
    features, right = sample((4.0, 2.0, -2.0), 300)
    twice = np.concatenate([features, features[:100]])
    doubled = Calibration.fit(twice, np.concatenate([right, right[:100]]), np.ones(400))
    weights = np.ones(300)
    weights[:100] = 2
    weighted = Calibration.fit(features, right, weights)
    assert weighted.score_weight == pytest.approx(doubled.score_weight)


def test_examples_that_a_line_separates_still_give_finite_weights() -> None:
    features = np.array([[0.1, -0.1], [0.2, -0.2], [0.8, 0.3], [0.9, 0.2]])
    fitted = Calibration.fit(features, np.array([False, False, True, True]), np.ones(4))
    confidence = fitted.confidence(features[:, 0], features[:, 1])
    assert np.isfinite([fitted.score_weight, fitted.margin_weight, fitted.bias]).all()
    assert (confidence > 0.5).tolist() == [False, False, True, True]


def test_a_question_below_the_floor_is_no_question_for_this_corpus() -> None:
    features, right = sample((6.0, 8.0, -3.0), 400)
    best = np.linspace(0.4, 0.9, 1001)
    fitted = Calibration.fit(features, right, np.ones(400), best)
    assert fitted.floor == pytest.approx(0.405)
    below, above = np.array([0.40, 0.1]), np.array([0.41, 0.1])
    margins = np.array([0.3, -0.3])
    assert fitted.confidence(below, margins).tolist() == [0, 0]
    assert fitted.confidence(above, margins)[0] > 0.3
    assert fitted.confidence(np.array([]), np.array([])).tolist() == []
