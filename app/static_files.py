"""The page's own files, at addresses that change with them, so that browsers may keep them for good."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from fastapi import Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).resolve().parent / "static"
FOR_GOOD = "public, max-age=31536000, immutable"


@cache
def digest() -> str:
    """Of all files together: a script names another relatively, and so gets the one of its own version."""
    files = (path for path in sorted(STATIC.rglob("*")) if path.is_file())
    content = b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)
    return hashlib.sha256(content).hexdigest()[:12]


def static_url(name: str) -> str:
    """The address of a static file."""
    return f"/static/{digest()}/{name}"


class VersionedFiles(StaticFiles):
    """Serves `/{digest}/{name}`. A page from before an update gets today's file, but not for good."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    def get_path(self, scope: Scope) -> str:
        return super().get_path(scope).partition("/")[2]

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        current = super().get_path(scope).partition("/")[0] == digest()
        response.headers["Cache-Control"] = FOR_GOOD if current else "no-cache"
        return response
