"""What is learned from the corpus when an index is built. Deterministic: nothing is drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from app.calibration import Calibration, features_of
from app.encoder import Embeddings
from app.familiarity import NEAREST, Familiarity
from app.labelled import Labelled
from app.lexical_index import LexicalIndex
from app.ranking import NEAREST_TEXTS, SIGNALS, Ranker, Scores
from app.scenarios import Scenario
from app.thresholds import AcceptedErrors, Observation, calibrate
from app.vector_index import VectorIndex

Embed = Callable[[Sequence[str]], Embeddings]

FOLDS = 5
# A linear head has a row for each scenario and is fitted on all texts; beyond this many it would not be a matter
# of seconds, and the signals that need no fitting carry the ranking alone.
MOST_HEADS = 1000
# Inverse strength of regularisation; 3, 10 and 30 differ little (see evaluation/README.md).
HEAD_C, FAMILIARITY_C = 10.0, 5.0
WEIGHT_RIDGE = 1e-3


@dataclass(frozen=True)
class Texts:
    """All texts of the corpus in rows: kind and text, embedding (rows, d), place of the scenario."""

    pairs: list[tuple[str, str]]
    embeddings: Embeddings
    owners: NDArray[np.int64]

    @classmethod
    def of(cls, scenarios: Sequence[Scenario], embed: Embed) -> Texts:
        rows = [(place, pair) for place, scenario in enumerate(scenarios) for pair in scenario.texts()]
        pairs = [pair for _, pair in rows]
        owners = np.array([place for place, _ in rows], dtype=np.int64)
        return cls(pairs, embed([text for _, text in pairs]), owners)

    def keep(self, rows: NDArray[np.int64]) -> Texts:
        return Texts([self.pairs[row] for row in rows], self.embeddings[rows], self.owners[rows])

    def rows_of(self, kinds: Collection[str]) -> NDArray[np.int64]:
        return np.array([row for row, (kind, _) in enumerate(self.pairs) if kind in kinds], dtype=np.int64)


@dataclass(frozen=True)
class Search:
    """The three indexes of a corpus, asked as the retriever asks them."""

    texts: Texts
    vectors: VectorIndex
    lexical: LexicalIndex
    ranker: Ranker

    @classmethod
    def learn(cls, scenarios: Sequence[Scenario], texts: Texts, held_out: frozenset[str]) -> Search:
        """`texts` are what may be learned from; the words of `held_out` are kept from BM25 as well."""
        documents = [lexical_document(scenario, held_out) for scenario in scenarios]
        return cls(
            texts,
            VectorIndex.build(texts.embeddings),
            LexicalIndex.build(documents),
            _ranker(texts, len(scenarios)),
        )

    def signals(self, text: str, embedding: Embeddings) -> Scores:
        similarities, rows = self.vectors.search(embedding, NEAREST_TEXTS)
        return self.ranker.signals(
            embedding, similarities, self.texts.owners[rows], self.lexical.scores(text)
        )


@dataclass(frozen=True)
class Trial:
    """A text of scenario number `answer`, asked of a search that has not seen it."""

    kind: str
    text: str
    signals: Scores
    answer: int


@dataclass(frozen=True)
class Fitted:
    """All that is learned from a corpus."""

    search: Search
    familiarity: Familiarity
    calibration: Calibration


def lexical_document(scenario: Scenario, held_out: frozenset[str] = frozenset()) -> str:
    """The words under which BM25 finds a scenario: its texts without those held out, its prose and its code."""
    texts = [text for _, text in scenario.texts() if text not in held_out]
    return "\n".join([*texts, *scenario.tags, scenario.answer, scenario.watch_out, scenario.check_it])


def fit(
    scenarios: Sequence[Scenario],
    labelled: Labelled,
    embed: Embed,
    accepted: AcceptedErrors,
    report: Callable[[str], None],
) -> Fitted:
    """Learn to rank `scenarios` and to know how sure the ranking is.

    The signals' weights and the calibration are fitted on the `labelled` questions where there are some for
    these scenarios, and else on the corpus' own texts, each held out in turn.
    """
    texts = Texts.of(scenarios, embed)
    if len(scenarios) > MOST_HEADS:
        report(f"{len(scenarios)} scenarios: ranked without a classifier, which is for up to {MOST_HEADS}")
    search = Search.learn(scenarios, texts, frozenset())
    places = {scenario.id: place for place, scenario in enumerate(scenarios)}
    asked = [question for question in labelled.in_scope if places.keys() & set(question.ok)]
    outside = embed([question.text for question in labelled.out_of_scope])
    if asked:
        report(f"confidence fitted on {len(asked)} labelled questions and {len(outside)} unanswerable ones")
        answerable = [
            (search.signals(question.text, embedding), {places[ok] for ok in question.ok if ok in places})
            for question, embedding in zip(asked, embed([question.text for question in asked]), strict=True)
        ]
        inside = embed([question.text for question in asked])
    else:
        report("no labelled questions: confidence fitted on the scenarios' own texts, held out in turn")
        held_out = list(trials(scenarios, texts, {"asked_as"}))
        answerable = [(trial.signals, {trial.answer}) for trial in held_out]
        inside = embed([trial.text for trial in held_out])
    ranker = Ranker(
        search.ranker.centroids, search.ranker.head, search.ranker.bias, signal_weights(answerable)
    )
    search = Search(texts, search.vectors, search.lexical, ranker)
    familiarity, cross_fitted = _familiarity(texts, outside)
    observations = [
        Observation("answerable", *_outcome(ranker, signals, right, familiarity.measure(embedding)))
        for (signals, right), embedding in zip(answerable, inside, strict=True)
    ]
    if len(outside):
        observations += [
            Observation(
                question.kind, *_outcome(ranker, search.signals(question.text, embedding), set(), measured)
            )
            for question, embedding, measured in zip(
                labelled.out_of_scope, outside, cross_fitted, strict=True
            )
        ]
    elif len(scenarios) > 1:
        # With its own scenario taken away a text becomes a question that nothing answers.
        observations += [
            Observation(
                "near",
                *_outcome(
                    ranker, np.delete(signals, list(right), axis=0), set(), familiarity.measure(embedding)
                ),
            )
            for (signals, right), embedding in zip(answerable, inside, strict=True)
            if len(right) < len(signals)
        ]
    return Fitted(search, familiarity, calibrate(observations, accepted))


def trials(scenarios: Sequence[Scenario], texts: Texts, kinds: Collection[str]) -> Iterator[Trial]:
    """Ask every text of the given kinds, a fifth of them at a time, while that fifth is held out."""
    asked = texts.rows_of(kinds)
    for fold in range(FOLDS):
        held_out = asked[fold::FOLDS]
        kept = texts.keep(np.setdiff1d(np.arange(len(texts.pairs)), held_out))
        words = frozenset(texts.pairs[row][1] for row in held_out)
        search = Search.learn(scenarios, kept, words)
        for row in held_out:
            kind, text = texts.pairs[row]
            yield Trial(kind, text, search.signals(text, texts.embeddings[row]), int(texts.owners[row]))


def _ranker(texts: Texts, scenarios: int) -> Ranker:
    dimension = texts.embeddings.shape[1]
    centroids = np.zeros((scenarios, dimension), dtype=np.float32)
    np.add.at(centroids, texts.owners, texts.embeddings)
    centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-9)
    head, bias = np.zeros_like(centroids), np.zeros(scenarios, dtype=np.float32)
    if 2 < scenarios <= MOST_HEADS:
        classifier = LogisticRegression(C=HEAD_C, max_iter=100, tol=1e-3)
        classifier.fit(texts.embeddings, texts.owners)
        head, bias = classifier.coef_.astype(np.float32), classifier.intercept_.astype(np.float32)
    return Ranker(centroids, head, bias, np.ones(len(SIGNALS), dtype=np.float32))


def signal_weights(answerable: Sequence[tuple[Scores, set[int]]]) -> Scores:
    """Weights under which the softmax of the scores gives the right scenarios most probability; none below 0."""

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


def _familiarity(texts: Texts, outside: Embeddings) -> tuple[Familiarity, list[tuple[float, float]]]:
    """What is learned from all unanswerable questions, and for each of them what is learned from the others."""
    if len(outside) < FOLDS:
        return Familiarity.unknown(texts.embeddings.shape[1]), [(0.0, 0.0)] * len(outside)
    measured = np.zeros((len(outside), 2))
    for fold in range(FOLDS):
        held_out = np.arange(len(outside))[fold::FOLDS]
        others = np.delete(outside, held_out, axis=0)
        part = Familiarity(*_told_apart(texts, others), others)
        measured[held_out] = [part.measure(outside[row]) for row in held_out]
    # The nearest of all others need no fitting, only the question itself must not count.
    alike = outside @ outside.T
    np.fill_diagonal(alike, -1)
    measured[:, 1] = np.sort(alike, axis=1)[:, -NEAREST:].mean(axis=1)
    return Familiarity(*_told_apart(texts, outside), outside), [(float(a), float(b)) for a, b in measured]


def _told_apart(texts: Texts, outside: Embeddings) -> tuple[Embeddings, float]:
    """A linear classifier: the corpus' texts against questions that it does not answer."""
    inside = texts.embeddings
    classifier = LogisticRegression(C=FAMILIARITY_C, max_iter=300, class_weight="balanced")
    classifier.fit(np.concatenate([inside, outside]), [1] * len(inside) + [0] * len(outside))
    return classifier.coef_[0].astype(np.float32), float(classifier.intercept_[0])


def _outcome(
    ranker: Ranker, signals: Scores, right: set[int], measured: tuple[float, float]
) -> tuple[NDArray[np.float64], bool, bool]:
    """Features of one ranking, and whether its first and any of its shown candidates are right."""
    scores = ranker.scores(signals)
    order = np.argsort(-scores, kind="stable")
    return features_of(scores, signals, *measured), order[0] in right, bool(right & set(order[:3].tolist()))
