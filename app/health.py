"""Liveness and readiness."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from app.dependencies import AssistantDep, JournalDep

router = APIRouter(prefix="/health", tags=["health"])


@router.head("/live", include_in_schema=False)
@router.get("/live")
def live() -> dict[str, str]:
    """200 as long as the process answers at all."""
    return {"status": "alive"}


@router.head("/ready", include_in_schema=False)
@router.get("/ready")
def ready(assistant: AssistantDep, journal: JournalDep) -> dict[str, Any]:
    """200 once the index is loaded, 503 before; a journal that cannot be written stops no answers."""
    return {
        "status": "ready",
        "fingerprint": assistant.manifest.fingerprint,
        "scenarios": assistant.manifest.scenarios,
        "journal": {"status": "failing" if journal.is_failing else "ok", **asdict(journal.counters)},
    }
