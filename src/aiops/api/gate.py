"""The gate every request passes: API key, request id, counts and times, and the last net for what nobody caught."""

import asyncio
import hashlib
import hmac
import time
import uuid
from contextlib import suppress

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops.api.problem import problem
from aiops.service import Service

WRITE_PATH = "/api/v1/write"
OWN_LIMIT = (WRITE_PATH, "/v1/samples")  # read their bodies themselves, and say more
OPEN_PATHS = ("/healthz", "/readyz", "/", "/docs", "/redoc", "/openapi.json")  # no data in them
OPEN_FOLDERS = ("/docs/", "/static-offline-docs/")
log = structlog.get_logger(__name__)


class BodyTooLargeError(HTTPException):
    """A body beyond body_bytes_max, found while a route reads it: the one kind that routes let through."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(413, f"the body has more than body_bytes_max = {bytes_max} bytes: send it in parts")


class _Body:
    """How much of a request's body is still to come. Where the connection ends with the reply, what the client is still
    sending must be taken off it first: a connection closed upon unread bytes is reset, and the reply is lost."""

    def __init__(self, scope: Scope, headers: Headers, receive: Receive, bytes_max: int | None) -> None:
        self._receive, self._bytes_max, self._bytes = receive, bytes_max, 0
        is_sent = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        closes = scope["http_version"] == "1.0" or "close" in headers.get("connection", "").lower()
        self._is_waiting = "expect" in headers  # for our word before it sends
        self._is_whole = not is_sent
        self._closes = closes

    @property
    def is_to_drain(self) -> bool:
        return self._closes and not self._is_whole and not self._is_waiting

    async def receive(self) -> Message:
        self._is_waiting = False
        message = await self._receive()
        self._is_whole = self._is_whole or not message.get("more_body", False)
        self._bytes += len(message.get("body", b""))
        if self._bytes_max is not None and self._bytes > self._bytes_max:
            raise BodyTooLargeError(self._bytes_max)
        return message

    async def drain(self, bytes_max: int, most_s: float) -> None:
        self._bytes_max = None
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                size = 0
                while not self._is_whole and size <= bytes_max:
                    size += len((await self.receive()).get("body", b""))


class Gate:
    """A plain ASGI wrapper: it reads headers and looks into no body. Remote writes, the many, go straight to
    `remote_write` and pass none of the application's layers."""

    def __init__(self, app: ASGIApp, remote_write: ASGIApp, service: Service) -> None:
        self._app, self._remote_write, self._observation = app, remote_write, service.observation
        self._server = service.settings.server
        keys = self._server.api_keys
        self._digests = [hashlib.sha256(key.get_secret_value().encode()).digest() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")[:64] or uuid.uuid4().hex[:16]
        bytes_max = None if scope["path"] in OWN_LIMIT else self._server.body_bytes_max
        body = _Body(scope, headers, receive, bytes_max)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            elif body.is_to_drain and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await body.drain(self._server.drain_bytes_max, self._server.drain_s)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            key = self._known_key(headers)
            scope.setdefault("state", {})["api_key"] = key
            if self._digests and not _is_open(scope["path"]) and not key:
                detail = "send one of server.api_keys as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
                refusal = problem(401, "API key needed", detail, {"WWW-Authenticate": "Bearer"})
                await refusal(scope, body.receive, answer)
            elif scope["path"] == WRITE_PATH and scope["method"] == "POST":
                await self._remote_write(scope, body.receive, answer)
            else:
                await self._app(scope, body.receive, answer)
        except Exception:  # outermost loop: a bug answers 500 and is logged, the process stays up
            log.exception("request_failed", request_id=request_id, method=scope["method"], path=scope["path"])
            if not status:
                response = problem(500, "Internal error", "this is a bug; the log says more")
                await response(scope, body.receive, answer)
        finally:
            is_write = scope["path"] == WRITE_PATH
            # the route's template: ids in paths would be endless
            route = WRITE_PATH if is_write else getattr(scope.get("route"), "path", "other")
            self._observation.requests.labels(scope["method"], route, str(status)).inc()
            self._observation.request_seconds.labels(route).observe(time.perf_counter() - started)

    def _known_key(self, headers: Headers) -> str:
        """The first digits of the digest of the key that was shown; "" where it is none of ours."""
        sent = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        digest = hashlib.sha256(sent.strip().encode()).digest()
        is_known = sum(hmac.compare_digest(digest, known) for known in self._digests) > 0  # looks at all: no timing
        return digest.hex()[:8] if is_known else ""


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)
