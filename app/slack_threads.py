"""The earlier questions of a thread, which follow-ups are read after: the last ten, for a day."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from app.assistant import MAX_HISTORY
from app.slack_inbox import WRITE_SECONDS, Run
from app.slack_requests import SlackRequest

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)
MAX_REMEMBERED_THREADS = 2_000


@dataclass(frozen=True)
class Asked:
    """A question in a thread; `message` is Slack's timestamp."""

    message: str
    person: str
    question: str
    at: datetime


class Thread(Protocol):
    """Where the questions of threads are kept; each method raises if it cannot be reached."""

    def add(self, request: SlackRequest, asked: Asked) -> None: ...
    def asked(self, request: SlackRequest) -> list[Asked]: ...


class Memory:
    """Keeps the questions of this process, of the threads that were last written in."""

    def __init__(self) -> None:
        self._threads: OrderedDict[tuple[str, str, str], deque[Asked]] = OrderedDict()

    def add(self, request: SlackRequest, asked: Asked) -> None:
        place = _place(request)
        rows = self._threads.setdefault(place, deque(maxlen=MAX_HISTORY + 1))
        if all(row.message != asked.message for row in rows):
            rows.append(asked)
        self._threads.move_to_end(place)
        while len(self._threads) > MAX_REMEMBERED_THREADS:
            self._threads.popitem(last=False)

    def asked(self, request: SlackRequest) -> list[Asked]:
        since = datetime.now(UTC) - KEPT
        return [row for row in self._threads.get(_place(request), ()) if row.at > since]

    def forget(self, workspace: str) -> None:
        for place in [place for place in self._threads if place[0] == workspace]:
            del self._threads[place]


class Threads:
    """In memory always; in `table` too, if there is one, for other processes and the next start."""

    def __init__(self, run: Run, table: Thread | None) -> None:
        self._memory = Memory()
        self._table = table
        self._run = run

    async def add(self, request: SlackRequest, question: str) -> None:
        """`question` without its secrets."""
        asked = Asked(request.message, request.person, question, datetime.now(UTC))
        self._memory.add(request, asked)
        if self._table:
            await self._tried(self._table.add, request, asked)

    async def earlier(self, request: SlackRequest) -> list[str]:
        """What was asked in the thread before, oldest first."""
        rows = [row for row in await self._asked(request) if row.message < request.message]
        return [row.question for row in rows[-MAX_HISTORY:]]

    async def is_known_to(self, request: SlackRequest) -> bool:
        """Whether the same person asked in this thread before."""
        return any(row.person == request.person for row in await self._asked(request))

    def forget(self, workspace: str) -> None:
        """Those in memory; the table is deleted with the rest of the workspace's data."""
        self._memory.forget(workspace)

    async def _asked(self, request: SlackRequest) -> list[Asked]:
        stored = await self._tried(self._table.asked, request) if self._table else []
        merged = {row.message: row for row in [*self._memory.asked(request), *(stored or [])]}
        return [merged[message] for message in sorted(merged)]

    async def _tried(self, method: Callable[..., Any], *arguments: object) -> Any:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await self._run(method, *arguments)
        except Exception as error:
            # The inbox tells of the same outage once.
            log.debug("the questions of a thread are only in memory: %s", type(error).__name__)
            return None


def _place(request: SlackRequest) -> tuple[str, str, str]:
    return request.workspace, request.channel, request.thread
