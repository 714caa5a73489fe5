"""`scenarios ask`: a question on the command line, or one a line from standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import typer


def ask(
    question: Annotated[str, typer.Argument(help="The question; '-' reads one a line from standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON API's reply, one a line.")] = False,
    category: Annotated[str | None, typer.Option(help="Narrow down to a category's slug.")] = None,
    top_k: Annotated[int, typer.Option(min=1, max=10, help="How many scenarios to return at the most.")] = 3,
    explain: Annotated[bool, typer.Option(help="With --json: add the ranking behind the answer.")] = False,
) -> None:
    """Answer a question in the terminal."""
    from rich.console import Console
    from rich.text import Text

    from app.assistant import Assistant
    from app.cli.terminal import show_answer
    from app.errors import QuestionRejected
    from app.schemas import AskReply
    from app.settings import Settings

    settings = Settings.from_environment()
    assistant = Assistant.load(settings)
    console = Console()
    for place, text in _questions(question):
        try:
            answer = assistant.ask(text, category=category, top_k=top_k)
        except QuestionRejected as error:
            raise QuestionRejected(f"{place}{error}") from None
        if as_json:
            base_url = str(settings.public_url or "").rstrip("/")
            explained = assistant.scenarios if explain else None
            reply = AskReply.from_answer(answer, assistant.manifest, base_url, explained)
            # In ASCII a terminal obeys nothing that the question holds.
            print(reply.model_dump_json(exclude_unset=True, ensure_ascii=True), flush=True)  # noqa: T201
            continue
        if question == "-":
            printable = "".join(character for character in answer.question if character.isprintable())
            console.rule(Text(printable))
        show_answer(console, answer)


def _questions(argument: str) -> Iterator[tuple[str, str]]:
    """Where each question stands, for messages, and its text."""
    if argument != "-":
        yield "", argument
        return
    # What is not UTF-8 is then refused like any other question.
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    for number, line in enumerate(sys.stdin, 1):
        if line.strip():
            yield f"line {number}: ", line.rstrip("\n")
