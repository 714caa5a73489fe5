"""What is learned from the corpus when an index is built. Deterministic: nothing is drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from app.calibration import SHOWN, Calibration, features_of
from app.corpus_search import FOLDS, MOST_HEADS, Embed, Search, Texts, trials
from app.encoder import Embeddings
from app.familiarity import NEAREST, Familiarity
from app.labelled import InScope, Labelled, OutOfScope
from app.ranking import SIGNALS, Ranker, Scores, in_order
from app.scenarios import Scenario
from app.thresholds import AcceptedErrors, Observation, calibrate
from app.vector_index import VectorIndex

Report = Callable[[str], None]
Measured = tuple[float, float]

FAMILIARITY_C = 5.0
WEIGHT_RIDGE = 1e-3


@dataclass(frozen=True)
class Asked:
    """A question's signals, the places of the scenarios that answer it, and what familiarity measures of it."""

    kind: str
    signals: Scores
    right: frozenset[int]
    measured: Measured

    def observation(self, ranker: Ranker) -> Observation:
        scores = ranker.scores(self.signals)
        order = in_order(scores)
        return Observation(
            self.kind,
            features_of(scores, self.signals, order, *self.measured),
            bool(order[0] in self.right),
            bool(self.right & set(order[:SHOWN].tolist())),
        )

    def unanswered(self) -> Asked:
        """The same question of a corpus without the scenarios that answer it."""
        return Asked("near", np.delete(self.signals, list(self.right), axis=0), frozenset(), self.measured)


@dataclass(frozen=True)
class Fitted:
    """All that is learned from a corpus."""

    search: Search
    familiarity: Familiarity
    calibration: Calibration


def fit(
    scenarios: Sequence[Scenario],
    labelled: Labelled,
    embed: Embed,
    accepted: AcceptedErrors,
    report: Report,
) -> Fitted:
    """Learn to rank `scenarios`, at least one, and to know how sure the ranking is.

    The signals' weights and the calibration are fitted on the `labelled` questions where there are some for
    these scenarios, and else on the corpus' own texts, each held out in turn. `embed` is given at least one text.
    """
    if len(scenarios) > MOST_HEADS:
        report(f"{len(scenarios)} scenarios: ranked without a classifier, which is for up to {MOST_HEADS}")
    texts = Texts.of(scenarios, embed)
    search = Search.learn(scenarios, texts)
    outside = _embeddings(labelled.out_of_scope, embed, texts)
    familiarity, held_out = learn_familiarity(texts, outside)
    answerable = _labelled_questions(scenarios, labelled, search, familiarity, embed)
    if answerable:
        report(
            f"confidence fitted on {len(answerable)} labelled questions and {len(outside)} unanswerable ones"
        )
    else:
        report("no labelled questions: confidence fitted on the scenarios' own texts, held out in turn")
        answerable = _own_texts(scenarios, texts, familiarity)
    search = search.weighted(signal_weights([(asked.signals, asked.right) for asked in answerable]))
    unanswerable = [
        Asked(question.kind, search.signals(question.text, embedding), frozenset(), measured)
        for question, embedding, measured in zip(labelled.out_of_scope, outside, held_out, strict=True)
    ] or [asked.unanswered() for asked in answerable if len(asked.right) < len(scenarios)]
    observations = [asked.observation(search.ranker) for asked in [*answerable, *unanswerable]]
    return Fitted(search, familiarity, calibrate(observations, accepted))


def signal_weights(answerable: Sequence[tuple[Scores, frozenset[int]]]) -> Scores:
    """Weights under which the softmax of the scores gives the right scenarios most probability; none below 0.

    Each question is its signals, shape (scenarios, len(SIGNALS)), and the places of its right scenarios.
    """

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, gradient = 0.0, np.zeros(len(SIGNALS))
        for signals, right in answerable:
            scores = signals @ weights
            shares = np.exp(scores - scores.max())
            shares /= shares.sum()
            inside = np.zeros(len(shares))
            inside[list(right)] = shares[list(right)]
            probability = max(inside.sum(), 1e-12)
            total -= np.log(probability)
            gradient -= (inside / probability - shares) @ signals
        count = len(answerable)
        return (
            total / count + WEIGHT_RIDGE / 2 * float(weights @ weights),
            gradient / count + WEIGHT_RIDGE * weights,
        )

    start = np.ones(len(SIGNALS))
    solution = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(SIGNALS))
    weights: Scores = solution.x.astype(np.float32)
    return weights


def learn_familiarity(texts: Texts, outside: Embeddings) -> tuple[Familiarity, list[Measured]]:
    """What is learned from all unanswerable questions, and for each what is measured without itself.

    With fewer of them than folds nothing is learned.
    """
    if len(outside) < FOLDS:
        return Familiarity.unknown(texts.embeddings.shape[1]), [(0.0, 0.0)] * len(outside)
    odds = np.zeros(len(outside))
    for fold in range(FOLDS):
        weights, bias = _told_apart(texts, np.delete(outside, np.s_[fold::FOLDS], axis=0))
        odds[fold::FOLDS] = outside[fold::FOLDS] @ weights + bias
    alike = outside @ outside.T
    np.fill_diagonal(alike, -1)
    nearest = np.sort(alike, axis=1)[:, -NEAREST:].mean(axis=1)
    familiarity = Familiarity(*_told_apart(texts, outside), VectorIndex.build(outside))
    return familiarity, list(zip(odds.tolist(), nearest.tolist(), strict=True))


def _labelled_questions(
    scenarios: Sequence[Scenario], labelled: Labelled, search: Search, familiarity: Familiarity, embed: Embed
) -> list[Asked]:
    """The questions that these scenarios answer; labels of scenarios that are not there do not count."""
    places = {scenario.id: place for place, scenario in enumerate(scenarios)}
    questions = [question for question in labelled.in_scope if places.keys() & set(question.ok)]
    return [
        Asked(
            "answerable",
            search.signals(question.text, embedding),
            frozenset(places[number] for number in question.ok if number in places),
            familiarity.measure(embedding),
        )
        for question, embedding in zip(questions, _embeddings(questions, embed, search.texts), strict=True)
    ]


def _own_texts(scenarios: Sequence[Scenario], texts: Texts, familiarity: Familiarity) -> list[Asked]:
    return [
        Asked("answerable", trial.signals, frozenset({trial.answer}), familiarity.measure(trial.embedding))
        for trial in trials(scenarios, texts, {"asked_as"})
    ]


def _embeddings(questions: Sequence[InScope | OutOfScope], embed: Embed, texts: Texts) -> Embeddings:
    """Of shape (len(questions), d)."""
    if not questions:
        return np.zeros((0, texts.embeddings.shape[1]), dtype=np.float32)
    return embed([question.text for question in questions])


def _told_apart(texts: Texts, outside: Embeddings) -> tuple[Embeddings, float]:
    """A linear classifier: the corpus' texts against questions that it does not answer."""
    inside = texts.embeddings
    classifier = LogisticRegression(C=FAMILIARITY_C, max_iter=300, class_weight="balanced")
    classifier.fit(np.concatenate([inside, outside]), [1] * len(inside) + [0] * len(outside))
    return classifier.coef_[0].astype(np.float32), float(classifier.intercept_[0])
