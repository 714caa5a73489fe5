"""Sending to Slack: its Web API and the addresses that come with what people press. Errors say what can be done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncConnectionErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from app.errors import SlackRefused, SlackUnavailable
from app.settings import Settings
from app.slack_blocks import Message

# Slack's libraries log what they send and receive; nothing of that may get into a log.
quiet = logging.getLogger(f"{__name__}.libraries")
quiet.setLevel(logging.CRITICAL)

TIMEOUT_SECONDS = 20
# What is only nice to have must not keep an answer waiting.
EXTRA_SECONDS = 2
# Codes of an outage on Slack's side, in replies that say 200.
OUTAGES = {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
# The token is of no use; whoever runs the service has to act.
LOCKED_OUT = {
    "account_inactive",
    "invalid_auth",
    "not_authed",
    "token_expired",
    "token_revoked",
    "missing_scope",
}


class SlackClient:
    """Every method raises SlackUnavailable if it may be tried again, and SlackRefused if that is no use."""

    def __init__(self, settings: Settings) -> None:
        """Within a running event loop."""
        assert settings.slack_bot_token  # noqa: S101  nothing of Slack is made without it
        self._session = ClientSession(timeout=ClientTimeout(total=TIMEOUT_SECONDS))
        self.web = AsyncWebClient(
            token=settings.slack_bot_token.get_secret_value(),
            base_url=f"{str(settings.slack_api_url).rstrip('/')}/",
            session=self._session,
            logger=quiet,
            retry_handlers=[AsyncConnectionErrorRetryHandler()],
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(self, channel: str, thread: str, message: Message) -> None:
        await _sent(
            self.web.chat_postMessage(
                channel=channel,
                thread_ts=thread,
                text=message.text,
                blocks=message.blocks,
                unfurl_links=False,
                unfurl_media=False,
            )
        )

    async def respond(self, address: str, message: Message, **how: Any) -> None:
        """To the address that came with a command, a shortcut or a click."""
        client = AsyncWebhookClient(
            address,
            session=self._session,
            logger=quiet,
            retry_handlers=[AsyncConnectionErrorRetryHandler()],
        )
        reply = await _sent(client.send_dict({"text": message.text, "blocks": message.blocks, **how}))
        if reply.status_code == 429 or reply.status_code >= 500:
            raise SlackUnavailable(f"status {reply.status_code}", _seconds(reply.headers))
        if reply.status_code != 200:
            raise SlackRefused(f"status {reply.status_code} from a response address")

    async def set_session(self, channel: str, thread: str, status: str, title: str) -> None:
        """The status beside the agent's name, if this workspace has that; nothing fails if not."""
        await _tried(
            self.web.agents_sessions_setStatus(
                channel_id=channel, thread_ts=thread, status=status, title=title
            )
        )

    async def suggest(self, channel: str, prompts: Sequence[tuple[str, str]]) -> None:
        """Titles and messages to begin with in the agent's view; nothing fails if it has none."""
        rows = [{"title": title, "message": message} for title, message in prompts]
        await _tried(self.web.assistant_threads_setSuggestedPrompts(channel_id=channel, prompts=rows))


async def _tried(call: Awaitable[Any]) -> None:
    with suppress(SlackUnavailable, SlackRefused):
        async with asyncio.timeout(EXTRA_SECONDS):
            await _sent(call)


async def _sent(call: Awaitable[Any]) -> Any:
    """What the call returns. What is raised names Slack's code, never what was sent."""
    try:
        return await call
    except SlackApiError as error:
        raise _meaning(error) from None
    except (ClientError, TimeoutError, OSError) as error:
        raise SlackUnavailable(f"no answer: {type(error).__name__}") from None


def _meaning(error: SlackApiError) -> SlackUnavailable | SlackRefused:
    response = error.response
    status = getattr(response, "status_code", 0) or getattr(response, "status", 0)
    code = str(response.get("error", "")) if hasattr(response, "get") else ""
    if status == 429 or status >= 500 or code in OUTAGES:
        return SlackUnavailable(f"status {status} {code}".strip(), _seconds(getattr(response, "headers", {})))
    remedy = "; install the app anew and set SLACK_BOT_TOKEN" if code in LOCKED_OUT else ""
    return SlackRefused(f"{code or f'status {status}'}{remedy}")


def _seconds(headers: Any) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", 0)))
    except (TypeError, ValueError):
        return 0.0
