"""Nearest texts by inner product; the only import of faiss."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from app.encoder import Embeddings

# One question is one small search: threads would cost more than they save.
faiss.omp_set_num_threads(1)


class VectorIndex:
    """Embeddings of unit length, inner product with each of them: a score is a cosine, higher is nearer."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    @classmethod
    def build(cls, embeddings: Embeddings) -> VectorIndex:
        """An index over rows of `embeddings`, shape (texts, dimension)."""
        # 16 bits a number: half the memory to read for each question, and a score that differs by a thousandth.
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexScalarQuantizer(embeddings.shape[1], half, faiss.METRIC_INNER_PRODUCT)
        rows = np.ascontiguousarray(embeddings, dtype=np.float32)
        index.train(rows)
        index.add(rows)
        return cls(index)

    @classmethod
    def load(cls, path: Path) -> VectorIndex:
        """Raises RuntimeError (from faiss) if `path` holds no index."""
        return cls(faiss.read_index(str(path)))

    def save(self, path: Path) -> None:
        faiss.write_index(self._index, str(path))

    @property
    def embeddings(self) -> Embeddings:
        """All rows, shape (texts, dimension)."""
        rows: Embeddings = self._index.reconstruct_n(0, len(self))
        return rows

    @property
    def dimension(self) -> int:
        return int(self._index.d)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, query: Embeddings, top_k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and row numbers of the `top_k` nearest texts, best first; `query` has shape (dimension,)."""
        scores, rows = self._index.search(query.reshape(1, -1), min(top_k, len(self)))
        return scores[0], rows[0]
