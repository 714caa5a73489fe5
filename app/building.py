"""The build half: content to `index/<fingerprint>/`, then `index/current` points to it.

A build works in a folder of its own and takes effect by one rename and one replaced link, so a crash at any
point leaves the old index whole. The embedding model is loaded only if a text or the encoder is not cached.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from app import __version__
from app.corpus import content_hash, load_corpus
from app.embedding_model import EmbeddingModel
from app.errors import IndexUnusable
from app.labelled import Labelled
from app.manifest import CURRENT, INDEX_FORMAT, Manifest
from app.settings import Settings

Report = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """The outcome: `fresh` is False if the current index was already up to date."""

    manifest: Manifest
    fresh: bool


def build(settings: Settings, report: Report = lambda _: None, *, force: bool = False) -> Built:
    """Make `index/current` match the content and the model; ContentError or ModelUnusable if they are not."""
    settings.index_dir.mkdir(parents=True, exist_ok=True)
    with _lock(settings.index_dir):
        model = EmbeddingModel.find(settings.model)
        wanted = fingerprint(settings, model)
        if not force and (manifest := _usable(settings.index_dir / wanted)):
            changed = _point_to(settings.index_dir, wanted)
            return Built(manifest, fresh=changed)
        corpus = load_corpus(settings.content_dir)
        report(f"{len(corpus.scenarios)} scenarios in {settings.content_dir}")
        # Only now: what embeds and ranks takes a second to import, and mostly there is nothing to do.
        from app.index_writer import write_index
        from app.thresholds import AcceptedErrors

        accepted = AcceptedErrors(settings.accepted_wrong_answers, settings.accepted_refusals)
        labelled = Labelled.read(fit_folder(settings))
        manifest = write_index(settings.index_dir, wanted, corpus, labelled, model, accepted, report)
        _point_to(settings.index_dir, wanted)
        _remove_old(settings.index_dir)
        return Built(manifest, fresh=True)


def fingerprint(settings: Settings, model: EmbeddingModel) -> str:
    """Names a build by all that it follows from; 16 hexadecimal digits."""
    parts = (
        f"{INDEX_FORMAT} {__version__} {model.name} {model.sha256} {content_hash(settings.content_dir)}"
        f" {settings.accepted_wrong_answers} {settings.accepted_refusals}"
    )
    digest = hashlib.sha256(parts.encode())
    for path in sorted(fit_folder(settings).glob("*.jsonl")):
        digest.update(f" {path.name} ".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def fit_folder(settings: Settings) -> Path:
    """Where the labelled questions of a corpus lie that a build may learn from: beside its content."""
    return settings.content_dir.parent / "evaluation" / "fit"


def _usable(folder: Path) -> Manifest | None:
    try:
        manifest = Manifest.load(folder)
        manifest.verify(folder)
    except IndexUnusable:
        return None
    return manifest


@contextmanager
def _lock(index_dir: Path) -> Iterator[None]:
    """One build at a time in a folder; the next one waits."""
    with (index_dir / ".lock").open("a") as file:
        flock(file, LOCK_EX)
        yield


def _point_to(index_dir: Path, name: str) -> bool:
    """Point `current` to build `name` atomically; True if it pointed elsewhere."""
    link = index_dir / CURRENT
    if link.is_symlink() and link.readlink() == Path(name):
        return False
    temporary = index_dir / f".{CURRENT}-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(name)
    temporary.replace(link)
    return True


def _remove_old(index_dir: Path) -> None:
    """Keep the current build and the newest of the others, for going back."""
    current = (index_dir / CURRENT).readlink().name
    others = [
        path
        for path in index_dir.iterdir()
        if path.is_dir() and not path.is_symlink() and not path.name.startswith(".") and path.name != current
    ]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-1]:
        shutil.rmtree(path)
