"""`scenarios serve`: the web service."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when the code changes.")] = False,
) -> None:
    """Serve the chat page and the JSON API."""
    import uvicorn

    from app.manifest import CURRENT, Manifest
    from app.settings import PROJECT, Settings

    if reload and workers > 1:
        raise typer.BadParameter("--reload runs one process; leave --workers out")
    settings = Settings.from_environment()
    # Workers that fail at their start are started again for ever; so the index is looked at first.
    Manifest.load(settings.index_dir / CURRENT)
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        reload=reload,
        reload_dirs=[str(PROJECT / "app")] if reload else None,
        log_level=settings.log_level,
    )
