"""Exceptions to responses: RFC 9457 problem+json for programs, a page for people."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.errors import AssistantError
from app.security import HEADERS
from app.templating import page

log = logging.getLogger(__name__)

# What only programs ask for.
FOR_PROGRAMS = ("/api/", "/health/")

# What a person or a program can do about a status that carries no words of ours.
REMEDIES = {
    404: "no such address; see /scenarios for all scenarios",
    405: "this address does not take {method}; see the Allow header",
}


class ProblemResponse(Response):
    media_type = "application/problem+json"


def problem(
    status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> ProblemResponse:
    """An RFC 9457 body. `detail` may hold anything: it leaves as ASCII."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return ProblemResponse(json.dumps(body), status_code=status, headers=dict(headers or {}))


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AssistantError, _assistant_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def _respond(
    request: Request,
    status: int,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    if request.url.path.startswith(FOR_PROGRAMS):
        return problem(status, title, detail, headers=headers, **more)
    return page(request, "error.html", {"status": status, "title": title, "detail": detail}, status, headers)


def _assistant_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AssistantError)  # noqa: S101  narrows the type that Starlette's signature widens
    if error.status >= 500:
        log.error("%s: %s", error.title, error)
    headers = {"Retry-After": "5"} if error.status == 503 else None
    return _respond(request, error.status, error.title, str(error), headers)


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    details = error.errors()
    if any(detail["type"] == "json_invalid" for detail in details):
        reason = details[0].get("ctx", {}).get("error", "")
        return _respond(
            request, 400, "Malformed JSON", f"the body is not JSON: {reason}; send one JSON object"
        )
    errors = [
        {"field": ".".join(map(str, detail["loc"][1:])) or str(detail["loc"][0]), "message": _explain(detail)}
        for detail in details
    ]
    told = "; ".join(f"{row['field']}: {row['message']}" for row in errors)
    return _respond(request, 422, "Invalid request", told, errors=errors)


def _explain(detail: Mapping[str, Any]) -> str:
    """What is wrong and, for a short plain value that no person typed as prose, what was sent."""
    value = detail.get("input")
    if detail["type"] == "extra_forbidden":
        return "unknown field; take it out"
    shown = f" (sent: {value!r})" if isinstance(value, int | float) or value is None else ""
    if isinstance(value, str) and len(value) <= 40 and detail["loc"][0] != "body":
        shown = f" (sent: {value!r})"
    return f"{detail['msg']}{shown}"


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    detail = error.detail
    if detail == phrase:
        detail = REMEDIES.get(error.status_code, detail).format(method=request.method)
    return _respond(request, error.status_code, phrase, detail, error.headers)


def _unexpected(request: Request, error: Exception) -> Response:
    # Starlette logs the traceback; the client learns nothing internal. This response passes no middleware.
    told = "something failed here; try again, and report it if it stays"
    return _respond(request, 500, "Internal error", told, HEADERS)
