"""Markdown as Slack's mrkdwn: whole pieces, each valid by itself and short enough for one block.

mrkdwn has no escapes but for `&<>`, no nested lists, headings or tables, and its emphasis ends with the line.
https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.scenario_file import block_options

FENCE = "```"
INDENT = " " * 4
# Looks the same and formats nothing: there is no other way to write these signs.
LOOKALIKES = {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"}
SIGNS = re.compile(r"[*_~`]")
SIGNS_SET = frozenset(LOOKALIKES)
ZERO_WIDTH_SPACE = "\u200b"
EMOJI_CODE = re.compile(r":(?=[\w+-]+:)")
MARKS = {"strong": "*", "em": "_", "s": "~"}
# What a link adds to its text: `<|>`. A longer address leads nowhere that a person could read.
MAX_HREF_CHARS = 1500
MAX_TITLE_CHARS = 100
BACKTICKS = re.compile(r"`{2,}")
WORDS = re.compile(r"\n|[^\S\n]+|\S+")

_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@dataclass(frozen=True)
class Piece:
    """mrkdwn that stands by itself; a tight one follows the piece before it on the next line."""

    text: str
    is_tight: bool = False

    @property
    def glue(self) -> str:
        return "\n" if self.is_tight else "\n\n"


@dataclass(frozen=True)
class Run:
    """Text of one kind: `marks` are signs of MARKS, outermost first."""

    text: str
    marks: tuple[str, ...] = ()
    href: str = ""
    is_code: bool = False


def escape(text: str) -> str:
    """Text that means nothing to Slack: no mention, no link; emphasis is not looked at."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """Text that Slack shows as it is."""
    return mrkdwn([Run(text)])


def link(text: str, href: str) -> str:
    """Text that leads to `href`, or the text if that is no address."""
    return mrkdwn([Run(text, href=href)])


def pieces(markdown: str, limit: int, address: str = "") -> list[Piece]:
    """The Markdown in pieces of at most `limit` characters; links to a path begin with `address`.

    Code is cut only if it is longer than a piece, between its lines, and each part is fenced.
    """
    return [
        piece for piece in _Writer(limit, address).blocks(_markdown.parse(markdown)) if piece.text.strip()
    ]


def mrkdwn(runs: Sequence[Run]) -> str:
    """Runs as mrkdwn. Emphasis ends and begins again at each line."""
    lines = []
    for line in _lines(runs):
        grouped = groupby(line, key=lambda run: (run.marks, run.href))
        text = _joined(_marked(list(group), marks, href) for (marks, href), group in grouped)
        # A `>` at the start of a line would be a quotation.
        lines.append(ZERO_WIDTH_SPACE + text if text.startswith("&gt;") else text)
    return "\n".join(lines)


def _lines(runs: Sequence[Run]) -> Iterator[list[Run]]:
    line: list[Run] = []
    for run in runs:
        first, *more = run.text.split("\n")
        line.append(replace(run, text=first))
        for text in more:
            yield [run for run in line if run.text]
            line = [replace(run, text=text)]
    yield [run for run in line if run.text]


def _marked(runs: Sequence[Run], marks: tuple[str, ...], href: str) -> str:
    """Runs of the same marks and link."""
    if href:
        text = f"<{href}|{''.join(_unmarked(replace(run, is_code=False)) for run in runs)}>"
    else:
        text = _joined(map(_unmarked, runs))
    bare = text.strip()
    if not marks or not bare:
        return text
    start, end = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{start}{''.join(marks)}{bare}{''.join(reversed(marks))}{end}"


def _unmarked(run: Run) -> str:
    if run.is_code:
        return f"`{escape(run.text.replace('`', LOOKALIKES['`']))}`"
    text = SIGNS.sub(lambda match: _harmless(match, bool(run.marks)), run.text)
    return escape(EMOJI_CODE.sub(f":{ZERO_WIDTH_SPACE}", text))


def _harmless(match: re.Match[str], is_marked: bool) -> str:
    """The sign itself only where Slack cannot take it for emphasis: in a word, or between blanks."""
    text, sign = match.string, match[0]
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    in_word = before.isalnum() and after.isalnum()
    alone = before.isspace() and after.isspace()
    return sign if (in_word or alone) and sign != "`" and not is_marked else LOOKALIKES[sign]


def _joined(texts: Iterable[str]) -> str:
    """Emphasis begins and ends at the edge of a word; within one, an invisible space makes the edge."""
    whole = ""
    for text in texts:
        before, after = whole[-1:], text[:1]
        touches = after in SIGNS_SET if before.isalnum() else before in SIGNS_SET and _binds(after)
        whole += ZERO_WIDTH_SPACE + text if before and after and touches else text
    return whole


def _binds(character: str) -> bool:
    return character.isalnum() or character in SIGNS_SET


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
            return f"{indent}{'•◦▪'[min(len(self._lists), 3) - 1]} "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _prose(self, runs: list[Run]) -> Iterator[Piece]:
        quote = "> " if self._quotes else ""
        marker, self._marker = self._marker, ""
        lead = quote + (marker or INDENT * (len(self._lists) - 1))
        breaks = sum(run.text.count("\n") for run in runs)
        for part in _parts(runs, self._limit - len(lead) - len(quote) * breaks):
            yield Piece(lead + mrkdwn(part).replace("\n", f"\n{quote}"), is_tight=self._is_tight)
            lead = quote

    def _code(self, code: str, title: str = "") -> Iterator[Piece]:
        caption = mrkdwn([Run(title[:MAX_TITLE_CHARS], is_code=True)]) + "\n" if title else ""
        marker, self._marker = self._marker, ""
        lead = f"{marker}\n" if marker.strip() else ""
        room = self._limit - len(caption) - len(lead) - 2 * len(FENCE) - 2
        for part in _code_parts(code.strip("\n"), room):
            yield Piece(f"{lead}{caption}{FENCE}\n{part}\n{FENCE}")
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


def _parts(runs: Sequence[Run], limit: int) -> Iterator[list[Run]]:
    """The runs in as many parts as it takes for each to fit, cut between words where that is possible."""
    if len(mrkdwn(runs)) <= limit:
        yield list(runs)
        return
    part: list[Run] = []
    length = 0
    for atom in _atoms(runs, limit):
        # Alone it takes at least as much as in company.
        cost = len(mrkdwn([atom])) + 1
        if length + cost > limit and part:
            yield part
            part, length = [], 0
            if atom.text.isspace():
                continue
        part.append(atom)
        length += cost
    if part:
        yield part


def _atoms(runs: Sequence[Run], limit: int) -> Iterator[Run]:
    for run in runs:
        words = [run.text] if run.is_code or run.href else WORDS.findall(run.text)
        for word in words:
            yield from _cut(replace(run, text=word), limit - 1)


def _cut(run: Run, limit: int) -> Iterator[Run]:
    """The run in halves until each fits; a link gives up its address first."""
    if len(mrkdwn([run])) <= limit:
        yield run
    elif run.href:
        yield from _cut(replace(run, href=""), limit)
    else:
        middle = len(run.text) // 2
        yield from _cut(replace(run, text=run.text[:middle]), limit)
        yield from _cut(replace(run, text=run.text[middle:]), limit)


def _code_parts(code: str, room: int) -> Iterator[str]:
    """The code, or parts of it between lines; escaped, and without anything that would end it."""
    part = ""
    for line in code.split("\n"):
        for text in _line_parts(line, room):
            if part and len(part) + 1 + len(text) > room:
                yield part
                part = text
            else:
                part = f"{part}\n{text}" if part else text
    if part.strip():
        yield part


def _line_parts(line: str, room: int) -> Iterator[str]:
    safe = escape(BACKTICKS.sub(lambda match: ZERO_WIDTH_SPACE.join(match[0]), line))
    if len(safe) <= room:
        yield safe
        return
    middle = len(line) // 2
    yield from _line_parts(line[:middle], room)
    yield from _line_parts(line[middle:], room)
