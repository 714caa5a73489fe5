"""Reading one scenario file: every finding is collected, with its line and how to mend it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from pydantic import ValidationError

from app.scenarios import SECTIONS, Category, CodeBlock, Finding, FrontMatter, Scenario

FILE_NAME = re.compile(r"(?P<id>\d{3,})-(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)\.md")
FENCE_OPTION = re.compile(r'(\w+)="([^"]*)"')

_markdown = MarkdownIt("commonmark")


class ScenarioFile:
    """A scenario's file being read; collects every finding instead of stopping at the first."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.findings: list[Finding] = []
        self.front: FrontMatter | None = None
        self.body_start = 0
        self.sections: dict[str, str] = {}
        self.code_blocks: list[CodeBlock] = []
        self.key_lines: dict[str, int] = {}

    def report(self, line: int, message: str) -> None:
        self.findings.append(Finding(self.path, line, message))

    def read(self) -> None:
        self._read_front_matter()
        self._read_sections()

    def _read_front_matter(self) -> None:
        if not self.lines or self.lines[0] != "---" or "---" not in self.lines[1:]:
            self.report(1, "no front matter; begin the file with a block of YAML between two lines of ---")
            return
        end = self.lines.index("---", 1)
        self.body_start = end + 1
        source = "\n".join(self.lines[1:end])
        try:
            self.key_lines = _key_lines(source)
            self.front = FrontMatter.model_validate(yaml.safe_load(source) or {})
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 2 if mark else 1
            self.report(
                line, f"front matter is not YAML: {getattr(error, 'problem', error)}; quote the value"
            )
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self.report(self._line_of(detail["loc"]), _explain(detail))

    def _line_of(self, location: tuple[int | str, ...]) -> int:
        """The line of the innermost key or list item that pydantic names."""
        for depth in range(len(location), 0, -1):
            if line := self.key_lines.get(".".join(map(str, location[:depth]))):
                return line
        return 1

    def _read_sections(self) -> None:
        body = self.lines[self.body_start :]
        starts: list[tuple[str, int]] = []
        tokens = _markdown.parse("\n".join(body))
        for position, token in enumerate(tokens):
            line = self.body_start + (token.map[0] if token.map else 0) + 1
            if token.type == "heading_open" and token.tag in {"h1", "h2"}:
                starts.append((tokens[position + 1].content, line))
            elif token.type == "fence":
                self._read_code_block(token.info, token.content, line)
        titles = tuple(title for title, _ in starts)
        if titles != SECTIONS:
            line = next(
                (at for (title, at), wanted in zip(starts, SECTIONS, strict=False) if title != wanted), 1
            )
            self.report(line, f"sections are {list(titles)}; write exactly {list(SECTIONS)}, in this order")
            return
        ends = [line - 1 for _, line in starts[1:]] + [len(self.lines)]
        for (title, line), end in zip(starts, ends, strict=True):
            self.sections[title] = "\n".join(self.lines[line:end]).strip()
            if not self.sections[title]:
                self.report(line, f"section '{title}' is empty; write it")

    def _read_code_block(self, info: str, code: str, line: int) -> None:
        try:
            language, title, django = block_options(info)
        except ValueError:
            language, title, django = "", None, None
        if not language or not title:
            self.report(line, f"code block opens with '{info}'; write ```language title=\"path/of/file\"")
            return
        self.code_blocks.append(CodeBlock(language, title, code, line, django))

    def scenario(self, categories: dict[str, Category]) -> Scenario | None:
        """The scenario, or None if anything was found wrong."""
        named = FILE_NAME.fullmatch(self.path.name)
        if not named:
            self.report(1, f"file name '{self.path.name}'; name it <id of three digits>-<slug>.md")
        if front := self.front:
            if named and int(named["id"]) != front.id:
                self.report(
                    self._line_of(("id",)), f"id {front.id} in a file named {self.path.name}; make them agree"
                )
            if front.category not in categories:
                known = ", ".join(categories)
                self.report(
                    self._line_of(("category",)), f"unknown category '{front.category}'; one of: {known}"
                )
            elif self.path.parent.name != front.category:
                self.report(
                    self._line_of(("category",)),
                    f"category '{front.category}' in folder '{self.path.parent.name}'; move the file",
                )
        if self.findings or not front or not named:
            return None
        texts = {title.lower().replace(" ", "_"): text for title, text in self.sections.items()}
        return Scenario(
            id=front.id,
            slug=named["slug"],
            title=front.title,
            category=categories[front.category],
            tags=tuple(front.tags),
            asked_as=tuple(front.asked_as),
            related=tuple(front.related),
            sources=tuple(front.sources),
            reviewed=front.reviewed,
            code_blocks=tuple(self.code_blocks),
            path=self.path,
            **texts,
        )


def read_scenario(path: Path, categories: dict[str, Category]) -> tuple[Scenario | None, ScenarioFile]:
    """Parse one file: its scenario (None if it has findings) and the file as read."""
    try:
        file = ScenarioFile(path, path.read_text(encoding="utf-8"))
        file.read()
    except UnicodeDecodeError as error:
        file = ScenarioFile(path, "")
        file.report(1, f"not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8")
    return file.scenario(categories), file


def _key_lines(source: str) -> dict[str, int]:
    """Where each key and list item of the front matter stands: 'sources.0.url' -> line in the file."""
    lines: dict[str, int] = {}

    def walk(node: yaml.Node, prefix: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = f"{prefix}{key.value}"
                lines[name] = key.start_mark.line + 2
                walk(value, name + ".")
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                lines[f"{prefix}{number}"] = item.start_mark.line + 2
                walk(item, f"{prefix}{number}.")

    if root := yaml.compose(source, Loader=yaml.SafeLoader):
        walk(root, "")
    return lines


def _explain(detail: Any) -> str:
    name = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{name}'; known keys: {', '.join(FrontMatter.model_fields)}"
    if detail["type"] == "missing":
        return f"'{name}' is missing; add it to the front matter"
    return f"'{name}': {detail['msg']} (found: {detail['input']!r:.80})"


def block_options(info: str) -> tuple[str, str | None, str | None]:
    """Language, title and Django version of a fence's info string; ValueError if there is anything else."""
    language, _, rest = info.strip().partition(" ")
    options = dict(FENCE_OPTION.findall(rest))
    if FENCE_OPTION.sub("", rest).strip() or options.keys() - {"title", "django"}:
        raise ValueError(info)
    return language, options.get("title"), options.get("django")
