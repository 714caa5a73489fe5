"""From similarities to one score a scenario, on numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from app import ranking


def test_a_scenario_is_scored_by_its_best_text_and_its_three_best() -> None:
    similarities = np.array([0.9, 0.1, 0.8, 0.6, 0.2, 0.5], dtype=np.float32)
    owners = np.array([0, 0, 1, 0, 0, 1])
    best, mean = ranking.best_and_mean(similarities, owners, 2)
    np.testing.assert_allclose(best, [0.9, 0.8])
    # Three texts of the first: 0.9, 0.6, 0.2. The second has two only.
    np.testing.assert_allclose(mean, [1.7 / 3, 1.3 / 2], rtol=1e-6)


def test_the_order_in_which_texts_come_does_not_matter() -> None:
    generator = np.random.default_rng(7)
    similarities = generator.random(40, dtype=np.float32)
    owners = np.repeat(np.arange(8), 5)
    shuffled = generator.permutation(40)
    straight = ranking.best_and_mean(similarities, owners, 8)
    np.testing.assert_array_equal(
        straight, ranking.best_and_mean(similarities[shuffled], owners[shuffled], 8)
    )


def test_saturated_maps_bm25_to_less_than_one_and_keeps_the_order() -> None:
    share = ranking.saturated(np.array([0, 6, 60], dtype=np.float32))
    np.testing.assert_allclose(share, [0, 0.5, 60 / 66], rtol=1e-6)


def test_combined_weighs_the_signals() -> None:
    one = np.ones(1, dtype=np.float32)
    assert ranking.combined(one, 0 * one, 0 * one)[0] == pytest.approx(ranking.BEST_WEIGHT)
    assert ranking.combined(0 * one, one, 0 * one)[0] == pytest.approx(ranking.MEAN_WEIGHT)
    assert ranking.combined(0 * one, 0 * one, one)[0] == pytest.approx(ranking.LEXICAL_WEIGHT)


@pytest.mark.parametrize(
    ("scores", "margins"),
    [([0.5, 0.9, 0.7], [-0.4, 0.2, -0.2]), ([0.9, 0.9, 0.1], [0, 0, -0.8]), ([0.4], [0])],
)
def test_a_margin_is_the_distance_to_the_best_other_score(scores: list[float], margins: list[float]) -> None:
    np.testing.assert_allclose(ranking.margins(np.array(scores)), margins, atol=1e-9)
