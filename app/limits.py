"""Size limits on requests."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Answers 413 to a request body above `max_bytes`, declared or streamed, before it is in memory."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        seen = int(declared) if declared.isdecimal() else 0
        streamed = 0

        async def limited() -> Message:
            nonlocal streamed
            if seen > self.max_bytes:
                raise self._too_large()
            message = await receive()
            streamed += len(message.get("body", b""))
            if streamed > self.max_bytes:
                raise self._too_large()
            return message

        await self.app(scope, limited, send)

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the request body is larger than {self.max_bytes} bytes; shorten it")
