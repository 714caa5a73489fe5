"""`scenarios contents`: the table of contents in the corpus's README."""

from __future__ import annotations


def contents() -> None:
    """Write the table of contents into the content's README.md."""
    from app.contents import with_contents
    from app.corpus import load_corpus
    from app.settings import Settings

    corpus = load_corpus(Settings.from_environment().content_dir)
    readme = corpus.folder / "README.md"
    readme.write_text(with_contents(readme, corpus), encoding="utf-8")
