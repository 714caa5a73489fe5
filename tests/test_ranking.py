"""From similarities to signals and one score a scenario, on numbers that can be checked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app import ranking
from app.ranking import HEAD_SCALE, Ranker


def floats(*values: object) -> np.ndarray:
    return np.array(values, dtype=np.float32)


# Two scenarios in two dimensions; the first one lies along the first axis.
RANKER = Ranker(
    centroids=floats([1, 0], [0, 1]),
    head=floats([2, 0], [0, 2]),
    bias=floats(0, 0.5),
    weights=floats(1, 2, 3, 4, 5),
)


def test_a_scenario_is_scored_by_its_best_text_and_its_three_best() -> None:
    similarities = floats(0.9, 0.8, 0.6, 0.5, 0.2, 0.1)
    owners = np.array([0, 1, 0, 1, 0, 0])
    best, mean = ranking.best_and_mean(similarities, owners, 2)
    np.testing.assert_allclose(best, [0.9, 0.8])
    # Three texts of the first: 0.9, 0.6, 0.2. The second has two only; 0.1 stands for its third.
    np.testing.assert_allclose(mean, [1.7 / 3, 1.4 / 3], rtol=1e-6)


def test_a_scenario_without_a_near_text_gets_the_last_similarity() -> None:
    best, mean = ranking.best_and_mean(floats(0.9, 0.4), np.array([1, 1]), 3)
    np.testing.assert_allclose(best, [0.4, 0.9, 0.4])
    np.testing.assert_allclose(mean, [0.4, 1.7 / 3, 0.4], rtol=1e-6)


def test_the_signals_are_those_that_their_names_say() -> None:
    signals = RANKER.signals(
        embedding=floats(0.6, 0.8),
        similarities=floats(0.9, 0.7, 0.3),
        owners=np.array([1, 0, 1]),
        bm25=floats(0, 6),
    )
    assert ranking.SIGNALS == ("best", "mean", "centroid", "head", "lexical")
    # The classifier's odds are 2 x 0.6 and 2 x 0.8 + 0.5.
    log_probability = floats(1.2, 2.1) - np.log(np.exp(1.2) + np.exp(2.1))
    np.testing.assert_allclose(
        signals.T,
        [[0.7, 0.9], [1.3 / 3, 1.5 / 3], [0.6, 0.8], HEAD_SCALE * log_probability, [0, 0.5]],
        rtol=1e-6,
    )


def test_without_a_head_its_signal_tells_nothing_apart() -> None:
    ranker = Ranker(RANKER.centroids, np.zeros((0, 2), np.float32), np.zeros(0, np.float32), RANKER.weights)
    signals = ranker.signals(floats(0.6, 0.8), floats(0.9), np.array([1]), floats(0, 0))
    assert signals[:, ranking.SIGNALS.index("head")].tolist() == [0, 0]


def test_the_score_is_the_weighted_sum() -> None:
    signals = floats([1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 1, 1])
    assert RANKER.scores(signals).tolist() == [1, 2, 12]


def test_of_equal_scores_the_one_that_stands_first_is_first() -> None:
    assert ranking.in_order(floats(0.2, 0.7, 0.2, 0.7)).tolist() == [1, 3, 0, 2]


def test_saturated_maps_bm25_to_less_than_one_and_keeps_the_order() -> None:
    np.testing.assert_allclose(ranking.saturated(floats(0, 6, 60)), [0, 0.5, 60 / 66], rtol=1e-6)


@pytest.mark.parametrize("shift", [0, 1000, -1000])
def test_shares_add_up_to_one_however_large_the_scores_are(shift: float) -> None:
    shares = ranking.shares(floats(shift, shift + np.log(3)))
    np.testing.assert_allclose(shares, [0.25, 0.75], rtol=1e-3)


def test_a_ranker_survives_saving(tmp_path: Path) -> None:
    RANKER.save(tmp_path / "ranker.npz")
    loaded = Ranker.load(tmp_path / "ranker.npz")
    for name in ("centroids", "head", "bias", "weights"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(RANKER, name))
