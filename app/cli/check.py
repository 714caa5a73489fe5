"""`scenarios check`: does the content follow its rules, and what do scenarios take from each other."""

from __future__ import annotations

from typing import Annotated

import typer


def check(
    index: Annotated[
        bool, typer.Option("--index", help="Also list the texts that rank another scenario first.")
    ] = False,
) -> None:
    """Report every error in the content, with file, line and remedy."""
    from rich.console import Console
    from rich.text import Text

    from app.corpus import read_corpus
    from app.settings import Settings

    settings = Settings.from_environment()
    console = Console(soft_wrap=True)
    corpus, findings = read_corpus(settings.content_dir)
    for finding in findings:
        console.print(Text(str(finding)))
    blocks = sum(len(scenario.code_blocks) for scenario in corpus.scenarios.values())
    console.print(f"{len(corpus.scenarios)} scenarios, {blocks} code blocks, {len(findings)} finding(s)")
    if findings:
        raise typer.Exit(1)
    if not index:
        return

    from app.embedding_cache import EmbeddingCache
    from app.embedding_model import EmbeddingModel
    from app.index_guard import stolen_texts

    model = EmbeddingModel.find(settings.model)
    stolen = list(stolen_texts(corpus, EmbeddingCache(settings.index_dir / ".cache", model)))
    for row in sorted(stolen, key=lambda row: (row.owner.id, row.winner.id)):
        console.print(Text(f"{row.owner.id} {row.kind} -> {row.winner.id}: {' '.join(row.text.split())}"))
    console.print(f"{len(stolen)} text(s) rank another scenario first")
