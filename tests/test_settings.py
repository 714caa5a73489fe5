"""Settings come from the environment, typed and frozen; what is wrong stops the start and is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import AnyHttpUrl, ValidationError

from app.errors import SettingsInvalid
from app.settings import PREFIX, PROJECT, Settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


def test_without_an_environment_the_defaults_hold() -> None:
    settings = Settings.from_environment()
    assert settings.content_dir == PROJECT / "content"
    assert settings.index_dir == PROJECT / "index"
    assert settings.max_question_chars == 4000
    assert settings.public_url is None
    # Unset: as the build found.
    assert settings.suggestion_confidence is settings.answer_confidence is None
    assert 0 < settings.accepted_refusals < settings.accepted_wrong_answers < 0.1


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_values_are_read_as_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "CONTENT_DIR": "/srv/content",
        "ENCODER_THREADS": "4",
        "ANSWER_CONFIDENCE": "0.75",
        "PUBLIC_URL": "https://answers.example.org",
        "LOG_LEVEL": "warning",
    }
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name, value)
    settings = Settings.from_environment()
    assert settings.content_dir == Path("/srv/content")
    assert settings.encoder_threads == 4
    assert settings.answer_confidence == 0.75
    assert settings.public_url == AnyHttpUrl("https://answers.example.org")
    assert settings.log_level == "warning"


def test_upper_and_lower_case_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("scenarios_max_question_chars", "100")
    assert Settings.from_environment().max_question_chars == 100


@pytest.mark.parametrize("name", ["SCENARIOS_FOO", "scenarios_foo", "SCENARIOS_", "SCENARIOS_LOG_LEVELS"])
def test_an_unknown_variable_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsInvalid) as refusal:
        Settings.from_environment()
    unknown, known = str(refusal.value).split("; known: ")
    assert unknown == f"unknown {name}"
    assert known.split(", ") == sorted(map(Settings.variable, Settings.model_fields))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ENCODER_THREADS", "many", "Input should be a valid integer"),
        ("ENCODER_THREADS", "0", "Input should be greater than or equal to 1"),
        ("ENCODER_THREADS", "65", "Input should be less than or equal to 64"),
        ("ANSWER_CONFIDENCE", "1.5", "Input should be less than or equal to 1"),
        ("ANSWER_CONFIDENCE", "nan", "Input should be"),
        ("SUGGESTION_CONFIDENCE", "-0.1", "Input should be greater than or equal to 0"),
        ("MAX_QUESTION_CHARS", "0", "Input should be greater than or equal to 1"),
        ("MAX_BODY_BYTES", "1000", "Input should be greater than or equal to 1024"),
        ("MODEL", "", "String should have at least 1 character"),
        ("PUBLIC_URL", "answers.example.org", "Input should be a valid URL"),
        ("PUBLIC_URL", "ftp://answers.example.org", "URL scheme should be 'http' or 'https'"),
        ("QUESTION_RETENTION_DAYS", "-1", "Input should be greater than or equal to 0"),
        ("LOG_LEVEL", "chatty", "Input should be 'debug', 'info', 'warning' or 'error'"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsInvalid) as refusal:
        Settings.from_environment()
    message = str(refusal.value)
    assert message.startswith(f"{PREFIX}{name}={value!r}: {reason}")
    assert message.endswith("; correct or unset it")


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///journal.sqlite3",
        "mysql://app:{}@db/journal",
        "host=db password={}",
        "postgresql://app:{}@ss@db/journal",
        "postgresql://app:{}/word@db/journal",
        "postgresql://app:{}%zz@db/journal",
        "postgresql://app:{}@db:port/journal",
        "postgresql://app:{}@db/journal?secret=1",
        "{}",
    ],
)
def test_a_database_that_is_no_postgresql_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    secret = "hunter" + "2hunter2"
    monkeypatch.setenv("SCENARIOS_DATABASE_URL", address.format(secret))
    with pytest.raises(SettingsInvalid) as refusal:
        Settings.from_environment()
    assert str(refusal.value).startswith(
        "SCENARIOS_DATABASE_URL: not a PostgreSQL address; write postgresql://"
    )
    assert secret not in str(refusal.value)
    with pytest.raises(ValidationError) as refusal_by_pydantic:
        Settings()
    assert secret not in str(refusal_by_pydantic.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgres://app:{}@db/journal",
        "postgresql://app:{}%40%2F@db-1:5432,db-2:5433/journal?sslmode=require&connect_timeout=2",
        "postgresql:///journal?host=/var/run/postgresql&password={}",
    ],
)
def test_a_postgresql_is_taken_in_every_form_and_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    secret = "hunter" + "2hunter2"
    monkeypatch.setenv("SCENARIOS_DATABASE_URL", address.format(secret))
    settings = Settings.from_environment()
    assert settings.database_url
    assert settings.database_url.get_secret_value() == address.format(secret)
    assert secret not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENARIOS_ENCODER_THREADS", "many")
    monkeypatch.setenv("SCENARIOS_LOG_LEVEL", "chatty")
    with pytest.raises(
        SettingsInvalid, match=r"SCENARIOS_ENCODER_THREADS='many'.*; SCENARIOS_LOG_LEVEL='chatty'"
    ):
        Settings.from_environment()


def test_settings_cannot_be_changed_or_invented() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.encoder_threads = 2
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Settings.model_validate({"encoder_thread": 2})
