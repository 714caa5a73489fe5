"""What a scenario is; `app/scenario_file.py` reads one, `app/corpus.py` a folder of them.

The format is described in content/README.md. Nothing here knows what the scenarios are about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field

SECTIONS = ("Problem", "Short answer", "Answer", "Watch out", "Check it")
LEAD_IN = re.compile(r"^\s*(?:\d+\.|[-*])\s+\*\*(.+?)\*\*", re.MULTILINE)

# A word with an underscore or a capital inside.
IDENTIFIER = re.compile(r"\b(?=[A-Za-z]+(?:_|[a-z][A-Z]))[A-Za-z_]{4,40}\b")
MOST_IDENTIFIERS = 40


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    title: str = Field(min_length=1)
    url: AnyHttpUrl


class Category(Strict):
    """`ids` is the inclusive range of ids planned for it, written or not."""

    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str = Field(min_length=1)
    ids: tuple[int, int] | None = None


class FrontMatter(Strict):
    id: int = Field(ge=1)
    title: str = Field(min_length=1)
    category: str
    tags: list[Annotated[str, Field(min_length=1)]] = Field(min_length=3, max_length=8)
    asked_as: list[Annotated[str, Field(min_length=1, pattern=r"\S")]] = Field(min_length=12)
    related: list[int] = Field(min_length=2, max_length=5)
    sources: list[Source] = Field(min_length=1)
    reviewed: str = Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block; `line` is where it opens in the file, `django` the version it needs or None."""

    language: str
    title: str
    code: str
    line: int
    django: str | None = None


@dataclass(frozen=True)
class Finding:
    """Something wrong in the content: where, what, and how to mend it."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Scenario:
    """One vetted answer. The section texts are Markdown as written, without their headings."""

    id: int
    slug: str
    title: str
    category: Category
    tags: tuple[str, ...]
    asked_as: tuple[str, ...]
    related: tuple[int, ...]
    sources: tuple[Source, ...]
    reviewed: str
    problem: str
    short_answer: str
    answer: str
    watch_out: str
    check_it: str
    code_blocks: tuple[CodeBlock, ...]
    path: Path

    @property
    def steps(self) -> list[str]:
        """The bold lead-ins of the answer and its warnings, in order."""
        return [step.rstrip(".:") for part in (self.answer, self.watch_out) for step in LEAD_IN.findall(part)]

    @property
    def identifiers(self) -> list[str]:
        """The names in the code blocks that look like an API's: `select_related`, `CONN_MAX_AGE`."""
        names = (name for block in self.code_blocks for name in IDENTIFIER.findall(block.code))
        return list(dict.fromkeys(names))[:MOST_IDENTIFIERS]

    def texts(self) -> Iterator[tuple[str, str]]:
        """What retrieval compares a question with: pairs of kind and text."""
        yield "title", self.title
        yield "problem", self.problem
        yield "short_answer", self.short_answer
        for text in self.asked_as:
            yield "asked_as", text
        # As one text each: alone a step is a fragment, and a name one word.
        if self.steps:
            yield "steps", "; ".join(self.steps)
        if self.identifiers:
            yield "identifiers", " ".join(self.identifiers)
