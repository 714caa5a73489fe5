"""The assistant on a test bench: labelled questions, asked as a surface asks them, and what came of each."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from app.assistant import Answer, Assistant, Verdict
from app.encoder import Embeddings, Encoder, OnnxEncoder
from app.labelled import FollowUp, InScope, OutOfScope, Traceback
from app.manifest import CURRENT, Manifest
from app.planted_secrets import fill
from app.redaction import redact
from app.schemas import AskReply
from app.serving_index import ENCODER_FOLDER, ServingIndex
from app.settings import Settings

# What came of a question, by whether a scenario answers it.
OUTCOMES = {
    True: ("answered_right", "suggested_right", "suggested_wrong", "answered_wrong", "refused"),
    False: ("answered", "suggested", "refused"),
}
HELPED = {"answered_right", "suggested_right"}


class TimedEncoder:
    """An encoder that keeps what it encoded, and how long that took."""

    def __init__(self, encoder: Encoder) -> None:
        self.dimension = encoder.dimension
        self.milliseconds = 0.0
        self._encoder = encoder
        self._known: dict[str, Embeddings] = {}

    def encode(self, texts: Sequence[str]) -> Embeddings:
        started = time.perf_counter()
        embeddings = self._encoder.encode(texts)
        self.milliseconds += (time.perf_counter() - started) * 1000
        self._known |= dict(zip(texts, embeddings, strict=True))
        return embeddings

    def embedding(self, text: str) -> Embeddings:
        """That of `text`, shape (dimension,); computed only if it was not encoded before."""
        return self._known[text] if text in self._known else self.encode([text])[0]


@dataclass(frozen=True)
class Asked:
    """A labelled question and what came of it.

    `kind` is in_scope, tracebacks, near or far; `right` are the ids that answer it, best first, `ranking` those
    of all scenarios as they were ranked, `outcome` is one of OUTCOMES.
    """

    text: str
    kind: str
    right: tuple[int, ...]
    ranking: tuple[int, ...]
    confidence: float
    outcome: str
    beyond_encoder_ms: float
    repeats_secret: bool = False

    @property
    def rank(self) -> int:
        """Place of the first right scenario, from 1; 0 if there is none."""
        return next((place for place, found in enumerate(self.ranking, 1) if found in self.right), 0)

    @property
    def first_is_right(self) -> bool:
        return self.rank == 1

    @property
    def helped(self) -> bool:
        return self.outcome in HELPED


@dataclass(frozen=True)
class FollowedUp:
    turns: tuple[str, ...]
    kind: str
    right: tuple[int, ...]
    answer: Answer

    @property
    def is_right(self) -> bool:
        """The right scenario first and not refused; or refused, if none answers."""
        refused = self.answer.verdict is Verdict.NO_ANSWER
        return not refused and self.answer.candidates[0].scenario_id in self.right if self.right else refused


@dataclass(frozen=True)
class Bench:
    """The assistant as it is served, with a stopwatch on its encoder."""

    index: ServingIndex
    assistant: Assistant
    encoder: TimedEncoder

    @classmethod
    def load(cls, settings: Settings) -> Bench:
        folder = (settings.index_dir / CURRENT).resolve()
        manifest = Manifest.load(folder)
        manifest.verify(folder)
        encoder = TimedEncoder(OnnxEncoder.load(folder / ENCODER_FOLDER, settings.encoder_threads))
        index = ServingIndex.open(folder, manifest, encoder)
        return cls(index, Assistant(index, settings), encoder)

    def query(self, message: str) -> str:
        """What retrieval was asked for `message`."""
        return self.assistant.query(redact(message))

    def embedding(self, message: str) -> Embeddings:
        """That with which retrieval was asked for `message`."""
        return self.encoder.embedding(self.query(message))

    def ask(self, row: InScope | OutOfScope, kind: str) -> Asked:
        right = () if isinstance(row, OutOfScope) else tuple(row.ok)
        encoded = self.encoder.milliseconds
        answer = self.assistant.ask(fill(row.text))
        return Asked(
            text=row.text,
            kind=kind,
            right=right,
            ranking=tuple(candidate.scenario_id for candidate in answer.candidates),
            confidence=answer.confidence,
            outcome=outcome_of(answer, right),
            beyond_encoder_ms=answer.took_ms - (self.encoder.milliseconds - encoded),
            repeats_secret=isinstance(row, Traceback) and self._repeats(answer, map(fill, row.secrets)),
        )

    def follow_up(self, row: FollowUp) -> FollowedUp:
        *history, last = row.turns
        return FollowedUp(tuple(row.turns), row.kind, tuple(row.ok), self.assistant.ask(last, history))

    def _repeats(self, answer: Answer, secrets: Iterable[str]) -> bool:
        """Whether the JSON API's reply, ranking included, holds one of `secrets`."""
        reply = AskReply.from_answer(answer, self.index.manifest, "", self.index.scenarios).model_dump_json()
        return any(json.dumps(secret, ensure_ascii=False)[1:-1] in reply for secret in secrets)


def outcome_of(answer: Answer, right: Collection[int]) -> str:
    """One of OUTCOMES: what a person was given, and whether that is right."""
    if answer.verdict is Verdict.NO_ANSWER:
        return "refused"
    done = "answered" if answer.verdict is Verdict.ANSWER else "suggested"
    if not right:
        return done
    shown = [result.scenario.id for result in answer.results]
    looked_at = shown[:1] if answer.verdict is Verdict.ANSWER else shown
    return f"{done}_right" if set(looked_at) & set(right) else f"{done}_wrong"
