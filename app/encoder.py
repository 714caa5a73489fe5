"""Texts to embeddings in the serve half; the only import of onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

# Read when the library is imported: its maker is told nothing, and it keeps no id of this machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

Embeddings = NDArray[np.float32]

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"


class Encoder(Protocol):
    """Anything that turns texts into embeddings of unit length."""

    dimension: int

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Embeddings of shape (len(texts), dimension), each row of length 1."""
        ...


class OnnxEncoder:
    """The exported sentence-transformers model: tokenizer, transformer, pooling, normalisation."""

    def __init__(self, session: Any, tokenizer: Tokenizer) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = [node.name for node in session.get_inputs()]
        self.dimension = int(session.get_outputs()[0].shape[-1])

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> OnnxEncoder:
        """The encoder that `app.building` exported to `folder`; truncation is in its tokenizer file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
        )
        return cls(session, Tokenizer.from_file(str(folder / TOKENIZER_FILE)))

    @staticmethod
    def vocabulary(folder: Path) -> list[str]:
        """The words and pieces of words that the encoder in `folder` has tokens for."""
        return list(Tokenizer.from_file(str(folder / TOKENIZER_FILE)).get_vocab())

    def encode(self, texts: Sequence[str]) -> Embeddings:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        encodings = self._tokenizer.encode_batch(list(texts))
        columns = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        feed = {name: np.asarray(columns[name], dtype=np.int64) for name in self._inputs}
        embeddings: Embeddings = self._session.run(None, feed)[0]
        return embeddings
