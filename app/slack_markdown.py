"""Markdown as Slack's mrkdwn: whole pieces, each valid by itself and short enough for one block.

Headings become bold lines, lists lines with bullets, tables columns in a code block: mrkdwn has none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.scenario_file import block_options
from app.slack_mrkdwn import Run, escape, fenced, mrkdwn, parts

INDENT = " " * 4
BULLETS = "•◦▪"
MARKS = {"strong": "*", "em": "_", "s": "~"}
# A longer address leads nowhere that a person could read.
MAX_HREF_CHARS = 1500
MAX_TITLE_CHARS = 100

_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@dataclass(frozen=True)
class Piece:
    """mrkdwn that stands by itself; a tight one follows the piece before it on the next line."""

    text: str
    is_tight: bool = False

    @property
    def glue(self) -> str:
        return "\n" if self.is_tight else "\n\n"


def pieces(markdown: str, limit: int, address: str = "") -> list[Piece]:
    """The Markdown in pieces of at most `limit` characters; links to a path begin with `address`.

    Code is cut only if it is longer than a piece, between its lines, and each part is fenced.
    """
    return [
        piece for piece in _Writer(limit, address).blocks(_markdown.parse(markdown)) if piece.text.strip()
    ]


class _Writer:
    """Turns Markdown's tokens into pieces; `depth` counts the lists around, `quotes` the quotations."""

    def __init__(self, limit: int, address: str) -> None:
        self._limit = limit
        self._address = address
        self._lists: list[int | None] = []
        self._marker = ""
        self._is_tight = False
        self._quotes = 0

    def blocks(self, tokens: Sequence[Token]) -> Iterator[Piece]:
        table: list[list[str]] = []
        is_heading = False
        for token in tokens:
            match token.type:
                case "bullet_list_open":
                    self._lists.append(None)
                case "ordered_list_open":
                    self._lists.append(int(token.attrs.get("start", 1)))
                case "bullet_list_close" | "ordered_list_close":
                    self._lists.pop()
                case "list_item_open":
                    self._marker = self._next_marker()
                case "blockquote_open":
                    self._quotes += 1
                case "blockquote_close":
                    self._quotes -= 1
                case "paragraph_open":
                    self._is_tight = token.hidden
                case "heading_open" | "heading_close":
                    is_heading = token.type == "heading_open"
                case "table_open":
                    table = []
                case "tr_open":
                    table.append([])
                case "table_close":
                    yield from self._code(_columns(table))
                    table = []
                case "inline" if table:
                    table[-1].append(_as_text(self._runs(token)))
                case "inline":
                    runs = self._runs(token)
                    yield from self._prose([_bold(run) for run in runs] if is_heading else runs)
                case "fence" | "code_block":
                    yield from self._code(token.content, _title(token.info))
                case "hr":
                    yield Piece("———")

    def _next_marker(self) -> str:
        number = self._lists[-1]
        indent = INDENT * (len(self._lists) - 1)
        if number is None:
            return f"{indent}{BULLETS[min(len(self._lists), len(BULLETS)) - 1]} "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _prose(self, runs: list[Run]) -> Iterator[Piece]:
        quote = "> " if self._quotes else ""
        marker, self._marker = self._marker, ""
        lead = quote + (marker or INDENT * (len(self._lists) - 1))
        breaks = sum(run.text.count("\n") for run in runs)
        for part in parts(runs, self._limit - len(lead) - len(quote) * breaks):
            yield Piece(lead + mrkdwn(part).replace("\n", f"\n{quote}"), is_tight=self._is_tight)
            lead = quote

    def _code(self, code: str, title: str = "") -> Iterator[Piece]:
        caption = mrkdwn([Run(title[:MAX_TITLE_CHARS], is_code=True)]) + "\n" if title else ""
        marker, self._marker = self._marker, ""
        lead = f"{marker}\n" if marker.strip() else ""
        for part in fenced(code, self._limit - len(lead) - len(caption)):
            yield Piece(lead + caption + part)
            lead = caption = ""

    def _runs(self, inline: Token) -> list[Run]:
        runs: list[Run] = []
        marks: list[str] = []
        href = ""
        for token in inline.children or []:
            name, _, end = token.type.rpartition("_")
            if name in MARKS and end == "open":
                marks.append(MARKS[name])
            elif name in MARKS:
                marks.pop()
            elif token.type == "link_open":
                href = self._href(str(token.attrGet("href") or ""))
            elif token.type == "link_close":
                href = ""
            else:
                runs.append(self._leaf(token, tuple(dict.fromkeys(marks)), href))
        return runs

    def _leaf(self, token: Token, marks: tuple[str, ...], href: str) -> Run:
        if token.type == "softbreak":
            return Run(" ", marks, href)
        if token.type == "hardbreak":
            return Run("\n", marks, href)
        if token.type == "image":
            return Run(token.content or "image", marks, self._href(str(token.attrGet("src") or "")))
        return Run(token.content, marks, href, is_code=token.type == "code_inline")

    def _href(self, href: str) -> str:
        """An absolute address without the signs that end it in mrkdwn, or nothing."""
        if href.startswith("/"):
            href = self._address + href if self._address else ""
        if not re.match(r"(https?://|mailto:)", href):
            return ""
        href = escape(href).replace("|", "%7C")
        return href if len(href) <= min(MAX_HREF_CHARS, self._limit // 2) else ""


def _bold(run: Run) -> Run:
    return run if "*" in run.marks else replace(run, marks=("*", *run.marks))


def _title(info: str) -> str:
    try:
        return block_options(info)[1] or ""
    except ValueError:
        return ""


def _as_text(runs: Sequence[Run]) -> str:
    """Runs for a place where nothing is formatted."""
    return "".join(f"{run.text} ({run.href})" if run.href else run.text for run in runs).replace("\n", " ")


def _columns(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(line).rstrip() for line in lines)
