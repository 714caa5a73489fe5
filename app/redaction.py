"""Secrets in a message, taken out before it is stored, logged or echoed.

Each pattern keeps what explains the problem (the setting's name, the DSN's host) and replaces the secret
itself. A line that only names a secret (`SECRET_KEY must not be empty`) is left alone.
"""

from __future__ import annotations

import re

REDACTED = "[redacted]"

_NAMES = (
    r"(?:[\w-]*(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?token"
    r"|access[_-]?token|refresh[_-]?token|secret[_-]?key|credential)[\w-]*|(?:\w+[_-])?(?:pwd|token|dsn)|session_?id"
    r"|csrf(?:token|middlewaretoken)?)"
)

# Order matters: whole tokens first, then what stands beside a telling name.
PATTERNS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY)-----(?P<secret>.*?)(?:-----END (?P=kind)-----|\Z)",
        r"\beyJ[\w-]{6,}\.(?P<secret>[\w-]{4,}(?:\.[\w-]*)?)",
        r"(?P<secret>\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b)",
        r"(?P<secret>\bxox[a-z]-[\w-]{8,}|\bxapp-[\w-]{8,})",
        r"(?P<secret>\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|AIza[\w-]{20,}))",
        r"(?P<secret>\b[a-z]{2,10}_(?:live|test|prod|sk|pk)_[A-Za-z0-9]{8,}\b|\b[sp]k-[\w-]{16,})",
        r"hooks\.slack\.com/services/(?P<secret>[\w/]+)",
        r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:(?P<secret>[^\s@'\"]+)@",
        r"\b(?:Bearer|Basic|Token|Api-Key)\s+(?P<secret>[\w.~+/=-]{8,})",
        r"\b(?:set-)?cookie\s*[:=]\s*(?P<secret>[^\r\n]+)",
        rf"\b{_NAMES}[\"']?\s*(?:=>|[:=])\s*(?P<secret>(?:[rbf]?(?P<quote>[\"'])(?:(?!(?P=quote)).)+(?P=quote))"
        r"|(?![\"'\[{(<$])[^\s,;&\"')]{4,})",
        r"(?P<secret>\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b)",
        # 32 and more characters that mix cases and digits are a key, not a word.
        r"(?P<secret>(?<![\w/.+-])(?=[\w+/-]*[a-z])(?=[\w+/-]*(?-i:[A-Z]))(?=[\w+/-]*\d)[\w+/-]{32,}={0,2})",
    )
)


def redact(text: str) -> str:
    """`text` with every recognised secret replaced by `[redacted]`."""
    for pattern in PATTERNS:
        text = pattern.sub(_without_secret, text)
    return text


def _without_secret(match: re.Match[str]) -> str:
    start, end = match.span("secret")
    whole = match.group()
    return whole[: start - match.start()] + REDACTED + whole[end - match.start() :]
