"""What a person pasted into a message (a traceback, code, a log) told apart from what they wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

# More lines than this are folded.
SHOWN_LINES = 12
# Fewer lines are part of the prose: an indented line by itself is no code.
FEWEST_LINES = 2

CODE_LINE = re.compile(
    r"^(?:[ \t]{2,}|\t)\S"  # indented
    r"|^Traceback \(most recent call last\)"
    r"|^(?:[A-Za-z_][\w.]*(?:Error|Exception|Warning|DoesNotExist|NotFound))(?::|$)"  # a traceback's last line
    r"|^(?:from [\w.]+ import |import [\w.]+$|(?:async )?def \w+\(|class \w+.*:$|@\w[\w.]*(?:\(|$))"
    r"|^(?:SELECT|INSERT|UPDATE|DELETE|EXPLAIN|CREATE|ALTER) .*|^\$ \S"
    r"|^(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b[\s:\[]|^\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d"  # a log
    r"|^[\w.\[\]\"']+ = \S|^[)\]}]+[,;]?$|^During handling of the above exception|^The above exception was "
)


@dataclass(frozen=True)
class Part:
    """Whole lines of a message, without the line break at their end."""

    text: str
    is_code: bool

    @property
    def lines(self) -> int:
        return self.text.count("\n") + 1

    @property
    def is_long(self) -> bool:
        return self.lines > SHOWN_LINES


def parts(message: str) -> list[Part]:
    """The message in order, prose and code in turn; blank lines belong to what is before them."""
    found: list[Part] = []
    for is_code, lines in groupby(_classified(message), key=lambda row: row[0]):
        text = "\n".join(line for _, line in lines)
        if found and (found[-1].is_code == is_code or _is_short(text, is_code)):
            found[-1] = Part(f"{found[-1].text}\n{text}", found[-1].is_code)
        else:
            found.append(Part(text, is_code and not _is_short(text, is_code)))
    return [Part(part.text.strip("\n"), part.is_code) for part in found]


def _classified(message: str) -> Iterator[tuple[bool, str]]:
    is_code = False
    for line in message.split("\n"):
        if line.strip():
            is_code = CODE_LINE.search(line) is not None
        yield is_code, line


def _is_short(text: str, is_code: bool) -> bool:
    return is_code and len(text.strip().split("\n")) < FEWEST_LINES
