"""What routes ask for by type."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from app.assistant import Assistant
from app.errors import IndexMissing
from app.journal import Journal
from app.settings import Settings
from app.typeahead import Typeahead


def get_settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


def get_assistant(request: Request) -> Assistant:
    """The loaded assistant; IndexMissing (503) before the index is loaded."""
    assistant: Assistant | None = getattr(request.app.state, "assistant", None)
    if assistant is None:
        raise IndexMissing("the index is not loaded yet; try again in a moment")
    return assistant


def get_journal(request: Request) -> Journal:
    return cast("Journal", request.app.state.journal)


def get_typeahead(request: Request) -> Typeahead:
    return cast("Typeahead", request.app.state.typeahead)


SettingsDep = Annotated[Settings, Depends(get_settings)]


def get_base_url(settings: SettingsDep) -> str:
    """What a scenario's path is put behind: the public address if one is set, else nothing."""
    return str(settings.public_url).rstrip("/") if settings.public_url else ""


AssistantDep = Annotated[Assistant, Depends(get_assistant)]
JournalDep = Annotated[Journal, Depends(get_journal)]
BaseUrlDep = Annotated[str, Depends(get_base_url)]
TypeaheadDep = Annotated[Typeahead, Depends(get_typeahead)]
