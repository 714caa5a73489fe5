"""A real Chromium, watched: what it logs, and which addresses it asks for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# What Chromium itself says of error responses, of a service that is gone and of plain http; the tests look at
# those themselves.
EXPECTED = (
    "Failed to load resource: the server responded with a status of ",
    "Failed to load resource: net::ERR_",
    "The Cross-Origin-Opener-Policy header has been ignored, because the URL's origin was untrustworthy.",
)
OpenPage = Callable[..., Page]

# On a busy machine 5 seconds are not enough; a test that passes waits no longer for it.
PATIENCE_MILLISECONDS = 20_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a module and not for the session: while it runs, no other test could run an event loop."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed; sudo apt-get install chromium")
    arguments = ["--host-resolver-rules=MAP intranet.test 127.0.0.1"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the pages of a test did that no page should do: it has to be empty at the end."""
    return []


@pytest.fixture
def open_page(browser: Browser, complaints: list[str]) -> Iterator[OpenPage]:
    """Call it with an address and options of a browser context; at the end every page must have kept to its
    own origin, without a script error and without a word on the console.
    """
    opened: list[Page] = []

    def open_page(address: str, **options: Any) -> Page:
        # Smooth scrolling would keep every click on a long page waiting for a second and a half.
        page = browser.new_context(**{"reduced_motion": "reduce", **options}).new_page()
        opened.append(page)
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        origin = "/".join(address.split("/")[:3]) + "/"
        page.on("console", lambda message: complaints.extend(_told(message)))
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: request.url.startswith(origin) or complaints.append(f"left for {request.url}"),
        )
        page.goto(address)
        return page

    yield open_page
    for page in opened:
        page.context.close()
    assert complaints == []


def _told(message: ConsoleMessage) -> Iterator[str]:
    if not message.text.startswith(EXPECTED):
        yield f"{message.type}: {message.text}"
