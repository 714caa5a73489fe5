"""The measures of an evaluation, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from app.measures import BINS, Chance, Paired, bins_of, calibration_error, coverage, reliability


def test_bins_hold_equally_many_from_the_least_to_the_most_confident() -> None:
    confidences = np.linspace(1, 0, 25)
    parts = bins_of(confidences)
    assert [len(part) for part in parts] == [3] * 5 + [2] * 5
    assert list(parts[0]) == [24, 23, 22]
    assert list(parts[-1]) == [1, 0]
    assert [len(part) for part in bins_of(np.array([0.5, 0.1]))] == [1, 1]


def test_the_calibration_error_is_the_mean_gap_between_said_and_right() -> None:
    # Ten bins of two: said 0.9 and right 1 in five of them (gap 0.1), said 0.2 and right 0.5 in the others (0.3).
    confidences = np.array([0.9] * 10 + [0.2] * 10)
    right = np.array([True] * 10 + [True, False] * 5)
    assert calibration_error(confidences, right) == pytest.approx(0.2)


def test_the_calibration_error_takes_many_outcomes_at_once() -> None:
    confidences = np.full(20, 0.5)
    right = np.array([[True] * 20, [True, False] * 10])
    assert calibration_error(confidences, right) == pytest.approx([0.5, 0.0])


def test_chance_alone_makes_an_error_that_shrinks_with_more_questions_and_is_drawn_the_same_each_time() -> (
    None
):
    few, many = Chance.of(np.full(50, 0.5)), Chance.of(np.full(5000, 0.5))
    # The mean gap of a bin of n fair coins is sqrt(1 / (2 pi n)), for bins of 5 exactly 3/16, of 500 0.0178.
    assert few.mean == pytest.approx(0.1875, abs=0.002)
    assert many.mean == pytest.approx(0.0178, abs=0.0005)
    assert few.mean < few.upper
    assert Chance.of(np.full(50, 0.5)) == few
    # Who is always sure and always right has no error to make.
    assert Chance.of(np.ones(50)) == Chance(0.0, 0.0)


def test_reliability_says_what_was_said_and_what_was_right_in_each_bin() -> None:
    confidences = np.array([0.1] * BINS + [0.8] * BINS)
    right = np.array([False] * BINS + [True] * BINS)
    rows = reliability(confidences, right)
    assert rows[0] == {"confidence": 0.1, "right": 0.0, "questions": 2}
    assert rows[-1] == {"confidence": 0.8, "right": 1.0, "questions": 2}
    assert len(rows) == BINS


def test_coverage_answers_the_surest_first() -> None:
    rows = coverage(np.array([0.2, 0.9, 0.6, 0.7]), np.array([False, True, True, False]))
    # In order 0.9 right, 0.7 wrong, 0.6 right, 0.2 wrong.
    assert rows == [
        {"answered": 0.25, "wrong": 0.0},
        {"answered": 0.5, "wrong": 0.5},
        {"answered": 0.75, "wrong": 0.3333},
        {"answered": 1.0, "wrong": 0.5},
    ]


def paired(lost: int, won: int, same: int = 10) -> Paired:
    before = np.array([True] * lost + [False] * won + [True] * same)
    now = np.array([False] * lost + [True] * won + [True] * same)
    return Paired.of(before, now)


def test_a_paired_test_counts_only_what_changed() -> None:
    change = paired(lost=1, won=3, same=6)
    assert (change.questions, change.lost, change.won) == (10, 1, 3)
    assert (change.before, change.now) == (0.7, 0.9)
    # At least 1 of 4 by fair coins: 15/16.
    assert change.p == pytest.approx(15 / 16)
    assert paired(0, 0).p == 1.0


@pytest.mark.parametrize(
    ("lost", "won", "p", "is_worse"),
    [(4, 0, 1 / 16, False), (5, 0, 1 / 32, True), (7, 1, 9 / 256, True), (7, 2, 46 / 512, False), (0, 20, 1, False)],
)  # fmt: skip
def test_quality_is_worse_when_so_many_losses_are_unlikely_by_chance(
    lost: int, won: int, p: float, is_worse: bool
) -> None:
    change = paired(lost, won)
    assert change.p == pytest.approx(p)
    assert change.is_worse is is_worse
