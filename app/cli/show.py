"""`scenarios show` and `scenarios list`: read the corpus without asking."""

from __future__ import annotations

from typing import Annotated

import typer


def show(scenario_id: Annotated[int, typer.Argument(metavar="ID", help="The scenario's id.")]) -> None:
    """Print one scenario."""
    from rich.console import Console

    from app.assistant import Assistant
    from app.cli.terminal import show_scenario
    from app.settings import Settings

    show_scenario(Console(), Assistant.load(Settings.from_environment()).scenario(scenario_id))


def list_scenarios() -> None:
    """Print all scenarios by category."""
    from itertools import groupby

    from rich.console import Console
    from rich.text import Text

    from app.assistant import Assistant
    from app.cli.terminal import show_entries
    from app.settings import Settings

    console = Console()
    scenarios = Assistant.load(Settings.from_environment()).scenarios.values()
    for category, rows in groupby(scenarios, key=lambda scenario: scenario.category):
        console.print(Text(f"{category.title} ({category.slug})", style="bold"))
        show_entries(console, rows)
