"""`scenarios slack`: the app's manifest, and Socket Mode."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

slack = typer.Typer(no_args_is_help=True, help="Set up the Slack assistant; docs/slack.md has the steps.")


@slack.command()
def manifest(
    url: Annotated[str | None, typer.Option(help="Address of this service, as Slack reaches it.")] = None,
    socket: Annotated[
        bool, typer.Option("--socket", help="For `scenarios slack socket`; needs no address.")
    ] = False,
) -> None:
    """Print the manifest to make the app from in Slack."""
    import json

    from app.slack_manifest import manifest

    if socket == bool(url):
        raise typer.BadParameter("give --url https://… or --socket")
    address = None if url is None else _address(url)
    print(json.dumps(manifest(address), indent=2))  # noqa: T201


@slack.command()
def socket() -> None:
    """Answer in Slack through a connection that this machine opens; needs no public address."""
    import asyncio

    from app.errors import SettingsInvalid
    from app.settings import Settings

    settings = Settings.from_environment()
    if not settings.slack_app_token or not settings.slack_bot_token:
        raise SettingsInvalid(
            "Socket Mode needs SLACK_APP_TOKEN and SLACK_BOT_TOKEN; docs/slack.md says where from"
        )
    from app.slack_socket import serve

    asyncio.run(serve(settings, settings.slack_app_token.get_secret_value()))


def _address(url: str) -> str:
    """Scheme and host; Slack takes https only."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment:
        raise typer.BadParameter(f"{url} is not an https address; give one like https://answers.example.org")
    return url.rstrip("/").removesuffix("/slack/events")
