"""The table of contents in content/README.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.contents import END, START, table_of_contents, with_contents
from app.corpus import load_corpus
from app.errors import ContentError
from app.settings import PROJECT


def test_the_contents_of_the_scenarios_are_up_to_date() -> None:
    readme = PROJECT / "content" / "README.md"
    current = with_contents(readme, load_corpus(PROJECT / "content"))
    assert readme.read_text(encoding="utf-8") == current, "run .venv/bin/scenarios contents"


def test_the_contents_link_every_scenario_under_its_category(corpus_folder: Path) -> None:
    assert table_of_contents(load_corpus(corpus_folder)).splitlines() == [
        "3 scenarios.",
        "",
        "**Kitchen**",
        "",
        "- 1. [Sourdough](kitchen/001-sourdough.md)",
        "- 2. [Sharp Knives](kitchen/002-sharp-knives.md)",
        "",
        "**Garden**",
        "",
        "- 11. [Tomatoes](garden/011-tomatoes.md)",
    ]


def test_only_what_stands_between_the_marks_is_replaced(corpus_folder: Path) -> None:
    corpus = load_corpus(corpus_folder)
    readme = corpus_folder / "README.md"
    readme.write_text(f"above\n{START}\nold\n{END}\nbelow\n", encoding="utf-8")
    text = with_contents(readme, corpus)
    assert text.startswith(f"above\n{START}\n\n3 scenarios.")
    assert text.endswith(f"{END}\nbelow\n")
    assert "old" not in text
    readme.write_text("no marks", encoding="utf-8")
    with pytest.raises(ContentError, match="has no place for the contents; add the lines"):
        with_contents(readme, corpus)
