"""`scenarios evaluate`: how good is the index, and is it worse than the accepted run."""

from __future__ import annotations

from typing import Annotated

import typer


def evaluate(
    accept: Annotated[
        bool, typer.Option("--accept", help="Measure later runs against this one: evaluation/accepted.json.")
    ] = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Do not write evaluation/report.html.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Ask the questions of evaluation/test. Fails if quality fell significantly or a reply repeats a secret."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.text import Text

    from app import accepted_run
    from app.bench import Bench
    from app.cli.figures import show_changes, show_figures
    from app.evaluation import Evaluation, questions_folder
    from app.labelled import Labelled
    from app.settings import Settings

    settings = Settings.from_environment()
    progress = Console(stderr=True, soft_wrap=True)
    path = accepted_run.accepted_path(settings)
    accepted = accepted_run.AcceptedRun.load(path)
    bench = Bench.load(settings)
    evaluation = Evaluation.run(
        bench, Labelled.read(questions_folder(settings)), lambda line: progress.print(Text(line))
    )
    changes = accepted_run.compare(accepted, evaluation) if accepted else {}
    worse = [measure for measure, change in changes.items() if change.is_worse]
    if as_json:
        compared = {measure: asdict(change) | {"p": change.p} for measure, change in changes.items()}
        figures = evaluation.figures | {"milliseconds": evaluation.milliseconds, "changes": compared}
        print(json.dumps(figures))  # noqa: T201
    else:
        show_figures(Console(), evaluation)
        show_changes(Console(), changes)
    if not no_report:
        from app.evaluation_report import write_report

        report = path.with_name("report.html")
        write_report(report, settings, bench, evaluation)
        progress.print(Text(f"report: {report}"))
    if evaluation.secrets_repeated:
        progress.print(f"{evaluation.secrets_repeated} replies repeat a planted secret", style="red")
        raise typer.Exit(1)
    if accept:
        accepted_run.save(path, evaluation)
        progress.print(Text(f"accepted: {path}"))
    elif worse:
        progress.print(f"significantly worse than the accepted run: {', '.join(worse)}", style="red")
        raise typer.Exit(1)
