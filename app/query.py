"""From what a person typed or pasted to what retrieval is asked."""

from __future__ import annotations

import re

# Of a traceback the names count, not where the files lie: frames, carets, addresses, times and hashes go.
FRAME = re.compile(r'^\s*(?:\|\s*)?File "[^"]*", line \d+(?:, in .*)?$')
MARKER = re.compile(
    r"^\s*(?:\|\s*)?(?:[~^\s]+|-{5,}|={5,}|\.{3,}|Traceback \(most recent call last\):"
    r"|The above exception was the direct cause of the following exception:"
    r"|During handling of the above exception, another exception occurred:)\s*$"
)
# `django.db.utils.OperationalError: connection refused`, also behind a log's prefix.
EXCEPTION = re.compile(
    r"\b[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Timeout|DoesNotExist|Denied)\b"
)
NOISE = (
    re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"),  # times
    re.compile(r"\[\d\d/[A-Z][a-z]{2}/\d{4}[ :][^\]]*\]"),  # an access log's time
    re.compile(r"\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b"),  # addresses, hashes, ids
    re.compile(r"(?:[A-Za-z]:)?(?:[\w.@-]*[/\\]){3,}[\w.@-]*"),  # paths
    re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"),  # IP addresses
)
LOG_LEVEL = re.compile(r"\b(?:DEBUG|INFO|NOTICE)\b")
# Fewer lines are a message with an error in it, not a paste.
SHORTEST_PASTE = 6
LONGEST_QUERY_CHARS = 1200

# Words with which a person says that there is a second problem.
SECOND_PROBLEM = re.compile(
    r"(?:^|[.?!;\n])\s*(?:and\s+)?"
    r"(?:also|(?:my )?(?:second|other|next) (?:question|problem|issue)|second(?:ly)?"
    r"|another (?:thing|question|problem|issue)|besides|separately|unrelated(?:ly)?|plus|on top of that"
    r"|2[.)]|\(2\)|b\))[\s,:;-]",
    re.IGNORECASE,
)
SHORTEST_PROBLEM_WORDS = 5


def query_of(message: str) -> str:
    """`message` without a paste's line noise: what is said in words, the exceptions and the names stay."""
    lines = message.splitlines()
    if len(lines) < SHORTEST_PASTE:
        return _shortened(message)
    kept: list[str] = []
    after_frame = False
    for line in lines:
        if FRAME.match(line) or MARKER.match(line):
            after_frame = FRAME.match(line) is not None
            continue
        # The source line under a frame shows where, hardly ever what.
        if not after_frame and line.strip():
            kept.append(_without_noise(line))
        after_frame = False
    kept = list(dict.fromkeys(line for line in kept if line))
    # What went wrong is said in the person's own words, mostly at an end, and by the last exceptions.
    important = [line for line in kept if EXCEPTION.search(line)]
    rest = [line for line in kept if line not in important and not LOG_LEVEL.search(line)]
    return _shortened("\n".join([*important[-3:], *rest]))


def problems_in(message: str) -> list[str]:
    """The message's two problems if it says that it has a second one; else the message alone."""
    for marker in SECOND_PROBLEM.finditer(message):
        parts = [message[: marker.start() + 1], message[marker.end() :]]
        if all(len(part.split()) >= SHORTEST_PROBLEM_WORDS for part in parts):
            return parts
    return [message]


def _shortened(text: str) -> str:
    """The beginning and the end of a long text: in between a story mostly tells what has been tried."""
    if len(text) <= LONGEST_QUERY_CHARS:
        return text
    half = LONGEST_QUERY_CHARS // 2
    return f"{text[:half]}\n{text[-half:]}"


def _without_noise(line: str) -> str:
    for pattern in NOISE:
        line = pattern.sub(" ", line)
    return " ".join(line.split())
