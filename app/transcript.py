"""A conversation as Markdown, for a ticket, a commit message or a colleague."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from app.pasted import Part
from app.published import PublishedScenario
from app.turns import Turn
from app.wording import confidence_in_words


def transcript(turns: Iterable[Turn], scenarios: Mapping[int, PublishedScenario], address: str) -> str:
    """Questions as quotations, answers as they were written; links begin with `address`."""
    return "\n\n---\n\n".join(_turn(turn, scenarios, address) for turn in turns) + "\n"


def _turn(turn: Turn, scenarios: Mapping[int, PublishedScenario], address: str) -> str:
    parts = [_quoted(turn.parts)]
    if turn.message:
        parts.append(turn.message)
    if turn.has_answer:
        number, confidence = turn.results[0]
        assurance = "Chosen among several" if turn.is_chosen else confidence_in_words(confidence)
        parts.append(_scenario(scenarios[number], assurance, address))
    elif turn.others:
        rows = (scenarios[number] for number in turn.others)
        parts.append("\n".join(f"- [{row.title}]({address}{row.path})" for row in rows))
    return "\n\n".join(parts)


def _quoted(question: Iterable[Part]) -> str:
    """What was pasted is fenced: nothing in a traceback is Markdown."""
    whole = "\n\n".join(_fenced(part.text) if part.is_code else part.text for part in question)
    return "\n".join(f"> {line}".rstrip() for line in whole.split("\n"))


def _fenced(code: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{fence}text\n{code}\n{fence}"


def _scenario(scenario: PublishedScenario, assurance: str, address: str) -> str:
    body = (f"### {part.title}\n\n{part.markdown}" for part in scenario.body)
    sources = "\n".join(f"- [{source.title}]({source.url})" for source in scenario.sources)
    whole = (
        f"## [{scenario.title}]({address}{scenario.path})",
        f"{scenario.category.title} · {assurance}",
        scenario.short_answer.markdown,
        *body,
        f"### Sources\n\n{sources}",
    )
    return "\n\n".join(part.strip() for part in whole).replace("](/", f"]({address}/")
