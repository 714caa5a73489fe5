"""Scenarios written for the tests of the harness itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from textwrap import dedent

from tests.examples.example import Example, find_example


def write_example(
    folder: Path, blocks: str, tests: str = "", context: dict[str, str] | None = None
) -> Example:
    """Write scenario 7 with these blocks, this test module and these context files below `folder`."""
    category = folder / "content" / "shop"
    category.mkdir(parents=True)
    (category.parent / "categories.yaml").write_text("[{slug: shop, title: Shop}]")
    (category / "007-demo-shop.md").write_text(dedent(blocks))
    files = {"test_007_demo_shop.py": tests}
    files |= {f"files/007/{name}": text for name, text in (context or {}).items()}
    for name, text in files.items():
        file = folder / "tests" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
    return dataclasses.replace(find_example(7, category.parent), tests_folder=folder / "tests")
