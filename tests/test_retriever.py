"""Ranking with a tiny but real encoder: exact order, exact scores, exact confidence."""

from __future__ import annotations

import numpy as np
import pytest

from app.calibration import FEATURES, Calibration, Logistic
from app.familiarity import Familiarity
from app.lexical_index import LexicalIndex
from app.ranking import SIGNALS, Ranker
from app.retriever import Retriever
from app.vector_index import VectorIndex
from tests.tiny_encoder import TinyEncoder

TEXTS = {
    7: ["N+1 queries in a list view", "select_related for foreign keys", "one query per row"],
    16: ["JWT access and refresh tokens", "simplejwt settings"],
    9: ["cache_page serves static data", "high CPU for the same response"],
    3: ["bread in an oven", "dough and yeast"],
}
WEIGHTS = np.array([1, 2, 0.5, 0, 3], dtype=np.float32)
QUERY = "one query per row"


def by_lead(weight: float, bias: float) -> Logistic:
    return Logistic((weight, *[0.0] * (len(FEATURES) - 1)), bias)


@pytest.fixture
def retriever() -> Retriever:
    encoder = TinyEncoder()
    texts = [text for group in TEXTS.values() for text in group]
    embeddings = encoder.encode(texts)
    owners = np.repeat(np.arange(len(TEXTS)), [len(group) for group in TEXTS.values()])
    centroids = np.stack([embeddings[owners == place].mean(axis=0) for place in range(len(TEXTS))])
    return Retriever(
        encoder=encoder,
        vectors=VectorIndex.build(embeddings),
        lexical=LexicalIndex.build([" ".join(group) for group in TEXTS.values()]),
        owners=owners,
        scenario_ids=list(TEXTS),
        ranker=Ranker(centroids, np.zeros((0, 64), np.float32), np.zeros(0, np.float32), WEIGHTS),
        familiarity=Familiarity.unknown(encoder.dimension),
        calibration=Calibration(by_lead(1, -1), by_lead(1, 0), 0.8, 0.2, {}),
    )


def test_every_scenario_is_ranked_by_the_weighted_sum_of_its_signals(retriever: Retriever) -> None:
    candidates = retriever.search(QUERY).candidates
    assert candidates[0].scenario_id == 7
    assert {candidate.scenario_id for candidate in candidates} == set(TEXTS)
    scores = [candidate.score for candidate in candidates]
    assert scores == sorted(scores, reverse=True)
    for candidate in candidates:
        assert list(candidate.signals) == list(SIGNALS)
        assert candidate.score == pytest.approx(
            WEIGHTS @ np.array(list(candidate.signals.values())), abs=1e-3
        )


def test_the_signals_of_the_first_are_those_of_its_texts(retriever: Retriever) -> None:
    signals = retriever.search(QUERY).candidates[0].signals
    embedding = TinyEncoder().encode([QUERY])[0]
    cosines = TinyEncoder().encode(TEXTS[7]) @ embedding
    assert signals["best"] == pytest.approx(1, rel=1e-3)
    assert signals["mean"] == pytest.approx(cosines.mean(), rel=1e-3)
    assert signals["centroid"] == pytest.approx(cosines.mean(), rel=1e-3)
    assert signals["head"] == 0
    bm25 = LexicalIndex.build([" ".join(group) for group in TEXTS.values()]).scores(QUERY)[0]
    assert signals["lexical"] == pytest.approx(bm25 / (bm25 + 6), abs=1e-4)


def test_the_first_is_as_sure_as_calibrated_and_the_next_two_share_the_rest(retriever: Retriever) -> None:
    ranking = retriever.search(QUERY)
    first, second, third, fourth = ranking.candidates
    lead = first.score - second.score
    assert ranking.first_right == first.confidence == pytest.approx(1 / (1 + np.exp(1 - lead)), abs=1e-6)
    assert ranking.any_right == pytest.approx(1 / (1 + np.exp(-lead)), abs=1e-6)
    assert second.confidence + third.confidence == pytest.approx(ranking.any_right - ranking.first_right)
    assert second.confidence / third.confidence == pytest.approx(np.exp(second.score - third.score), rel=1e-4)
    assert fourth.confidence == 0


def test_narrowed_down_a_scenario_scores_the_same_and_is_less_sure_if_a_better_one_is_left_out(
    retriever: Retriever,
) -> None:
    everything = {candidate.scenario_id: candidate for candidate in retriever.search(QUERY).candidates}
    ranking = retriever.search(QUERY, among={9, 16})
    assert {candidate.scenario_id for candidate in ranking.candidates} == {9, 16}
    first = ranking.candidates[0]
    assert first.score == everything[first.scenario_id].score
    behind = everything[7].score - first.score
    assert ranking.first_right == pytest.approx(1 / (1 + np.exp(1 + behind)), abs=1e-6)
    assert ranking.first_right < 0.27


def test_narrowed_down_to_one_scenario_the_others_are_still_its_rivals(retriever: Retriever) -> None:
    alone = retriever.search(QUERY, among={7})
    assert [candidate.scenario_id for candidate in alone.candidates] == [7]
    assert alone.first_right == retriever.search(QUERY).first_right


def test_narrowed_down_to_nothing_nothing_is_found(retriever: Retriever) -> None:
    ranking = retriever.search(QUERY, among=set())
    assert (ranking.candidates, ranking.first_right, ranking.any_right) == ([], 0, 0)
