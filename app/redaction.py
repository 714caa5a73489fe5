"""Secrets in a message, taken out before it is stored, logged or echoed.

Each rule keeps what explains the problem (the setting's name, the DSN's host, the cookie's attributes) and
replaces the secret itself. A line that only names a secret (`SECRET_KEY must not be empty`) and code that
fetches one (`os.environ["SECRET_KEY"]`) are left alone. No pattern begins with a repetition that a word's
every character could start: 4,000 characters cost milliseconds, whatever they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

REDACTED = "[redacted]"
# Runs of one kind of character; a key's are short, those of words, paths and identifiers long.
RUN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
LONGEST_MEAN_RUN_OF_A_KEY = 3.2


def looks_random(text: str) -> bool:
    """Whether `text` is made of such short runs that it is a key and not words or an identifier."""
    runs = RUN.findall(text)
    return sum(map(len, runs)) <= LONGEST_MEAN_RUN_OF_A_KEY * len(runs)


@dataclass(frozen=True)
class Rule:
    """What matches the group `secret` is redacted, if it passes `only_if`."""

    pattern: re.Pattern[str]
    only_if: Callable[[str], bool] = lambda _: True

    @classmethod
    def of(cls, pattern: str, only_if: Callable[[str], bool] = lambda _: True) -> Rule:
        return cls(re.compile(pattern, re.IGNORECASE | re.VERBOSE), only_if)

    def apply(self, text: str) -> str:
        return self.pattern.sub(self._without_secret, text)

    def _without_secret(self, match: re.Match[str]) -> str:
        if not self.only_if(match["secret"]):
            return match[0]
        start, end = (place - match.start() for place in match.span("secret"))
        return match[0][:start] + REDACTED + match[0][end:]


# How a name that announces a secret ends; what stands before it (DB_, aws_, client) does not matter.
NAME = r"""
    (?: password | passwd | passphrase | secret | credential | token | connection[_-]?string
      | (?:api|access|private|secret|signing|encryption|fernet|auth|account|license|master|shared|client)[_-]?key
      | (?<![a-z]) (?: pass | pwd | pw | psk | dsn | sid | session_?id | csrf | csrfmiddlewaretoken )
    )
    (?: [_-]? (?: \d{1,3} | id | hash | value | old | new | prod | production | live | staging | dev | test ) )?
