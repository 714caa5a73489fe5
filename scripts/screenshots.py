"""Pictures of the pages, from a service of their own on the built index; run by scripts/screenshots."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import NAMES
from tests.service import Service

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 680}},
    "phone": {"viewport": {"width": 360, "height": 640}},
    "dark": {"viewport": {"width": 1280, "height": 680}, "color_scheme": "dark"},
}
QUESTION = "our order list runs one query per row for the customer, 300 rows take 4 seconds"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="scene", help=f"some of {', '.join(SCENES)}; else all")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder that the pictures go to")
    parser.add_argument("--full-page", action="store_true", help="pages to their end")
    options = parser.parse_args()
    unknown = set(options.scenes) - set(SCENES)
    if unknown:
        parser.error(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(SCENES)}")
    options.to.mkdir(parents=True, exist_ok=True)
    with _service() as address, _chromium() as browser:
        for scene in options.scenes or SCENES:
            for device, settings in DEVICES.items():
                path = options.to / f"{scene}-{device}.png"
                context = browser.new_context(base_url=address, reduced_motion="reduce", **settings)
                page = context.new_page()
                SCENES[scene](page)
                page.screenshot(path=path, full_page=options.full_page, animations="disabled")
                context.close()
                print(f"{path.name} {path.stat().st_size // 1024} kB")


def _opened(path: str) -> Callable[[Page], None]:
    return lambda page: _open(page, path)


def _open(page: Page, path: str) -> None:
    page.goto(path, wait_until="networkidle")


def _answered(page: Page) -> None:
    _open(page, "/")
    box = page.get_by_label("Your question")
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.locator(".turn [data-scenario]")).to_be_visible()


SCENES: dict[str, Callable[[Page], None]] = {
    "chat": _opened("/"),
    "answer": _answered,
    "scenarios": _opened("/scenarios"),
    "scenario": _opened("/scenarios/7"),
    "about": _opened("/about"),
    "not-found": _opened("/scenarios/999"),
}


@contextmanager
def _service() -> Iterator[str]:
    """The address of a service whose journal is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"data_dir": folder, "log_level": "warning"}
        service = Service.start(Path(folder) / "output", settings, {})
        try:
            yield service.address
        finally:
            service.stop()


@contextmanager
def _chromium() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        sys.exit(f"none of {', '.join(NAMES)} is installed; sudo apt-get install chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
