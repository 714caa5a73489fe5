"""The Slack assistant over Socket Mode: it connects to Slack, so that nothing has to reach this machine."""

from __future__ import annotations

import asyncio
import signal

from aiohttp import ClientError
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_sdk.errors import SlackApiError

from app.assistant import Assistant
from app.errors import SlackRefused, SlackUnavailable
from app.journal import Journal
from app.settings import Settings
from app.slack import running
from app.slack_client import quiet


async def serve(settings: Settings, app_token: str) -> None:
    """Until SIGINT or SIGTERM; SlackRefused or SlackUnavailable if there is no connection to begin with."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    assistant = Assistant.load(settings)
    journal = Journal(settings, assistant.manifest.fingerprint)
    journal.start()
    try:
        async with running(settings, assistant, journal) as app:
            handler = AsyncSocketModeHandler(app, app_token, logger=quiet)
            try:
                await _connect(handler)
                await stop.wait()
            finally:
                await handler.client.close()  # type: ignore[no-untyped-call]
    finally:
        journal.close()


async def _connect(handler: AsyncSocketModeHandler) -> None:
    try:
        # By itself the client would ask for the address of a socket for ever, whatever the reply is.
        handler.client.wss_uri = await handler.client.issue_new_wss_url()
        await handler.client.connect()  # type: ignore[no-untyped-call]
    except SlackApiError as error:
        code = error.response.get("error")
        raise SlackRefused(
            f"no connection: {code}; check SLACK_APP_TOKEN and its scope connections:write"
        ) from None
    except (ClientError, TimeoutError, OSError) as error:
        raise SlackUnavailable(
            f"no connection: {type(error).__name__}; check SLACK_API_URL and the network"
        ) from None
