"""Slack, for tests: a Web API that records and checks what it is sent, and requests with Slack's signature."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

import httpx

from tests.service import Service
from tests.slack_limits import violations

WORKSPACE, CHANNEL, PERSON, BOT = "T0WORK", "C0HELP", "U0ASKER", "U0BOT"
WAIT_SECONDS = 30
_numbers = itertools.count(1)


def number() -> int:
    """One that no earlier request had."""
    return next(_numbers)


@dataclass(frozen=True)
class Call:
    """`method` is that of the Web API, or `response` for what came to a response address."""

    method: str
    payload: dict[str, Any]
    at: float


@dataclass
class Trouble:
    """How the next `times` calls of a method go."""

    times: int
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    delay: float = 0


class SlackStandIn:
    """Serves on a free port until it is closed. `refused` is what real Slack would not have taken."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.refused: list[str] = []
        self._troubles: dict[str, list[Trouble]] = defaultdict(list)
        self._changed = threading.Condition()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, headers, reply = stand_in._take(self.path, self.headers.get("content-type", ""), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A service that is killed leaves its connections."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, secret: str) -> dict[str, str]:
        """What a service needs to talk to this instead of Slack."""
        return {
            "SLACK_SIGNING_SECRET": secret,
            "SLACK_BOT_TOKEN": "xoxb" + "-for-the-test",
            "SLACK_API_URL": f"{self.address}/api/",
        }

    def go_wrong(self, method: str, times: int = 1, **how: Any) -> None:
        """The next calls of `method` are delayed or answered with `status`, `headers` and `body`."""
        self._troubles[method].append(Trouble(times, **how))

    def go_right(self) -> None:
        """No more of that."""
        with self._changed:
            self._troubles.clear()

    def sent(self, method: str = "chat.postMessage", where: str | None = None) -> list[dict[str, Any]]:
        """The payloads of a method; `where` is a thread, or a response address."""
        with self._changed:
            rows = [call.payload for call in self.calls if call.method == method]
        return [row for row in rows if where is None or where in {row.get("thread_ts"), row.get("address")}]

    def wait(self, method: str = "chat.postMessage", count: int = 1, where: str | None = None) -> Any:
        """The last of at least `count` payloads."""
        self.wait_until(lambda: len(self.sent(method, where)) >= count)
        return self.sent(method, where)[-1]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"only {Counter(call.method for call in self.calls)}"
            with self._changed:
                self._changed.wait(0.05)

    def _take(self, path: str, kind: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        text = body.decode()
        payload = json.loads(text) if kind.startswith("application/json") else dict(parse_qsl(text))
        if isinstance(payload.get("blocks"), str):
            payload["blocks"] = json.loads(payload["blocks"])
        method = path.removeprefix("/api/") if path.startswith("/api/") else "response"
        if method == "response":
            payload["address"] = self.address + path
        trouble = self._trouble(method)
        if trouble and trouble.delay:
            time.sleep(trouble.delay)
        if trouble and (trouble.status != 200 or trouble.body is not None):
            with self._changed:
                self.calls.append(Call(f"{method} in vain", payload, time.monotonic()))
                self._changed.notify_all()
            return trouble.status, trouble.headers, json.dumps(trouble.body or {"ok": False}).encode()
        found = violations(payload) if method in {"chat.postMessage", "chat.update", "response"} else []
        with self._changed:
            self.calls.append(Call(method, payload, time.monotonic()))
            self.refused += [f"{method}: {words}" for words in found]
            self._changed.notify_all()
        reply = {"ok": False, "error": "invalid_blocks"} if found else {"ok": True, "ts": f"{number()}.0"}
        return 200, {}, json.dumps(reply).encode() if method != "response" else b"ok"

    def _trouble(self, method: str) -> Trouble | None:
        with self._changed:
            while self._troubles[method]:
                if self._troubles[method][0].times > 0:
                    self._troubles[method][0].times -= 1
                    return self._troubles[method][0]
                self._troubles[method].pop(0)
        return None


@dataclass
class Sender:
    """Sends what Slack sends to a service, signed with `secret`."""

    service: str
    secret: str
    responses: str = ""

    def post(
        self,
        body: bytes,
        kind: str = "application/json",
        *,
        secret: str | None = None,
        age: float = 0,
        signed: bytes | None = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> httpx.Response:
        """A signed request; `signed` is the body that the signature is of, if that is another one."""
        sent = {"Content-Type": kind, **self.headers(signed if signed is not None else body, secret, age)}
        sent |= headers or {}
        return httpx.post(f"{self.service}/slack/events", content=body, headers=sent, timeout=30)

    def headers(self, body: bytes, secret: str | None = None, age: float = 0) -> dict[str, Any]:
        """The signature of a body."""
        timestamp = str(int(time.time() - age))
        base = f"v0:{timestamp}:".encode() + body
        digest = hmac.new((secret or self.secret).encode(), base, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}

    def json(self, body: Mapping[str, Any], **how: Any) -> httpx.Response:
        return self.post(json.dumps(body).encode(), **how)

    def event(self, event: Mapping[str, Any], **how: Any) -> httpx.Response:
        return self.json(event_body(event), **how)

    def command(self, text: str, **more: str) -> str:
        """`/ask`; the response address that what comes of it is sent to."""
        address = self._response_address()
        body = {
            "command": "/ask",
            "text": text,
            "team_id": WORKSPACE,
            "channel_id": CHANNEL,
            "user_id": PERSON,
            "user_name": "ann",
            "trigger_id": f"{number()}.trigger",
            "response_url": address,
            **more,
        }
        done = self.post(urlencode(body).encode(), "application/x-www-form-urlencoded")
        assert (done.status_code, done.text) == (200, "")
        return address

    def interaction(self, body: Mapping[str, Any]) -> str:
        """A click or a shortcut; the response address that what comes of it is sent to."""
        address = self._response_address()
        whole = {
            "team": {"id": WORKSPACE},
            "user": {"id": PERSON, "name": "ann", "team_id": WORKSPACE},
            "channel": {"id": CHANNEL},
            "trigger_id": f"{number()}.trigger",
            "response_url": address,
            **body,
        }
        done = self.post(
            urlencode({"payload": json.dumps(whole)}).encode(), "application/x-www-form-urlencoded"
        )
        assert (done.status_code, done.text) == (200, "")
        return address

    def click(self, button: Mapping[str, Any], **more: Any) -> str:
        action = {key: button[key] for key in ("action_id", "value") if key in button}
        place = {"type": "message", "message_ts": "1.1", "channel_id": CHANNEL, "is_ephemeral": False}
        return self.interaction(
            {"type": "block_actions", "actions": [{"type": "button", **action}], "container": place, **more}
        )

    def shortcut(self, text: str) -> str:
        message = {"type": "message", "user": "U0OTHER", "ts": "1.1", "text": text}
        return self.interaction(
            {"type": "message_action", "callback_id": "find_answer", "message": message, "message_ts": "1.1"}
        )

    def _response_address(self) -> str:
        return f"{self.responses}/respond/{number()}"


@dataclass(frozen=True)
class Team:
    """A service with Slack, and both ways to it."""

    service: Service
    slack: SlackStandIn
    sender: Sender

    @classmethod
    def of(cls, start: Callable[..., Service], slack: SlackStandIn, secret: str, **settings: object) -> Self:
        service = start(slack.environment(secret), **settings)
        return cls(service, slack, Sender(service.address, secret, slack.address))


def event_body(event: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "event_callback",
        "team_id": WORKSPACE,
        "event_id": f"Ev{number()}",
        "event": event,
        "authorizations": [{"team_id": WORKSPACE, "user_id": BOT, "is_bot": True}],
        **more,
    }


def timestamp() -> str:
    """A message's, later than all before."""
    return f"1700000000.{number():06d}"


def mention(text: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "app_mention",
        "channel": CHANNEL,
        "user": PERSON,
        "ts": timestamp(),
        "text": f"<@{BOT}> {text}",
        **more,
    }


def message(text: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "channel_type": "channel",
        "channel": CHANNEL,
        "user": PERSON,
        "ts": timestamp(),
        "text": text,
        **more,
    }


def direct(text: str, **more: Any) -> dict[str, Any]:
    return message(text, **{"channel_type": "im", "channel": "D0PERSON", **more})
