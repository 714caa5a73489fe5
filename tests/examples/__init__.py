"""Executes the code of the answers: how, is told in tests/content/README.md."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE_TESTS = ROOT / "tests" / "content"
