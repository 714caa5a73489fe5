"""The three indexes of a corpus as a build learns them, and its own texts asked of them while held out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from app.encoder import Embeddings
from app.lexical_index import LexicalIndex
from app.ranking import SIGNALS, Ranker, Scores
from app.retriever import signals_of
from app.scenarios import Scenario
from app.vector_index import VectorIndex

Embed = Callable[[Sequence[str]], Embeddings]

FOLDS = 5
# A linear head has a row for each scenario and is fitted on all texts; beyond this many it would not be a matter
# of seconds, and the signals that need no fitting carry the ranking alone.
MOST_HEADS = 1000
# Inverse strength of regularisation; 3, 10 and 30 differ little (see evaluation/README.md).
HEAD_C = 10.0


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
    def learn(
        cls, scenarios: Sequence[Scenario], texts: Texts, held_out: frozenset[str] = frozenset()
    ) -> Search:
        """`texts` are what may be learned from; the words of `held_out` are kept from BM25 as well.

        All signals weigh the same until `weighted` says otherwise.
        """
        documents = [lexical_document(scenario, held_out) for scenario in scenarios]
        return cls(
            texts,
            VectorIndex.build(texts.embeddings),
            LexicalIndex.build(documents),
            _ranker(texts, len(scenarios)),
        )

    def weighted(self, weights: Scores) -> Search:
        return replace(self, ranker=replace(self.ranker, weights=weights))

    def signals(self, text: str, embedding: Embeddings) -> Scores:
        return signals_of(text, embedding, self.vectors, self.lexical, self.texts.owners, self.ranker)


@dataclass(frozen=True)
class Trial:
    """A text of scenario number `answer`, asked of a search that has not seen it."""

    kind: str
    text: str
    embedding: Embeddings
    signals: Scores
    answer: int


def trials(scenarios: Sequence[Scenario], texts: Texts, kinds: Collection[str]) -> Iterator[Trial]:
    """Ask every text of the given kinds, a fifth of them at a time, while that fifth is held out."""
    asked = texts.rows_of(kinds)
    for fold in range(FOLDS):
        held_out = asked[fold::FOLDS]
        kept = texts.keep(np.setdiff1d(np.arange(len(texts.pairs)), held_out))
        search = Search.learn(scenarios, kept, frozenset(texts.pairs[row][1] for row in held_out))
        for row in held_out:
            kind, text = texts.pairs[row]
            embedding = texts.embeddings[row]
            yield Trial(kind, text, embedding, search.signals(text, embedding), int(texts.owners[row]))


def lexical_document(scenario: Scenario, held_out: frozenset[str] = frozenset()) -> str:
    """The words under which BM25 finds a scenario: its texts without those held out, its prose and its code."""
    texts = [text for _, text in scenario.texts() if text not in held_out]
    return "\n".join([*texts, *scenario.tags, scenario.answer, scenario.watch_out, scenario.check_it])


def _ranker(texts: Texts, scenarios: int) -> Ranker:
    dimension = texts.embeddings.shape[1]
    centroids = np.zeros((scenarios, dimension), dtype=np.float32)
    np.add.at(centroids, texts.owners, texts.embeddings)
    centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-9)
    head, bias = np.zeros((0, dimension), dtype=np.float32), np.zeros(0, dtype=np.float32)
    # Of two classes the library keeps one row only; two scenarios need no classifier.
    if 2 < scenarios <= MOST_HEADS:
        classifier = LogisticRegression(C=HEAD_C, max_iter=100, tol=1e-3)
        classifier.fit(texts.embeddings, texts.owners)
        head, bias = classifier.coef_.astype(np.float32), classifier.intercept_.astype(np.float32)
    return Ranker(centroids, head, bias, np.ones(len(SIGNALS), dtype=np.float32))
