"""The author's guard: which texts of a scenario another scenario would win."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.corpus import Corpus
from app.embedding_cache import EmbeddingCache
from app.fitting import trials
from app.scenarios import Scenario


@dataclass(frozen=True)
class Stolen:
    """`text`, of `kind` in scenario `owner`, ranks `winner` first when it is asked as a question."""

    owner: Scenario
    kind: str
    text: str
    winner: Scenario


def stolen_texts(corpus: Corpus, cache: EmbeddingCache) -> Iterator[Stolen]:
    """Every `asked_as` and problem text, asked while it is itself held out, that another scenario wins."""
    scenarios = list(corpus.scenarios.values())
    rows = [(place, text) for place, scenario in enumerate(scenarios) for _, text in scenario.texts()]
    embeddings = cache.embed([text for _, text in rows], report=lambda _: None)
    owners = np.array([place for place, _ in rows], dtype=np.int64)
    for trial in trials(scenarios, embeddings, owners, {"asked_as", "problem"}):
        winner = int(np.argmax(trial.scores))
        if winner != trial.answer:
            yield Stolen(scenarios[trial.answer], trial.kind, trial.text, scenarios[winner])
