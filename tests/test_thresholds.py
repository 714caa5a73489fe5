"""From rankings to calibrated confidence and thresholds: recovered where they are known, held to where accepted."""

from __future__ import annotations

import numpy as np
import pytest

from app.calibration import FEATURES, Calibration, Features
from app.thresholds import AcceptedErrors, Observation, calibrate

SEED = 3


def features(lead: float) -> Features:
    """All zero but the first."""
    return np.array([lead, *[0.0] * (len(FEATURES) - 1)])


def sample(size: int, kind: str = "answerable", slope: float = 3.0, bias: float = -1.0) -> list[Observation]:
    """Questions of which sigmoid(slope x lead + bias) are right, and half of the others among three."""
    generator = np.random.default_rng(SEED)
    observations = []
    for lead in generator.uniform(-1, 2, size):
        right = bool(generator.random() < 1 / (1 + np.exp(-slope * lead - bias)))
        observations.append(Observation(kind, features(lead), right, right or bool(generator.random() < 0.5)))
    return observations


def unanswerable(kind: str, *leads: float) -> list[Observation]:
    return [Observation(kind, features(lead), False, False) for lead in leads]


def verdicts(calibration: Calibration, observations: list[Observation]) -> list[str]:
    rows = np.array([observation.features for observation in observations])
    first = calibration.first_right.probability(rows)
    any_ = np.maximum(first, calibration.any_right.probability(rows))
    return [
        "answer"
        if one >= calibration.answer_confidence
        else "suggestions"
        if three >= calibration.suggestion_confidence
        else "no_answer"
        for one, three in zip(first, any_, strict=True)
    ]


def test_fitting_recovers_the_probabilities_that_made_the_outcomes() -> None:
    fitted = calibrate(sample(4000), AcceptedErrors(0.04, 0.02))
    assert fitted.first_right.weights[0] == pytest.approx(3, rel=0.1)
    assert fitted.first_right.weights[1:] == (0,) * (len(FEATURES) - 1)
    assert fitted.first_right.bias == pytest.approx(-1, abs=0.15)
    observations = sample(4000)
    stated = fitted.first_right.probability(np.array([one.features for one in observations]))
    happened = np.array([one.first_right for one in observations])
    for low in np.arange(0, 1, 0.2):
        inside = (stated >= low) & (stated < low + 0.2)
        assert happened[inside].mean() == pytest.approx(stated[inside].mean(), abs=0.06)


def test_the_accepted_error_rates_are_kept_and_hardly_wasted() -> None:
    observations = sample(1000) + unanswerable("near", *np.linspace(-1, 1.4, 500))
    rates = calibrate(observations, AcceptedErrors(0.04, 0.02)).rates
    assert rates["answerable_answered_wrong"] <= 0.04
    assert rates["near_answered"] <= 0.04
    assert max(rates["answerable_answered_wrong"], rates["near_answered"]) >= 0.035
    assert rates["answerable_refused"] == pytest.approx(0.02, abs=0.002)
    assert sum(share for name, share in rates.items() if name.startswith("answerable_")) == pytest.approx(
        1, abs=0.001
    )


def test_who_accepts_more_wrong_answers_gets_more_answers() -> None:
    observations = sample(1000) + unanswerable("near", *np.linspace(-1, 1.4, 500))
    fitted = [calibrate(observations, AcceptedErrors(wrong, 0.02)) for wrong in (0.0, 0.04, 0.2, 1.0)]
    confidences = [one.answer_confidence for one in fitted]
    answered = [one.rates["answerable_answered_right"] for one in fitted]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[-1] == 0
    assert answered == sorted(answered)
    assert fitted[0].rates["answerable_answered_wrong"] == fitted[0].rates["near_answered"] == 0


def test_suggestions_never_ask_for_more_than_an_answer() -> None:
    fitted = calibrate(sample(400), AcceptedErrors(1.0, 0.0))
    assert fitted.suggestion_confidence <= fitted.answer_confidence


def test_kinds_count_as_they_are_expected_however_many_questions_there_are() -> None:
    """Near questions ten times over change the measured confidence of none."""
    answerable, near = sample(600), unanswerable("near", *np.linspace(-1, 1, 60))
    once = calibrate(answerable + near, AcceptedErrors(0.04, 0.02))
    tenfold = calibrate(answerable + near * 10, AcceptedErrors(0.04, 0.02))
    leads = np.array([features(lead) for lead in (-0.5, 0.5, 1.5)])
    np.testing.assert_allclose(
        once.first_right.probability(leads), tenfold.first_right.probability(leads), atol=0.02
    )


def test_a_feature_that_is_only_rounding_has_no_say() -> None:
    generator = np.random.default_rng(SEED)
    observations = []
    for one in sample(200):
        noisy = one.features.copy()
        noisy[3] = generator.normal(0, 1e-7)
        observations.append(Observation(one.kind, noisy, one.first_right, one.any_right))
    fitted = calibrate(observations, AcceptedErrors(0.04, 0.02))
    plain, other = features(1.0), features(1.0)
    other[3] = -0.5
    assert fitted.first_right.probability(np.array([plain, other])) == pytest.approx(
        [fitted.first_right.probability(plain[None])[0]] * 2, abs=1e-3
    )


def test_where_every_question_is_right_confidence_is_high_and_not_certain() -> None:
    right = [Observation("answerable", features(lead), True, True) for lead in np.linspace(0, 1, 8)]
    fitted = calibrate(right, AcceptedErrors(0.04, 0.02))
    assert fitted.first_right.probability(np.array([features(0), features(9)])) == pytest.approx([0.9, 0.9])
    assert fitted.rates["answerable_answered_right"] == 1
    assert verdicts(fitted, right) == ["answer"] * 8


def test_questions_that_a_line_separates_still_give_finite_weights() -> None:
    apart = [Observation("answerable", features(1 + n / 10), True, True) for n in range(10)]
    apart += unanswerable("far", *(-1 - n / 10 for n in range(10)))
    fitted = calibrate(apart, AcceptedErrors(0.04, 0.02))
    assert np.isfinite([*fitted.first_right.weights, fitted.first_right.bias]).all()
    assert fitted.rates == {
        "answerable_answered_right": 1,
        "answerable_answered_wrong": 0,
        "answerable_suggested_right": 0,
        "answerable_suggested_wrong": 0,
        "answerable_refused": 0,
        "far_answered": fitted.rates["far_answered"],
        "far_refused": fitted.rates["far_refused"],
    }


def test_the_same_questions_give_the_same_calibration() -> None:
    observations = sample(300) + unanswerable("near", *np.linspace(-1, 1, 60))
    accepted = AcceptedErrors(0.04, 0.02)
    assert calibrate(observations, accepted) == calibrate(observations, accepted)
