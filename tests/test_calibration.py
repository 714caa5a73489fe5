"""What confidence looks at, and what it makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.calibration import FEATURES, Calibration, Logistic, features_of

# Scenario by scenario: best, mean, centroid, head, lexical.
SIGNALS = np.array(
    [[0.1, 0.2, 0, 0, 0.3], [0.9, 0.7, 0, 0, 0.6], [0.5, 0.8, 0, 0, 0.1], [0, 0.1, 0, 0, 0], [0, 0, 0, 0, 0]],
    dtype=np.float32,
)
SCORES = np.array([1, 5, 4, 3, 2], dtype=np.float32)
ORDER = np.array([1, 2, 3, 4, 0])


def features(scores: np.ndarray, signals: np.ndarray, order: np.ndarray) -> dict[str, float]:
    values = features_of(scores, signals, order, familiarity=1.5, unanswerable=0.4)
    return dict(zip(FEATURES, values.tolist(), strict=True))


def test_the_features_are_those_that_their_names_say() -> None:
    shares = np.exp(SCORES) / np.exp(SCORES).sum()
    assert features(SCORES, SIGNALS, ORDER) == pytest.approx(
        {
            "lead": 1,
            "lead_over_fourth": 3,
            "share": np.log(shares[1]),
            "share_of_three": np.log(shares[1] + shares[2] + shares[3]),
            "similarity": 0.7,
            "nearest": 0.8,
            "lexical": 0.6,
            "familiarity": 1.5,
            "unanswerable": 0.4,
        },
        rel=1e-5,
    )


def test_a_better_scenario_that_a_category_leaves_out_is_still_a_rival() -> None:
    narrowed = features(SCORES, SIGNALS, np.array([2, 4]))
    shares = np.exp(SCORES) / np.exp(SCORES).sum()
    assert narrowed["lead"] == pytest.approx(4 - 5)
    assert narrowed["lead_over_fourth"] == pytest.approx(4 - 5)
    assert narrowed["share"] == pytest.approx(np.log(shares[2]), rel=1e-5)
    assert narrowed["share_of_three"] == pytest.approx(np.log(shares[2] + shares[4]), rel=1e-5)
    assert (narrowed["similarity"], narrowed["nearest"]) == pytest.approx((0.8, 0.8))


def test_the_only_scenario_has_no_lead() -> None:
    alone = features(SCORES[:1], SIGNALS[:1], np.array([0]))
    assert (alone["lead"], alone["lead_over_fourth"], alone["share"]) == pytest.approx((0, 0, 0), abs=1e-6)


def test_with_three_scenarios_the_last_one_stands_for_the_fourth() -> None:
    three = features(SCORES[:3], SIGNALS[:3], np.array([1, 2, 0]))
    assert (three["lead"], three["lead_over_fourth"]) == (1, 4)


def test_a_probability_is_the_sigmoid_of_the_weighted_features() -> None:
    logistic = Logistic((1.0, -2.0), 0.5)
    rows = np.array([[0, 0.25], [np.log(3) - 0.5, 0], [1e6, 0], [-1e6, 0]])
    assert logistic.probability(rows) == pytest.approx([0.5, 0.75, 1, 0])


def test_a_calibration_survives_saving(tmp_path: Path) -> None:
    calibration = Calibration(
        Logistic((1.0, 2.5), -0.5), Logistic((0.1, 1e-9), 3.0), 0.76, 0.147, {"near_answered": 0.04}
    )
    calibration.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json") == calibration
