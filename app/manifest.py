"""What an index folder holds, and the check that it still does."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import IndexDamaged, IndexMissing, IndexOutOfDate

# Raise it with every change to what a build writes: older indexes are then rebuilt, not misread.
INDEX_FORMAT = 6
MANIFEST_FILE = "manifest.json"
CURRENT = "current"
MEND = "run scripts/build_index"


class ModelRecord(BaseModel):
    """The embedding model: `sha256` of its weights, `dimension` of its embeddings."""

    name: str
    sha256: str
    dimension: int


class FileRecord(BaseModel):
    sha256: str
    size: int


class Manifest(BaseModel):
    """`fingerprint` names the build; it follows from content, model and format alone."""

    model_config = ConfigDict(frozen=True)

    format: int
    fingerprint: str
    content_sha256: str
    model: ModelRecord
    scenarios: int
    texts: int
    versions: dict[str, str]
    built_at: datetime
    # Shares of held-out questions with each outcome, at the thresholds that the build chose.
    rates: dict[str, float]
    files: dict[str, FileRecord]

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """The manifest in `folder`; IndexMissing, IndexDamaged or IndexOutOfDate say how to mend it."""
        path = folder / MANIFEST_FILE
        try:
            raw = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise IndexMissing(f"no index at {folder}; {MEND}") from None
        try:
            manifest = cls.model_validate_json(raw)
        except ValidationError as error:
            raise IndexDamaged(f"{path} is not a manifest ({error.error_count()} errors); {MEND}") from error
        if manifest.format != INDEX_FORMAT:
            raise IndexOutOfDate(f"{folder} has format {manifest.format}, wanted {INDEX_FORMAT}; {MEND}")
        return manifest

    def save(self, folder: Path) -> None:
        (folder / MANIFEST_FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def verify(self, folder: Path) -> None:
        """IndexDamaged names the first file that is missing or differs from what the build wrote."""
        for name, record in self.files.items():
            path = folder / name
            if not path.is_file():
                raise IndexDamaged(f"{path} is missing; {MEND}")
            if path.stat().st_size != record.size or sha256_of(path) != record.sha256:
                raise IndexDamaged(f"{path} is not what the build wrote; {MEND}")


def records_of(folder: Path) -> dict[str, FileRecord]:
    """A record for each file below `folder`, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): FileRecord(sha256=sha256_of(path), size=path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
