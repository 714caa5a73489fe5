"""Embeddings by text and model, kept between builds; the only import of sentence-transformers and torch."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.embedding_model import EmbeddingModel
from app.encoder import MODEL_FILE, TOKENIZER_FILE, Embeddings, OnnxEncoder
from app.errors import ModelUnusable

BATCH = 64
# Weights are exported with 8 bits each, in blocks with a scale of their own: half as slow and as large as with
# 32 bits, and the embeddings stay what they were. Coarser ways (one scale a tensor, 4 bits) cost right answers.
WEIGHT_BITS, WEIGHT_BLOCK = 8, 128
# Least cosine between a text's embedding by sentence-transformers and by the exported encoder.
EXPORT_TOLERANCE = 0.99
PROBES = ("How do I avoid N+1 queries?", "406", "a longer text, " * 40)


class EmbeddingCache:
    """`folder/<model hash>/` holds `embeddings.npz` and the exported `encoder/`; anything unreadable is redone."""

    def __init__(self, folder: Path, model: EmbeddingModel) -> None:
        self._folder = folder / model.sha256[:16]
        self._model = model
        self._loaded: Any = None
        self._used: set[str] = set()

    def embed(self, texts: Sequence[str], report: Callable[[str], None]) -> Embeddings:
        """Embeddings of shape (len(texts), dimension), not empty; only texts not seen before are computed."""
        known = self._read()
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        self._used.update(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        report(f"{len(missing)} of {len(texts)} texts to embed")
        if missing:
            known |= dict(zip(missing, self._encode(list(missing.values())), strict=True))
            self._write(known)
        return np.stack([known[key] for key in keys])

    def prune(self) -> None:
        """Forget the texts that have not been asked for since this cache was opened."""
        known = self._read()
        if known.keys() - self._used:
            self._write({key: embedding for key, embedding in known.items() if key in self._used})

    def export_encoder(self, folder: Path, report: Callable[[str], None]) -> None:
        """Copy the encoder, as ONNX with its tokenizer, to `folder`; it is exported once a model."""
        cached = self._folder / "encoder"
        if not (cached / TOKENIZER_FILE).exists():
            report(f"exporting {self._model.name} to ONNX")
            temporary = self._folder / f"encoder.{TOKENIZER_FILE}.partial"
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            _export(self._sentence_transformer(), temporary)
            _quantize(temporary / MODEL_FILE)
            self._compare(temporary)
            shutil.rmtree(cached, ignore_errors=True)
            temporary.rename(cached)
        shutil.copytree(cached, folder)

    def _encode(self, texts: list[str]) -> Embeddings:
        embeddings: Embeddings = self._sentence_transformer().encode(
            texts,
            batch_size=BATCH,
            normalize_embeddings=True,
            show_progress_bar=sys.stderr.isatty(),
        )
        return embeddings.astype(np.float32)

    def _sentence_transformer(self) -> Any:
        if self._loaded is None:
            reference = self._model.unpacked(self._folder / "model")
            if Path(reference).is_dir():
                # Nothing is to be had from a network; without this the hub is asked all the same.
                os.environ["HF_HUB_OFFLINE"] = "1"
            try:
                from sentence_transformers import SentenceTransformer
                from transformers.utils.logging import disable_progress_bar
            except ImportError as error:
                raise ModelUnusable(f"cannot embed: {error}; pip install -e '.[build]'") from error
            disable_progress_bar()
            try:
                self._loaded = SentenceTransformer(reference, device="cpu")
            except (OSError, ValueError) as error:
                raise ModelUnusable(
                    f"model '{self._model.name}' cannot be loaded: {error}; set SCENARIOS_MODEL to a packaged "
                    "name, a folder or a hub id that can be reached"
                ) from error
        return self._loaded

    def _compare(self, folder: Path) -> None:
        cosines = (OnnxEncoder.load(folder).encode(PROBES) * self._encode(list(PROBES))).sum(axis=1)
        if cosines.min() < EXPORT_TOLERANCE:
            raise ModelUnusable(
                f"'{self._model.name}' as ONNX differs from the original (cosine {cosines.min():.5f}); "
                "choose another model"
            )

    def _read(self) -> dict[str, Embeddings]:
        try:
            with np.load(self._folder / "embeddings.npz") as file:
                return dict(zip(file["keys"].tolist(), file["embeddings"], strict=True))
        except (OSError, ValueError, KeyError, EOFError):
            return {}

    def _write(self, known: dict[str, Embeddings]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f"embeddings.{os.getpid()}.partial.npz"
        np.savez(temporary, keys=np.array(list(known)), embeddings=np.stack(list(known.values())))
        temporary.replace(self._folder / "embeddings.npz")


def _export(model: Any, folder: Path) -> None:
    """Write the whole sentence-transformers pipeline, pooling and normalisation included, as one ONNX graph."""
    import torch

    # The exporter speaks of its own internals; what matters is compared with the original afterwards.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")

    class Pipeline(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *columns: Any) -> Any:
            features = self.model(dict(zip(names, columns, strict=True)))
            return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)

    probe = dict(model.tokenizer(["one", "two words"], padding=True, return_tensors="pt"))
    names = list(probe)
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens")
    torch.onnx.export(
        Pipeline().eval(),
        tuple(probe.values()),
        str(folder / MODEL_FILE),
        input_names=names,
        output_names=["sentence_embedding"],
        dynamic_shapes=(tuple({0: batch, 1: tokens} for _ in names),),
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    tokenizer = model.tokenizer.backend_tokenizer
    tokenizer.enable_truncation(model.max_seq_length)
    tokenizer.enable_padding(
        pad_id=model.tokenizer.pad_token_id, pad_type_id=0, pad_token=model.tokenizer.pad_token
    )
    tokenizer.save(str(folder / TOKENIZER_FILE))


def _quantize(path: Path) -> None:
    """Replace the ONNX model at `path` by one with `WEIGHT_BITS` a weight; activations stay 32-bit floats."""
    import onnx

    # The quantizer's module sets up logging for the whole process when it is imported, and logs every node.
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    root.handlers, root.level = handlers, level
    logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)
    quantizer = MatMulNBitsQuantizer(
        onnx.load(str(path)), bits=WEIGHT_BITS, block_size=WEIGHT_BLOCK, is_symmetric=False, accuracy_level=4
    )
    quantizer.process()
    quantizer.model.save_model_to_file(str(path))
