"""What waits to be written to the journal, and the one thread that writes it: nobody who answers ever waits."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

log = logging.getLogger(__name__)

MAX_WAITING = 2000
BATCH = 100
FLUSH_SECONDS = 3.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
BLANKING_SECONDS = 3600.0


@dataclass(frozen=True)
class Change:
    """A new answer's row, or columns of the row of an earlier one."""

    answer_id: str
    values: Mapping[str, Any]
    is_new: bool = False


class Store(Protocol):
    """Where changes end up; each method raises if it cannot be done now."""

    def write(self, changes: list[Change]) -> int:
        """How many of them were stored; the others never can be."""

    def blank(self) -> None:
        """Take out the text that is to be kept no longer."""

    def close(self) -> None: ...


@dataclass
class Counters:
    """Since the start of this process. `waiting` is the only one that falls.

    `written` changes are stored, `dropped` ones lost because too many waited or the end came, `refused` ones
    belong to no known answer; `failed` counts attempts to write, each of which is repeated.
    """

    written: int = 0
    waiting: int = 0
    dropped: int = 0
    refused: int = 0
    failed: int = 0


class JournalWriter:
    """Writes in the order in which changes are `put`. `open_store` is called in the thread that writes."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open_store = open_store
        self._store: Store | None = None
        self._waiting: deque[Change] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._counters = Counters()
        self._failures_in_a_row = 0
        self._lost_before_outage = 0
        self._blank_at = time.monotonic()
        # A daemon, so that a database that hangs cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what waits, for a few seconds at the most; then no more is taken."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(FLUSH_SECONDS)
        with self._changed:
            lost = len(self._waiting)
            self._waiting.clear()
            self._counters.dropped += lost
        if lost:
            log.error("the journal could not be written before the end; records lost: %d", lost)

    def put(self, change: Change) -> None:
        """Have it written soon; dropped and counted if too much waits already."""
        with self._changed:
            if self._ending or len(self._waiting) >= MAX_WAITING:
                self._counters.dropped += 1
                return
            self._waiting.append(change)
            self._changed.notify()

    @property
    def counters(self) -> Counters:
        with self._changed:
            return Counters(**{**vars(self._counters), "waiting": len(self._waiting)})

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt to write failed."""
        return self._failures_in_a_row > 0

    def _run(self) -> None:
        while not self._is_done():
            try:
                self._work()
            except Exception as error:
                # Whatever it is: without this thread nothing would be written until the next start.
                self._note_failure(error)
                if self._ending:
                    break
                self._pause()
            else:
                self._note_success()
        if self._store:
            self._store.close()

    def _is_done(self) -> bool:
        """Waits until there is something to do; True at the end, when nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending, self._seconds_to_blanking())
            return self._ending and not self._waiting

    def _seconds_to_blanking(self) -> float:
        return max(0.0, self._blank_at - time.monotonic())

    def _work(self) -> None:
        self._store = self._store or self._open_store()
        with self._changed:
            batch = list(islice(self._waiting, BATCH))
        if batch:
            self._count(batch, self._store.write(batch))
        if not self._ending and not self._seconds_to_blanking():
            self._store.blank()
            self._blank_at = time.monotonic() + BLANKING_SECONDS

    def _count(self, batch: list[Change], stored: int) -> None:
        with self._changed:
            # Only now: what an outage interrupts is still there and counts as waiting.
            for _ in batch[: len(self._waiting)]:
                self._waiting.popleft()
            self._counters.written += stored
            self._counters.refused += len(batch) - stored

    def _note_failure(self, error: Exception) -> None:
        with self._changed:
            self._counters.failed += 1
            self._failures_in_a_row += 1
            is_first = self._failures_in_a_row == 1
            if is_first:
                self._lost_before_outage = self._counters.dropped
        # Outside the lock: a log that blocks must not hold up those who answer.
        if is_first:
            log.error("the journal cannot be written: %s; answers go on, and it is tried again", error)

    def _note_success(self) -> None:
        with self._changed:
            was_failing = self.is_failing
            self._failures_in_a_row = 0
            lost = self._counters.dropped - self._lost_before_outage
        if was_failing:
            log.warning("the journal is written again; records lost meanwhile: %d", lost)

    def _pause(self) -> None:
        doubled = FIRST_PAUSE_SECONDS * 2 ** min(self._failures_in_a_row, 10)
        with self._changed:
            self._changed.wait_for(lambda: self._ending, min(doubled, LONGEST_PAUSE_SECONDS))
