"""What Slack delivers, in a form of our own: what is asked or pressed, by whom and where. No secrets, nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import unescape
from typing import Any, Self

from app.redaction import redact

# More than anyone may ask, so that it can still be told that the question is too long.
KEPT_CHARS = 20_000
MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")
# <https://…|shown>, <#C1|general>, <!here>, <!subteam^S1|@team>, <!date^…^…|shown>
SPECIAL = re.compile(r"<(?P<kind>[@#!]?)(?P<target>[^<>|]*)(?:\|(?P<shown>[^<>]*))?>")


class Kind(StrEnum):
    MENTION = "mention"
    DIRECT = "direct"
    FOLLOW_UP = "follow_up"
    COMMAND = "command"
    SHORTCUT = "shortcut"
    CLICK = "click"
    OPENED = "opened"
    UNINSTALLED = "uninstalled"


@dataclass(frozen=True)
class SlackRequest:
    """`key` is the same for all deliveries of the same thing; `text` has recognised secrets taken out.

    `message` and `thread` are Slack's timestamps. `action` and `value` are those of a button that was pressed.
    """

    key: str
    kind: Kind
    workspace: str
    channel: str = ""
    person: str = ""
    person_name: str = ""
    text: str = ""
    message: str = ""
    thread: str = ""
    action: str = ""
    value: str = ""
    response_url: str = ""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(**{**values, "kind": Kind(values["kind"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_event(cls, body: Mapping[str, Any]) -> Self | None:
        """What an event asks for; None if that is nothing: other bots, edits, joins, people among themselves.

        Whether a follow-up belongs to a thread of ours is for the inbox to find out.
        """
        event = body["event"]
        workspace = body.get("team_id") or event.get("team") or ""
        event_key = f"event/{body.get('event_id', '')}"
        # Tokens of a person are none of ours.
        if event["type"] == "app_uninstalled" or event.get("tokens", {}).get("bot"):
            return cls(event_key, Kind.UNINSTALLED, workspace)
        if event["type"] == "app_home_opened":
            if event.get("tab") != "messages":
                return None
            return cls(event_key, Kind.OPENED, workspace, channel=event["channel"], person=event["user"])
        own = own_ids(body)
        kind = _kind_of_message(event, own) if event["type"] in {"message", "app_mention"} else None
        if kind is None:
            return None
        return cls(
            # A mention comes as `app_mention` and as `message`.
            key=f"message/{workspace}/{event['channel']}/{event['ts']}",
            kind=kind,
            workspace=workspace,
            channel=event["channel"],
            person=event["user"],
            text=question_from(event.get("text") or "", own),
            message=event["ts"],
            thread=event.get("thread_ts") or event["ts"],
        )

    @classmethod
    def from_command(cls, body: Mapping[str, Any]) -> Self:
        return cls(
            key=f"command/{body['trigger_id']}",
            kind=Kind.COMMAND,
            workspace=body["team_id"],
            channel=body["channel_id"],
            person=body["user_id"],
            person_name=body.get("user_name", ""),
            text=question_from(body.get("text") or ""),
            response_url=body["response_url"],
        )

    @classmethod
    def from_shortcut(cls, body: Mapping[str, Any]) -> Self:
        message = body["message"]
        return cls(
            key=f"shortcut/{body['trigger_id']}",
            kind=Kind.SHORTCUT,
            text=question_from(message.get("text") or ""),
            message=message.get("ts", ""),
            **_of_interaction(body),
        )

    @classmethod
    def from_click(cls, body: Mapping[str, Any]) -> Self:
        action = body["actions"][0]
        place = {**body.get("container", {}), **body.get("message", {})}
        message = body.get("container", {}).get("message_ts") or place.get("ts", "")
        return cls(
            key=f"click/{body['trigger_id']}",
            kind=Kind.CLICK,
            action=action["action_id"],
            value=action.get("value", ""),
            message=message,
            thread=place.get("thread_ts") or message,
            **_of_interaction(body),
        )


def own_ids(body: Mapping[str, Any]) -> set[str]:
    """The user ids that this app has in the workspace of an event."""
    rows = body.get("authorizations") or []
    named = {row["user_id"] for row in rows if row.get("is_bot") and row.get("user_id")}
    event = body["event"]
    first = MENTION.search(event.get("text") or "") if event["type"] == "app_mention" else None
    return named or ({first[1]} if first else set())


def _of_interaction(body: Mapping[str, Any]) -> dict[str, str]:
    person = body["user"]
    return {
        "workspace": (body.get("team") or {}).get("id") or person.get("team_id") or "",
        "channel": (body.get("channel") or {}).get("id", ""),
        "person": person["id"],
        "person_name": person.get("name") or person.get("username") or "",
        "response_url": body.get("response_url", ""),
    }


def _kind_of_message(event: Mapping[str, Any], own: set[str]) -> Kind | None:
    # Subtypes are edits, deletions, joins and the like; a file or an answer also sent to the channel is none.
    if event.get("subtype") not in {None, "file_share", "thread_broadcast"}:
        return None
    if event.get("bot_id") or event.get("bot_profile") or not event.get("user") or event["user"] in own:
        return None
    if event["type"] == "app_mention":
        return Kind.MENTION
    if event.get("channel_type") == "im":
        return Kind.DIRECT
    mentioned = set(MENTION.findall(event.get("text") or ""))
    if mentioned & own:
        return Kind.MENTION
    if event.get("thread_ts", event["ts"]) != event["ts"] and not mentioned:
        return Kind.FOLLOW_UP
    return None


def question_from(text: str, own: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    """What a person meant to ask: without Slack's markup, the mention of this app and recognised secrets."""

    def plain(match: re.Match[str]) -> str:
        kind, target, shown = match["kind"], match["target"], match["shown"]
        if kind == "@":
            return "" if target in own else f"@{shown or 'somebody'}"
        if kind == "#":
            return f"#{shown or 'channel'}"
        if kind == "!":
            return shown or f"@{target.partition('^')[0]}"
        return target if not shown or shown == target else f"{shown} ({target})"

    return redact(unescape(SPECIAL.sub(plain, text[:KEPT_CHARS])).strip())
