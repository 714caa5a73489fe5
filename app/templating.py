"""Jinja2 templates, autoescaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates

from app.dependencies import get_base_url, get_settings
from app.static_files import static_url
from app.wording import confidence_in_words


def _common(request: Request) -> dict[str, Any]:
    """What every page knows: the public address, if one is set."""
    return {"public_url": get_base_url(get_settings(request))}


_templates = Jinja2Templates(Path(__file__).resolve().parent / "templates", context_processors=[_common])


def sentence(text: str) -> str:
    """An error's message as a page shows it: with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


def month(text: str) -> str:
    """`2026-11` as people write it: November 2026."""
    return f"{datetime.strptime(text, '%Y-%m'):%B %Y}"


_templates.env.filters["sentence"] = sentence
_templates.env.filters["month"] = month
_templates.env.filters["in_words"] = confidence_in_words
_templates.env.globals["static_url"] = static_url
_templates.env.trim_blocks = True
_templates.env.lstrip_blocks = True


def page(
    request: Request,
    name: str,
    context: dict[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Template `name` as an HTML response."""
    return _templates.TemplateResponse(request, name, context, status_code=status, headers=headers)
