"""The Slack assistant: Bolt verifies and reads what arrives, the inbox takes it in, the worker answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from re import compile as pattern
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from slack_bolt import BoltResponse
from slack_bolt.adapter.fastapi.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from app.assistant import Assistant
from app.journal import Journal
from app.settings import Settings
from app.slack_client import SlackClient, quiet
from app.slack_desk import Desk
from app.slack_inbox import Inbox
from app.slack_manifest import WEBHOOK
from app.slack_requests import Kind, SlackRequest
from app.slack_store import InboxStore, ThreadStore
from app.slack_threads import Threads
from app.slack_worker import SlackWorker

log = logging.getLogger(__name__)

ANY = pattern(".*")
# What a request that is not of Slack's making lets code stumble over.
MALFORMED = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)

router = APIRouter()


@router.post(WEBHOOK)
async def events(request: Request) -> Response:
    """Events, commands and what people press, signed by Slack."""
    try:
        response: Response = await AsyncSlackRequestHandler(request.app.state.slack).handle(request)
    except MALFORMED:
        raise HTTPException(
            400, "the body is no request of Slack's; send one as its documentation says"
        ) from None
    return response


@asynccontextmanager
async def running(settings: Settings, assistant: Assistant, journal: Journal) -> AsyncIterator[AsyncApp]:
    """The app that takes requests in, as long as this lasts, with all that answers them."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="slack") as thread:
        run = partial(loop.run_in_executor, thread)
        store = InboxStore(journal.database)
        threads = Threads(run, ThreadStore(journal.database) if settings.question_retention_days else None)
        inbox = Inbox(store, run)
        client = SlackClient(settings)
        desk = Desk(assistant, journal, settings, client, threads, store, run)
        worker = SlackWorker(inbox, desk)
        worker.start()
        try:
            yield bolt_app(settings, client.web, inbox, worker, threads)
        finally:
            await worker.close()
            await client.close()


def bolt_app(
    settings: Settings, web: AsyncWebClient, inbox: Inbox, worker: SlackWorker, threads: Threads
) -> AsyncApp:
    """Acknowledges what is written down, and only then has it carried out."""
    signing = settings.slack_signing_secret
    app = AsyncApp(
        signing_secret=signing.get_secret_value() if signing else "",
        client=web,
        logger=quiet,
        authorize=_authorize,
        # A listener ends before the request is acknowledged.
        process_before_response=True,
        request_verification_enabled=signing is not None,
    )

    async def take_in(request: SlackRequest | None) -> None:
        if request and await inbox.put(request):
            worker.take(request)

    async def on_event(body: dict[str, Any], ack: AsyncAck) -> None:
        request = SlackRequest.from_event(body)
        if request and request.kind is Kind.FOLLOW_UP and not await threads.is_known_to(request):
            request = None
        await take_in(request)
        await ack()

    def taking(read: Callable[[Mapping[str, Any]], SlackRequest]) -> Callable[..., Any]:
        async def on_request(body: dict[str, Any], ack: AsyncAck) -> None:
            await take_in(read(body))
            await ack()

        return on_request

    app.event(ANY)(on_event)
    app.command(ANY)(taking(SlackRequest.from_command))
    app.shortcut(ANY)(taking(SlackRequest.from_shortcut))
    app.action(ANY)(taking(SlackRequest.from_click))
    app.error(_on_error)
    return app


async def _authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
    """Without a question to Slack: there is one workspace and one token."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


async def _on_error(error: Exception) -> BoltResponse:
    """Slack delivers again what was not taken in with status 200; nothing of it is logged."""
    if isinstance(error, MALFORMED):
        return BoltResponse(status=400, body="not a request of Slack's")
    log.error("a request from Slack was not taken in: %s", type(error).__name__)
    return BoltResponse(status=500, body="")
