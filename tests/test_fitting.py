"""What a build learns, with a tiny but real encoder: where the right weight is known, and twice the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.corpus import load_corpus
from app.corpus_search import MOST_HEADS, Texts, trials
from app.encoder import Embeddings
from app.fitting import Asked, Fitted, fit, learn_familiarity, signal_weights
from app.labelled import InScope, Labelled, OutOfScope
from app.ranking import SIGNALS
from app.scenarios import Scenario
from app.serving_index import save_ranking
from app.thresholds import AcceptedErrors
from tests.corpora import labelled_questions
from tests.tiny_encoder import TinyEncoder

ACCEPTED = AcceptedErrors(0.04, 0.02)
HEAD = SIGNALS.index("head")


def embed(texts: Sequence[str]) -> Embeddings:
    """As the cache does it: never asked for nothing."""
    assert texts
    return TinyEncoder().encode(texts)


@pytest.fixture
def scenarios(corpus_folder: Path) -> list[Scenario]:
    return list(load_corpus(corpus_folder).scenarios.values())


def fitted(scenarios: list[Scenario], labelled: Labelled) -> tuple[Fitted, list[str]]:
    """What is learned, and what is said meanwhile."""
    said: list[str] = []
    return fit(scenarios, labelled, embed, ACCEPTED, said.append), said


# --- the signals' weights


def test_only_the_signal_that_tells_right_from_wrong_gets_a_weight() -> None:
    generator = np.random.default_rng(5)
    questions = []
    for _ in range(200):
        signals = generator.random((4, len(SIGNALS))).astype(np.float32)
        right = int(signals[:, 2].argmax())
        questions.append((signals, frozenset({right})))
    weights = signal_weights(questions)
    assert weights.argmax() == 2
    assert weights[2] > 10 * np.delete(weights, 2).max()


def test_a_signal_that_speaks_for_the_wrong_ones_gets_none() -> None:
    against = np.array([[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]], dtype=np.float32)
    weights = signal_weights([(against, frozenset({1}))])
    assert weights[4] == 0
    assert weights[0] > 1
    np.testing.assert_allclose(weights[1:4], 0, atol=1e-3)


def test_the_weights_are_those_that_made_the_answers() -> None:
    """Right scenarios drawn with the probability that known weights give them."""
    known = np.array([1.5, 0, 0.5, 2, 1])
    generator = np.random.default_rng(11)
    questions = []
    for _ in range(6000):
        signals = generator.random((3, len(SIGNALS)))
        shares = np.exp(signals @ known)
        right = int(generator.choice(3, p=shares / shares.sum()))
        questions.append((signals.astype(np.float32), frozenset({right})))
    np.testing.assert_allclose(signal_weights(questions), known, atol=0.2)


def test_where_several_are_right_any_of_them_will_do() -> None:
    signals = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]], dtype=np.float32)
    weights = signal_weights([(signals, frozenset({0, 1}))])
    assert weights[2] == 0
    assert weights[0] == pytest.approx(weights[1], rel=1e-3)


# --- what is learned from a corpus


def test_a_question_without_its_scenario_is_one_that_nothing_answers() -> None:
    signals = np.arange(15, dtype=np.float32).reshape(3, 5)
    without = Asked("answerable", signals, frozenset({1}), (1.0, 0.5)).unanswered()
    assert (without.kind, without.right, without.measured) == ("near", frozenset(), (1.0, 0.5))
    assert without.signals.tolist() == [signals[0].tolist(), signals[2].tolist()]


def test_without_labelled_questions_the_corpus_own_texts_are_asked(scenarios: list[Scenario]) -> None:
    learned, said = fitted(scenarios, Labelled())
    assert said == ["no labelled questions: confidence fitted on the scenarios' own texts, held out in turn"]
    assert set(learned.calibration.rates) == {
        *(f"answerable_{name}" for name in ("answered_right", "answered_wrong", "refused")),
        *(f"answerable_suggested_{name}" for name in ("right", "wrong")),
        "near_answered",
        "near_refused",
    }
    assert learned.familiarity.measure(embed(["bread"])[0]) == (0, 0)


def test_labelled_questions_are_what_confidence_is_fitted_on(scenarios: list[Scenario]) -> None:
    labelled = labelled_questions("fit")
    learned, said = fitted(scenarios, labelled)
    assert said == ["confidence fitted on 12 labelled questions and 12 unanswerable ones"]
    rates = learned.calibration.rates
    assert {name.partition("_")[0] for name in rates} == {"answerable", "near", "far"}
    inside, outside = (
        np.mean([learned.familiarity.measure(embedding)[0] for embedding in embed(texts)])
        for texts in (
            [question.text for question in labelled.in_scope],
            [question.text for question in labelled.out_of_scope],
        )
    )
    assert inside > 0 > outside


def test_labels_of_scenarios_that_are_not_there_do_not_count(scenarios: list[Scenario]) -> None:
    known = labelled_questions("fit")
    strangers = [InScope(text="how do I saddle a horse", ok=[999])]
    also = [question.model_copy(update={"ok": [*question.ok, 999]}) for question in known.in_scope]
    plain, _ = fitted(scenarios, known)
    mixed, said = fitted(scenarios, Labelled([*also, *strangers], known.out_of_scope))
    assert mixed.calibration == plain.calibration
    assert said == ["confidence fitted on 12 labelled questions and 12 unanswerable ones"]
    _, said = fitted(scenarios, Labelled(strangers))
    assert said[0].startswith("no labelled questions: ")


def test_only_unanswerable_questions_are_of_use_too(scenarios: list[Scenario]) -> None:
    learned, said = fitted(scenarios, Labelled(out_of_scope=labelled_questions("fit").out_of_scope))
    assert said[0].startswith("no labelled questions: ")
    assert "far_refused" in learned.calibration.rates
    assert len(learned.familiarity.unanswerable) == 12


def test_of_few_unanswerable_questions_no_familiarity_is_learned(scenarios: list[Scenario]) -> None:
    few = Labelled(out_of_scope=[OutOfScope(text="how do I saddle a horse", kind="far")])
    learned, _ = fitted(scenarios, few)
    assert len(learned.familiarity.unanswerable) == 0
    assert learned.calibration.rates.keys() >= {"far_answered", "far_refused"}


def test_an_unanswerable_question_is_measured_without_itself(scenarios: list[Scenario]) -> None:
    texts = Texts.of(scenarios, embed)
    outside = embed([question.text for question in labelled_questions("fit").out_of_scope])
    familiarity, held_out = learn_familiarity(texts, outside)
    for row, (odds, nearest) in enumerate(held_out):
        others = np.sort(np.delete(outside, row, axis=0) @ outside[row])
        assert nearest == pytest.approx(others[-3:].mean(), abs=1e-5)
        # Not having been learned it looks more like a question for the corpus.
        assert odds > familiarity.measure(outside[row])[0]


@pytest.mark.parametrize("count", [1, 2])
def test_a_corpus_of_few_scenarios_ranks_without_a_classifier(scenarios: list[Scenario], count: int) -> None:
    learned, _ = fitted(scenarios[:count], Labelled())
    assert learned.search.ranker.head.shape == (0, TinyEncoder.dimension)
    text = scenarios[0].asked_as[0]
    signals = learned.search.signals(text, embed([text])[0])
    assert int(np.argmax(learned.search.ranker.scores(signals))) == 0
    assert 0 <= learned.calibration.suggestion_confidence <= learned.calibration.answer_confidence <= 1


def many(scenarios: list[Scenario], count: int) -> list[Scenario]:
    """Tiny scenarios, each with one text that it alone has."""
    return [
        replace(
            scenarios[0], id=number, title=f"T{number}", problem=f"p{number}", short_answer=f"s{number}",
            asked_as=(f"question {number * 7919} of {number}",), answer="", tags=(),
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def test_a_large_corpus_is_ranked_without_a_classifier_and_the_build_says_so(
    scenarios: list[Scenario],
) -> None:
    large = many(scenarios, MOST_HEADS + 1)
    labelled = Labelled([InScope(text=one.asked_as[0], ok=[one.id]) for one in large[::50]])
    learned, said = fitted(large, labelled)
    assert said[0] == "1001 scenarios: ranked without a classifier, which is for up to 1000"
    ranker = learned.search.ranker
    assert (len(ranker.head), len(ranker.bias), len(ranker.centroids)) == (0, 0, 1001)
    text = large[700].asked_as[0]
    signals = learned.search.signals(text, embed([text])[0])
    assert not signals[:, HEAD].any()
    assert int(np.argmax(ranker.scores(signals))) == 700


def test_a_corpus_within_the_limit_has_a_classifier(scenarios: list[Scenario]) -> None:
    learned, said = fitted(scenarios, labelled_questions("fit"))
    assert learned.search.ranker.head.shape == (3, TinyEncoder.dimension)
    assert not any("without a classifier" in line for line in said)


# --- held out, and the same every time


def test_each_text_is_asked_once_of_a_search_that_has_not_seen_it(scenarios: list[Scenario]) -> None:
    texts = Texts.of(scenarios, embed)
    asked = list(trials(scenarios, texts, {"asked_as"}))
    assert sorted(trial.text for trial in asked) == sorted(
        text for scenario in scenarios for text in scenario.asked_as
    )
    for trial in asked:
        assert scenarios[trial.answer].asked_as.count(trial.text) == 1
        # Only a text itself has similarity 1.
        assert trial.signals[:, SIGNALS.index("best")].max() < 0.999


@pytest.mark.parametrize("labelled", [Labelled(), labelled_questions("fit")], ids=["own texts", "labelled"])
def test_the_same_corpus_gives_the_same_bytes(
    scenarios: list[Scenario], tmp_path: Path, labelled: Labelled
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        save_ranking(folder, fitted(scenarios, labelled)[0], [])
    names = sorted(path.name for path in folders[0].iterdir() if path.is_file())
    assert {"ranker.npz", "calibration.json", "familiarity.npz", "vectors.faiss"} <= set(names)
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
