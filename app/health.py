"""Liveness and readiness."""

from __future__ import annotations

from fastapi import APIRouter

from app.dependencies import AssistantDep

router = APIRouter(prefix="/health", tags=["health"])


@router.head("/live", include_in_schema=False)
@router.get("/live")
def live() -> dict[str, str]:
    """200 as long as the process answers at all."""
    return {"status": "alive"}


@router.head("/ready", include_in_schema=False)
@router.get("/ready")
def ready(assistant: AssistantDep) -> dict[str, str | int]:
    """200 once the index is loaded, 503 before."""
    return {
        "status": "ready",
        "fingerprint": assistant.manifest.fingerprint,
        "scenarios": assistant.manifest.scenarios,
    }
