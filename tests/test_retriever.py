"""Ranking with a tiny but real encoder: exact order, exact scores."""

from __future__ import annotations

import numpy as np
import pytest

from app import ranking
from app.calibration import Calibration
from app.lexical_index import LexicalIndex
from app.retriever import Retriever
from app.vector_index import VectorIndex
from tests.tiny_encoder import TinyEncoder

TEXTS = {
    7: ["N+1 queries in a list view", "select_related for foreign keys", "one query per row"],
    16: ["JWT access and refresh tokens", "simplejwt settings"],
    9: ["cache_page serves static data", "high CPU for the same response"],
}


@pytest.fixture
def retriever() -> Retriever:
    encoder = TinyEncoder()
    texts = [text for group in TEXTS.values() for text in group]
    owners = np.repeat(np.arange(len(TEXTS)), [len(group) for group in TEXTS.values()])
    return Retriever(
        encoder=encoder,
        vectors=VectorIndex.build(encoder.encode(texts)),
        lexical=LexicalIndex.build([" ".join(group) for group in TEXTS.values()]),
        owners=owners,
        scenario_ids=list(TEXTS),
        calibration=Calibration(score_weight=6, margin_weight=6, bias=-3),
    )


def test_every_scenario_is_ranked_by_the_combined_score(retriever: Retriever) -> None:
    query = "one query per row"
    candidates = retriever.search(query)
    assert candidates[0].scenario_id == 7
    assert sorted(candidate.scenario_id for candidate in candidates) == [7, 9, 16]
    assert [candidate.score for candidate in candidates] == sorted(
        (candidate.score for candidate in candidates), reverse=True
    )
    first = candidates[0]
    cosines = np.sort(TinyEncoder().encode(TEXTS[7]) @ TinyEncoder().encode([query])[0])[::-1]
    assert first.signals["best"] == pytest.approx(1, abs=1e-3)
    assert first.signals["mean"] == pytest.approx(cosines.mean(), abs=1e-3)
    assert first.score == pytest.approx(
        ranking.BEST_WEIGHT * first.signals["best"]
        + ranking.MEAN_WEIGHT * first.signals["mean"]
        + ranking.LEXICAL_WEIGHT * first.signals["lexical"],
        abs=1e-3,
    )


def test_confidence_falls_with_the_rank(retriever: Retriever) -> None:
    confidences = [candidate.confidence for candidate in retriever.search("simplejwt refresh tokens")]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 < confidence < 1 for confidence in confidences)


def test_a_search_can_be_narrowed_down(retriever: Retriever) -> None:
    candidates = retriever.search("one query per row", among={9, 16})
    assert {candidate.scenario_id for candidate in candidates} == {9, 16}
    assert retriever.search("one query per row", among=set()) == []