"""
ASSIGNED = r""" (?: \\? ["'] )? \]? [ \t]* (?: => | := | ={1,3} | : ) [ \t]* """
# `${SECRET}`, `{token}`, `%s`, `***`, `<your token>`, or what an earlier rule has been through.
PLACEHOLDER = (
    r"""(?! \$\{ | \{\{? [\w. ]* \} | %\( | %s\b | \*{3} | <[\w -]*> | [^\s"',;&)}\]]* \[redacted )"""
)
QUOTED = rf"""
    [rbfu]{{0,2}} (?P<escape>\\?) (?P<quote>["']) {PLACEHOLDER}
    (?! (?-i:[A-Z]) [^"'\n]* [ ] [^"'\n]* [.!] ["'] )  # a message: "This password is too common."
    (?P<secret> (?: (?! (?P=escape) (?P=quote) ) [^\n] )+ ) (?P=escape) (?P=quote)
"""
# Without quotes, or with one that never closes. Not code, not a word of Python or JSON, not a placeholder and
# not the first word of a sentence.
BARE = rf"""
    ["']? {PLACEHOLDER} (?!\[)
    (?! [a-z_][a-z_.]* [(\[] | (?:self|cls|request|response|settings|os|env|config|form|data|user|obj)\. )
    (?! [a-z_][\w.]* \. \w* (?:token|password|secret|key) \b )
    (?! (?: true | false | none | null | undefined | optional | required | string | integer | bool | secretstr ) \b )
    (?! (?<=[ "']) (?-i:[A-Z]?[a-z]+) [.,;]? [ ] [a-z] )
    (?P<secret> [^\s"',;&)}}\]]{{4,}} )
"""
SCHEME = r"(?:Bearer|Basic|Token|JWT|Api-?Key|Digest) [ ]+"
# Not `Bearer ACCESS_TOKEN`, nor the head of a JSON web token, which tells its algorithm.
OPAQUE = r"(?! (?-i:[A-Z_]+) \b | eyJ[\w-]*\.[.\[] )"

# Order matters: whole tokens first, then what stands beside a telling name.
RULES = (
    Rule.of(r"-----BEGIN [ ](?P<kind>[A-Z ]*PRIVATE [ ]KEY (?:[ ]BLOCK)?)-----"
            r"(?P<secret> (?s:.)*? ) (?: -----END [ ](?P=kind)----- | \Z )"),
    Rule.of(r"\b eyJ [\w-]{6,} \. (?P<secret> [\w-]{4,} (?:\.[\w-]*)? )"),
    Rule.of(r"(?P<secret> \b (?:AKIA|ASIA|AROA|AIDA) [A-Z0-9]{12,} \b )"),
    Rule.of(r"(?P<secret> \b (?: xox[a-z]-[\w-]{8,} | xapp-[\w-]{8,} | gh[pousr]_\w{16,} | github_pat_\w{16,}"
            r"  | glpat-[\w-]{16,} | AIza[\w-]{20,} | SG\.[\w-]{16,}\.[\w-]{16,} ) )"),
    Rule.of(r"\b (?: [a-z]{2,10}_(?:live|test|prod|sk|pk)_ | [sp]k- (?:[a-z]{2,8}-)? )"
            r"(?P<secret> (?=[a-z]*\d) [a-z\d]{8,} )", looks_random),
    Rule.of(r"django-insecure- (?P<secret> [^\s\"']+ )"),
    Rule.of(r"hooks\.slack\.com/services/ (?P<secret> [\w/]+ )"),
    Rule.of(r"""://[^\s/:@'"]*: (?!\d{2,5}/) (?P<secret> [^\s/'"]+(?=@) | [^\s@'"]+ ) @"""),
    Rule.of(r"""://(?P<secret> [^\s/:@'"]{16,} ) @"""),
    Rule.of(rf"""authorization ["']? [ \t]* [:=] [ \t]* ["']? {SCHEME} {OPAQUE} (?P<secret> [\w.~+/=-]{{4,}} )"""),
    Rule.of(rf"\b {SCHEME} {OPAQUE} (?P<secret> [\w.~+/=-]{{8,}} )", looks_random),
    Rule.of(r"""\b set-cookie ["']? [ ]* [:=] [ ]* ["']? [\w.-]+= (?P<secret> [^;\s"']+ )"""),
    Rule.of(r"""(?<![\w-]) (?:http_)? cookie ["']? [ ]* [:= ] [ ]* ["']? (?P<secret> [\w.-]+= [^\r\n"']+ )"""),
    Rule.of(r"""curl [ ] [^\n]{0,300}? [ ] (?:-u|--user) [ =] ["']? [^\s:"']+ : (?P<secret> [^\s"']+ )"""),
    Rule.of(r"""(?<!\S) -- (?:password|passwd|passphrase|token|secret|api-?key) [ ]
                ["']? (?P<secret> [^\s"'<$-][^\s"']{3,} )"""),
    Rule.of(r"""\b (?:password|identified [ ] by) [ ] ' (?P<secret> [^'\n]+ ) '"""),
    Rule.of(rf"<[\w:.-]{{0,40}} {NAME} > (?P<secret> [^<\s][^<]* ) </"),
    Rule.of(r"""secret_key_fallbacks ["']? \s* [:=] \s* [\[(] (?!\[) (?P<secret> [^\])]+ )"""),
    Rule.of(rf"{NAME} {ASSIGNED} (?: \( \s* )? {QUOTED}"),
    Rule.of(rf"{NAME} {ASSIGNED} {BARE}"),
    Rule.of(rf"(?: _key | signature | [?&]sig ) {ASSIGNED} [\"']? (?P<secret> (?=[\w+/-]*\d) [\w+/-]{{16,}} ={{0,2}} )",
            looks_random),
    Rule.of(r"""(?<![\w.+-]) (?!git@) (?P<secret> [\w.+-]+ @ (?![23]x\.) (?:[\w-]+\.)+ [a-z]{2,} ) \b"""),
    # 32 and more characters that mix cases and digits in short runs are a key, not a word, path or identifier.
    Rule.of(r"(?P<secret> (?<![\w/.+-]) (?=[\w+/-]*(?-i:[a-z])) (?=[\w+/-]*(?-i:[A-Z])) (?=[\w+/-]*\d)"
            r"  [\w+/-]{32,} ={0,2} )", looks_random),
)  # fmt: skip


def redact(text: str) -> str:
    """`text` with every recognised secret replaced by `[redacted]`."""
    for rule in RULES:
        text = rule.apply(text)
    return text
