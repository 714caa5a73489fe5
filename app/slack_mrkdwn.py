"""Slack's mrkdwn: text with marks and links, written so that Slack shows what is meant, and cut where it is too long.

mrkdwn has no escapes but for `&<>`, and its emphasis ends with the line.
https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

FENCE = "```"
# Look the same and format nothing: there is no other way to write these signs.
LOOKALIKES = {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"}
# A bar ends the address of a link; in its text it looks like one.
BROKEN_BAR = "¦"
SIGNS = re.compile(r"[*_~`]")
BACKTICKS = re.compile(r"`{2,}")
EMOJI_CODE = re.compile(r":(?=[\w+-]+:)")
ZERO_WIDTH_SPACE = "\u200b"
WORDS = re.compile(r"\n|[^\S\n]+|\S+")


@dataclass(frozen=True)
class Run:
    """Text of one kind: `marks` are of `*`, `_` and `~`, outermost first."""

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
        label = "".join(_unmarked(replace(run, is_code=False)) for run in runs)
        text = f"<{href}|{label.replace('|', BROKEN_BAR)}>"
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
        touches = after in LOOKALIKES if before.isalnum() else before in LOOKALIKES and _binds(after)
        whole += ZERO_WIDTH_SPACE + text if before and after and touches else text
    return whole


def _binds(character: str) -> bool:
    return character.isalnum() or character in LOOKALIKES


def parts(runs: Sequence[Run], limit: int) -> Iterator[list[Run]]:
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


def fenced(code: str, limit: int) -> Iterator[str]:
    """The code between fences, in as many parts as it takes, cut between lines; nothing in it ends it early."""
    room = limit - 2 * len(FENCE) - 2
    for part in _code_parts(code.strip("\n"), room):
        yield f"{FENCE}\n{part}\n{FENCE}"


def _code_parts(code: str, room: int) -> Iterator[str]:
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
