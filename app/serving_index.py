"""An index folder, opened for serving. Nothing here needs the build half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.calibration import Calibration
from app.encoder import Encoder, OnnxEncoder
from app.errors import IndexDamaged
from app.familiarity import Familiarity
from app.lexical_index import LexicalIndex
from app.manifest import CURRENT, MEND, Manifest
from app.published import PublishedScenario, PublishedScenarios
from app.ranking import Ranker
from app.retriever import Retriever
from app.spelling import Spelling
from app.vector_index import VectorIndex

if TYPE_CHECKING:
    from app.fitting import Fitted

VECTORS_FILE = "vectors.faiss"
OWNERS_FILE = "owners.npy"
SCENARIOS_FILE = "scenarios.json"
CALIBRATION_FILE = "calibration.json"
RANKER_FILE = "ranker.npz"
SPELLING_FILE = "spelling.json"
FAMILIARITY_FILE = "familiarity.npz"
LEXICAL_FOLDER = "lexical"
ENCODER_FOLDER = "encoder"


@dataclass(frozen=True)
class ServingIndex:
    """One whole build in memory; `scenarios` by id, in the order in which they are shown."""

    manifest: Manifest
    scenarios: dict[int, PublishedScenario]
    retriever: Retriever
    spelling: Spelling

    @classmethod
    def load(cls, index_dir: Path, threads: int = 1) -> ServingIndex:
        """The current build below `index_dir`, every file checked against its manifest; else IndexUnusable."""
        # The link is followed once: a build that finishes meanwhile cannot mix its files with these.
        folder = (index_dir / CURRENT).resolve()
        manifest = Manifest.load(folder)
        manifest.verify(folder)
        encoder = OnnxEncoder.load(folder / ENCODER_FOLDER, threads)
        return cls.open(folder, manifest, encoder)

    @classmethod
    def open(cls, folder: Path, manifest: Manifest, encoder: Encoder) -> ServingIndex:
        """The verified build in `folder`, asked with `encoder`."""
        scenarios = PublishedScenarios.validate_json((folder / SCENARIOS_FILE).read_bytes())
        vectors = VectorIndex.load(folder / VECTORS_FILE)
        owners: NDArray[np.int64] = np.load(folder / OWNERS_FILE)
        sizes = {vectors.dimension, encoder.dimension, manifest.model.dimension}
        if len(sizes) > 1 or {len(vectors), len(owners)} != {manifest.texts}:
            raise IndexDamaged(f"the files in {folder} are of different builds; {MEND}")
        retriever = Retriever(
            encoder=encoder,
            vectors=vectors,
            lexical=LexicalIndex.load(folder / LEXICAL_FOLDER),
            owners=owners,
            scenario_ids=[scenario.id for scenario in scenarios],
            ranker=Ranker.load(folder / RANKER_FILE),
            familiarity=Familiarity.load(folder / FAMILIARITY_FILE),
            calibration=Calibration.load(folder / CALIBRATION_FILE),
        )
        spelling = Spelling.load(folder / SPELLING_FILE)
        return cls(manifest, {scenario.id: scenario for scenario in scenarios}, retriever, spelling)


def save_ranking(folder: Path, fitted: Fitted, scenarios: Sequence[PublishedScenario]) -> None:
    """Write what `ServingIndex.open` reads, save the manifest and the encoder."""
    fitted.search.vectors.save(folder / VECTORS_FILE)
    fitted.search.lexical.save(folder / LEXICAL_FOLDER)
    np.save(folder / OWNERS_FILE, fitted.search.texts.owners)
    fitted.search.ranker.save(folder / RANKER_FILE)
    fitted.familiarity.save(folder / FAMILIARITY_FILE)
    fitted.calibration.save(folder / CALIBRATION_FILE)
    (folder / SCENARIOS_FILE).write_bytes(PublishedScenarios.dump_json(list(scenarios)))
