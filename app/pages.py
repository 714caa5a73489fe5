"""Pages to read: the scenarios, what the service is, and what search engines look for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from app.about import AccountDep
from app.dependencies import AssistantDep, BaseUrlDep
from app.errors import ScenarioNotFound
from app.listing import Listing
from app.outline import steps, with_addresses
from app.templating import page

MAX_FILTER_CHARS = 100

router = APIRouter()


@router.head("/scenarios")
@router.get("/scenarios")
def contents(
    request: Request, assistant: AssistantDep, q: Annotated[str, Query(max_length=MAX_FILTER_CHARS)] = ""
) -> Response:
    """All scenarios by category; `q` filters them."""
    listing = Listing.of(assistant.scenarios.values(), q)
    return page(
        request, "scenarios.html", {"listing": listing, "typed": q.strip(), "max_chars": MAX_FILTER_CHARS}
    )


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
    previous, following = _neighbours(list(assistant.scenarios), found.id)
    context = {
        "scenario": found,
        "body": [(part, with_addresses(part.html)) for part in found.body],
        "steps": steps(found),
        "related": [assistant.scenarios[number] for number in found.related],
        "previous": assistant.scenarios.get(previous),
        "following": assistant.scenarios.get(following),
    }
    return page(request, "scenario.html", context)


@router.head("/about")
@router.get("/about")
def about(request: Request, account: AccountDep) -> Response:
    """What this is, how sure it is, what it stores."""
    return page(request, "about.html", {"account": account})


@router.head("/sitemap.xml")
@router.get("/sitemap.xml")
def sitemap(request: Request, assistant: AssistantDep, base_url: BaseUrlDep) -> Response:
    response = page(
        request,
        "sitemap.xml",
        {"address": _address(request, base_url), "scenarios": assistant.scenarios.values()},
    )
    response.headers["Content-Type"] = "application/xml; charset=utf-8"
    return response


@router.head("/robots.txt")
@router.get("/robots.txt")
def robots(request: Request, base_url: BaseUrlDep) -> Response:
    """Everything may be read but the API, which holds the same."""
    sitemap = f"{_address(request, base_url)}/sitemap.xml"
    return PlainTextResponse(f"User-agent: *\nDisallow: /api/\n\nSitemap: {sitemap}\n")


def _neighbours(ids: list[int], number: int) -> tuple[int, int]:
    """The ids before and after `number`; 0, which is no id, at the ends."""
    around = [0, *ids, 0]
    place = around.index(number)
    return around[place - 1], around[place + 1]


def _address(request: Request, base_url: str) -> str:
    """The public address; without one, the address that was asked."""
    return base_url or str(request.base_url).rstrip("/")
