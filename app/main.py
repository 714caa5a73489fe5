"""The web service, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware

from app import __version__, api, health, pages, web
from app.assistant import Assistant
from app.error_handlers import add_error_handlers
from app.journal import Journal
from app.limits import BodyLimit
from app.security import SecurityHeaders
from app.settings import Settings
from app.static_files import VersionedFiles
from app.typeahead import Typeahead

# An answer of 30 kB takes a millisecond on this level, and hardly less space on a higher one.
GZIP_LEVEL = 5
# Less than that fits one packet anyway.
SMALLEST_COMPRESSED_BYTES = 1024


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; settings default to the environment's. The index is loaded when it starts."""
    settings = settings or Settings.from_environment()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.assistant = assistant = Assistant.load(settings)
        app.state.journal = journal = Journal(settings, assistant.manifest.fingerprint)
        app.state.typeahead = Typeahead(assistant.scenarios.values())
        journal.start()
        async with AsyncExitStack() as stack:
            if settings.has_slack_webhook:
                app.state.slack = await stack.enter_async_context(slack.running(settings, assistant, journal))
            yield
        journal.close()

    # The interactive documentation of FastAPI loads scripts from a CDN, which the policy of the pages forbids.
    app = FastAPI(
        title="Django scenario assistant",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.settings = settings
    app.include_router(api.router)
    app.include_router(health.router)
    app.include_router(web.router, include_in_schema=False)
    app.include_router(pages.router, include_in_schema=False)
    if settings.has_slack_webhook:
        # What is not used is not imported.
        from app import slack

        app.include_router(slack.router, include_in_schema=False)
    app.mount("/static", VersionedFiles(), name="static")
    add_error_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_COMPRESSED_BYTES, compresslevel=GZIP_LEVEL)
    return app
