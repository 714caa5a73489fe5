"""`scenarios build`: embed the content and write the index."""

from __future__ import annotations

from typing import Annotated

import typer


def build(
    force: Annotated[bool, typer.Option("--force", help="Build even if the index is up to date.")] = False,
) -> None:
    """Make the index match the content; nothing is done if it already does."""
    from rich.console import Console
    from rich.text import Text

    from app.building import build as build_index
    from app.settings import Settings

    console = Console(stderr=True, soft_wrap=True)
    built = build_index(Settings.from_environment(), lambda line: console.print(Text(line)), force=force)
    done = "is current" if built.fresh else "was already up to date"
    console.print(f"index {built.manifest.fingerprint} {done}: {built.manifest.scenarios} scenarios")
