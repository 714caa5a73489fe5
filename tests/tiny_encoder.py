"""A real encoder, only tiny: hashed character trigrams. Equal texts have equal embeddings, similar ones near ones."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from app.encoder import Embeddings


class TinyEncoder:
    dimension = 64

    def encode(self, texts: Sequence[str]) -> Embeddings:
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            padded = f"  {text.lower()} "
            for start in range(len(padded) - 2):
                row[crc32(padded[start : start + 3].encode()) % self.dimension] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
