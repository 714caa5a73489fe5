"""How much a question looks like one for the corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.familiarity import Familiarity
from app.vector_index import VectorIndex

QUESTION = np.array([0.6, 0.8], dtype=np.float32)


def familiarity(*unanswerable: tuple[float, float]) -> Familiarity:
    rows = np.array(unanswerable, dtype=np.float32).reshape(-1, 2)
    return Familiarity(np.array([2, -1], dtype=np.float32), 0.25, VectorIndex.build(rows))


def test_it_is_the_classifiers_odds_and_the_mean_of_the_three_nearest_unanswerable_questions() -> None:
    measured = familiarity((1, 0), (0, 1), (0.6, 0.8), (-1, 0)).measure(QUESTION)
    assert measured == pytest.approx((2 * 0.6 - 0.8 + 0.25, (1 + 0.8 + 0.6) / 3), rel=1e-3)


def test_of_two_unanswerable_questions_both_count() -> None:
    assert familiarity((1, 0), (0, 1)).measure(QUESTION)[1] == pytest.approx(0.7)


def test_where_no_unanswerable_question_is_known_all_questions_are_alike() -> None:
    unknown = Familiarity.unknown(2)
    assert unknown.measure(QUESTION) == unknown.measure(-QUESTION) == (0, 0)


@pytest.mark.parametrize("known", [((1.0, 0.0), (0.0, 1.0)), ()])
def test_it_survives_saving(tmp_path: Path, known: tuple[tuple[float, float], ...]) -> None:
    saved = familiarity(*known)
    saved.save(tmp_path / "familiarity.npz")
    assert Familiarity.load(tmp_path / "familiarity.npz").measure(QUESTION) == saved.measure(QUESTION)
