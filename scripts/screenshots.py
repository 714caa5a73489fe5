"""Pictures of the pages, from a service of its own on the built index; run by scripts/screenshots."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 860}},
    "phone": {"viewport": {"width": 360, "height": 740}},
    "dark": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark"},
}
QUESTION = "our order list runs one query per row for the customer, 300 rows take 4 seconds"


def opened(path: str) -> Callable[[Page], None]:
    return lambda page: _go(page, path)


def answered(page: Page) -> None:
    _go(page, "/")
    page.get_by_label("Your question").fill(QUESTION)
    page.get_by_label("Your question").press("Enter")
    expect(page.locator(".turn [data-scenario]")).to_be_visible()
    page.get_by_label("Your question").focus()


SCENES: dict[str, Callable[[Page], None]] = {
    "chat": opened("/"),
    "answer": answered,
    "scenarios": opened("/scenarios"),
    "scenario": opened("/scenarios/7"),
    "about": opened("/about"),
    "not-found": opened("/scenarios/999"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "scenes", nargs="*", metavar="scene", help=f"some of {', '.join(SCENES)}; all without"
    )
    parser.add_argument("--to", type=Path, default=PROJECT / "docs" / "images", help="folder of the pictures")
    parser.add_argument("--url", help="a running service instead of one of its own")
    parser.add_argument("--full-page", action="store_true", help="pages to their end")
    options = parser.parse_args()
    unknown = set(options.scenes) - set(SCENES)
    if unknown:
        parser.error(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(SCENES)}")
    options.to.mkdir(parents=True, exist_ok=True)
    with _service(options.url) as address, _browser() as browser:
        for scene in options.scenes or SCENES:
            for device, settings in DEVICES.items():
                context = browser.new_context(base_url=address, reduced_motion="reduce", **settings)
                page = context.new_page()
                SCENES[scene](page)
                path = options.to / f"{scene}-{device}.png"
                page.screenshot(path=path, full_page=options.full_page, animations="disabled")
                context.close()
                print(f"{path} {path.stat().st_size // 1024} kB")


def _go(page: Page, path: str) -> None:
    page.goto(path, wait_until="networkidle")


@contextmanager
def _browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        sys.exit("no Chromium is installed; sudo apt-get install chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@contextmanager
def _service(address: str | None) -> Iterator[str]:
    """The address of a service that is ready; one that is started here keeps no journal."""
    if address:
        yield address
        return
    with tempfile.TemporaryDirectory() as folder:
        port = "8127"
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", "--port", port],
            cwd=PROJECT,
            env={**os.environ, "SCENARIOS_DATA_DIR": folder, "SCENARIOS_LOG_LEVEL": "warning"},
        )
        try:
            yield _ready(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _ready(address: str, process: subprocess.Popen[bytes]) -> str:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit("the service did not start; see above")
        try:
            if httpx.get(f"{address}/health/ready", timeout=5).status_code == 200:
                return address
        except httpx.TransportError:
            time.sleep(0.1)
    sys.exit(f"the service at {address} was not ready within 30 s")


if __name__ == "__main__":
    main()
