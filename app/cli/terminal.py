"""A scenario and an answer as text for a terminal, with highlighted code."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from app.assistant import Answer, Verdict
from app.published import PublishedScenario

# Rich knows a fence's language but not our titles: they go before the block, as emphasised text.
FENCE = re.compile(r'^(?P<indent>[ \t]*)```(?P<language>\w+) title="(?P<title>[^"]*)".*$', re.MULTILINE)


def show_answer(console: Console, answer: Answer) -> None:
    """The answer with its alternatives, or the message that there is none."""
    if answer.message:
        console.print(Text(answer.message, style="yellow"))
    others = answer.results
    if answer.verdict is Verdict.ANSWER:
        show_scenario(console, answer.results[0].scenario)
        others = answer.results[1:]
        if others:
            console.print(Text("Not this?", style="bold"))
    show_entries(console, (result.scenario for result in others))


def show_scenario(console: Console, scenario: PublishedScenario) -> None:
    console.print(
        Panel(Text(f"{scenario.id}  {scenario.title}", style="bold"), subtitle=scenario.category.title)
    )
    parts: list[RenderableType] = [Panel(_markdown(scenario.short_answer.markdown), title="Short answer")]
    for section in scenario.body:
        parts += [Text(f"\n{section.title}", style="bold underline"), _markdown(section.markdown)]
    console.print(Group(*parts))
    console.print(Text("\nSources", style="bold underline"))
    for source in scenario.sources:
        console.print(Text(f"  {source.title}  {source.url}"), soft_wrap=True)
    console.print()


def show_entries(console: Console, scenarios: Iterable[PublishedScenario]) -> None:
    """A line a scenario."""
    for scenario in scenarios:
        console.print(Text(f"{scenario.id:>5}  {scenario.title}"), soft_wrap=True)


def _markdown(text: str) -> Markdown:
    titled = FENCE.sub(r"\g<indent>*\g<title>*\n\n\g<indent>```\g<language>", text)
    return Markdown(titled, code_theme="ansi_dark", hyperlinks=False)
