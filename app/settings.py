"""Settings: one typed, frozen table, read from `SCENARIOS_*` environment variables and passed in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import AnyHttpUrl, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import SettingsInvalid

PROJECT = Path(__file__).resolve().parent.parent
PREFIX = "SCENARIOS_"


class Settings(BaseSettings):
    """Every setting with its default; README's table is checked against the descriptions."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    content_dir: Path = Field(PROJECT / "content", description="Folder of the corpus.")
    index_dir: Path = Field(
        PROJECT / "index", description="Folder that builds are written to and served from."
    )
    model: str = Field(
        "all-MiniLM-L6-v2",
        min_length=1,
        description="sentence-transformers model that a build embeds with: a packaged name, a folder or a hub id.",
    )
    encoder_threads: int = Field(1, ge=1, le=64, description="Threads with which one question is embedded.")
    answer_confidence: float = Field(
        0.5, ge=0, le=1, description="Confidence from which the first candidate is given as the answer."
    )
    suggestion_confidence: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Confidence from which candidates are suggested; below it there is no answer.",
    )
    max_question_chars: int = Field(
        4000, ge=1, description="Longest question or earlier message, in characters."
    )
    max_body_bytes: int = Field(262_144, ge=1024, description="Largest request body, in bytes.")
    public_url: AnyHttpUrl | None = Field(
        None, description="Address under which people reach the service; makes scenario links absolute."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Level of the log.")

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings of this process; SettingsInvalid names each unknown or unusable variable."""
        known = {PREFIX + name.upper() for name in cls.model_fields}
        unknown = [
            name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
        ]
        if unknown:
            raise SettingsInvalid(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        try:
            return cls()
        except ValidationError as error:
            details = "; ".join(
                f"{PREFIX}{'_'.join(map(str, detail['loc'])).upper()}={detail['input']!r}: {detail['msg']}"
                for detail in error.errors(include_url=False)
            )
            raise SettingsInvalid(f"{details}; correct or unset it") from None
