"""The author's guard: which texts of a scenario another scenario would win."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from app.corpus import Corpus
from app.corpus_search import Texts, trials
from app.embedding_cache import EmbeddingCache
from app.fitting import signal_weights
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
    texts = Texts.of(scenarios, partial(cache.embed, report=lambda _: None))
    asked = list(trials(scenarios, texts, {"asked_as", "problem"}))
    weights = signal_weights([(trial.signals, frozenset({trial.answer})) for trial in asked])
    for trial in asked:
        winner = int(np.argmax(trial.signals @ weights))
        if winner != trial.answer:
            yield Stolen(scenarios[trial.answer], trial.kind, trial.text, scenarios[winner])
