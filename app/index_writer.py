"""One build's folder: embeddings, ranking, encoder and rendered scenarios, with their manifest."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

from app.corpus import Corpus, content_hash
from app.corpus_search import lexical_document
from app.embedding_cache import EmbeddingCache
from app.embedding_model import EmbeddingModel
from app.encoder import OnnxEncoder
from app.fitting import fit
from app.labelled import Labelled
from app.manifest import INDEX_FORMAT, Manifest, ModelRecord, now, records_of
from app.published import PublishedScenario
from app.serving_index import ENCODER_FOLDER, SPELLING_FILE, save_ranking
from app.spelling import Spelling
from app.thresholds import AcceptedErrors

RECORDED = ("sentence-transformers", "torch", "faiss-cpu", "onnxruntime", "bm25s", "numpy", "scikit-learn")


def write_index(
    index_dir: Path,
    name: str,
    corpus: Corpus,
    labelled: Labelled,
    model: EmbeddingModel,
    accepted: AcceptedErrors,
    report: Callable[[str], None],
) -> Manifest:
    """Embed and fit all of `corpus` and put it at `index_dir/name`, whole or not at all."""
    scenarios = list(corpus.scenarios.values())
    cache = EmbeddingCache(index_dir / ".cache", model)
    fitted = fit(scenarios, labelled, partial(cache.embed, report=report), accepted, report)
    cache.prune()
    with _workplace(index_dir) as folder:
        cache.export_encoder(folder / ENCODER_FOLDER, report)
        published = [
            PublishedScenario.from_scenario(scenario, set(corpus.scenarios)) for scenario in scenarios
        ]
        save_ranking(folder, fitted, published)
        documents = [lexical_document(scenario) for scenario in scenarios]
        known = OnnxEncoder.vocabulary(folder / ENCODER_FOLDER)
        Spelling.build(documents, known).save(folder / SPELLING_FILE)
        manifest = Manifest(
            format=INDEX_FORMAT,
            fingerprint=name,
            content_sha256=content_hash(corpus.folder),
            model=ModelRecord(
                name=model.name, sha256=model.sha256, dimension=fitted.search.vectors.dimension
            ),
            scenarios=len(scenarios),
            texts=len(fitted.search.vectors),
            rates=fitted.calibration.rates,
            versions={package: version(package) for package in RECORDED},
            built_at=now(),
            files=records_of(folder),
        )
        manifest.save(folder)
        _sync(folder)
        if (target := index_dir / name).exists():
            shutil.rmtree(target)
        folder.rename(target)
    report(f"{len(fitted.search.vectors)} texts indexed as {name}")
    return manifest


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
