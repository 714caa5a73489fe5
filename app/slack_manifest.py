"""The manifest that makes the app in Slack. https://docs.slack.dev/reference/app-manifest"""

from __future__ import annotations

from typing import Any

WEBHOOK = "/slack/events"
COMMAND = "/ask"
SHORTCUT = "find_answer"
NAME = "Scenario assistant"
DESCRIPTION = "Vetted answers to Django and Django REST framework problems."
# What for: mentions; the agent's view; follow-ups in channels, private channels and direct messages (history);
# answers; `/ask` and the shortcut.
SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "chat:write",
    "commands",
    "groups:history",
    "im:history",
)
EVENTS = (
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "message.channels",
    "message.groups",
    "message.im",
    "tokens_revoked",
)


def manifest(address: str | None) -> dict[str, Any]:
    """For the service at `address`, or for Socket Mode if that is None."""
    url = {"url": address + WEBHOOK} if address else {}
    request_url = {"request_url": address + WEBHOOK} if address else {}
    return {
        "display_information": {"name": NAME, "description": DESCRIPTION},
        "features": {
            "agent_view": {"agent_description": DESCRIPTION},
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": NAME, "always_online": True},
            "shortcuts": [
                {
                    "name": "Find an answer",
                    "type": "message",
                    "callback_id": SHORTCUT,
                    "description": "Looks for the answer to this message",
                }
            ],
            "slash_commands": [
                {
                    "command": COMMAND,
                    "description": "Ask about Django or DRF; only you see the answer",
                    "usage_hint": "one query per row in my list view",
                    "should_escape": False,
                    **url,
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": list(EVENTS), **request_url},
            "interactivity": {"is_enabled": True, **request_url},
            "org_deploy_enabled": False,
            "socket_mode_enabled": address is None,
            "token_rotation_enabled": False,
        },
    }
