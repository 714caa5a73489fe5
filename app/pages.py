"""The scenarios as pages to read."""

from __future__ import annotations

from itertools import groupby

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.dependencies import AssistantDep
from app.errors import ScenarioNotFound
from app.templating import page

router = APIRouter()


@router.head("/scenarios")
@router.get("/scenarios")
def contents(request: Request, assistant: AssistantDep) -> Response:
    """All scenarios by category."""
    ordered = groupby(assistant.scenarios.values(), key=lambda scenario: scenario.category)
    return page(request, "scenarios.html", {"groups": [(category, list(rows)) for category, rows in ordered]})


@router.head("/scenarios/{key}")
@router.get("/scenarios/{key}")
def scenario(request: Request, key: str, assistant: AssistantDep) -> Response:
    """One scenario at `{id}-{slug}`; another slug or none is redirected to the permalink."""
    number = key.partition("-")[0]
    if not number.isdecimal() or len(number) > 9:
        raise ScenarioNotFound(f"'{key[:80]}' names no scenario; see the list of all scenarios")
    found = assistant.scenario(int(number))
    if key != found.path.rpartition("/")[2]:
        return RedirectResponse(found.path, status_code=308)
    related = [assistant.scenarios[number] for number in found.related]
    return page(request, "scenario.html", {"scenario": found, "related": related})
