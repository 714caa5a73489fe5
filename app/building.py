"""The build half: content to `index/<fingerprint>/`, then `index/current` points to it.

A build works in a folder of its own and takes effect by one rename and one replaced link, so a crash at any
point leaves the old index whole. The embedding model is loaded only if a text or the encoder is not cached.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from importlib.metadata import version
from pathlib import Path

import numpy as np

from app import __version__
from app.corpus import Corpus, content_hash, load_corpus
from app.embedding_cache import EmbeddingCache
from app.embedding_model import EmbeddingModel
from app.errors import IndexUnusable
from app.fitting import calibrate, lexical_document
from app.lexical_index import LexicalIndex
from app.manifest import CURRENT, INDEX_FORMAT, Manifest, ModelRecord, now, records_of
from app.published import PublishedScenario
from app.serving_index import ENCODER_FOLDER, save_ranking
from app.settings import Settings
from app.vector_index import VectorIndex

Report = Callable[[str], None]
RECORDED = ("sentence-transformers", "torch", "faiss-cpu", "onnxruntime", "bm25s", "numpy")


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
        wanted = fingerprint(settings.content_dir, model)
        if not force and (manifest := _usable(settings.index_dir / wanted)):
            changed = _point_to(settings.index_dir, wanted)
            return Built(manifest, fresh=changed)
        corpus = load_corpus(settings.content_dir)
        report(f"{len(corpus.scenarios)} scenarios in {settings.content_dir}")
        manifest = _write(settings.index_dir, wanted, corpus, model, report)
        _point_to(settings.index_dir, wanted)
        _remove_old(settings.index_dir)
        return Built(manifest, fresh=True)


def fingerprint(content_dir: Path, model: EmbeddingModel) -> str:
    """Names a build by all that it follows from; 16 hexadecimal digits."""
    parts = f"{INDEX_FORMAT} {__version__} {model.name} {model.sha256} {content_hash(content_dir)}"
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def _usable(folder: Path) -> Manifest | None:
    try:
        manifest = Manifest.load(folder)
        manifest.verify(folder)
    except IndexUnusable:
        return None
    return manifest


def _write(index_dir: Path, name: str, corpus: Corpus, model: EmbeddingModel, report: Report) -> Manifest:
    scenarios = list(corpus.scenarios.values())
    rows = [(place, text) for place, scenario in enumerate(scenarios) for _, text in scenario.texts()]
    owners = np.array([place for place, _ in rows], dtype=np.int64)
    cache = EmbeddingCache(index_dir / ".cache", model)
    embeddings = cache.embed([text for _, text in rows], report)
    vectors = VectorIndex.build(embeddings)
    calibration = calibrate(scenarios, embeddings, owners)
    with _workplace(index_dir) as folder:
        cache.export_encoder(folder / ENCODER_FOLDER, report)
        lexical = LexicalIndex.build([lexical_document(scenario) for scenario in scenarios])
        published = [
            PublishedScenario.from_scenario(scenario, set(corpus.scenarios)) for scenario in scenarios
        ]
        save_ranking(folder, vectors, lexical, owners, published, calibration)
        manifest = Manifest(
            format=INDEX_FORMAT,
            fingerprint=name,
            content_sha256=content_hash(corpus.folder),
            model=ModelRecord(name=model.name, sha256=model.sha256, dimension=vectors.dimension),
            scenarios=len(scenarios),
            texts=len(rows),
            versions={package: version(package) for package in RECORDED},
            built_at=now(),
            files=records_of(folder),
        )
        manifest.save(folder)
        _sync(folder)
        if (target := index_dir / name).exists():
            shutil.rmtree(target)
        folder.rename(target)
    report(f"{len(rows)} texts indexed as {name}")
    return manifest


@contextmanager
def _lock(index_dir: Path) -> Iterator[None]:
    """One build at a time in a folder; the next one waits."""
    with (index_dir / ".lock").open("a") as file:
        flock(file, LOCK_EX)
        yield


@contextmanager
def _workplace(index_dir: Path) -> Iterator[Path]:
    """A folder beside its final place; what a crashed build left there is cleared first."""
    for left in index_dir.glob(".building-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".building-", dir=index_dir))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Everything below is on the disk before the rename makes it visible."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
