"""What Slack delivered: written down before it is acknowledged, answered once, taken up again after a crash."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from app.slack_requests import SlackRequest

log = logging.getLogger(__name__)

# Slack waits 3 seconds for the acknowledgement, before which at most two of these may pass.
WRITE_SECONDS = 1.0
# A process that died is replaced after its lease.
LEASE_SECONDS = 6
BEAT_SECONDS = 1.5
# Beats between deletions of what is kept too long: about an hour.
BEATS_TO_PURGE = 2400
# Keys that one process remembers by itself, for times without a database.
MAX_SEEN = 20_000


class Store(Protocol):
    """The table of the inbox; each method raises if the database cannot be reached."""

    def take_in(self, requests: list[SlackRequest], owner: str) -> list[bool]: ...
    def take_over(self, owner: str) -> list[SlackRequest]: ...
    def renew(self, owner: str) -> None: ...
    def finish(self, key: str) -> None: ...
    def release(self, owner: str) -> None: ...
    def purge(self) -> None: ...


Run = Callable[..., Awaitable[Any]]


class Inbox:
    """One for each process. Whoever writes a request down owns it; a lease says for how long.

    With the database down each process answers what it gets, as far as it remembers once.
    """

    def __init__(self, store: Store, run: Run) -> None:
        """`run` calls a function with arguments in a thread, one after the other."""
        self._store = store
        self._run = run
        self._owner = uuid.uuid4().hex
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._waiting: list[tuple[SlackRequest, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._is_failing = False

    async def put(self, request: SlackRequest) -> bool:
        """Write it down; True if this process has to answer it, False if it came before."""
        if request.key in self._seen:
            return False
        self._remember(request.key)
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((request, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await asyncio.shield(written)
        except Exception as error:
            self._note(error)
        return True

    async def finish(self, request: SlackRequest) -> None:
        await self._tried(self._store.finish, request.key)

    async def keep(self, take: Callable[[SlackRequest], None]) -> None:
        """For as long as it runs: keep what this process owns, and take what another one left behind."""
        beats = 0
        while True:
            await self._tried(self._store.renew, self._owner)
            for request in await self._tried(self._store.take_over, self._owner) or []:
                self._remember(request.key)
                take(request)
            if beats % BEATS_TO_PURGE == 0:
                await self._tried(self._store.purge)
            beats += 1
            await asyncio.sleep(BEAT_SECONDS)

    async def release(self) -> None:
        """Leave what is not finished to others, at once."""
        await self._tried(self._store.release, self._owner)

    async def _write(self) -> None:
        """All that waits in one transaction, again and again until nothing does."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                rows = await self._run(self._store.take_in, [request for request, _ in batch], self._owner)
            except Exception as error:
                for _, written in batch:
                    _settle(written, error)
            else:
                self._is_failing = False
                for (_, written), is_new in zip(batch, rows, strict=True):
                    _settle(written, is_new)

    async def _tried(self, method: Callable[..., Any], *arguments: object) -> Any:
        try:
            result = await self._run(method, *arguments)
        except Exception as error:
            self._note(error)
            return None
        self._is_failing = False
        return result

    def _note(self, error: Exception) -> None:
        if not self._is_failing:
            log.error("the Slack inbox cannot be written: %s; answers go on without it", error or "too slow")
        self._is_failing = True

    def _remember(self, key: str) -> None:
        self._seen[key] = None
        while len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)


def _settle(written: asyncio.Future[bool], outcome: bool | Exception) -> None:
    if written.done():
        return
    if isinstance(outcome, Exception):
        written.set_exception(outcome)
        written.exception()  # nobody may be waiting any more
    else:
        written.set_result(outcome)
