"""Carries out what the inbox holds, a few at a time: tries again what Slack cannot take now, and apologises once."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time

from app.errors import DatabaseUnavailable, SlackRefused, SlackUnavailable
from app.slack_desk import Desk, Send
from app.slack_inbox import Inbox
from app.slack_requests import SlackRequest

log = logging.getLogger(__name__)

# Answers that are worked on at once; the rest waits, so that acknowledgements find the process free.
AT_ONCE = 4
# Pauses grow from one second, or are as long as Slack says; nobody waits for an answer longer than that in all.
LONGEST_PAUSE_SECONDS = 20.0
GIVE_UP_SECONDS = 300.0
CLOSING_SECONDS = 3.0


class SlackWorker:
    def __init__(self, inbox: Inbox, desk: Desk) -> None:
        self._inbox = inbox
        self._desk = desk
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._inbox.keep(self.take))

    def take(self, request: SlackRequest) -> None:
        """Have it carried out, soon."""
        task = asyncio.create_task(self._carry_out(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Finish what can be finished in a moment, and leave the rest to other processes or the next start."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSING_SECONDS)
        tasks = [*self._tasks, *([self._keeper] if self._keeper else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._inbox.release()

    async def _carry_out(self, request: SlackRequest) -> None:
        if not await self._is_answered(request):
            await self._apologise(request)
        await self._inbox.finish(request)

    async def _is_answered(self, request: SlackRequest) -> bool:
        try:
            async with self._places:
                send = await self._desk.take(request)
            return not send or await self._is_sent(request, send)
        except SlackRefused as error:
            log.error("%s from Slack was not answered: %s", request.kind, error)
        except Exception as error:
            # Its message may hold what was asked; where it happened does not.
            log.error("%s from Slack failed: %s", request.kind, _place(error))
        return False

    async def _is_sent(self, request: SlackRequest, send: Send) -> bool:
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        for attempt in itertools.count():
            try:
                async with self._places:
                    await send()
                return True
            except (SlackUnavailable, DatabaseUnavailable) as error:
                pause = _pause(error, attempt)
                log.warning("%s from Slack, attempt %d: %s", request.kind, attempt + 1, error)
                if time.monotonic() + pause > give_up_at:
                    break
                await asyncio.sleep(pause)
        return False

    async def _apologise(self, request: SlackRequest) -> None:
        try:
            await self._desk.apologise(request)
        except Exception as error:
            log.error("%s from Slack stays without an answer: %s", request.kind, type(error).__name__)


def _pause(error: Exception, attempt: int) -> float:
    """Seconds; not the same for all that wait, or they would come back at once."""
    asked = error.retry_after if isinstance(error, SlackUnavailable) else 0.0
    return max(asked, min(2.0**attempt, LONGEST_PAUSE_SECONDS)) + random.random()  # noqa: S311


def _place(error: Exception) -> str:
    """The class of the error and the line that raised it."""
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    return f"{type(error).__name__} in {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
