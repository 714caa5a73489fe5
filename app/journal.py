"""The journal: what was asked and answered, what people thought of it, and what they chose instead."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from app.assistant import Answer
from app.journal_writer import Change, Counters, JournalWriter, Store
from app.redaction import redact
from app.settings import Settings

if TYPE_CHECKING:
    from app.database import Database

ANSWER_ID = re.compile(r"[0-9a-f]{32}")
MAX_COMMENT_CHARS = 1000
# As many as a reply can show; the rest of the ranking tells a later reader nothing.
KEPT_CANDIDATES = 10


class Journal:
    """Records, in the background; no method waits for the database or raises.

    A text is kept for `question_retention_days`, and not at all if that is 0. Secrets are taken out first.
    """

    def __init__(self, settings: Settings, fingerprint: str) -> None:
        """`fingerprint` names the index that answers."""
        self._settings = settings
        self._fingerprint = fingerprint
        self._writer = JournalWriter(self._open_store)
        self._database: Database | None = None
        self._opening = Lock()

    def start(self) -> None:
        self._writer.start()

    def close(self) -> None:
        """Write what is waiting; returns within a few seconds even if the database does not answer."""
        self._writer.close()

    def record_answer(
        self,
        answer: Answer,
        *,
        surface: str,
        category: str | None = None,
        follow_up: bool = False,
        workspace: str | None = None,
    ) -> None:
        """`category` is what the search was narrowed down to; a follow-up came with earlier messages.

        `workspace` is the one in Slack.
        """
        candidates = [
            {
                "scenario_id": candidate.scenario_id,
                "score": round(candidate.score, 4),
                "confidence": round(candidate.confidence, 4),
            }
            for candidate in answer.candidates[:KEPT_CANDIDATES]
        ]
        values = {
            "asked_at": datetime.now(UTC),
            "surface": surface,
            "question": self._kept(answer.question),
            "category": category,
            "follow_up": follow_up,
            "verdict": answer.verdict.value,
            "confidence": answer.confidence,
            "candidates": candidates,
            "took_ms": answer.took_ms,
            "fingerprint": self._fingerprint,
            "workspace": workspace,
        }
        self._writer.put(Change(answer.answer_id, values, is_new=True))

    def record_feedback(self, answer_id: str, *, helpful: bool, comment: str = "") -> None:
        """What a person thought of an answer, or found missing; the last word counts.

        Nothing is stored for an `answer_id` that the journal does not know.
        """
        text = self._kept(redact(comment[: 4 * MAX_COMMENT_CHARS])[:MAX_COMMENT_CHARS].strip())
        values = {"helpful": helpful, "comment": text or None, "feedback_at": datetime.now(UTC)}
        self._record_for(answer_id, values)

    def record_choice(self, answer_id: str, scenario_id: int) -> None:
        """The scenario that a person chose for the question: a labelled pair; the last choice counts.

        Nothing is stored for an `answer_id` that the journal does not know.
        """
        self._record_for(answer_id, {"chosen_scenario_id": scenario_id, "chosen_at": datetime.now(UTC)})

    @property
    def counters(self) -> Counters:
        return self._writer.counters

    @property
    def database(self) -> Database:
        """Where all of it is kept, for what else has tables there."""
        from app.database import Database

        with self._opening:
            self._database = self._database or Database.from_settings(self._settings)
            return self._database

    @property
    def is_failing(self) -> bool:
        """Whether the database cannot be written to at the moment."""
        return self._writer.is_failing

    def _record_for(self, answer_id: str, values: dict[str, Any]) -> None:
        if ANSWER_ID.fullmatch(answer_id):
            self._writer.put(Change(answer_id, values))

    def _kept(self, text: str) -> str | None:
        """The text as any database takes it: PostgreSQL has no NUL, and neither stores half a character."""
        if self._settings.question_retention_days == 0:
            return None
        return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")

    def _open_store(self) -> Store:
        # SQLAlchemy takes a while to import, and the first answer should not wait for it.
        from app.journal_store import JournalStore

        retention = timedelta(days=self._settings.question_retention_days)
        return JournalStore(self.database, retention)
