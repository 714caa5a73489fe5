"""An evaluation as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from app.bench import OUTCOMES
from app.evaluation import KINDS, Evaluation, Figures
from app.measures import Paired

ANSWERABLE = ("questions", "hit@1", "hit@3", "mrr", *OUTCOMES[True], "helped")


def show_figures(console: Console, evaluation: Evaluation) -> None:
    figures = evaluation.figures
    answerable = {kind: figures[kind] for kind in KINDS if kind in figures}
    _show_across(console, "A scenario answers it", ANSWERABLE, answerable)
    _show_across(console, "None does", ("questions", *OUTCOMES[False]), figures["out_of_scope"])
    if followed := figures.get("followups"):
        _show_across(console, "Follow-ups", list(followed), {"": followed})
    _show_categories(console, figures["categories"])
    calibration, typos, times = figures["calibration"], figures["typos"], evaluation.milliseconds
    console.print(
        f"Calibration error {calibration['error']:.3f} over {calibration['questions']} questions; chance alone "
        f"would give {calibration['by_chance']:.3f}, and in 19 of 20 cases up to {calibration['by_chance_95']:.3f}"
    )
    console.print(
        f"One typo in each five words: hit@1 {typos['hit@1']:.3f}, a loss of {typos['loss_of_hit@1']:.3f}"
    )
    console.print(f"Time beyond the encoder: {times['p50']} ms at the median, {times['p95']} ms at the 95th")
    console.print(f"Replies that repeat a planted secret: {evaluation.secrets_repeated}")


def show_changes(console: Console, changes: Mapping[str, Paired]) -> None:
    """Against the accepted run, on the questions that both have."""
    if not changes:
        console.print("No accepted run to compare with; --accept makes this one the accepted run")
        return
    table = Table("measure", title="Against the accepted run", title_justify="left")
    for name in ("questions", "accepted", "now", "lost", "won", "p of so many lost"):
        table.add_column(name, justify="right")
    for measure, change in changes.items():
        table.add_row(
            measure,
            str(change.questions),
            f"{change.before:.3f}",
            f"{change.now:.3f}",
            str(change.lost),
            str(change.won),
            f"{change.p:.3f}",
            style="red" if change.is_worse else None,
        )
    console.print(table)


def _show_across(console: Console, title: str, names: Sequence[str], groups: Mapping[str, Figures]) -> None:
    """A row a figure, a column a group of questions; nothing if there is no group."""
    if not groups:
        return
    table = Table("", title=title, title_justify="left")
    for label in groups:
        table.add_column(label, justify="right")
    for name in names:
        table.add_row(name, *(_number(group[name]) for group in groups.values()))
    console.print(table)


def _show_categories(console: Console, categories: Mapping[str, Figures]) -> None:
    names = ("questions", "hit@1", "hit@3", "helped")
    table = Table("", title="By category", title_justify="left")
    for name in names:
        table.add_column(name, justify="right")
    for title, row in categories.items():
        table.add_row(title, *(_number(row[name]) for name in names))
    console.print(table)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
