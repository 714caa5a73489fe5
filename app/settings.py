"""Settings: one typed, frozen table, read from `SCENARIOS_*` environment variables and passed in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import SettingsInvalid
from app.postgresql import is_address

PROJECT = Path(__file__).resolve().parent.parent
PREFIX = "SCENARIOS_"


class Settings(BaseSettings):
    """Every setting with its default; README's table is checked against the descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True
    )

    content_dir: Path = Field(PROJECT / "content", description="Folder of the corpus.")
    index_dir: Path = Field(
        PROJECT / "index", description="Folder that builds are written to and served from."
    )
    model: str = Field(
        "all-mpnet-base-v2",
        min_length=1,
        description="sentence-transformers model that a build embeds with: a packaged name, a folder or a hub id.",
    )
    encoder_threads: int = Field(1, ge=1, le=64, description="Threads with which one question is embedded.")
    accepted_wrong_answers: float = Field(
        0.04,
        ge=0,
        le=1,
        description="Share of questions that may be answered wrongly; a build sets the verdict's threshold by it.",
    )
    accepted_refusals: float = Field(
        0.012,
        ge=0,
        le=1,
        description="Share of answerable questions that may be refused; a build sets the threshold of suggestions.",
    )
    answer_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Confidence from which the first candidate is given as the answer; unset, as the build found.",
    )
    suggestion_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Confidence that one of three is right from which they are suggested; unset, as the build found.",
    )
    max_question_chars: int = Field(
        4000, ge=1, description="Longest question or earlier message, in characters."
    )
    max_body_bytes: int = Field(262_144, ge=1024, description="Largest request body, in bytes.")
    public_url: AnyHttpUrl | None = Field(
        None, description="Address under which people reach the service; makes scenario links absolute."
    )
    data_dir: Path = Field(PROJECT / "data", description="Folder of the journal, if that is SQLite.")
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL that keeps the journal instead: postgresql://user:password@host:5432/name.",
    )
    question_retention_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="Days for which the journal keeps the text of questions and comments; 0 keeps none.",
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        validation_alias="SLACK_SIGNING_SECRET",
        description="Slack app's secret that its requests are signed with; with the bot token it opens /slack/events.",
    )
    slack_bot_token: SecretStr | None = Field(
        None, validation_alias="SLACK_BOT_TOKEN", description="Slack app's token for answering (xoxb-)."
    )
    slack_app_token: SecretStr | None = Field(
        None,
        validation_alias="SLACK_APP_TOKEN",
        description="Slack app's token for `scenarios slack socket` (xapp-).",
    )
    slack_api_url: AnyHttpUrl = Field(
        AnyHttpUrl("https://slack.com/api/"),
        validation_alias="SLACK_API_URL",
        description="Address of Slack's Web API.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Level of the log.")

    @field_validator("slack_signing_secret", "slack_bot_token", "slack_app_token")
    @classmethod
    def _is_set(cls, secret: SecretStr | None) -> SecretStr | None:
        """An empty variable is an unset one."""
        bare = secret.get_secret_value().strip() if secret else ""
        return SecretStr(bare) if bare else None

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_address(url.get_secret_value()):
            raise PydanticCustomError(
                "postgresql_url",
                "not a PostgreSQL address; write postgresql://user:password@host:5432/name, and in the "
                "password %40 for @, %3A for :, %2F for /, %25 for %",
            )
        return url

    @property
    def has_slack_webhook(self) -> bool:
        return bool(self.slack_signing_secret and self.slack_bot_token)

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings of this process; SettingsInvalid names each unknown or unusable variable."""
        known = {cls.variable(name) for name in cls.model_fields}
        unknown = [
            name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
        ]
        if unknown:
            raise SettingsInvalid(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        try:
            return cls()
        except ValidationError as error:
            details = "; ".join(map(cls._explain, error.errors(include_url=False)))
            raise SettingsInvalid(f"{details}; correct or unset it") from None

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment variable of the setting `name`."""
        alias = cls.model_fields[name].validation_alias
        return alias if isinstance(alias, str) else PREFIX + name.upper()

    @classmethod
    def _explain(cls, detail: ErrorDetails) -> str:
        """The variable with its value, unless that is a secret, and what is wrong with it."""
        place = str(detail["loc"][0])
        name = next(name for name in cls.model_fields if place in {name, cls.variable(name)})
        secret = SecretStr in get_args(cls.model_fields[name].annotation)
        shown = "" if secret else f"={detail['input']!r}"
        return f"{cls.variable(name)}{shown}: {detail['msg']}"
