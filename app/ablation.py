"""What each part of the ranking and of the confidence is worth: left out, refitted, measured again.

Fitted on evaluation/fit as a build does, measured on the questions of an evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.bench import Bench
from app.building import fit_folder
from app.calibration import SHOWN, Calibration
from app.embedding_cache import EmbeddingCache
from app.embedding_model import EmbeddingModel
from app.encoder import Embeddings
from app.evaluation import Evaluation
from app.fitting import Asked, signal_weights
from app.labelled import InScope, Labelled, OutOfScope
from app.ranking import SIGNALS
from app.settings import Settings
from app.thresholds import AcceptedErrors, calibrate


@dataclass(frozen=True)
class SignalRow:
    """A ranking by some of the signals; `weights` by signal, fitted without the others."""

    label: str
    weights: dict[str, float]
    hit_1: float
    hit_3: float
    mrr: float


@dataclass(frozen=True)
class VerdictRow:
    """Shares of the questions in scope, near and far with each verdict."""

    label: str
    answered_right: float
    refused: float
    near_answered: float
    near_refused: float
    far_refused: float


@dataclass(frozen=True)
class Ablation:
    """`fitted` are the questions of evaluation/fit, `measured` those of the evaluation that are not follow-ups."""

    bench: Bench
    accepted: AcceptedErrors
    fitted: list[Asked]
    measured: list[Asked]

    @classmethod
    def of(cls, settings: Settings, bench: Bench, evaluation: Evaluation) -> Ablation | None:
        """None if there are no questions to fit on."""
        labelled = Labelled.read(fit_folder(settings))
        rows: list[InScope | OutOfScope] = [*labelled.in_scope, *labelled.out_of_scope]
        if not labelled.in_scope:
            return None
        # A build has left them there.
        cache = EmbeddingCache(settings.index_dir / ".cache", EmbeddingModel.find(settings.model))
        embeddings = partial(cache.embed, report=lambda _: None)([row.text for row in rows])
        asks = _Asks(bench)
        fitted = [
            asks.asked(row.kind, row.text, (), embedding)
            if isinstance(row, OutOfScope)
            else asks.asked("answerable", row.text, row.ok, embedding)
            for row, embedding in zip(rows, embeddings, strict=True)
        ]
        measured = [
            asks.asked(asked.kind, bench.query(asked.text), asked.right, bench.embedding(asked.text))
            for asked in evaluation.of("in_scope", "near", "far")
        ]
        accepted = AcceptedErrors(settings.accepted_wrong_answers, settings.accepted_refusals)
        return cls(bench, accepted, fitted, measured)

    def signals(self) -> Iterator[SignalRow]:
        """All signals, each alone, and all without each."""
        every = frozenset(SIGNALS)
        yield self._ranked_by("all", every)
        for name in SIGNALS:
            yield self._ranked_by(f"{name} alone", frozenset({name}))
        for name in SIGNALS:
            yield self._ranked_by(f"without {name}", every - {name})

    def verdicts(self) -> Iterator[VerdictRow]:
        """With and without what was learned from unanswerable questions, at the same accepted error rates."""
        yield self._judged_by("all", self.bench.index.retriever.calibration, self.measured)
        fitted, measured = (
            [replace(asked, measured=(0.0, 0.0)) for asked in questions]
            for questions in (self.fitted, self.measured)
        )
        ranker = self.bench.index.retriever.ranker
        calibration = calibrate([asked.observation(ranker) for asked in fitted], self.accepted)
        yield self._judged_by("without familiarity", calibration, measured)

    def _ranked_by(self, label: str, names: frozenset[str]) -> SignalRow:
        kept = np.array([name in names for name in SIGNALS], dtype=np.float32)
        questions = [(asked.signals * kept, asked.right) for asked in self.fitted if asked.right]
        weights = signal_weights(questions) * kept
        ranks = np.array(
            [_rank(asked.signals @ weights, asked.right) for asked in self.measured if asked.right]
        )
        return SignalRow(
            label,
            {name: float(weight) for name, weight in zip(SIGNALS, weights, strict=True) if name in names},
            float((ranks == 1).mean()),
            float((ranks <= SHOWN).mean()),
            float((1 / ranks).mean()),
        )

    def _judged_by(self, label: str, calibration: Calibration, questions: Sequence[Asked]) -> VerdictRow:
        observed = [asked.observation(self.bench.index.retriever.ranker) for asked in questions]
        features = np.array([observation.features for observation in observed])
        first = calibration.first_right.probability(features)
        answered = first >= calibration.answer_confidence
        any_right = np.maximum(first, calibration.any_right.probability(features))
        refused = ~answered & (any_right < calibration.suggestion_confidence)
        right = np.array([observation.first_right for observation in observed])
        kinds = np.array([asked.kind for asked in questions])

        def share(happened: NDArray[np.bool_], kind: str) -> float:
            return float(happened[kinds == kind].mean()) if (kinds == kind).any() else 0.0

        return VerdictRow(
            label,
            share(answered & right, "in_scope"),
            share(refused, "in_scope"),
            share(answered, "near"),
            share(refused, "near"),
            share(refused, "far"),
        )


class _Asks:
    def __init__(self, bench: Bench) -> None:
        self._retriever = bench.index.retriever
        self._places = {int(number): place for place, number in enumerate(self._retriever.scenario_ids)}

    def asked(self, kind: str, query: str, right: Sequence[int], embedding: Embeddings) -> Asked:
        return Asked(
            kind,
            self._retriever.signals(query, embedding),
            frozenset(self._places[number] for number in right if number in self._places),
            self._retriever.familiarity.measure(embedding),
        )


def _rank(scores: NDArray[np.float32], right: frozenset[int]) -> int:
    return int((scores > scores[list(right)].max()).sum()) + 1
