"""The `scenarios` command; each file here is one of its commands. Heavy imports wait until one is called."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from app.cli import ask, build, check, contents, evaluate, serve, show, slack
from app.errors import AssistantError

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Vetted answers to Django and DRF problems.",
)
cli.command()(ask.ask)
cli.command()(show.show)
cli.command("list")(show.list_scenarios)
cli.command()(check.check)
cli.command()(contents.contents)
cli.command()(build.build)
cli.command()(evaluate.evaluate)
cli.command()(serve.serve)
cli.add_typer(slack.slack, name="slack")


def main() -> None:
    """The console command. An error that a user can mend is one line, without a traceback."""
    try:
        cli()
    except AssistantError as error:
        _complain(error.title, error)
    except OSError as error:
        _complain("System error", error)


def _complain(title: str, error: Exception) -> None:
    Console(stderr=True, soft_wrap=True).print(f"{title}: {error}", style="red", markup=False)
    sys.exit(1)
